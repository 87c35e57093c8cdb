//! The Condition block.

use std::collections::HashSet;

use super::fault::Fault;
use super::statement::StatementReader;
use super::{Dialect, Phase, pointer_part, suggest};
use crate::condition::address::parse_network;
use crate::condition::date::Instant;
use crate::condition::number::Decimal;
use crate::condition::operator::{self, Operator};
use crate::condition::{Condition, Values, parse_boolean};
use crate::json::{JsonValue, Member, Node};
use crate::key::{ConditionKey, Kind, known_keys};
use crate::policy::PolicyKind;

pub(crate) fn read(reader: &mut StatementReader<'_, '_, '_, '_>, node: &Node) -> Vec<Condition> {
    let lyve = reader.faults.options.dialect == Dialect::Lyve;
    let mut conditions = Vec::new();
    let blocks = match &node.value {
        JsonValue::Object(blocks) => blocks,
        JsonValue::Null => {
            reader.fault(Phase::Empty, Fault::Empty("Condition"), "/Condition", node.offset);
            return conditions;
        }
        JsonValue::String(text) if text.is_empty() && lyve => {
            reader.fault(Phase::Empty, Fault::Empty("Condition"), "/Condition", node.offset);
            return conditions;
        }
        JsonValue::Array(items) if items.is_empty() && lyve => {
            reader.fault(Phase::Empty, Fault::Empty("Condition"), "/Condition", node.offset);
            return conditions;
        }
        _ => {
            let fault = Fault::Type { element: "Condition", found: node.describe(), expected: "an object" };
            reader.fault(Phase::ConditionName, fault, "/Condition", node.offset);
            return conditions;
        }
    };
    if blocks.is_empty() && lyve {
        reader.fault(Phase::Empty, Fault::Empty("Condition"), "/Condition", node.offset);
    }
    for block in blocks {
        read_block(reader, block, &mut conditions);
    }
    conditions
}

fn read_block(reader: &mut StatementReader<'_, '_, '_, '_>, block: &Member, conditions: &mut Vec<Condition>) {
    let lyve = reader.faults.options.dialect == Dialect::Lyve;
    let path = format!("/Condition/{}", pointer_part(&block.key));
    let operator = Operator::parse(&block.key);
    if operator.is_none() {
        let suggestion = if reader.faults.is_full() { None } else { suggest_operator(&block.key) };
        let fault = Fault::ConditionName { name: block.key.clone(), suggestion };
        reader.fault(Phase::ConditionName, fault, &path, block.key_offset);
    }
    let Some(members) = block.value.as_object() else {
        let found = block.value.describe();
        let fault = Fault::Type { element: "Condition", found, expected: "an object of keys and values" };
        reader.fault(Phase::ConditionName, fault, &path, block.value.offset);
        return;
    };
    if members.is_empty() && lyve {
        reader.fault(Phase::Empty, Fault::Empty("Condition"), &path, block.value.offset);
    }
    let mut seen: HashSet<Box<str>> = HashSet::new();
    for member in members {
        let path = format!("{path}/{}", pointer_part(&member.key));
        let key = ConditionKey::new(&member.key);
        if !seen.insert(key.canonical().into()) {
            let fault = Fault::RepeatedKey { key: member.key.clone() };
            reader.fault(Phase::ConditionKey, fault, &path, member.key_offset);
        }
        if let Some((why, suggestion)) = wrong_key(reader, &key) {
            let fault = Fault::ConditionKey { key: member.key.clone(), why, suggestion };
            reader.fault(Phase::ConditionKey, fault, &path, member.key_offset);
        }
        let texts = read_values(reader, &member.value, &member.key, &path);
        let Some(operator) = operator else { continue };
        let values = Values::new(operator.family, &texts, reader.variables && operator.takes_variables());
        check_values(reader, &operator, &key, &values, &texts, (&path, &member.value));
        conditions.push(Condition { operator, key, values, texts: texts.into_boxed_slice() });
    }
}

/// The values as texts: strings, numbers and booleans, one or many.
fn read_values(reader: &mut StatementReader<'_, '_, '_, '_>, node: &Node, key: &str, path: &str) -> Vec<Box<str>> {
    let single = std::slice::from_ref(node);
    let (items, is_list) = match &node.value {
        JsonValue::Array(items) => (items.as_slice(), true),
        _ => (single, false),
    };
    if items.is_empty() && reader.faults.options.dialect == Dialect::Lyve {
        reader.fault(Phase::Empty, Fault::Empty("Condition"), path, node.offset);
    }
    let mut texts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match &item.value {
            JsonValue::String(text) | JsonValue::Number(text) => texts.push(text.as_str().into()),
            JsonValue::Boolean(value) => texts.push(value.to_string().into()),
            JsonValue::Null | JsonValue::Array(_) | JsonValue::Object(_) => {
                let path = if is_list { format!("{path}/{index}") } else { path.to_owned() };
                let fault = Fault::ConditionType { key: key.to_owned(), value: item.describe() };
                reader.fault(Phase::ConditionKey, fault, &path, item.offset);
            }
        }
    }
    texts
}

fn suggest_operator(name: &str) -> Option<String> {
    let (qualifier, rest) = match name.split_once(':') {
        Some((qualifier, rest)) => (suggest::nearest(qualifier, ["ForAllValues", "ForAnyValue"].into_iter())?, rest),
        None => ("", name),
    };
    let (base, suffix) = match rest.len().checked_sub("IfExists".len()).and_then(|at| rest.split_at_checked(at)) {
        Some((base, suffix)) if suffix.eq_ignore_ascii_case("IfExists") => (base, "IfExists"),
        _ => (rest, ""),
    };
    let base = suggest::nearest(base, operator::names())?;
    let suffix = if base == "Null" { "" } else { suffix };
    let colon = if qualifier.is_empty() { "" } else { ":" };
    Some(format!("{qualifier}{colon}{base}{suffix}"))
}

