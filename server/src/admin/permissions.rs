//! Permissions: made, listed, changed, switched, deleted, with their files, histories and checks.

use std::sync::Arc;

use http::{StatusCode, header};
use policy::ParseOptions;
use serde_json::value::RawValue;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::difference;
use super::page::{Listing, Row};
use super::wire;
use crate::identity::change::Change;
use crate::identity::compiled::{CompiledPermission, compile};
use crate::identity::difference::Fields;
use crate::identity::history::Revision;
use crate::identity::name::{AccountId, Id, Name, PermissionName, check_description};
use crate::identity::permission::{
    Actions, Definition, DefinitionFields, Dialect, POLICY_BYTES_MAX, Permission, Scope,
};
use crate::identity::random;
use crate::identity::rows::{Record, permission_key};
use crate::identity::snapshot::Snapshot;
use crate::s3::receive::blocking;

/// The most bytes of permissions that one audit record holds.
const AUDITED_BYTES_MAX: usize = 512 << 10;

/// What a list of permissions can be sorted by.
pub(super) const SORTS: [&str; 5] = ["name", "description", "type", "serviceAccounts", "createTime"];
/// Names of service accounts that are told with a permission.
const NAMES_TOLD_MAX: usize = 100;

/// `POST /permissions`
pub(super) async fn create(call: &Call) -> Result<Answer> {
    let body: wire::PermissionBody = call.json()?;
    let name = body.name.as_deref().ok_or_else(|| Refusal::invalid("name", "is missing"))?;
    let permission = Permission {
        id: random::permission_id().map_err(|error| Refusal::internal(&error))?,
        account_id: call.account_id()?,
        name: PermissionName::parse(name)?,
        description: body.description.clone().flatten(),
        definition: definition(&body, None)?,
        enabled: body.enabled.unwrap_or(true),
        created_by: None,
        revision: 1,
        created_at: call.time(),
        updated_at: call.time(),
    };
    require_buckets(call, &permission.definition, None)?;
    let (snapshot, ()) = put(call, |_| Ok((permission.clone(), ()))).await?;
    let made = find(&snapshot, &permission.account_id, permission.id.as_str())?;
    call.note_made(serde_json::json!({"id": permission.id.as_str(), "name": permission.name.as_str()}));
    let location = format!("/api/v1/permissions/{}", permission.id);
    Ok(Answer::created(&saved(&snapshot, made)?)?.with(header::ETAG, etag(made)).with(header::LOCATION, location))
}

/// `GET /permissions`
pub(super) async fn list(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?;
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let used_by = |it: &CompiledPermission| snapshot.users_of_permission(&account, &it.permission.id);
    let wanted = snapshot.permissions(account.as_str()).filter(|it| {
        let permission = &it.permission;
        let texts = [permission.name.as_str(), it.description(), permission.definition.type_name()];
        listing.name.as_ref().is_none_or(|name| permission.name.as_str() == name)
            && (listing.finds(&texts) || listing.finds_any(used_by(it).map(Name::as_str)))
    });
    let rows = wanted.map(|it| {
        let permission = &it.permission;
        let key = match listing.sort {
            "description" => it.description().to_lowercase(),
            "type" => permission.definition.type_name().to_owned(),
            "serviceAccounts" => format!("{:010}", used_by(it).len()),
            "createTime" => format!("{:.6}", permission.created_at),
            _ => permission.name.as_str().to_lowercase(),
        };
        Row { key, id: permission.id.to_string(), item: it }
    });
    listing.answer(rows.collect(), |it| summary(it, users(used_by(it))))
}

/// How many service accounts use a permission, and the first of them.
fn users<'a>(names: impl ExactSizeIterator<Item = &'a Name>) -> wire::Users {
    wire::Users { count: names.len(), names: names.take(NAMES_TOLD_MAX).map(ToString::to_string).collect() }
}

/// `GET /permissions/{id}`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    Ok(Answer::ok(&show(&snapshot, found)?)?.with(header::ETAG, etag(found)))
}

