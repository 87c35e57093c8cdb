//! [CopyObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html): small objects are stored anew, large ones share their bulk segments; either way the copy owns its data.

use engine::{Attributes, Body, ETag, Object, Put, Stored, Wait};
use policy::Action;

use super::{attributes, open};
use crate::access::authorize::Authorized;
use crate::access::context::{Noted, RequestContext};
use crate::protocol::conditional;
use crate::protocol::error::{Code, S3Error, S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::request::Request;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::{self, blocking};
use crate::state::State;

/// Copies an object.
pub async fn run(state: &State, copy: Authorized<op::CopyObject>) -> S3Result<Response> {
    let request = &copy.request;
    let source = open_source(state, &copy).await?;
    conditional::judge_read(request, &source.info, "x-amz-copy-source-")?;
    if source.info.size > receive::PUT_BYTES_MAX {
        return Err(Code::InvalidRequest.with(format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {}",
            receive::PUT_BYTES_MAX
        )));
    }
    let attributes = attributes_of_copy(state, &copy, &source)?;
    let precondition = conditional::write_precondition(request)?;
    let (bucket, key) = (copy.bucket()?.id, copy.key()?.clone());
    state.quotas.require(&state.store, bucket, source.info.size)?;
    let source_version = source.info.version_id;
    let stored: Stored = if source.info.size > engine::INLINE_BYTES_MAX as u64 {
        let etag = source.info.etag;
        state.store.share(&source, bucket, key, etag, attributes, precondition).await?
    } else {
        let (body, etag) = read_whole(source.clone()).await?;
        state.store.put(Put { bucket, key, body: Body::Inline(body), etag, attributes, precondition }).await?
    };
    let mut xml = Xml::root("CopyObjectResult");
    xml.text("LastModified", &respond::iso_8601_of(stored.modified_ms));
    xml.text("ETag", &respond::quoted(&stored.etag));
    checksums(&mut xml, &source);
    xml.close("CopyObjectResult");
    let mut response = respond::xml(xml.finish());
    let headers = response.headers_mut();
    respond::stored_version_header(headers, &stored);
    if let Ok(bucket) = copy.source_bucket()
        && bucket.versioning != engine::Versioning::Unversioned
    {
        respond::set_static(headers, "x-amz-copy-source-version-id", &source_version.to_string());
    }
    Ok(response)
}

/// Opens what `x-amz-copy-source` names; a missing key is hidden from who may not list its bucket.
pub async fn open_source(state: &State, context: &RequestContext) -> S3Result<Object> {
    let source = context.copy_source()?;
    let bucket = context.source_bucket()?;
    let version = open::version_id(source.version_id.as_deref())?;
    let (store, id, key) = (state.store.clone(), bucket.id, source.key.clone());
    let opened = blocking(move || store.open_object(id, &key, version, Wait::Allowed)).await?;
    opened.map_err(|error| match error {
        engine::Error::NoSuchKey | engine::Error::DeleteMarker { current: true, .. }
            if !context.allows_on_source_bucket(state, Action::ListBucket) =>
        {
            Code::AccessDenied.error().because("the copy's source is missing, and the caller may not list its bucket")
        }
        // A marker that was named by its version can't be a source.
        engine::Error::DeleteMarker { current: false, .. } => Code::InvalidRequest
            .with("The source of a copy request may not specifically refer to a delete marker by version id."),
        error => S3Error::from(error).field("Key", source.key.to_string()),
    })
}

async fn read_whole(source: Object) -> S3Result<(bytes::Bytes, ETag)> {
    blocking(move || {
        use md5::Digest;
        let bytes = super::get::read_exactly(&source, 0, source.info.size, Wait::Allowed)?;
        // The ETag of a copy is that of one put, also when the source was made of parts.
        let etag =
            if source.info.etag.parts == 0 { source.info.etag } else { ETag::of_body(md5::Md5::digest(&bytes).into()) };
        Ok::<_, engine::Error>((bytes, etag))
    })
    .await?
    .map_err(Into::into)
}

/// The copy's attributes: the source's, or the request's, as the two directives say.
fn attributes_of_copy(state: &State, copy: &Authorized<op::CopyObject>, source: &Object) -> S3Result<Attributes> {
    let request = &copy.request;
    let replace_metadata = directive(request, "x-amz-metadata-directive")?;
    let replace_tags = directive(request, "x-amz-tagging-directive")?;
    let asked = attributes::of_request(request)?;
    let named = copy.copy_source()?;
    let onto_itself = copy.request.bucket().is_some_and(|bucket| *bucket == named.bucket)
        && copy.key()? == &named.key
        && named.version_id.is_none();
    let changes = replace_metadata
        || request.headers.contains_key("x-amz-storage-class")
        || request.headers.contains_key("x-amz-website-redirect-location");
    if onto_itself && !changes {
        return Err(Code::InvalidRequest.with("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."));
    }
    let mut attributes = source.info.attributes.clone();
    attributes.retention = None;
    attributes.legal_hold = false;
    attributes.storage_class = asked.storage_class;
    if replace_metadata {
        attributes.headers = asked.headers;
        attributes.user_metadata = asked.user_metadata;
    } else {
        // The redirect belongs to the key, not to the content.
        attributes.headers.retain(|(name, _)| name != "x-amz-website-redirect-location");
        attributes.headers.extend(asked.headers.into_iter().filter(|(n, _)| n == "x-amz-website-redirect-location"));
    }
    if replace_tags {
        attributes.tags = asked.tags;
    } else if !attributes.tags.is_empty() {
        let versioned = named.version_id.is_some();
        let read = if versioned { Action::GetObjectVersionTagging } else { Action::GetObjectTagging };
        copy.require_on_source(state, read)?;
        copy.note(Noted { object_tags: Some(attributes.tags.clone()), ..Noted::default() });
        copy.require_on_object(state, Action::PutObject, copy.key()?, None)?;
        copy.require_on_object(state, Action::PutObjectTagging, copy.key()?, None)?;
    }
    // A checksum of checksums means nothing for an object without those parts.
    if source.info.size <= engine::INLINE_BYTES_MAX as u64 {
        attributes.checksums.retain(|sum| sum.kind == engine::ChecksumKind::FullObject);
    }
    Ok(attributes)
}

fn directive(request: &Request, name: &'static str) -> S3Result<bool> {
    match request.header(name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(invalid_argument(format!("Unknown {} directive.", name), name, other)),
    }
}

fn checksums(xml: &mut Xml, source: &Object) {
    for sum in source.info.attributes.checksums.iter().filter(|s| s.kind == engine::ChecksumKind::FullObject) {
        xml.value(crate::protocol::checksum::element(sum.algorithm), crate::protocol::checksum::encode(sum, 0));
        xml.value("ChecksumType", crate::protocol::checksum::kind_name(sum.kind));
    }
}
