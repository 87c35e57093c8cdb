//! A request with all that judging it needs, put together once.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use engine::{Bucket, ObjectKey, Versioning};

use super::authenticate::Caller;
use crate::protocol::error::{Code, Denial, S3Error, S3Result};
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
    pub(super) decided_by: OnceLock<Cow<'static, str>>,
    refused_key: OnceLock<Denial>,
    pub(super) noted: OnceLock<Noted>,
}

/// What a request sets that only its body or a copy's source tells: its handler notes it, and then it is judged.
#[derive(Debug, Default)]
pub struct Noted {
    /// Tags of an object.
    pub object_tags: Option<Vec<(String, String)>>,
    /// Tags of a bucket.
    pub bucket_tags: Option<Vec<(String, String)>>,
    /// The region that a bucket is wanted in.
    pub location: Option<String>,
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
            refused_key: OnceLock::new(),
            noted: OnceLock::new(),
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

    /// Notes what the handler found out: tags and the like are judged as they will be stored.
    pub fn note(&self, noted: Noted) {
        // Each request has one handler, and it notes once.
        let _ = self.noted.set(noted);
    }

    /// Which statement allowed the request, when all requests are logged.
    pub fn decided_by(&self) -> Option<&str> {
        self.decided_by.get().map(AsRef::as_ref)
    }

    /// Notes the refusal of one of several keys, for the log; the first one stands for all.
    pub fn note_refused_key(&self, error: &S3Error) {
        if let Some(denial) = &error.denial {
            self.refused_key.get_or_init(|| denial.clone());
        }
    }

    /// How the first of the keys was denied that the caller may not touch, in a request that went on with the others.
    pub fn refused_key(&self) -> Option<&Denial> {
        self.refused_key.get()
    }

    /// Whether the request's bucket never kept versions.
    pub fn is_unversioned(&self) -> bool {
        self.bucket.as_ref().is_some_and(|bucket| bucket.versioning == Versioning::Unversioned)
    }

    pub(super) fn no_such_bucket(&self, on: On) -> S3Error {
        let name = match on {
            On::CopySource => self.request.copy_source.as_ref().map(|source| source.bucket.to_string()),
            _ => self.request.bucket().map(ToString::to_string),
        };
        Code::NoSuchBucket.error().field("BucketName", name.unwrap_or_default())
    }
}
