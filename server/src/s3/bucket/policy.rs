//! [GetBucketPolicy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html),
//! [PutBucketPolicy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html) and
//! [DeleteBucketPolicy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html): parsed and compiled before they are stored, given back byte for byte.

use http::{HeaderValue, StatusCode, header};
use policy::{Action, BUCKET_POLICY_BYTES_MAX, ParseOptions, Policy, Resource};

use crate::access::authorize::Authorized;
use crate::http::body::Body;
use crate::protocol::error::{Code, S3Result};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::s3::receive::Payload;
use crate::state::State;

/// Gives the policy back as it was uploaded.
pub fn read(state: &State, get: &Authorized<op::GetBucketPolicy>) -> S3Result<Response> {
    let bucket = get.bucket()?;
    let Some(stored) = state.bucket_policies.of(bucket.id)? else {
        return Err(Code::NoSuchBucketPolicy.error().field("BucketName", bucket.name.to_string()));
    };
    let mut response = respond::with_body(StatusCode::OK, Body::from(stored.policy.source().to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Stores a policy; a document that AWS would refuse is refused with AWS's text.
pub async fn write(state: &State, put: Authorized<op::PutBucketPolicy>, payload: &mut Payload) -> S3Result<Response> {
    let bucket = put.bucket()?;
    let body = payload.document(&put.request, BUCKET_POLICY_BYTES_MAX, Code::MalformedPolicy).await?;
    let policy = policy::parse(&body, ParseOptions::bucket(&bucket.name)).map_err(|errors| {
        let details: Vec<String> =
            errors.errors.iter().map(|e| format!("{}:{}: {}", e.line, e.column, e.message)).collect();
        Code::MalformedPolicy.with(errors.message.clone()).because(details.join("; "))
    })?;
    let confirmed = put
        .request
        .header("x-amz-confirm-remove-self-bucket-access")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !confirmed {
        refuse_lockout(state, &put, &policy)?;
    }
    let _turn = state.settings_turn.lock().await;
    state.bucket_policies.set(&state.store, bucket.id, Some(policy)).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// Removes the policy.
pub async fn remove(state: &State, delete: Authorized<op::DeleteBucketPolicy>) -> S3Result<Response> {
    let _turn = state.settings_turn.lock().await;
    state.bucket_policies.set(&state.store, delete.bucket()?.id, None).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// A policy that would keep its own author from changing it again is refused unless the author confirms it.
fn refuse_lockout(state: &State, put: &Authorized<op::PutBucketPolicy>, policy: &Policy) -> S3Result<()> {
    let bucket = put.bucket()?;
    let resource = Resource::Bucket { account: &bucket.owner, bucket: &bucket.name };
    if put.allows_with(state, Action::PutBucketPolicy, resource, policy) {
        return Ok(());
    }
    Err(Code::AccessDenied.with("The policy would keep you from changing it again. Send x-amz-confirm-remove-self-bucket-access: true to store it all the same."))
}
