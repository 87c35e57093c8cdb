//! What `policy explain` is asked: one case, from a file or from flags, and the documents in it as they stand in their files.
//!
//! A case file is judged as it is, with a warning where it asks for what no request has. Flags are typed by people, so that what no request has is an error there.

use std::net::IpAddr;
use std::path::Path;

use policy::{
    Action, ConditionKey, DOCUMENT_BYTES_MAX, Kind, ParseOptions, PolicyError, PolicyKind, Resource, ResourceType,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{case, read_cases};
use crate::args::PolicyExplain;
use crate::failure::Failure;
use crate::input::{self, shown_name};

/// A case, ready to be explained.
pub(super) struct Question {
    /// The case as `policy eval` takes it.
    pub(super) case: String,
    /// Where it comes from, for errors.
    pub(super) name: String,
    /// Its documents.
    pub(super) sources: Vec<Source>,
    /// What to say before it is answered.
    pub(super) warnings: Vec<String>,
    /// The keys of its context.
    keys: Vec<ConditionKey>,
}

/// A document of a case.
pub(super) struct Source {
    /// Its name in explanations.
    pub(super) name: String,
    pub(super) text: String,
    place: Place,
}

enum Place {
    /// In a file from this one-based line on.
    File { file: String, first_line: usize },
    /// In a file as a text, which has lines of its own.
    Text { within: String },
}

impl Question {
    /// The variables in a text that have neither a value in the request nor a default, as they are written.
    pub(super) fn variables_without_value<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            let is_literal = matches!(name, "*" | "?" | "$");
            let key = ConditionKey::new(name);
            let has_value = self.keys.iter().any(|known| known.canonical() == key.canonical());
            if !is_literal && !name.contains(',') && !has_value && !found.contains(&name) {
                found.push(name);
            }
            rest = behind;
        }
        found
    }
}

impl Source {
    /// Where a one-based line of the document is.
    pub(super) fn place(&self, line: u32) -> String {
        match &self.place {
            Place::File { file, .. } => format!("{file}:{}", self.line_in_file(line)),
            Place::Text { within } => format!("{within}, line {line}"),
        }
    }

    /// The line's one-based number in the file, or in the document where that is a text.
    pub(super) fn line_in_file(&self, line: u32) -> usize {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        match self.place {
            Place::File { first_line, .. } => line.saturating_add(first_line - 1),
            Place::Text { .. } => line,
        }
    }
}

/// Reads the case that the arguments name or describe.
pub(super) fn read(arguments: &PolicyExplain) -> Result<Question, Failure> {
    if let Some(flag) = arguments.connection.flag() {
        return Err(Failure::usage(format!("{flag} goes with --as, which asks a node")));
    }
    match &arguments.case {
        Some(file) => from_file(file),
        None => from_flags(arguments),
    }
}

#[derive(Deserialize)]
struct Case<'t> {
    #[serde(borrow)]
    policies: Vec<CasePolicy<'t>>,
    request: CaseRequest,
}

#[derive(Deserialize)]
struct CasePolicy<'t> {
    kind: PolicyKind,
    #[serde(borrow)]
    document: &'t RawValue,
    name: Option<String>,
}

#[derive(Deserialize)]
struct CaseRequest {
    action: String,
    context: Option<Map<String, Value>>,
}

