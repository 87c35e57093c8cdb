//! [GetBucketVersioning](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html) and
//! [PutBucketVersioning](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html).

use engine::{BucketChange, Versioning};
use http::StatusCode;

use crate::access::authorize::Authorized;
use crate::protocol::error::{Code, S3Result};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_read::{self, XML_BYTES_MAX};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::Payload;
use crate::state::State;

/// Tells the bucket's versioning state; nothing for one that never had versions.
pub fn read(versioning: &Authorized<op::GetBucketVersioning>) -> S3Result<Response> {
    let mut xml = Xml::root("VersioningConfiguration");
    match versioning.bucket()?.versioning {
        Versioning::Unversioned => {}
        Versioning::Enabled => xml.value("Status", "Enabled"),
        Versioning::Suspended => xml.value("Status", "Suspended"),
    }
    xml.close("VersioningConfiguration");
    Ok(respond::xml(xml.finish()))
}

/// Enables or suspends versions.
pub async fn write(
    state: &State,
    versioning: Authorized<op::PutBucketVersioning>,
    payload: &mut Payload,
) -> S3Result<Response> {
    let body = payload.document(&versioning.request, XML_BYTES_MAX, Code::MalformedXML).await?;
    let document = xml_read::parse(&body, "VersioningConfiguration")?;
    if document.child_text("MfaDelete").is_some_and(|mfa| mfa.trim() == "Enabled") {
        return Err(Code::NotImplemented.with("MFA delete is not implemented."));
    }
    let wanted = match document.child_text("Status").map(str::trim) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => return Err(Code::MalformedXML.error()),
    };
    let change = BucketChange { versioning: Some(wanted), ..BucketChange::default() };
    let _turn = state.settings_turn.lock().await;
    state.store.set_bucket(versioning.bucket()?.id, change).await?;
    Ok(respond::empty(StatusCode::OK))
}
