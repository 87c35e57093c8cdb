//! Accounts: made and deleted by the operator's root and admins; everybody else's admins see and rename their own.

use std::sync::Arc;

use http::header;

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::page::{Listing, Row};
use super::permissions;
use super::wire;
use crate::identity::account::{Account, RootKey};
use crate::identity::change::Change;
use crate::identity::difference::Fields;
use crate::identity::name::{AccountId, CanonicalId, Name};
use crate::identity::random;
use crate::identity::rows::{Record, account_key};
use crate::identity::snapshot::Snapshot;

/// What a list of accounts can be sorted by.
pub(super) const SORTS: [&str; 2] = ["name", "createTime"];

/// `POST /accounts`: answers the key of the new account's root, which is told nowhere else.
pub(super) async fn create(call: &Call) -> Result<Answer> {
    require_operator(call)?;
    let body: wire::AccountBody = call.json()?;
    let name = body.name.as_deref().ok_or_else(|| Refusal::invalid("name", "is missing"))?;
    let generated = |error: std::io::Error| Refusal::internal(&error);
    let account = Account {
        account_id: match &body.account_id {
            Some(given) => AccountId::parse(given)?,
            None => random::account_id().map_err(generated)?,
        },
        canonical_id: match &body.canonical_id {
            Some(given) => CanonicalId::parse(given)?,
            None => random::canonical_id().map_err(generated)?,
        },
        name: Name::parse(name)?,
        display_name: body.display_name.clone().unwrap_or_else(|| name.to_owned()),
        email: body.email.clone().flatten(),
        operator: false,
        created_at: call.time(),
    };
    let root = RootKey {
        account_id: account.account_id.clone(),
        access_key: random::access_key().map_err(generated)?,
        secret: random::secret_key().map_err(generated)?,
    };
    let make = |snapshot: &Snapshot| {
        if snapshot.account(account.account_id.as_str()).is_some() {
            let message = "The account id is already in use. Please use a different one.";
            return Err(Refusal::conflict("AccountNameAlreadyExists", message));
        }
        let records = [Record::Account(account.clone()), Record::Root(root.clone())];
        Ok((records.map(Change::Put).to_vec(), ()))
    };
    call.change(make).await?;
    call.note_made(serde_json::json!({"id": account.account_id.as_str(), "name": account.name.as_str()}));
    let made = wire::NewAccount {
        account: show(&account),
        root: wire::Credentials {
            id: account.account_id.to_string(),
            access_key: root.access_key.to_string(),
            secret: root.secret.expose().to_owned(),
            expiration_date: None,
        },
    };
    Ok(Answer::created(&made)?.with(header::ETAG, etag(&account)))
}

/// `GET /accounts`: all for the operator, else the caller's own.
pub(super) async fn list(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?;
    let (snapshot, own) = (call.snapshot(), call.caller()?.account());
    let wanted = snapshot.accounts().filter(|it| {
        (own.operator || it.account_id == own.account_id)
            && listing.name.as_ref().is_none_or(|name| it.name.as_str() == name)
            && listing.finds(&[
                it.name.as_str(),
                it.account_id.as_str(),
                &it.display_name,
                it.email.as_deref().unwrap_or_default(),
            ])
    });
    let rows = wanted.map(|it| {
        let key = match listing.sort {
            "createTime" => format!("{:.6}", it.created_at),
            _ => it.name.as_str().to_lowercase(),
        };
        Row { key, id: it.account_id.to_string(), item: it }
    });
    listing.answer(rows.collect(), |it| show(it))
}

/// `GET /accounts/{id}`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    let snapshot = call.snapshot();
    let account = find(call, &snapshot)?;
    Ok(Answer::ok(&show(account))?.with(header::ETAG, etag(account)))
}

/// `PUT /accounts/{id}`
pub(super) async fn update(call: &Call) -> Result<Answer> {
    let body: wire::AccountBody = call.json()?;
    if body.account_id.is_some() || body.canonical_id.is_some() {
        let field = if body.account_id.is_some() { "accountId" } else { "canonicalId" };
        return Err(Refusal::invalid(field, "can't be changed"));
    }
    let name = body.name.as_deref().map(Name::parse).transpose()?;
    let make = |snapshot: &Snapshot| {
        let existing = find(call, snapshot)?;
        call.require_match(&etag(existing))?;
        let next = Account {
            name: name.clone().unwrap_or_else(|| existing.name.clone()),
            display_name: body.display_name.clone().unwrap_or_else(|| existing.display_name.clone()),
            email: body.email.clone().unwrap_or_else(|| existing.email.clone()),
            ..existing.as_ref().clone()
        };
        if Fields::of_accounts(existing, &next).is_empty() {
            return Ok((Vec::new(), next));
        }
        Ok::<_, Refusal>((vec![Change::Put(Record::Account(next.clone()))], next))
    };
    let (_, account) = call.change(make).await?;
    Ok(Answer::ok(&show(&account))?.with(header::ETAG, etag(&account)))
}

/// `DELETE /accounts/{id}`: with all that it has, unless that is buckets.
pub(super) async fn delete(call: &Call) -> Result<Answer> {
    require_operator(call)?;
    let make = |snapshot: &Snapshot| {
        let existing = find(call, snapshot)?;
        call.require_match(&etag(existing))?;
        let buckets = call.state.store.buckets();
        let owned: Vec<&str> =
            buckets.iter().filter(|it| it.owner == existing.account_id.as_str()).map(|it| &*it.name).collect();
        if !owned.is_empty() {
            let message = "The account owns buckets and can't be deleted: delete them first.";
            let owned = owned.get(..100).unwrap_or(&owned);
            return Err(Refusal::conflict("AccountNotEmpty", message).details(serde_json::json!({"buckets": owned})));
        }
        let permissions: Vec<_> = snapshot.permissions(existing.account_id.as_str()).cloned().collect();
        let mut gone = serde_json::to_value(show(existing)).unwrap_or_default();
        let (permissions, omitted) = permissions::audited(snapshot, &permissions);
        gone["permissions"] = permissions.into();
        gone["permissionsOmitted"] = omitted.into();
        Ok((vec![Change::Delete(account_key(existing))], gone))
    };
    let _alone = call.state.owners.write().await;
    // Nothing of it can be restored; the audit log keeps what was granted.
    let (_, gone) = call.change(make).await?;
    let _ = call.noted.set(gone);
    Ok(Answer::nothing())
}

/// The account of this id or name, as far as the caller may see it.
fn find<'a>(call: &Call, snapshot: &'a Snapshot) -> Result<&'a Arc<Account>> {
    let own = call.caller()?.account();
    let found = snapshot.account(call.name()).or_else(|| snapshot.account_by_name(call.name()));
    let seen = found.filter(|it| own.operator || it.account_id == own.account_id);
    seen.ok_or_else(Refusal::account_not_found)
}

fn require_operator(call: &Call) -> Result<()> {
    if call.caller()?.account().operator {
        return Ok(());
    }
    Err(Refusal::denied("Accounts are made and deleted by the operator's account only."))
}

fn etag(account: &Account) -> String {
    Record::Account(account.clone()).etag()
}

fn show(account: &Account) -> wire::Account {
    wire::Account {
        id: account.account_id.to_string(),
        name: account.name.to_string(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        canonical_id: account.canonical_id.to_string(),
        operator: account.operator,
        create_time: format!("{:.3}", account.created_at),
    }
}
