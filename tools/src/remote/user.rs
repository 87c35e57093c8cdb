//! `strongroom user`: those who sign in to administer.

use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::node::{Call, Node, parse};
use super::noun::{Noun, Resource, status};
use super::{ask, history, secret};
use crate::args::{Named, NounArguments, UserCommand, UserCreate};
use crate::failure::Failure;
use crate::output;
use crate::ready::quoted;
use crate::refusal::Flags;

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
    link: String,
    expiration_sec: i64,
}

impl Resource for Shown {
    const NOUN: &'static str = "user";
    const COLLECTION: &'static str = "/users";
    const COLUMNS: &'static [&'static str] = &["NAME", "ROLE", "STATUS", "CREATED"];
    const FLAGS: Flags = &[("role", "--role")];

    fn row(&self) -> Vec<String> {
        vec![self.name.clone(), self.role.clone(), status(self.enabled).into(), self.create_time.clone()]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("role", self.role.clone()),
            ("status", status(self.enabled).into()),
            ("created", self.create_time.clone()),
            ("changed", self.update_time.clone()),
        ]
    }
}

/// Runs one verb.
pub(crate) fn user(arguments: &NounArguments<UserCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&arguments.connection)?;
    let users = &Noun::<Shown>::of(node, json);
    match &arguments.command {
        UserCommand::Create(arguments) => create(users, arguments)?,
        UserCommand::List(listing) => users.list(listing)?,
        UserCommand::Show(named) => users.show(named)?,
        UserCommand::Edit(arguments) => {
            users.change(&arguments.named.name, &json!({"role": arguments.role.as_str()}), None)?;
        }
        UserCommand::Delete(names) => users.delete(names)?,
        UserCommand::Enable(named) => switch(users, named, true)?,
        UserCommand::Disable(named) => switch(users, named, false)?,
        UserCommand::History(versions) => history::show::<history::Fields>(users, versions)?,
        UserCommand::Revert(to) => history::revert(users, to, "; the password stays")?,
        UserCommand::Link(named) => link(users, &named.name)?,
        UserCommand::Password { name, password_file } => {
            password(users, name.as_deref(), password_file.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(users: &Noun<'_, Shown>, arguments: &UserCreate) -> Result<(), Failure> {
    let mut body = json!({"name": arguments.name, "role": arguments.role.as_str(), "enabled": !arguments.disabled});
    if let (Some(file), Some(body)) = (&arguments.password_file, body.as_object_mut()) {
        body.insert("password".into(), secret::read(file)?.into());
    }
    let made = users.create(&arguments.name, &body, None)?;
    users.tell(&made, &format!("created {}", users.about(&arguments.name)))?;
    if users.json || arguments.password_file.is_some() || arguments.disabled {
        return Ok(());
    }
    link(users, &arguments.name)
}

/// Users have no call of their own for this.
fn switch(users: &Noun<'_, Shown>, named: &Named, enabled: bool) -> Result<(), Failure> {
    let body = users.ask_with("PUT", &named.name, "", |call| call.json(&json!({"enabled": enabled})))?;
    let status = if enabled { "enabled" } else { "disabled: they are signed out" };
    users.done(&body, &format!("{} is {status}", users.about(&named.name)))
}

fn link(users: &Noun<'_, Shown>, name: &str) -> Result<(), Failure> {
    let about = users.about(name);
    let body = users.node.text(Call::new("POST", "/auth/link", &about).json(&json!({"user": name})))?;
    let print = |text: &str| secret::print_once(text, "make another with strongroom user link");
    if users.json {
        return print(&body);
    }
    let link: Link = parse(&body)?;
    let user: Shown = parse(&users.ask("GET", name, "")?)?;
    if !user.enabled {
        output::warn(&format!(
            "{about} is disabled: the link opens nothing until strongroom user enable {}",
            quoted(name)
        ));
    }
    let minutes = link.expiration_sec / 60;
    let console = users.node.console()?;
    // A body in quotes of the shell: tokens have neither quotes nor backslashes.
    let body = format!("{{\"link\": \"{}\", \"password\": \"NEW PASSWORD\"}}", link.link);
    print(&format!(
        "to choose a password, once and within {minutes} minutes: {console}{}\nwithout a browser: curl -H 'Content-Type: application/json' {console}/api/v1/auth/session -d '{body}'",
        link.path
    ))
}

/// Sets another user's password, or changes one's own, for which the node asks for the old one and for no right.
fn password(users: &Noun<'_, Shown>, name: Option<&str>, file: Option<&Path>) -> Result<(), Failure> {
    let own = users.node.signed_in().filter(|own| name.is_none_or(|name| name == own.name));
    let name = own.map(|own| own.name.as_str()).or(name).ok_or_else(|| {
        Failure::usage(
            "whose password? Name the user: strongroom user password NAME; or sign in as one with --endpoint and --user",
        )
    })?;
    let about = users.about(name);
    let new = match file {
        Some(file) => secret::read(file)?,
        None => ask::new_secret(&format!("New password of {name}"))?
            .ok_or_else(|| Failure::usage("there is no terminal to ask on: pass --password-file FILE"))?,
    };
    let body = match own {
        Some(own) => {
            let change = json!({"password": &own.password.0, "newPassword": new});
            users.node.text(Call::new("PUT", "/auth/password", &about).json(&change))?
        }
        None => users.ask_with("PUT", name, "", |call| call.json(&json!({"password": new})))?,
    };
    users.done(&body, &format!("{about} has another password; their sessions ended"))
}
