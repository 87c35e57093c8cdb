//! Takes in an object's body: decodes its chunks, hashes it as it passes, and gives it to the engine in constant memory.
//!
//! Up to 1 MiB is kept and becomes part of the log record. More goes to a bulk segment in pieces: while one is hashed and written on blocking threads, the next is read from the client.
//! Nothing is stored unless everything that the client said of the body holds.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use engine::{BulkBody, BulkWriter, Checksum, ChecksumAlgorithm, ChecksumKind, INLINE_BYTES_MAX};

use crate::auth::{ChunkDecoder, PayloadAuth};
use crate::http::body::RequestBody;
use crate::protocol::checksum::{self, Announced, Digested, Digests};
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::protocol::request::Request;
use crate::state::State;
use tokio::sync::OwnedSemaphorePermit;

/// Largest body of one PUT or part: 5 GiB.
pub const PUT_BYTES_MAX: u64 = 5 << 30;
/// Bytes that are gathered before they are hashed and written.
const BATCH_BYTES: usize = 1 << 20;
/// The least that a piece counts for in a batch.
const PIECE_BYTES_COUNTED: usize = 4 << 10;
/// Bodies up to this size are hashed where they are; larger ones would hold up other requests of the thread.
const HASH_HERE_BYTES_MAX: usize = 64 << 10;
/// How long a large upload waits for its turn before it is told to slow down.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// A body with how it has to be read.
pub struct Payload {
    body: RequestBody,
    auth: PayloadAuth,
}

impl Payload {
    /// A body and what its signature says of it.
    pub fn new(body: RequestBody, auth: PayloadAuth) -> Payload {
        Payload { body, auth }
    }

    /// The whole of a small body, such as an XML document, checked against its hash, `Content-MD5` and checksums.
    pub async fn document(&mut self, request: &Request, bytes_max: usize, too_long: Code) -> S3Result<Bytes> {
        self.checked(Expected::of(request)?, bytes_max, too_long).await
    }

    /// The whole of a small body whose request carries checksums of something else; its own hash is checked.
    pub async fn body_only(&mut self, bytes_max: usize, too_long: Code) -> S3Result<Bytes> {
        self.checked(Expected::default(), bytes_max, too_long).await
    }

    async fn checked(&mut self, expected: Expected, bytes_max: usize, too_long: Code) -> S3Result<Bytes> {
        if self.body.length().is_some_and(|length| length > 2 * bytes_max as u64) {
            return Err(too_long.error());
        }
        let mut source = self.source()?;
        let mut all = Vec::new();
        while let Some(bytes) = source.next().await? {
            if all.len() + bytes.len() > bytes_max {
                return Err(too_long.error());
            }
            all.extend_from_slice(&bytes);
        }
        let trailers = source.finish()?;
        let sha256 = self.sha256();
        let mut digests = expected.digests(sha256.is_some());
        digests.update(&all);
        expected.judge(digests.finish(), sha256, trailers)?;
        Ok(Bytes::from(all))
    }

    /// Reads and drops what is left of the body, within bounds.
    pub async fn drain(&mut self) {
        if !self.body.is_done() {
            self.body.drain(16 << 20, Duration::from_secs(10)).await;
        }
    }

    /// Bytes of the wire that were read.
    pub fn received(&self) -> u64 {
        self.body.received()
    }

    fn sha256(&self) -> Option<[u8; 32]> {
        match &self.auth {
            PayloadAuth::Sha256(hash) => Some(*hash),
            PayloadAuth::Unsigned | PayloadAuth::Chunked(_) => None,
        }
    }

    fn source(&mut self) -> S3Result<Source<'_>> {
        let decoder = match std::mem::replace(&mut self.auth, PayloadAuth::Unsigned) {
            PayloadAuth::Chunked(context) => Some(Box::new(ChunkDecoder::new(*context))),
            other => {
                self.auth = other;
                None
            }
        };
        Ok(Source { body: &mut self.body, decoder, raw: Bytes::new() })
    }

    /// The body's length once decoded; a body without one is refused, as S3 does.
    pub fn length(&self) -> S3Result<u64> {
        match &self.auth {
            PayloadAuth::Chunked(context) => Ok(context.decoded_length()),
            PayloadAuth::Unsigned | PayloadAuth::Sha256(_) => {
                self.body.length().ok_or_else(|| Code::MissingContentLength.error())
            }
        }
    }
}

