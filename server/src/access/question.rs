//! The questions that a request is asked: may its caller do this action on that resource?
//!
//! Handlers ask here for what only they can know, such as the keys of a DeleteObjects; everything else is asked in [`authorize`](super::authorize).

use std::sync::Arc;

use engine::{Bucket, ObjectKey};
use policy::{Action, AttachedPolicy, Decision, Outcome, Policy, Resource, ScopeQuery};

use super::context::RequestContext;
use super::denial::{self, Told};
use super::facts::{Facts, Tagged};
use crate::bucket_policy::BucketPolicy;
use crate::config::LogRequests;
use crate::protocol::error::{Code, S3Result};
use crate::protocol::operation::{On, Operation};
use crate::state::State;

/// An action on a resource, with what bears on the answer beside the caller.
pub(super) struct Question<'a> {
    pub(super) action: Action,
    pub(super) resource: Resource<'a>,
    bucket_policy: Option<Arc<BucketPolicy>>,
    /// The version that is named.
    pub(super) version: Option<&'a str>,
    /// The ETag that the object must have.
    pub(super) if_match: Option<&'a str>,
    /// The object whose tags can be asked for.
    tagged: Option<Tagged<'a>>,
}

/// Which decisions are told with their reasons, which costs time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    Nothing,
    Denials,
    ExplicitDenials,
}

impl RequestContext {
    /// Whether the caller may do something on the request's bucket.
    pub fn allows_on_bucket(&self, state: &State, action: Action) -> bool {
        let question = self.question(state, action, On::Bucket, None, None);
        question.is_ok_and(|question| self.allows(state, &question))
    }

    /// Whether the caller may do something on the bucket of the copy's source.
    pub fn allows_on_source_bucket(&self, state: &State, action: Action) -> bool {
        self.source_bucket.as_ref().is_some_and(|bucket| self.allows_on(state, action, bucket))
    }

    /// Whether the caller may do something on some bucket.
    pub fn allows_on(&self, state: &State, action: Action, bucket: &Bucket) -> bool {
        let resource = Resource::Bucket { account: &bucket.owner, bucket: &bucket.name };
        let Ok(bucket_policy) = state.bucket_policies.of(bucket.id) else { return false };
        self.allows(state, &Question { action, resource, bucket_policy, version: None, if_match: None, tagged: None })
    }

    /// Whether the caller may do something on a resource if `candidate` were the bucket's policy.
    pub fn allows_with(&self, state: &State, action: Action, resource: Resource<'_>, candidate: &Policy) -> bool {
        let question = Question { action, resource, bucket_policy: None, version: None, if_match: None, tagged: None };
        self.decide(state, &question, Some(candidate), Tell::Nothing).0.is_allowed()
    }

    /// Judges one more action on an object of the request's bucket.
    pub fn require_on_object(
        &self,
        state: &State,
        action: Action,
        key: &ObjectKey,
        version: Option<&str>,
    ) -> S3Result<()> {
        self.require(state, action, On::Object, Some(key), version)
    }

    /// Judges the delete of one of several keys: either action, and whatever else denies it.
    pub fn require_delete(
        &self,
        state: &State,
        key: &ObjectKey,
        version: Option<&str>,
        if_match: Option<&str>,
    ) -> S3Result<()> {
        let require = |action| {
            let question = self.question(state, action, On::Object, Some(key), version)?;
            self.require_answer(state, &Question { if_match, ..question })
        };
        require(Operation::DeleteObject.action(version.is_some()))?;
        for &(action, on) in Operation::DeleteObject.also_denied_by(version.is_some(), self.is_unversioned()) {
            self.refuse_if_denied(state, action, on, Some(key), version)?;
        }
        if version.is_some() && self.request.bypasses_governance() {
            require(Action::BypassGovernanceRetention)?;
        }
        // As for a single delete: whoever names an ETag learns whether it is the object's.
        if if_match.is_some_and(|etag| etag != "*") {
            require(Action::GetObject)?;
        }
        Ok(())
    }

    /// Judges one more action on the copy's source.
    pub fn require_on_source(&self, state: &State, action: Action) -> S3Result<()> {
        let version = self.copy_source()?.version_id.as_deref();
        self.require(state, action, On::CopySource, None, version)
    }

    /// Refuses what no statement allows or a statement denies.
    pub(super) fn require(
        &self,
        state: &State,
        action: Action,
        on: On,
        key: Option<&ObjectKey>,
        version: Option<&str>,
    ) -> S3Result<()> {
        self.require_answer(state, &self.question(state, action, on, key, version)?)
    }

    fn require_answer(&self, state: &State, question: &Question<'_>) -> S3Result<()> {
        let (decision, told) = self.decide(state, question, question.policy(), Tell::Denials);
        if !decision.is_allowed() {
            return Err(self.refusal(question, &decision, told));
        }
        if state.config.log_requests == LogRequests::All || state.audit.wants(false) {
            // Only the first decision is noted: it is the operation's own.
            let _ = self.decided_by.set(denial::decided_by(&decision));
        }
        Ok(())
    }

