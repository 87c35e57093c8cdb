//! Service accounts: S3 keys with permissions, from their making to their end. A secret is told once, by the call that makes it.

use std::sync::Arc;

use http::{StatusCode, header};
use jiff::Timestamp;
use policy::Action;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::page::{Listing, Row};
use super::permissions;
use super::wire;
use crate::identity::change::Change;
use crate::identity::difference::Fields;
use crate::identity::history::ServiceAccountRevision;
use crate::identity::name::{AccessKey, AccountId, Id, Name};
use crate::identity::random;
use crate::identity::rows::{Record, service_account_key};
use crate::identity::sealed::SecretKey;
use crate::identity::service_account::{PERMISSIONS_PER_SERVICE_ACCOUNT_MAX, ServiceAccount};
use crate::identity::snapshot::Snapshot;
use crate::identity::timestamp::{parse_timestamp, whole_seconds};
use crate::s3::receive::blocking;

/// What a list of service accounts can be sorted by.
pub(super) const SORTS: [&str; 5] = ["name", "description", "accessKey", "expirationDate", "createTime"];

/// `POST /service-accounts`
pub(super) async fn create(call: &Call) -> Result<Answer> {
    let body: wire::ServiceAccountBody = call.json()?;
    let name = body.name.as_deref().ok_or_else(|| Refusal::invalid("name", "is missing"))?;
    let wanted = body.permissions.as_deref().ok_or_else(|| Refusal::invalid("permissions", "is missing"))?;
    let generated = |error: std::io::Error| Refusal::internal(&error);
    let made = ServiceAccount {
        id: random::user_id().map_err(generated)?,
        account_id: call.account_id()?,
        name: Name::parse(name)?,
        access_key: match &body.access_key {
            Some(given) => AccessKey::parse(given)?,
            None => random::access_key().map_err(generated)?,
        },
        secret: match &body.secret {
            Some(given) => SecretKey::parse(given).map_err(|invalid| Refusal::invalid("secret", invalid.reason))?,
            None => random::secret_key().map_err(generated)?,
        },
        description: body.description.clone().flatten(),
        permissions: Vec::new(),
        enabled: body.enabled.unwrap_or(true),
        expires_at: expiry(body.expiration_date.as_ref())?.flatten(),
        created_by: None,
        revision: 1,
        created_at: call.time(),
        updated_at: call.time(),
    };
    if made.expires_at.is_some_and(|at| at <= call.time()) {
        return Err(Refusal::invalid("expirationDate", "is past: make it disabled instead"));
    }
    let make = |snapshot: &Snapshot| {
        let permissions = permission_ids(snapshot, &made.account_id, wanted)?;
        let made = ServiceAccount { permissions, ..made.clone() };
        Ok::<_, Refusal>((vec![Change::Put(Record::ServiceAccount(made))], ()))
    };
    call.change(make).await?;
    call.note_made(
        serde_json::json!({"id": made.id.as_str(), "name": made.name.as_str(), "accessKey": made.access_key.as_str()}),
    );
    let location = format!("/api/v1/service-accounts/{}", made.id);
    Ok(Answer::created(&credentials(&made))?.with(header::LOCATION, location))
}

/// `GET /service-accounts`
pub(super) async fn list(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?;
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let wanted = snapshot.service_accounts(account.as_str()).filter(|it| {
        listing.name.as_ref().is_none_or(|name| it.name.as_str() == name)
            && (listing.finds(&[
                it.name.as_str(),
                it.access_key.as_str(),
                it.description.as_deref().unwrap_or_default(),
            ]) || listing.finds_any(names_of_permissions(&snapshot, it)))
    });
    let rows = wanted.map(|it| {
        let key = match listing.sort {
            "description" => it.description.as_deref().unwrap_or_default().to_lowercase(),
            "accessKey" => it.access_key.to_string(),
            // Those that never expire come last.
            "expirationDate" => it.expires_at.map_or_else(|| "~".to_owned(), |at| at.to_string()),
            "createTime" => format!("{:.6}", it.created_at),
            _ => it.name.as_str().to_lowercase(),
        };
        Row { key, id: it.id.to_string(), item: it }
    });
    listing.answer(rows.collect(), |it| show(&snapshot, it, call.time()))
}

/// `GET /service-accounts/{id}`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    Ok(Answer::ok(&show(&snapshot, found, call.time()))?.with(header::ETAG, etag(found)))
}

/// `PUT /service-accounts/{id}`
pub(super) async fn update(call: &Call) -> Result<Answer> {
    let body: wire::ServiceAccountBody = call.json()?;
    if body.access_key.is_some() || body.secret.is_some() {
        let field = if body.access_key.is_some() { "accessKey" } else { "secret" };
        return Err(Refusal::invalid(field, "can't be changed: rotate the service account, or make another"));
    }
    let name = body.name.as_deref().map(Name::parse).transpose()?;
    let expires_at = expiry(body.expiration_date.as_ref())?;
    changed(call, |snapshot, existing| {
        let permissions = match &body.permissions {
            Some(wanted) => permission_ids(snapshot, &existing.account_id, wanted)?,
            None => existing.permissions.clone(),
        };
        let expires_at = expires_at.unwrap_or(existing.expires_at);
        require_expiry(call, existing, expires_at)?;
        Ok(ServiceAccount {
            name: name.clone().unwrap_or_else(|| existing.name.clone()),
            description: body.description.clone().unwrap_or_else(|| existing.description.clone()),
            permissions,
            enabled: body.enabled.unwrap_or(existing.enabled),
            expires_at,
            ..existing.clone()
        })
    })
    .await
}

