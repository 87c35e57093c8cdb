//! [GetBucketLocation](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html): empty for us-east-1.

use crate::auth::authorize::Authorized;
use crate::s3::error::S3Result;
use crate::s3::operation::op;
use crate::s3::respond::{self, Response};
use crate::s3::xml_write::{NAMESPACE, Xml};
use crate::state::State;

/// Names the bucket's region.
pub fn run(state: &State, location: &Authorized<op::GetBucketLocation>) -> S3Result<Response> {
    location.bucket()?;
    let region = if state.config.region == "us-east-1" { "" } else { &state.config.region };
    let mut xml = Xml::document();
    xml.open(&format!("LocationConstraint xmlns=\"{NAMESPACE}\""));
    xml.raw_text(region);
    xml.close("LocationConstraint");
    Ok(respond::xml(xml.finish()))
}
