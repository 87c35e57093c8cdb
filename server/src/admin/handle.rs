//! One admin call on a page: find it, find who calls, judge, read the body, run. There is no other way to a handler.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Claimant, Refusal, Result};
use super::call::Call;
use super::caller::{Caller, Circumstances, Door, not_signed_in};
use super::route::{self, Access, Found, Route, Run, Takes};
use super::{objects, openapi};
use crate::audit::{Authorization, Record, Resource, UserIdentity};
use crate::clock;
use crate::config::LogRequests;
use crate::http::body::{BodyError, RequestBody};
use crate::identity::account::Account;
use crate::identity::snapshot::Snapshot;
use crate::protocol::request::{Peer, Query};
use crate::protocol::respond::Response;
use crate::state::State;

/// The longest body that is read before its sender is known, in bytes: only a signature that covers a body without telling its hash needs that.
const UNKNOWN_BODY_BYTES_MAX: usize = 64 << 10;
/// What is still read of a refused call's body, so that its sender sees the answer instead of a reset.
const DRAINED_BYTES_MAX: u64 = 1 << 20;
const DRAIN_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether a path is the admin API's.
pub(crate) fn is_below(path: &str) -> bool {
    path.strip_prefix(route::BASE).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Answers one call.
pub(super) async fn handle(
    state: &Arc<State>,
    door: Door,
    head: Parts,
    peer: Peer,
    mut body: RequestBody,
    now: i64,
) -> Response {
    let (method, path, address) = (head.method.clone(), head.uri.path().to_owned(), peer.address);
    let mut line = Line::default();
    let id = state.request_ids.next();
    let outcome = match route::find(&method, &path) {
        Found::Route(route, _) if route.access == Access::Object => {
            line.of(route, &head);
            if let Some(event) = objects::event(&head) {
                line.event = Cow::Borrowed(event);
            }
            match objects::admit(state, door, &head, now) {
                Ok(admitted) => return objects::answer(state, admitted, head, peer, body).await,
                Err(refusal) => Err(refusal),
            }
        }
        found => run(state, Arrival { door, head, peer, now }, found, &mut body, &mut line).await,
    };
    if outcome.is_err() && !body.is_done() {
        body.drain(DRAINED_BYTES_MAX, DRAIN_TIME_MAX).await;
    }
    let (mut response, code) = match outcome {
        Ok(answer) => (answer.into_response(), ""),
        Err(mut refusal) => {
            let code = refusal.code;
            line.cause = refusal.cause.take();
            line.claimant = refusal.claimant.take().or(line.claimant);
            (refusal.into_response(), code)
        }
    };
    let status = response.status();
    if state.audit.is_on() && !line.event.is_empty() {
        let is_denied = code == "AccessDenied" && !line.action.is_empty();
        let decision = if is_denied { "ImplicitDeny" } else { "Allow" };
        let identity = match (&line.caller, &line.claimant) {
            (Some(caller), _) => caller.audited(),
            (None, Some(claimant)) => claimant.audited(),
            (None, None) => UserIdentity::anonymous(),
        };
        // Whose it is was not proved: the client isn't told why, whoever looks here is.
        let authorization = match &line.cause {
            Some(cause) => Some(Authorization::new("ImplicitDeny", "", cause)),
            None => (!line.action.is_empty()).then(|| Authorization::new(decision, "", line.action)),
        };
        let below = path.trim_start_matches(route::BASE).trim_start_matches('/');
        state.audit.record(&Record {
            at_nanoseconds: clock::now_nanoseconds(),
            source: "strongroom",
            name: &line.event,
            region: &state.config.region,
            address,
            user_agent: line.user_agent.as_deref(),
            request_id: Some(id.as_str()),
            account: line.account.as_ref().map(|it| it.account_id.as_str()).or(identity.account_id),
            identity,
            resources: [Some(Resource::Call(below)), None],
            status: status.as_u16(),
            error_code: Some(code),
            authorization,
            parameters: line.parameters.as_ref(),
        });
    }
    state.metrics.answered(status, status == StatusCode::FORBIDDEN);
    let wanted = state.config.log_requests == LogRequests::All
        || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error();
    if wanted {
        // Who couldn't prove who they are, where this node knows whom they named.
        let claimant = line.claimant.as_ref().and_then(Claimant::known_name);
        let caller = line.caller.as_ref().map(|caller| caller.arn()).or(claimant).unwrap_or_default();
        let operation = if line.action.is_empty() { &line.event } else { line.action };
        let cause = line.cause.as_deref();
        tracing::info!(target: "request", id = id.as_str(), client = %address, caller, operation, %method, path, status = status.as_u16(), code, cause);
    }
    let headers = response.headers_mut();
    // Answers hold secrets and what only their caller may see.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::SERVER, HeaderValue::from_static("Strongroom"));
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(HeaderName::from_static("x-amz-request-id"), id);
    }
    response
}

/// A call without its body.
struct Arrival {
    door: Door,
    head: Parts,
    peer: Peer,
    /// Seconds since the epoch.
    now: i64,
}

/// What the log says of a call.
#[derive(Default)]
struct Line {
    caller: Option<Arc<Caller>>,
    /// The account whose nouns are meant: its admins look for what was done there.
    account: Option<Arc<Account>>,
    action: &'static str,
    event: Cow<'static, str>,
    user_agent: Option<String>,
    parameters: Option<serde_json::Value>,
    /// Who the call said that its caller is, where that wasn't proved.
    claimant: Option<Claimant>,
    cause: Option<String>,
}

impl Line {
    /// Takes what is known before anybody is.
    fn of(&mut self, route: &Route, head: &Parts) {
        self.event = event(route);
        self.user_agent = head.headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok()).map(str::to_owned);
    }
}

