//! Objects over the admin API: S3's own handlers with whoever is signed in, so that the console needs no other origin.
//!
//! Nothing is decided here. A call is S3's request with another beginning of its path, and is judged, carried out, counted and recorded as on the S3 listener.

use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri, header};

use super::answer::{Refusal, Result};
use super::caller::{Caller, Door, not_signed_in};
use super::route::BASE;
use crate::access::authenticate as access;
use crate::app::S3Application;
use crate::auth::PayloadAuth;
use crate::http::body::RequestBody;
use crate::protocol::request::{Peer, Query};
use crate::protocol::respond::Response;
use crate::protocol::route;
use crate::state::State;

/// A call that somebody makes: who, how its body is checked, and what S3 is asked for.
pub(super) struct Admitted {
    caller: access::Caller,
    auth: PayloadAuth,
    uri: Uri,
}

/// Finds who makes a call about objects.
///
/// # Errors
/// Nobody does, or their credentials are no good.
pub(super) fn admit(state: &Arc<State>, door: Door, head: &Parts, now: i64) -> Result<Admitted> {
    let snapshot = Arc::clone(&state.identities.snapshot());
    let caller = Caller::of(state, &snapshot, door, head, None, now)?.ok_or_else(not_signed_in)?;
    let uri = s3_uri(&head.uri).ok_or_else(|| Refusal::invalid("path", "can't be read"))?;
    let (caller, auth) = caller.into_s3();
    Ok(Admitted { caller, auth, uri })
}

/// The S3 operation that a call names, for the record of one that nobody may make.
pub(super) fn event(head: &Parts) -> Option<&'static str> {
    let uri = s3_uri(&head.uri)?;
    let target = route::target(uri.path(), None).ok()?;
    let query = Query::parse(uri.query().unwrap_or_default()).ok()?;
    Some(route::operation(&head.method, &target, &query, &head.headers).ok()?.name())
}

/// Has S3's handlers answer a call.
pub(super) async fn answer(
    state: &Arc<State>,
    admitted: Admitted,
    mut head: Parts,
    peer: Peer,
    body: RequestBody,
) -> Response {
    let Admitted { caller, auth, uri } = admitted;
    head.uri = uri;
    let mut response = S3Application::new(Arc::clone(state)).answer_as(caller, auth, head, peer, body).await;
    let headers = response.headers_mut();
    // What users have stored must not act as the console does: it comes from the console's origin.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `/api/v1/buckets/NAME/objects/KEY?QUERY` as S3 has it: `/NAME/KEY?QUERY`, escapes as they are.
fn s3_uri(uri: &Uri) -> Option<Uri> {
    let below = uri.path().strip_prefix(BASE)?.strip_prefix("/buckets/")?;
    let (bucket, rest) = below.split_once('/')?;
    let key = rest.strip_prefix("objects")?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = PathAndQuery::try_from(format!("/{bucket}{key}{query}")).ok()?;
    Uri::builder().path_and_query(target).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_s3_s_without_being_decoded() {
        let s3 = |path: &str| s3_uri(&path.parse().unwrap()).unwrap().to_string();
        assert_eq!(s3("/api/v1/buckets/box/objects?list-type=2&prefix=a%2F"), "/box?list-type=2&prefix=a%2F");
        assert_eq!(s3("/api/v1/buckets/box/objects/a//b%20c/../d"), "/box/a//b%20c/../d");
        assert_eq!(s3("/api/v1/buckets/box/objects/objects/objects"), "/box/objects/objects");
    }
}
