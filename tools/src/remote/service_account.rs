//! `strongroom service-account`: access keys for S3 with their permissions.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::access;
use super::list::{about, delete, list};
use super::node::{Call, Node, parse, path_of};
use super::secret::{self, Credentials, Destination};
use super::table::fields;
use crate::args::{Named, ServiceAccount, ServiceAccountCommand, ServiceAccountCreate, ServiceAccountEdit};
use crate::failure::Failure;
use crate::output;

const NOUN: &str = "service account";
const COLLECTION: &str = "/service-accounts";

/// A service account as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    description: String,
    arn: String,
    access_key: String,
    permissions: Vec<Reference>,
    status: String,
    expiration_date: Option<String>,
    created_by: Option<String>,
    create_time: String,
    update_time: String,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
    name: String,
}

/// Runs one verb.
pub(crate) fn service_account(noun: &ServiceAccount, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&noun.connection)?;
    match &noun.command {
        ServiceAccountCommand::Create(arguments) => create(node, arguments, json)?,
        ServiceAccountCommand::List(listing) => list(node, COLLECTION, listing, json, &COLUMNS, row)?,
        ServiceAccountCommand::Show(named) => print(&node.text(call("GET", named, "", &about_of(named)))?, json)?,
        ServiceAccountCommand::Edit(arguments) => edit(node, arguments, json)?,
        ServiceAccountCommand::Delete(names) => delete(node, COLLECTION, NOUN, names, json)?,
        ServiceAccountCommand::Enable(named) => {
            let body = node.text(call("PUT", named, "/enabled", &about_of(named)))?;
            output::print(&if json { body } else { format!("{} is enabled", about_of(named)) })?;
        }
        ServiceAccountCommand::Disable(named) => {
            node.answer(call("DELETE", named, "/enabled", &about_of(named)))?;
            if !json {
                output::print(&format!("{} is disabled: its key answers like an unknown one", about_of(named)))?;
            }
        }
        ServiceAccountCommand::Access(named) => {
            let body = node.text(call("GET", named, "/access", &about_of(named)))?;
            output::print(&if json { body } else { access::of_service_account(&body)? })?;
        }
        ServiceAccountCommand::Rotate { named, secret } => {
            let destination = Destination::open(secret)?;
            let body = node.text(call("POST", named, "/rotate", &about_of(named)))?;
            tell(
                &body,
                &format!("{} has another secret; the old one opens nothing any more", about_of(named)),
                destination,
                json,
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about_of(named: &Named) -> String {
    about(NOUN, &named.name)
}

/// A call about one service account.
fn call<'a>(method: &'static str, named: &Named, below: &str, about: &'a str) -> Call<'a> {
    Call::new(method, format!("{}{below}", path_of(COLLECTION, &named.name)), about)
}

fn create(node: &Node, arguments: &ServiceAccountCreate, json: bool) -> Result<(), Failure> {
    let mut body = Map::new();
    body.insert("name".into(), arguments.name.clone().into());
    body.insert("permissions".into(), arguments.permissions.clone().into());
    let texts = [
        ("description", &arguments.description),
        ("expirationDate", &arguments.expires),
        ("accessKey", &arguments.key_id),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            body.insert(field.into(), value.clone().into());
        }
    }
    if let Some(file) = &arguments.secret_from {
        body.insert("secret".into(), secret::read(file)?.into());
    }
    if arguments.disabled {
        body.insert("enabled".into(), false.into());
    }
    let about = about(NOUN, &arguments.name);
    let destination = Destination::open(&arguments.secret)?;
    let body = node.text(Call::new("POST", COLLECTION, &about).json(&Value::Object(body)))?;
    tell(&body, &format!("created {about}"), destination, json)
}

/// Tells a new key, whose secret is told once.
fn tell(body: &str, what: &str, mut destination: Destination, json: bool) -> Result<(), Failure> {
    let made: Credentials = parse(body)?;
    let is_file = destination.is_file();
    let secret = destination.keep(&made.secret)?;
    if !json {
        return output::print(&format!(
            "{what}\n{}",
            fields(&[
                ("access key", made.access_key),
                ("secret", secret),
                ("expires", made.expiration_date.unwrap_or_else(|| "never".into())),
            ])
        ));
    }
    if !is_file {
        return output::print(body);
    }
    let mut answer: Map<String, Value> = parse(body)?;
    answer.remove("secret");
    output::print(&Value::Object(answer).to_string())
}

fn edit(node: &Node, arguments: &ServiceAccountEdit, json: bool) -> Result<(), Failure> {
    let about = about_of(&arguments.named);
    let mut body = Map::new();
    if let Some(name) = &arguments.new_name {
        body.insert("name".into(), name.clone().into());
    }
    if let Some(description) = &arguments.description {
        body.insert("description".into(), Some(description.clone()).filter(|it| !it.is_empty()).into());
    }
    if arguments.no_expiry {
        body.insert("expirationDate".into(), Value::Null);
    }
    if let Some(expires) = &arguments.expires {
        body.insert("expirationDate".into(), expires.clone().into());
    }
    if !arguments.permissions.is_empty() {
        body.insert("permissions".into(), arguments.permissions.clone().into());
    }
    let mut call = call("PUT", &arguments.named, "", &about);
    if !arguments.add.is_empty() || !arguments.remove.is_empty() {
        // What is there is read first; should another change come between, the node refuses this one.
        let answer = node.answer(self::call("GET", &arguments.named, "", &about))?;
        let etag = answer.header("etag").map(str::to_owned);
        let before: Shown = parse(&crate::refusal::text_of(answer)?)?;
        body.insert("permissions".into(), permissions(&before.permissions, arguments)?.into());
        if let Some(etag) = etag {
            call = call.if_match(etag);
        }
    }
    if body.is_empty() {
        return Err(Failure::usage(
            "nothing to change: pass --name, --description, --permission, --add-permission, --remove-permission, --expires or --no-expiry",
        ));
    }
    let body = node.text(call.json(&Value::Object(body)))?;
    if !json {
        output::print(&format!("changed {about}; it holds for the next request"))?;
    }
    print(&body, json)
}

/// The permissions that are there, without those that go and with those that come.
fn permissions(before: &[Reference], arguments: &ServiceAccountEdit) -> Result<Vec<String>, Failure> {
    let is = |it: &Reference, name: &String| it.id == *name || it.name == *name;
    if let Some(absent) = arguments.remove.iter().find(|name| !before.iter().any(|it| is(it, name))) {
        let names: Vec<&str> = before.iter().map(|it| it.name.as_str()).collect();
        let (about, names) = (about_of(&arguments.named), names.join(", "));
        return Err(Failure::not_found(format!("{about} doesn't have permission {absent:?}; it has: {names}")));
    }
    let stays = before.iter().filter(|it| !arguments.remove.iter().any(|name| is(it, name)));
    let mut ids: Vec<String> = stays.map(|it| it.id.clone()).collect();
    let comes = arguments.add.iter().filter(|name| !before.iter().any(|it| is(it, name)));
    ids.extend(comes.cloned());
    Ok(ids)
}

const COLUMNS: [&str; 5] = ["NAME", "ACCESS KEY", "STATUS", "EXPIRES", "PERMISSIONS"];

fn row(it: &Shown) -> Vec<String> {
    let expires = it.expiration_date.clone().unwrap_or_else(|| "never".into());
    vec![it.name.clone(), it.access_key.clone(), it.status.clone(), expires, names(&it.permissions)]
}

fn names(permissions: &[Reference]) -> String {
    permissions.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn print(body: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(body);
    }
    let it: Shown = parse(body)?;
    output::print(&fields(&[
        ("name", it.name),
        ("id", it.id),
        ("description", it.description),
        ("arn", it.arn),
        ("access key", it.access_key),
        ("status", it.status),
        ("expires", it.expiration_date.unwrap_or_else(|| "never".into())),
        ("permissions", names(&it.permissions)),
        ("created", it.create_time),
        ("created by", it.created_by.unwrap_or_else(|| "unknown".into())),
        ("changed", it.update_time),
    ]))
}
