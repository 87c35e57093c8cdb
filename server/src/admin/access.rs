//! What a service account can do, and who can do what to a bucket: read from the policies themselves, not found out by trying.
//!
//! A statement with conditions may apply or not, so the answer has three parts: what is allowed whatever the circumstances, what is allowed in some, and the statements that say so.

use std::collections::HashSet;
use std::rc::Rc;

use engine::Bucket;
use policy::{MapContext, PolicyKind, Principal};

use super::answer::{Answer, Result};
use super::buckets;
use super::call::Call;
use super::effective::{Asker, Attached, Given, Reader, named_principals};
use super::page::{Listing, Row};
use super::service_accounts;
use super::simulate;
use super::wire;
use crate::bucket_policy::BucketPolicy;
use crate::identity::account::Account;
use crate::identity::credential::Identity;
use crate::identity::service_account::ServiceAccount;
use crate::identity::snapshot::Snapshot;
use crate::identity::user::Role;

/// Buckets that are looked at for one service account.
const BUCKETS_MAX: usize = 100;
/// Rows on a page of who can do what: each may take a policy of its own to be read.
const ROWS_MAX: usize = 100;
/// What a list of who can do what can be sorted by.
pub(super) const SORTS: [&str; 1] = ["name"];

/// `GET /service-accounts/{id}/access`
pub(super) async fn of_service_account(call: &Call) -> Result<Answer> {
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let found = service_accounts::find(&snapshot, &account, call.name())?;
    let (identity, status) = simulate::identity(&snapshot, found, call)?;
    let reader = Reader::default();
    let own = own(&reader, &identity)?;
    let mut context = MapContext::new();
    let principal = identity.principal();
    simulate::derive(&mut context, call, &principal, Some(&identity), account.as_str());
    let canonical_user = Some(identity.account.canonical_id.as_str());
    let asker = Asker { principal, canonical_user, context: &context };
    let mut shown = Vec::new();
    let all = call.state.store.buckets();
    let own_buckets = || all.iter().filter(|it| it.owner == account.as_str());
    for bucket in own_buckets().take(BUCKETS_MAX) {
        let mut policies = own.clone();
        if let Some(stored) = call.state.bucket_policies.of(bucket.id)? {
            policies.push(of_the_bucket(&reader, &stored, true, &HashSet::new())?);
        }
        let (allowed, conditional) = reader.allowed(&asker, bucket, &policies)?;
        shown.push(wire::BucketActions { bucket: bucket.name.to_string(), allowed, conditional });
    }
    Answer::ok(&wire::Access {
        service_account: wire::Reference { id: found.id.to_string(), name: found.name.to_string() },
        status,
        grants: own.iter().flat_map(|it| &it.statements).map(|it| it.grant.clone()).collect(),
        buckets: shown,
        bucket_count: own_buckets().count(),
    })
}

/// `GET /buckets/{name}/access`: a page of who can do what to it: at first who isn't a service account, then these.
pub(super) async fn of_bucket(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?.at_most(ROWS_MAX);
    let (snapshot, account, bucket) = (call.snapshot(), call.account()?, buckets::find(call)?);
    let reader = Reader::of_bucket(&bucket);
    let stored = call.state.bucket_policies.of(bucket.id)?;
    let read =
        |knows_caller| stored.as_ref().map(|it| of_the_bucket(&reader, it, knows_caller, &HashSet::new())).transpose();
    // Of callers that stand for many, nobody knows what follows from one.
    let (of_known, of_unknown) = (read(true)?, read(false)?);
    let question = Question { call, snapshot: &snapshot, bucket: &bucket, reader: &reader, stored: stored.as_deref() };
    let is_wanted = |name: &str| listing.finds(&[name]) && listing.name.as_deref().is_none_or(|wanted| wanted == name);
    let others = others(&snapshot, account, of_unknown.as_deref());
    let others = others.iter().enumerate().filter(|(_, it)| is_wanted(&it.name));
    let others = others.map(|(n, it)| {
        let item = Who::Other(question.other(it, of_known.as_ref(), of_unknown.as_ref())?);
        // No name begins with such a character, so these stand first.
        Ok(Row { key: format!("\u{1}{n:06}"), id: it.id.clone(), item })
    });
    let mut rows = others.collect::<Result<Vec<_>>>()?;
    let own = snapshot.service_accounts(account.account_id.as_str());
    let own = own.filter(|it| is_wanted(it.name.as_str()));
    rows.extend(own.map(|it| Row {
        key: it.name.as_str().to_lowercase(),
        id: it.id.to_string(),
        item: Who::ServiceAccount(it),
    }));
    listing.answer(rows, |who| match who {
        // One whose permissions can't be read is refused with all its requests.
        Who::ServiceAccount(it) => question.service_account(it, of_known.as_ref()).unwrap_or_else(|_| nothing(it)),
        Who::Other(it) => it.clone(),
    })
}

