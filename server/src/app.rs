//! The S3 listener's application: every request gets an id, an answer, a line in the log where it is wanted, and its place in the counters.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::access::authenticate::Caller;
use crate::access::context::RequestContext;
use crate::audit::{Authorization, Record, Resource, UserIdentity};
use crate::auth::PayloadAuth;
use crate::clock;
use crate::config::LogRequests;
use crate::health;
use crate::http::body::{Body, RequestBody};
use crate::http::proxy;
use crate::http::serve::{Application, Connection};
use crate::http::whole::whole;
use crate::identity::credential::claimed;
use crate::protocol::error::{Code, S3Error};
use crate::protocol::operation::Operation;
use crate::protocol::request::{Peer, Target};
use crate::protocol::respond::{self, Response};
use crate::protocol::route;
use crate::s3::handle::{self, Arrived, Handled, Unproven};
use crate::state::State;
use crate::sts;

/// S3 for one node.
#[derive(Clone)]
pub struct S3Application {
    state: Arc<State>,
}

impl S3Application {
    /// The application of a node.
    pub fn new(state: Arc<State>) -> S3Application {
        S3Application { state }
    }

    async fn s3(&self, connection: &Connection, request: hyper::Request<Incoming>) -> Response {
        let state = &*self.state;
        let began = Instant::now();
        let id = self.state.request_ids.next();
        let (head, incoming) = request.into_parts();
        let address = proxy::client_address(connection.peer.ip(), &head.headers, &state.config.trusted_proxies);
        let secure = connection.tls_version.is_some();
        // Nothing on this listener asks what was before a proxy.
        let peer = Peer { address, secure, secure_before_proxy: false, tls_version: connection.tls_version };
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
        let arrived = Arrived { head, peer, id, received_at_seconds: clock::now_seconds() };
        let handled = handle::handle(state, arrived, body).await;
        let line = Line { method: &method, path: uri.path(), address, id: id.as_str(), began, errors: Errors::Xml };
        self.finish_with_ids(&line, handled)
    }

    /// Answers a request whose caller the admin API has verified, as the S3 listener would answer them; refusals are the admin API's JSON.
    pub async fn answer_as(
        &self,
        caller: Caller,
        auth: PayloadAuth,
        head: Parts,
        peer: Peer,
        body: RequestBody,
    ) -> Response {
        let began = Instant::now();
        let id = self.state.request_ids.next();
        let (method, uri, address) = (head.method.clone(), head.uri.clone(), peer.address);
        let arrived = Arrived { head, peer, id, received_at_seconds: clock::now_seconds() };
        let handled = handle::handle_as(&self.state, caller, auth, arrived, body).await;
        let line = Line { method: &method, path: uri.path(), address, id: id.as_str(), began, errors: Errors::Json };
        self.finish_with_ids(&line, handled)
    }

    fn finish_with_ids(&self, line: &Line<'_>, handled: Handled) -> Response {
        let mut response = self.finish(line, handled);
        set_ids(&mut response, line.id);
        response
    }

    /// The record of a request in the audit log.
    fn audit(
        &self,
        line: &Line<'_>,
        context: Option<&RequestContext>,
        unproven: Option<&Unproven>,
        error: Option<&S3Error>,
        status: StatusCode,
    ) {
        let state = &*self.state;
        let is_refused = status.is_client_error() || status.is_server_error();
        let key_denied = context.and_then(|context| context.refused_key());
        if !state.audit.wants(is_refused || key_denied.is_some()) {
            return;
        }
        let denial = error.and_then(|error| error.denial.as_ref()).or(key_denied);
        let allowed_by = context.and_then(|context| context.decided_by());
        let authorization = match (denial, allowed_by) {
            (Some(denial), _) => {
                let reason = if denial.trace.is_empty() { &denial.asked } else { &denial.trace };
                Some(Authorization::new(denial.outcome(), &denial.by, reason))
            }
            (None, Some(by)) => Some(Authorization::new("Allow", by, "")),
            // Whose it is was not proved: the client isn't told why, whoever looks here is.
            (None, None) => unproven.and(error).map(|error| {
                let reason = error.cause.as_deref().unwrap_or(&error.message);
                Authorization::new("ImplicitDeny", "", reason)
            }),
        };
        let identity = match (context, unproven) {
            (Some(context), _) => context.caller.audited(),
            (None, Some(Unproven { access_key: Some(key), holder, .. })) => claimed(key, holder.as_ref()),
            (None, Some(_)) => UserIdentity::anonymous(),
            (None, None) => UserIdentity::anonymous(),
        };
        let operation = context.map(|it| it.operation).or_else(|| unproven.and_then(|it| it.operation));
        let user_agent = context.and_then(|it| it.request.header("user-agent"));
        let target = unproven.and_then(|it| it.target.as_ref());
        state.audit.record(&Record {
            at_nanoseconds: clock::now_nanoseconds(),
            source: "s3.amazonaws.com",
            name: operation.map_or("Unauthenticated", Operation::name),
            region: &state.config.region,
            address: line.address,
            user_agent: user_agent.or_else(|| unproven.and_then(|it| it.user_agent.as_deref())),
            request_id: Some(line.id),
            account: match context {
                Some(context) => {
                    let owner = context.bucket().ok().map(|bucket| bucket.owner.as_str());
                    owner.or_else(|| context.caller.account_id())
                }
                None => identity.account_id,
            },
            identity,
            resources: match (context, target) {
                (Some(context), _) => resources(context),
                (None, Some(target)) => [named(target), None],
                (None, None) => [None, None],
            },
            status: status.as_u16(),
            error_code: error.map(|error| error.code.name()),
            authorization,
            parameters: None,
        });
    }