fn from_file(file: &Path) -> Result<Question, Failure> {
    let name = shown_name(file);
    let wrong = |error: String| Failure::usage(format!("case file {name}: {error}"));
    let text = read_cases(file)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let inner = match text.trim_start().starts_with('[') {
        true => match case::cases_of(text, case::EVAL_FORM).map_err(wrong)?.as_slice() {
            [one] => one.get(),
            cases => {
                return Err(wrong(format!(
                    "has {} cases, and one is explained at a time; name a file of one",
                    cases.len()
                )));
            }
        },
        false => text.trim(),
    };
    case::is_json(inner).and_then(|()| case::eval_shape(inner)).map_err(|error| wrong(format!("the case {error}")))?;
    let parsed: Case<'_> = serde_json::from_str(inner).map_err(|error| wrong(error.to_string()))?;
    let mut sources = Vec::with_capacity(parsed.policies.len());
    for (index, policy) in parsed.policies.iter().enumerate() {
        // The names that the policy crate gives to policies without one.
        let named = match &policy.name {
            Some(name) => name.clone(),
            None if policy.kind == PolicyKind::Bucket => "bucket policy".to_owned(),
            None => format!("policy {index}"),
        };
        let raw = policy.document.get();
        let (text, place) = match serde_json::from_str::<String>(raw) {
            Ok(text) => (text, Place::Text { within: format!("{name}, policies[{index}].document") }),
            Err(_) => {
                let first_line = 1 + case::lines_before(text, raw);
                (raw.to_owned(), Place::File { file: name.clone(), first_line })
            }
        };
        sources.push(Source { name: named, text, place });
    }
    let mut warnings = Vec::new();
    if let Err(error) = known_action(&parsed.request.action) {
        warnings.push(format!("case file {name}: request.action: {error}"));
    }
    let mut keys = Vec::new();
    for key in parsed.request.context.iter().flat_map(Map::keys) {
        keys.push(ConditionKey::new(key));
        if let Err(error) = known_key(key) {
            warnings.push(format!("case file {name}: request.context: {error}"));
        }
    }
    Ok(Question { case: inner.to_owned(), name: format!("case file {name}"), sources, warnings, keys })
}

/// The request that flags describe.
pub(crate) struct FlagRequest<'a> {
    /// As it was written.
    pub(crate) action: &'a str,
    /// An ARN.
    pub(crate) resource: &'a str,
    pub(crate) context: Map<String, Value>,
    /// What to say before it is answered.
    pub(crate) warnings: Vec<String>,
}

/// Reads the request that flags describe.
///
/// # Errors
/// A flag is missing, or is what no request has.
pub(crate) fn request_of(arguments: &PolicyExplain) -> Result<FlagRequest<'_>, Failure> {
    let missing =
        |flag: &str| Failure::usage(format!("{flag} is missing; give a CASE file or a whole request; see --help"));
    let asked = arguments.action.as_ref().ok_or_else(|| missing("--action"))?;
    let resource = arguments.resource.as_ref().ok_or_else(|| missing("--resource"))?;
    let action = known_action(asked).map_err(|error| Failure::usage(format!("--action: {error}")))?;
    let mut warnings = Vec::new();
    check_resource(action, resource, &mut warnings)?;
    let context = context_of(&arguments.context, action, &mut warnings)?;
    Ok(FlagRequest { action: asked, resource, context, warnings })
}

fn from_flags(arguments: &PolicyExplain) -> Result<Question, Failure> {
    let FlagRequest { action: asked, resource, context, mut warnings } = request_of(arguments)?;
    let files = arguments.policy.iter().chain(&arguments.bucket_policy).chain(&arguments.session_policy);
    if files.filter(|file| file.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("standard input (-) can be read once; name it once"));
    }
    let keys = context.keys().map(|key| ConditionKey::new(key)).collect();
    let (mut policies, mut sources) = (Vec::new(), Vec::new());
    for (kind, files) in [
        (PolicyKind::Identity, &arguments.policy),
        (PolicyKind::Bucket, &arguments.bucket_policy),
        (PolicyKind::Session, &arguments.session_policy),
    ] {
        for file in files {
            let name = shown_name(file);
            let text = read_document(file, kind, &name, &mut warnings)?;
            policies.push(json!({ "kind": kind, "document": text, "name": name }));
            sources.push(Source { place: Place::File { file: name.clone(), first_line: 1 }, name, text });
        }
    }
    let case = json!({
        "policies": policies,
        "request": { "principal": arguments.principal, "action": asked, "resource": resource, "context": context },
    });
    Ok(Question { case: case.to_string(), name: "the request".to_owned(), sources, warnings, keys })
}

