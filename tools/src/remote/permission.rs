//! `strongroom permission`: made, listed, shown, changed, switched, deleted, with their files, versions and checks.

use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::list::{about, delete, list};
use super::node::{Call, Node, parse, path_of};
use super::table::{fields, table};
use crate::args::{
    Named, Permission, PermissionCommand, PermissionCreate, PermissionDefinition, PermissionEdit, PolicyDialect,
    PolicyFile,
};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::{self, Paint, visible};
use crate::refusal::lines_of;

const NOUN: &str = "permission";
const COLLECTION: &str = "/permissions";
/// Longest file that is sent: beyond what the node takes, so that the node can say so.
const POLICY_FILE_BYTES_MAX: u64 = 256 << 10;

/// A permission as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    description: String,
    #[serde(rename = "type")]
    type_name: String,
    enabled: bool,
    create_time: String,
    update_time: String,
    service_accounts: Users,
    actions: Option<String>,
    prefix: Option<String>,
    buckets: Option<Vec<String>>,
    dialect: Option<String>,
    policy: Option<Box<RawValue>>,
    revision: Option<u32>,
}

#[derive(Deserialize)]
struct Users {
    count: u64,
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Version {
    revision: u32,
    time: String,
    by: String,
    changed: Vec<String>,
    diff: String,
}

#[derive(Deserialize)]
struct Checked {
    valid: bool,
    message: Option<String>,
    errors: Value,
    findings: Value,
    description: Option<String>,
    document: Option<String>,
}

/// Runs one verb.
pub(crate) fn permission(noun: &Permission, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&noun.connection)?;
    match &noun.command {
        PermissionCommand::Create(arguments) => create(node, arguments, json)?,
        PermissionCommand::List(listing) => list(node, COLLECTION, listing, json, &COLUMNS, row)?,
        PermissionCommand::Show(named) => {
            print(&node.text(call("GET", named, "", &about_of(named)))?, json)?;
        }
        PermissionCommand::Edit(arguments) => edit(node, arguments, json)?,
        PermissionCommand::Delete(names) => delete(node, COLLECTION, NOUN, names, json)?,
        PermissionCommand::Enable(named) => {
            let body = node.text(call("PUT", named, "/enabled", &about_of(named)))?;
            done(&body, json, &format!("{} is enabled", about_of(named)))?;
        }
        PermissionCommand::Disable(named) => {
            let body = node.text(call("DELETE", named, "/enabled", &about_of(named)))?;
            done(
                &body,
                json,
                &format!("{} is disabled: it grants nothing; what it denies stays denied", about_of(named)),
            )?;
        }
        PermissionCommand::History { named, diff } => history(node, named, *diff, json)?,
        PermissionCommand::Revert { named, revision } => {
            let about = about_of(named);
            let body = node.text(call("POST", named, "/revert", &about).json(&json!({"revision": revision})))?;
            done(&body, json, &format!("{about} is as it was in version {revision}"))?;
        }
        PermissionCommand::Policy { command } => policy(node, command, json)?,
        PermissionCommand::Check(definition) => return check(node, definition, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn about_of(named: &Named) -> String {
    about(NOUN, &named.name)
}

/// A call about one permission.
fn call<'a>(method: &'static str, named: &Named, below: &str, about: &'a str) -> Call<'a> {
    Call::new(method, format!("{}{below}", path_of(COLLECTION, &named.name)), about)
}

/// Says what was done, or prints what the node answered.
fn done(body: &str, json: bool, text: &str) -> Result<(), Failure> {
    match (json, body) {
        (true, "") => Ok(()),
        (true, body) => output::print(body),
        (false, _) => output::print(text),
    }
}

fn create(node: &Node, arguments: &PermissionCreate, json: bool) -> Result<(), Failure> {
    let mut body = Map::new();
    body.insert("name".into(), arguments.name.clone().into());
    if let Some(description) = &arguments.description {
        body.insert("description".into(), description.clone().into());
    }
    if arguments.disabled {
        body.insert("enabled".into(), false.into());
    }
    if !define(&arguments.definition, &mut body)? || !body.contains_key("type") {
        return Err(Failure::usage(
            "what the permission grants is missing: pass --policy FILE, or --bucket, --prefix or --all-buckets with --actions",
        ));
    }
    let (about, file) = (about(NOUN, &arguments.name), file_of(&arguments.definition));
    let call = Call::new("POST", COLLECTION, &about).json(&Value::Object(body)).of_file(file.as_deref());
    let body = node.text(call)?;
    if !json {
        output::print(&format!("created {about}"))?;
    }
    print(&body, json)
}

fn edit(node: &Node, arguments: &PermissionEdit, json: bool) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(name) = &arguments.new_name {
        body.insert("name".into(), name.clone().into());
    }
    if let Some(description) = &arguments.description {
        // An empty one makes room for the plain words.
        let description = Some(description.clone()).filter(|it| !it.is_empty());
        body.insert("description".into(), description.into());
    }
    if !define(&arguments.definition, &mut body)? && body.is_empty() {
        return Err(Failure::usage(
            "nothing to change: pass --name, --description, --policy, --bucket, --prefix, --all-buckets or --actions",
        ));
    }
    let (about, file) = (about_of(&arguments.named), file_of(&arguments.definition));
    let call = call("PUT", &arguments.named, "", &about).json(&Value::Object(body)).of_file(file.as_deref());
    let body = node.text(call)?;
    if !json {
        output::print(&format!("changed {about}; it holds for the next request"))?;
    }
    print(&body, json)
}

/// Adds what the flags define to a body; false when they define nothing.
fn define(definition: &PermissionDefinition, body: &mut Map<String, Value>) -> Result<bool, Failure> {
    let before = body.len();
    let type_name = if definition.policy.is_some() {
        Some("policy")
    } else if !definition.buckets.is_empty() {
        body.insert("buckets".into(), definition.buckets.clone().into());
        Some("bucket-names")
    } else if let Some(prefix) = &definition.prefix {
        body.insert("prefix".into(), prefix.clone().into());
        Some("bucket-prefix")
    } else if definition.all_buckets {
        Some("all-buckets")
    } else {
        None
    };
    if let Some(type_name) = type_name {
        body.insert("type".into(), type_name.into());
    }
    if let Some(actions) = definition.actions {
        body.insert("actions".into(), actions.as_str().into());
    }
    if let Some(dialect) = definition.dialect {
        body.insert("dialect".into(), dialect_name(dialect).into());
    }
    if let Some(file) = &definition.policy {
        // As a string, so that the file's bytes stay what they are.
        body.insert("policy".into(), read_policy(file)?.into());
    }
    Ok(body.len() > before)
}

fn dialect_name(dialect: PolicyDialect) -> &'static str {
    match dialect {
        PolicyDialect::Aws => "aws",
        PolicyDialect::Lyve => "lyve",
    }
}

/// Writes a policy file byte for byte: without a newline of ours.
pub(super) fn write_policy(body: &str, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        None => output::write(&[body]).map(|_reader_is_there| ()),
        Some(file) => {
            std::fs::write(file, body).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
        }
    }
}

