//! Users: people with a role. Their passwords are hashed on threads that may wait, never where requests are served.

use std::sync::Arc;

use http::header;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::page::{Listing, Row};
use super::password;
use super::wire;
use crate::identity::change::Change;
use crate::identity::difference::Fields;
use crate::identity::history::UserRevision;
use crate::identity::name::{AccountId, Name};
use crate::identity::random;
use crate::identity::rows::{Record, user_key};
use crate::identity::snapshot::Snapshot;
use crate::identity::user::{Password, PasswordHash, Role, User};
use crate::s3::receive::blocking;

/// What a list of users can be sorted by.
pub(super) const SORTS: [&str; 3] = ["name", "role", "createTime"];

/// `POST /users`
pub(super) async fn create(call: &Call) -> Result<Answer> {
    let body: wire::UserBody = call.json()?;
    let name = body.name.as_deref().ok_or_else(|| Refusal::invalid("name", "is missing"))?;
    let role = body.role.as_deref().ok_or_else(|| Refusal::invalid("role", "is missing"))?;
    let (name, role) = (Name::parse(name)?, Role::parse(role)?);
    let user = User {
        account_id: call.account_id()?,
        name,
        role,
        password: hashed(body.password.as_deref()).await?,
        enabled: body.enabled.unwrap_or(true),
        created_by: None,
        revision: 1,
        created_at: call.time(),
        updated_at: call.time(),
    };
    let make = |snapshot: &Snapshot| {
        if snapshot.user(user.account_id.as_str(), user.name.as_str()).is_some() {
            let message = "The user name is already in use. Please use a different name.";
            return Err(Refusal::conflict("UserNameAlreadyExists", message));
        }
        Ok((vec![Change::Put(Record::User(user.clone()))], ()))
    };
    call.change(make).await?;
    call.note_made(serde_json::json!({"name": user.name.as_str(), "role": user.role.as_str()}));
    Ok(Answer::created(&show(&user))?.with(header::ETAG, etag(&user)))
}

/// `GET /users`
pub(super) async fn list(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?;
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let wanted = snapshot.users(account.as_str()).filter(|it| {
        listing.name.as_ref().is_none_or(|name| it.name.as_str() == name)
            && listing.finds(&[it.name.as_str(), it.role.as_str()])
    });
    let rows = wanted.map(|it| {
        let key = match listing.sort {
            "role" => it.role.as_str().to_owned(),
            "createTime" => format!("{:.6}", it.created_at),
            _ => it.name.as_str().to_lowercase(),
        };
        Row { key, id: it.name.to_string(), item: it }
    });
    listing.answer(rows.collect(), |it| show(it))
}

/// `GET /users/{id}`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let user = find(&snapshot, &call.account_id()?, call.name())?;
    Ok(Answer::ok(&show(user))?.with(header::ETAG, etag(user)))
}

/// `PUT /users/{id}`: with another password, or disabled, the user's sessions end.
pub(super) async fn update(call: &Call) -> Result<Answer> {
    let body: wire::UserBody = call.json()?;
    if body.name.as_ref().is_some_and(|name| name != call.name()) {
        return Err(Refusal::invalid("name", "can't be changed: make another user"));
    }
    let role = body.role.as_deref().map(Role::parse).transpose()?;
    let password = match &body.password {
        Some(password) => Some(hashed(Some(password)).await?),
        None => None,
    };
    changed(call, |existing| User {
        role: role.unwrap_or(existing.role),
        password: password.clone().unwrap_or_else(|| existing.password.clone()),
        enabled: body.enabled.unwrap_or(existing.enabled),
        ..existing.clone()
    })
    .await
}

/// Changes a user as `change` says, unless the caller has seen another version, and answers them.
async fn changed(call: &Call, change: impl Fn(&User) -> User) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        let next = User { updated_at: call.time(), ..change(existing) };
        if Fields::of_users(existing, &next).is_empty() {
            return Ok((Vec::new(), ()));
        }
        Ok((vec![Change::Put(Record::User(next))], ()))
    };
    let (snapshot, ()) = call.change(make).await?;
    let user = find(&snapshot, &account, call.name())?;
    Ok(Answer::ok(&show(user))?.with(header::ETAG, etag(user)))
}

/// `GET /users/{id}/history`
pub(super) async fn history(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let user = find(&snapshot, &call.account_id()?, call.name())?;
    let show = |it: UserRevision| wire::UserRevision {
        revision: it.revision,
        time: it.time,
        by: it.by,
        changed: it.changed,
        role: it.role,
        enabled: it.enabled,
    };
    let shown: Vec<wire::UserRevision> = revisions(call, user).await?.into_iter().map(show).collect();
    Answer::ok(&shown)
}

/// `POST /users/{id}/revert`: role and status as they were. The password stays: an older one may be known to somebody who was shut out by the newer.
pub(super) async fn revert(call: &Call) -> Result<Answer> {
    let wire::RevertBody { revision } = call.json()?;
    let snapshot = call.snapshot();
    let user = find(&snapshot, &call.account_id()?, call.name())?;
    let old = revisions(call, user).await?.into_iter().find(|it| it.revision == revision);
    let old = old.ok_or_else(|| Refusal::not_found("RevisionNotFound", "A revision was not found."))?;
    let role = Role::parse(&old.role)?;
    changed(call, |existing| User { role, enabled: old.enabled, ..existing.clone() }).await
}

/// The versions of a user, newest first.
async fn revisions(call: &Call, of: &User) -> Result<Vec<UserRevision>> {
    let (identities, wanted) = (call.state.identities.clone(), of.clone());
    let revisions = blocking(move || identities.history(&wanted)).await?;
    revisions.map_err(|error| Refusal::internal(&error))
}

/// `DELETE /users/{id}`
pub(super) async fn delete(call: &Call) -> Result<Answer> {
    let account = call.account_id()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(snapshot, &account, call.name())?;
        call.require_match(&etag(existing))?;
        Ok::<_, Refusal>((vec![Change::Delete(user_key(existing))], ()))
    };
    call.change(make).await?;
    Ok(Answer::nothing())
}

/// The hash of a password, or of a random one that nobody knows, so that only a link lets in who has none.
async fn hashed(password: Option<&str>) -> Result<PasswordHash> {
    let password = match password {
        Some(text) => Password::parse(text)?,
        None => {
            let random = random::secret_key().map_err(|error| Refusal::internal(&error))?;
            Password::parse(random.expose())?
        }
    };
    password::hash(password).await
}

fn find<'a>(snapshot: &'a Snapshot, account: &AccountId, name: &str) -> Result<&'a Arc<User>> {
    snapshot.user(account.as_str(), name).ok_or_else(Refusal::user_not_found)
}

fn etag(user: &User) -> String {
    Record::User(user.clone()).etag()
}

fn show(user: &User) -> wire::User {
    wire::User {
        id: user.name.to_string(),
        name: user.name.to_string(),
        role: user.role.as_str(),
        enabled: user.enabled,
        create_time: format!("{:.3}", user.created_at),
        update_time: format!("{:.3}", user.updated_at),
    }
}
