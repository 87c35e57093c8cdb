//! Statements that grant more, or refuse less, than they seem to.

use super::view::View;
use super::{Findings, Severity};
use crate::action::{AccessLevel, ResourceType};
use crate::effect::Effect;
use crate::json::{JsonValue, Node};
use crate::parse::Reach;
use crate::policy::PolicyKind;
use crate::principal::PrincipalPattern;
use crate::public::is_public;

pub(super) fn statement(view: &View<'_>, kind: PolicyKind, findings: &mut Findings<'_>) {
    let statement = view.statement;
    if kind == PolicyKind::Bucket && is_public(statement) {
        findings.add(
            Severity::SecurityWarning,
            "Public access",
            view.place_of(&["Principal"]),
            "The statement grants to everyone, also to anonymous callers.".to_owned(),
            "Name the principals, or limit the statement by aws:SourceIp, aws:SourceVpc or aws:PrincipalAccount.",
        );
    }
    let everywhere = statement.resources.inverted || statement.resources.entries.iter().any(is_all);
    let grants_access =
        statement.action_set.iter().any(|action| action.access_level() == AccessLevel::PermissionsManagement);
    if statement.effect == Effect::Allow && kind == PolicyKind::Identity && everywhere && grants_access {
        let message = if statement.actions.inverted {
            "NotAction with Allow grants every action but these, also those that hand out access, on every bucket."
        } else {
            "The statement grants actions that hand out access on every bucket of the account."
        };
        findings.add(
            Severity::SecurityWarning,
            "Star on star",
            view.place_of(&["Action", "NotAction"]),
            message.to_owned(),
            "Name the actions and the buckets that are needed.",
        );
    }
    deny_without_objects(view, findings);
    not_principal(view, findings);
    principals_elsewhere(view, findings);
}

/// Principals that never call this node.
fn principals_elsewhere(view: &View<'_>, findings: &mut Findings<'_>) {
    for element in ["Principal", "NotPrincipal"] {
        for kind in ["Service", "Federated"] {
            let Some(node) = view.node.member(element).and_then(|node| node.member(kind)) else { continue };
            let single = std::slice::from_ref(node);
            let items = match &node.value {
                JsonValue::Array(items) => items.as_slice(),
                _ => single,
            };
            let place = |node: &Node| (format!("{}/{element}/{kind}", view.pointer), node.offset);
            for item in items.iter().filter(|item| kind == "Service" && !item.as_str().is_some_and(is_service)) {
                findings.add(
                    Severity::Warning,
                    "Invalid service principal format",
                    place(item),
                    format!("{} is no service of AWS.", item.describe()),
                    "Write it as in logging.s3.amazonaws.com.",
                );
            }
            if let Some(first) = items.first() {
                findings.add(
                    Severity::Warning,
                    "Unsupported principal",
                    place(first),
                    format!("{} never calls this node, so naming it has no effect here.", first.describe()),
                    "Remove it, or keep it for the document's sake.",
                );
            }
        }
    }
}

fn is_service(text: &str) -> bool {
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        name.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
    })
}

fn is_all(pattern: &crate::resource::ResourcePattern) -> bool {
    pattern.is_everything() || pattern.s3_tail().is_some_and(|tail| tail.is_any())
}

/// A Deny of object actions on nothing but buckets: the objects stay reachable.
fn deny_without_objects(view: &View<'_>, findings: &mut Findings<'_>) {
    let statement = view.statement;
    if statement.effect != Effect::Deny || statement.resources.inverted {
        return;
    }
    let reach = Reach::of(statement);
    let denies_objects = statement.action_set.iter().any(|action| action.resource_type() == ResourceType::Object);
    if !reach.has(ResourceType::Bucket) || reach.has(ResourceType::Object) || !denies_objects {
        return;
    }
    let example = view.texts("Resource", "Resource").first().map_or("the bucket", |text| text.text).to_owned();
    findings.add(
        Severity::SecurityWarning,
        "Deny leaves objects reachable",
        view.place_of(&["Resource"]),
        format!("The Deny names the bucket only: it refuses listing and settings, but no object in it ({example}/*)."),
        "Add the bucket followed by /* to Resource.",
    );
}

/// NotPrincipal that names a user or role but not its account, as AWS asks for.
fn not_principal(view: &View<'_>, findings: &mut Findings<'_>) {
    let Some(principals) = view.statement.principals.as_ref().filter(|principals| principals.inverted) else { return };
    for entry in &principals.entries {
        let PrincipalPattern::Arn(arn) = entry else { continue };
        let account = arn.split(':').nth(4).unwrap_or_default();
        let names_account = principals
            .entries
            .iter()
            .any(|other| matches!(other, PrincipalPattern::Account(named) if &**named == account));
        if !names_account {
            findings.add(
                Severity::SecurityWarning,
                "NotPrincipal without its account",
                view.place_of(&["NotPrincipal"]),
                format!("NotPrincipal names {arn} but not its account {account}; at AWS that refuses {arn} as well."),
                "Use Principal \"*\" with a condition on aws:PrincipalArn instead, or name the account too.",
            );
        }
    }
}
