//! [GetBucketLocation](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html): empty for us-east-1.

use crate::access::authorize::Authorized;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::{NAMESPACE, Xml};
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
