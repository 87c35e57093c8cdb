//! Every operation is judged by exactly its row of `s3-authorization.json`: conditions, actions and resources.
//!
//! The table is walked, so that an operation or a condition without a request here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, Method};
use policy::{AccessLevel, Action};
use serde_json::Value;

use super::name::CopySource;
use super::operation::{On, Operation, ROWS};
use super::request::{Peer, Query, Request, RequestId, Target};
use super::route;

/// Operations of the table that no request reaches: a form's key, signature and policy are in its body, and forms answer `NotImplemented` to everybody.
const NOT_ROUTED: &[&str] = &["PostObject"];

/// Needs that rows don't list: by analogy with those that they do.
const OF_OUR_OWN: &[(Operation, &str, Action)] = &[
    // Whoever names an ETag learns whether it is the object's, as with PutObject.
    (Operation::CopyObject, "if-match", Action::GetObject),
];

fn table() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/s3-authorization.json")).unwrap()
}

fn requests() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/s3-requests.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The request of an operation with what a condition adds to it, routed.
pub(crate) fn request(base: &Value, added: &Value) -> (Operation, Request) {
    let path = match text(base, "target") {
        "service" => "/",
        "bucket" | "new-bucket" => "/box",
        "object" => "/box/k",
        other => panic!("{other}"),
    };
    let query = [text(base, "query"), text(added, "query")].join("&");
    let query = query.trim_matches('&').replace("VERSION", "null").replace("UPLOAD", "u");
    let mut headers = HeaderMap::new();
    for (name, value) in [base, added].iter().filter_map(|it| it["headers"].as_object()).flatten() {
        let value = value.as_str().unwrap().replace("SOURCE_VERSION", "null").replace("TAGGED_SOURCE", "src/t");
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, value.replace("SOURCE", "src/k").parse().unwrap());
    }
    let method = Method::from_bytes(text(base, "method").as_bytes()).unwrap();
    let target = route::target(path, None).unwrap();
    let query = Query::parse(&query).unwrap();
    let operation = route::operation(&method, &target, &query, &headers).unwrap();
    let source = headers.get("x-amz-copy-source").map(|value| CopySource::parse(value.to_str().unwrap()).unwrap());
    let peer =
        Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false, secure_before_proxy: false, tls_version: None };
    let uri = path.parse().unwrap();
    let (id, received_at_seconds) = (RequestId::new(1), 1_800_000_000);
    let request = Request { method, uri, query, headers, target, copy_source: source, peer, id, received_at_seconds };
    (operation, request)
}

/// What an operation asks for, as (action, resource), with the source of a copy apart.
fn asked(operation: Operation, request: &Request) -> BTreeSet<(String, &'static str)> {
    let place = |on| match on {
        On::Service => "service",
        On::Bucket => "bucket",
        On::Object => "object",
        On::CopySource => "source",
        On::EveryObject => "every object",
    };
    operation.access(request).unwrap().iter().map(|(action, on)| (action.to_string(), place(on))).collect()
}

/// The row's pairs whose conditions are among `holding`.
fn wanted(row: &Value, holding: &BTreeSet<&str>) -> BTreeSet<(String, &'static str)> {
    let pairs = list(row, "permissions").iter().filter(|pair| holding.contains(text(pair, "when")));
    let place = |pair: &Value| match (text(pair, "resource"), text(pair, "when")) {
        ("service", _) => "service",
        ("bucket", _) => "bucket",
        ("object", when) if when.starts_with("copy source") => "source",
        ("object", _) => "object",
        (other, _) => panic!("{other}"),
    };
    pairs.map(|pair| (text(pair, "action").to_owned(), place(pair))).collect()
}

#[test]
fn every_operation_asks_for_exactly_the_pairs_of_its_row() {
    let (table, requests) = (table(), requests());
    let mut checked = 0;
    for row in list(&table, "operations").iter().filter(|row| !NOT_ROUTED.contains(&text(row, "op"))) {
        let name = text(row, "op");
        let base = &requests["operations"][name];
        assert!(base.is_object(), "{name} has no request in s3-requests.json");
        let whens: BTreeSet<&str> = list(row, "permissions").iter().map(|pair| text(pair, "when")).collect();
        let plain: BTreeSet<&str> = whens
            .iter()
            .copied()
            .filter(|when| requests["conditions"][when]["variants"][0] == serde_json::json!({}))
            .collect();
        for when in &whens {
            let condition = &requests["conditions"][when];
            assert!(!list(condition, "variants").is_empty(), "{name}: no request makes {when:?} hold");
            // What is judged once an object is known, or key by key, is tested with the real binary.
            if condition["found_by_handler"] == true || name == "DeleteObjects" {
                continue;
            }
            let mut holding = plain.clone();
            holding.insert(*when);
            holding.extend(list(condition, "together_with").iter().filter_map(Value::as_str));
            list(condition, "instead_of").iter().for_each(|other| {
                holding.remove(other.as_str().unwrap());
            });
            for variant in list(condition, "variants") {
                let (operation, request) = request(base, variant);
                assert_eq!(operation.name(), name, "{when}");
                assert_eq!(asked(operation, &request), wanted(row, &holding), "{name}, {when}, {variant}");
                checked += 1;
            }
        }
    }
    assert!(checked > 130, "{checked}");
}

