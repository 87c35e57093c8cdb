//! Judges requests: the only place that makes an [`Authorized`], without which no handler can be called.
//!
//! Everything that a decision reads is in memory and swapped whole, so a changed permission holds for the next request and a decision takes no lock.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use engine::{Bucket, ObjectKey};
use policy::{Action, AttachedPolicy, Decision, Outcome, Policy, Resource};

use super::context::RequestContext;
use super::facts::{Facts, Tags};
use crate::config::LogRequests;
use crate::protocol::error::{Code, Denial, S3Error, S3Result};
use crate::protocol::operation::{Named, On, Operation};
use crate::state::State;

/// A request that was allowed to carry out the operation `O`. Only [`authorize`] makes one.
#[derive(Debug)]
pub struct Authorized<O> {
    context: Arc<RequestContext>,
    operation: PhantomData<O>,
}

impl<O> Deref for Authorized<O> {
    type Target = RequestContext;
    fn deref(&self) -> &RequestContext {
        &self.context
    }
}

/// A request that was judged but not refused yet, for ListBuckets, whose answer without s3:ListAllMyBuckets is shorter instead of an error.
#[derive(Debug)]
pub struct Judged<O> {
    context: Arc<RequestContext>,
    denied: Option<S3Error>,
    operation: PhantomData<O>,
}

impl<O> Judged<O> {
    /// The request.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Judges it again, now that more of it is known.
    pub fn again(self, state: &State) -> S3Result<Authorized<O>> {
        judge_operation(state, &self.context)?;
        Ok(Authorized { context: self.context, operation: PhantomData })
    }

    /// Whether it was allowed, else the refusal.
    pub fn outcome(&self) -> S3Result<()> {
        match &self.denied {
            None => Ok(()),
            Some(denied) => Err(denied.clone()),
        }
    }
}

/// Judges a request as the operation `O` and makes it the operation's handler's.
pub fn authorize<O: Named>(state: &State, context: Arc<RequestContext>) -> S3Result<Authorized<O>> {
    debug_assert_eq!(O::OPERATION, context.operation);
    judge_operation(state, &context)?;
    Ok(Authorized { context, operation: PhantomData })
}

/// Judges a request whose refusal the handler turns into a shorter answer.
pub fn judge<O: Named>(state: &State, context: Arc<RequestContext>) -> S3Result<Judged<O>> {
    debug_assert_eq!(O::OPERATION, context.operation);
    let denied = match judge_operation(state, &context) {
        Err(error) if error.code != Code::AccessDenied => return Err(error),
        outcome => outcome.err(),
    };
    Ok(Judged { context, denied, operation: PhantomData })
}

/// Judges everything that the operation's row asks for.
pub fn judge_operation(state: &State, context: &RequestContext) -> S3Result<()> {
    let (operation, request) = (context.operation, &context.request);
    let is_missing = operation != Operation::CreateBucket && request.bucket().is_some() && context.bucket.is_none();
    if is_missing && context.caller.is_anonymous() {
        return Err(context.no_such_bucket(On::Bucket));
    }
    if let (Operation::GetBucketPolicy | Operation::PutBucketPolicy | Operation::DeleteBucketPolicy, Some(bucket)) =
        (operation, &context.bucket)
        && context.caller.account_id() != Some(&bucket.owner)
    {
        return Err(Code::MethodNotAllowed.error());
    }
    for (action, on) in operation.access(request)?.iter() {
        let version = match on {
            On::CopySource => request.copy_source.as_ref().and_then(|source| source.version_id.as_deref()),
            _ => request.version_id()?,
        };
        context.require(state, action, on, request.key(), version)?;
    }
    if is_missing {
        return Err(context.no_such_bucket(On::Bucket));
    }
    if request.copy_source.is_some() && context.source_bucket.is_none() {
        return Err(context.no_such_bucket(On::CopySource));
    }
    context.require_expected_owner("x-amz-expected-bucket-owner", context.bucket.as_ref())?;
    context.require_expected_owner("x-amz-source-expected-bucket-owner", context.source_bucket.as_ref())
}

impl RequestContext {
    /// Whether the caller may do something on the request's bucket.
    pub fn allows_on_bucket(&self, state: &State, action: Action) -> bool {
        self.require(state, action, On::Bucket, None, None).is_ok()
    }

    /// Whether the caller may do something on the bucket of the copy's source.
    pub fn allows_on_source_bucket(&self, state: &State, action: Action) -> bool {
        self.source_bucket.as_ref().is_some_and(|bucket| self.allows_on(state, action, bucket))
    }

    /// Whether the caller may do something on some bucket.
    pub fn allows_on(&self, state: &State, action: Action, bucket: &Bucket) -> bool {
        let resource = Resource::Bucket { account: &bucket.owner, bucket: &bucket.name };
        let Ok(bucket_policy) = state.bucket_policies.of(bucket.id) else { return false };
        self.decide(state, action, resource, bucket_policy.as_ref().map(|it| &it.policy), None, Tags::None)
            .0
            .is_allowed()
    }

