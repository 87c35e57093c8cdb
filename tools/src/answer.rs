//! What a node answers: the body of a success, or its refusal as this program's one line and exit code.

use serde::Deserialize;

use crate::admin::Answer;
use crate::failure::{Exit, Failure};

/// The node's answer to what it refuses.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
    message: String,
    /// The errors of a policy file, or the field that is wrong.
    #[serde(default)]
    details: serde_json::Value,
}

impl Refusal {
    /// The message, with the place of the first error of a policy file and what was probably meant there.
    fn told(&self) -> String {
        let first = &self.details[0];
        let mut text = self.message.clone();
        if let (Some(line), Some(column)) = (first["line"].as_u64(), first["column"].as_u64()) {
            text.push_str(&format!(" (line {line}, column {column} of the policy"));
            if let Some(suggestion) = first["suggestion"].as_str() {
                text.push_str(&format!("; did you mean {suggestion}?"));
            }
            text.push(')');
        }
        text
    }
}

/// The body of a 2xx answer, else the refusal as this program's error.
pub(crate) fn accepted(answer: Answer, input: &str) -> Result<String, Failure> {
    let text = String::from_utf8(answer.body).map_err(|_| Failure::failed("the node's answer is not UTF-8"))?;
    if (200..300).contains(&answer.status) {
        return Ok(text);
    }
    let exit = match answer.status {
        401 | 403 => Exit::Denied,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        400 => Exit::Usage,
        _ => Exit::Failed,
    };
    let message = match serde_json::from_str::<Refusal>(&text) {
        Ok(refusal) if refusal.message.is_empty() => format!("{input}: refused: {}", refusal.code),
        Ok(refusal) if refusal.message.contains(input) => refusal.told(),
        Ok(refusal) => format!("{input}: {}", refusal.told()),
        Err(_) => format!("{input}: the node answered {} without saying why", answer.status),
    };
    Err(Failure { exit, message })
}

/// The failure of an answer that isn't what it should be.
pub(crate) fn not_understood(error: &serde_json::Error) -> Failure {
    Failure::failed(format!("the node's answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_node_s_message_with_its_exit_code() {
        let refused = |status, body: &str| {
            let failure = accepted(Answer { status, next_cursor: None, body: body.into() }, "s.json").unwrap_err();
            (failure.exit, failure.to_string())
        };
        assert_eq!(
            refused(422, r#"{"code": "InvalidState", "message": "line 3: unknown field"}"#),
            (Exit::Failed, "s.json: line 3: unknown field".into())
        );
        assert_eq!(
            refused(409, r#"{"code": "PermissionInUse", "message": "s.json: in use"}"#),
            (Exit::Conflict, "s.json: in use".into())
        );
        assert_eq!(refused(403, "<html>"), (Exit::Denied, "s.json: the node answered 403 without saying why".into()));
        assert_eq!(
            refused(404, r#"{"code": "NoSuchAccount", "message": ""}"#),
            (Exit::NotFound, "s.json: refused: NoSuchAccount".into())
        );
    }
}
