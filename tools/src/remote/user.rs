//! `strongroom user`: those who sign in to administer.

use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::list::{about, delete, list};
use super::node::{Call, Node, parse, path_of};
use super::table::fields;
use super::{ask, secret};
use crate::args::{Named, User, UserCommand, UserCreate};
use crate::failure::Failure;
use crate::output;

const NOUN: &str = "user";
const COLLECTION: &str = "/users";

/// A user as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    role: String,
    enabled: bool,
    create_time: String,
    update_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    path: String,
    expiration_sec: i64,
}

/// Runs one verb.
pub(crate) fn user(noun: &User, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&noun.connection)?;
    match &noun.command {
        UserCommand::Create(arguments) => create(node, arguments, json)?,
        UserCommand::List(listing) => list(node, COLLECTION, listing, json, &COLUMNS, row)?,
        UserCommand::Show(named) => print(&node.text(call("GET", &named.name, &about_of(named)))?, json)?,
        UserCommand::Edit(arguments) => {
            let about = about_of(&arguments.named);
            let call = call("PUT", &arguments.named.name, &about).json(&json!({"role": arguments.role.as_str()}));
            let body = node.text(call)?;
            if !json {
                output::print(&format!("changed {about}; it holds for the next request"))?;
            }
            print(&body, json)?;
        }
        UserCommand::Delete(names) => delete(node, COLLECTION, NOUN, names, json)?,
        UserCommand::Enable(named) => enable(node, named, true, json)?,
        UserCommand::Disable(named) => enable(node, named, false, json)?,
        UserCommand::Link(named) => link(node, &named.name, json)?,
        UserCommand::Password { name, password_file } => {
            password(node, name.as_deref(), password_file.as_deref(), json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about_of(named: &Named) -> String {
    about(NOUN, &named.name)
}

/// A call about one user.
fn call<'a>(method: &'static str, name: &str, about: &'a str) -> Call<'a> {
    Call::new(method, path_of(COLLECTION, name), about)
}

fn create(node: &Node, arguments: &UserCreate, json: bool) -> Result<(), Failure> {
    let about = about(NOUN, &arguments.name);
    let mut body = json!({"name": arguments.name, "role": arguments.role.as_str(), "enabled": !arguments.disabled});
    if let (Some(file), Some(body)) = (&arguments.password_file, body.as_object_mut()) {
        body.insert("password".into(), secret::read(file)?.into());
    }
    let body = node.text(Call::new("POST", COLLECTION, &about).json(&body))?;
    if json {
        return output::print(&body);
    }
    output::print(&format!("created {about}"))?;
    print(&body, json)?;
    if arguments.password_file.is_some() || arguments.disabled {
        return Ok(());
    }
    link(node, &arguments.name, json)
}

fn enable(node: &Node, named: &Named, enabled: bool, json: bool) -> Result<(), Failure> {
    let about = about_of(named);
    let body = node.text(call("PUT", &named.name, &about).json(&json!({"enabled": enabled})))?;
    let status = if enabled { "enabled" } else { "disabled: they are signed out" };
    output::print(&if json { body } else { format!("{about} is {status}") })
}

fn link(node: &Node, name: &str, json: bool) -> Result<(), Failure> {
    let about = about(NOUN, name);
    let body = node.text(Call::new("POST", "/auth/link", &about).json(&json!({"user": name})))?;
    if json {
        return output::print(&body);
    }
    let link: Link = parse(&body)?;
    let minutes = link.expiration_sec / 60;
    let url = format!("{}{}", node.console(), link.path);
    output::print(&format!("to choose a password, once and within {minutes} minutes: {url}"))
}

/// Sets another user's password, or changes one's own, for which the node asks for the old one and for no right.
fn password(node: &Node, name: Option<&str>, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let own = node.signed_in().filter(|own| name.is_none_or(|name| name == own.name));
    let name = own.map(|own| own.name.as_str()).or(name).ok_or_else(|| {
        Failure::usage(
            "whose password? Name the user: strongroom user password NAME; or sign in as one with --endpoint and --user",
        )
    })?;
    let about = about(NOUN, name);
    let new = match file {
        Some(file) => secret::read(file)?,
        None => ask::new_secret(&format!("New password of {name}"))?
            .ok_or_else(|| Failure::usage("there is no terminal to ask on: pass --password-file FILE"))?,
    };
    let call = match own {
        Some(own) => {
            Call::new("PUT", "/auth/password", &about).json(&json!({"password": &own.password.0, "newPassword": new}))
        }
        None => call("PUT", name, &about).json(&json!({"password": new})),
    };
    let body = node.text(call)?;
    match (json, body.as_str()) {
        (false, _) => output::print(&format!("{about} has another password; their sessions ended")),
        (true, "") => Ok(()),
        (true, body) => output::print(body),
    }
}

const COLUMNS: [&str; 4] = ["NAME", "ROLE", "STATUS", "CREATED"];

fn row(it: &Shown) -> Vec<String> {
    vec![it.name.clone(), it.role.clone(), status(it.enabled).into(), it.create_time.clone()]
}

fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

fn print(body: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(body);
    }
    let it: Shown = parse(body)?;
    output::print(&fields(&[
        ("name", it.name),
        ("role", it.role),
        ("status", status(it.enabled).into()),
        ("created", it.create_time),
        ("changed", it.update_time),
    ]))
}
