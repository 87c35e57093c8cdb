//! `strongroom bucket`: what buckets hold, who may do what to them, their policies.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::list::{about, delete, list};
use super::node::{Call, Node, parse, path_of};
use super::permission::{read_policy, shown, write_policy};
use super::{access, table::fields};
use crate::args::{Bucket, BucketCommand, BucketPolicyFile, Named};
use crate::failure::Failure;
use crate::output;

const NOUN: &str = "bucket";
const COLLECTION: &str = "/buckets";

/// A bucket as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    create_time: String,
    versioning: String,
    usage: Usage,
    has_policy: bool,
    public: bool,
}

#[derive(Deserialize)]
struct Usage {
    objects: u64,
    bytes: u64,
}

/// Runs one verb.
pub(crate) fn bucket(noun: &Bucket, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&noun.connection)?;
    match &noun.command {
        BucketCommand::Create { name, versioning } => {
            let mut body = json!({"name": name});
            if let (Some(versioning), Some(body)) = (versioning, body.as_object_mut()) {
                body.insert("versioning".into(), versioning.as_str().into());
            }
            let about = about(NOUN, name);
            let body = node.text(Call::new("POST", COLLECTION, &about).json(&body))?;
            if !json {
                output::print(&format!("created {about}"))?;
            }
            print(&body, json)?;
        }
        BucketCommand::List(listing) => list(node, COLLECTION, listing, json, &COLUMNS, row)?,
        BucketCommand::Show(named) => print(&node.text(call("GET", named, "", &about_of(named)))?, json)?,
        BucketCommand::Edit { named, versioning } => {
            let about = about_of(named);
            let call = call("PUT", named, "", &about).json(&json!({"versioning": versioning.as_str()}));
            print(&node.text(call)?, json)?;
        }
        BucketCommand::Delete(names) => delete(node, COLLECTION, NOUN, names, json)?,
        BucketCommand::Access { named, listing } => {
            let path = format!("{}/access", path_of(COLLECTION, &named.name));
            list(node, &path, listing, json, &access::COLUMNS, access::row)?;
        }
        BucketCommand::Policy { command } => policy(node, command, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn about_of(named: &Named) -> String {
    about(NOUN, &named.name)
}

/// A call about one bucket.
fn call<'a>(method: &'static str, named: &Named, below: &str, about: &'a str) -> Call<'a> {
    Call::new(method, format!("{}{below}", path_of(COLLECTION, &named.name)), about)
}

fn policy(node: &Node, command: &BucketPolicyFile, json: bool) -> Result<(), Failure> {
    match command {
        BucketPolicyFile::Download { named, output } => {
            let body = node.text(call("GET", named, "/policy", &about_of(named)))?;
            write_policy(&body, output.as_deref())
        }
        BucketPolicyFile::Replace { named, file } => {
            let (about, name) = (about_of(named), shown(file));
            let text = read_policy(file)?;
            let call = call("PUT", named, "/policy", &about);
            let body = node.text(call.bytes("application/json", text.into_bytes()).of_file(Some(&name)))?;
            let text = format!("replaced the policy of {about}; it holds for the next request");
            output::print(&if json { body } else { text })
        }
        BucketPolicyFile::Remove(named) => {
            node.answer(call("DELETE", named, "/policy", &about_of(named)))?;
            if json { Ok(()) } else { output::print(&format!("{} has no policy", about_of(named))) }
        }
    }
}

const COLUMNS: [&str; 6] = ["NAME", "OBJECTS", "SIZE", "VERSIONING", "PUBLIC", "CREATED"];

fn row(it: &Shown) -> Vec<String> {
    let (objects, size) = (it.usage.objects.to_string(), output::size(it.usage.bytes));
    vec![it.name.clone(), objects, size, it.versioning.clone(), yes(it.public).into(), it.create_time.clone()]
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn print(body: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print(body);
    }
    let it: Shown = parse(body)?;
    output::print(&fields(&[
        ("name", it.name),
        ("objects", it.usage.objects.to_string()),
        ("size", output::size(it.usage.bytes)),
        ("versioning", it.versioning),
        ("policy", if it.has_policy { "has one" } else { "none" }.into()),
        ("public", yes(it.public).into()),
        ("created", it.create_time),
    ]))
}
