//! The corpus format: decisions as JSON in, answers as JSON out. The bodies of `strongroom policy eval` and `explain`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::action::AskedAction;
use crate::decide::{AttachedPolicy, Outcome, decide_action};
use crate::explain::{Explanation, explain_action};
use crate::json::{self, JsonValue, Node};
use crate::key::ConditionKey;
use crate::parse::{ParseOptions, parse};
use crate::policy::{Policy, PolicyKind};
use crate::principal::is_account;
use crate::request::{Principal, Request, Resource};
use crate::value::{MapContext, Value};

/// The account that owns the buckets of every case.
pub const CASE_ACCOUNT: &str = "123456789012";

/// Most cases in one file.
const CASES_MAX: usize = 1_000_000;

#[derive(Deserialize)]
struct Case<'t> {
    #[serde(default)]
    id: serde_json::Value,
    #[serde(borrow)]
    policies: Vec<CasePolicy<'t>>,
    #[serde(borrow)]
    request: CaseRequest<'t>,
}

#[derive(Deserialize)]
struct CasePolicy<'t> {
    kind: PolicyKind,
    #[serde(borrow)]
    document: &'t RawValue,
    name: Option<String>,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct CaseRequest<'t> {
    principal: String,
    action: String,
    resource: String,
    #[serde(borrow)]
    context: Option<&'t RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Decided { id: serde_json::Value, decision: Outcome, policy: serde_json::Value, sid: Option<String> },
    Refused { id: serde_json::Value, error: String },
}

/// A case, compiled.
struct Prepared {
    policies: Vec<(Policy, PolicyKind, serde_json::Value, bool)>,
    principal: OwnedPrincipal,
    action: String,
    resource: String,
    context: MapContext,
}

#[derive(Default)]
struct OwnedPrincipal {
    text: String,
    account: String,
    name: String,
    role_arn: String,
}

/// Judges the cases of a file: a JSON array of `{id, policies: [{kind, document}], request: {principal, action, resource,
/// context}}`. Answers a JSON array of `{id, decision, policy, sid}`, or `{id, error}` for a case that is refused; `policy` is
/// the policy's `name`, or its zero-based position where it has none.
///
/// # Errors
///
/// The text is not a JSON array.
pub fn eval_cases(text: &str) -> Result<String, String> {
    let cases: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| format!("not an array of cases: {error}"))?;
    if cases.len() > CASES_MAX {
        return Err(format!("{} cases; at most {CASES_MAX} are judged at once", cases.len()));
    }
    let answers: Vec<Answer> = cases.into_iter().map(|case| eval_case(case.get())).collect();
    serde_json::to_string_pretty(&answers).map_err(|error| error.to_string())
}

/// Explains one case: a JSON object as in [`eval_cases`], or an array of just one.
///
/// # Errors
///
/// What is wrong with the case.
pub fn explain_case(text: &str) -> Result<Explanation, String> {
    let inner = match text.trim_start().starts_with('[') {
        true => match serde_json::from_str::<Vec<&RawValue>>(text).map_err(|error| error.to_string())?.as_slice() {
            [one] => one.get(),
            cases => return Err(format!("one case is explained at a time, not {}", cases.len())),
        },
        false => text,
    };
    let case: Case<'_> = serde_json::from_str(inner).map_err(|error| error.to_string())?;
    let prepared = prepare(&case)?;
    let names: Vec<String> = prepared.policies.iter().map(|(_, kind, name, _)| display_name(*kind, name)).collect();
    prepared.with_request(|request, action| {
        let attached = prepared.policies.iter().zip(&names).map(|((policy, role, _, enabled), name)| AttachedPolicy {
            policy,
            role: *role,
            name,
            enabled: *enabled,
        });
        explain_action(attached, request, action, &prepared.action)
    })
}

fn display_name(kind: PolicyKind, name: &serde_json::Value) -> String {
    match name {
        serde_json::Value::String(name) => name.clone(),
        _ if kind == PolicyKind::Bucket => "bucket policy".to_owned(),
        number => format!("policy {number}"),
    }
}

