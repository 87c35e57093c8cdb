//! "The decision": what follows from all statements that apply.

use policy::Outcome;
use serde_json::Value;

use crate::case::{Caller, Question, one_or_many};
use crate::statement::{Named, Scope, applies};

/// A statement that applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Position of the policy.
    pub(crate) policy: usize,
    /// The statement's Sid, or `#` and its number.
    pub(crate) name: String,
    pub(crate) deny: bool,
    kind: String,
    named: Named,
    enabled: bool,
}

/// Every statement of a case that applies to its request.
pub(crate) fn applied(case: &Value) -> Vec<Applied> {
    let question = Question::of(case);
    let mut found = Vec::new();
    for (policy, attached) in one_or_many(&case["policies"]).into_iter().enumerate() {
        let document = &attached["document"];
        for (statement, body) in one_or_many(&document["Statement"]).into_iter().enumerate() {
            let deny = body["Effect"] == "Deny";
            let scope = Scope { deny, variables: document["Version"] == "2012-10-17" };
            if let Some(named) = applies(body, &scope, &question) {
                let kind = attached["kind"].as_str().unwrap_or_default().to_owned();
                let enabled = attached["enabled"] != false;
                let name = body["Sid"].as_str().map_or_else(|| format!("#{}", statement + 1), str::to_owned);
                found.push(Applied { policy, name, deny, kind, named, enabled });
            }
        }
    }
    found
}

/// The rule, step by step.
pub(crate) fn decide(case: &Value, applied: &[Applied]) -> Outcome {
    let question = Question::of(case);
    let caller = question.caller();
    let owners_root = caller == Caller::Root && question.account() == Some(question.owner());
    let policy_of_bucket = ["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"];
    if owners_root && policy_of_bucket.contains(&question.action().to_lowercase().as_str()) {
        return Outcome::Allow;
    }
    if applied.iter().any(|applied| applied.deny) {
        return Outcome::ExplicitDeny;
    }
    if owners_root {
        return Outcome::Allow;
    }
    let allows: Vec<&Applied> = applied.iter().filter(|applied| !applied.deny && applied.enabled).collect();
    let bucket_names = |named| allows.iter().any(|allow| allow.kind == "bucket" && allow.named == named);
    if bucket_names(Named::Caller) {
        return Outcome::Allow;
    }
    if caller == Caller::Anonymous {
        return Outcome::ImplicitDeny;
    }
    let own = allows.iter().any(|allow| allow.kind == "identity") || bucket_names(Named::Role);
    let within_session = one_or_many(&case["policies"]).iter().all(|attached| attached["kind"] != "session")
        || allows.iter().any(|allow| allow.kind == "session");
    let owner_agrees =
        question.account() == Some(question.owner()) || bucket_names(Named::Account) || bucket_names(Named::Role);
    if own && within_session && owner_agrees { Outcome::Allow } else { Outcome::ImplicitDeny }
}
