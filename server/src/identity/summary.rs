//! A permission's definition in plain words: the description of one that was given none.

use std::fmt::Write as _;

use serde_json::Value;

use super::compiled::describe;
use super::name::DESCRIPTION_CHARACTERS_MAX;
use super::permission::Definition;

/// How many items of a list are named before the rest is counted.
const NAMED_MAX: usize = 5;

/// What the definition grants and denies, in at most as many characters as a description may have.
pub(super) fn summary(definition: &Definition) -> String {
    let text = match definition {
        Definition::Bucket { scope, actions } => describe(scope, *actions),
        Definition::Policy { text, .. } => policy_summary(text),
    };
    if text.chars().count() <= DESCRIPTION_CHARACTERS_MAX {
        return text;
    }
    let mut short: String = text.chars().take(DESCRIPTION_CHARACTERS_MAX - 1).collect();
    short.push('…');
    short
}

fn policy_summary(text: &str) -> String {
    let document: Value = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(_) => return "A policy file.".to_owned(),
    };
    let statements = one_or_many(&document["Statement"]);
    let sentences: Vec<String> = statements.into_iter().map(statement_summary).collect();
    sentences.join(" ")
}

fn statement_summary(statement: &Value) -> String {
    let mut sentence = if statement["Effect"] == "Deny" { "Denies ".to_owned() } else { "Allows ".to_owned() };
    match statement.get("NotAction") {
        Some(actions) => write!(sentence, "everything but {}", listed(&texts(actions))),
        None => write!(sentence, "{}", listed(&texts(&statement["Action"]))),
    }
    .expect("a String takes all text");
    match statement.get("NotResource") {
        Some(resources) => write!(sentence, " on everything but {}", listed(&texts(resources))),
        None => write!(sentence, " on {}", listed(&texts(&statement["Resource"]))),
    }
    .expect("a String takes all text");
    let operators = statement["Condition"].as_object().into_iter().flat_map(|condition| condition.values());
    let mut keys: Vec<String> = operators.filter_map(Value::as_object).flat_map(|keys| keys.keys().cloned()).collect();
    keys.dedup();
    if !keys.is_empty() {
        write!(sentence, ", under conditions on {}", listed(&keys)).expect("a String takes all text");
    }
    sentence.push('.');
    sentence
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        value => vec![value],
    }
}

/// The texts of a value that is one or many; an ARN of S3 is shortened to what it names.
fn texts(value: &Value) -> Vec<String> {
    let texts = one_or_many(value).into_iter().filter_map(Value::as_str);
    texts.map(|text| text.strip_prefix("arn:aws:s3:::").unwrap_or(text).to_owned()).collect()
}

/// `a`, `a and b`, `a, b and c`, and past a bound `a, b, c, d, e and 7 more`.
fn listed(items: &[String]) -> String {
    match items {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        _ if items.len() > NAMED_MAX => {
            format!("{} and {} more", items[..NAMED_MAX].join(", "), items.len() - NAMED_MAX)
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::permission::{Actions, Dialect, Scope};

    fn policy(text: &str) -> String {
        summary(&Definition::Policy { dialect: Dialect::Lyve, text: text.into() })
    }

    #[test]
    fn bucket_permission_is_described_in_plain_words() {
        let one = Definition::Bucket { scope: Scope::Names(vec!["datalake".into()]), actions: Actions::ReadOnly };
        assert_eq!(summary(&one), "Allows listing and reading in the bucket datalake and its objects.");
    }

    #[test]
    fn all_operations_names_what_it_leaves_out() {
        let not = "handing out access (bucket policies, ACLs, public access, object ownership) and bypassing governance retention.";
        let place = "Allows all operations in all current and future buckets of the account and their objects.";
        let all = Definition::Bucket { scope: Scope::All, actions: Actions::AllOperations };
        assert_eq!(summary(&all), format!("{place} Not among them: {not}"));
        let some = Definition::Bucket { scope: Scope::Prefix("a".into()), actions: Actions::AllOperations };
        assert!(summary(&some).ends_with(&format!(" Not among them: making buckets, {not}")));
        // The words are these actions; listing all buckets is asked on none of them, and answers with those that can be seen.
        let lowered = policy::lower(policy::BucketScope::Prefix("a"), policy::BucketActions::AllOperations).unwrap();
        let document: Value = serde_json::from_str(lowered.source()).unwrap();
        let names = texts(&document["Statement"][0]["NotAction"]);
        let words = [
            "s3:BypassGovernanceRetention",
            "s3:CreateBucket",
            "s3:DeleteBucketPolicy",
            "s3:ListAllMyBuckets",
            "s3:Put*Acl",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
        ];
        assert_eq!(names, words);
    }

    #[test]
    fn policy_permission_is_described_statement_by_statement() {
        let text = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::b","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}},
            {"Effect":"Deny","Action":"s3:DeleteObject","Resource":["arn:aws:s3:::b/*"]}]}"#;
        assert_eq!(
            policy(text),
            "Allows s3:ListBucket on b, under conditions on aws:SourceIp. Denies s3:DeleteObject on b/*."
        );
    }

    #[test]
    fn summary_is_never_longer_than_a_description_and_never_fails() {
        let statement =
            format!(r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/{}"}}"#, "ä".repeat(400));
        let long = policy(&format!(r#"{{"Statement":[{statement},{statement},{statement}]}}"#));
        assert_eq!(long.chars().count(), DESCRIPTION_CHARACTERS_MAX);
        assert_eq!(policy("nonsense"), "A policy file.");
        policy(r#"{"Statement":[1,null,{"Action":{},"Condition":[]}]}"#);
    }
}