/// `PUT /permissions/{id}`
pub(super) async fn update(call: &Call) -> Result<Answer> {
    let body: wire::PermissionBody = call.json()?;
    let name = body.name.as_deref().map(PermissionName::parse).transpose()?;
    changed(call, |existing| {
        let definition = if describes_definition(&body) {
            definition(&body, Some(&existing.definition))?
        } else {
            existing.definition.clone()
        };
        require_buckets(call, &definition, Some(&existing.definition))?;
        Ok(Permission {
            name: name.clone().unwrap_or_else(|| existing.name.clone()),
            description: body.description.clone().unwrap_or_else(|| existing.description.clone()),
            definition,
            enabled: body.enabled.unwrap_or(existing.enabled),
            ..existing.clone()
        })
    })
    .await
}

/// `DELETE /permissions/{id}`
pub(super) async fn delete(call: &Call) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        Ok::<_, Refusal>((vec![Change::Delete(permission_key(&existing.permission))], ()))
    };
    let gone = show(&call.snapshot(), find(&call.snapshot(), &account, call.name())?)?;
    call.change(make).await?;
    // A deleted permission can't be restored; the audit log keeps what it was.
    let _ = call.noted.set(serde_json::to_value(&gone).unwrap_or_default());
    Ok(Answer::nothing())
}

/// `PUT /permissions/{id}/enabled`
pub(super) async fn enable(call: &Call) -> Result<Answer> {
    changed(call, |existing| Ok(Permission { enabled: true, ..existing.clone() })).await
}

/// `DELETE /permissions/{id}/enabled`: its Allows are gone, its Denies stay.
pub(super) async fn disable(call: &Call) -> Result<Answer> {
    changed(call, |existing| Ok(Permission { enabled: false, ..existing.clone() })).await?;
    Ok(Answer::nothing())
}

/// `GET /permissions/{id}/policy`: the file byte for byte, or the document that a bucket permission is lowered to.
pub(super) async fn read_policy(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    // Names of permissions have no character that a quoted string could end with.
    let disposition = format!("attachment; filename=\"{}.json\"", found.permission.name);
    Ok(Answer::bytes("application/json", found.document().to_owned())
        .with(header::CONTENT_DISPOSITION, disposition)
        .with(header::ETAG, etag(found)))
}

/// `PUT /permissions/{id}/policy`: the body is the file.
pub(super) async fn replace_policy(call: &Call) -> Result<Answer> {
    let text = std::str::from_utf8(&call.body).map_err(|_| {
        // UTF-16 is named by the parser, which is asked only for its words.
        let refused = policy::parse(&call.body, ParseOptions::lyve());
        refused.map_or_else(
            |errors| crate::identity::compiled::PolicyRefused::File(Box::new(errors)).into(),
            |_| Refusal::invalid("body", "is not UTF-8"),
        )
    })?;
    changed(call, |existing| {
        let Definition::Policy { dialect, .. } = &existing.definition else {
            return Err(Refusal::invalid("policy", "doesn't belong to a bucket permission: make a policy permission"));
        };
        require_policy_size(text)?;
        let dialect = call.query.value("dialect").map(Dialect::parse).transpose()?.unwrap_or(*dialect);
        Ok(Permission { definition: Definition::Policy { dialect, text: text.into() }, ..existing.clone() })
    })
    .await
}

/// `GET /permissions/{id}/history`
pub(super) async fn history(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    let revisions = revisions(call, &found.permission).await?;
    let mut shown = Vec::with_capacity(revisions.len());
    for (index, revision) in revisions.iter().enumerate() {
        let before = revisions.get(index + 1);
        let compiled = compiled(&revision.permission)?;
        let document = compiled.document().to_owned();
        let old = before.map(|it| self::compiled(&it.permission)).transpose()?;
        let old = old.as_ref().map_or("", |it| it.document());
        let changed = before.map(|it| Fields::of_permissions(&it.permission, &revision.permission));
        shown.push(wire::Revision {
            revision: revision.permission.revision,
            time: format!("{:.3}", revision.at),
            by: revision.by.clone(),
            changed: changed.map(|fields| fields.names().to_vec()).unwrap_or_default(),
            diff: difference::lines(old, &document),
            permission: show(&snapshot, &compiled)?,
        });
    }
    Answer::ok(&shown)
}