    /// Without a CORS rule a preflight is refused, and no origin is told anything.
    fn refuse_preflight(&self, connection: &Connection, request: &hyper::Request<Incoming>) -> Response {
        let state = &*self.state;
        let error = Code::AccessForbidden.error();
        let status = StatusCode::FORBIDDEN;
        let id = state.request_ids.next();
        state.metrics.answered(status, true);
        if state.audit.wants(true) {
            let text = |name| request.headers().get(name).and_then(|it: &HeaderValue| it.to_str().ok());
            let host_bucket =
                route::bucket_of_host(text(http::header::HOST).unwrap_or_default(), &state.config.domains);
            let target = route::target(request.uri().path(), host_bucket).ok();
            state.audit.record(&Record {
                at_nanoseconds: clock::now_nanoseconds(),
                source: "s3.amazonaws.com",
                name: "Preflight",
                region: &state.config.region,
                address: proxy::client_address(connection.peer.ip(), request.headers(), &state.config.trusted_proxies),
                user_agent: text(http::header::USER_AGENT),
                request_id: Some(id.as_str()),
                identity: UserIdentity::anonymous(),
                account: None,
                resources: [target.as_ref().and_then(named), None],
                status: status.as_u16(),
                error_code: Some(error.code.name()),
                authorization: None,
                parameters: None,
            });
        }
        let document = error.document(request.uri().path(), id.as_str());
        let mut response = respond::with_body(status, Body::from(document));
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        set_ids(&mut response, id.as_str());
        response
    }