    /// Whether the caller may do something on a resource if `candidate` were the bucket's policy.
    pub fn allows_with(&self, state: &State, action: Action, resource: Resource<'_>, candidate: &Policy) -> bool {
        self.decide(state, action, resource, Some(candidate), None, Tags::None).0.is_allowed()
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

    /// Judges one more action on the copy's source.
    pub fn require_on_source(&self, state: &State, action: Action) -> S3Result<()> {
        let version = self.copy_source()?.version_id.as_deref();
        self.require(state, action, On::CopySource, None, version)
    }

    fn require(
        &self,
        state: &State,
        action: Action,
        on: On,
        key: Option<&ObjectKey>,
        version: Option<&str>,
    ) -> S3Result<()> {
        let (bucket, name, key) = match on {
            On::Service => (None, "", None),
            On::Bucket => (self.bucket.as_ref(), self.request.bucket().map_or("", |b| b.as_ref()), None),
            On::Object => (self.bucket.as_ref(), self.request.bucket().map_or("", |b| b.as_ref()), key),
            On::CopySource => {
                let source = self.copy_source()?;
                (self.source_bucket.as_ref(), source.bucket.as_ref(), Some(&source.key))
            }
        };
        // A bucket that isn't there is judged as the caller's own: whoever may not do this at all isn't told whether it exists.
        let account = bucket.map_or_else(|| self.caller.account_id().unwrap_or(""), |bucket| &bucket.owner);
        let resource = match (on, key) {
            (On::Service, _) => Resource::Service { account },
            (_, Some(key)) => Resource::Object { account, bucket: name, key },
            (_, None) => Resource::Bucket { account, bucket: name },
        };
        let bucket_policy = match bucket {
            Some(bucket) => state.bucket_policies.of(bucket.id)?,
            None => None,
        };
        let tags = match (bucket, key) {
            (Some(bucket), Some(key)) => Tags::Of { store: &state.store, bucket: bucket.id, key, version },
            _ => Tags::None,
        };
        let (decision, message) =
            self.decide(state, action, resource, bucket_policy.as_ref().map(|it| &it.policy), version, tags);
        if decision.is_allowed() {
            if state.config.log_requests == LogRequests::All {
                // Only the first decision is noted: it is the operation's own.
                let _ = self.decided_by.set(decided_by(&decision));
            }
            return Ok(());
        }
        let same_account = self.caller.account_id() == Some(account);
        let text = if same_account { message.unwrap_or_default() } else { Code::AccessDenied.message().to_owned() };
        let mut denied = Code::AccessDenied.with(text).because(format!("{action} on {resource}"));
        let explicit = decision.outcome == Outcome::ExplicitDeny;
        denied.denial = Some(Denial { explicit, by: decided_by(&decision) });
        Err(denied)
    }

    /// One decision; with AWS's text for it when it is a denial.
    fn decide<'a>(
        &'a self,
        state: &'a State,
        action: Action,
        resource: Resource<'a>,
        bucket_policy: Option<&'a Policy>,
        version: Option<&'a str>,
        tags: Tags<'a>,
    ) -> (Decision<'a>, Option<String>) {
        let policies =
            || self.caller.policies().chain(bucket_policy.map(|it| AttachedPolicy::new(it, "bucket policy")));
        let mut facts = Facts::new(state, self, action, resource, version);
        let mut request = policy::Request {
            principal: self.caller.principal(),
            action,
            resource,
            context: &policy::EmptyContext,
            canonical_user: self.caller.canonical_id(),
        };
        if policy::asks_for_object_tags(policies(), &request) {
            facts.load_tags(tags);
        }
        request.context = &facts;
        let decision = policy::decide(policies(), &request);
        let message = (!decision.is_allowed()).then(|| policy::denial_message(&request, &decision));
        (decision, message)
    }

    /// Refuses a request that names another owner than the bucket has ([bucket owner condition](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    fn require_expected_owner(&self, header: &str, bucket: Option<&Arc<Bucket>>) -> S3Result<()> {
        match (self.request.header(header), bucket) {
            (Some(expected), Some(bucket)) if expected != bucket.owner => Err(Code::AccessDenied
                .error()
                .because(format!("{header} names {expected}, the owner is {}", bucket.owner))),
            _ => Ok(()),
        }
    }
}

/// `POLICY/SID` of the deciding statement, or why there is none.
fn decided_by(decision: &Decision<'_>) -> String {
    match (&decision.deciding, decision.outcome) {
        (Some(deciding), _) => format!("{}/{}", deciding.policy, deciding.statement.name()),
        (None, Outcome::Allow) => "root".to_owned(),
        (None, _) => match decision.reason {
            policy::Reason::NoBucketPolicy => "no bucket policy statement allows it".to_owned(),
            policy::Reason::NoSessionPolicy => "no session policy statement allows it".to_owned(),
            _ => "no permission's statement allows it".to_owned(),
        },
    }
}