/// `POST /permissions/{id}/revert`: description, definition and status as they were; the name stays, since another may have it by now.
pub(super) async fn revert(call: &Call) -> Result<Answer> {
    let wire::RevertBody { revision } = call.json()?;
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    let revisions = revisions(call, &found.permission).await?;
    let old = revisions.into_iter().map(|it| it.permission).find(|it| it.revision == revision);
    let old = old.ok_or_else(|| Refusal::not_found("RevisionNotFound", "A revision was not found."))?;
    changed(call, |existing| {
        let Permission { description, definition, enabled, .. } = old.clone();
        require_buckets(call, &definition, Some(&existing.definition))?;
        Ok(Permission { description, definition, enabled, ..existing.clone() })
    })
    .await
}

/// `POST /permissions/check`
pub(super) async fn check(call: &Call) -> Result<Answer> {
    let body: wire::PermissionBody = call.json()?;
    body.name.as_deref().map(PermissionName::parse).transpose()?;
    body.description.iter().flatten().try_for_each(|it| check_description(it))?;
    if body.type_name.as_deref().unwrap_or("policy") != "policy" {
        let definition = definition(&body, None)?;
        require_buckets(call, &definition, None)?;
        let document = compile(&definition)?.source().to_owned();
        return Answer::ok(&checked_bucket(&definition, document)?);
    }
    let fields = wire::PermissionBody { type_name: Some("policy".to_owned()), ..body };
    let definition = definition(&fields, None)?;
    let Definition::Policy { dialect, text } = &definition else {
        return Err(Refusal::invalid("policy", "is missing"));
    };
    let report = policy::check(text.as_bytes(), options_of(*dialect));
    let json = |value: serde_json::Result<serde_json::Value>| value.map_err(|error| Refusal::internal(&error));
    Answer::ok(&wire::Checked {
        valid: report.valid,
        message: report.message.clone(),
        errors: json(serde_json::to_value(&report.errors))?,
        findings: json(serde_json::to_value(&report.findings))?,
        description: report.valid.then(|| definition.in_plain_words()),
        document: report.valid.then(|| text.to_string()),
    })
}

fn checked_bucket(definition: &Definition, document: String) -> Result<wire::Checked> {
    Ok(wire::Checked {
        valid: true,
        message: None,
        errors: serde_json::Value::Array(Vec::new()),
        findings: serde_json::Value::Array(Vec::new()),
        description: Some(definition.in_plain_words()),
        document: Some(document),
    })
}

/// Changes a permission as `change` says, unless its caller has seen another version, and answers it.
async fn changed(call: &Call, change: impl Fn(&Permission) -> Result<Permission>) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        let next = Permission { updated_at: call.time(), ..change(&existing.permission)? };
        Ok((next, existing.permission.id.clone()))
    };
    let (snapshot, id) = put(call, make).await?;
    let found = find(&snapshot, &account, id.as_str())?;
    Ok(Answer::ok(&saved(&snapshot, found)?)?.with(header::ETAG, etag(found)))
}

/// Stores what `make` makes of a permission. What changes nothing writes nothing.
async fn put<T>(call: &Call, make: impl Fn(&Snapshot) -> Result<(Permission, T)>) -> Result<(Arc<Snapshot>, T)> {
    let make = |snapshot: &Snapshot| {
        let (permission, made) = make(snapshot)?;
        let existing = snapshot.permission_by_id(permission.account_id.as_str(), &permission.id);
        if existing.is_some_and(|it| Fields::of_permissions(&it.permission, &permission).is_empty()) {
            return Ok((Vec::new(), made));
        }
        Ok::<_, Refusal>((vec![Change::Put(Record::Permission(permission))], made))
    };
    call.change(make).await
}

