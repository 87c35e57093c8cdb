//! [DeleteObjects](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html): up to 1,000 keys, each judged and answered for itself.

use engine::{Delete, Deleted, Precondition};
use tokio::task::JoinSet;

use super::open;
use crate::access::authorize::Authorized;
use crate::clock;
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::protocol::name::object_key;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_read::{self, Element, XML_BYTES_MAX};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::Payload;
use crate::state::State;

const KEYS_MAX: usize = 1000;

/// Deletes what the body names.
pub async fn run(state: &State, delete: Authorized<op::DeleteObjects>, payload: &mut Payload) -> S3Result<Response> {
    let request = &delete.request;
    if !request.headers.contains_key("content-md5") && !names_a_checksum(request) {
        return Err(
            Code::InvalidRequest.with("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
        );
    }
    // A thousand keys of 1,024 bytes, escaped, are more than other documents hold.
    let body = payload.document(request, 4 * XML_BYTES_MAX, Code::MaxMessageLengthExceeded).await?;
    let document = xml_read::parse_up_to(&body, "Delete", 4 * XML_BYTES_MAX)?;
    let quiet = document.child_text("Quiet").is_some_and(|q| q.trim().eq_ignore_ascii_case("true"));
    let objects: Vec<&Element> = document.all("Object").collect();
    if objects.is_empty() || objects.len() > KEYS_MAX {
        return Err(Code::MalformedXML.error());
    }
    // All commits run at once, so that they share the log's syncs.
    let mut running = JoinSet::new();
    let mut outcomes: Vec<Option<Result<Deleted, S3Error>>> = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        match one(state, &delete, object) {
            Ok(one) => {
                let commit = state.store.delete(one);
                running.spawn(async move { (index, commit.await) });
                outcomes.push(None);
            }
            Err(error) => {
                delete.note_refused_key(&error);
                outcomes.push(Some(Err(error)));
            }
        }
    }
    while let Some(joined) = running.join_next().await {
        let (index, outcome) = joined.map_err(|error| Code::InternalError.error().because(error))?;
        outcomes[index] = Some(match outcome {
            // What a condition was set on is gone already, which is what was wanted.
            Err(engine::Error::NoSuchKey) => Ok(Deleted { delete_marker: false, version_id: None, found: false }),
            outcome => outcome.map_err(S3Error::from),
        });
    }
    let mut xml = Xml::root("DeleteResult");
    for (object, outcome) in objects.iter().zip(outcomes) {
        let outcome = outcome.unwrap_or_else(|| Err(Code::InternalError.error()));
        entry(&mut xml, object, outcome, quiet);
    }
    xml.close("DeleteResult");
    Ok(respond::xml(xml.finish()))
}

fn names_a_checksum(request: &crate::protocol::request::Request) -> bool {
    request.headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"))
        || request.headers.contains_key("x-amz-trailer")
        // The signed hash of the body protects it as well as either.
        || request.header("x-amz-content-sha256").is_some_and(|hash| hash.len() == 64)
}

/// Judges one key and makes its delete.
fn one(state: &State, delete: &Authorized<op::DeleteObjects>, object: &Element) -> S3Result<Delete> {
    // Of two keys in one entry, one would be left although the caller was told that it is gone.
    let twice =
        ["Key", "VersionId", "ETag", "LastModifiedTime", "Size"].iter().any(|name| object.all(name).nth(1).is_some());
    let key = object.child_text("Key").filter(|_| !twice).ok_or_else(|| Code::MalformedXML.error())?;
    let key = object_key(key)?;
    let version = object.child_text("VersionId").filter(|v| !v.is_empty());
    let etag = object.child_text("ETag").map(|etag| etag.trim().to_owned());
    delete.require_delete(state, &key, version, etag.as_deref())?;
    let if_match = etag.map(|etag| match etag.as_str() {
        "*" => engine::Match::Any,
        etag => engine::Match::ETags(etag.parse().into_iter().collect()),
    });
    let number = |name: &str| match object.child_text(name) {
        None => Ok(None),
        Some(text) => text.trim().parse::<u64>().map(Some).map_err(|_| Code::MalformedXML.error()),
    };
    let modified = match object.child_text("LastModifiedTime") {
        None => None,
        Some(text) => Some(parse_time(text.trim()).ok_or_else(|| Code::MalformedXML.error())?),
    };
    Ok(Delete {
        bucket: delete.bucket()?.id,
        key,
        version: open::version_id(version)?,
        precondition: Precondition {
            if_match,
            if_none_match: None,
            if_match_size: number("Size")?,
            if_match_modified_seconds: modified,
        },
    })
}

fn parse_time(text: &str) -> Option<u64> {
    let seconds = clock::parse_http_date(text)
        .or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second))?;
    u64::try_from(seconds).ok()
}

fn entry(xml: &mut Xml, object: &Element, outcome: Result<Deleted, S3Error>, quiet: bool) {
    let key = object.child_text("Key").unwrap_or_default();
    let version = object.child_text("VersionId").filter(|v| !v.is_empty());
    match outcome {
        Ok(_) if quiet => {}
        Ok(deleted) => {
            xml.open("Deleted");
            xml.text("Key", key);
            if let Some(version) = version {
                xml.text("VersionId", version);
            }
            if deleted.delete_marker {
                xml.value("DeleteMarker", true);
                if let Some(marker) = deleted.version_id {
                    xml.value("DeleteMarkerVersionId", marker);
                }
            }
            xml.close("Deleted");
        }
        Err(error) => {
            xml.open("Error");
            xml.text("Key", key);
            if let Some(version) = version {
                xml.text("VersionId", version);
            }
            xml.text("Code", error.code.name());
            xml.text("Message", &error.message);
            xml.close("Error");
        }
    }
}