/// Why a key can't be stored.
fn wrong_key(reader: &StatementReader<'_, '_, '_, '_>, key: &ConditionKey) -> Option<(&'static str, Option<String>)> {
    if reader.is_simulated() {
        return None;
    }
    if let Some(known) = key.known() {
        let nameless = known.facts().tagged && key.tag_key().unwrap_or_default().is_empty();
        return nameless.then_some(("needs the name of a tag after the slash", None));
    }
    let text = key.as_str();
    let (name, tag) = text.split_once('/').map_or((text, None), |(name, tag)| (name, Some(tag)));
    if let Some(facts) = known_keys().find(|facts| facts.name.eq_ignore_ascii_case(name)) {
        return Some(match facts.tagged {
            true => ("needs the name of a tag, as in s3:ExistingObjectTag/team", None),
            false => ("takes nothing after a slash", Some(facts.name.to_owned())),
        });
    }
    let Some((service, _)) = name.split_once(':') else {
        let nearest = suggest::nearest(&format!("aws:{name}"), known_keys().map(|facts| facts.name))
            .or_else(|| suggest::nearest(&format!("s3:{name}"), known_keys().map(|facts| facts.name)));
        return Some(("has no service in front of it, as in aws:SourceIp", nearest.map(str::to_owned)));
    };
    let other_service =
        !service.is_empty() && !service.eq_ignore_ascii_case("aws") && !service.eq_ignore_ascii_case("s3");
    let options = reader.faults.options;
    if other_service
        && options.dialect == Dialect::Aws
        && options.kind != PolicyKind::Bucket
        && is_about_other_services(reader)
    {
        return None;
    }
    let suggestion = suggest::nearest(name, known_keys().map(|facts| facts.name)).map(|nearest| match tag {
        Some(tag) => format!("{nearest}/{tag}"),
        None => nearest.to_owned(),
    });
    Some(("is not a condition key of S3", suggestion))
}

/// Whether no action of the statement is one of S3: then it grants and refuses nothing here, whatever its keys.
fn is_about_other_services(reader: &StatementReader<'_, '_, '_, '_>) -> bool {
    let Some(node) = reader.node.member("Action") else { return false };
    let single = std::slice::from_ref(node);
    let items = match &node.value {
        JsonValue::Array(items) => items.as_slice(),
        _ => single,
    };
    items.iter().all(|item| {
        item.as_str().is_some_and(|text| {
            let pattern = crate::action::ActionPattern::new(text);
            !pattern.is_everything() && pattern.actions().is_empty()
        })
    })
}

fn check_values(
    reader: &mut StatementReader<'_, '_, '_, '_>,
    operator: &Operator,
    key: &ConditionKey,
    values: &Values,
    texts: &[Box<str>],
    (path, node): (&str, &Node),
) {
    if reader.is_simulated() {
        return;
    }
    let wrong = values.first_wrong().map(|at| (at, wrong_type(operator)));
    let broken = values.variables().find_map(|variable| match variable.broken {
        Some(why) => Some(why),
        None => variable.never_has_a_value(),
    });
    let by_key = || {
        let known = key.known()?;
        texts.iter().enumerate().find_map(|(at, text)| Some((at, other_type(known.kind(), text, operator)?)))
    };
    let found = wrong.or_else(|| broken.map(|why| (0, why))).or_else(by_key);
    let Some((at, why)) = found else { return };
    let (path, offset) = match &node.value {
        JsonValue::Array(items) => (format!("{path}/{at}"), items.get(at).map_or(node.offset, |item| item.offset)),
        _ => (path.to_owned(), node.offset),
    };
    let value = texts.get(at).map(|text| text.to_string()).unwrap_or_default();
    let fault = Fault::ConditionValue { key: key.as_str().to_owned(), value, why };
    reader.fault(Phase::ConditionKey, fault, &path, offset);
}

fn wrong_type(operator: &Operator) -> &'static str {
    use crate::condition::operator::Family;
    match operator.family {
        Family::Number(_) => "is not a number",
        Family::Date(_) => "is not a date, such as 2026-11-21T21:17:00Z",
        Family::Boolean | Family::Null => "is neither true nor false",
        Family::Binary => "is not base64",
        Family::Address => "is not an IP address or network, such as 203.0.113.0/24",
        Family::String { .. } | Family::Arn => "is not of the operator's type",
    }
}

/// Why a text can't be a value of the key at all, whatever operator compares it.
fn other_type(kind: Kind, text: &str, operator: &Operator) -> Option<&'static str> {
    use crate::condition::operator::Family;
    let has_many_values =
        matches!(operator.family, Family::String { .. } | Family::Arn) && text.contains(['*', '?', '$']);
    if has_many_values || operator.family == Family::Null {
        return None;
    }
    let (fits, why) = match kind {
        Kind::Boolean => (parse_boolean(text).is_some(), "is neither true nor false"),
        Kind::Number => (Decimal::parse(text).is_some(), "is not a number, which the key holds"),
        Kind::Date => (Instant::parse(text).is_some(), "is not a date, which the key holds"),
        Kind::Address => (parse_network(text).is_some(), "is not an IP address or network, which the key holds"),
        Kind::String | Kind::Arn => (true, ""),
    };
    (!fits).then_some(why)
}
