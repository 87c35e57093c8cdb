//! `strongroom account`: owners of buckets and of all other nouns.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::list::{about, delete, list};
use super::node::{Call, Node, parse, path_of};
use super::secret::{Credentials, Destination};
use super::table::fields;
use crate::args::{Account, AccountCommand, AccountCreate, AccountEdit, Named};
use crate::failure::Failure;
use crate::output;

const NOUN: &str = "account";
const COLLECTION: &str = "/accounts";

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

/// Runs one verb.
pub(crate) fn account(noun: &Account, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&noun.connection)?;
    match &noun.command {
        AccountCommand::Create(arguments) => create(node, arguments, json)?,
        AccountCommand::List(listing) => list(node, COLLECTION, listing, json, &COLUMNS, row)?,
        AccountCommand::Show(named) => {
            let body = node.text(Call::new("GET", path_of(COLLECTION, &named.name), &about_of(named)))?;
            print(&body, json)?;
        }
        AccountCommand::Edit(arguments) => edit(node, arguments, json)?,
        AccountCommand::Delete(names) => delete(node, COLLECTION, NOUN, names, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn about_of(named: &Named) -> String {
    about(NOUN, &named.name)
}

fn create(node: &Node, arguments: &AccountCreate, json: bool) -> Result<(), Failure> {
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
    let about = about(NOUN, &arguments.name);
    let mut destination = Destination::open(&arguments.secret)?;
    let body = node.text(Call::new("POST", COLLECTION, &about).json(&Value::Object(body)))?;
    let made: Made = parse(&body)?;
    let is_file = destination.is_file();
    let secret = destination.keep(&made.root.secret)?;
    if !json {
        let mut lines = lines(made.account);
        lines.push(("root's access key", made.root.access_key));
        lines.push(("root's secret", secret));
        return output::print(&format!("created {about}\n{}", fields(&lines)));
    }
    if !is_file {
        return output::print(&body);
    }
    let mut answer: Map<String, Value> = parse(&body)?;
    if let Some(root) = answer.get_mut("root").and_then(Value::as_object_mut) {
        root.remove("secret");
    }
    output::print(&Value::Object(answer).to_string())
}

fn edit(node: &Node, arguments: &AccountEdit, json: bool) -> Result<(), Failure> {
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
    let about = about_of(&arguments.named);
    let call = Call::new("PUT", path_of(COLLECTION, &arguments.named.name), &about).json(&Value::Object(body));
    let body = node.text(call)?;
    if !json {
        output::print(&format!("changed {about}"))?;
    }
    print(&body, json)
}

const COLUMNS: [&str; 5] = ["NAME", "ID", "DISPLAY NAME", "E-MAIL", "OPERATOR"];

fn row(it: &Shown) -> Vec<String> {
    let operator = if it.operator { "yes" } else { "no" };
    let email = it.email.clone().unwrap_or_default();
    vec![it.name.clone(), it.id.clone(), it.display_name.clone(), email, operator.into()]
}

fn lines(it: Shown) -> Vec<(&'static str, String)> {
    vec![
        ("name", it.name),
        ("id", it.id),
        ("canonical id", it.canonical_id),
        ("display name", it.display_name),
        ("e-mail", it.email.unwrap_or_else(|| "none".into())),
        ("operator", if it.operator { "yes" } else { "no" }.into()),
        ("created", it.create_time),
    ]
}

fn print(body: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(body);
    }
    output::print(&fields(&lines(parse(body)?)))
}