/// Judges another expiry than it has: that of other people's keys is for those who administer people.
fn require_expiry(call: &Call, existing: &ServiceAccount, expires_at: Option<Timestamp>) -> Result<()> {
    if expires_at == existing.expires_at {
        return Ok(());
    }
    if existing.creator() != Some(call.caller()?.arn()) {
        call.require(Action::StrongroomUpdateUser).map_err(|mut refusal| {
            let rule = "Only who may change users may change the expiry of a service account that somebody else made.";
            refusal.message = format!("{rule} {}", refusal.message);
            refusal
        })?;
    }
    Ok(())
}

/// `GET /service-accounts/{id}/history`
pub(super) async fn history(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    let shown: Vec<wire::ServiceAccountRevision> = revisions(call, found)
        .await?
        .into_iter()
        .map(|it| {
            let permission = |id: String| Id::parse(&id).map_or(id, |id| reference(&snapshot, found, &id).name);
            wire::ServiceAccountRevision {
                revision: it.revision,
                time: it.time,
                by: it.by,
                changed: it.changed,
                name: it.name,
                access_key: it.access_key,
                description: it.description.unwrap_or_default(),
                permissions: it.permissions.into_iter().map(permission).collect(),
                enabled: it.enabled,
                expiration_date: it.expiration_date,
            }
        })
        .collect();
    Answer::ok(&shown)
}

/// `POST /service-accounts/{id}/revert`: description, permissions, status and expiry as they were; name, access key and secret stay.
pub(super) async fn revert(call: &Call) -> Result<Answer> {
    let wire::RevertBody { revision } = call.json()?;
    let snapshot = call.snapshot();
    let found = find(&snapshot, &call.account_id()?, call.name())?;
    let old = revisions(call, found).await?.into_iter().find(|it| it.revision == revision);
    let old = old.ok_or_else(|| Refusal::not_found("RevisionNotFound", "A revision was not found."))?;
    let permissions: Vec<Id> = old.permissions.iter().map(|id| Id::parse(id)).collect::<std::result::Result<_, _>>()?;
    let expires_at = old.expiration_date.as_deref().map(|text| parse_timestamp("expirationDate", text)).transpose()?;
    changed(call, |_, existing| {
        require_expiry(call, existing, expires_at)?;
        Ok(ServiceAccount {
            description: old.description.clone(),
            permissions: permissions.clone(),
            enabled: old.enabled,
            expires_at,
            ..existing.clone()
        })
    })
    .await
}

/// The versions of a service account, newest first.
async fn revisions(call: &Call, of: &ServiceAccount) -> Result<Vec<ServiceAccountRevision>> {
    let (identities, wanted) = (call.state.identities.clone(), of.clone());
    let revisions = blocking(move || identities.history(&wanted)).await?;
    revisions.map_err(|error| Refusal::internal(&error))
}

/// `DELETE /service-accounts/{id}`
pub(super) async fn delete(call: &Call) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        let gone = serde_json::json!({"id": existing.id.as_str(), "name": existing.name.as_str(), "accessKey": existing.access_key.as_str()});
        Ok::<_, Refusal>((vec![Change::Delete(service_account_key(existing))], gone))
    };
    let (_, gone) = call.change(make).await?;
    // Its key is like any unknown one from now on: whoever looks for it in the audit log finds whose it was.
    let _ = call.noted.set(gone);
    Ok(Answer::nothing())
}

/// `PUT /service-accounts/{id}/enabled`
pub(super) async fn enable(call: &Call) -> Result<Answer> {
    changed(call, |_, existing| {
        if existing.expires_at.is_some_and(|at| at <= call.time()) {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "ServiceAccountExpired",
                "The service account has expired. Couldn't enable the expired service.",
            ));
        }
        Ok(ServiceAccount { enabled: true, ..existing.clone() })
    })
    .await
}

/// `DELETE /service-accounts/{id}/enabled`: from now on the key answers like an unknown one.
pub(super) async fn disable(call: &Call) -> Result<Answer> {
    changed(call, |_, existing| Ok(ServiceAccount { enabled: false, ..existing.clone() })).await?;
    Ok(Answer::nothing())
}

