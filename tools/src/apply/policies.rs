//! The policies that a state file declares, judged here as the node judges them.
//!
//! The node stops at the first thing that is wrong; whoever writes a state wants every fault, with its line and what was probably meant.

use std::fmt::Display;

use policy::ParseOptions;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::policy::{is_for_aws, judged_by};
use crate::refusal::lines_of;

/// Most lines that are told.
const LINES_MAX: usize = 60;

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow, default)]
    accounts: Vec<Account<'a>>,
}

#[derive(Deserialize)]
struct Account<'a> {
    name: Option<String>,
    #[serde(borrow, default)]
    permissions: Vec<Declared<'a>>,
    /// A bucket may be written as its name alone.
    #[serde(borrow, default)]
    buckets: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Declared<'a> {
    #[serde(default)]
    name: String,
    dialect: Option<String>,
    #[serde(borrow)]
    policy: Option<&'a RawValue>,
}

/// A document, and where it stands.
struct Document {
    text: String,
    /// Offset in the file at which it begins; none of one that is a string or was no JSON.
    offset: Option<usize>,
}

/// A line for each fault of the policies in the state file `name`, none where its text isn't understood.
pub(super) fn faults(name: &str, text: &str) -> Vec<String> {
    // What is TOML has no places of JSON's.
    let from_toml = super::is_toml(name).then(|| toml::from_str::<Value>(text).map(|state| state.to_string()));
    let (text, is_file) = match &from_toml {
        None => (text, true),
        Some(Ok(json)) => (json.as_str(), false),
        Some(Err(_)) => return Vec::new(),
    };
    let Ok(state) = serde_json::from_str::<State<'_>>(text) else { return Vec::new() };
    let mut lines = Vec::new();
    for account in &state.accounts {
        let of = |noun: &str, name: &str| match &account.name {
            Some(account) => format!("account {account:?}, {noun} {name:?}"),
            None => format!("{noun} {name:?}"),
        };
        let document = |raw: &RawValue| document(text, raw, is_file);
        for permission in &account.permissions {
            // More isn't looked for than is told.
            if lines.len() > LINES_MAX {
                break;
            }
            let options = match permission.dialect.as_deref() {
                None | Some("lyve") => ParseOptions::lyve(),
                Some("aws") => ParseOptions::identity(),
                Some(_) => continue,
            };
            if let Some(document) = permission.policy.and_then(document) {
                let place = place_in(text, &document);
                lines.extend(faults_of(name, of("permission", &permission.name), &document, options, place));
            }
        }
        for bucket in &account.buckets {
            if lines.len() > LINES_MAX {
                break;
            }
            let Ok(bucket) = serde_json::from_str::<Declared<'_>>(bucket.get()) else { continue };
            if let Some(document) = bucket.policy.and_then(document) {
                let options = ParseOptions::bucket(&bucket.name);
                let place = place_in(text, &document);
                lines.extend(faults_of(name, of("bucket", &bucket.name), &document, options, place));
            }
        }
    }
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        lines.push("and more, which are told once these are mended".to_owned());
    }
    lines
}

/// The document that a policy of the state is; none of `null`.
fn document(state: &str, raw: &RawValue, is_file: bool) -> Option<Document> {
    match serde_json::from_str(raw.get()).ok()? {
        Value::Null => None,
        Value::String(text) => Some(Document { text, offset: None }),
        _ => {
            let offset = (raw.get().as_ptr() as usize).checked_sub(state.as_ptr() as usize)?;
            Some(Document { text: raw.get().to_owned(), offset: is_file.then_some(offset) })
        }
    }
}

/// Finds the line and column at which a document begins. Counted only for one that has a fault, since a state of thousands of policies may be one line.
fn place_in<'a>(state: &'a str, document: &Document) -> impl Fn() -> Option<(u64, u64)> + use<'a> {
    let before = document.offset.and_then(|offset| state.get(..offset));
    move || {
        let before = before?;
        let line = before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) as u64 + 1;
        Some((line, column))
    }
}