fn eval_case(text: &str) -> Answer {
    let case: Case<'_> = match serde_json::from_str(text) {
        Ok(case) => case,
        Err(error) => {
            let id = serde_json::from_str::<serde_json::Value>(text).ok();
            let id = id.and_then(|case| case.get("id").cloned()).unwrap_or_default();
            return Answer::Refused { id, error: error.to_string() };
        }
    };
    let decided = prepare(&case).and_then(|prepared| {
        // Positions stand for names, so that the deciding policy can be found again.
        let positions: Vec<String> = (0..prepared.policies.len()).map(|index| index.to_string()).collect();
        prepared.with_request(|request, action| {
            let attached = prepared.policies.iter().zip(&positions).map(|((policy, role, _, enabled), name)| {
                AttachedPolicy { policy, role: *role, name, enabled: *enabled }
            });
            let decision = decide_action(attached, request, action);
            let named = decision.deciding.and_then(|deciding| {
                let index: usize = deciding.policy.parse().ok()?;
                let (_, _, name, _) = prepared.policies.get(index)?;
                Some((name.clone(), deciding.statement.name()))
            });
            let (policy, sid) = named.unzip();
            (decision.outcome, policy.unwrap_or_default(), sid)
        })
    });
    match decided {
        Ok((decision, policy, sid)) => Answer::Decided { id: case.id, decision, policy, sid },
        Err(error) => Answer::Refused { id: case.id, error },
    }
}

fn prepare(case: &Case<'_>) -> Result<Prepared, String> {
    let mut policies = Vec::with_capacity(case.policies.len());
    for (index, policy) in case.policies.iter().enumerate() {
        let raw = policy.document.get();
        // A document may also be given as a text, which keeps what JSON itself would lose.
        let text = match raw.starts_with('"') {
            true => serde_json::from_str::<String>(raw).map_err(|error| error.to_string())?,
            false => raw.to_owned(),
        };
        let compiled =
            parse(text.as_bytes(), ParseOptions::grammar(policy.kind)).map_err(|errors| errors.to_string())?;
        let name = policy.name.clone().map_or(serde_json::Value::from(index), serde_json::Value::from);
        policies.push((compiled, policy.kind, name, policy.enabled.unwrap_or(true)));
    }
    Ok(Prepared {
        policies,
        principal: OwnedPrincipal::new(&case.request.principal)?,
        action: case.request.action.clone(),
        resource: case.request.resource.clone(),
        context: read_context(case.request.context.map(RawValue::get))?,
    })
}

impl Prepared {
    fn with_request<R>(&self, f: impl FnOnce(&Request<'_>, AskedAction<'_>) -> R) -> Result<R, String> {
        let principal = self.principal.borrow();
        let mut resource = Resource::from_arn(&self.resource, CASE_ACCOUNT);
        if matches!(resource, Resource::Service { .. }) {
            // The service is asked for the caller's own account.
            resource = Resource::Service { account: principal.account().unwrap_or(CASE_ACCOUNT) };
        }
        let asked = AskedAction::from_name(&self.action);
        // For a name that is not in the table only `asked` is compared.
        let action = match asked {
            AskedAction::Known(action) => action,
            AskedAction::Other(_) => crate::action::Action::GetObject,
        };
        let request = Request { principal, action, resource, context: &self.context, canonical_user: None };
        Ok(f(&request, asked))
    }
}

impl OwnedPrincipal {
    fn new(text: &str) -> Result<OwnedPrincipal, String> {
        let wrong = || format!("{text:?} is not \"anonymous\" or the ARN of a user, a role, a session or a root");
        let mut principal = OwnedPrincipal { text: text.to_owned(), ..OwnedPrincipal::default() };
        if text == "anonymous" {
            return Ok(principal);
        }
        let (fields, tail) = crate::resource::split_arn(text).ok_or_else(wrong)?;
        let ["arn", partition, service, "", account] = fields else { return Err(wrong()) };
        if !is_account(account) {
            return Err(wrong());
        }
        principal.account = account.to_owned();
        match (service, tail.split_once('/')) {
            ("iam", None) if tail == "root" => {}
            ("iam", Some(("user", name))) if !name.is_empty() => {
                principal.name = name.rsplit('/').next().unwrap_or_default().to_owned();
            }
            ("iam", Some(("role", name))) if !name.is_empty() => principal.role_arn = text.to_owned(),
            ("sts", Some(("assumed-role", rest))) => {
                let (role, _session) = rest.split_once('/').ok_or_else(wrong)?;
                principal.role_arn = format!("arn:{partition}:iam::{account}:role/{role}");
            }
            ("sts", Some(("federated-user", name))) if !name.is_empty() => {}
            _ => return Err(wrong()),
        }
        Ok(principal)
    }

    fn borrow(&self) -> Principal<'_> {
        let account = self.account.as_str();
        if account.is_empty() {
            Principal::Anonymous
        } else if self.text.ends_with(":root") {
            Principal::Root { account }
        } else if self.name.is_empty() {
            // A role itself has no session of its own to be named by.
            let session_arn = if self.role_arn == self.text { "" } else { self.text.as_str() };
            Principal::Session { account, role_arn: &self.role_arn, session_arn }
        } else {
            Principal::User { account, name: &self.name, arn: &self.text }
        }
    }
}