    fn finish(&self, line: &Line<'_>, handled: Handled) -> Response {
        let state = &*self.state;
        let Handled { outcome, context, unproven, received } = handled;
        state.metrics.received(received);
        let (response, error) = match outcome {
            Ok(response) => (response, None),
            Err(error) => {
                let error = unless_hidden_by_damage(state, error);
                if error.damaged {
                    state.maintenance.read_was_damaged();
                }
                (self.refuse(line, &error), Some(error))
            }
        };
        let status = response.status();
        self.audit(line, context.as_deref(), unproven.as_ref(), error.as_ref(), status);
        state.metrics.answered(status, status == StatusCode::FORBIDDEN);
        state.metrics.sent(http_body::Body::size_hint(response.body()).lower());
        let refused_key = context.as_ref().and_then(|context| context.refused_key());
        let wanted = state.config.log_requests == LogRequests::All
            || status == StatusCode::FORBIDDEN
            || refused_key.is_some()
            || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if wanted {
            let caller = context.as_ref().map_or("-", |context| context.caller.name());
            let operation = context.as_ref().map_or("-", |context| context.operation.name());
            let allowed_by = context.as_ref().and_then(|context| context.decided_by());
            let denial = error.as_ref().and_then(|error| error.denial.as_ref()).or(refused_key);
            let code = error.as_ref().map_or("", |error| error.code.name());
            let asked = denial.map_or("", |denial| denial.asked.as_str());
            let cause = error.as_ref().and_then(|error| error.cause.as_deref()).unwrap_or(asked);
            let decision = match (denial, allowed_by) {
                (Some(denial), _) => denial.outcome(),
                (None, Some(_)) => "Allow",
                (None, None) => "-",
            };
            let decided_by = denial.map(|denial| denial.by.as_str()).or(allowed_by).unwrap_or("-");
            let trace = denial.map_or("", |denial| denial.trace.as_str());
            let micros = u64::try_from(line.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::info!(
                target: "request",
                id = line.id, client = %line.address, caller, operation, method = %line.method, path = line.path,
                status = status.as_u16(), code, decision, decided_by, trace, cause, micros,
            );
        }
        response
    }

    fn refuse(&self, line: &Line<'_>, error: &S3Error) -> Response {
        let status = error.code.status();
        // HEAD and 304 have no body; hyper would drop it, but its length would be sent.
        let bodiless = line.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        let mut response = if bodiless {
            respond::empty(status)
        } else {
            let (document, kind) = match line.errors {
                Errors::Xml => (error.document(line.path, line.id), "application/xml"),
                Errors::Json => {
                    let document = json!({"code": error.code.name(), "message": error.message});
                    (document.to_string(), "application/json")
                }
            };
            let mut response = respond::with_body(status, Body::from(document));
            response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        };
        let headers = response.headers_mut();
        for (name, value) in &error.headers {
            respond::set(headers, name, value);
        }
        if self.state.config.explain_denials
            && let Some(denial) = &error.denial
        {
            respond::set(headers, "x-strongroom-denied-by", policy::header_text(&denial.by));
            if let Some(nearly) = &denial.nearly {
                respond::set(headers, "x-strongroom-nearly-allowed-by", nearly);
            }
        }
        response
    }
}

/// Whether a request may send the content of an object or a part. A task of its own is a tenth of what a small one takes, and where its client hangs up nobody was told that it is stored.
fn sends_content(request: &hyper::Request<Incoming>) -> bool {
    let names_a_key = request.uri().path().trim_start_matches('/').contains('/');
    let query = request.uri().query().unwrap_or_default();
    let is_content = query.is_empty() || query == "x-id=PutObject" || query.contains("partNumber=");
    request.method() == Method::PUT && names_a_key && is_content
}

/// Sets the headers by which an answer is known, those of every answer of S3.
fn set_ids(response: &mut Response, id: &str) {
    let headers = response.headers_mut();
    respond::set_static(headers, "x-amz-request-id", id);
    headers.insert(HeaderName::from_static("x-amz-id-2"), HeaderValue::from_static("strongroom"));
    headers.insert(http::header::SERVER, HeaderValue::from_static("Strongroom"));
}

/// The bucket or object that a request names, and what it copies from.
fn resources(context: &RequestContext) -> [Option<Resource<'_>>; 2] {
    let source = context.request.copy_source.as_ref();
    [named(&context.request.target), source.map(|source| Resource::Object(source.bucket.as_ref(), source.key.as_ref()))]
}

fn named(target: &Target) -> Option<Resource<'_>> {
    match target {
        Target::Service => None,
        Target::Bucket(bucket) => Some(Resource::Bucket(bucket.as_ref())),
        Target::Object(bucket, key) => Some(Resource::Object(bucket.as_ref(), key.as_ref())),
    }
}

/// Behind damage in the log nobody knows what was stored: "no such key" would tell a client that what it stored is gone, so it is told of the damage.
fn unless_hidden_by_damage(state: &State, error: S3Error) -> S3Error {
    let is_missing = matches!(
        error.code,
        Code::NoSuchBucket | Code::NoSuchBucketPolicy | Code::NoSuchKey | Code::NoSuchUpload | Code::NoSuchVersion
    );
    if !is_missing || !matches!(state.store.health(), engine::Health::Damaged { .. }) {
        return error;
    }
    Code::InternalError
        .with("The node's log is damaged, so that it can't tell whether this is stored. The node's own log and strongroom fsck say more.")
        .because(error.code.name())
}

/// What the log says of every request.
struct Line<'a> {
    method: &'a Method,
    path: &'a str,
    address: std::net::IpAddr,
    id: &'a str,
    began: Instant,
    errors: Errors,
}

/// How a refusal is told.
#[derive(Clone, Copy)]
enum Errors {
    /// As S3 does.
    Xml,
    /// As the admin API does.
    Json,
}

impl Application for S3Application {
    async fn answer(&self, connection: &Connection, request: hyper::Request<Incoming>) -> Response {
        // Load balancers ask without a signature; a signed request for such a path is for a bucket of that name.
        if let Some(probe) = health::probe(&request) {
            return health::answer(&self.state, probe);
        }
        if sts::is_for(&request, &self.state.config.domains) {
            let id = self.state.request_ids.next();
            return sts::answer(&self.state, connection.peer.ip(), request, id).await;
        }
        if request.method() == Method::OPTIONS {
            return self.refuse_preflight(connection, &request);
        }
        if request.method().is_safe() || sends_content(&request) {
            return self.s3(connection, request).await;
        }
        // What is changed or deleted is recorded, whether or not its client waits for the answer.
        let (application, connection) = (self.clone(), *connection);
        whole(async move { application.s3(&connection, request).await }).await
    }
}
