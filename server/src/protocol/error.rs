//! S3's errors: a code, its status and text, and what of the cause a client may know.
//!
//! Every failure that a client sees is one of these, and this file is the only place where the engine's errors become S3's, so that no storage failure can end as another's answer.

use http::StatusCode;

use super::xml_write::Xml;
use crate::http::body::BodyError;

/// An error answer: a pointer, so that results stay small on the way of those that succeed.
#[derive(Clone, Debug)]
pub struct S3Error(Box<Refusal>);

/// What an error answer says. The cause for the operator travels beside it and is never sent.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The code that clients switch on.
    pub code: Code,
    /// What happened, to which input, what to do.
    pub message: String,
    /// Further elements of the error document, such as `BucketName` or `ServerTime`.
    pub fields: Vec<(&'static str, String)>,
    /// Headers of the answer, such as `Retry-After`, `Content-Range` or `x-amz-delete-marker`.
    pub headers: Vec<(&'static str, String)>,
    /// The cause, for the log only.
    pub cause: Option<String>,
    /// Whether what is stored turned out to be damaged.
    pub damaged: bool,
    /// For a denial: which statement denied, or that none allows; for the log and, with `--explain-denials`, a header.
    pub denial: Option<Denial>,
}

/// How a request was denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Whether a statement denies it; otherwise none allows it.
    pub explicit: bool,
    /// What was asked: `ACTION on ARN`, for the log.
    pub asked: String,
    /// `POLICY/SID` of the deciding statement, or what is missing.
    pub by: String,
    /// Where no statement denies: which Allows nearly applied and what they lacked, in ASCII, for a header.
    pub nearly: Option<String>,
    /// Everything together with the values that were compared, in one line, for the log.
    pub trace: String,
}

impl Denial {
    /// The outcome's name, as decisions have it.
    pub fn outcome(&self) -> &'static str {
        if self.explicit { "ExplicitDeny" } else { "ImplicitDeny" }
    }
}