fn read_context(raw: Option<&str>) -> Result<MapContext, String> {
    let mut context = MapContext::new();
    let Some(raw) = raw.filter(|raw| *raw != "null") else { return Ok(context) };
    let node = json::read(raw).map_err(|error| format!("the context is not a JSON object: {}", error.kind))?;
    let members = node.as_object().ok_or("the context is not a JSON object")?;
    let mut seen = HashSet::new();
    for member in members {
        if !seen.insert(ConditionKey::new(&member.key).canonical().to_owned()) {
            return Err(format!("the context has {} twice, in different case", member.key));
        }
        match &member.value.value {
            JsonValue::Array(items) => {
                let values: Result<Vec<_>, String> = items.iter().map(|item| read_value(&member.key, item)).collect();
                context.insert_many(&member.key, values?);
            }
            _ => context.insert(&member.key, read_value(&member.key, &member.value)?),
        }
    }
    Ok(context)
}

fn read_value(key: &str, node: &Node) -> Result<Value<'static>, String> {
    match &node.value {
        JsonValue::String(text) => Ok(Value::String(text.clone().into())),
        JsonValue::Boolean(boolean) => Ok(Value::Boolean(*boolean)),
        // The digits are kept as they are; operators read them as decimals.
        JsonValue::Number(text) => Ok(text.parse().map_or_else(|_| Value::String(text.clone().into()), Value::Number)),
        _ => Err(format!("the value of {key} in the context is not a string, a number, a boolean or a list of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(case: &str) -> serde_json::Value {
        let answers: serde_json::Value = serde_json::from_str(&eval_cases(&format!("[{case}]")).unwrap()).unwrap();
        answers[0].clone()
    }

    #[test]
    fn a_case_is_answered_with_its_deciding_statement() {
        let case = |action: &str| {
            format!(
                r#"{{"id": 7, "note": "kept out", "policies": [{{"kind": "identity", "document": {{"Version": "2012-10-17", "Statement": [
                {{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}},
                {{"Sid": "No", "Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"}}]}}}}],
                "request": {{"principal": "arn:aws:iam::123456789012:user/a", "action": "{action}", "resource": "arn:aws:s3:::b/k", "context": {{}}}}}}"#
            )
        };
        assert_eq!(
            eval(&case("s3:GetObject")),
            serde_json::json!({"id": 7, "decision": "Allow", "policy": 0, "sid": "#1"})
        );
        assert_eq!(
            eval(&case("s3:getobjectacl")),
            serde_json::json!({"id": 7, "decision": "ExplicitDeny", "policy": 0, "sid": "No"})
        );
        assert_eq!(
            eval(&case("s3:PutObject")),
            serde_json::json!({"id": 7, "decision": "ImplicitDeny", "policy": null, "sid": null})
        );
        assert_eq!(eval(&case("s3:GetSomethingNew"))["decision"], "Allow");
        assert_eq!(eval(&case("kms:Decrypt"))["decision"], "ImplicitDeny");
    }

    #[test]
    fn a_refused_document_makes_an_error_and_no_decision() {
        let case = r#"{"id": "dup", "policies": [{"kind": "identity", "document": {"Version": "2012-10-17", "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}}],
            "request": {"principal": "anonymous", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"}}"#;
        let answer = eval(case);
        assert_eq!(answer["id"], "dup");
        assert!(answer["error"].is_string() && answer.get("decision").is_none(), "{answer}");
        assert_eq!(eval(r#"{"id": 3}"#)["id"], 3);
        let twice = r#"{"id": 4, "policies": [], "request": {"principal": "anonymous", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k",
            "context": {"s3:prefix": "a", "S3:Prefix": "b"}}}"#;
        assert!(eval(twice)["error"].as_str().is_some_and(|error| error.contains("twice")), "{}", eval(twice));
        assert!(eval_cases("{}").is_err());
    }

    #[test]
    fn an_explanation_names_what_was_missing() {
        let case = r#"{"policies": [{"kind": "identity", "name": "reader", "document": {"Version": "2012-10-17", "Statement": {"Sid": "Home",
            "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}}}],
            "request": {"principal": "arn:aws:iam::123456789012:user/a", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k",
            "context": {"aws:SourceIp": "127.0.0.1"}}}"#;
        let explanation = explain_case(case).unwrap();
        assert_eq!(explanation.decision, Outcome::ImplicitDeny);
        let text = explanation.to_string();
        assert!(text.contains("nearly allowed by Home of reader"), "{text}");
        assert!(text.contains("IpAddress aws:SourceIp 10.0.0.0/8 fails: the request has 127.0.0.1"), "{text}");
    }
}
