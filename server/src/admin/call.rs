//! One admin call as its handler sees it: who calls, whose nouns are meant, and what was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header;
use http::request::Parts;
use jiff::Timestamp;
use policy::Action;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Claimant, Refusal, Result};
use super::caller::{Caller, Circumstances, not_signed_in};
use super::json;
use crate::identity::account::Account;
use crate::identity::change::Change;
use crate::identity::name::AccountId;
use crate::identity::snapshot::Snapshot;
use crate::protocol::request::{Peer, Query};
use crate::state::State;

/// A handler's answer on its way.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>>;

/// A call whose caller may make it.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    /// `None` on the routes that need none.
    pub(super) caller: Option<Arc<Caller>>,
    /// The account whose nouns are meant: the caller's own, or the one that an operator names.
    pub(super) account: Option<Arc<Account>>,
    /// What stands in the path's places.
    pub(super) names: Vec<String>,
    pub(super) query: Query,
    pub(super) head: Parts,
    pub(super) peer: Peer,
    pub(super) body: Bytes,
    /// Seconds since the epoch.
    pub(super) now: i64,
    /// The same to the microsecond.
    pub(super) received_at: Timestamp,
    /// What the audit log keeps of it beside who called what.
    pub(super) noted: OnceLock<serde_json::Value>,
    /// Who signed in by it.
    pub(super) signed_in: OnceLock<Arc<Caller>>,
    /// Whose sign-in was tried by it.
    pub(super) claimant: OnceLock<Claimant>,
}

impl Call {
    /// Who calls.
    pub(super) fn caller(&self) -> Result<&Caller> {
        self.caller.as_deref().ok_or_else(not_signed_in)
    }

    /// The account whose nouns are meant.
    pub(super) fn account(&self) -> Result<&Arc<Account>> {
        self.account.as_ref().ok_or_else(not_signed_in)
    }

    /// Its id.
    pub(super) fn account_id(&self) -> Result<AccountId> {
        Ok(self.account()?.account_id.clone())
    }

    /// The ARN of the caller, for histories.
    pub(super) fn by(&self) -> Result<String> {
        Ok(self.caller()?.arn().to_owned())
    }

    /// What stands in the path's first place.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The time, as records hold it: to the microsecond, so that what is made in a row is told apart.
    pub(super) fn time(&self) -> Timestamp {
        self.received_at
    }

    /// The identities now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.identities.snapshot())
    }

    /// Commits the changes that `make` makes of the identities, in the caller's name, and ends the sessions of whom they shut out.
    ///
    /// # Errors
    /// Those of `make`, and those of [`IdentityStore::change_with`](crate::identity::store::IdentityStore::change_with).
    pub(super) async fn change<T>(
        &self,
        make: impl FnMut(&Snapshot) -> Result<(Vec<Change>, T)>,
    ) -> Result<(Arc<Snapshot>, T)> {
        self.change_by(&self.by()?, make).await
    }

    /// The same in another name than the caller's.
    pub(super) async fn change_by<T>(
        &self,
        by: &str,
        make: impl FnMut(&Snapshot) -> Result<(Vec<Change>, T)>,
    ) -> Result<(Arc<Snapshot>, T)> {
        self.state.end_stale_sessions();
        let changed = self.state.identities.change_with(by, make).await;
        // Also after an error: a change that could not be stored may be in effect.
        self.state.end_stale_sessions();
        changed
    }

    /// Notes for the audit log what was made: its path has no name yet.
    pub(super) fn note_made(&self, made: serde_json::Value) {
        // Each call makes one thing.
        let _ = self.noted.set(made);
    }

    /// Judges one more action than the route's own.
    pub(super) fn require(&self, action: Action) -> Result<()> {
        self.caller()?.require(&self.circumstances(), action)
    }

    /// Refuses whoever isn't of the operator's account, whom alone the node as a whole concerns.
    pub(super) fn require_operator(&self, rule: &str) -> Result<()> {
        if self.caller()?.account().operator { Ok(()) } else { Err(Refusal::denied(rule)) }
    }

    /// What is known of the call beside its caller.
    pub(super) fn circumstances(&self) -> Circumstances<'_> {
        Circumstances { state: &self.state, head: &self.head, peer: &self.peer, now: self.now }
    }

    /// The body as what the call takes. What is wrong is told by its place, never by its value, which may be a secret.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        json::read(&self.body)
    }

    /// Refuses a change of another version than the caller has seen ([RFC 9110 13.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1)).
    pub(super) fn require_match(&self, etag: &str) -> Result<()> {
        let mut wanted = self.head.headers.get_all(header::IF_MATCH).iter().peekable();
        if wanted.peek().is_none() {
            return Ok(());
        }
        let tags = wanted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
        if tags.into_iter().any(|tag| tag == "*" || tag == etag) {
            return Ok(());
        }
        Err(Refusal::new(
            http::StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "It was changed meanwhile: read it again, and change what it is now.",
        )
        .with(header::ETAG, etag))
    }
}