/// `POST /service-accounts/{id}/rotate`: another secret under the same access key. The old one opens nothing any more.
pub(super) async fn rotate(call: &Call) -> Result<Answer> {
    let account = call.account_id()?;
    let secret = random::secret_key().map_err(|error| Refusal::internal(&error))?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        let next = ServiceAccount { secret: secret.clone(), updated_at: call.time(), ..existing.as_ref().clone() };
        Ok::<_, Refusal>((vec![Change::Put(Record::ServiceAccount(next.clone()))], next))
    };
    let (_, rotated) = call.change(make).await?;
    Answer::ok(&credentials(&rotated))
}

/// Changes a service account as `change` says, unless its caller has seen another version, and answers it.
async fn changed(call: &Call, change: impl Fn(&Snapshot, &ServiceAccount) -> Result<ServiceAccount>) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        let next = ServiceAccount { updated_at: call.time(), ..change(snapshot, existing)? };
        let id = next.id.clone();
        if Fields::of_service_accounts(existing, &next).is_empty() {
            return Ok((Vec::new(), id));
        }
        Ok::<_, Refusal>((vec![Change::Put(Record::ServiceAccount(next))], id))
    };
    let (snapshot, id) = call.change(make).await?;
    let found = find(&snapshot, &account, id.as_str())?;
    Ok(Answer::ok(&show(&snapshot, found, call.time()))?.with(header::ETAG, etag(found)))
}

/// The service account of this id or, where no id is such, of this name.
pub(super) fn find<'a>(snapshot: &'a Snapshot, account: &AccountId, name: &str) -> Result<&'a Arc<ServiceAccount>> {
    let by_id = Id::parse(name).ok().and_then(|id| snapshot.service_account_by_id(account.as_str(), &id));
    by_id.or_else(|| snapshot.service_account(account.as_str(), name)).ok_or_else(Refusal::service_account_not_found)
}

fn etag(service_account: &ServiceAccount) -> String {
    Record::ServiceAccount(service_account.clone()).etag()
}

/// The ids of permissions that are named by id or name.
fn permission_ids(snapshot: &Snapshot, account: &AccountId, wanted: &[String]) -> Result<Vec<Id>> {
    if !(1..=PERMISSIONS_PER_SERVICE_ACCOUNT_MAX).contains(&wanted.len()) {
        let reason = format!("must name 1 to {PERMISSIONS_PER_SERVICE_ACCOUNT_MAX} permissions");
        return Err(Refusal::invalid("permissions", reason));
    }
    let id = |name: &String| {
        let found = permissions::find(snapshot, account, name);
        let shown: String = name.chars().take(128).collect();
        let named = |refusal: Refusal| refusal.details(serde_json::json!({"permissions": [shown]}));
        found.map(|it| it.permission.id.clone()).map_err(named)
    };
    let ids: Vec<Id> = wanted.iter().map(id).collect::<Result<_>>()?;
    if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err(Refusal::invalid("permissions", "names a permission twice"));
    }
    Ok(ids)
}

/// What an expiration date says: not there, removed, or a time.
fn expiry(date: Option<&Option<String>>) -> Result<Option<Option<Timestamp>>> {
    let Some(date) = date else { return Ok(None) };
    let at = date.as_deref().map(|text| parse_timestamp("expirationDate", text)).transpose()?;
    Ok(Some(at.map(whole_seconds)))
}

fn credentials(made: &ServiceAccount) -> wire::Credentials {
    wire::Credentials {
        id: made.id.to_string(),
        access_key: made.access_key.to_string(),
        secret: made.secret.expose().to_owned(),
        expiration_date: made.expires_at.map(|at| at.to_string()),
    }
}

fn reference(snapshot: &Snapshot, of: &ServiceAccount, id: &Id) -> wire::Reference {
    let found = snapshot.permission_by_id(of.account_id.as_str(), id);
    // One that can't be read or was deleted is known by its id only.
    let name = found.map_or_else(|| id.to_string(), |it| it.permission.name.to_string());
    wire::Reference { id: id.to_string(), name }
}

/// The names of the permissions that a service account has, those that can be read.
fn names_of_permissions<'a>(snapshot: &'a Snapshot, of: &'a ServiceAccount) -> impl Iterator<Item = &'a str> {
    let found = of.permissions.iter().filter_map(|id| snapshot.permission_by_id(of.account_id.as_str(), id));
    found.map(|it| it.permission.name.as_str())
}

fn show(snapshot: &Snapshot, it: &ServiceAccount, now: Timestamp) -> wire::ServiceAccount {
    wire::ServiceAccount {
        id: it.id.to_string(),
        name: it.name.to_string(),
        description: it.description.clone().unwrap_or_default(),
        arn: it.arn(),
        access_key: it.access_key.to_string(),
        permissions: it.permissions.iter().map(|id| reference(snapshot, it, id)).collect(),
        ready_state: true,
        enabled: it.enabled,
        status: match (it.enabled, it.expires_at.is_some_and(|at| at <= now)) {
            (_, true) => "expired",
            (true, false) => "enabled",
            (false, false) => "disabled",
        },
        expiration_date: it.expires_at.map(|at| at.to_string()),
        created_by: it.creator().map(str::to_owned),
        create_time: format!("{:.3}", it.created_at),
        update_time: format!("{:.3}", it.updated_at),
    }
}