/// Reads a policy file; how long a policy may be is the node's to say.
pub(super) fn read_policy(file: &Path) -> Result<String, Failure> {
    input::read_text(file, POLICY_FILE_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("policy file {}: {error}", shown(file))))
}

fn file_of(definition: &PermissionDefinition) -> Option<String> {
    definition.policy.as_deref().map(shown)
}

/// A file as messages name it: standard input as compilers do.
pub(super) fn shown(file: &Path) -> String {
    if file == Path::new("-") { "<stdin>".to_owned() } else { file.display().to_string() }
}

fn history(node: &Node, named: &Named, diff: bool, json: bool) -> Result<(), Failure> {
    let body = node.text(call("GET", named, "/history", &about_of(named)))?;
    if json {
        return output::print(&body);
    }
    let versions: Vec<Version> = parse(&body)?;
    let changed = |version: &Version| {
        if version.changed.is_empty() && version.revision == 1 {
            "created".to_owned()
        } else {
            version.changed.join(", ")
        }
    };
    if !diff {
        let row = |it: &Version| vec![it.revision.to_string(), it.time.clone(), it.by.clone(), changed(it)];
        let rows: Vec<Vec<String>> = versions.iter().map(row).collect();
        return output::print(&table(&["VERSION", "TIME", "BY", "CHANGED"], &rows));
    }
    let paint = Paint::for_stdout();
    let mut text = String::new();
    for version in &versions {
        let head = format!("version {}, {}, by {}: {}", version.revision, version.time, version.by, changed(version));
        text.push_str(&format!("{}\n", paint.bold(&visible(&head))));
        for line in visible(&version.diff).lines() {
            let line = match line.as_bytes().first() {
                Some(b'+') => paint.green(line),
                Some(b'-') => paint.red(line),
                _ => line.to_owned(),
            };
            text.push_str(&format!("  {line}\n"));
        }
    }
    output::print(&text)
}