fn compiled(permission: &Permission) -> Result<CompiledPermission> {
    permission.check()?;
    Ok(CompiledPermission::new(permission.clone())?)
}

/// The versions of a permission, newest first.
async fn revisions(call: &Call, permission: &Permission) -> Result<Vec<Revision>> {
    let (identities, wanted) = (call.state.identities.clone(), permission.clone());
    let revisions = blocking(move || identities.history(&wanted)).await?;
    revisions.map_err(|error| Refusal::internal(&error))
}

/// The permission of this id or, where no id is such, of this name.
pub(super) fn find<'a>(snapshot: &'a Snapshot, account: &AccountId, name: &str) -> Result<&'a Arc<CompiledPermission>> {
    let by_id = Id::parse(name).ok().and_then(|id| snapshot.permission_by_id(account.as_str(), &id));
    by_id.or_else(|| snapshot.permission(account.as_str(), name)).ok_or_else(Refusal::permission_not_found)
}

fn etag(compiled: &CompiledPermission) -> String {
    Record::Permission(compiled.permission.clone()).etag()
}

/// Refuses buckets that the account doesn't have, unless they were named before.
fn require_buckets(call: &Call, definition: &Definition, before: Option<&Definition>) -> Result<()> {
    let known = before.map(Definition::buckets).unwrap_or_default();
    let account = call.account()?;
    let is_absent = |name: &str| {
        let bucket = call.state.store.bucket(name).ok();
        bucket.is_none_or(|bucket| bucket.owner != account.account_id.as_str())
    };
    let named = definition.buckets().iter().filter(|name| !known.contains(name));
    let absent: Vec<&String> = named.filter(|name| is_absent(name)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(Refusal::bucket_not_found().details(serde_json::json!({"buckets": absent})))
}

fn describes_definition(body: &wire::PermissionBody) -> bool {
    let texts = [&body.type_name, &body.actions, &body.prefix, &body.dialect];
    texts.iter().any(|text| text.is_some()) || body.buckets.is_some() || body.policy.is_some()
}

/// The definition that a body says; what it leaves out is as it was, as long as the type is.
fn definition(body: &wire::PermissionBody, existing: Option<&Definition>) -> Result<Definition> {
    let is_policy = |type_name: &str| type_name == "policy";
    let type_name = match (&body.type_name, existing) {
        (Some(type_name), Some(existing)) if is_policy(type_name) != is_policy(existing.type_name()) => {
            return Err(Refusal::invalid("type", "can't be changed between a bucket and a policy permission"));
        }
        (Some(type_name), _) => type_name.as_str(),
        (None, Some(existing)) => existing.type_name(),
        (None, None) => return Err(Refusal::invalid("type", "is missing")),
    };
    let text = body.policy.as_deref().map(policy_text).transpose()?;
    let mut fields = DefinitionFields {
        type_name,
        actions: body.actions.as_deref(),
        buckets: body.buckets.clone(),
        prefix: body.prefix.as_deref(),
        dialect: body.dialect.as_deref(),
        policy: text.as_deref(),
    };
    match existing {
        Some(Definition::Bucket { scope, actions }) => {
            fields.actions = fields.actions.or(Some(actions.as_str()));
            match scope {
                Scope::Names(names) if type_name == "bucket-names" => {
                    fields.buckets.get_or_insert_with(|| names.clone());
                }
                Scope::Prefix(prefix) if type_name == "bucket-prefix" => {
                    fields.prefix = fields.prefix.or(Some(prefix.as_str()));
                }
                _ => {}
            }
        }
        Some(Definition::Policy { dialect, text }) => {
            fields.dialect = fields.dialect.or(Some(dialect.as_str()));
            fields.policy = fields.policy.or(Some(text));
        }
        None => {}
    }
    fields.policy.map_or(Ok(()), require_policy_size)?;
    Ok(fields.into_definition()?)
}

/// Refuses a file that is too large as any other one that can't be taken.
fn require_policy_size(text: &str) -> Result<()> {
    if text.len() <= POLICY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("File Import Failed: The policy is larger than {POLICY_BYTES_MAX} bytes.");
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "FileImportFailed", message))
}

