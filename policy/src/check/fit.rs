//! Actions, resources and keys of one statement that don't fit each other.

use super::view::{Text, View};
use super::{Findings, Severity};
use crate::action::{Action, ActionPattern, ResourceType};
use crate::condition::Condition;
use crate::condition::operator::{Family, Qualifier};
use crate::effect::Effect;
use crate::key::KnownKey;
use crate::parse::Reach;
use crate::policy::PolicyKind;
use crate::value::EmptyContext;

pub(super) fn statement(view: &View<'_>, kind: PolicyKind, findings: &mut Findings<'_>) {
    if !view.statement.actions.inverted && kind != PolicyKind::Bucket {
        actions(view, findings);
    }
    if !view.statement.resources.inverted {
        resources(view, findings);
    }
    for condition in &view.statement.conditions {
        key(view, condition, findings);
        relevance(view, condition, kind, findings);
    }
    pairs(view, findings);
}

/// Actions that apply to no resource of the statement.
fn actions(view: &View<'_>, findings: &mut Findings<'_>) {
    let reach = Reach::of(view.statement);
    for (text, pattern) in view.texts("Action", "NotAction").into_iter().zip(&view.statement.actions.entries) {
        let named = pattern.actions();
        if pattern.has_wildcard_service() {
            findings.add(
                Severity::Suggestion,
                "Wildcard in service name",
                text.place.clone(),
                format!("{} names actions of every service that its pattern fits.", text.text),
                "Write the service out, as in s3:Get*.",
            );
        }
        if named.is_empty() {
            findings.add(
                Severity::Warning,
                "Action of another service",
                text.place,
                format!("{} is no action of S3: it is kept, and grants and refuses nothing here.", text.text),
                "Remove it, or keep it for the document's sake.",
            );
        } else if !view.statement.resources.entries.is_empty()
            && !named.iter().any(|action| reach.has(action.resource_type()))
        {
            let needed = named.iter().next().map_or(ResourceType::Elsewhere, Action::resource_type);
            let needed = match needed {
                ResourceType::Service => "arn:aws:s3:::* or *",
                ResourceType::Bucket => "a bucket, arn:aws:s3:::BUCKET",
                ResourceType::Object => "objects, arn:aws:s3:::BUCKET/*",
                ResourceType::Elsewhere => "a kind of resource that this node doesn't have",
            };
            findings.add(
                Severity::Warning,
                "Unsupported action in policy",
                text.place,
                format!("{} applies to no resource of the statement: it is asked on {needed}.", text.text),
                "Add a resource of that kind, or remove the action.",
            );
        }
    }
}

/// Resources that no action of the statement is asked on.
fn resources(view: &View<'_>, findings: &mut Findings<'_>) {
    let statement = view.statement;
    let texts: Vec<Text<'_>> = view.texts("Resource", "NotResource");
    for (text, pattern) in texts.into_iter().zip(&statement.resources.entries) {
        if pattern.is_everything() {
            continue;
        }
        let Some(tail) = pattern.s3_tail() else {
            findings.add(
                Severity::Warning,
                "Resource of another service",
                text.place,
                format!("{} names no bucket and no object: it is kept and matches nothing here.", text.text),
                "Remove it, or keep it for the document's sake.",
            );
            continue;
        };
        let (buckets, objects) = tail.reach();
        let asked = |kind| statement.action_set.iter().any(|action| action.resource_type() == kind);
        let used = (buckets && asked(ResourceType::Bucket))
            || (objects && asked(ResourceType::Object))
            || (tail.is_any() && asked(ResourceType::Service));
        if !used && !statement.action_set.is_empty() {
            let kind = if buckets { "buckets" } else { "objects" };
            findings.add(
                Severity::Warning,
                "Unsupported resource for action",
                text.place,
                format!("{} names {kind}, on which none of the statement's actions is asked.", text.text),
                "Remove it, or move it to a statement with actions of its kind.",
            );
        }
    }
}

