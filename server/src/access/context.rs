//! A request with all that judging it needs, put together once.

use std::sync::{Arc, OnceLock};

use engine::{Bucket, ObjectKey};

use super::authenticate::Caller;
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::protocol::name::CopySource;
use crate::protocol::operation::{On, Operation};
use crate::protocol::request::Request;
use crate::state::State;

/// A request with everything that judging it needs: its caller and the buckets that it names.
#[derive(Debug)]
pub struct RequestContext {
    /// The request.
    pub request: Request,
    /// Who sent it, as verified.
    pub caller: Caller,
    /// What it asks for.
    pub operation: Operation,
    pub(super) bucket: Option<Arc<Bucket>>,
    pub(super) source_bucket: Option<Arc<Bucket>>,
    pub(super) decided_by: OnceLock<String>,
    /// The tags that the request sets, where its handler had to find them first.
    pub(super) tags: OnceLock<Vec<(String, String)>>,
}

impl RequestContext {
    /// Puts a request and its caller together; buckets are looked up once, here.
    pub fn new(state: &State, request: Request, caller: Caller, operation: Operation) -> RequestContext {
        let find = |name: &str| state.store.bucket(name).ok();
        RequestContext {
            // Creating a bucket is asked of the caller's own account, also when the name is taken.
            bucket: request.bucket().filter(|_| operation != Operation::CreateBucket).and_then(|name| find(name)),
            source_bucket: request.copy_source.as_ref().and_then(|source| find(&source.bucket)),
            request,
            caller,
            operation,
            decided_by: OnceLock::new(),
            tags: OnceLock::new(),
        }
    }

    /// The bucket that the request names.
    pub fn bucket(&self) -> S3Result<&Arc<Bucket>> {
        self.bucket.as_ref().ok_or_else(|| self.no_such_bucket(On::Bucket))
    }

    /// The key that the request names.
    pub fn key(&self) -> S3Result<&ObjectKey> {
        self.request.key().ok_or_else(|| Code::InvalidURI.error())
    }

    /// The source of a copy.
    pub fn copy_source(&self) -> S3Result<&CopySource> {
        self.request.copy_source.as_ref().ok_or_else(|| Code::InvalidRequest.error())
    }

    /// The bucket of a copy's source.
    pub fn source_bucket(&self) -> S3Result<&Arc<Bucket>> {
        self.source_bucket.as_ref().ok_or_else(|| self.no_such_bucket(On::CopySource))
    }

    /// Notes the tags that the request sets, when they come from its body or from a copy's source: `s3:RequestObjectTag` is judged on what will be stored.
    pub fn note_tags(&self, tags: &[(String, String)]) {
        // They are noted once, by the one handler of the request.
        let _ = self.tags.set(tags.to_vec());
    }

    /// Which statement allowed the request, when all requests are logged.
    pub fn decided_by(&self) -> Option<&str> {
        self.decided_by.get().map(String::as_str)
    }

    pub(super) fn no_such_bucket(&self, on: On) -> S3Error {
        let name = match on {
            On::CopySource => self.request.copy_source.as_ref().map(|source| source.bucket.to_string()),
            _ => self.request.bucket().map(ToString::to_string),
        };
        Code::NoSuchBucket.error().field("BucketName", name.unwrap_or_default())
    }
}
