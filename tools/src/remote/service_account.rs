//! `strongroom service-account`: access keys for S3 with their permissions.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::access;
use super::history;
use super::node::{Call, Node, parse, path_of};
use super::noun::{Noun, Resource};
use super::secret::{self, Credentials, Destination, print_once};
use super::table::fields;
use crate::args::{NounArguments, ServiceAccountCommand, ServiceAccountCreate, ServiceAccountEdit};
use crate::failure::Failure;
use crate::output;
use crate::refusal::Flags;

/// How a date that never comes is written, and shown.
const NEVER: &str = "never";

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

impl Resource for Shown {
    const NOUN: &'static str = "service account";
    const COLLECTION: &'static str = "/service-accounts";
    const COLUMNS: &'static [&'static str] = &["NAME", "ACCESS KEY", "STATUS", "EXPIRES", "PERMISSIONS"];
    const FLAGS: Flags = &[
        ("description", "--description"),
        ("permissions", "--permission"),
        ("expirationDate", "--expires"),
        ("accessKey", "--key-id"),
        ("secret", "--secret-from"),
    ];

    fn row(&self) -> Vec<String> {
        let (name, key, status) = (self.name.clone(), self.access_key.clone(), self.status.clone());
        vec![name, key, status, self.expires(), names(&self.permissions)]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("description", self.description.clone()),
            ("arn", self.arn.clone()),
            ("access key", self.access_key.clone()),
            ("status", self.status.clone()),
            ("expires", self.expires()),
            ("permissions", names(&self.permissions)),
            ("created", self.create_time.clone()),
            ("created by", self.created_by.clone().unwrap_or_else(|| "unknown".into())),
            ("changed", self.update_time.clone()),
        ]
    }
}

impl Shown {
    fn expires(&self) -> String {
        self.expiration_date.clone().unwrap_or_else(|| NEVER.into())
    }
}

