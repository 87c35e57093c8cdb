//! What the node refuses, as this program's failure: the node's own text, the exit code that its status stands for, and what to do.

use policy::Dialect;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::http::Answer;
use crate::policy::{is_told_for_aws, judged_by};
use crate::text::clip;

/// Most errors of a document that are printed.
const DETAILS_MAX: usize = 20;
/// Most characters of one of them.
const DETAIL_CHARACTERS_MAX: usize = 500;

/// The node's answer to what it refuses.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
    message: String,
    #[serde(default)]
    details: Value,
}

/// What a call is about, for whoever reads why it was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// What was asked for.
    pub(crate) input: &'a str,
    /// The file that the document in the body came from: each of its errors has a line.
    pub(crate) file: Option<&'a str>,
    /// The flag or argument by which each field of the call was given.
    pub(crate) flags: Flags,
}

/// Fields of the API, each with the flag or argument that it is given by.
pub(crate) type Flags = &'static [(&'static str, &'static str)];

/// The body of a 2xx answer, else the refusal as this program's error about `input`.
///
/// # Errors
/// The refusal, or an answer that isn't UTF-8.
pub(crate) fn accepted(answer: Answer, input: &str) -> Result<String, Failure> {
    check(&answer, &About { input, file: None, flags: &[] })?;
    text_of(answer)
}

/// The body as text.
///
/// # Errors
/// It isn't UTF-8.
pub(crate) fn text_of(answer: Answer) -> Result<String, Failure> {
    String::from_utf8(answer.body).map_err(|_| Failure::failed("the node's answer is not UTF-8"))
}

/// What the node answers, as a value of ours.
///
/// # Errors
/// It isn't one: the node is of another version, or it is none.
pub(crate) fn parse<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| not_understood(&error))
}

pub(crate) fn not_understood(error: &serde_json::Error) -> Failure {
    Failure::failed(format!("the node's answer is not understood: {error}"))
}

/// Whether an answer is one of the API's, a success or a refusal.
pub(crate) fn is_of_api(answer: &Answer) -> bool {
    (200..300).contains(&answer.status) || serde_json::from_slice::<Refusal>(&answer.body).is_ok()
}

/// Whether an answer is a success.
///
/// # Errors
/// The refusal as this program's error about what was asked for.
pub(crate) fn check(answer: &Answer, about: &About<'_>) -> Result<(), Failure> {
    let About { input, file, flags } = *about;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else {
        let status = answer.status;
        let message = format!("{input}: the node answered {status} without saying why");
        // Perhaps it is no node that answered: only who may not come in is told so by anybody alike.
        let exit = if matches!(status, 401 | 403) { Exit::Denied } else { Exit::Failed };
        return Err(Failure::new(exit, message));
    };
    let told = in_flags(&refusal, flags);
    let mut message = match told.as_deref().unwrap_or(&refusal.message) {
        "" => format!("{input}: refused: {}", refusal.code),
        message if message.contains(input) => message.to_owned(),
        message => format!("{input}: {message}"),
    };
    let names = names_of(&refusal.details);
    // This text has the names already.
    if !names.is_empty() && refusal.code != "PermissionInUse" {
        message = format!("{} ({})", message.trim_end_matches('.'), names.join(", "));
    }
    let advice = advice(&refusal.code, input);
    if !advice.is_empty() {
        let end = if message.ends_with('.') { " " } else { ". " };
        message = format!("{message}{end}{advice}");
    }
    let request = answer.header("x-amz-request-id").filter(|_| answer.status >= 500).map(str::to_owned);
    let mut details = file.map(|file| lines_of(&refusal.details, file)).unwrap_or_default();
    if let (Some(dialect), false) = (dialect_of(&refusal.code), details.is_empty()) {
        details.push(judged_by(dialect, is_told_for_aws(resolutions(&refusal.details)), "pass --dialect aws"));
    }
    Err(Failure { exit: exit_of(answer.status, &refusal.code), message, details, request })
}

/// A wrong field, which the details name, told by the flag that gave it; none when no flag did.
///
/// Only the field before the reason is replaced: the reason may say the same word, or quote what somebody wrote.
fn in_flags(refusal: &Refusal, flags: Flags) -> Option<String> {
    let error = refusal.details.as_array()?.first()?;
    let (field, reason) = (error.get("field")?.as_str()?, error.get("message")?.as_str()?);
    if refusal.message != format!("{field} {reason}") {
        return None;
    }
    // An element of a list has its index behind the field.
    let (name, index) = match field.rsplit_once('.') {
        Some((name, index)) if flags.iter().any(|(it, _)| *it == name) => (name, index.parse::<usize>().ok()),
        _ => (field, None),
    };
    let (_, flag) = flags.iter().find(|(it, _)| *it == name)?;
    Some(match index {
        Some(index) => format!("{flag}, number {}: {reason}", index.saturating_add(1)),
        None => format!("{flag} {reason}"),
    })
}

