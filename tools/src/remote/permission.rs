//! `strongroom permission`: made, listed, shown, changed, switched, deleted, with their files, versions and checks.

use std::path::Path;
use std::process::ExitCode;

use policy::Dialect;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::history::{self, Version};
use super::node::{Call, Node, parse};
use super::noun::{Noun, Resource, status};
use crate::args::{
    NounArguments, PermissionCommand, PermissionCreate, PermissionDefinition, PermissionEdit, PolicyFile,
};
use crate::failure::{Exit, Failure};
use crate::input::{self, shown_name};
use crate::output;
use crate::policy::{dialect_name, dialect_of, is_told_for_aws, judged_by};
use crate::refusal::{Flags, lines_of, resolutions};
use crate::text::visible;

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
struct Revision {
    revision: u32,
    time: String,
    by: String,
    changed: Vec<String>,
    /// The policy's lines.
    diff: String,
    permission: Map<String, Value>,
}

impl history::Revision for Revision {
    fn version(&self, before: Option<&Revision>) -> Version {
        let Revision { revision, time, by, changed, diff, permission } = self;
        let fields = changed.iter().map(String::as_str).filter(|field| *field != "policy");
        let fields = before.map(|before| history::difference(fields, Some(&before.permission), permission));
        let difference = format!("{}{diff}", fields.unwrap_or_default());
        Version { revision: *revision, time: time.clone(), by: by.clone(), changed: changed.clone(), difference }
    }
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

impl Resource for Shown {
    const NOUN: &'static str = "permission";
    const COLLECTION: &'static str = "/permissions";
    const COLUMNS: &'static [&'static str] = &["NAME", "TYPE", "STATUS", "SERVICE ACCOUNTS", "DESCRIPTION"];
    const FLAGS: Flags = &[
        ("description", "--description"),
        ("dialect", "--dialect"),
        ("buckets", "--bucket"),
        ("prefix", "--prefix"),
        ("actions", "--actions"),
    ];

    fn row(&self) -> Vec<String> {
        let names = match self.service_accounts.count {
            0 => "0".to_owned(),
            count => format!("{count}: {}", self.service_accounts.names.join(", ")),
        };
        let (name, description) = (self.name.clone(), self.description.clone());
        vec![name, self.type_name.clone(), status(self.enabled).into(), names, description]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("description", self.description.clone()),
            ("type", self.type_name.clone()),
            ("status", status(self.enabled).to_owned()),
        ];
        let optional = [
            ("buckets", self.buckets.as_ref().map(|buckets| buckets.join(", "))),
            ("prefix", self.prefix.clone()),
            ("actions", self.actions.clone()),
            ("dialect", self.dialect.clone()),
            ("version", self.revision.map(|revision| revision.to_string())),
        ];
        lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        lines.push(("created", self.create_time.clone()));
        lines.push(("changed", self.update_time.clone()));
        let users = &self.service_accounts;
        let more = if users.count > users.names.len() as u64 { ", ..." } else { "" };
        let names = if users.count == 0 { "none".into() } else { users.names.join(", ") + more };
        lines.push(("service accounts", names));
        lines
    }

    fn text_below(&self) -> String {
        let Some(policy) = &self.policy else { return String::new() };
        // A string holds a file that can't stand in JSON as it is.
        let policy: String = serde_json::from_str(policy.get()).unwrap_or_else(|_| policy.get().to_owned());
        format!("\n{}\n", visible(policy.trim()))
    }
}

