//! Who makes an admin call: bound to an identity of this moment, whatever it was signed in with.
//!
//! A token, a cookie and a signature all end here, as a name under which the one judge is asked. A session that was begun under another secret or password than the one of now is nobody's.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use policy::{Action, AttachedPolicy, ConditionKey, Context, KnownKey, Lookup, Principal, Resource, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answer::{Claimant, Refusal, Result};
use super::route::BASE;
use crate::access::authenticate as access;
use crate::audit::UserIdentity;
use crate::auth::{self, Claim, PayloadAuth, RequestHead};
use crate::identity::account::Account;
use crate::identity::credential::{AttachedPermission, Identity};
use crate::identity::snapshot::Snapshot;
use crate::identity::user::User;
use crate::protocol::request::Peer;
use crate::sign_in::{Kind, Session, SignedIn};
use crate::state::State;

/// The cookie of a console session.
pub(super) const SESSION_COOKIE: &str = "strongroom_session";
/// The header with a cookie session's second token.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Who calls, verified.
#[derive(Debug)]
pub(super) struct Caller {
    who: Who,
    account: Arc<Account>,
    arn: String,
    /// The token that was sent, and its session.
    session: Option<(String, Session)>,
    /// What the signature says that the body hashes to.
    body_sha256: Option<[u8; 32]>,
}

/// The kinds of callers.
#[derive(Debug)]
enum Who {
    /// The node's own user, over the local socket: the root of the operator's account.
    Local,
    /// Root or a service account.
    Key(Arc<Identity>),
    /// A user.
    User(Arc<User>),
}

/// How a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Over the local socket, by the node's own user or root.
    Local,
    /// Over the console listener, by anybody.
    Network,
}

impl Caller {
    /// Finds who calls; `None` when the call carries no credentials at all. `body_sha256` is of the body where it was read before.
    ///
    /// # Errors
    /// The credentials are no good; which of their parts is told to the log only.
    pub(super) fn of(
        state: &State,
        snapshot: &Snapshot,
        door: Door,
        head: &Parts,
        body_sha256: Option<&str>,
        now: i64,
    ) -> Result<Option<Caller>> {
        if door == Door::Local {
            let operator = snapshot.operator().ok_or_else(|| {
                Refusal::conflict("OperatorAccount", "The operator's account is not there or can't be read.")
            })?;
            return Ok(Some(Caller::new(Who::Local, operator.clone(), operator.root_arn())));
        }
        if let Some(token) = bearer(head) {
            let session = session(state, token, Kind::Bearer, now)?;
            return Caller::of_running_session(state, snapshot, token, session, now).map(Some);
        }
        if head.headers.contains_key(header::AUTHORIZATION) {
            return Caller::of_signature(state, snapshot, head, body_sha256, now).map(Some);
        }
        let Some(token) = cookie(head) else { return Ok(None) };
        let session = session(state, token, Kind::Cookie, now)?;
        let changes = !matches!(head.method, Method::GET | Method::HEAD);
        let csrf = head.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if changes && !session.has_csrf_token(csrf) {
            return Err(Refusal::denied(format!("The header {CSRF_HEADER} doesn't hold the session's token.")));
        }
        Caller::of_running_session(state, snapshot, token, session, now).map(Some)
    }

    /// The caller of a session; where they are shut out it ends, whoever lets them in again.
    fn of_running_session(
        state: &State,
        snapshot: &Snapshot,
        token: &str,
        session: Session,
        now: i64,
    ) -> Result<Caller> {
        Caller::of_session(snapshot, token, session, now).inspect_err(|_| state.sign_ins.sessions.end(token))
    }

    fn new(who: Who, account: Arc<Account>, arn: String) -> Caller {
        Caller { who, account, arn, session: None, body_sha256: None }
    }

    /// The caller of a session that was just begun.
    pub(super) fn of_new_session(snapshot: &Snapshot, token: &str, session: Session, now: i64) -> Result<Caller> {
        Caller::of_session(snapshot, token, session, now)
    }