async fn run(
    state: &Arc<State>,
    arrival: Arrival,
    found: Found,
    body: &mut RequestBody,
    line: &mut Line,
) -> Result<Answer> {
    let Arrival { door, head, peer, now } = arrival;
    let (route, names) = match found {
        Found::Route(route, names) => (route, names),
        Found::OtherMethod(methods) => {
            let message = format!("Here are {} only.", methods.join(", "));
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
                .with(header::ALLOW, methods.join(", ")));
        }
        Found::Nothing => return Err(Refusal::not_found("NotFound", format!("There is no {} here.", head.uri.path()))),
    };
    let Run::Handler(handler) = route.run else {
        return Err(Refusal::not_found("NotFound", format!("There is no {} here.", head.uri.path())));
    };
    line.of(route, &head);
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    let early = read_unknown(route, &head, body).await?;
    let hash = early.as_ref().map(|bytes| hex(&Sha256::digest(bytes)));
    let snapshot = Arc::clone(&state.identities.snapshot());
    let caller = match route.access {
        // A token that has ended must not keep anyone from signing in again.
        Access::Anyone => None,
        _ => {
            let caller = Caller::of(state, &snapshot, door, &head, hash.as_deref(), now)?;
            Some(Arc::new(caller.ok_or_else(not_signed_in)?))
        }
    };
    let circumstances = Circumstances { state, head: &head, peer: &peer, now };
    if let Some(caller) = &caller {
        line.caller = Some(caller.clone());
        if let Access::May(action) = route.access {
            line.action = action.name();
            caller.require(&circumstances, action)?;
        }
    }
    route.check_query(&query)?;
    let account = caller.as_ref().map(|caller| account_meant(&snapshot, caller, &circumstances, &query)).transpose()?;
    line.account.clone_from(&account);
    let bytes = match early {
        Some(bytes) => bytes,
        None => read(body, route.body_bytes_max).await?,
    };
    if let Some(caller) = &caller {
        caller.check_body(&bytes)?;
    }
    // Some clients send an empty object with every POST. Anything more is a wish that would be ignored.
    if matches!(route.takes, Takes::Nothing) && !matches!(bytes.trim_ascii(), b"" | b"{}") {
        return Err(Refusal::invalid("body", "is not taken by this call"));
    }
    let call = Call {
        state: Arc::clone(state),
        caller,
        account,
        names,
        query,
        head,
        peer,
        body: bytes,
        now,
        received_at: clock::now_microseconds(),
        noted: OnceLock::new(),
        signed_in: OnceLock::new(),
        claimant: OnceLock::new(),
    };
    let outcome = handler(&call).await;
    line.parameters = call.noted.into_inner();
    line.claimant = call.claimant.into_inner();
    line.caller = call.signed_in.into_inner().or(line.caller.take());
    outcome
}

/// The name of a call in the audit log: its action's, or its own.
fn event(route: &Route) -> Cow<'static, str> {
    match route.access {
        Access::May(action) => Cow::Borrowed(action.name().trim_start_matches("strongroom:")),
        Access::SignedIn | Access::Anyone | Access::Object => match (route.method.as_str(), route.path) {
            ("POST", "/auth/token" | "/auth/session") => Cow::Borrowed("SignIn"),
            ("DELETE", "/auth/token" | "/auth/session") => Cow::Borrowed("SignOut"),
            ("GET", "/auth/token" | "/auth/session") => Cow::Borrowed("GetSession"),
            ("PUT", "/auth/password") => Cow::Borrowed("ChangePassword"),
            ("GET", "/" | "/openapi.json") => Cow::Borrowed("GetDescription"),
            _ => Cow::Owned(openapi::operation_id(route)),
        },
    }
}

/// The account that `?account=` names: the caller's own, or any for an operator who may change accounts.
fn account_meant(
    snapshot: &Snapshot,
    caller: &Caller,
    circumstances: &Circumstances<'_>,
    query: &Query,
) -> Result<Arc<Account>> {
    let own = caller.account();
    let Some(name) = query.value("account") else { return Ok(own.clone()) };
    if name == own.account_id.as_str() || name == own.name.as_str() {
        return Ok(own.clone());
    }
    if !own.operator {
        return Err(Refusal::account_not_found());
    }
    // Before it is looked for: who may not look hears the same of every name.
    caller.require(circumstances, policy::Action::StrongroomUpdateAccount).map_err(|mut refusal| {
        refusal.message = format!("Only who may change accounts may name another than their own. {}", refusal.message);
        refusal
    })?;
    let found = snapshot.account(name).or_else(|| snapshot.account_by_name(name));
    found.cloned().ok_or_else(Refusal::account_not_found)
}

/// Reads the body before its sender is known, where the signature covers a hash that isn't sent.
async fn read_unknown(route: &Route, head: &Parts, body: &mut RequestBody) -> Result<Option<Bytes>> {
    let authorization = head.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if !authorization.starts_with(b"AWS4-") || head.headers.contains_key("x-amz-content-sha256") {
        return Ok(None);
    }
    read(body, route.body_bytes_max.min(UNKNOWN_BODY_BYTES_MAX)).await.map(Some)
}

async fn read(body: &mut RequestBody, bytes_max: usize) -> Result<Bytes> {
    body.collect(bytes_max).await.map_err(|error| match error {
        BodyError::TooLong => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLarge",
            format!("The body is longer than the {bytes_max} bytes that are read here."),
        ),
        BodyError::Idle => Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "The body came too slowly."),
        BodyError::Broken(_) => Refusal::invalid("body", "ended early"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
