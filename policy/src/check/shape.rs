//! The form of a document: what is empty, missing or said twice.

use super::view::View;
use super::{Findings, Severity};
use crate::action::ActionPattern;
use crate::condition::operator::Qualifier;
use crate::json::{JsonValue, Node};
use crate::parse::{Dialect, pointer_part};
use crate::pattern::Pattern;

pub(super) fn document(root: &Node, dialect: Dialect, findings: &mut Findings<'_>) {
    let version = root.member("Version").and_then(Node::as_str);
    if version.is_none() && dialect == Dialect::Aws {
        findings.add(
            Severity::Warning,
            "Missing version",
            (String::new(), root.offset),
            "Without a Version the document is read as 2008-10-17, in which ${...} is no variable.".to_owned(),
            "Add \"Version\": \"2012-10-17\".",
        );
    }
    if version != Some("2012-10-17")
        && let Some(place) = first_variable(root)
    {
        findings.add(
            Severity::Warning,
            "Variable unsupported in version",
            place,
            "${...} is plain text in this version of the language.".to_owned(),
            "Set Version to 2012-10-17.",
        );
    }
}

/// The place of the first text that the newer version would read as one with a variable: in a resource or a condition.
fn first_variable(root: &Node) -> Option<(String, usize)> {
    let element = root.member("Statement")?;
    let statements = match &element.value {
        JsonValue::Array(items) => {
            items.iter().enumerate().map(|(index, node)| (format!("/Statement/{index}"), node)).collect()
        }
        _ => vec![("/Statement".to_owned(), element)],
    };
    statements.into_iter().find_map(|(pointer, node)| {
        ["Resource", "NotResource", "Condition"]
            .into_iter()
            .find_map(|name| variable_in(node.member(name)?, format!("{pointer}/{name}")))
    })
}

fn variable_in(node: &Node, pointer: String) -> Option<(String, usize)> {
    match &node.value {
        JsonValue::String(text) => text.contains("${").then_some((pointer, node.offset)),
        JsonValue::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| variable_in(item, format!("{pointer}/{index}")))
        }
        JsonValue::Object(members) => members
            .iter()
            .find_map(|member| variable_in(&member.value, format!("{pointer}/{}", pointer_part(&member.key)))),
        _ => None,
    }
}

pub(super) fn statement(view: &View<'_>, findings: &mut Findings<'_>) {
    empty(view, findings);
    redundant(view, findings);
}

fn empty(view: &View<'_>, findings: &mut Findings<'_>) {
    let mut suggest = |code, place, message: &str, advice| {
        findings.add(Severity::Suggestion, code, place, message.to_owned(), advice);
    };
    let is_empty = |name: &str| {
        view.node.member(name).is_some_and(|node| match &node.value {
            JsonValue::Array(items) => items.is_empty(),
            JsonValue::Object(members) => members.is_empty(),
            JsonValue::String(text) => text.is_empty(),
            _ => false,
        })
    };
    let nothing = "An empty list matches nothing, so the statement never applies.";
    for (name, code) in [
        ("Action", "Empty array action"),
        ("NotAction", "Empty array action"),
        ("Resource", "Empty array resource"),
        ("NotResource", "Empty array resource"),
        ("Principal", "Empty object principal"),
        ("NotPrincipal", "Empty object principal"),
    ] {
        if is_empty(name) {
            let message = if name.starts_with("Not") { "An empty list excludes nothing." } else { nothing };
            suggest(code, view.place_of(&[name]), message, "Remove the statement, or add a value.");
        }
    }
    if is_empty("Condition") {
        suggest(
            "Empty object condition",
            view.place_of(&["Condition"]),
            "An empty Condition is no condition.",
            "Remove it.",
        );
    }
    if is_empty("Sid") {
        suggest(
            "Empty Sid value",
            view.place_of(&["Sid"]),
            "An empty Sid names nothing.",
            "Remove it, or give the statement a name.",
        );
    }
    for name in ["Principal", "NotPrincipal"] {
        let kinds = view.node.member(name).and_then(Node::as_object).unwrap_or_default();
        for kind in kinds.iter().filter(|kind| matches!(&kind.value.value, JsonValue::Array(items) if items.is_empty()))
        {
            let place = (format!("{}/{name}/{}", view.pointer, kind.key), kind.key_offset);
            suggest("Empty array principal", place, "An empty list names nobody.", "Remove it, or add a principal.");
        }
    }
    for condition in view.statement.conditions.iter().filter(|condition| condition.texts.is_empty()) {
        let place = view.condition_place(&condition.operator.to_string(), condition.key.as_str());
        let code = match (condition.operator.qualifier, condition.operator.if_exists) {
            (Qualifier::ForAllValues, _) => "Empty array condition ForAllValues",
            (Qualifier::ForAnyValue, _) => "Empty array condition ForAnyValue",
            (Qualifier::None, true) => "Empty array condition IfExists",
            (Qualifier::None, false) => "Empty array condition",
        };
        suggest(
            code,
            place,
            "A key compared with no value matches only a request without it, under IfExists or ForAllValues.",
            "Add a value, or remove the key.",
        );
    }
}

/// Longest lists that are compared pair by pair.
const REDUNDANT_ENTRIES_MAX: usize = 200;

/// Entries that another entry of the same list covers.
fn redundant(view: &View<'_>, findings: &mut Findings<'_>) {
    let actions = view.texts("Action", "NotAction");
    let resources = view.texts("Resource", "NotResource");
    if actions.len().max(resources.len()) > REDUNDANT_ENTRIES_MAX {
        return;
    }
    let patterns: Vec<ActionPattern> = actions.iter().map(|text| ActionPattern::new(text.text)).collect();
    for (index, text) in actions.iter().enumerate() {
        let cover = patterns.iter().zip(&actions).enumerate().find(|(other, (pattern, by))| {
            // Of two that cover each other the later one is redundant.
            *other != index
                && covers(by.text)
                && pattern.matches_name(text.text)
                && (*other < index || by.text != text.text)
        });
        if let Some((_, (_, by))) = cover {
            let message = format!("{} is covered by {}.", text.text, by.text);
            findings.add(Severity::Suggestion, "Redundant action", text.place.clone(), message, "Remove it.");
        }
    }
    for (index, text) in resources.iter().enumerate() {
        let cover = resources.iter().enumerate().find(|(other, by)| {
            *other != index
                && covers(by.text)
                && !by.text.contains("${")
                && Pattern::new(by.text).matches(text.text)
                && (*other < index || by.text != text.text)
        });
        if let Some((_, by)) = cover {
            let message = format!("{} is covered by {}.", text.text, by.text);
            findings.add(Severity::Suggestion, "Redundant resource", text.place.clone(), message, "Remove it.");
        }
    }
}

/// A pattern with `?` matches the text of a wider pattern without covering it.
fn covers(pattern: &str) -> bool {
    !pattern.contains('?')
}