    fn of_session(snapshot: &Snapshot, token: &str, session: Session, now: i64) -> Result<Caller> {
        let mut caller = match &session.signed_in {
            SignedIn::Key { access_key, fingerprint } => {
                let found = snapshot.credential(access_key.as_str(), at(now)).ok();
                let same = found.filter(|it| bool::from(it.secret.fingerprint().ct_eq(fingerprint)));
                Caller::of_identity(same.ok_or_else(invalid_token)?.clone())
            }
            SignedIn::User { account, name, password } => {
                let user = snapshot.user(account.as_str(), name.as_str());
                let user = user.filter(|it| it.enabled && it.password == *password).ok_or_else(invalid_token)?;
                let account = snapshot.account(account.as_str()).ok_or_else(invalid_token)?;
                Caller::new(Who::User(user.clone()), account.clone(), user.arn())
            }
        };
        caller.session = Some((token.to_owned(), session));
        Ok(caller)
    }

    fn of_signature(
        state: &State,
        snapshot: &Snapshot,
        head: &Parts,
        body_sha256: Option<&str>,
        now: i64,
    ) -> Result<Caller> {
        let claim = RequestHead {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            host_bucket: None,
            body_sha256,
            // Below objects the path is S3's, and keys may hold percent signs.
            path_twice: !head.uri.path().contains("/objects/"),
        };
        let refused = |error: auth::AuthError| {
            tracing::debug!(code = error.code().as_str(), "a signed admin call was refused");
            Refusal::new(
                StatusCode::FORBIDDEN,
                "AuthenticationFailed",
                format!("Authentication failed. {}", error.message()),
            )
        };
        let unparsed = |error: auth::AuthError| {
            let cause = error.message().to_owned();
            refused(error).because(cause)
        };
        let Claim::Signed(claim) = auth::parse(claim, &state.admin_auth, now).map_err(unparsed)? else {
            return Err(invalid_token());
        };
        let access_key = claim.access_key().to_owned();
        let claimed = |mut refusal: Refusal, cause: String| {
            let holder = snapshot.holder(&access_key);
            refusal.claimant = Some(Claimant::Key { access_key: access_key.clone(), holder });
            refusal.because(cause)
        };
        let identity = match snapshot.credential(&access_key, at(now)) {
            Ok(identity) => identity.clone(),
            Err(refusal) => return Err(claimed(refused(claim.unknown_access_key()), refusal.to_string())),
        };
        let authenticated = claim.verify(&identity.secret, None, &state.signing_keys);
        let authenticated = authenticated.map_err(|error| {
            let cause = error.message().to_owned();
            claimed(refused(error), cause)
        })?;
        let PayloadAuth::Sha256(hash) = authenticated.into_payload() else {
            return Err(Refusal::denied(
                "The signature must cover the body: send its SHA-256 in x-amz-content-sha256.",
            ));
        };
        Ok(Caller { body_sha256: Some(hash), ..Caller::of_identity(identity) })
    }

    fn of_identity(identity: Arc<Identity>) -> Caller {
        let (account, arn) = (identity.account.clone(), identity.arn.clone());
        Caller::new(Who::Key(identity), account, arn)
    }

    /// Refuses a body that isn't the one that was signed.
    pub(super) fn check_body(&self, body: &[u8]) -> Result<()> {
        match self.body_sha256 {
            Some(signed) if !bool::from(signed.ct_eq(Sha256::digest(body).as_slice())) => {
                Err(Refusal::denied("The body is not the one that was signed."))
            }
            _ => Ok(()),
        }
    }

    /// The caller as S3's handlers know them, and how their body is to be checked.
    pub(super) fn into_s3(self) -> (access::Caller, PayloadAuth) {
        let auth = self.body_sha256.map_or(PayloadAuth::Unsigned, PayloadAuth::Sha256);
        let signed_in = |user| access::SignedIn { account: self.account, arn: self.arn, user };
        let caller = match self.who {
            Who::Key(identity) => access::Caller::of_identity(identity),
            Who::Local => access::Caller::of_signed_in(signed_in(None)),
            Who::User(user) => access::Caller::of_signed_in(signed_in(Some((user.name.clone(), user.role)))),
        };
        (caller, auth)
    }