/// Runs one verb.
pub(crate) fn permission(arguments: &NounArguments<PermissionCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&arguments.connection)?;
    let permissions = &Noun::<Shown>::of(node, json);
    match &arguments.command {
        PermissionCommand::Create(arguments) => create(permissions, arguments)?,
        PermissionCommand::List(listing) => permissions.list(listing)?,
        PermissionCommand::Show(named) => permissions.show(named)?,
        PermissionCommand::Edit(arguments) => edit(permissions, arguments)?,
        PermissionCommand::Delete(names) => permissions.delete(names)?,
        PermissionCommand::Enable(named) => permissions.enable(named)?,
        PermissionCommand::Disable(named) => {
            permissions.disable(named, "it grants nothing; what it denies stays denied")?;
        }
        PermissionCommand::History(versions) => history::show::<Revision>(permissions, versions)?,
        PermissionCommand::Revert(to) => history::revert(permissions, to, "")?,
        PermissionCommand::Policy { command } => policy(permissions, command)?,
        PermissionCommand::Check(definition) => return check(node, definition, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn create(permissions: &Noun<'_, Shown>, arguments: &PermissionCreate) -> Result<(), Failure> {
    let mut body = Map::new();
    body.insert("name".into(), arguments.name.clone().into());
    if let Some(description) = &arguments.description {
        body.insert("description".into(), description.clone().into());
    }
    if arguments.disabled {
        body.insert("enabled".into(), false.into());
    }
    require_actions(&arguments.definition)?;
    if !define(&arguments.definition, &mut body)? || !body.contains_key("type") {
        return Err(Failure::usage(
            "what the permission grants is missing: pass --policy FILE, or --bucket, --prefix or --all-buckets with --actions",
        ));
    }
    let file = file_of(&arguments.definition);
    let made = permissions.create(&arguments.name, &Value::Object(body), file.as_deref())?;
    permissions.tell(&made, &format!("created {}", permissions.about(&arguments.name)))
}

fn edit(permissions: &Noun<'_, Shown>, arguments: &PermissionEdit) -> Result<(), Failure> {
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
    let file = file_of(&arguments.definition);
    permissions.change(&arguments.named.name, &Value::Object(body), file.as_deref())
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
        body.insert("dialect".into(), dialect_name(dialect_of(dialect)).into());
    }
    if let Some(file) = &definition.policy {
        // As a string, so that the file's bytes stay what they are.
        body.insert("policy".into(), read_policy(file)?.into());
    }
    Ok(body.len() > before)
}

/// Refuses buckets without what may be done in them, which the API would ask for in its own words.
fn require_actions(definition: &PermissionDefinition) -> Result<(), Failure> {
    let names_buckets = !definition.buckets.is_empty() || definition.prefix.is_some() || definition.all_buckets;
    if names_buckets && definition.actions.is_none() {
        return Err(Failure::usage(
            "what may be done in these buckets is missing: pass --actions all-operations, read-only or write-only",
        ));
    }
    Ok(())
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
        .map_err(|error| Failure::usage(format!("policy file {}: {error}", shown_name(file))))
}

fn file_of(definition: &PermissionDefinition) -> Option<String> {
    definition.policy.as_deref().map(shown_name)
}

fn policy(permissions: &Noun<'_, Shown>, command: &PolicyFile) -> Result<(), Failure> {
    match command {
        PolicyFile::Download { named, output } => {
            write_policy(&permissions.ask("GET", &named.name, "/policy")?, output.as_deref())
        }
        PolicyFile::Replace { named, file, dialect } => {
            let (text, name) = (read_policy(file)?, shown_name(file));
            let body = permissions.ask_with("PUT", &named.name, "/policy", |call| {
                let call = call.bytes("application/json", text.into_bytes()).of_file(Some(&name));
                match dialect {
                    Some(dialect) => call.query("dialect", dialect_name(dialect_of(*dialect))),
                    None => call,
                }
            })?;
            let about = permissions.about(&named.name);
            permissions.done(&body, &format!("replaced the policy of {about}; it holds for the next request"))
        }
    }
}

fn check(node: &Node, definition: &PermissionDefinition, json: bool) -> Result<ExitCode, Failure> {
    let mut fields = Map::new();
    require_actions(definition)?;
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
    // As the node takes a file of which nobody says what it is.
    let dialect = definition.dialect.map_or(Dialect::Lyve, dialect_of);
    let mut text = match (&checked.message, checked.valid, &definition.policy) {
        (Some(message), false, _) => format!("{file}: {message}\n"),
        (_, _, None) => format!("{file}: valid: {}\n", checked.description.unwrap_or_default()),
        (_, _, Some(_)) => {
            let description = checked.description.unwrap_or_default();
            format!("{file}: valid (dialect {}): {description}\n", dialect_name(dialect))
        }
    };
    for line in lines_of(&checked.errors, &file).into_iter().chain(lines_of(&checked.findings, &file)) {
        text.push_str(&format!("  {line}\n"));
    }
    if !checked.valid {
        let judged = judged_by(dialect, is_told_for_aws(resolutions(&checked.errors)), "pass --dialect aws");
        text.push_str(&format!("  {judged}\n"));
    }
    if let (true, Some(document), None) = (checked.valid, checked.document, &definition.policy) {
        text.push_str(&format!("{document}\n"));
    }
    output::print(&visible(&text))?;
    Ok(code)
}
