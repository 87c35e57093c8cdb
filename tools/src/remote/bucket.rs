//! `strongroom bucket`: what buckets hold, who may do what to them, their policies.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::access;
use super::list::list;
use super::node::{Node, path_of};
use super::noun::{Noun, Resource, yes};
use super::permission::{read_policy, write_policy};
use crate::args::{BucketCommand, BucketPolicyFile, NounArguments, Quota, Versioning};
use crate::failure::Failure;
use crate::input::shown_name;
use crate::refusal::Flags;
use crate::text::size;

/// As S3's PutBucketPolicy has it.
const CONFIRM_LOCKOUT: &str = "x-amz-confirm-remove-self-bucket-access";

/// A bucket as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    create_time: String,
    versioning: String,
    usage: Usage,
    quota: Option<Limit>,
    has_policy: bool,
    public: bool,
}

#[derive(Deserialize)]
struct Limit {
    bytes: u64,
}

#[derive(Deserialize)]
struct Usage {
    objects: u64,
    bytes: u64,
}

impl Resource for Shown {
    const NOUN: &'static str = "bucket";
    const COLLECTION: &'static str = "/buckets";
    const COLUMNS: &'static [&'static str] = &["NAME", "OBJECTS", "SIZE", "QUOTA", "VERSIONING", "PUBLIC", "CREATED"];
    const FLAGS: Flags = &[("versioning", "--versioning"), ("quota.bytes", "--quota")];

    fn row(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.usage.objects.to_string(),
            size(self.usage.bytes),
            self.quota_text(),
            self.versioning.clone(),
            yes(self.public).into(),
            self.create_time.clone(),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("objects", self.usage.objects.to_string()),
            ("size", size(self.usage.bytes)),
            ("quota", self.quota_text()),
            ("versioning", self.versioning.clone()),
            ("policy", if self.has_policy { "has one" } else { "none" }.into()),
            ("public", yes(self.public).into()),
            ("created", self.create_time.clone()),
        ]
    }
}

impl Shown {
    fn quota_text(&self) -> String {
        self.quota.as_ref().map_or("none".into(), |quota| size(quota.bytes))
    }
}

/// Runs one verb.
pub(crate) fn bucket(arguments: &NounArguments<BucketCommand>, json: bool) -> Result<ExitCode, Failure> {
    let node = &Node::open(&arguments.connection)?;
    let buckets = &Noun::<Shown>::of(node, json);
    match &arguments.command {
        BucketCommand::Create { name, versioning, quota } => {
            let mut body = settings(*versioning, *quota);
            body.insert("name".into(), name.as_str().into());
            let made = buckets.create(name, &Value::Object(body), None)?;
            buckets.tell(&made, &format!("created {}", buckets.about(name)))?;
        }
        BucketCommand::List(listing) => buckets.list(listing)?,
        BucketCommand::Show(named) => buckets.show(named)?,
        BucketCommand::Edit { named, versioning, quota } => {
            let body = settings(*versioning, *quota);
            if body.is_empty() {
                return Err(Failure::usage("nothing to change: pass --versioning or --quota"));
            }
            buckets.change(&named.name, &Value::Object(body), None)?;
        }
        BucketCommand::Delete(names) => buckets.delete(names)?,
        BucketCommand::Access { named, listing } => {
            let path = format!("{}/access", path_of(Shown::COLLECTION, &named.name));
            list(node, &path, listing, json, &access::COLUMNS, access::row)?;
        }
        BucketCommand::Policy { command } => policy(buckets, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is given, as the API takes it.
fn settings(versioning: Option<Versioning>, quota: Option<Quota>) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(versioning) = versioning {
        body.insert("versioning".into(), versioning.as_str().into());
    }
    if let Some(Quota(bytes)) = quota {
        body.insert("quota".into(), bytes.map_or(Value::Null, |bytes| json!({"bytes": bytes})));
    }
    body
}

fn policy(buckets: &Noun<'_, Shown>, command: &BucketPolicyFile) -> Result<(), Failure> {
    match command {
        BucketPolicyFile::Download { named, output } => {
            write_policy(&buckets.ask("GET", &named.name, "/policy")?, output.as_deref())
        }
        BucketPolicyFile::Replace { named, file, confirm_lockout } => {
            let (text, name) = (read_policy(file)?, shown_name(file));
            let body = buckets.ask_with("PUT", &named.name, "/policy", |call| {
                let call = call.bytes("application/json", text.into_bytes()).of_file(Some(&name));
                if *confirm_lockout { call.header(CONFIRM_LOCKOUT, "true") } else { call }
            })?;
            let about = buckets.about(&named.name);
            buckets.done(&body, &format!("replaced the policy of {about}; it holds for the next request"))
        }
        BucketPolicyFile::Remove(named) => {
            let body = buckets.ask("DELETE", &named.name, "/policy")?;
            buckets.done(&body, &format!("{} has no policy", buckets.about(&named.name)))
        }
    }
}