    /// The account that they belong to.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Their ARN, under which histories and the audit know them.
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// Who it is, as the audit log has it.
    pub(super) fn audited(&self) -> UserIdentity<'_> {
        let account_id = Some(self.account.account_id.as_str());
        match &self.who {
            Who::Key(identity) => identity.audited(),
            Who::Local => UserIdentity { kind: "Root", arn: Some(&self.arn), account_id, ..UserIdentity::default() },
            Who::User(user) => UserIdentity {
                kind: "ConsoleUser",
                arn: Some(&self.arn),
                account_id,
                user_name: Some(user.name.as_str()),
                ..UserIdentity::default()
            },
        }
    }

    /// `root`, or the name of the service account or user.
    pub(super) fn name(&self) -> &str {
        match &self.who {
            Who::Local => "root",
            Who::Key(identity) => identity.name(),
            Who::User(user) => user.name.as_str(),
        }
    }

    /// `root`, `service-account` or `user`.
    pub(super) fn kind(&self) -> &'static str {
        match &self.who {
            Who::Key(identity) if !identity.is_root() => "service-account",
            Who::Local | Who::Key(_) => "root",
            Who::User(_) => "user",
        }
    }

    /// The user, where one calls.
    pub(super) fn user(&self) -> Option<&Arc<User>> {
        match &self.who {
            Who::User(user) => Some(user),
            Who::Local | Who::Key(_) => None,
        }
    }

    /// The token that was sent, and its session.
    pub(super) fn session(&self) -> Option<&(String, Session)> {
        self.session.as_ref()
    }

    /// What policies see them as.
    pub(super) fn principal(&self) -> Principal<'_> {
        match &self.who {
            Who::Local => Principal::Root { account: self.account.account_id.as_str() },
            Who::Key(identity) => identity.principal(),
            Who::User(user) => {
                Principal::User { account: self.account.account_id.as_str(), name: user.name.as_str(), arn: &self.arn }
            }
        }
    }

    /// The policies that speak for them: permissions, or their role.
    pub(super) fn policies(&self) -> impl Iterator<Item = AttachedPolicy<'_>> {
        let (permissions, role): (&[AttachedPermission], _) = match &self.who {
            Who::Local => (&[], None),
            Who::Key(identity) => (identity.permissions(), None),
            Who::User(user) => (&[], Some(user.role)),
        };
        permissions
            .iter()
            .map(AttachedPermission::attached)
            .chain(role.map(|role| AttachedPolicy::new(role.policy(), role.as_str())))
    }

    /// Judges an action of the caller's on their own account.
    ///
    /// # Errors
    /// No policy of theirs allows it, or one denies it.
    pub(super) fn require(&self, circumstances: &Circumstances<'_>, action: Action) -> Result<()> {
        let facts = Facts { caller: self, circumstances, account: self.account.account_id.as_str() };
        let request = policy::Request {
            principal: self.principal(),
            action,
            resource: Resource::Service { account: self.account.account_id.as_str() },
            context: &facts,
            canonical_user: Some(self.account.canonical_id.as_str()),
        };
        let decision = policy::decide(self.policies(), &request);
        if decision.is_allowed() {
            return Ok(());
        }
        // The call is what is asked for, as the audit log has it.
        let below = circumstances.head.uri.path().trim_start_matches(BASE).trim_start_matches('/');
        let because = match decision.outcome {
            policy::Outcome::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
            _ => format!("because no identity-based policy allows the {action} action"),
        };
        Err(Refusal::denied(format!(
            "User: {} is not authorized to perform: {action} on resource: \"arn:strongroom:::{below}\" {because}",
            request.principal
        )))
    }

    /// Whether an action on a bucket would be denied explicitly if it had this policy.
    pub(super) fn is_denied_by(
        &self,
        circumstances: &Circumstances<'_>,
        action: Action,
        bucket: &engine::Bucket,
        candidate: &policy::Policy,
    ) -> bool {
        let facts = Facts { caller: self, circumstances, account: &bucket.owner };
        let request = policy::Request {
            principal: self.principal(),
            action,
            resource: Resource::Bucket { account: &bucket.owner, bucket: &bucket.name },
            context: &facts,
            canonical_user: Some(self.account.canonical_id.as_str()),
        };
        let policies = self.policies().chain([AttachedPolicy::new(candidate, "bucket policy")]);
        policy::decide(policies, &request).outcome == policy::Outcome::ExplicitDeny
    }
}

