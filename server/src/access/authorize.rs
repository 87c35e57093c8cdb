//! Judges requests: the only place that makes an [`Authorized`], without which no handler can be called.
//!
//! Everything that a decision reads is in memory and swapped whole, so a changed permission holds for the next request and a decision takes no lock.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use policy::Action;

use super::context::RequestContext;
use crate::protocol::error::{Code, S3Error, S3Result};
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
        context.require(state, shown_only(context, action), on, request.key(), version)?;
    }
    let version = request.version_id()?;
    for &(action, on) in operation.also_denied_by(version.is_some(), context.is_unversioned()) {
        context.refuse_if_denied(state, action, on, request.key(), version)?;
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

/// The action that a look at an object's metadata asks for. Of a key it is the one for reading contents, as at AWS; users of the console, who may see names and metadata without contents, are asked for the one for metadata.
fn shown_only(context: &RequestContext, action: Action) -> Action {
    let looks = matches!(context.operation, Operation::HeadObject | Operation::GetObjectAttributes);
    if !looks || !context.caller.is_user() {
        return action;
    }
    match action {
        Action::GetObject => Action::GetObjectAttributes,
        Action::GetObjectVersion => Action::GetObjectVersionAttributes,
        other => other,
    }
}
