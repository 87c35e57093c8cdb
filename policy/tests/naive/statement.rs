//! "The document": whom, what and on what a statement is about.

use serde_json::Value;

use crate::case::{Caller, Question, members, texts};
use crate::condition::condition_holds;
use crate::text::{Filled, fill, matches, wildcards};

/// What a statement's parts need to know of the statement and its document.
pub(crate) struct Scope {
    /// The effect is Deny: what is unknown makes it apply.
    pub(crate) deny: bool,
    /// The document is of version 2012-10-17.
    pub(crate) variables: bool,
}

/// By what a statement's principal covers the caller, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Nobody,
    Account,
    Role,
    Caller,
}

/// By what a statement applies to a request; `None` when it doesn't.
pub(crate) fn applies(statement: &Value, scope: &Scope, question: &Question) -> Option<Named> {
    let named = principal_names(statement, question);
    let applies = named != Named::Nobody
        && action_matches(statement, question.action())
        && resource_matches(statement, scope, question)
        && condition_holds(&statement["Condition"], scope, question);
    applies.then_some(named)
}

/// Whose statement it is. One without a principal belongs to whom it is attached to.
fn principal_names(statement: &Value, question: &Question) -> Named {
    if let Some(not) = statement.get("NotPrincipal") {
        return if who_names(not, question) == Named::Nobody { Named::Caller } else { Named::Nobody };
    }
    statement.get("Principal").map_or(Named::Caller, |who| who_names(who, question))
}

fn who_names(who: &Value, question: &Question) -> Named {
    if who == "*" {
        return Named::Caller;
    }
    let named = members(who).flat_map(|(kind, names)| {
        texts(names).into_iter().map(move |name| match kind.as_str() {
            "AWS" => name_names(&name, question),
            "CanonicalUser" if question.canonical_user() == Some(&name) => account_names(question),
            _ => Named::Nobody,
        })
    });
    named.max().unwrap_or(Named::Nobody)
}

fn name_names(name: &str, question: &Question) -> Named {
    if name == "*" {
        return Named::Caller;
    }
    if let Some(account) = question.account()
        && (name == account || name == format!("arn:aws:iam::{account}:root"))
    {
        return account_names(question);
    }
    match question.caller() {
        Caller::User { arn } if name == arn => Named::Caller,
        Caller::Session { arn, .. } if name == arn => Named::Caller,
        Caller::Session { role, .. } if name == role => Named::Role,
        _ => Named::Nobody,
    }
}

/// The account's ARN is that of its root, who is so named itself.
fn account_names(question: &Question) -> Named {
    if question.caller() == Caller::Root { Named::Caller } else { Named::Account }
}

fn action_matches(statement: &Value, action: &str) -> bool {
    let (negated, patterns) = match statement.get("NotAction") {
        Some(patterns) => (true, patterns),
        None => (false, &statement["Action"]),
    };
    let (action, mut patterns) = (action.to_lowercase(), texts(patterns));
    patterns.iter_mut().for_each(|pattern| *pattern = pattern.to_lowercase());
    // The console's own actions are covered by nothing but lists in which `strongroom:` is written out.
    if action.starts_with("strongroom:") {
        patterns.retain(|pattern| pattern.starts_with("strongroom:"));
        if patterns.is_empty() {
            return false;
        }
    }
    patterns.iter().any(|pattern| matches(&wildcards(pattern), &action)) != negated
}

fn resource_matches(statement: &Value, scope: &Scope, question: &Question) -> bool {
    let (negated, patterns) = match statement.get("NotResource") {
        Some(patterns) => (true, patterns),
        None => (false, &statement["Resource"]),
    };
    let (mut matched, mut no_value, mut unreadable) = (false, false, false);
    for pattern in texts(patterns) {
        // Variables live only behind the fifth colon.
        let tail_at = pattern.match_indices(':').nth(4).map_or(pattern.len(), |(at, _)| at + 1);
        let (head, tail) = pattern.split_at(tail_at);
        match fill(tail, true, scope.variables, question) {
            Filled::Tokens(tail) => matched |= matches(&[wildcards(head), tail].concat(), question.resource()),
            Filled::NoValue => no_value = true,
            // It could be any text: what counts is what stands before and behind all that isn't written out.
            Filled::Unreadable => {
                let before = pattern.find(['*', '?']).into_iter().chain(pattern.find("${")).min().unwrap_or_default();
                let behind = pattern.rfind(['*', '?', '}']).map_or(0, |at| at + 1);
                let asked = question.resource();
                let written = asked.starts_with(&pattern[..before]) && asked.ends_with(&pattern[behind..]);
                unreadable |= negated || written;
            }
        }
    }
    match (matched, negated) {
        (true, _) => !negated,
        (false, true) => scope.deny || !(no_value || unreadable),
        (false, false) => scope.deny && unreadable,
    }
}