/// Runs one verb.
pub(crate) fn service_account(
    arguments: &NounArguments<ServiceAccountCommand>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let node = &Node::open(&arguments.connection)?;
    let service_accounts = &Noun::<Shown>::of(node, json);
    match &arguments.command {
        ServiceAccountCommand::Create(arguments) => create(service_accounts, arguments)?,
        ServiceAccountCommand::List(listing) => service_accounts.list(listing)?,
        ServiceAccountCommand::Show(named) => service_accounts.show(named)?,
        ServiceAccountCommand::Edit(arguments) => edit(service_accounts, arguments)?,
        ServiceAccountCommand::Delete(names) => service_accounts.delete(names)?,
        ServiceAccountCommand::Enable(named) => service_accounts.enable(named)?,
        ServiceAccountCommand::Disable(named) => {
            service_accounts.disable(named, "its key answers like an unknown one")?;
        }
        ServiceAccountCommand::History(versions) => history::show::<history::Fields>(service_accounts, versions)?,
        ServiceAccountCommand::Revert(to) => history::revert(service_accounts, to, "; its secret stays")?,
        ServiceAccountCommand::Access(named) => {
            let body = service_accounts.ask("GET", &named.name, "/access")?;
            output::print(&if json { body } else { access::of_service_account(&body)? })?;
        }
        ServiceAccountCommand::Rotate { named, secret } => {
            let destination = Destination::open(secret)?;
            let body = service_accounts.ask("POST", &named.name, "/rotate")?;
            let about = service_accounts.about(&named.name);
            let what = format!("{about} has another secret; the old one opens nothing any more");
            tell(&body, &what, destination, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(service_accounts: &Noun<'_, Shown>, arguments: &ServiceAccountCreate) -> Result<(), Failure> {
    let mut body = Map::new();
    body.insert("name".into(), arguments.name.clone().into());
    body.insert("permissions".into(), arguments.permissions.clone().into());
    let expires = arguments.expires.clone().filter(|it| it != NEVER);
    let texts =
        [("description", &arguments.description), ("expirationDate", &expires), ("accessKey", &arguments.key_id)];
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
    let destination = Destination::open(&arguments.secret)?;
    let made = service_accounts.create(&arguments.name, &Value::Object(body), None)?;
    tell(&made, &format!("created {}", service_accounts.about(&arguments.name)), destination, service_accounts.json)
}

/// Tells a new key, whose secret is told once.
fn tell(body: &str, what: &str, mut destination: Destination, json: bool) -> Result<(), Failure> {
    let made: Credentials = parse(body)?;
    let is_file = destination.is_file();
    let secret = destination.keep(&made.secret)?;
    let print = |text: &str| match is_file {
        true => output::print(text),
        false => print_once(text, "make another with strongroom service-account rotate"),
    };
    if !json {
        return print(&format!(
            "{what}\n{}",
            fields(&[
                ("access key", made.access_key),
                ("secret", secret),
                ("expires", made.expiration_date.unwrap_or_else(|| NEVER.into())),
            ])
        ));
    }
    if !is_file {
        return print(body);
    }
    let mut answer: Map<String, Value> = parse(body)?;
    answer.remove("secret");
    output::print(&Value::Object(answer).to_string())
}

fn edit(service_accounts: &Noun<'_, Shown>, arguments: &ServiceAccountEdit) -> Result<(), Failure> {
    let (name, about) = (&arguments.named.name, service_accounts.about(&arguments.named.name));
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
        body.insert("expirationDate".into(), Some(expires.clone()).filter(|it| it != NEVER).into());
    }
    if !arguments.permissions.is_empty() {
        body.insert("permissions".into(), arguments.permissions.clone().into());
    }
    let mut etag = None;
    if !arguments.add.is_empty() || !arguments.remove.is_empty() {
        // What is there is read first; should another change come between, the node refuses this one.
        let answer = service_accounts.node.answer(Call::new("GET", path_of(Shown::COLLECTION, name), &about))?;
        etag = answer.header("etag").map(str::to_owned);
        let before: Shown = parse(&crate::refusal::text_of(answer)?)?;
        body.insert("permissions".into(), permissions(&about, &before.permissions, arguments)?.into());
    }
    if body.is_empty() {
        return Err(Failure::usage(
            "nothing to change: pass --name, --description, --permission, --add-permission, --remove-permission, --expires or --no-expiry",
        ));
    }
    let body = service_accounts.ask_with("PUT", name, "", |call| {
        let call = call.json(&Value::Object(body));
        match etag {
            Some(etag) => call.if_match(etag),
            None => call,
        }
    })?;
    service_accounts.tell(&body, &format!("changed {about}; it holds for the next request"))
}

/// The permissions that are there, without those that go and with those that come.
fn permissions(about: &str, before: &[Reference], arguments: &ServiceAccountEdit) -> Result<Vec<String>, Failure> {
    let is = |it: &Reference, name: &String| it.id == *name || it.name == *name;
    if let Some(absent) = arguments.remove.iter().find(|name| !before.iter().any(|it| is(it, name))) {
        let names: Vec<&str> = before.iter().map(|it| it.name.as_str()).collect();
        let names = names.join(", ");
        return Err(Failure::not_found(format!("{about} doesn't have permission {absent:?}; it has: {names}")));
    }
    let stays = before.iter().filter(|it| !arguments.remove.iter().any(|name| is(it, name)));
    let mut ids: Vec<String> = stays.map(|it| it.id.clone()).collect();
    let comes = arguments.add.iter().filter(|name| !before.iter().any(|it| is(it, name)));
    ids.extend(comes.cloned());
    if ids.is_empty() {
        return Err(Failure::usage(format!(
            "{about} would have no permission left: pass --add-permission too, or disable or delete it"
        )));
    }
    Ok(ids)
}

fn names(permissions: &[Reference]) -> String {
    permissions.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
}