/// Reads a document that can be judged; what keeps it from being stored only is a warning.
fn read_document(file: &Path, kind: PolicyKind, name: &str, warnings: &mut Vec<String>) -> Result<String, Failure> {
    let text = input::read_text(file, DOCUMENT_BYTES_MAX as u64)
        .map_err(|error| Failure::usage(format!("policy document {name}: {error}")))?;
    let flag = match kind {
        PolicyKind::Identity => "",
        PolicyKind::Bucket => " --kind bucket",
        PolicyKind::Session => " --kind session",
    };
    let told = |error: &PolicyError| format!("{name}:{error}");
    if let Err(errors) = policy::parse(text.as_bytes(), ParseOptions::grammar(kind)) {
        let first = errors.errors.first().map_or_else(|| format!("{name}: {errors}"), told);
        return Err(Failure::usage(format!("policy document {first} See strongroom policy check {name}{flag}")));
    }
    if let Err(errors) = policy::parse(text.as_bytes(), ParseOptions { kind, ..ParseOptions::identity() }) {
        let first = errors.errors.first().map_or_else(|| format!("{name}: {errors}"), told);
        warnings
            .push(format!("the document can't be stored like this: {first} See strongroom policy check {name}{flag}"));
    }
    Ok(text)
}

/// The action of this name.
fn known_action(name: &str) -> Result<Action, String> {
    if let Some(action) = Action::from_name(name) {
        return Ok(action);
    }
    if name.contains(['*', '?']) {
        return Err(format!("{name:?} is a pattern; a request asks for one action, such as s3:GetObject"));
    }
    if let Some(action) = Action::from_name(&format!("s3:{name}")) {
        return Err(format!("{name:?} is no action. Did you mean {action}?"));
    }
    match refusal(name, &json!({})) {
        Some(error) => Err(error.message),
        None => Err(format!("{name:?} is no action that is judged here; name one of S3's, such as s3:GetObject")),
    }
}

/// The key of this name.
fn known_key(name: &str) -> Result<ConditionKey, String> {
    let key = ConditionKey::new(name);
    if key.known().is_some() {
        return Ok(key);
    }
    match refusal("s3:*", &json!({ "Null": { name: "false" } })) {
        Some(error) => Err(error.message),
        None => Err(format!("{name:?} is not a condition key")),
    }
}

/// What the language says about a statement of this action and condition: its errors carry its own suggestions.
fn refusal(action: &str, condition: &Value) -> Option<PolicyError> {
    let mut statement = json!({ "Effect": "Deny", "Action": action, "Resource": "*" });
    if condition.as_object().is_some_and(|condition| !condition.is_empty()) {
        statement["Condition"] = condition.clone();
    }
    let document = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    policy::check(document.as_bytes(), ParseOptions::identity()).errors.into_iter().next()
}

fn check_resource(action: Action, resource: &str, warnings: &mut Vec<String>) -> Result<(), Failure> {
    if !resource.starts_with("arn:") {
        let path = resource.strip_prefix("s3://").unwrap_or(resource).trim_start_matches('/');
        return Err(Failure::usage(format!("--resource: {resource:?} is no ARN; write arn:aws:s3:::{path}")));
    }
    let wanted = match (action.resource_type(), Resource::from_arn(resource, policy::CASE_ACCOUNT)) {
        (ResourceType::Service, Resource::Bucket { .. } | Resource::Object { .. }) => "the service, arn:aws:s3:::*",
        (ResourceType::Bucket, Resource::Service { .. } | Resource::Object { .. }) => "a bucket, arn:aws:s3:::BUCKET",
        (ResourceType::Object, Resource::Service { .. } | Resource::Bucket { .. }) => {
            "an object, arn:aws:s3:::BUCKET/KEY"
        }
        (_, Resource::Object { key, .. }) if key.contains('*') => {
            warnings.push(format!(
                "--resource: the * in {resource} is a character of the key; a request is for one object"
            ));
            return Ok(());
        }
        _ => return Ok(()),
    };
    warnings.push(format!("--resource: {action} is asked on {wanted}, and not on {resource}"));
    Ok(())
}

