//! `aws-chunked` bodies: signed, signed with a trailer, and unsigned with a trailer.
//!
//! A push decoder without I/O, so that the same code reads sockets, tests and fuzz input, and holds no more of a body
//! than one line.
//!
//! # Data comes before its signature is known to be right
//! A chunk's signature covers all of its data, and a chunk may be as large as the body. The decoder hands data out while it hashes, and
//! fails at the chunk's end. So a caller **keeps nothing of a body until [`ChunkDecoder::finish`] has succeeded**: bytes handed out
//! before are what somebody sent, not what the signer signed.
//!
//! Sources: "Signature calculations for the authorization header: transferring payload in multiple chunks",
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>, and "... including trailing headers",
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::{self, hex_digit};
use super::error::{AuthError, AuthErrorCode};
use super::key::SigningKey;

/// Longest line that starts a chunk, in bytes. A signed one has at most 97 without its line end.
const CHUNK_LINE_BYTES_MAX: usize = 4096;

/// Longest trailer section, in bytes.
const TRAILER_BYTES_MAX: usize = 8192;

/// Least size of a signed chunk that isn't the last, in bytes, as on S3.
const SIGNED_CHUNK_BYTES_MIN: u64 = 8192;

/// What the signatures of chunks continue from: the request's own signature, its key, scope and date.
#[derive(Clone)]
pub struct ChunkSignature {
    key: SigningKey,
    access_key: String,
    timestamp: String,
    scope: String,
    previous: [u8; 64],
}

impl ChunkSignature {
    pub(super) fn new(key: SigningKey, access_key: String, timestamp: String, scope: String, seed: [u8; 64]) -> Self {
        Self { key, access_key, timestamp, scope, previous: seed }
    }

    /// Verifies the signature of the next part of the body, which then is what the one after it continues from.
    fn verify(&mut self, algorithm: &str, digest_lines: &[&[u8]], provided: &[u8]) -> Result<(), ChunkError> {
        let mut string_to_sign = Vec::with_capacity(384);
        string_to_sign.extend_from_slice(algorithm.as_bytes());
        for line in [self.timestamp.as_bytes(), self.scope.as_bytes(), &self.previous].iter().chain(digest_lines) {
            string_to_sign.push(b'\n');
            string_to_sign.extend_from_slice(line);
        }
        let computed = canonical::hex(&self.key.sign(&string_to_sign));
        if bool::from(computed.ct_eq(provided)) {
            self.previous = computed;
            return Ok(());
        }
        Err(ChunkError::SignatureMismatch(Box::new(AuthError::signature_mismatch(
            &self.access_key,
            &String::from_utf8_lossy(provided),
            &string_to_sign,
            None,
        ))))
    }
}

impl std::fmt::Debug for ChunkSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChunkSignature({}, {})", self.timestamp, self.scope)
    }
}

/// How an `aws-chunked` body is to be read. Comes with an [`Authenticated`](super::Authenticated) request.
#[derive(Clone, Debug)]
pub struct ChunkContext {
    signature: Option<ChunkSignature>,
    trailer: bool,
    decoded_length: u64,
    trailer_names: Vec<String>,
}

impl ChunkContext {
    pub(super) fn new(
        signature: Option<ChunkSignature>,
        trailer: bool,
        decoded_length: u64,
        trailer_names: Vec<String>,
    ) -> Self {
        Self { signature, trailer, decoded_length, trailer_names }
    }

    /// The length of the body's data in bytes, from `x-amz-decoded-content-length`.
    pub fn decoded_length(&self) -> u64 {
        self.decoded_length
    }

    /// The trailers that `x-amz-trailer` announces, in lower case.
    pub fn trailer_names(&self) -> &[String] {
        &self.trailer_names
    }

    /// Whether the chunks are signed.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }
}

/// Why a chunked body was refused. Turns into the [`AuthError`] that the client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A chunk's or the trailer's signature is wrong or missing.
    SignatureMismatch(Box<AuthError>),
    /// The framing is broken; the text says how.
    Malformed(&'static str),
    /// The body ended before its last chunk, or its data is shorter or longer than announced.
    Incomplete,
    /// A signed chunk other than the last is smaller than 8 KiB.
    SmallChunk {
        /// Number of the chunk after it, counted from one: there it was noticed.
        chunk: u64,
        /// Size of the small chunk in bytes.
        size_bytes: u64,
    },
    /// The trailer section is not well-formed, too long, or doesn't have the headers that were announced.
    MalformedTrailer,
}