impl std::ops::Deref for S3Error {
    type Target = Refusal;
    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl std::ops::DerefMut for S3Error {
    fn deref_mut(&mut self) -> &mut Refusal {
        &mut self.0
    }
}

/// The result of everything that answers a client.
pub type S3Result<T> = Result<T, S3Error>;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal;)*) => {
        /// S3's error codes ([list](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)) as far as this server uses them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Code { $($name,)* }

        impl Code {
            /// The code's name as it is sent.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }
            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Code::$name => $status,)* };
                StatusCode::from_u16(status).expect("the table holds only valid statuses")
            }
            /// AWS's text for it.
            pub fn message(self) -> &'static str {
                match self { $(Code::$name => $message,)* }
            }
            /// The code of this name, if the server knows it.
            pub fn from_name(name: &str) -> Option<Code> {
                match name { $(stringify!($name) => Some(Code::$name),)* _ => None }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs";
    AccessForbidden 403 "CORSResponse: CORS is not enabled for this bucket.";
    AccessDenied 403 "Access Denied";
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError 400 "The authorization query parameters are not valid.";
    BadRequest 400 "Bad Request";
    BadDigest 400 "The Content-MD5 you specified did not match what we received.";
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty 409 "The bucket you tried to delete is not empty";
    ConditionalRequestConflict 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size";
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size";
    ExpiredToken 400 "The provided token has expired.";
    IllegalLocationConstraintException 400 "The specified location-constraint is not valid";
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header";
    InsufficientStorage 507 "The node has no room for new objects: delete some, or add space. Reads and deletes go on.";
    InternalError 500 "We encountered an internal error. Please try again.";
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records.";
    InvalidArgument 400 "Invalid Argument";
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    InvalidBucketName 400 "The specified bucket is not valid.";
    InvalidChunkSizeError 403 "Only the last chunk is allowed to have a size less than 8192 bytes";
    InvalidDigest 400 "The Content-MD5 you specified is not valid.";
    InvalidLocationConstraint 400 "The specified location-constraint is not valid";
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    InvalidPartNumber 416 "The requested partnumber is not satisfiable";
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidRange 416 "The requested range is not satisfiable";
    InvalidRequest 400 "Invalid Request";
    InvalidStorageClass 400 "The storage class you specified is not valid";
    InvalidTag 400 "The tag provided was not a valid tag.";
    InvalidToken 400 "The provided token is malformed or otherwise invalid.";
    InvalidURI 400 "Couldn't parse the specified URI.";
    KeyTooLongError 400 "Your key is too long";
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.";
    MalformedPolicy 400 "Policies must be valid JSON and the first byte must be '{'";
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded 400 "Your request was too big.";
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size";
    MethodNotAllowed 405 "The specified method is not allowed against this resource.";
    MissingContentLength 411 "You must provide the Content-Length HTTP header.";
    MissingRequestBodyError 400 "Request Body is empty";
    MissingSecurityHeader 400 "Your request was missing a required header";
    NoSuchBucket 404 "The specified bucket does not exist";
    NoSuchBucketPolicy 404 "The bucket policy does not exist";
    NoSuchKey 404 "The specified key does not exist.";
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion 404 "The specified version does not exist.";
    NotImplemented 501 "A header you provided implies functionality that is not implemented";
    NotModified 304 "Not Modified";
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold";
    QuotaExceeded 403 "The bucket's quota does not allow it to hold this much.";
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed request header section size.";
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.";
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.";
    ServiceUnavailable 503 "Service is unable to handle request.";
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown 503 "Please reduce your request rate.";
    TooManyBuckets 400 "You have attempted to create more buckets than allowed";
    UnexpectedContent 400 "This request does not support content";
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported.";
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

impl Code {
    /// An error with AWS's text for this code.
    pub fn error(self) -> S3Error {
        self.with(self.message())
    }

    /// An error with a text of its own.
    pub fn with(self, message: impl Into<String>) -> S3Error {
        S3Error(Box::new(Refusal {
            code: self,
            message: message.into(),
            fields: Vec::new(),
            headers: Vec::new(),
            cause: None,
            damaged: false,
            denial: None,
        }))
    }
}

impl S3Error {
    /// Adds an element to the error document.
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> S3Error {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> S3Error {
        self.headers.push((name, value.into()));
        self
    }

    /// Notes the cause for the log.
    pub fn because(mut self, cause: impl std::fmt::Display) -> S3Error {
        self.cause = Some(cause.to_string());
        self
    }

    /// The error document ([REST error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses)).
    pub fn document(&self, resource: &str, request_id: &str) -> String {
        let mut xml = Xml::document();
        xml.open("Error");
        xml.text("Code", self.code.name());
        xml.text("Message", &self.message);
        for (name, value) in &self.fields {
            xml.text(name, value);
        }
        xml.text("Resource", resource);
        xml.text("RequestId", request_id);
        xml.text("HostId", "strongroom");
        xml.close("Error");
        xml.finish()
    }
}

/// `InvalidArgument` naming the argument and its value, as AWS does.
pub fn invalid_argument(message: impl Into<String>, name: &str, value: impl Into<String>) -> S3Error {
    Code::InvalidArgument.with(message).field("ArgumentName", name).field("ArgumentValue", value)
}

/// The one place where storage failures become S3's answers; what can't reach a client here is an internal error with its cause in the log.
impl From<engine::Error> for S3Error {
    fn from(error: engine::Error) -> S3Error {
        use engine::Error as E;
        let code = match &error {
            E::NoSuchBucket => Code::NoSuchBucket,
            E::BucketExists(_) => Code::BucketAlreadyExists,
            E::BucketNotEmpty => Code::BucketNotEmpty,
            E::NoSuchKey => Code::NoSuchKey,
            E::NoSuchVersion => Code::NoSuchVersion,
            E::DeleteMarker { version_id, modified_ms, current } => {
                let code = if *current { Code::NoSuchKey } else { Code::MethodNotAllowed };
                let mut answer = code
                    .error()
                    .header("x-amz-delete-marker", "true")
                    .header("x-amz-version-id", version_id.to_string());
                if !current {
                    let modified = i64::try_from(*modified_ms).unwrap_or(0).saturating_mul(1_000_000);
                    answer =
                        answer.header("Last-Modified", crate::clock::http_date(modified)).header("Allow", "DELETE");
                }
                return answer;
            }
            E::NoSuchUpload => Code::NoSuchUpload,
            E::InvalidPart { number } => {
                return Code::InvalidPart.error().field("PartNumber", number.to_string());
            }
            E::InvalidPartOrder => Code::InvalidPartOrder,
            E::PreconditionFailed => Code::PreconditionFailed,
            E::RevisionMismatch { .. } => Code::ConditionalRequestConflict,
            E::Busy => return Code::SlowDown.error().header("Retry-After", "1"),
            E::NoSpace => Code::InsufficientStorage,
            E::ReadOnly { .. } => {
                return Code::ServiceUnavailable
                    .with("The node serves reads only: its storage failed or is damaged, and its log says how.")
                    .because(error);
            }
            E::TooLarge { what } => {
                return match *what {
                    "attributes" => Code::MetadataTooLarge.error(),
                    _ => Code::EntityTooLarge.error().because(error),
                };
            }
            E::Closed => return Code::ServiceUnavailable.error().header("Retry-After", "1"),
            E::Damaged { .. } => {
                let mut answer = Code::InternalError
                    .with("What is stored here is damaged: it does not match its checksum, so it is not served. The node's log says where; trying again won't help, storing it again will.")
                    .because(error);
                answer.damaged = true;
                return answer;
            }
            E::Invalid { .. } | E::WouldBlock | E::Io(_) => Code::InternalError,
        };
        let answer = code.error();
        if code == Code::InternalError || code == Code::InsufficientStorage { answer.because(error) } else { answer }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> S3Error {
        match error {
            BodyError::Idle => Code::RequestTimeout.error(),
            BodyError::Broken(error) => Code::IncompleteBody.error().because(error),
            BodyError::TooLong => Code::EntityTooLarge.error(),
        }
    }
}