fn own(reader: &Reader, identity: &Identity) -> Result<Vec<Rc<Attached>>> {
    let permissions = identity.permissions().iter().map(|it| {
        let (name, role) = (it.name.as_str(), PolicyKind::Identity);
        reader.attached(
            &it.policy,
            &Given { name, role, enabled: it.enabled, knows_caller: true, stands_for: &HashSet::new() },
        )
    });
    permissions.collect()
}

fn of_the_bucket(
    reader: &Reader,
    stored: &BucketPolicy,
    knows_caller: bool,
    stands_for: &HashSet<String>,
) -> Result<Rc<Attached>> {
    let given = Given { name: "bucket policy", role: PolicyKind::Bucket, enabled: true, knows_caller, stands_for };
    Ok(Rc::new(reader.read(&stored.policy, &given)?))
}

/// Somebody that can be asked about.
enum Who<'a> {
    ServiceAccount(&'a ServiceAccount),
    Other(wire::BucketAccess),
}

/// Somebody who isn't a service account.
struct Other {
    kind: &'static str,
    id: String,
    name: String,
    caller: Caller,
    canonical_user: Option<String>,
    role: Option<Role>,
}

/// What decisions see them as.
enum Caller {
    Anonymous,
    Root(String),
    User { account: String, arn: String },
    Session { account: String, arn: String },
}

impl Caller {
    fn principal(&self) -> Principal<'_> {
        match self {
            Caller::Anonymous => Principal::Anonymous,
            Caller::Root(account) => Principal::Root { account },
            Caller::User { account, arn } => Principal::User { account, name: "", arn },
            Caller::Session { account, arn } => match arn.contains(":assumed-role/") {
                true => Principal::Session { account, role_arn: "", session_arn: arn },
                false => Principal::Session { account, role_arn: arn, session_arn: "" },
            },
        }
    }
}

/// Anyone, root, each role, and whom the bucket's policy names beyond the service accounts.
fn others(snapshot: &Snapshot, account: &Account, bucket_policy: Option<&Attached>) -> Vec<Other> {
    let own = account.account_id.as_str();
    let canonical_user = Some(account.canonical_id.as_str().to_owned());
    let root = account.root_arn();
    let mut others = vec![
        Other {
            kind: "anyone",
            id: "anyone".to_owned(),
            name: "anyone".to_owned(),
            caller: Caller::Anonymous,
            canonical_user: None,
            role: None,
        },
        Other {
            kind: "root",
            id: root,
            name: "root".to_owned(),
            caller: Caller::Root(own.to_owned()),
            canonical_user: canonical_user.clone(),
            role: None,
        },
    ];
    others.extend(Role::ALL.map(|role| Other {
        kind: "role",
        id: format!("role/{}", role.as_str()),
        name: format!("users with the role {}", role.as_str()),
        caller: Caller::User { account: own.to_owned(), arn: String::new() },
        canonical_user: canonical_user.clone(),
        role: Some(role),
    }));
    let statements = bucket_policy.into_iter().flat_map(|it| &it.statements);
    let named = statements.filter(|it| it.grant.effect == "Allow").filter_map(|it| it.grant.principal.as_ref());
    for text in named.filter(|it| it.get("not").is_none()).flat_map(named_principals) {
        if let Some(other) = named_other(snapshot, account, text).filter(|it| others.iter().all(|o| o.id != it.id)) {
            others.push(other);
        }
    }
    others
}

/// Whom a bucket policy names by a text; `None` of those who are told otherwise, and of names that nobody here has.
fn named_other(snapshot: &Snapshot, own: &Account, text: &str) -> Option<Other> {
    let of_account = |id: &str| {
        let canonical_user = snapshot.account(id).map(|it| it.canonical_id.as_str().to_owned());
        let (name, caller) = (format!("account {id}"), Caller::Root(id.to_owned()));
        (id != own.account_id.as_str()).then(|| Other {
            kind: "account",
            id: id.to_owned(),
            name,
            caller,
            canonical_user,
            role: None,
        })
    };
    if text == "*" {
        return None;
    }
    let Some((service, account, tail)) = arn_parts(text) else {
        let is_id = text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit());
        if is_id {
            return of_account(text);
        }
        // The names of services have dots; canonical ids have none.
        let is_canonical = !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric());
        return match snapshot.account_by_canonical_id(text) {
            Some(account) => of_account(account.account_id.as_str()),
            None => is_canonical.then(|| Other {
                kind: "account",
                id: text.to_owned(),
                name: format!("account {text}"),
                caller: Caller::Root(String::new()),
                canonical_user: Some(text.to_owned()),
                role: None,
            }),
        };
    };
    if tail == "root" {
        return of_account(account);
    }
    let is_own = account == own.account_id.as_str();
    // Of the own account's, service accounts have rows of their own, and there are no roles.
    let user = tail.strip_prefix("user/console/").and_then(|name| snapshot.user(account, name));
    if is_own && user.is_none() {
        return None;
    }
    let (account, arn) = (account.to_owned(), text.to_owned());
    let caller = match (service, tail.split('/').next()) {
        ("iam", Some("user")) => Caller::User { account, arn },
        ("iam", Some("role")) | ("sts", Some("assumed-role")) => Caller::Session { account, arn },
        _ => return None,
    };
    let role = user.filter(|_| is_own).map(|it| it.role);
    let canonical_user = is_own.then(|| own.canonical_id.as_str().to_owned());
    Some(Other { kind: "principal", id: text.to_owned(), name: text.to_owned(), caller, canonical_user, role })
}