/// An object is the file byte for byte; a string holds the file.
fn policy_text(raw: &RawValue) -> Result<String> {
    if raw.get().starts_with('{') {
        return Ok(raw.get().to_owned());
    }
    serde_json::from_str(raw.get())
        .map_err(|_| Refusal::invalid("policy", "must be a policy document: an object, or a string that holds one"))
}

fn summary(compiled: &CompiledPermission, service_accounts: wire::Users) -> wire::PermissionSummary {
    let permission = &compiled.permission;
    wire::PermissionSummary {
        id: permission.id.to_string(),
        name: permission.name.to_string(),
        description: compiled.description().to_owned(),
        type_name: permission.definition.type_name(),
        ready_state: true,
        enabled: permission.enabled,
        create_time: format!("{:.3}", permission.created_at),
        update_time: format!("{:.3}", permission.updated_at),
        service_accounts,
    }
}

/// A permission that was just saved, with what its author should know of its policy: a statement that can never match, say.
fn saved(snapshot: &Snapshot, compiled: &CompiledPermission) -> Result<wire::Permission> {
    let findings = match &compiled.permission.definition {
        Definition::Policy { dialect, text } => policy::check(text.as_bytes(), options_of(*dialect)).findings,
        Definition::Bucket { .. } => Vec::new(),
    };
    Ok(wire::Permission { findings, ..show(snapshot, compiled)? })
}

fn options_of(dialect: Dialect) -> ParseOptions<'static> {
    match dialect {
        Dialect::Lyve => ParseOptions::lyve(),
        Dialect::Aws => ParseOptions::identity(),
    }
}

/// Permissions that went, as the audit log keeps them, and how many more there were than one record holds: those can't be restored.
pub(super) fn audited(snapshot: &Snapshot, gone: &[Arc<CompiledPermission>]) -> (Vec<serde_json::Value>, usize) {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for compiled in gone {
        let shown = show(snapshot, compiled).ok().and_then(|it| serde_json::to_value(it).ok());
        let Some(shown) = shown else { continue };
        bytes += shown.to_string().len();
        if bytes > AUDITED_BYTES_MAX {
            break;
        }
        kept.push(shown);
    }
    let omitted = gone.len() - kept.len();
    (kept, omitted)
}

fn show(snapshot: &Snapshot, compiled: &CompiledPermission) -> Result<wire::Permission> {
    let permission = &compiled.permission;
    let users = users(snapshot.users_of_permission(&permission.account_id, &permission.id));
    let mut shown = wire::Permission {
        summary: summary(compiled, users),
        actions: None,
        prefix: None,
        buckets: None,
        dialect: None,
        policy: None,
        revision: permission.revision,
        findings: Vec::new(),
    };
    match &permission.definition {
        Definition::Bucket { scope, actions } => {
            shown.actions = Some(Actions::as_str(*actions));
            match scope {
                Scope::Names(names) => shown.buckets = Some(names.clone()),
                Scope::Prefix(prefix) => shown.prefix = Some(prefix.clone()),
                Scope::All => {}
            }
        }
        Definition::Policy { dialect, text } => {
            shown.dialect = Some(dialect.as_str());
            // A file that JSON can't hold as it is, such as one with a byte order mark, goes as a string.
            let raw = RawValue::from_string(text.trim().to_owned()).ok().filter(|raw| raw.get().starts_with('{'));
            let raw = raw.map_or_else(|| serde_json::value::to_raw_value(text.as_ref()), Ok);
            shown.policy = Some(raw.map_err(|error| Refusal::internal(&error))?);
        }
    }
    Ok(shown)
}