    /// Refuses what a statement denies, though nothing need allow it.
    pub(super) fn refuse_if_denied(
        &self,
        state: &State,
        action: Action,
        on: On,
        key: Option<&ObjectKey>,
        version: Option<&str>,
    ) -> S3Result<()> {
        let question = self.question(state, action, on, key, version)?;
        match self.decide(state, &question, question.policy(), Tell::ExplicitDenials) {
            (decision, told) if decision.outcome == Outcome::ExplicitDeny => {
                Err(self.refusal(&question, &decision, told))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a request that names another owner than the bucket has ([bucket owner condition](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    pub(super) fn require_expected_owner(&self, header: &str, bucket: Option<&Arc<Bucket>>) -> S3Result<()> {
        match (self.request.header(header), bucket) {
            (Some(expected), Some(bucket)) if expected != bucket.owner => Err(Code::AccessDenied
                .error()
                .because(format!("{header} names {expected}, the owner is {}", bucket.owner))),
            _ => Ok(()),
        }
    }

    pub(super) fn question<'a>(
        &'a self,
        state: &'a State,
        action: Action,
        on: On,
        key: Option<&'a ObjectKey>,
        version: Option<&'a str>,
    ) -> S3Result<Question<'a>> {
        let name = || self.request.bucket().map_or("", |bucket| bucket.as_ref());
        let (bucket, name, key) = match on {
            On::Service => (None, "", None),
            On::Bucket | On::EveryObject => (self.bucket.as_ref(), name(), None),
            On::Object => (self.bucket.as_ref(), name(), key),
            On::CopySource => {
                let source = self.copy_source()?;
                (self.source_bucket.as_ref(), source.bucket.as_ref(), Some(&source.key))
            }
        };
        // A bucket that isn't there is judged as the caller's own: whoever may not do this at all isn't told whether it exists.
        let account = bucket.map_or_else(|| self.caller.account_id().unwrap_or(""), |bucket| &bucket.owner);
        let resource = match (on, key) {
            (On::Service, _) => Resource::Service { account },
            (On::EveryObject, _) => Resource::Object { account, bucket: name, key: On::EVERY_KEY },
            (_, Some(key)) => Resource::Object { account, bucket: name, key },
            (_, None) => Resource::Bucket { account, bucket: name },
        };
        let bucket_policy = match bucket {
            Some(bucket) => state.bucket_policies.of(bucket.id)?,
            None => None,
        };
        let tagged = bucket.zip(key).map(|(bucket, key)| Tagged { bucket: bucket.id, key, version });
        // The entries of a DeleteObjects have conditions of their own.
        let if_match = self.request.header("if-match").filter(|_| self.operation != Operation::DeleteObjects);
        Ok(Question { action, resource, bucket_policy, version, if_match, tagged })
    }

    fn allows(&self, state: &State, question: &Question<'_>) -> bool {
        self.decide(state, question, question.policy(), Tell::Nothing).0.is_allowed()
    }

    /// One decision; a denial that is to be told comes with its reasons.
    fn decide<'a>(
        &'a self,
        state: &State,
        question: &Question<'_>,
        bucket_policy: Option<&'a Policy>,
        tell: Tell,
    ) -> (Decision<'a>, Option<Told>) {
        let Question { action, resource, tagged, .. } = *question;
        let of_bucket = || bucket_policy.map(|it| AttachedPolicy::new(it, "bucket policy"));
        let query = ScopeQuery::new(action, &resource);
        let policies = || self.caller.policies_about(query).chain(of_bucket());
        let mut facts = Facts::new(state, self, question);
        let mut request = policy::Request {
            principal: self.caller.principal(),
            action,
            resource,
            context: &policy::EmptyContext,
            canonical_user: self.caller.canonical_id(),
        };
        if policy::asks_for_object_tags(policies(), &request) {
            facts.load_tags(tagged);
        }
        request.context = &facts;
        let decision = policy::decide(policies(), &request);
        let is_told = match tell {
            Tell::Nothing => false,
            Tell::Denials => !decision.is_allowed(),
            Tell::ExplicitDenials => decision.outcome == Outcome::ExplicitDeny,
        };
        let told = is_told.then(|| {
            // Of several keys the first one that is refused stands for all.
            let is_explained = self.refused_key().is_none();
            let all_policies = || self.caller.policies().chain(of_bucket());
            let explanation = is_explained.then(|| policy::explain(all_policies(), &request));
            Told::new(policy::denial_message(&request, &decision), explanation.as_ref())
        });
        (decision, told)
    }
}

impl Question<'_> {
    fn policy(&self) -> Option<&Policy> {
        self.bucket_policy.as_ref().map(|it| &it.policy)
    }
}
