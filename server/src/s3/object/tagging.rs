//! [GetObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html),
//! [PutObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html) and
//! [DeleteObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html): an object's tags, which change without its bytes.

use engine::SetAttributes;
use http::StatusCode;

use super::{attributes, open};
use crate::access::authorize::{Authorized, Judged};
use crate::access::context::{Noted, RequestContext};
use crate::protocol::error::{Code, S3Result};
use crate::protocol::operation::op;
use crate::protocol::request::Request;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_read::{self, XML_BYTES_MAX};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::Payload;
use crate::state::State;

/// How often a change is tried again when another one of the same object came between.
const ATTEMPTS_MAX: usize = 16;

/// Lists an object's tags.
pub async fn read(state: &State, tagging: Authorized<op::GetObjectTagging>) -> S3Result<Response> {
    let object = open::open(state, &tagging).await?;
    let mut xml = Xml::root("Tagging");
    xml.open("TagSet");
    for (key, value) in &object.info.attributes.tags {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.close("Tagging");
    let mut response = respond::xml(xml.finish());
    respond::version_header(response.headers_mut(), object.info.version_id, tagging.bucket()?.versioning);
    Ok(response)
}

/// Replaces an object's tags. They are judged by what the body says, so the last word on the request falls once it was read.
pub async fn write(state: &State, tagging: Judged<op::PutObjectTagging>, payload: &mut Payload) -> S3Result<Response> {
    let tags = match read_body(&tagging.context().request, payload).await {
        Ok(tags) => tags,
        // Whoever may not tag it anyhow isn't told what is wrong with the body.
        Err(error) => return tagging.outcome().and(Err(error)),
    };
    tagging.context().note(Noted { object_tags: Some(tags.clone()), ..Noted::default() });
    let tagging = tagging.again(state)?;
    replace(state, &tagging, tags, StatusCode::OK).await
}

async fn read_body(request: &Request, payload: &mut Payload) -> S3Result<Vec<(String, String)>> {
    let body = payload.document(request, XML_BYTES_MAX, Code::MalformedXML).await?;
    let document = xml_read::parse(&body, "Tagging")?;
    let tags = xml_read::tags(document.child("TagSet").ok_or_else(|| Code::MalformedXML.error())?)?;
    attributes::check_tags(&tags)?;
    Ok(tags)
}

/// Removes an object's tags.
pub async fn remove(state: &State, tagging: Authorized<op::DeleteObjectTagging>) -> S3Result<Response> {
    replace(state, &tagging, Vec::new(), StatusCode::NO_CONTENT).await
}

async fn replace(
    state: &State,
    context: &RequestContext,
    tags: Vec<(String, String)>,
    status: StatusCode,
) -> S3Result<Response> {
    for _ in 0..ATTEMPTS_MAX {
        let info = open::open(state, context).await?.info;
        let mut attributes = info.attributes.clone();
        attributes.tags.clone_from(&tags);
        let set = SetAttributes {
            bucket: context.bucket()?.id,
            key: info.key,
            version: Some(info.version_id),
            expected: Some(info.attributes),
            attributes,
        };
        match state.store.set_attributes(set).await {
            Err(engine::Error::PreconditionFailed) => {}
            changed => {
                let stored = changed.map_err(|error| open::missing(state, context, error))?;
                let mut response = respond::empty(status);
                respond::version_header(response.headers_mut(), stored.version_id, stored.versioning);
                return Ok(response);
            }
        }
    }
    Err(Code::ConditionalRequestConflict.error())
}
