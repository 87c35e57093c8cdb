//! `strongroom audit`: who asked for what and how it was judged, and what is recorded of it.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::follow::follow;
use super::node::{Call, Node, parse};
use super::table::{fields, table};
use crate::args::{AuditCommand, AuditSearch, AuditSettings, NounArguments};
use crate::failure::Failure;
use crate::output;
use crate::refusal::{Flags, text_of};
use crate::text::size;

/// The largest page that the API answers.
pub(super) const PAGE_MAX: u64 = 1_000;
/// Records that are searched for unless somebody says.
const LIMIT: u64 = 100;

/// The flags by which records are searched for.
const FLAGS: Flags = &[("from", "--from"), ("to", "--to"), ("q", "--search"), ("limit", "--limit")];

/// A record as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    event_time: String,
    event_name: String,
    #[serde(rename = "sourceIPAddress")]
    source_address: String,
    user_identity: Identity,
    #[serde(default)]
    resources: Vec<Resource>,
    http_status: u16,
    error_code: Option<String>,
    authorization: Option<Authorization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(rename = "type")]
    kind: String,
    user_name: Option<String>,
    access_key_id: Option<String>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "ARN")]
    arn: String,
}

#[derive(Deserialize)]
struct Authorization {
    policy: Option<String>,
    sid: Option<String>,
    reason: Option<String>,
}

/// What is recorded and kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    requests: String,
    kept_bytes: u64,
    on: bool,
    written: u64,
    dropped: u64,
}

