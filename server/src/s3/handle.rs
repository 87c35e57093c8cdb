//! One S3 request on a page: route, authenticate, authorize, run. There is no other way to a handler.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::bucket::{self, list_objects, list_versions};
use super::multipart;
use super::object::{self, tagging};
use super::receive::Payload;
use crate::access::authenticate::{Caller, authenticate};
use crate::access::authorize;
use crate::access::context::RequestContext;
use crate::auth::{self, Claim, PayloadAuth, RequestHead, Scheme};
use crate::http::body::RequestBody;
use crate::identity::credential::Holder;
use crate::identity::snapshot::Snapshot;
use crate::protocol::error::{Code, S3Error, S3Result, invalid_argument};
use crate::protocol::name::CopySource;
use crate::protocol::operation::{Operation, op};
use crate::protocol::request::{Query, Request, RequestId, Target};
use crate::protocol::respond::Response;
use crate::protocol::route;
use crate::state::State;

/// Most bytes of all headers together.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// What became of a request: its answer, and what the log needs to know.
pub struct Handled {
    /// The answer, or the refusal.
    pub outcome: S3Result<Response>,
    /// The request in its context, once it was known who sent it.
    pub context: Option<Arc<RequestContext>>,
    /// What a request asked for whose sender didn't prove who they are.
    pub unproven: Option<Unproven>,
    /// Bytes of the body that were read.
    pub received: u64,
}

/// What a request says that was refused before anybody knew whose it is: for the audit log, in which somebody looks for who still uses a key that was disabled.
#[derive(Debug)]
pub struct Unproven {
    /// The operation that it names.
    pub operation: Option<Operation>,
    /// What it names.
    pub target: Option<Target>,
    /// The access key that it names.
    pub access_key: Option<String>,
    /// Whose key that is, or was.
    pub holder: Option<Holder>,
    /// What the client says that it is.
    pub user_agent: Option<String>,
}

impl Unproven {
    fn of(state: &State, early: Option<&Snapshot>, head: RequestHead<'_>, now: i64) -> Unproven {
        let target = route::target(head.uri.path(), head.host_bucket).ok();
        let query = Query::parse(head.uri.query().unwrap_or_default()).ok();
        let operation = target
            .as_ref()
            .zip(query)
            .and_then(|(target, query)| route::operation(head.method, target, &query, head.headers).ok());
        let access_key = access_key(state, head, now);
        let holder = access_key.as_deref().and_then(|key| match early {
            Some(early) => early.holder(key),
            None => state.identities.snapshot().holder(key),
        });
        let user_agent = head.headers.get(http::header::USER_AGENT).and_then(|it| it.to_str().ok()).map(str::to_owned);
        Unproven { operation, target, access_key, holder, user_agent }
    }
}

/// Answers one request of the S3 listener.
pub async fn handle(state: &State, request: Arrived, body: RequestBody) -> Handled {
    let mut unproven = None;
    let early = state.identities.early(|| access_key(state, claim(&request, None), request.received_at_seconds)).await;
    let opened = open(state, early.as_deref(), request, &mut unproven);
    Handled { unproven, ..carry_out(state, opened, body).await }
}

/// Answers one request whose caller the admin API has verified.
pub async fn handle_as(
    state: &State,
    caller: Caller,
    auth: PayloadAuth,
    request: Arrived,
    body: RequestBody,
) -> Handled {
    let opened = check_length(&request.head.headers).and_then(|()| understand(state, request, caller, None));
    let opened = opened.map(|context| (context, auth));
    carry_out(state, opened, body).await
}

async fn carry_out(state: &State, opened: S3Result<(Arc<RequestContext>, PayloadAuth)>, body: RequestBody) -> Handled {
    let (context, auth) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let mut payload = Payload::new(body, PayloadAuth::Unsigned);
            payload.drain().await;
            return Handled { outcome: Err(error), context: None, unproven: None, received: payload.received() };
        }
    };
    let mut payload = Payload::new(body, auth);
    let outcome = run(state, context.clone(), &mut payload).await;
    if outcome.is_err() {
        payload.drain().await;
    }
    Handled { outcome, context: Some(context), unproven: None, received: payload.received() }
}

/// A request as HTTP gives it.
pub struct Arrived {
    /// Method, target and headers.
    pub head: http::request::Parts,
    /// Facts of the connection.
    pub peer: crate::protocol::request::Peer,
    /// The request's id.
    pub id: RequestId,
    /// Seconds since the epoch.
    pub received_at_seconds: i64,
}