/// `KEY=VALUE` pairs; a key that is given twice has several values, and one that can have several has a list always.
fn context_of(pairs: &[String], action: Action, warnings: &mut Vec<String>) -> Result<Map<String, Value>, Failure> {
    let mut context: Map<String, Value> = Map::new();
    for pair in pairs {
        let wrong = |error: &str| Failure::usage(format!("--context {pair}: {error}"));
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| wrong("write KEY=VALUE, such as aws:SourceIp=21.21.21.7"))?;
        let key = known_key(name).map_err(|error| wrong(&error))?;
        let known = key.known().ok_or_else(|| wrong("is not a condition key"))?;
        check_value(name, known.kind(), value).map_err(|error| wrong(&error))?;
        if !known.can_be_present() {
            warnings.push(format!("--context {name}: no request to a node carries this key"));
        } else if !action.has_key(known) {
            warnings.push(format!("--context {name}: no request for {action} carries this key"));
        }
        // Names that differ in case only are one key.
        let same = context.keys().find(|other| ConditionKey::new(other).canonical() == key.canonical()).cloned();
        match same.as_deref().and_then(|same| context.get_mut(same)) {
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(_) => return Err(wrong("a request has one value of this key; give it once")),
            None if known.is_multivalued() => drop(context.insert(name.to_owned(), json!([value]))),
            None => drop(context.insert(name.to_owned(), json!(value))),
        }
    }
    Ok(context)
}

/// Whether a request could have the value under a key of this kind.
fn check_value(name: &str, kind: Kind, value: &str) -> Result<(), String> {
    let operator = match kind {
        Kind::String | Kind::Arn => return Ok(()),
        Kind::Address => {
            return match value.parse::<IpAddr>() {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("{value:?} is not an IP address, such as 21.21.21.7")),
            };
        }
        Kind::Number => "NumericEquals",
        Kind::Boolean => "Bool",
        Kind::Date => "DateEquals",
    };
    refusal("s3:*", &json!({ operator: { name: value } })).map_or(Ok(()), |error| Err(error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_without_value_are_those_that_the_request_leaves_open() {
        let keys = vec![ConditionKey::new("AWS:username")];
        let (case, name) = (String::new(), String::new());
        let question = Question { case, name, sources: Vec::new(), warnings: Vec::new(), keys };
        let open = |text| question.variables_without_value(text);
        assert_eq!(open("${aws:username}/${aws:userid}/${aws:userid}/${s3:prefix"), ["aws:userid"]);
        assert_eq!(open("${*}${?}${$}${aws:userid, 'x'}}${"), Vec::<&str>::new());
    }

    fn context(pairs: &[&str]) -> Result<Value, String> {
        let pairs: Vec<String> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        let context = context_of(&pairs, Action::PutObjectTagging, &mut Vec::new());
        context.map(Value::Object).map_err(|failure| failure.to_string())
    }

    #[test]
    fn keys_of_several_values_are_lists_and_others_are_not() {
        assert_eq!(
            context(&["aws:TagKeys=a", "aws:SourceIp=10.0.0.1"]),
            Ok(json!({"aws:TagKeys": ["a"], "aws:SourceIp": "10.0.0.1"}))
        );
        assert_eq!(context(&["aws:TagKeys=a", "AWS:tagkeys=b=c"]), Ok(json!({"aws:TagKeys": ["a", "b=c"]})));
        assert_eq!(
            context(&["aws:SourceIp=10.0.0.1", "aws:sourceip=10.0.0.2"]),
            Err("--context aws:sourceip=10.0.0.2: a request has one value of this key; give it once".to_owned())
        );
    }

    #[test]
    fn values_are_of_the_kind_of_their_key() {
        for wrong in [
            "=x",
            "novalue",
            "aws:SourceIp=10.0.0.0/8",
            "aws:SecureTransport=perhaps",
            "s3:signatureAge=old",
            "aws:CurrentTime=noon",
        ] {
            assert!(context(&[wrong]).is_err(), "{wrong}");
        }
        for right in [
            "aws:SourceIp=::1",
            "aws:SecureTransport=true",
            "s3:signatureAge=5",
            "aws:CurrentTime=2026-01-01T00:00:00Z",
            "aws:username=",
        ] {
            assert!(context(&[right]).is_ok(), "{right}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest() {
        let error = |name| known_action(name).unwrap_err();
        assert_eq!(error("s3:GetObjct"), "\"s3:GetObjct\" is not an action of S3. Did you mean s3:GetObject?");
        assert_eq!(error("getobject"), "\"getobject\" is no action. Did you mean s3:GetObject?");
        assert!(error("s3:Get*").contains("is a pattern"));
        assert!(error("kms:Decrypt").contains("is no action that is judged here"));
        assert!(known_key("aws:SorceIp").unwrap_err().ends_with("Did you mean aws:SourceIp?"));
        assert!(known_key("s3:ExistingObjectTag/Team").is_ok());
    }
}
