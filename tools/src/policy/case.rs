//! The shapes of cases, checked before they are judged, so that an error names the member that is wrong.
//!
//! A case keeps the text of its documents: what JSON readers lose, such as a key that stands twice, is for the policy language to find.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The form of a case of `policy check --batch`.
pub(super) const CHECK_FORM: &str = "{id, document_text, dialect, kind, bucket?}";
/// The form of a case of `policy eval`.
pub(super) const EVAL_FORM: &str =
    "{id, policies: [{kind, document}], request: {principal, action, resource, context}}";

/// Most cases in one file.
const CASES_MAX: usize = 1_000_000;
/// Most policies of one case: far more than a caller can have.
const POLICIES_MAX: usize = 10_000;

/// The cases of a file, each as its text.
pub(super) fn cases_of<'t>(text: &'t str, form: &str) -> Result<Vec<&'t RawValue>, String> {
    match text.trim_start().chars().next() {
        None => return Err(format!("is empty; write an array of {form}")),
        Some('[') => {}
        Some('{') => return Err(format!("is an object and not an array; write an array of {form}")),
        Some(_) => return Err(format!("is no JSON array; write an array of {form}")),
    }
    let cases: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        format!("is not valid JSON at line {}, column {}: {}", error.line(), error.column(), without_place(&error))
    })?;
    if cases.len() > CASES_MAX {
        return Err(format!("has {} cases, and at most {CASES_MAX} are answered at once; split it", cases.len()));
    }
    Ok(cases)
}

#[derive(Deserialize)]
struct CheckCase<'t> {
    #[serde(borrow)]
    document_text: Option<&'t RawValue>,
    #[serde(borrow)]
    dialect: Option<&'t RawValue>,
    #[serde(borrow)]
    kind: Option<&'t RawValue>,
    #[serde(borrow)]
    bucket: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct EvalCase<'t> {
    #[serde(borrow)]
    policies: Option<&'t RawValue>,
    #[serde(borrow)]
    request: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct EvalPolicy<'t> {
    #[serde(borrow)]
    kind: Option<&'t RawValue>,
    #[serde(borrow)]
    document: Option<&'t RawValue>,
    #[serde(borrow)]
    name: Option<&'t RawValue>,
    #[serde(borrow)]
    enabled: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct EvalRequest<'t> {
    #[serde(borrow)]
    principal: Option<&'t RawValue>,
    #[serde(borrow)]
    action: Option<&'t RawValue>,
    #[serde(borrow)]
    resource: Option<&'t RawValue>,
    #[serde(borrow)]
    context: Option<&'t RawValue>,
}

/// What is wrong with the shape of a case of `policy check --batch`, as what follows `case 3`.
pub(super) fn check_shape(case: &str) -> Result<(), String> {
    let case: CheckCase<'_> = read(case, "")?;
    required_text(case.document_text, "document_text")?;
    one_of(case.dialect, "dialect", &["aws", "lyve"])?;
    one_of(case.kind, "kind", KINDS)?;
    case.bucket.map_or(Ok(()), |bucket| text(bucket, "bucket"))
}

const KINDS: &[&str] = &["identity", "bucket", "session"];

/// What is wrong with the shape of a case of `policy eval` and `policy explain`, as what follows `case 3`.
pub(super) fn eval_shape(case: &str) -> Result<(), String> {
    if !case.starts_with('{') {
        return Err(format!("is {}, not an object", json_kind(case)));
    }
    let case: EvalCase<'_> = read(case, "")?;
    let policies = case.policies.ok_or("has no policies; write a list of {kind, document}, or [] for none")?.get();
    if !policies.starts_with('[') {
        return Err(format!("has policies that are {}; write a list of {{kind, document}}", json_kind(policies)));
    }
    let policies: Vec<&RawValue> = read(policies, "policies")?;
    if policies.len() > POLICIES_MAX {
        return Err(format!("has {} policies, and at most {POLICIES_MAX} are judged together", policies.len()));
    }
    for (index, policy) in policies.iter().enumerate() {
        let at = format!("policies[{index}]");
        let policy: EvalPolicy<'_> = object(policy.get(), &at)?;
        let kind = policy.kind.ok_or_else(|| format!("has no {at}.kind; write {}", KINDS.join(", ")))?;
        one_of(Some(kind), &format!("{at}.kind"), KINDS)?;
        policy.document.ok_or_else(|| format!("has no {at}.document; write the policy, as an object or as a text"))?;
        policy.name.map_or(Ok(()), |name| text(name, &format!("{at}.name")))?;
        if let Some(enabled) = policy.enabled.map(RawValue::get).filter(|enabled| !matches!(*enabled, "true" | "false"))
        {
            return Err(format!("has {at}.enabled that is {}; write true or false", json_kind(enabled)));
        }
    }
    let request = case.request.ok_or("has no request; write {principal, action, resource, context}")?;
    let request: EvalRequest<'_> = object(request.get(), "request")?;
    required_text(request.principal, "request.principal")?;
    required_text(request.action, "request.action")?;
    required_text(request.resource, "request.resource")?;
    match request.context.map(RawValue::get) {
        Some(context) if !context.starts_with('{') => {
            Err(format!("has request.context that is {}; write an object of keys and values", json_kind(context)))
        }
        _ => Ok(()),
    }
}

fn read<'t, T: Deserialize<'t>>(json: &'t str, at: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| {
        let at = if at.is_empty() { String::new() } else { format!("has {at} that ") };
        format!("{at}can't be read: {}", without_place(&error))
    })
}

fn object<'t, T: Deserialize<'t>>(json: &'t str, at: &str) -> Result<T, String> {
    match json.starts_with('{') {
        true => read(json, at),
        false => Err(format!("has {at} that is {}, not an object", json_kind(json))),
    }
}

fn required_text(value: Option<&RawValue>, name: &str) -> Result<(), String> {
    text(value.ok_or_else(|| format!("has no {name}; add it, as a text"))?, name)
}

fn text(value: &RawValue, name: &str) -> Result<(), String> {
    if !value.get().starts_with('"') {
        return Err(format!("has {name} that is {}; write it as a text", json_kind(value.get())));
    }
    read::<String>(value.get(), name).map(drop)
}

fn one_of(value: Option<&RawValue>, name: &str, allowed: &[&str]) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    text(value, name)?;
    let value: String = read(value.get(), name)?;
    if allowed.contains(&value.as_str()) {
        return Ok(());
    }
    Err(format!("has {name} {value:?}; write {}", allowed.join(" or ")))
}

/// Whether a text is JSON at all, said with the place in it.
pub(super) fn is_json(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    serde_json::from_str::<&RawValue>(text).map(drop).map_err(|error| {
        format!("is not valid JSON at line {}, column {}: {}", error.line(), error.column(), without_place(&error))
    })
}

/// Where a part of a text begins in it, in bytes. Both are slices of the same memory, so the distance of their first bytes tells.
pub(super) fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

/// Line ends in front of a part of a text.
pub(super) fn lines_before(text: &str, part: &str) -> usize {
    text.as_bytes().iter().take(offset_in(text, part)).filter(|byte| **byte == b'\n').count()
}

/// What a JSON value is, for sentences.
pub(super) fn json_kind(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A JSON error without the place, which is one in a part of the file.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
