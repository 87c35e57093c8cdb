//! [CreateBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).

use std::sync::Arc;

use engine::{Bucket, BucketName, NewBucket, Versioning};
use http::StatusCode;

use crate::access::authorize::Judged;
use crate::access::context::Noted;
use crate::bucket_name;
use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::request::Request;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_read::{self, XML_BYTES_MAX};
use crate::s3::receive::Payload;
use crate::state::{KeptAccount, State};

/// The most buckets of one account ([quota](https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html)).
pub const BUCKETS_PER_ACCOUNT_MAX: usize = 10_000;
/// The region where re-creating one's own bucket succeeds, for historical reasons that clients rely on.
const CLASSIC_REGION: &str = "us-east-1";

/// Creates a bucket for the caller's account. The body's region and tags are judged too, so the last word on the request falls once it was read.
pub async fn run(state: &State, create: Judged<op::CreateBucket>, payload: &mut Payload) -> S3Result<Response> {
    let noted = match read_body(&create.context().request, payload).await {
        Ok(noted) => noted,
        // Whoever may not create it anyhow isn't told what is wrong with the body.
        Err(error) => return create.outcome().and(Err(error)),
    };
    let (location, has_tags) = (noted.location.clone(), noted.bucket_tags.is_some());
    create.context().note(noted);
    let create = create.again(state)?;
    let request = &create.request;
    let bucket = request.bucket().ok_or_else(|| Code::InvalidBucketName.error())?;
    refuse_reserved(bucket)?;
    refuse_unsupported(request)?;
    if has_tags {
        return Err(Code::NotImplemented.with("Tags of buckets are not implemented."));
    }
    if let Some(other) = location.filter(|region| *region != state.config.region) {
        return Err(Code::InvalidLocationConstraint
            .with(format!("The specified location-constraint is not valid: this node is {}.", state.config.region))
            .field("LocationConstraint", other));
    }
    let owner = create.caller.account_id().ok_or_else(|| Code::AccessDenied.error())?;
    // Whoever asks was deleted with their account meanwhile.
    let kept = state.keep_account(owner).await.ok_or_else(|| Code::InvalidAccessKeyId.error())?;
    match make(state, bucket, kept).await {
        Err(error) if error.code == Code::BucketAlreadyOwnedByYou && state.config.region == CLASSIC_REGION => {}
        made => drop(made?),
    }
    let mut response = respond::empty(StatusCode::OK);
    respond::set(response.headers_mut(), "location", format!("/{bucket}"));
    Ok(response)
}

/// Makes a bucket for an account, whoever asked for it and was allowed to. The account is kept until it is made or refused, also when the caller goes away meanwhile.
///
/// # Errors
/// `InvalidBucketName`, `TooManyBuckets`; `BucketAlreadyOwnedByYou` and `BucketAlreadyExists` where the name is taken; what the engine refuses.
pub async fn make(state: &State, bucket: &BucketName, kept: KeptAccount) -> S3Result<Arc<Bucket>> {
    refuse_reserved(bucket)?;
    let owner = kept.id();
    if state.store.buckets().iter().filter(|it| it.owner == owner).count() >= BUCKETS_PER_ACCOUNT_MAX {
        return Err(Code::TooManyBuckets.error());
    }
    let new = NewBucket {
        name: bucket.clone(),
        owner: owner.to_owned(),
        versioning: Versioning::Unversioned,
        attributes: bytes::Bytes::new(),
    };
    let store = state.store.clone();
    let making = tokio::spawn(async move { (store.create_bucket(new).await, kept) });
    let (made, kept) = making.await.map_err(|error| Code::InternalError.error().because(error))?;
    made.map_err(|error| match error {
        engine::Error::BucketExists(existing) => {
            let own = existing.owner == kept.id();
            let code = if own { Code::BucketAlreadyOwnedByYou } else { Code::BucketAlreadyExists };
            code.error().field("BucketName", bucket.to_string())
        }
        error => error.into(),
    })
}

fn refuse_reserved(bucket: &BucketName) -> S3Result<()> {
    if bucket_name::is_reserved(bucket) {
        return Err(Code::InvalidBucketName.error().field("BucketName", bucket.to_string()));
    }
    Ok(())
}

fn refuse_unsupported(request: &Request) -> S3Result<()> {
    let grants = request.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if grants || request.header("x-amz-acl").is_some_and(|acl| acl != "private") {
        return Err(Code::InvalidBucketAclWithObjectOwnership.error());
    }
    if request.header("x-amz-bucket-object-lock-enabled").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return Err(Code::NotImplemented.with("Object lock is not implemented."));
    }
    match request.header("x-amz-object-ownership") {
        None | Some("BucketOwnerEnforced") => Ok(()),
        Some("BucketOwnerPreferred" | "ObjectWriter") => {
            Err(Code::NotImplemented.with("ACLs are not implemented: buckets are BucketOwnerEnforced."))
        }
        Some(other) => Err(invalid_argument("Invalid x-amz-object-ownership header", "x-amz-object-ownership", other)),
    }
}

/// Reads the region and the tags that the body asks for.
async fn read_body(request: &Request, payload: &mut Payload) -> S3Result<Noted> {
    let body = payload.document(request, XML_BYTES_MAX, Code::MalformedXML).await?;
    if body.is_empty() {
        return Ok(Noted::default());
    }
    let document = xml_read::parse(&body, "CreateBucketConfiguration")?;
    let location = document.child_text("LocationConstraint").map(str::trim).filter(|region| !region.is_empty());
    let bucket_tags = document.child("Tags").map(xml_read::tags).transpose()?;
    Ok(Noted { location: location.map(str::to_owned), bucket_tags, ..Noted::default() })
}