impl From<ChunkError> for AuthError {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::SignatureMismatch(error) => *error,
            ChunkError::Malformed(how) => {
                Self::new(AuthErrorCode::InvalidRequest, format!("The aws-chunked body is malformed: {how}."))
            }
            ChunkError::Incomplete => {
                Self::new(AuthErrorCode::IncompleteBody, "The request body terminated unexpectedly")
            }
            ChunkError::SmallChunk { chunk, size_bytes } => Self::new(
                AuthErrorCode::InvalidChunkSizeError,
                "Only the last chunk is allowed to have a size less than 8192 bytes",
            )
            .with("Chunk", chunk.to_string())
            .with("BadChunkSize", size_bytes.to_string()),
            ChunkError::MalformedTrailer => Self::new(
                AuthErrorCode::MalformedTrailerError,
                "The request contained trailing data that was not well-formed or did not conform to our published schema.",
            ),
        }
    }
}

impl std::fmt::Display for ChunkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        AuthError::from(self.clone()).fmt(f)
    }
}

impl std::error::Error for ChunkError {}

/// The headers after the last chunk, verified if the body is signed, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailers(Vec<(String, String)>);

impl Trailers {
    /// The value of a trailer; `name` is in lower case.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Names in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Decodes an `aws-chunked` body pushed to it piece by piece.
///
/// Call [`decode`](Self::decode) with each piece until it gives `None`, then [`finish`](Self::finish) once the body has
/// ended.
#[derive(Debug)]
pub struct ChunkDecoder {
    context: ChunkContext,
    state: State,
    /// A line or trailer section of which only the start has arrived.
    pending: Vec<u8>,
    /// Data not yet announced by a chunk, in bytes.
    unannounced_bytes: u64,
    chunks: u64,
    last_size_bytes: u64,
}

#[derive(Debug)]
enum State {
    ChunkLine,
    Data {
        left_bytes: u64,
        verification: Option<ChunkVerification>,
    },
    DataEnd {
        seen_return: bool,
    },
    /// After the last chunk.
    Trailer,
    Failed(ChunkError),
}

#[derive(Debug)]
struct ChunkVerification {
    hash: Sha256,
    provided: [u8; 64],
}

impl ChunkDecoder {
    /// A decoder for one body.
    pub fn new(context: ChunkContext) -> Self {
        Self {
            unannounced_bytes: context.decoded_length,
            context,
            state: State::ChunkLine,
            pending: Vec::new(),
            chunks: 0,
            last_size_bytes: 0,
        }
    }

    /// Takes from the front of `piece` and gives the next data in it, as a slice that shares its memory. `None` says
    /// that the piece is used up. The data of signed chunks is not yet verified, see the module's documentation.
    ///
    /// # Errors
    /// See [`ChunkError`]. A decoder that has failed fails with the same error ever after.
    pub fn decode(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        let result = self.step(piece);
        if let Err(error) = &result {
            self.state = State::Failed(error.clone());
        }
        result
    }