fn faults_of(
    name: &str,
    of: impl Display,
    document: &Document,
    options: ParseOptions<'_>,
    start: impl Fn() -> Option<(u64, u64)>,
) -> Vec<String> {
    let Err(refused) = policy::parse(document.text.as_bytes(), options) else { return Vec::new() };
    let start = start();
    let mut errors = Vec::new();
    for error in &refused.errors {
        let Ok(mut shown) = serde_json::to_value(error) else { continue };
        if let Some((line, column)) = start {
            let (below, inside) = (u64::from(error.line), u64::from(error.column));
            shown["line"] = (line + below - 1).into();
            shown["column"] = (if below == 1 { column + inside - 1 } else { inside }).into();
            shown["message"] = format!("{of}: {}", error.message).into();
        }
        errors.push(shown);
    }
    let place = if start.is_some() { name.to_owned() } else { format!("{of}, policy") };
    let mut lines = lines_of(&Value::Array(errors), &place);
    // A bucket's policy has one dialect only.
    if refused.code != "MalformedPolicy" {
        let is_for_aws = is_for_aws(document.text.as_bytes(), options);
        let how = "add \"dialect\": \"aws\" to the permission";
        lines.push(format!("{of}: {}", judged_by(options.dialect, is_for_aws, how)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = r#"{"accounts": [{"name": "main",
 "permissions": [
  {"name": "é", "policy": {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:PuObject", "Resource": "*"},
    {"Effect": "Alow", "Action": "s3:GetObject", "Resource": "*"}]}},
  {"name": "b", "dialect": "lyve", "policy": "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"NotAction\": \"s3:GetObject\", \"Resource\": \"*\"}]}"},
  {"name": "c", "dialect": "aws", "policy": {"Statement": [{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}]}},
  {"name": "d", "type": "all-buckets", "actions": "read-only"},
  {"name": "e", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "s3:PuObject", "Resource": "*"}]}}],
 "buckets": ["bare", {"name": "lake", "policy": null},
  {"name": "sea", "policy": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}]}}]}]}"#;

    #[test]
    fn every_fault_of_every_policy_is_told_with_its_place() {
        let lines = faults("s.json", STATE);
        let expected = [
            "s.json:4:35: account \"main\", permission \"é\": \"s3:PuObject\" is not an action of S3. Did you mean s3:PutObject?",
            "s.json:5:16: account \"main\", permission \"é\": Effect is Allow or Deny, not \"Alow\". Add a valid value",
            "account \"main\", permission \"é\": judged by dialect lyve",
            "account \"main\", permission \"b\", policy:2:16: The statement has no Action.",
            "account \"main\", permission \"b\", policy:2:36: NotAction is not allowed",
            "account \"main\", permission \"b\": judged by dialect lyve; to import it as an AWS policy, add \"dialect\": \"aws\" to the permission",
            "s.json:9:67: account \"main\", permission \"e\": The statement has no Action.",
            "s.json:9:87: account \"main\", permission \"e\": NotAction is not allowed",
            // With another action it would be one of AWS's.
            "account \"main\", permission \"e\": judged by dialect lyve",
            "s.json:11:120: account \"main\", bucket \"sea\": ",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}");
            assert!(!expected.contains("judged by") || line == expected, "{line}");
        }
    }

    #[test]
    fn toml_has_the_places_in_its_policies() {
        let state = "[[accounts]]\n[[accounts.permissions]]\nname = \"a\"\npolicy = '''\n{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:PuObject\", \"Resource\": \"*\"}]}'''\n";
        let lines = faults("s.TOML", state);
        assert!(lines[0].starts_with("permission \"a\", policy:2:46: \"s3:PuObject\" is not"), "{lines:#?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn what_is_not_understood_or_right_has_no_faults() {
        for text in [
            "",
            "{",
            "{\"accounts\": 7}",
            "{\"accounts\": [{\"permissions\": [{\"policy\": null, \"dialect\": \"x\"}]}]}",
        ] {
            assert!(faults("s.json", text).is_empty(), "{text}");
            assert!(faults("s.toml", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn many_faults_are_cut_short() {
        let bad = r#"{"name": "a", "policy": {"Version": "2012-10-17", "Statement": [{}]}}"#;
        let state = format!("{{\"accounts\": [{{\"permissions\": [{}]}}]}}", vec![bad; 40].join(","));
        let lines = faults("s.json", &state);
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert!(lines[LINES_MAX].starts_with("and more, "), "{}", lines[LINES_MAX]);
    }
}
