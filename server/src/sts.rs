//! [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html) on the S3 listener: the first question of many SDKs and tools.
//!
//! Nothing need allow it and nothing can deny it, as at AWS: whoever signs knows who they are. The other calls of STS aren't there, and say so.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::audit::{Authorization, Record, UserIdentity};
use crate::auth::{self, AuthConfig, AuthErrorCode, Claim, PayloadAuth, RequestHead};
use crate::clock;
use crate::config::LogRequests;
use crate::http::body::{Body, RequestBody};
use crate::http::proxy;
use crate::identity::credential::{Holder, Identity, claimed};
use crate::protocol::request::{Query, RequestId};
use crate::protocol::respond::{self, Response};
use crate::protocol::route;
use crate::protocol::xml_write::Xml;
use crate::state::State;

/// The longest form or query that is read, in bytes.
const FORM_BYTES_MAX: usize = 8 << 10;
/// How long a presigned URL can be used, in seconds, whatever it says: [as at AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html), where it proves to others who signed it.
const PRESIGNED_SECONDS_MAX: i64 = 15 * 60;
/// The one call that is served.
const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What is refused, in STS's terms.
struct Refused(StatusCode, &'static str, String);

/// What the logs say of a call.
struct Line {
    /// `GetCallerIdentity`, or in place of another name, which is the client's word.
    event: &'static str,
    identity: Option<Arc<Identity>>,
    /// The access key that was named, and whose it is, where nobody proved to be its holder; and why not.
    claimant: Option<(String, Option<Holder>)>,
    cause: String,
}

/// Whether a request is STS's: a form posted to the root, which S3 has no operation for, or one in the query of a GET, which no operation of S3 has. `domains` are those below which hosts are buckets.
pub fn is_for(request: &hyper::Request<Incoming>, domains: &[String]) -> bool {
    let text = |name| request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let query = request.uri().query();
    if request.uri().path() != "/" {
        return false;
    }
    match *request.method() {
        Method::POST => {
            let form = text(header::CONTENT_TYPE).to_ascii_lowercase();
            query.is_none() && form.starts_with("application/x-www-form-urlencoded")
        }
        Method::GET => {
            query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")))
                && route::bucket_of_host(text(header::HOST), domains).is_none()
        }
        _ => false,
    }
}

/// Answers a call of STS.
pub async fn answer(state: &State, peer: IpAddr, request: hyper::Request<Incoming>, id: RequestId) -> Response {
    let (head, incoming) = request.into_parts();
    let address = proxy::client_address(peer, &head.headers, &state.config.trusted_proxies);
    let mut body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    let mut line = Line { event: "Unauthenticated", identity: None, claimant: None, cause: String::new() };
    let (status, code, mut xml) = match run(state, &head, &mut body, &mut line).await {
        Ok(xml) => (StatusCode::OK, None, xml),
        Err(Refused(status, code, message)) => (status, Some(code), error(code, &message)),
    };
    if state.audit.wants(code.is_some()) {
        let identity = match (&line.identity, &line.claimant) {
            (Some(identity), _) => identity.audited(),
            (None, Some((access_key, holder))) => claimed(access_key, holder.as_ref()),
            (None, None) => UserIdentity::anonymous(),
        };
        let is_unproven = line.identity.is_none() && !line.cause.is_empty();
        state.audit.record(&Record {
            at_nanoseconds: clock::now_nanoseconds(),
            source: "sts.amazonaws.com",
            name: line.event,
            region: &state.config.region,
            address,
            user_agent: head.headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok()),
            request_id: Some(id.as_str()),
            account: identity.account_id,
            identity,
            resources: [None, None],
            status: status.as_u16(),
            error_code: code,
            authorization: is_unproven.then(|| Authorization::new("ImplicitDeny", "", &line.cause)),
            parameters: None,
        });
    }
    state.metrics.answered(status, status == StatusCode::FORBIDDEN);
    if state.config.log_requests == LogRequests::All || status == StatusCode::FORBIDDEN || status.is_server_error() {
        let caller = line.identity.as_ref().map_or("-", |identity| identity.arn.as_str());
        let (method, path, cause) = (&head.method, head.uri.path(), &line.cause);
        tracing::info!(target: "request", id = id.as_str(), client = %address, caller, operation = line.event, %method, path, status = status.as_u16(), code, cause);
    }
    let (element, container) = if status == StatusCode::OK {
        ("GetCallerIdentityResponse", Some("ResponseMetadata"))
    } else {
        ("ErrorResponse", None)
    };
    if let Some(container) = container {
        xml.open(container);
        xml.text("RequestId", id.as_str());
        xml.close(container);
    } else {
        xml.text("RequestId", id.as_str());
    }
    xml.close(element);
    let mut response = respond::with_body(status, Body::from(xml.finish()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    headers.insert(header::SERVER, HeaderValue::from_static("Strongroom"));
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

async fn run(
    state: &State,
    head: &http::request::Parts,
    body: &mut RequestBody,
    line: &mut Line,
) -> Result<Xml, Refused> {
    let sender = |code, message: &str| Refused(StatusCode::BAD_REQUEST, code, message.to_owned());
    let bytes = body.collect(FORM_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| sender("MalformedQueryString", "The form can't be read or is too long."))?;
    let text = match head.method {
        Method::GET => head.uri.query().filter(|query| query.len() <= FORM_BYTES_MAX),
        _ => std::str::from_utf8(&bytes).ok(),
    };
    let form = text.and_then(|text| Query::parse(text).ok());
    let form = form.ok_or_else(|| sender("MalformedQueryString", "The form can't be read."))?;
    let action = form.value("Action");
    if action == Some(GET_CALLER_IDENTITY) {
        line.event = GET_CALLER_IDENTITY;
    }
    // Who asks comes first: what is served here is nobody's business who doesn't sign.
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let claim = RequestHead {
        method: &head.method,
        uri: &head.uri,
        headers: &head.headers,
        host_bucket: None,
        body_sha256: Some(&hash),
        path_twice: false,
    };
    let config = AuthConfig {
        external_hosts: state.auth.external_hosts.clone(),
        presigned_seconds_max: Some(PRESIGNED_SECONDS_MAX),
        ..AuthConfig::of_service("sts", state.config.region.clone())
    };
    let now = clock::now_seconds();
    let denied = |code, message: &str| Refused(StatusCode::FORBIDDEN, code, message.to_owned());
    let refused = |error: auth::AuthError| match error.code() {
        AuthErrorCode::InvalidAccessKeyId => {
            denied("InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        code => denied(code.as_str(), error.message()),
    };
    let parsed = auth::parse(claim, &config, now).map_err(|error| {
        line.cause = error.message().to_owned();
        refused(error)
    })?;
    let Claim::Signed(claim) = parsed else {
        return Err(denied("MissingAuthenticationToken", "Request is missing Authentication Token"));
    };
    let snapshot = match state.identities.early(|| Some(claim.access_key().to_owned())).await {
        Some(early) => early,
        None => Arc::clone(&state.identities.snapshot()),
    };
    let at = Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH);
    line.claimant = Some((claim.access_key().to_owned(), snapshot.holder(claim.access_key())));
    let identity = match snapshot.credential(claim.access_key(), at) {
        Ok(identity) => identity.clone(),
        Err(refusal) => {
            line.cause = refusal.to_string();
            return Err(refused(claim.unknown_access_key()));
        }
    };
    let authenticated = claim.verify(&identity.secret, None, &state.signing_keys).map_err(|error| {
        line.cause = error.message().to_owned();
        refused(error)
    })?;
    match authenticated.into_payload() {
        PayloadAuth::Sha256(signed) if signed == *Sha256::digest(&bytes) => {}
        _ => {
            let message = "The signature does not cover the body.";
            line.cause = message.to_owned();
            return Err(denied("SignatureDoesNotMatch", message));
        }
    }
    line.identity = Some(identity.clone());
    match action {
        Some(GET_CALLER_IDENTITY) => {}
        Some(other) => {
            line.event = "UnknownAction";
            let shown: String = other.chars().take(64).collect();
            let message = format!("The action {shown} is not valid for this endpoint.");
            return Err(sender("InvalidAction", &message));
        }
        None => {
            line.event = "UnknownAction";
            return Err(sender("MissingAction", "The request is missing an action or a required parameter."));
        }
    }
    let mut xml = root("GetCallerIdentityResponse");
    xml.open("GetCallerIdentityResult");
    xml.text("Arn", &identity.arn);
    xml.text("UserId", &identity.user_id);
    xml.text("Account", identity.account.account_id.as_str());
    xml.close("GetCallerIdentityResult");
    Ok(xml)
}

fn error(code: &str, message: &str) -> Xml {
    let mut xml = root("ErrorResponse");
    xml.open("Error");
    xml.text("Type", "Sender");
    xml.text("Code", code);
    xml.text("Message", message);
    xml.close("Error");
    xml
}

fn root(name: &str) -> Xml {
    Xml::root_in(name, NAMESPACE)
}