fn exit_of(status: u16, code: &str) -> Exit {
    match (status, code) {
        // It is there, but its time is over.
        (_, "ServiceAccountExpired") => Exit::Conflict,
        (400, _) => Exit::Usage,
        (401 | 403, _) => Exit::Denied,
        (404, _) => Exit::NotFound,
        (409 | 412, _) => Exit::Conflict,
        _ => Exit::Failed,
    }
}

/// What to do, where the node's text doesn't say it.
fn advice(code: &str, input: &str) -> &'static str {
    match code {
        "RevisionNotFound" if input.starts_with("service account ") => {
            "List those there are with: strongroom service-account history NAME"
        }
        "RevisionNotFound" if input.starts_with("user ") => "List those there are with: strongroom user history NAME",
        "PermissionNotFound" => "List those there are with: strongroom permission list",
        "ServiceAccountNotFound" if input.starts_with("caller ") => {
            "List those there are with: strongroom service-account list, strongroom user list"
        }
        "ServiceAccountNotFound" => "List those there are with: strongroom service-account list",
        "UserNotFound" => "List those there are with: strongroom user list",
        "AccountNotFound" => "List those there are with: strongroom account list",
        "RevisionNotFound" => "List those there are with: strongroom permission history NAME",
        "BucketNotFound" => "List those there are with: strongroom bucket list",
        "PermissionInUse" => {
            "Take it from them first: strongroom service-account edit NAME --remove-permission PERMISSION"
        }
        "ServiceAccountExpired" => "Give it another date: strongroom service-account edit NAME --expires DATE",
        "InvalidToken" | "ExpiredToken" => {
            "Put a new one into STRONGROOM_TOKEN, or unset it and sign in with --user or --access-key"
        }
        "InvalidTimeRange" if input == "usage" => "Pass a --from that isn't after --to, and at most 24 months",
        "InvalidTimeRange" => "Pass a --from that isn't after --to",
        "PreconditionFailed" => "Look at it again, and repeat the command",
        _ => "",
    }
}

/// The dialect by which the node refused a document, which its code tells; none of a bucket's policy, for which there is one only.
fn dialect_of(code: &str) -> Option<Dialect> {
    match code {
        "FileImportFailed" => Some(Dialect::Lyve),
        "MalformedPolicyDocument" => Some(Dialect::Aws),
        _ => None,
    }
}

/// What a document's errors advise.
pub(crate) fn resolutions(details: &Value) -> impl Iterator<Item = &str> {
    details.as_array().into_iter().flatten().filter_map(|error| error.get("resolution")?.as_str())
}