/// Service, account and what follows of an ARN.
fn arn_parts(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':').skip(1);
    let (service, _region) = (parts.next()?, parts.next()?);
    Some((service, parts.next()?, parts.next()?))
}

/// What is asked about each.
struct Question<'a> {
    call: &'a Call,
    snapshot: &'a Snapshot,
    bucket: &'a Bucket,
    reader: &'a Reader,
    stored: Option<&'a BucketPolicy>,
}

impl Question<'_> {
    fn service_account(&self, it: &ServiceAccount, of_bucket: Option<&Rc<Attached>>) -> Result<wire::BucketAccess> {
        let (identity, status) = simulate::identity(self.snapshot, it, self.call)?;
        let mut policies = own(self.reader, &identity)?;
        policies.extend(of_bucket.cloned());
        let mut context = MapContext::new();
        let principal = identity.principal();
        simulate::derive(&mut context, self.call, &principal, Some(&identity), &self.bucket.owner);
        let canonical_user = Some(identity.account.canonical_id.as_str());
        let asker = Asker { principal, canonical_user, context: &context };
        let (allowed, conditional) = self.reader.allowed(&asker, self.bucket, &policies)?;
        let statements = policies.iter().flat_map(|it| &it.statements);
        let grants =
            statements.filter(|it| it.bears_on(self.bucket, &asker, &HashSet::new())).map(|it| it.grant.clone());
        Ok(wire::BucketAccess {
            kind: "service-account",
            id: it.id.to_string(),
            name: it.name.to_string(),
            status,
            allowed,
            conditional,
            grants: grants.collect(),
        })
    }

    fn other(
        &self,
        it: &Other,
        of_known: Option<&Rc<Attached>>,
        of_unknown: Option<&Rc<Attached>>,
    ) -> Result<wire::BucketAccess> {
        let principal = it.caller.principal();
        let mut context = MapContext::new();
        // What follows from root is the same for all of its requests.
        let of_bucket = if it.kind == "root" {
            simulate::derive(&mut context, self.call, &principal, None, &self.bucket.owner);
            of_known
        } else {
            of_unknown
        };
        let users = self.users(it);
        // What names some of them in person is read for them.
        let of_users = match self.stored.filter(|_| !users.is_empty()) {
            Some(stored) => Some(of_the_bucket(self.reader, stored, false, &users)?),
            None => of_bucket.cloned(),
        };
        let mut policies: Vec<Rc<Attached>> = of_users.into_iter().collect();
        if let Some(role) = it.role {
            let (name, policy) = (role.as_str(), role.policy());
            let role = PolicyKind::Identity;
            policies.push(self.reader.attached(
                policy,
                &Given { name, role, enabled: true, knows_caller: true, stands_for: &HashSet::new() },
            )?);
        }
        let canonical_user = it.canonical_user.as_deref();
        let asker = Asker { principal, canonical_user, context: &context };
        let (allowed, conditional) = self.reader.allowed(&asker, self.bucket, &policies)?;
        let statements = policies.iter().flat_map(|it| &it.statements);
        let grants = statements.filter(|it| it.bears_on(self.bucket, &asker, &users)).map(|it| it.grant.clone());
        Ok(wire::BucketAccess {
            kind: it.kind,
            id: it.id.clone(),
            name: it.name.clone(),
            status: "enabled",
            allowed,
            conditional,
            grants: grants.collect(),
        })
    }
}

impl Question<'_> {
    /// The ARNs of the users for whom a row stands.
    fn users(&self, it: &Other) -> HashSet<String> {
        let role = it.role.filter(|_| it.kind == "role");
        let of_account = role.into_iter().flat_map(|_| self.snapshot.users(&self.bucket.owner));
        of_account.filter(|user| Some(user.role) == role).map(|user| user.arn()).collect()
    }
}

/// What somebody can do whose permissions can't be read.
fn nothing(it: &ServiceAccount) -> wire::BucketAccess {
    wire::BucketAccess {
        kind: "service-account",
        id: it.id.to_string(),
        name: it.name.to_string(),
        status: "damaged",
        allowed: Vec::new(),
        conditional: Vec::new(),
        grants: Vec::new(),
    }
}
