//! The same case, put to the crate: through its library and through the JSON of the command line.

use policy::{
    Action, AttachedPolicy, Decision, Explanation, MapContext, Outcome, ParseOptions, Policy, PolicyKind, Principal,
    Request, Resource, Value as ContextValue, parse,
};
use serde_json::Value;

use crate::case::{Caller, Question, members, one_or_many, text_of};

/// The policies of a case, compiled, with their kinds, and whether they are enabled.
pub(crate) type Compiled = Vec<(Policy, bool)>;

/// What the library says.
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// Position of the deciding policy, and the statement's name in it.
    pub(crate) deciding: Option<(usize, String)>,
}

/// Compiles the policies of a case.
pub(crate) fn compile(case: &Value) -> Result<Compiled, String> {
    let compile = |attached: &Value| {
        let kind = match attached["kind"].as_str() {
            Some("identity") => PolicyKind::Identity,
            Some("bucket") => PolicyKind::Bucket,
            Some("session") => PolicyKind::Session,
            other => return Err(format!("no kind {other:?}")),
        };
        let document = attached["document"].to_string();
        let policy = parse(document.as_bytes(), ParseOptions::grammar(kind)).map_err(|errors| errors.to_string())?;
        Ok((policy, attached["enabled"] != false))
    };
    case["policies"].as_array().ok_or("no policies")?.iter().map(compile).collect()
}

/// `policy::decide`, and with it `explain` and `asks_for_object_tags`, which must not contradict it.
pub(crate) fn decide(compiled: &Compiled, case: &Value, further: bool) -> Answer {
    let names: Vec<String> = (0..compiled.len()).map(|index| index.to_string()).collect();
    let attached: Vec<AttachedPolicy> = compiled
        .iter()
        .zip(&names)
        .map(|((policy, enabled), name)| AttachedPolicy { enabled: *enabled, ..AttachedPolicy::new(policy, name) })
        .collect();
    with_request(case, |request| {
        let decision = policy::decide(attached.iter().copied(), request);
        if further {
            let Explanation { decision: explained, .. } = policy::explain(attached.iter().copied(), request);
            assert_eq!(explained, decision.outcome, "explain contradicts decide");
            if !policy::asks_for_object_tags(attached.iter().copied(), request) {
                let mut context = context_of(case);
                for tag in ["team", "Team"] {
                    context.insert_unreadable(&format!("s3:ExistingObjectTag/{tag}"));
                }
                let untagged = policy::decide(attached.iter().copied(), &Request { context: &context, ..*request });
                assert_eq!(untagged, decision, "tags that were not asked for decide");
            }
        }
        let Decision { outcome, deciding, .. } = decision;
        let deciding = deciding.map(|deciding| {
            (deciding.policy.parse().expect("policies are named by position"), deciding.statement.name())
        });
        Answer { outcome, deciding }
    })
}

fn with_request<R>(case: &Value, ask: impl FnOnce(&Request<'_>) -> R) -> R {
    let question = Question::of(case);
    let caller = question.caller();
    let account = question.account().unwrap_or_default();
    let principal = match &caller {
        Caller::Anonymous => Principal::Anonymous,
        Caller::Root => Principal::Root { account },
        Caller::User { arn } => Principal::User { account, name: arn.rsplit('/').next().unwrap_or_default(), arn },
        Caller::Session { role, arn } => Principal::Session { account, role_arn: role, session_arn: arn },
    };
    let context = context_of(case);
    ask(&Request {
        principal,
        action: Action::from_name(question.action()).expect("the action exists"),
        resource: match question.resource() {
            "arn:aws:s3:::*" => Resource::Service { account: question.owner() },
            arn => Resource::from_arn(arn, question.owner()),
        },
        context: &context,
        canonical_user: question.canonical_user(),
    })
}

fn context_of(case: &Value) -> MapContext {
    let mut context = MapContext::new();
    for (key, value) in members(&case["request"]["context"]) {
        match value {
            Value::Array(values) => context.insert_many(key, values.iter().map(|value| typed(key, value)).collect()),
            value => context.insert(key, typed(key, value)),
        }
    }
    for key in one_or_many(&case["request"]["unreadable"]).into_iter().filter_map(Value::as_str) {
        context.insert_unreadable(key);
    }
    context
}

/// A value of the context as a server gives it: typed where that changes no text.
fn typed(key: &str, value: &Value) -> ContextValue<'static> {
    let text = text_of(value);
    match value {
        Value::Bool(value) => return ContextValue::Boolean(*value),
        Value::Number(number) => {
            return number.as_i64().map_or_else(|| ContextValue::String(text.into()), ContextValue::Number);
        }
        _ => {}
    }
    match key {
        // The socket of a dual stack gives the mapped form.
        "aws:SourceIp" => match text.parse() {
            Ok(std::net::IpAddr::V4(address)) if text.ends_with('1') => {
                ContextValue::Address(address.to_ipv6_mapped().into())
            }
            Ok(address) if address.to_canonical().to_string() == text => ContextValue::Address(address),
            _ => ContextValue::String(text.into()),
        },
        "aws:EpochTime" if text == "1767225599" => ContextValue::Seconds(1_767_225_599),
        _ => ContextValue::String(text.into()),
    }
}

/// What the JSON of the command line says.
pub(crate) fn eval(case: &Value) -> Value {
    let text = policy::eval_cases(&format!("[{case}]")).expect("an array is judged");
    let mut answers: Vec<Value> = serde_json::from_str(&text).expect("answers are JSON");
    assert_eq!(answers.len(), 1, "{text}");
    answers.remove(0)
}

/// Whether a case says nothing that the JSON of the command line lacks.
pub(crate) fn is_expressible(case: &Value) -> bool {
    let request = &case["request"];
    request["owner"] != "999999999999"
        && request["canonical_user"].is_null()
        && one_or_many(&request["unreadable"]).iter().all(|key| key.is_null())
}
