//! Binds a verified signature, or a session of the console, to an identity of this node: the only place that makes a [`Caller`].

use std::sync::Arc;

use engine::Health;
use jiff::Timestamp;
use policy::{AttachedPolicy, Principal, ScopeQuery};

use crate::audit::UserIdentity;
use crate::auth::{self, AuthError, Authenticated, ChunkError, Claim, PayloadAuth, RequestHead, Scheme};
use crate::identity::account::Account;
use crate::identity::credential::Identity;
use crate::identity::name::Name;
use crate::identity::snapshot::{Refusal, Snapshot};
use crate::identity::user::Role;
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::state::State;

/// Who sent a request, verified.
#[derive(Debug)]
pub struct Caller {
    who: Who,
    scheme: Scheme,
    signature_age_milliseconds: Option<i64>,
}

/// The kinds of callers.
#[derive(Debug)]
enum Who {
    /// Nobody signed.
    Anonymous,
    /// The holder of an access key.
    Key(Arc<Identity>),
    /// Somebody who is signed in to the console or the admin API, without a key.
    SignedIn(SignedIn),
}

/// Somebody who is signed in to the console or the admin API: what they may do is their role's policy, judged like any other.
#[derive(Debug)]
pub struct SignedIn {
    /// Their account.
    pub account: Arc<Account>,
    /// Their ARN.
    pub arn: String,
    /// A user with their role; `None` for the root of the account.
    pub user: Option<(Name, Role)>,
}