/// What a request is signed with.
fn claim<'a>(arrived: &'a Arrived, host_bucket: Option<&'a str>) -> RequestHead<'a> {
    let head = &arrived.head;
    RequestHead {
        method: &head.method,
        uri: &head.uri,
        headers: &head.headers,
        host_bucket,
        body_sha256: None,
        path_twice: false,
    }
}

/// The access key that a request names.
fn access_key(state: &State, claim: RequestHead<'_>, now: i64) -> Option<String> {
    match auth::parse(claim, &state.auth, now).ok()? {
        Claim::Signed(claim) => Some(claim.access_key().to_owned()),
        Claim::Anonymous(_) => None,
    }
}

/// Finds what a request asks for and who sent it.
fn open(
    state: &State,
    early: Option<&Snapshot>,
    arrived: Arrived,
    unproven: &mut Option<Unproven>,
) -> S3Result<(Arc<RequestContext>, PayloadAuth)> {
    let head = &arrived.head;
    check_length(&head.headers)?;
    let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let host_bucket = route::bucket_of_host(&host, &state.config.domains);
    let claim = claim(&arrived, host_bucket);
    let (caller, auth) = authenticate(state, early, claim, arrived.received_at_seconds).inspect_err(|_| {
        if state.audit.wants(true) {
            *unproven = Some(Unproven::of(state, early, claim, arrived.received_at_seconds));
        }
    })?;
    Ok((understand(state, arrived, caller, host_bucket)?, auth))
}

/// Finds what a request asks for.
fn understand(
    state: &State,
    arrived: Arrived,
    caller: Caller,
    host_bucket: Option<&str>,
) -> S3Result<Arc<RequestContext>> {
    let Arrived { mut head, peer, id, received_at_seconds } = arrived;
    take_parameters(&mut head, caller.scheme());
    refuse_ambiguous(&head.headers)?;
    let target = route::target(head.uri.path(), host_bucket)?;
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    let operation = route::operation(&head.method, &target, &query, &head.headers)?;
    let copies = matches!(operation, Operation::CopyObject | Operation::UploadPartCopy);
    let copy_source = match head.headers.get("x-amz-copy-source").filter(|_| copies) {
        None => None,
        Some(value) => Some(CopySource::parse(value.to_str().unwrap_or_default())?),
    };
    let request = Request {
        method: head.method,
        uri: head.uri,
        query,
        headers: head.headers,
        target,
        copy_source,
        peer,
        id,
        received_at_seconds,
    };
    Ok(Arc::new(RequestContext::new(state, request, caller, operation)))
}

fn check_length(headers: &HeaderMap) -> S3Result<()> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX { Err(Code::RequestHeaderSectionTooLarge.error()) } else { Ok(()) }
}

/// Takes what a presigned URL says in its query as the headers that it stands for. Presigners move headers there, and the signature covers them there too; a header that is sent as well stays.
fn take_parameters(head: &mut http::request::Parts, scheme: Scheme) {
    if !matches!(scheme, Scheme::SigV4Query | Scheme::SigV2Query) {
        return;
    }
    let Ok(query) = Query::parse(head.uri.query().unwrap_or_default()) else { return };
    for (sent, value) in query.iter() {
        let name = sent.to_ascii_lowercase();
        let is_header = match name.as_str() {
            // Signed only as they are spelled here.
            "content-type" | "content-md5" => scheme == Scheme::SigV2Query && sent == name,
            // Parts of the signature itself; and checksums, which presigners compute of a body that they don't have.
            "x-amz-algorithm"
            | "x-amz-credential"
            | "x-amz-date"
            | "x-amz-expires"
            | "x-amz-signedheaders"
            | "x-amz-signature"
            | "x-amz-security-token"
            | "x-amz-content-sha256"
            | "x-amz-sdk-checksum-algorithm" => false,
            name => name.starts_with("x-amz-") && !name.starts_with("x-amz-checksum-"),
        };
        if !is_header || head.headers.contains_key(&name) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            head.headers.insert(name, value);
        }
    }
}

