//! `strongroom account`: owners of buckets and of all other nouns.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::node::{Node, parse};
use super::noun::{Noun, Resource, yes};
use super::secret::{Credentials, Destination, print_once};
use super::table::fields;
use crate::args::{AccountCommand, AccountCreate, AccountEdit, NounArguments};
use crate::failure::Failure;
use crate::output;
use crate::refusal::Flags;

/// An account as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    display_name: String,
    email: Option<String>,
    canonical_id: String,
    operator: bool,
    create_time: String,
}

/// An account that was just made.
#[derive(Deserialize)]
struct Made {
    #[serde(flatten)]
    account: Shown,
    root: Credentials,
}

impl Resource for Shown {
    const NOUN: &'static str = "account";
    const COLLECTION: &'static str = "/accounts";
    const COLUMNS: &'static [&'static str] = &["NAME", "ID", "DISPLAY NAME", "E-MAIL", "OPERATOR"];
    const FLAGS: Flags = &[
        ("displayName", "--display-name"),
        ("email", "--email"),
        ("accountId", "--id"),
        ("canonicalId", "--canonical-id"),
    ];

    fn row(&self) -> Vec<String> {
        let email = self.email.clone().unwrap_or_default();
        vec![self.name.clone(), self.id.clone(), self.display_name.clone(), email, yes(self.operator).into()]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("id", self.id.clone()),
            ("canonical id", self.canonical_id.clone()),
            ("display name", self.display_name.clone()),
            ("e-mail", self.email.clone().unwrap_or_else(|| "none".into())),
            ("operator", yes(self.operator).into()),
            ("created", self.create_time.clone()),
        ]
    }
}

/// Runs one verb.
pub(crate) fn account(arguments: &NounArguments<AccountCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open_whole(&arguments.connection)?;
    let accounts = &Noun::<Shown>::of(node, json);
    match &arguments.command {
        AccountCommand::Create(arguments) => create(accounts, arguments)?,
        AccountCommand::List(listing) => accounts.list(listing)?,
        AccountCommand::Show(named) => accounts.show(named)?,
        AccountCommand::Edit(arguments) => edit(accounts, arguments)?,
        AccountCommand::Delete(names) => accounts.delete(names)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(accounts: &Noun<'_, Shown>, arguments: &AccountCreate) -> Result<(), Failure> {
    let mut body = Map::new();
    body.insert("name".into(), arguments.name.clone().into());
    let texts = [
        ("displayName", &arguments.display_name),
        ("email", &arguments.email),
        ("accountId", &arguments.id),
        ("canonicalId", &arguments.canonical_id),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            body.insert(field.into(), value.clone().into());
        }
    }
    let mut destination = Destination::open(&arguments.secret)?;
    let body = accounts.create(&arguments.name, &Value::Object(body), None)?;
    let made: Made = parse(&body)?;
    let is_file = destination.is_file();
    let secret = destination.keep(&made.root.secret)?;
    let print = |text: &str| match is_file {
        true => output::print(text),
        false => {
            print_once(text, "give its root another with strongroom apply, or delete the account and create it again")
        }
    };
    if !accounts.json {
        let mut lines = made.account.fields();
        lines.push(("root's access key", made.root.access_key));
        lines.push(("root's secret", secret));
        return print(&format!("created {}\n{}", accounts.about(&arguments.name), fields(&lines)));
    }
    if !is_file {
        return print(&body);
    }
    let mut answer: Map<String, Value> = parse(&body)?;
    if let Some(root) = answer.get_mut("root").and_then(Value::as_object_mut) {
        root.remove("secret");
    }
    output::print(&Value::Object(answer).to_string())
}

fn edit(accounts: &Noun<'_, Shown>, arguments: &AccountEdit) -> Result<(), Failure> {
    let mut body = Map::new();
    for (field, value) in [("name", &arguments.new_name), ("displayName", &arguments.display_name)] {
        if let Some(value) = value {
            body.insert(field.into(), value.clone().into());
        }
    }
    if let Some(email) = &arguments.email {
        body.insert("email".into(), Some(email.clone()).filter(|it| !it.is_empty()).into());
    }
    if body.is_empty() {
        return Err(Failure::usage("nothing to change: pass --name, --display-name or --email"));
    }
    accounts.change(&arguments.named.name, &Value::Object(body), None)
}