/// Keys that a request for the statement's actions never carries.
fn key(view: &View<'_>, condition: &Condition, findings: &mut Findings<'_>) {
    let Some(known) = condition.key.known() else { return };
    let operator = condition.operator;
    let name = condition.key.as_str();
    let place = || view.condition_place(&operator.to_string(), name);
    // Whether the condition is false for a request without the key.
    let needs_key = operator.family != Family::Null
        && !operator.negated
        && !operator.if_exists
        && operator.qualifier != Qualifier::ForAllValues;
    let needs_key = needs_key || operator.qualifier == Qualifier::ForAnyValue;
    let effect = view.statement.effect;
    if !known.can_be_present() {
        let (severity, consequence) = match (condition.holds(&EmptyContext, effect), effect) {
            (false, Effect::Deny) => (Severity::SecurityWarning, "so the Deny never applies"),
            (false, Effect::Allow) => (Severity::Warning, "so the Allow never applies"),
            (true, Effect::Deny) => (
                Severity::Warning,
                "so the condition always holds: the Deny applies to whomever the key was to tell apart",
            ),
            (true, Effect::Allow) => (Severity::Suggestion, "so the condition says nothing"),
        };
        let message = format!("No request to this node carries {name}, {consequence}.");
        findings.add(
            severity,
            "Condition key never present",
            place(),
            message,
            "Use a key that requests carry, such as aws:SourceIp.",
        );
        return;
    }
    let is_tag = matches!(known, KnownKey::RequestTag | KnownKey::TagKeys);
    if is_tag && view.statement.actions.inverted {
        let (severity, code) = match effect {
            Effect::Deny => {
                (Severity::SecurityWarning, "Deny NotAction with unsupported tag condition key for service")
            }
            Effect::Allow => (Severity::Suggestion, "Allow NotAction with unsupported tag condition key for service"),
        };
        let message =
            format!("NotAction names actions that carry no {name}, for which the condition isn't what it says.");
        findings.add(severity, code, place(), message, "Name the actions that the tags belong to.");
        return;
    }
    let without: Vec<String> = named_actions(view, known).collect();
    if let Some(first) = without.first() {
        let (severity, code) = match (needs_key, effect) {
            (true, Effect::Deny) if is_tag => {
                (Severity::SecurityWarning, "Deny with unsupported tag condition key for service")
            }
            (_, Effect::Allow) if is_tag => {
                (Severity::Suggestion, "Allow with unsupported tag condition key for service")
            }
            (true, Effect::Deny) => (Severity::SecurityWarning, "Unsupported action for condition key"),
            _ => (Severity::Warning, "Unsupported action for condition key"),
        };
        let others = if without.len() > 1 { format!(" and {} more", without.len() - 1) } else { String::new() };
        let consequence = match (needs_key, effect) {
            (true, Effect::Deny) => "so it is never refused by this statement",
            (true, Effect::Allow) => "so it is never granted by this statement",
            (false, _) => "so the condition says nothing about it",
        };
        let message = format!("Requests for {first}{others} carry no {name}, {consequence}.");
        findings.add(severity, code, place(), message, "Move the action to a statement of its own.");
    }
}

/// Keys that say nothing in this kind of policy: a bucket's policy is always about the bucket's own account.
fn relevance(view: &View<'_>, condition: &Condition, kind: PolicyKind, findings: &mut Findings<'_>) {
    let about_owner = matches!(
        condition.key.known(),
        Some(KnownKey::S3ResourceAccount | KnownKey::ResourceAccount | KnownKey::ResourceOrgId)
    );
    if kind == PolicyKind::Bucket && about_owner {
        let name = condition.key.as_str();
        findings.add(
            Severity::Suggestion,
            "Irrelevant condition key in policy",
            view.condition_place(&condition.operator.to_string(), name),
            format!("{name} is the same for every request that a bucket's policy is asked about."),
            "Use it in identity policies, or remove it.",
        );
    }
}

/// A private address means something only together with the network that it is in.
fn pairs(view: &View<'_>, findings: &mut Findings<'_>) {
    let conditions = &view.statement.conditions;
    let has = |wanted: KnownKey| conditions.iter().find(|condition| condition.key.known() == Some(wanted));
    let Some(address) = has(KnownKey::VpcSourceIp) else { return };
    if has(KnownKey::SourceVpc).is_none() && has(KnownKey::SourceVpce).is_none() {
        let name = address.key.as_str();
        findings.add(
            Severity::SecurityWarning,
            "Missing paired condition keys",
            view.condition_place(&address.operator.to_string(), name),
            format!("The same private address is in many networks; {name} alone doesn't say in which."),
            "Add aws:SourceVpc or aws:SourceVpce.",
        );
    }
}

/// The actions of the statement that carry no such key: each that is written out, or each pattern of which none does.
fn named_actions<'v>(view: &'v View<'_>, known: KnownKey) -> impl Iterator<Item = String> + 'v {
    let inverted = view.statement.actions.inverted;
    let texts = view.texts("Action", "NotAction").into_iter().zip(&view.statement.actions.entries);
    texts.filter_map(move |(text, pattern): (Text<'_>, &ActionPattern)| {
        let named = pattern.actions();
        let lacks = !inverted && !named.is_empty() && !named.iter().any(|action| action.has_key(known));
        lacks.then(|| text.text.to_owned())
    })
}
