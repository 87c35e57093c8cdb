//! What only the whole document shows: statements that others make needless or useless, and how near its limits it is.

use super::view::View;
use super::{Findings, Severity};
use crate::action::ActionPattern;
use crate::condition::Condition;
use crate::effect::Effect;
use crate::parse::{BUCKET_POLICY_BYTES_MAX, IDENTITY_POLICY_CHARACTERS_MAX, stored_characters};
use crate::pattern::Pattern;
use crate::policy::PolicyKind;
use crate::principal::PrincipalPattern;
use crate::resource::ResourcePattern;
use crate::statement::{Selector, Statement};

/// Most statements that are compared pair by pair.
const STATEMENTS_MAX: usize = 100;
/// Most comparisons of an entry with another one in the whole document.
const COMPARISONS_MAX: usize = 200_000;

pub(super) fn document(text: &str, kind: PolicyKind, views: &[View<'_>], findings: &mut Findings<'_>) {
    size(text, kind, findings);
    if views.len() > STATEMENTS_MAX {
        return;
    }
    let mut comparisons = 0;
    for (index, view) in views.iter().enumerate() {
        let Some((cover, _)) = views.iter().enumerate().map(|(other, by)| (by, other)).find(|(by, other)| {
            let (inner, outer) = (view.statement, by.statement);
            comparisons += inner.actions.entries.len() * outer.actions.entries.len()
                + inner.resources.entries.len() * outer.resources.entries.len();
            // Of two that cover each other the later one is redundant.
            *other != index
                && comparisons <= COMPARISONS_MAX
                && covers(outer, inner)
                && (outer.effect != inner.effect || *other < index || !covers(inner, outer))
        }) else {
            continue;
        };
        let (name, by) = (view.statement.name(), cover.statement.name());
        if cover.statement.effect == view.statement.effect {
            let message = format!("Statement {name} says nothing that {by} doesn't say.");
            findings.add(Severity::Suggestion, "Redundant statement", view.place(), message, "Remove it.");
        } else {
            let message = format!("Statement {name} grants nothing: {by} denies all of it, under no condition.");
            let advice = "Remove it, or limit the Deny.";
            findings.add(Severity::Warning, "Unreachable statement", view.place(), message, advice);
        }
    }
}

/// Documents of nine tenths of the size that can be stored.
fn size(text: &str, kind: PolicyKind, findings: &mut Findings<'_>) {
    let (size, limit, unit) = match kind {
        PolicyKind::Bucket => (text.len(), BUCKET_POLICY_BYTES_MAX, "bytes"),
        PolicyKind::Identity | PolicyKind::Session => {
            (stored_characters(text), IDENTITY_POLICY_CHARACTERS_MAX, "characters without white space")
        }
    };
    if size * 10 > limit * 9 {
        findings.add(
            Severity::Suggestion,
            "Policy size near quota",
            (String::new(), 0),
            format!("The document has {size} of at most {limit} {unit}."),
            "Shorten it with wildcards, or split it into several permissions.",
        );
    }
}

/// Whether all that `inner` is about, `outer` is about too: an equal effect makes the inner one redundant, and an unconditional
/// Deny makes an Allow useless.
fn covers(outer: &Statement, inner: &Statement) -> bool {
    let conditions = match (outer.effect, inner.effect) {
        (Effect::Allow, Effect::Deny) => return false,
        (Effect::Deny, Effect::Allow) => outer.conditions.is_empty(),
        _ => outer.conditions.is_empty() || same_conditions(&outer.conditions, &inner.conditions),
    };
    let says_something = !inner.actions.entries.is_empty() && !inner.resources.entries.is_empty();
    conditions
        && says_something
        && cover_principals(outer.principals.as_ref(), inner.principals.as_ref())
        && cover_lists(&outer.actions, &inner.actions, ActionPattern::text, |outer, inner| {
            !outer.text().contains('?') && outer.matches_name(inner.text())
        })
        && cover_lists(&outer.resources, &inner.resources, ResourcePattern::text, |outer, inner| {
            // A pattern with `?` matches the text of a wider one without covering it.
            let plain = !outer.text().contains('?') && outer.variables().next().is_none();
            plain && Pattern::new(outer.text()).matches(inner.text())
        })
}

fn cover_lists<T>(
    outer: &Selector<T>,
    inner: &Selector<T>,
    text: impl Fn(&T) -> &str,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    if outer.inverted || inner.inverted {
        // What a list leaves out is only compared as it is written.
        return outer.inverted == inner.inverted && outer.entries.iter().map(&text).eq(inner.entries.iter().map(&text));
    }
    let is_covered = |one: &T| outer.entries.iter().any(|by| text(by) == text(one) || covers(by, one));
    inner.entries.iter().all(is_covered)
}

fn cover_principals(outer: Option<&Selector<PrincipalPattern>>, inner: Option<&Selector<PrincipalPattern>>) -> bool {
    match (outer, inner) {
        (None, None) => true,
        (Some(outer), Some(inner)) => {
            let everyone = !outer.inverted && outer.entries.contains(&PrincipalPattern::Everyone);
            let same_side = outer.inverted == inner.inverted;
            let listed = inner.entries.iter().all(|entry| outer.entries.contains(entry));
            let equal = listed && outer.entries.len() == inner.entries.len();
            everyone || (same_side && if outer.inverted { equal } else { listed })
        }
        _ => false,
    }
}

fn same_conditions(left: &[Condition], right: &[Condition]) -> bool {
    let same = |one: &Condition| {
        right.iter().any(|other| {
            one.operator == other.operator && one.key.canonical() == other.key.canonical() && one.texts == other.texts
        })
    };
    left.len() == right.len() && left.iter().all(same)
}
