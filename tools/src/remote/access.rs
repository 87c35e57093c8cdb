//! Who can do what, as tables: what a service account can do, and what service accounts can do to a bucket.

use serde::Deserialize;
use serde_json::Value;

use super::node::parse;
use super::table::table;
use crate::failure::Failure;
use crate::text::visible_line;

/// What a service account can do.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    service_account: Reference,
    status: String,
    grants: Vec<Grant>,
    buckets: Vec<BucketActions>,
    /// How many the account has, of which the first are looked at; older nodes don't say.
    #[serde(default)]
    bucket_count: usize,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
}

/// One statement.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    policy: String,
    sid: String,
    effect: String,
    in_force: bool,
    actions: Vec<String>,
    resource: Value,
    condition: Option<Value>,
}

#[derive(Deserialize)]
struct BucketActions {
    bucket: String,
    allowed: Vec<String>,
    conditional: Vec<String>,
}

/// What somebody can do to a bucket.
#[derive(Deserialize)]
pub(super) struct OfBucket {
    /// `anyone`, `root`, `role`, `account`, `principal` or `service-account`.
    kind: String,
    name: String,
    status: String,
    allowed: Vec<String>,
    conditional: Vec<String>,
}

/// Columns of who can do what to a bucket.
pub(super) const COLUMNS: [&str; 5] = ["KIND", "NAME", "STATUS", "ALLOWED", "UNDER CONDITIONS OR ON SOME OBJECTS"];

pub(super) fn row(it: &OfBucket) -> Vec<String> {
    vec![it.kind.clone(), it.name.clone(), it.status.clone(), actions(&it.allowed), actions(&it.conditional)]
}

/// The statements of a service account, and what they come to on each bucket.
///
/// # Errors
/// The body isn't the API's.
pub(super) fn of_service_account(body: &str) -> Result<String, Failure> {
    let it: Access = parse(body)?;
    let mut text = format!("service account {:?} is {}\n\n", it.service_account.name, it.status);
    for grant in &it.grants {
        let idle = if grant.in_force { "" } else { " (disabled: grants nothing)" };
        let (policy, sid) = (&grant.policy, &grant.sid);
        let what = actions(&grant.actions);
        let line = format!("{policy}/{sid}: {} {what} on {}{idle}", grant.effect, values(&grant.resource));
        text.push_str(&format!("{}\n", visible_line(&line)));
        if let Some(condition) = &grant.condition {
            text.push_str(&format!("  if {}\n", visible_line(&condition.to_string())));
        }
    }
    if it.buckets.is_empty() {
        text.push_str("\nThe account has no buckets.\n");
        return Ok(text);
    }
    let row = |it: &BucketActions| vec![it.bucket.clone(), actions(&it.allowed), actions(&it.conditional)];
    let can = |it: &&BucketActions| !it.allowed.is_empty() || !it.conditional.is_empty();
    let rows: Vec<Vec<String>> = it.buckets.iter().filter(can).map(row).collect();
    text.push('\n');
    if !rows.is_empty() {
        text.push_str(&table(&["BUCKET", "ALLOWED", "UNDER CONDITIONS OR ON SOME OBJECTS"], &rows));
    }
    // What it can do stands out from the many buckets where that is nothing.
    let nothing = it.buckets.len() - rows.len();
    if nothing > 0 {
        let other = if rows.is_empty() { "" } else { "other " };
        let plural = if nothing == 1 { "" } else { "s" };
        text.push_str(&format!("nothing in {nothing} {other}bucket{plural}\n"));
    }
    let left_out = it.bucket_count.saturating_sub(it.buckets.len());
    if left_out > 0 {
        text.push_str(&format!(
            "the account has {left_out} more, which were not looked at: ask for one with bucket access\n"
        ));
    }
    Ok(text)
}

/// What people ask for first: whether somebody may list, read, write, delete, and hand out access.
const ASKED_FIRST: [&str; 5] =
    ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy"];

/// A few actions by name, of many those that are asked for first, and how many there are beyond these.
fn actions(actions: &[String]) -> String {
    if actions.is_empty() {
        return "nothing".to_owned();
    }
    let asked = ASKED_FIRST.iter().filter(|name| actions.iter().any(|action| action == *name)).copied();
    let others = actions.iter().map(String::as_str).filter(|action| !ASKED_FIRST.contains(action));
    let names: Vec<&str> = asked.chain(others).take(ASKED_FIRST.len()).collect();
    match actions.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A text, or a list of texts.
fn values(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(self::values).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_in_which_nothing_can_be_done_are_counted() {
        let text = |buckets: Value, count: usize| {
            let body = serde_json::json!({"serviceAccount": {"name": "w"}, "status": "enabled", "grants": [], "buckets": buckets, "bucketCount": count});
            of_service_account(&body.to_string()).unwrap()
        };
        let nothing = |name: &str| serde_json::json!({"bucket": name, "allowed": [], "conditional": []});
        let lake = serde_json::json!({"bucket": "lake", "allowed": ["s3:GetObject"], "conditional": []});
        let shown = text(Value::Array(vec![nothing("a"), lake, nothing("b")]), 5);
        assert!(!shown.contains("\na ") && shown.contains("\nlake    s3:GetObject  nothing\n"), "{shown}");
        assert!(
            shown.contains("nothing in 2 other buckets\nthe account has 2 more, which were not looked at"),
            "{shown}"
        );
        assert!(text(Value::Array(vec![nothing("a")]), 1).ends_with("enabled\n\n\nnothing in 1 bucket\n"));
    }

    #[test]
    fn of_many_actions_those_are_named_that_people_ask_for() {
        let text = |names: &[&str]| actions(&names.iter().map(|name| format!("s3:{name}")).collect::<Vec<_>>());
        assert_eq!(text(&[]), "nothing");
        assert_eq!(text(&["GetObjectAcl", "GetObject"]), "s3:GetObject, s3:GetObjectAcl");
        assert_eq!(
            text(&["A", "B", "C", "D", "E", "GetObject", "ListBucket"]),
            "s3:ListBucket, s3:GetObject, s3:A, s3:B, s3:C and 2 more"
        );
    }
}