#[test]
fn every_operation_of_the_server_has_a_row_and_the_reverse() {
    let table = table();
    let rows: BTreeSet<&str> = list(&table, "operations").iter().map(|row| text(row, "op")).collect();
    let served: BTreeSet<&str> =
        ROWS.iter().map(|row| row.operation.name()).chain(NOT_ROUTED.iter().copied()).collect();
    assert_eq!(served, rows);
}

#[test]
fn needs_of_our_own_are_the_listed_ones() {
    let (table, requests) = (table(), requests());
    // Every header that makes some operation need more, on every operation: what it needs then and its row has nowhere is of our own.
    let mut own = Vec::new();
    let mut headers = BTreeMap::new();
    for (_, condition) in requests["conditions"].as_object().unwrap() {
        for variant in list(condition, "variants") {
            headers.extend(variant["headers"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    headers.remove("x-amz-copy-source");
    for row in list(&table, "operations").iter().filter(|row| !NOT_ROUTED.contains(&text(row, "op"))) {
        let known: BTreeSet<&str> = list(row, "permissions").iter().map(|pair| text(pair, "action")).collect();
        for (header, value) in &headers {
            let added = serde_json::json!({"headers": {header: value}});
            let (operation, request) = request(&requests["operations"][text(row, "op")], &added);
            let asked = operation.access(&request).unwrap();
            let new = asked.iter().filter(|(action, _)| !known.contains(action.name()));
            own.extend(new.map(|(action, _)| (operation, header.clone(), action)));
        }
    }
    let listed: Vec<_> =
        OF_OUR_OWN.iter().map(|(operation, header, action)| (*operation, (*header).to_owned(), *action)).collect();
    // GetObject is in CopyObject's row, but for the source; on the copy itself it is ours.
    own.extend(
        listed
            .iter()
            .filter(|(operation, header, _)| {
                let added = serde_json::json!({"headers": {header: "\"x\""}});
                let (_, request) = request(&requests["operations"][operation.name()], &added);
                asked(*operation, &request).contains(&("s3:GetObject".to_owned(), "object"))
            })
            .cloned(),
    );
    assert_eq!(own, listed);
}

/// B7: elsewhere a configuration was deleted by whoever might read another one.
#[test]
fn b7_no_mutating_operation_is_judged_by_a_reading_action() {
    let reads = |action: Action| matches!(action.access_level(), AccessLevel::List | AccessLevel::Read);
    for row in ROWS {
        let mutates = match row.method {
            "GET" | "HEAD" => false,
            // A query that is posted.
            "POST" => row.operation != Operation::SelectObjectContent,
            _ => true,
        };
        for action in std::iter::once(row.action).chain(row.version_action) {
            assert_eq!(reads(action), !mutates, "{} is judged by {action}", row.operation.name());
        }
    }
}

#[test]
fn actions_have_the_access_levels_and_resources_of_the_table() {
    let table = table();
    for (name, facts) in table["actions"].as_object().unwrap() {
        let action = Action::from_name(name).unwrap_or_else(|| panic!("{name} is not in the policy crate's table"));
        let level = match action.access_level() {
            AccessLevel::List => "List",
            AccessLevel::Read => "Read",
            AccessLevel::Write => "Write",
            AccessLevel::Tagging => "Tagging",
            AccessLevel::PermissionsManagement => "Permissions management",
        };
        assert!(text(facts, "access_level").split(", ").any(|one| one == level), "{name}: {level}");
        let resource = match action.resource_type() {
            policy::ResourceType::Service => "service",
            policy::ResourceType::Bucket => "bucket",
            policy::ResourceType::Object => "object",
            policy::ResourceType::Elsewhere => "elsewhere",
        };
        let types: Vec<&str> = list(facts, "resource_types").iter().filter_map(Value::as_str).collect();
        assert!(types.contains(&resource) || types.is_empty() && resource == "service", "{name}: {resource}");
    }
}

#[test]
fn a_target_is_what_its_row_says() {
    for row in ROWS {
        let requests = requests();
        let (_, request) = request(&requests["operations"][row.operation.name()], &Value::Null);
        let level = match request.target {
            Target::Service => super::operation::Level::Service,
            Target::Bucket(_) => super::operation::Level::Bucket,
            Target::Object(..) => super::operation::Level::Object,
        };
        assert_eq!(level, row.level, "{}", row.operation.name());
    }
}