/// The decoded pieces of a body.
struct Source<'a> {
    body: &'a mut RequestBody,
    decoder: Option<Box<ChunkDecoder>>,
    /// What came from the wire and isn't decoded yet.
    raw: Bytes,
}

impl Source<'_> {
    async fn next(&mut self) -> S3Result<Option<Bytes>> {
        let Some(decoder) = &mut self.decoder else { return Ok(self.body.next().await?) };
        loop {
            if let Some(bytes) = decoder.decode(&mut self.raw)? {
                return Ok(Some(bytes));
            }
            match self.body.next().await? {
                Some(raw) => self.raw = raw,
                None => return Ok(None),
            }
        }
    }

    /// The checksum trailers of a chunked body, once all of it was read.
    fn finish(self) -> S3Result<Vec<(String, String)>> {
        match self.decoder {
            None => Ok(Vec::new()),
            Some(decoder) => {
                let trailers = decoder.finish()?;
                Ok(trailers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
            }
        }
    }
}

/// What a client says of the body that it sends.
#[derive(Default)]
pub struct Expected {
    md5: Option<[u8; 16]>,
    announced: Announced,
    default_algorithm: Option<ChecksumAlgorithm>,
}

impl Expected {
    /// Reads `Content-MD5` and the checksum headers.
    pub fn of(request: &Request) -> S3Result<Expected> {
        let md5 = match request.header("content-md5") {
            None => None,
            Some(text) => {
                let value = BASE64.decode(text.trim()).ok().and_then(|v| <[u8; 16]>::try_from(v).ok());
                Some(value.ok_or_else(|| Code::InvalidDigest.error().field("Content-MD5", text))?)
            }
        };
        Ok(Expected { md5, announced: checksum::announced(&request.headers)?, default_algorithm: None })
    }

    /// Computes this algorithm when the client names none, as AWS does for objects.
    pub fn or_algorithm(mut self, algorithm: Option<ChecksumAlgorithm>) -> Expected {
        self.default_algorithm = algorithm;
        self
    }

    /// The algorithm that the client named.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.announced.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    fn digests(&self, sha256: bool) -> Digests {
        Digests::new(sha256, self.algorithm().or(self.default_algorithm))
    }

    /// Compares what was said with what came.
    fn judge(
        &self,
        digested: Digested,
        sha256: Option<[u8; 32]>,
        trailers: Vec<(String, String)>,
    ) -> S3Result<Digested> {
        if sha256.is_some() && digested.sha256 != sha256 {
            return Err(Code::XAmzContentSHA256Mismatch.error());
        }
        if let Some(expected) = self.md5
            && expected != digested.md5
        {
            return Err(Code::BadDigest
                .error()
                .field("ExpectedDigest", BASE64.encode(expected))
                .field("CalculatedDigest", BASE64.encode(digested.md5)));
        }
        if let (Some((algorithm, announced)), Some((_, computed))) = (&self.announced.checksum, &digested.checksum) {
            let header = checksum::header(*algorithm);
            let trailer = trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
            let expected = match (announced, trailer) {
                (Some(value), _) => Some(value.clone()),
                (None, Some((_, text))) => Some(checksum::decode(*algorithm, text.trim())?),
                (None, None) => None,
            };
            if expected.is_some_and(|expected| expected != computed) {
                return Err(Code::BadDigest.with(format!(
                    "The {} you specified did not match the calculated checksum.",
                    checksum::name(*algorithm)
                )));
            }
        }
        Ok(digested)
    }
}

/// A body that is in the engine's hands, and what it was found to be.
pub struct Received {
    /// Where it is.
    pub body: engine::Body,
    /// Its digests and length.
    pub digested: Digested,
}

impl Received {
    /// The checksum as it is stored with an object or part.
    pub fn checksum(&self) -> Option<Checksum> {
        let (algorithm, value) = self.digested.checksum.clone()?;
        Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value })
    }
}

/// Takes in an object's body; small ones are kept inline.
pub async fn object(state: &State, payload: &mut Payload, expected: Expected) -> S3Result<Received> {
    let length = checked_length(payload)?;
    if length <= INLINE_BYTES_MAX as u64 {
        inline(payload, expected, length).await
    } else {
        bulk(state, payload, expected, length).await
    }
}