/// Refuses a header that decides something and is sent twice, or isn't text: taking it for absent, or for its first value, would decide something else than was said.
fn refuse_ambiguous(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys() {
        let text = name.as_str();
        let decides = text.starts_with("if-")
            || matches!(text, "range" | "content-md5")
            || text.starts_with("x-amz-") && !text.starts_with("x-amz-meta-");
        if !decides {
            continue;
        }
        let may_repeat = matches!(text, "x-amz-object-attributes" | "x-amz-trailer");
        let is_text = headers.get_all(name).iter().all(|value| std::str::from_utf8(value.as_bytes()).is_ok());
        if !is_text || !may_repeat && headers.get_all(name).iter().nth(1).is_some() {
            return Err(invalid_argument(format!("The header {text} must be sent once, as text."), text, ""));
        }
    }
    Ok(())
}

/// Runs the operation's handler with the authorization that it asks for.
async fn run(state: &State, context: Arc<RequestContext>, payload: &mut Payload) -> S3Result<Response> {
    macro_rules! authorized {
        ($operation:ident) => {
            authorize::authorize::<op::$operation>(state, context)?
        };
    }
    match context.operation {
        Operation::ListBuckets => bucket::list::run(state, &authorize::judge::<op::ListBuckets>(state, context)?),
        Operation::CreateBucket => {
            bucket::create::run(state, authorize::judge::<op::CreateBucket>(state, context)?, payload).await
        }
        Operation::DeleteBucket => bucket::delete::run(state, authorized!(DeleteBucket)).await,
        Operation::HeadBucket => bucket::head::run(state, &authorized!(HeadBucket)),
        Operation::GetBucketLocation => bucket::location::run(state, &authorized!(GetBucketLocation)),
        Operation::GetBucketVersioning => bucket::versioning::read(&authorized!(GetBucketVersioning)),
        Operation::PutBucketVersioning => {
            bucket::versioning::write(state, authorized!(PutBucketVersioning), payload).await
        }
        Operation::GetBucketPolicy => bucket::policy::read(state, &authorized!(GetBucketPolicy)),
        Operation::PutBucketPolicy => bucket::policy::write(state, authorized!(PutBucketPolicy), payload).await,
        Operation::DeleteBucketPolicy => bucket::policy::remove(state, authorized!(DeleteBucketPolicy)).await,
        Operation::ListObjects => list_objects::version_1(state, authorized!(ListObjects)).await,
        Operation::ListObjectsV2 => list_objects::version_2(state, authorized!(ListObjectsV2)).await,
        Operation::ListObjectVersions => list_versions::run(state, authorized!(ListObjectVersions)).await,
        Operation::ListMultipartUploads => multipart::list_uploads::run(state, authorized!(ListMultipartUploads)).await,
        Operation::DeleteObjects => object::delete_many::run(state, authorized!(DeleteObjects), payload).await,
        Operation::GetObject => object::get::run(state, authorized!(GetObject)).await,
        Operation::HeadObject => object::head::run(state, authorized!(HeadObject)).await,
        Operation::GetObjectAttributes => object::list_attributes::run(state, authorized!(GetObjectAttributes)).await,
        Operation::PutObject => object::put::run(state, authorized!(PutObject), payload).await,
        Operation::CopyObject => object::copy::run(state, authorized!(CopyObject)).await,
        Operation::DeleteObject => object::delete::run(state, authorized!(DeleteObject)).await,
        Operation::GetObjectTagging => tagging::read(state, authorized!(GetObjectTagging)).await,
        Operation::PutObjectTagging => {
            tagging::write(state, authorize::judge::<op::PutObjectTagging>(state, context)?, payload).await
        }
        Operation::DeleteObjectTagging => tagging::remove(state, authorized!(DeleteObjectTagging)).await,
        Operation::CreateMultipartUpload => multipart::create::run(state, authorized!(CreateMultipartUpload)).await,
        Operation::UploadPart => multipart::upload_part::run(state, authorized!(UploadPart), payload).await,
        Operation::UploadPartCopy => multipart::upload_part_copy::run(state, authorized!(UploadPartCopy)).await,
        Operation::CompleteMultipartUpload => {
            multipart::complete::run(state, authorized!(CompleteMultipartUpload), payload).await
        }
        Operation::AbortMultipartUpload => multipart::abort::run(state, authorized!(AbortMultipartUpload)).await,
        Operation::ListParts => multipart::list_parts::run(state, authorized!(ListParts)).await,
        other => {
            authorize::judge_operation(state, &context)?;
            Err(not_implemented(other))
        }
    }
}

fn not_implemented(operation: Operation) -> S3Error {
    Code::NotImplemented.with(format!("{} is not implemented.", operation.name()))
}
