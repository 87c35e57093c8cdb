//! Condition values that can't be meant, or that mean something else than they look like.

use super::view::View;
use super::{Findings, Severity};
use crate::condition::operator::{Comparison, Family, Qualifier};
use crate::condition::{Condition, Values, address, arn::ArnTemplate};
use crate::effect::Effect;
use crate::key::{Kind, KnownKey};

pub(super) fn statement(view: &View<'_>, findings: &mut Findings<'_>) {
    for condition in &view.statement.conditions {
        let place = view.condition_place(&condition.operator.to_string(), condition.key.as_str());
        networks(condition, &place, findings);
        qualifiers(condition, view.statement.effect, &place, findings);
        types(condition, &place, findings);
        texts(condition, &place, findings);
        booleans(condition, &place, findings);
        numbers(condition, &place, findings);
        network_names(condition, &place, findings);
    }
}

/// A list of both booleans, which every value is in.
fn booleans(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let Values::Booleans(values) = &condition.values else { return };
    if values.contains(&Some(true)) && values.contains(&Some(false)) {
        let message = format!("{} has true and false, so it says nothing of the value.", condition.operator);
        let advice = "Keep one of them, or ask with Null whether the key is there.";
        findings.add(Severity::Warning, "Invalid condition multiple Boolean", place.clone(), message, advice);
    }
}

/// Several bounds of which only one counts.
fn numbers(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let family = condition.operator.family;
    let is_bound = matches!(family, Family::Number(comparison) if comparison != Comparison::Equal);
    if is_bound && condition.texts.len() > 1 {
        let message = format!(
            "The values of {} are alternatives, so only the widest of {} counts.",
            condition.operator,
            condition.texts.join(", ")
        );
        let advice = "Keep that one.";
        findings.add(Severity::Suggestion, "Redundant condition value num", place.clone(), message, advice);
    }
}

/// Names of networks that aren't of AWS's form, `vpc-` or `vpce-` and 8 or 17 hexadecimal digits; wildcards and variables aside.
fn network_names(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let (prefix, code) = match condition.key.known() {
        Some(KnownKey::SourceVpc) => ("vpc-", "Invalid vpc format"),
        Some(KnownKey::SourceVpce) => ("vpce-", "Invalid vpce format"),
        _ => return,
    };
    if !matches!(condition.operator.family, Family::String { .. }) {
        return;
    }
    let is_name = |text: &str| {
        text.strip_prefix(prefix)
            .is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for text in condition.texts.iter().filter(|text| !text.contains(['*', '?', '$']) && !is_name(text)) {
        let message = format!("{text} is no name that AWS gives: {prefix} and 8 or 17 hexadecimal digits.");
        let advice = "Check that it is the name that the node's --network gives to the network.";
        findings.add(Severity::Warning, code, place.clone(), message, advice);
    }
}

fn networks(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let Values::Networks(networks) = &condition.values else { return };
    let all_private = networks.iter().flatten().all(address::is_private);
    for (network, text) in networks.iter().zip(&condition.texts) {
        let Some(network) = network else { continue };
        if condition.key.known() == Some(KnownKey::SourceIp) && address::is_private(network) {
            let code = match (condition.operator.negated, all_private) {
                (false, true) => "Private IP address",
                (false, false) => "Private IP address subset",
                (true, true) => "Private NotIpAddress",
                (true, false) => "Private NotIpAddress subset",
            };
            let message = format!(
                "{text} is a private range. Here aws:SourceIp is the address that the node sees, so it works inside your \
                 network; at AWS it would match no request."
            );
            let advice = "Keep it for callers that reach the node directly or through a trusted proxy.";
            findings.add(Severity::Suggestion, code, place.clone(), message, advice);
        }
        let written = text.parse::<ipnet::IpNet>();
        if let Ok(written) = written
            && written.addr() != written.network()
        {
            let message = format!("{text} has bits behind its prefix; they are ignored, it means {network}.");
            findings.add(Severity::Suggestion, "Improve IP range", place.clone(), message, "Write the network itself.");
        }
    }
}

fn qualifiers(condition: &Condition, effect: Effect, place: &(String, usize), findings: &mut Findings<'_>) {
    let operator = condition.operator;
    let Some(known) = condition.key.known() else { return };
    let name = condition.key.as_str();
    if operator.family == Family::Null {
        if operator.qualifier != Qualifier::None {
            let message =
                format!("A qualifier says nothing in front of Null, which asks whether {name} is there at all.");
            findings.add(Severity::Suggestion, "Null with qualifier", place.clone(), message, "Remove the qualifier.");
        }
        return;
    }
    if known.is_multivalued() && operator.qualifier == Qualifier::None {
        let message = format!(
            "{name} can have several values; without ForAllValues or ForAnyValue the condition never matches them."
        );
        findings.add(
            Severity::Warning,
            "Missing qualifier",
            place.clone(),
            message,
            "Put ForAllValues: or ForAnyValue: in front.",
        );
    }
    if !known.is_multivalued() && operator.qualifier == Qualifier::ForAllValues && effect == Effect::Allow {
        let message =
            format!("ForAllValues is true when {name} is missing, so the Allow also covers requests without it.");
        findings.add(
            Severity::SecurityWarning,
            "ForAllValues with single valued key",
            place.clone(),
            message,
            "Remove ForAllValues, or add a Null condition that asks for the key.",
        );
    }
}

fn types(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let Some(known) = condition.key.known() else { return };
    let family = condition.operator.family;
    let textual = matches!(family, Family::String { .. } | Family::Arn | Family::Binary);
    let (fits, code) = match known.kind() {
        Kind::Address => (family == Family::Address, "Type mismatch IP range"),
        Kind::Number => (matches!(family, Family::Number(_)), "Type mismatch number"),
        Kind::Date => (
            matches!(family, Family::Date(_)) || (known == KnownKey::EpochTime && matches!(family, Family::Number(_))),
            "Type mismatch date",
        ),
        Kind::Boolean => (family == Family::Boolean, "Type mismatch Boolean"),
        Kind::String | Kind::Arn => (textual, "Type mismatch string"),
    };
    if !fits && family != Family::Null {
        let message = format!("{} compares something else than {} holds.", condition.operator, condition.key.as_str());
        let advice = "Use an operator of the key's type.";
        findings.add(Severity::Warning, code, place.clone(), message, advice);
    }
}

fn texts(condition: &Condition, place: &(String, usize), findings: &mut Findings<'_>) {
    let literal = matches!(condition.operator.family, Family::String { like: false, .. });
    for text in condition.texts.iter().filter(|text| literal && text.contains('*') && !text.contains("${*}")) {
        let message = format!("{} takes * literally in {text}.", condition.operator);
        findings.add(
            Severity::Warning,
            "Wildcard without like operator",
            place.clone(),
            message,
            "Use StringLike for wildcards.",
        );
    }
    if let Values::Arns(templates) = &condition.values {
        for (_, text) in templates.iter().zip(&condition.texts).filter(|(one, _)| matches!(one, ArnTemplate::Nothing)) {
            let message = format!("{text} doesn't have the six fields of an ARN, so no ARN is like it.");
            findings.add(
                Severity::Warning,
                "Missing ARN field",
                place.clone(),
                message,
                "Write all six fields, with * where any will do.",
            );
        }
    }
}
