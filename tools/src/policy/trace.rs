//! How a request compares to a statement, in sentences: alike for what is judged here and for what a node answers.

use policy::StatementTrace;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::Paint;
use crate::text::{counted, visible_line};

/// A statement, and how the request compares to it: what both ways of asking tell alike, as the API has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) effect: String,
    disabled: bool,
    action_matches: bool,
    principal_matches: bool,
    resource_matches: bool,
    actions: Texts,
    resources: Texts,
    conditions: Vec<Condition>,
    conditions_omitted: u64,
}

#[derive(Deserialize)]
struct Texts {
    shown: Vec<String>,
    omitted: u64,
}

#[derive(Deserialize)]
struct Condition {
    operator: String,
    key: String,
    wanted: Texts,
    found: Value,
    holds: bool,
}

/// A sentence about a part of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Whether that part holds for the request; none of what only adds to another one.
    holds: Option<bool>,
    sentence: String,
}

impl Remark {
    fn new(holds: Option<bool>, sentence: impl Into<String>) -> Remark {
        Remark { holds, sentence: sentence.into() }
    }

    /// One line, without its end.
    pub(crate) fn line(&self, paint: Paint) -> String {
        let label = match self.holds {
            Some(true) => paint.green("holds: "),
            Some(false) => paint.red("fails: "),
            None => String::new(),
        };
        format!("{label}{}", visible_line(&self.sentence))
    }
}

impl Trace {
    /// Of a statement that was judged here: taken by the form in which a node answers it.
    ///
    /// # Errors
    /// It has no such form.
    pub(super) fn of(trace: &StatementTrace) -> Result<Trace, Failure> {
        let form = serde_json::to_value(trace).and_then(serde_json::from_value);
        form.map_err(|error| Failure::failed(format!("the explanation has no JSON form: {error}")))
    }

    /// What of the statement holds for the request and what doesn't. `variables` of its resources are those without a value.
    pub(crate) fn remarks(&self, variables: &[&str]) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let mut remark = |holds, sentence: String| remarks.push(Remark::new(holds, sentence));
        match (self.disabled, self.effect.as_str()) {
            (true, "Deny") => remark(Some(true), "the permission is disabled, and what it denies stays denied".into()),
            (true, _) => remark(Some(false), "the permission is disabled".into()),
            (false, _) => {}
        }
        if !self.action_matches {
            remark(Some(false), format!("it doesn't name this action: {}", list(&self.actions)));
        }
        if !self.principal_matches {
            remark(Some(false), "it doesn't name this caller".into());
        }
        if !self.resource_matches {
            remark(Some(false), format!("it doesn't name this resource: {}", list(&self.resources)));
            for name in variables {
                remark(None, format!("${{{name}}} has no value: the request has no {name}"));
            }
        }
        for Condition { operator, key, wanted, found, holds } in &self.conditions {
            remark(Some(*holds), format!("{operator} {key} {}; {}", list(wanted), found_text(found)));
        }
        if self.conditions_omitted > 0 {
            remark(None, format!("and {}", counted(self.conditions_omitted, "more condition")));
        }
        remarks
    }
}

/// What the request has under a condition's key.
fn found_text(found: &Value) -> String {
    let has = match (found["state"].as_str(), &found["values"]) {
        (Some("absent"), _) => return "the request has no such key".to_owned(),
        (Some("unreadable"), _) => return "the value could not be read".to_owned(),
        (_, Value::Null) => "another value".to_owned(),
        (_, Value::String(text)) if text.is_empty() => "an empty text".to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, values) => match Texts::deserialize(values) {
            Ok(texts) if texts.shown.is_empty() => "an empty list".to_owned(),
            Ok(texts) => format!("the list {}", list(&texts)),
            Err(_) => values.to_string(),
        },
    };
    let but = if found["state"] == "malformed" { ", which is not of the operator's type" } else { "" };
    format!("the request has {has}{but}")
}

fn list(texts: &Texts) -> String {
    let listed = if texts.shown.is_empty() { "no value".to_owned() } else { texts.shown.join(", ") };
    if texts.omitted == 0 { listed } else { format!("{listed} and {} more", texts.omitted) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_request_has_is_told_whatever_it_is() {
        for (found, told) in [
            (json!({"state": "absent"}), "the request has no such key"),
            (json!({"state": "unreadable"}), "the value could not be read"),
            (json!({"state": "one", "values": "a"}), "the request has a"),
            (json!({"state": "one", "values": ""}), "the request has an empty text"),
            (json!({"state": "malformed", "values": "a"}), "the request has a, which is not of the operator's type"),
            (
                json!({"state": "malformed", "values": ""}),
                "the request has an empty text, which is not of the operator's type",
            ),
            (json!({"state": "many", "values": {"shown": [], "omitted": 0}}), "the request has an empty list"),
            (
                json!({"state": "many", "values": {"shown": ["a", "b"], "omitted": 2}}),
                "the request has the list a, b and 2 more",
            ),
            // Of a node of another version.
            (json!({"state": "some"}), "the request has another value"),
            (json!({"state": "some", "values": 7}), "the request has 7"),
            (json!(null), "the request has another value"),
        ] {
            assert_eq!(found_text(&found), told, "{found}");
        }
    }

    #[test]
    fn each_part_that_matters_has_its_remark() {
        let trace: Trace = serde_json::from_value(json!({"effect": "Allow", "disabled": true, "actionMatches": false,
            "principalMatches": false, "resourceMatches": false, "actions": {"shown": ["s3:Get*"], "omitted": 0},
            "resources": {"shown": ["arn:aws:s3:::${aws:username}/*"], "omitted": 0}, "conditionsOmitted": 1,
            "conditions": [{"operator": "Bool", "key": "k", "wanted": {"shown": [], "omitted": 0},
                "found": {"state": "one", "values": "true"}, "holds": true}]}))
        .unwrap();
        let expected = [
            Remark::new(Some(false), "the permission is disabled"),
            Remark::new(Some(false), "it doesn't name this action: s3:Get*"),
            Remark::new(Some(false), "it doesn't name this caller"),
            Remark::new(Some(false), "it doesn't name this resource: arn:aws:s3:::${aws:username}/*"),
            Remark::new(None, "${aws:username} has no value: the request has no aws:username"),
            Remark::new(Some(true), "Bool k no value; the request has true"),
            Remark::new(None, "and 1 more condition"),
        ];
        assert_eq!(trace.remarks(&["aws:username"]), expected);
        let denies = Trace { effect: "Deny".into(), ..trace };
        let told = "the permission is disabled, and what it denies stays denied";
        assert_eq!(denies.remarks(&[])[0], Remark::new(Some(true), told));
    }
}