/// Takes in a part's body, which always becomes a bulk segment.
pub async fn part(state: &State, payload: &mut Payload, expected: Expected) -> S3Result<(BulkBody, Digested)> {
    let length = checked_length(payload)?;
    let received = bulk(state, payload, expected, length).await?;
    match received.body {
        engine::Body::Bulk(body) => Ok((body, received.digested)),
        engine::Body::Inline(_) => Err(Code::InternalError.error().because("a part was received inline")),
    }
}

fn checked_length(payload: &Payload) -> S3Result<u64> {
    let length = payload.length()?;
    if length > PUT_BYTES_MAX {
        return Err(Code::EntityTooLarge
            .error()
            .field("ProposedSize", length.to_string())
            .field("MaxSizeAllowed", PUT_BYTES_MAX.to_string()));
    }
    Ok(length)
}

async fn inline(payload: &mut Payload, expected: Expected, length: u64) -> S3Result<Received> {
    let sha256 = payload.sha256();
    let mut digests = expected.digests(sha256.is_some());
    let mut source = payload.source()?;
    let body = gather(&mut source, length).await?;
    let trailers = source.finish()?;
    let hashed = body.clone();
    let digested = if body.len() <= HASH_HERE_BYTES_MAX {
        digests.update(&hashed);
        digests.finish()
    } else {
        blocking(move || {
            digests.update(&hashed);
            digests.finish()
        })
        .await?
    };
    Ok(Received { digested: expected.judge(digested, sha256, trailers)?, body: engine::Body::Inline(body) })
}

/// The whole of a small body, without a copy when it came in one piece.
async fn gather(source: &mut Source<'_>, length: u64) -> S3Result<Bytes> {
    let first = source.next().await?.unwrap_or_default();
    if first.len() as u64 == length {
        // The decoder still has to see the end of a chunked body.
        if source.next().await?.is_some() {
            return Err(Code::IncompleteBody.error());
        }
        return Ok(first);
    }
    let mut all = Vec::with_capacity(usize::try_from(length).unwrap_or(0).min(INLINE_BYTES_MAX));
    all.extend_from_slice(&first);
    while let Some(bytes) = source.next().await? {
        if all.len() + bytes.len() > INLINE_BYTES_MAX {
            return Err(Code::IncompleteBody.error());
        }
        all.extend_from_slice(&bytes);
    }
    if all.len() as u64 != length {
        return Err(Code::IncompleteBody.error());
    }
    Ok(Bytes::from(all))
}

async fn bulk(state: &State, payload: &mut Payload, expected: Expected, length: u64) -> S3Result<Received> {
    let _turn = turn(state).await?;
    let sha256 = payload.sha256();
    let store = state.store.clone();
    let mut writer: BulkWriter = blocking(move || store.bulk_writer()).await??;
    let mut digests = expected.digests(sha256.is_some());
    let mut source = payload.source()?;
    let mut batch = gather_batch(&mut source).await?;
    while !batch.is_empty() {
        let pieces = Arc::new(batch);
        let (hashed, written) = (pieces.clone(), pieces);
        let hash = blocking(move || {
            hashed.iter().for_each(|piece| digests.update(piece));
            digests
        });
        let write = blocking(move || written.iter().try_for_each(|piece| writer.write(piece)).map(|()| writer));
        let (next, hash, write) = tokio::join!(gather_batch(&mut source), hash, write);
        (digests, writer) = (hash?, write??);
        batch = next?;
        if writer.length() > length {
            return Err(Code::IncompleteBody.error());
        }
    }
    let trailers = source.finish()?;
    if writer.length() != length {
        return Err(Code::IncompleteBody.error());
    }
    let digested = expected.judge(digests.finish(), sha256, trailers)?;
    let body = blocking(move || writer.finish()).await??;
    Ok(Received { body: engine::Body::Bulk(body), digested })
}

/// A large upload's turn; one that waits for too long is told to slow down.
pub async fn turn(state: &State) -> S3Result<OwnedSemaphorePermit> {
    match tokio::time::timeout(TURN_TIMEOUT, state.large_uploads.clone().acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Code::SlowDown.error().header("Retry-After", "5")),
    }
}

async fn gather_batch(source: &mut Source<'_>) -> S3Result<Vec<Bytes>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES {
        let Some(piece) = source.next().await? else { break };
        // A small piece keeps the buffer that it was cut from: it counts for more than it holds.
        bytes += piece.len().max(PIECE_BYTES_COUNTED);
        batch.push(piece);
    }
    Ok(batch)
}

/// Runs work that may block or compute for long on the blocking pool.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> S3Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| -> S3Error { Code::InternalError.error().because(error) })
}