/// The names in details that are an object of arrays: what is in the way, or isn't there.
fn names_of(details: &Value) -> Vec<String> {
    let arrays = details.as_object().into_iter().flat_map(|object| object.values()).filter_map(Value::as_array);
    arrays.flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The errors of a document, as compilers print them.
pub(crate) fn lines_of(details: &Value, file: &str) -> Vec<String> {
    let errors = details.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<String> = errors.iter().take(DETAILS_MAX).filter_map(|error| line_of(error, file)).collect();
    if errors.len() > DETAILS_MAX {
        lines.push(format!("and {} more", errors.len() - DETAILS_MAX));
    }
    lines
}

/// One error or finding with its place; none when it has no place.
fn line_of(error: &Value, file: &str) -> Option<String> {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let (line, column) = (error.get("line")?.as_u64()?, error.get("column")?.as_u64()?);
    let mut shown = format!("{file}:{line}:{column}: {}", clip(text("message"), DETAIL_CHARACTERS_MAX));
    let suggestion = text("suggestion");
    if !suggestion.is_empty() && !text("message").contains(suggestion) {
        shown.push_str(&format!(" Did you mean {suggestion}?"));
    }
    if !text("resolution").is_empty() {
        shown.push_str(&format!(" {}", clip(text("resolution"), DETAIL_CHARACTERS_MAX)));
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> (Exit, String) {
        let answer = Answer { status, headers: Vec::new(), body: body.into() };
        let failure = check(&answer, &ABOUT).unwrap_err();
        (failure.exit, failure.to_string())
    }

    const ABOUT: About<'_> = About {
        input: "s.json",
        file: Some("s.json"),
        flags: &[("secret", "--secret-from"), ("buckets", "--bucket"), ("quota.bytes", "--quota")],
    };

    #[test]
    fn what_failed_in_the_node_is_told_with_what_its_log_names_it_by() {
        let told = |status| {
            let headers = vec![("x-amz-request-id".to_owned(), "7F".to_owned())];
            let body = br#"{"code": "X", "message": "The log says why."}"#.to_vec();
            check(&Answer { status, headers, body }, &ABOUT).unwrap_err().to_string()
        };
        assert_eq!(told(500), "s.json: The log says why (request 7F)");
        assert_eq!(told(403), "s.json: The log says why.");
    }

    #[test]
    fn a_field_is_told_by_its_flag_and_no_word_of_the_reason_is() {
        let told = |field: &str, reason: &str, message: &str| {
            let details = serde_json::json!([{"field": field, "message": reason}]);
            refused(
                400,
                &serde_json::json!({"code": "InvalidArgument", "message": message, "details": details}).to_string(),
            )
        };
        let whole = |field: &str, reason: &str| told(field, reason, &format!("{field} {reason}")).1;
        assert_eq!(
            whole("secret", "is short: secret must have 8"),
            "s.json: --secret-from is short: secret must have 8"
        );
        assert_eq!(whole("buckets.1", "must be a string"), "s.json: --bucket, number 2: must be a string");
        assert_eq!(whole("quota.bytes", "must be at most 7"), "s.json: --quota must be at most 7");
        // No flag gave these, or the text isn't about the field.
        assert_eq!(whole("description", "has: secret is told"), "s.json: description has: secret is told");
        assert_eq!(whole("buckets.x.1", "is odd"), "s.json: buckets.x.1 is odd");
        assert_eq!(told("secret", "is odd", "no: secret is odd").1, "s.json: no: secret is odd");
        // Nor is anything replaced where no field is named.
        let body = r#"{"code": "X", "message": "of: secret "}"#;
        assert_eq!(refused(400, body), (Exit::Usage, "s.json: of: secret ".trim_end().into()));
    }

    #[test]
    fn a_refusal_is_the_node_s_message_with_its_exit_code() {
        assert_eq!(
            refused(422, r#"{"code": "InvalidState", "message": "line 3: unknown field"}"#),
            (Exit::Failed, "s.json: line 3: unknown field".into())
        );
        assert_eq!(
            refused(409, r#"{"code": "X", "message": "s.json: in use"}"#),
            (Exit::Conflict, "s.json: in use".into())
        );
        assert_eq!(refused(403, "<html>"), (Exit::Denied, "s.json: the node answered 403 without saying why".into()));
        assert_eq!(refused(404, r#"{"code": "X", "message": ""}"#), (Exit::NotFound, "s.json: refused: X".into()));
        assert_eq!(refused(400, r#"{"code": "X", "message": "name is missing"}"#).0, Exit::Usage);
        assert_eq!(refused(500, r#"{"code": "X", "message": "?"}"#).0, Exit::Failed);
    }

    #[test]
    fn names_that_the_text_lacks_and_what_to_do_are_added_to_it() {
        let body = r#"{"code": "BucketNotFound", "message": "A bucket was not found.", "details": {"buckets": ["a"]}}"#;
        let (exit, message) = refused(404, body);
        assert_eq!(exit, Exit::NotFound);
        assert!(message.starts_with("s.json: A bucket was not found (a). List those there are"), "{message}");
    }

    #[test]
    fn each_error_of_a_document_is_a_line_with_its_place() {
        let body = r#"{"code": "FileImportFailed", "message": "File Import Failed: Action value s3:Pu is not valid.", "details": [
            {"message": "s3:Pu is no action.", "line": 2, "column": 5, "suggestion": "s3:PutObject", "resolution": "Use an action."},
            {"message": "Two\nlines", "line": 3, "column": 1, "suggestion": null, "resolution": ""}]}"#;
        let (exit, message) = refused(422, body);
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            message,
            "s.json: File Import Failed: Action value s3:Pu is not valid.\n  s.json:2:5: s3:Pu is no action. Did you mean s3:PutObject? Use an action.\n  s.json:3:1: Two lines\n  judged by dialect lyve"
        );
    }
}