fn policy(node: &Node, command: &PolicyFile, json: bool) -> Result<(), Failure> {
    match command {
        PolicyFile::Download { named, output } => {
            let body = node.text(call("GET", named, "/policy", &about_of(named)))?;
            match output {
                // Byte for byte: without a newline of ours.
                None => output::write(&[&body]).map(|_reader_is_there| ()),
                Some(file) => {
                    std::fs::write(file, &body).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
                }
            }
        }
        PolicyFile::Replace { named, file, dialect } => {
            let (about, name) = (about_of(named), shown(file));
            let text = read_policy(file)?;
            let mut call =
                call("PUT", named, "/policy", &about).bytes("application/json", text.into_bytes()).of_file(Some(&name));
            if let Some(dialect) = dialect {
                call = call.query("dialect", dialect_name(*dialect));
            }
            let body = node.text(call)?;
            done(&body, json, &format!("replaced the policy of {about}; it holds for the next request"))
        }
    }
}

fn check(node: &Node, definition: &PermissionDefinition, json: bool) -> Result<ExitCode, Failure> {
    let mut fields = Map::new();
    if !define(definition, &mut fields)? || !fields.contains_key("type") {
        return Err(Failure::usage(
            "what is to be checked is missing: pass --policy FILE, or --bucket, --prefix or --all-buckets with --actions",
        ));
    }
    let file = file_of(definition).unwrap_or_else(|| "the permission".to_owned());
    let body = node.text(Call::new("POST", "/permissions/check", &file).json(&Value::Object(fields)))?;
    let checked: Checked = parse(&body)?;
    let code = if checked.valid { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) };
    if json {
        output::print(&body)?;
        return Ok(code);
    }
    let mut text = match (&checked.message, checked.valid) {
        (Some(message), false) => format!("{file}: {message}\n"),
        _ => format!("{file}: valid: {}\n", checked.description.unwrap_or_default()),
    };
    for line in lines_of(&checked.errors, &file).into_iter().chain(lines_of(&checked.findings, &file)) {
        text.push_str(&format!("  {line}\n"));
    }
    if let (true, Some(document), None) = (checked.valid, checked.document, &definition.policy) {
        text.push_str(&format!("{document}\n"));
    }
    output::print(&visible(&text))?;
    Ok(code)
}

const COLUMNS: [&str; 5] = ["NAME", "TYPE", "STATUS", "SERVICE ACCOUNTS", "DESCRIPTION"];

fn row(it: &Shown) -> Vec<String> {
    let names = match it.service_accounts.count {
        0 => "0".to_owned(),
        count => format!("{count}: {}", it.service_accounts.names.join(", ")),
    };
    vec![it.name.clone(), it.type_name.clone(), status(it.enabled).into(), names, it.description.clone()]
}

fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// Prints one permission.
fn print(body: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(body);
    }
    let it: Shown = parse(body)?;
    let mut lines = vec![
        ("name", it.name),
        ("id", it.id),
        ("description", it.description),
        ("type", it.type_name),
        ("status", status(it.enabled).to_owned()),
    ];
    let optional = [
        ("buckets", it.buckets.map(|buckets| buckets.join(", "))),
        ("prefix", it.prefix),
        ("actions", it.actions),
        ("dialect", it.dialect),
        ("version", it.revision.map(|revision| revision.to_string())),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let users = it.service_accounts;
    let names = if users.count > users.names.len() as u64 { ", ..." } else { "" };
    lines.push(("created", it.create_time));
    lines.push(("changed", it.update_time));
    lines.push(("service accounts", if users.count == 0 { "none".into() } else { users.names.join(", ") + names }));
    let mut text = fields(&lines);
    if let Some(policy) = it.policy {
        // A string holds a file that can't stand in JSON as it is.
        let policy: String = serde_json::from_str(policy.get()).unwrap_or_else(|_| policy.get().to_owned());
        text.push_str(&format!("\n{}\n", visible(policy.trim())));
    }
    output::print(&text)
}