/// What is known of a call beside its caller.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) state: &'a State,
    pub(super) head: &'a Parts,
    pub(super) peer: &'a Peer,
    pub(super) now: i64,
}

/// The facts that conditions on `strongroom:*` actions can ask for: those of every request. A service's own keys belong to S3.
struct Facts<'a> {
    caller: &'a Caller,
    circumstances: &'a Circumstances<'a>,
    account: &'a str,
}

impl Context for Facts<'_> {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        let Circumstances { state, head, peer, now } = *self.circumstances;
        let network = || state.config.network_of(peer.address);
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(key) = key.known() else { return Lookup::Absent };
        match key {
            KnownKey::SourceIp => Lookup::One(Value::Address(peer.address)),
            KnownKey::SourceVpc => text(network().map(|network| network.vpc.as_str())),
            KnownKey::SourceVpce => text(network().and_then(|network| network.vpce.as_deref())),
            KnownKey::SecureTransport => Lookup::One(Value::Boolean(peer.secure)),
            KnownKey::CurrentTime | KnownKey::EpochTime => Lookup::One(Value::Seconds(now)),
            KnownKey::UserAgent => text(header(header::USER_AGENT)),
            KnownKey::Referer => text(header(header::REFERER)),
            KnownKey::ViaAwsService | KnownKey::PrincipalIsAwsService => Lookup::One(Value::Boolean(false)),
            KnownKey::RequestedRegion => text(Some(state.config.region.as_str())),
            KnownKey::PrincipalAccount | KnownKey::ResourceAccount => text(Some(self.account)),
            KnownKey::PrincipalArn => text(Some(self.caller.arn())),
            KnownKey::PrincipalType => {
                text(Some(if matches!(self.caller.principal(), Principal::Root { .. }) { "Account" } else { "User" }))
            }
            KnownKey::UserId => match &self.caller.who {
                Who::Local => text(Some(self.account)),
                Who::Key(identity) => text(Some(identity.user_id.as_str())),
                // Users have names only.
                Who::User(_) => Lookup::Absent,
            },
            KnownKey::Username => match self.caller.principal() {
                Principal::User { name, .. } => text(Some(name)),
                _ => Lookup::Absent,
            },
            _ => Lookup::Absent,
        }
    }
}

fn text(value: Option<&str>) -> Lookup<'_> {
    value.map_or(Lookup::Absent, |value| Lookup::One(Value::String(Cow::Borrowed(value))))
}

fn bearer(head: &Parts) -> Option<&str> {
    let value = head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    // A variable that isn't set leaves the scheme alone: a token that nobody has.
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The session cookie's token. Two such cookies name nobody: which of them is the console's can't be told.
fn cookie(head: &Parts) -> Option<&str> {
    let headers = head.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut tokens = pairs.filter(|(name, _)| *name == SESSION_COOKIE).map(|(_, token)| token);
    tokens.next().filter(|_| tokens.next().is_none())
}

fn session(state: &State, token: &str, kind: Kind, now: i64) -> Result<Session> {
    match state.sign_ins.sessions.find(token, kind, now) {
        Some(Ok(session)) => Ok(session),
        Some(Err(_)) => Err(unauthorized("ExpiredToken", "Token expired.")),
        None => Err(invalid_token()),
    }
}

fn invalid_token() -> Refusal {
    unauthorized("InvalidToken", "Token is not valid.")
}

/// The refusal of a call that carries no credentials.
pub(super) fn not_signed_in() -> Refusal {
    unauthorized(
        "InvalidToken",
        "Sign in first: POST /api/v1/auth/token answers a token for the header Authorization: Bearer.",
    )
}

fn unauthorized(code: &'static str, message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, code, message).with(header::WWW_AUTHENTICATE, "Bearer")
}

fn at(now: i64) -> Timestamp {
    Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH)
}