/// Verifies a request's signature and finds whose it is. Unknown, former, disabled, expired and damaged keys answer alike; the log says which it was. `early` is what is known of the caller while identities are still [read](crate::identity::store::IdentityStore::early).
pub fn authenticate(
    state: &State,
    early: Option<&Snapshot>,
    head: RequestHead<'_>,
    now_seconds: i64,
) -> S3Result<(Caller, PayloadAuth)> {
    match auth::parse(head, &state.auth, now_seconds)? {
        Claim::Anonymous(claim) => Ok(caller(claim.accept()?, None)),
        Claim::Signed(claim) => {
            let now = Timestamp::from_second(now_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
            let current;
            let snapshot = match early {
                Some(early) => early,
                None => {
                    current = state.identities.snapshot();
                    &current
                }
            };
            let identity = match snapshot.credential(claim.access_key(), now) {
                Ok(identity) => identity.clone(),
                // Behind damage in the log a key that isn't known may be one whose row was lost: telling its holder that it doesn't exist would have them throw it away.
                Err(refusal @ (Refusal::Unknown | Refusal::Former(_)))
                    if matches!(state.store.health(), Health::Damaged { .. }) =>
                {
                    let cause = format!("{refusal}, which may be among what the damaged log lost");
                    return Err(Code::ServiceUnavailable.error().because(cause));
                }
                Err(refusal) => return Err(refused(&claim.unknown_access_key(), refusal)),
            };
            let authenticated = claim.verify(&identity.secret, None, &state.signing_keys)?;
            Ok(caller(authenticated, Some(identity)))
        }
    }
}

fn caller(authenticated: Authenticated, identity: Option<Arc<Identity>>) -> (Caller, PayloadAuth) {
    let caller = Caller {
        who: identity.map_or(Who::Anonymous, Who::Key),
        scheme: authenticated.scheme(),
        signature_age_milliseconds: authenticated.signature_age_milliseconds(),
    };
    (caller, authenticated.into_payload())
}

fn refused(answer: &AuthError, refusal: Refusal<'_>) -> S3Error {
    S3Error::from(answer.clone()).because(refusal)
}

impl Caller {
    /// A caller whose signature is taken as verified.
    #[cfg(test)]
    pub(super) fn verified(identity: Option<Arc<Identity>>) -> Caller {
        let scheme = if identity.is_some() { Scheme::SigV4Header } else { Scheme::Anonymous };
        let signature_age_milliseconds = identity.as_ref().map(|_| 5);
        Caller { who: identity.map_or(Who::Anonymous, Who::Key), signature_age_milliseconds, scheme }
    }

    /// A caller of the admin API who holds a key, as it verified.
    pub fn of_identity(identity: Arc<Identity>) -> Caller {
        Caller { who: Who::Key(identity), scheme: Scheme::Anonymous, signature_age_milliseconds: None }
    }

    /// A caller of the admin API who is signed in without a key, as it verified.
    pub fn of_signed_in(signed_in: SignedIn) -> Caller {
        Caller { who: Who::SignedIn(signed_in), scheme: Scheme::Anonymous, signature_age_milliseconds: None }
    }

    /// Whether nobody signed.
    pub fn is_anonymous(&self) -> bool {
        matches!(self.who, Who::Anonymous)
    }

    /// Whether it is a user of the console, who may be shown what an object is without what it holds.
    pub fn is_user(&self) -> bool {
        matches!(&self.who, Who::SignedIn(SignedIn { user: Some(_), .. }))
    }

    /// The caller's account.
    pub fn account(&self) -> Option<&Account> {
        match &self.who {
            Who::Anonymous => None,
            Who::Key(identity) => Some(&identity.account),
            Who::SignedIn(it) => Some(&it.account),
        }
    }

    /// The id of the caller's account.
    pub fn account_id(&self) -> Option<&str> {
        self.account().map(|account| account.account_id.as_str())
    }

    /// The canonical id of the caller's account.
    pub fn canonical_id(&self) -> Option<&str> {
        self.account().map(|account| account.canonical_id.as_str())
    }

    /// The caller's ARN; nobody's is absent.
    pub fn arn(&self) -> Option<&str> {
        match &self.who {
            Who::Anonymous => None,
            Who::Key(identity) => Some(&identity.arn),
            Who::SignedIn(it) => Some(&it.arn),
        }
    }

    /// `aws:userid`. Users of the console have names only.
    pub fn user_id(&self) -> Option<&str> {
        match &self.who {
            Who::Anonymous => Some("anonymous"),
            Who::Key(identity) => Some(&identity.user_id),
            Who::SignedIn(SignedIn { user: None, account, .. }) => Some(account.account_id.as_str()),
            Who::SignedIn(SignedIn { user: Some(_), .. }) => None,
        }
    }

    /// The caller as policies see it.
    pub fn principal(&self) -> Principal<'_> {
        match &self.who {
            Who::Anonymous => Principal::Anonymous,
            Who::Key(identity) => identity.principal(),
            Who::SignedIn(SignedIn { account, arn, user }) => {
                let account = account.account_id.as_str();
                match user {
                    None => Principal::Root { account },
                    Some((name, _)) => Principal::User { account, name: name.as_str(), arn },
                }
            }
        }
    }

    /// The policies of the caller's permissions, or of their role.
    pub fn policies(&self) -> impl Iterator<Item = AttachedPolicy<'_>> {
        self.identity().into_iter().flat_map(Identity::policies).chain(self.role_policy())
    }

    /// Those of the caller's policies that can be about what is asked.
    pub fn policies_about(&self, query: ScopeQuery) -> impl Iterator<Item = AttachedPolicy<'_>> {
        let of_identity = self.identity().into_iter().flat_map(move |identity| identity.policies_about(query));
        of_identity.chain(self.role_policy())
    }

    fn identity(&self) -> Option<&Identity> {
        match &self.who {
            Who::Key(identity) => Some(identity),
            Who::Anonymous | Who::SignedIn(_) => None,
        }
    }

    fn role_policy(&self) -> Option<AttachedPolicy<'_>> {
        let Who::SignedIn(SignedIn { user: Some((_, role)), .. }) = &self.who else { return None };
        Some(AttachedPolicy::new(role.policy(), role.as_str()))
    }

    /// How the request was signed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The age of the signature: `s3:signatureAge`.
    pub fn signature_age_milliseconds(&self) -> Option<i64> {
        self.signature_age_milliseconds
    }

    /// Who it is, as the audit log has it.
    pub fn audited(&self) -> UserIdentity<'_> {
        match &self.who {
            Who::Anonymous => UserIdentity::anonymous(),
            Who::Key(identity) => identity.audited(),
            Who::SignedIn(SignedIn { account, arn, user }) => UserIdentity {
                kind: if user.is_some() { "ConsoleUser" } else { "Root" },
                arn: Some(arn),
                account_id: Some(account.account_id.as_str()),
                user_name: user.as_ref().map(|(name, _)| name.as_str()),
                ..UserIdentity::default()
            },
        }
    }

    /// ARN or `anonymous`, for the log.
    pub fn name(&self) -> &str {
        self.arn().unwrap_or("anonymous")
    }
}

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> S3Error {
        let code = Code::from_name(error.code().as_str()).unwrap_or(Code::AccessDenied);
        let mut answer = code.with(error.message());
        answer.fields = error.elements().to_vec();
        answer
    }
}

impl From<ChunkError> for S3Error {
    fn from(error: ChunkError) -> S3Error {
        AuthError::from(error).into()
    }
}
