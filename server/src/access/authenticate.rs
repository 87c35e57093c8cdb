//! Binds a verified signature to an identity of this node: the only place that makes a [`Caller`].

use std::sync::Arc;

use jiff::Timestamp;
use policy::{AttachedPolicy, Principal, ScopeQuery};

use crate::audit::UserIdentity;
use crate::auth::{self, AuthError, Authenticated, ChunkError, Claim, PayloadAuth, RequestHead, Scheme};
use crate::identity::snapshot::{Identity, Refusal};
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::state::State;

/// Who sent a request, verified.
#[derive(Debug)]
pub struct Caller {
    identity: Option<Arc<Identity>>,
    scheme: Scheme,
    signature_age_milliseconds: Option<i64>,
}

/// Verifies a request's signature and finds whose it is. Unknown, disabled, expired and damaged keys answer alike; the log says which it was.
pub fn authenticate(state: &State, head: RequestHead<'_>, now_seconds: i64) -> S3Result<(Caller, PayloadAuth)> {
    match auth::parse(head, &state.auth, now_seconds)? {
        Claim::Anonymous(claim) => Ok(caller(claim.accept()?, None)),
        Claim::Signed(claim) => {
            let now = Timestamp::from_second(now_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
            let snapshot = state.identities.snapshot();
            let identity = match snapshot.credential(claim.access_key(), now) {
                Ok(identity) => identity.clone(),
                Err(refusal) => return Err(refused(&claim.unknown_access_key(), refusal)),
            };
            let authenticated = claim.verify(&identity.secret, None, &state.signing_keys)?;
            Ok(caller(authenticated, Some(identity)))
        }
    }
}

fn caller(authenticated: Authenticated, identity: Option<Arc<Identity>>) -> (Caller, PayloadAuth) {
    let caller = Caller {
        identity,
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
        Caller { signature_age_milliseconds: identity.as_ref().map(|_| 5), identity, scheme }
    }

    /// Whether nobody signed.
    pub fn is_anonymous(&self) -> bool {
        self.identity.is_none()
    }

    /// The identity, unless the caller is anonymous.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// The caller's account.
    pub fn account_id(&self) -> Option<&str> {
        self.identity().map(|identity| identity.account.account_id.as_str())
    }

    /// The canonical id of the caller's account.
    pub fn canonical_id(&self) -> Option<&str> {
        self.identity().map(|identity| identity.account.canonical_id.as_str())
    }

    /// The caller as policies see it.
    pub fn principal(&self) -> Principal<'_> {
        self.identity().map_or(Principal::Anonymous, Identity::principal)
    }

    /// The policies of the caller's permissions.
    pub fn policies(&self) -> impl Iterator<Item = AttachedPolicy<'_>> {
        self.identity().into_iter().flat_map(Identity::policies)
    }

    /// Those of the caller's policies that can be about what is asked.
    pub fn policies_about(&self, query: ScopeQuery) -> impl Iterator<Item = AttachedPolicy<'_>> {
        self.identity().into_iter().flat_map(move |identity| identity.policies_about(query))
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
        self.identity().map_or_else(UserIdentity::anonymous, Identity::audited)
    }

    /// ARN or `anonymous`, for the log.
    pub fn name(&self) -> &str {
        self.identity().map_or("anonymous", |identity| &identity.arn)
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