    /// Ends the body: verifies that it is whole, and gives the trailers.
    ///
    /// # Errors
    /// See [`ChunkError`].
    pub fn finish(self) -> Result<Trailers, ChunkError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Trailer if self.context.trailer => self.finish_trailer(),
            // Some clients leave out the last line end: nothing depends on it.
            State::Trailer if matches!(self.pending.as_slice(), b"" | b"\r\n") => Ok(Trailers::default()),
            State::Trailer => Err(ChunkError::Malformed("there is data after the last chunk")),
            State::ChunkLine | State::Data { .. } | State::DataEnd { .. } => Err(ChunkError::Incomplete),
        }
    }

    fn step(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        while !piece.is_empty() {
            match &mut self.state {
                State::ChunkLine => {
                    let end = piece.iter().position(|byte| *byte == b'\n');
                    let part = piece.split_to(end.map_or(piece.len(), |end| end + 1));
                    if self.pending.len() + part.len() > CHUNK_LINE_BYTES_MAX {
                        return Err(ChunkError::Malformed("the line before a chunk is too long"));
                    }
                    self.pending.extend_from_slice(&part);
                    if end.is_some() {
                        let line = std::mem::take(&mut self.pending);
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data { left_bytes, verification } => {
                    let taken = usize::try_from(*left_bytes).map_or(piece.len(), |left| left.min(piece.len()));
                    let data = piece.split_to(taken);
                    *left_bytes -= taken as u64;
                    if let Some(verification) = verification {
                        verification.hash.update(&data);
                    }
                    if *left_bytes == 0 {
                        let verification = verification.take();
                        self.state = State::DataEnd { seen_return: false };
                        self.end_data(verification)?;
                    }
                    return Ok(Some(data));
                }
                State::DataEnd { seen_return } => {
                    let expected = if *seen_return { b'\n' } else { b'\r' };
                    if piece.split_to(1)[0] != expected {
                        return Err(ChunkError::Malformed("a chunk doesn't end where its size says"));
                    }
                    if *seen_return {
                        self.state = State::ChunkLine;
                    } else {
                        *seen_return = true;
                    }
                }
                State::Trailer => {
                    if self.pending.len() + piece.len() > TRAILER_BYTES_MAX {
                        return Err(ChunkError::MalformedTrailer);
                    }
                    self.pending.extend_from_slice(&std::mem::take(piece));
                }
                State::Failed(error) => return Err(error.clone()),
            }
        }
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let line = line.strip_suffix(b"\r\n").ok_or(ChunkError::Malformed("the line before a chunk has no CRLF"))?;
        let mut parts = line.splitn(2, |byte| *byte == b';');
        let size_bytes = parse_size(parts.next().unwrap_or_default())
            .ok_or(ChunkError::Malformed("the size of a chunk is not a hexadecimal number"))?;
        let extension = parts.next();
        self.chunks += 1;
        if size_bytes > 0
            && self.chunks > 1
            && self.context.is_signed()
            && self.last_size_bytes < SIGNED_CHUNK_BYTES_MIN
        {
            return Err(ChunkError::SmallChunk { chunk: self.chunks, size_bytes: self.last_size_bytes });
        }
        self.last_size_bytes = size_bytes;
        // The announced length bounds a chunk's size: no number that a client invents makes the decoder count beyond
        // it.
        self.unannounced_bytes = self.unannounced_bytes.checked_sub(size_bytes).ok_or(ChunkError::Incomplete)?;
        if size_bytes == 0 && self.unannounced_bytes > 0 {
            return Err(ChunkError::Incomplete);
        }
        let verification = match (&self.context.signature, extension) {
            (None, None) => None,
            (None, Some(_)) => return Err(ChunkError::Malformed("a chunk of an unsigned body has an extension")),
            (Some(_), extension) => {
                let provided = extension.and_then(|extension| extension.strip_prefix(b"chunk-signature="));
                // A missing signature compares like a wrong one.
                Some(ChunkVerification {
                    hash: Sha256::new(),
                    provided: provided.and_then(|provided| provided.try_into().ok()).unwrap_or([b'-'; 64]),
                })
            }
        };
        if size_bytes > 0 {
            self.state = State::Data { left_bytes: size_bytes, verification };
            return Ok(());
        }
        self.state = State::Trailer;
        self.end_data(verification)
    }

    fn end_data(&mut self, verification: Option<ChunkVerification>) -> Result<(), ChunkError> {
        let (Some(signature), Some(ChunkVerification { hash, provided })) = (&mut self.context.signature, verification)
        else {
            return Ok(());
        };
        let digest = canonical::hex(&hash.finalize().into());
        let empty = canonical::hex(&Sha256::digest(b"").into());
        signature.verify("AWS4-HMAC-SHA256-PAYLOAD", &[&empty, &digest], &provided)
    }

    fn finish_trailer(mut self) -> Result<Trailers, ChunkError> {
        let section = std::mem::take(&mut self.pending);
        let (trailers, provided) = parse_trailers(&section, self.context.is_signed())?;
        if let Some(signature) = &mut self.context.signature {
            let mut hash = Sha256::new();
            for (name, value) in trailers.iter() {
                for part in [name, ":", value, "\n"] {
                    hash.update(part.as_bytes());
                }
            }
            let digest = canonical::hex(&hash.finalize().into());
            let provided = provided.unwrap_or_default();
            signature.verify("AWS4-HMAC-SHA256-TRAILER", &[&digest], provided.as_bytes())?;
        }
        let announced = &self.context.trailer_names;
        let all_there = announced.iter().all(|name| trailers.value(name).is_some());
        if all_there && trailers.iter().all(|(name, _)| announced.iter().any(|n| n == name)) {
            Ok(trailers)
        } else {
            Err(ChunkError::MalformedTrailer)
        }
    }
}

/// Hexadecimal digits only, at most sixteen.
fn parse_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |size, digit| Some(size << 4 | u64::from(hex_digit(*digit)?)))
}

/// Takes `name:value` lines apart up to the blank line, and the trailer's signature if the body is signed.
///
/// Lines end in CRLF or LF, and the blank line may stand before the signature instead of after it: both are seen from
/// clients that follow AWS's text to the letter.
fn parse_trailers(section: &[u8], signed: bool) -> Result<(Trailers, Option<String>), ChunkError> {
    let malformed = ChunkError::MalformedTrailer;
    if section.last().is_some_and(|byte| *byte != b'\n') {
        return Err(ChunkError::Incomplete);
    }
    let text = std::str::from_utf8(section).map_err(|_| malformed.clone())?;
    let mut trailers = Trailers::default();
    let mut signature = None;
    let mut blank = false;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            blank = true;
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(malformed.clone())?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if signature.is_some() {
            return Err(malformed);
        }
        if signed && name == "x-amz-trailer-signature" {
            signature = Some(value.to_owned());
            continue;
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if blank || !is_name(&name) || trailers.value(&name).is_some() {
            return Err(malformed);
        }
        trailers.0.push((name, value.to_owned()));
    }
    Ok((trailers, signature))
}