/// Runs one verb.
pub(crate) fn audit(arguments: &NounArguments<AuditCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = match &arguments.command {
        AuditCommand::Search(_) => Node::open(&arguments.connection)?,
        AuditCommand::Settings(_) => Node::open_whole(&arguments.connection)?,
    };
    match &arguments.command {
        AuditCommand::Search(arguments) if arguments.follow => follow(&node, arguments, json)?,
        AuditCommand::Search(arguments) => search(&node, arguments, json)?,
        AuditCommand::Settings(arguments) => settings(&node, arguments, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is found, page by page for a program, in one table for people.
fn search(node: &Node, arguments: &AuditSearch, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let (mut found, mut cursor) = (0, None);
    let limit = arguments.limit.unwrap_or(LIMIT);
    loop {
        let page = (limit - found).min(PAGE_MAX);
        let answer = node.answer(search_call(arguments, page, ("cursor", cursor.as_deref())))?;
        cursor = answer.header("x-next-cursor").map(str::to_owned);
        let records: Vec<Box<RawValue>> = parse(&text_of(answer)?)?;
        found += records.len() as u64;
        for record in &records {
            if !json {
                rows.push(row(&parse(record.get())?));
            } else if !output::write(&[record.get(), "\n"])? {
                return Ok(());
            }
        }
        // A page that holds nothing has a cursor where the search has read as much as it does at once.
        if found >= limit || cursor.is_none() {
            break;
        }
    }
    match (json, rows.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => output::print("none"),
        (false, false) => output::print(&table(&COLUMNS, &rows)),
    }
}

/// A call for a page, which begins at a place if there is one.
pub(super) fn search_call(arguments: &AuditSearch, page: u64, place: (&'static str, Option<&str>)) -> Call {
    let refused = match (arguments.refused, arguments.accepted) {
        (true, _) => Some("true"),
        (false, true) => Some("false"),
        (false, false) => None,
    };
    let filters = [
        ("from", arguments.from.as_deref()),
        ("to", arguments.to.as_deref()),
        ("event", arguments.event.as_deref()),
        ("user", arguments.by.as_deref()),
        ("bucket", arguments.bucket.as_deref()),
        ("refused", refused),
        ("q", arguments.search.as_deref()),
        place,
    ];
    let mut call = Call::new("GET", "/audit", "audit log").by_flags(FLAGS).query("limit", page.to_string());
    for (name, value) in filters {
        if let Some(value) = value {
            call = call.query(name, value);
        }
    }
    call
}

pub(super) const COLUMNS: [&str; 7] = ["TIME", "EVENT", "BY", "FROM", "RESOURCE", "RESULT", "BECAUSE"];

pub(super) fn row(it: &Shown) -> Vec<String> {
    let identity = &it.user_identity;
    // As --by takes them: root's key says less than that it is root.
    let by = match identity.kind.as_str() {
        "Root" => "root",
        kind => identity.user_name.as_deref().or(identity.access_key_id.as_deref()).unwrap_or(kind),
    };
    // To the second, which orders what people look at; a program gets all of it.
    let time = it.event_time.split_once('.').map_or(it.event_time.clone(), |(seconds, _)| format!("{seconds}Z"));
    let resources: Vec<&str> = it.resources.iter().map(|it| name_of(&it.arn)).collect();
    let result = match &it.error_code {
        Some(code) => format!("{} {code}", it.http_status),
        None => it.http_status.to_string(),
    };
    vec![
        time,
        it.event_name.clone(),
        by.to_owned(),
        it.source_address.clone(),
        resources.join(", "),
        result,
        it.authorization.as_ref().map(|judged| because(judged, &it.event_name)).unwrap_or_default(),
    ]
}

/// A bucket, `bucket/key`, or what a call of the API was about.
fn name_of(arn: &str) -> &str {
    ["arn:aws:s3:::", "arn:strongroom:::"].iter().find_map(|prefix| arn.strip_prefix(prefix)).unwrap_or(arn)
}

/// The statement that decided, else the reason where it says more than the event does.
fn because(it: &Authorization, event: &str) -> String {
    match (&it.policy, &it.sid, &it.reason) {
        (Some(policy), Some(sid), _) => format!("{policy}/{sid}"),
        (Some(policy), None, _) => policy.clone(),
        (None, _, reason) => {
            reason.clone().filter(|it| it.split_once(':').is_none_or(|(_, action)| action != event)).unwrap_or_default()
        }
    }
}

/// Shows the settings, after changing what is given.
fn settings(node: &Node, arguments: &AuditSettings, json: bool) -> Result<(), Failure> {
    let mut changes = Map::new();
    if let Some(requests) = arguments.requests {
        changes.insert("requests".into(), requests.as_str().into());
    }
    if let Some(mebibytes) = arguments.keep_mib {
        changes.insert("keptBytes".into(), (mebibytes << 20).into());
    }
    let about = "audit settings";
    let body = node.text(match changes.is_empty() {
        true => Call::new("GET", "/audit/settings", about),
        false => Call::new("PUT", "/audit/settings", about).json(&Value::Object(changes)),
    })?;
    if json {
        return output::print(&body);
    }
    let it: Settings = parse(&body)?;
    output::print(&fields(&[
        ("audit log", if it.on { "on" } else { "off: the node was started with --audit-log off" }.into()),
        ("requests", it.requests),
        ("kept", size(it.kept_bytes)),
        ("written since the start", it.written.to_string()),
        ("dropped since the start", it.dropped.to_string()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_row_that_names_its_statement_or_its_reason() {
        let record = r#"{"eventTime": "2026-11-22T07:53:12.215Z", "eventName": "GetObject", "sourceIPAddress": "10.0.0.1",
            "userIdentity": {"type": "IAMUser", "userName": "worker"}, "resources": [{"ARN": "arn:aws:s3:::lake/a"}],
            "httpStatus": 403, "errorCode": "AccessDenied",
            "authorization": {"decision": "ExplicitDeny", "policy": "lightly", "sid": "NoMore", "reason": "long"}}"#;
        let row_of = |record: &str| row(&serde_json::from_str(record).unwrap());
        assert_eq!(
            row_of(record),
            ["2026-11-22T07:53:12Z", "GetObject", "worker", "10.0.0.1", "lake/a", "403 AccessDenied", "lightly/NoMore"]
        );
        let nobody = r#"{"eventTime": "", "eventName": "ListBuckets", "sourceIPAddress": "::1", "userIdentity":
            {"type": "Anonymous"}, "httpStatus": 200, "authorization": {"decision": "Allow", "reason": "because"}}"#;
        assert_eq!(row_of(nobody)[1..], ["ListBuckets", "Anonymous", "::1", "", "200", "because"]);
        let own = r#"{"eventTime": "", "eventName": "GetState", "sourceIPAddress": "::1", "userIdentity": {"type": "Root", "accessKeyId": "AKROOT"},
            "resources": [{"ARN": "arn:strongroom:::state"}], "httpStatus": 200,
            "authorization": {"decision": "Allow", "reason": "strongroom:GetState"}}"#;
        assert_eq!(row_of(own)[1..], ["GetState", "root", "::1", "state", "200", ""]);
    }
}
