//! Finds an object for the operations that read one, and says what a caller may know when it isn't there.

use engine::{Object, VersionId, Wait};
use policy::Action;

use crate::access::context::RequestContext;
use crate::protocol::error::{Code, S3Error, S3Result, invalid_argument};
use crate::s3::receive::blocking;
use crate::state::State;

/// A version id of the wire; one that can't be of this node is `InvalidArgument`, as on S3.
pub fn version_id(text: Option<&str>) -> S3Result<Option<VersionId>> {
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid_argument("Invalid version id specified", "versionId", text))
}

/// Opens the object that the request names: at once when it is in memory, else on the blocking pool.
pub async fn open(state: &State, context: &RequestContext) -> S3Result<Object> {
    let version = version_id(context.request.version_id()?)?;
    let (bucket, key) = (context.bucket()?.id, context.key()?);
    let opened = match state.store.open_object(bucket, key, version, Wait::Never) {
        Err(engine::Error::WouldBlock) => {
            let (store, key) = (state.store.clone(), key.clone());
            blocking(move || store.open_object(bucket, &key, version, Wait::Allowed)).await?
        }
        opened => opened,
    };
    opened.map_err(|error| missing(state, context, error))
}

/// A missing key is 404 for who may list the bucket and 403 for who may not, so that its absence is no news to those who can't see the names.
pub fn missing(state: &State, context: &RequestContext, error: engine::Error) -> S3Error {
    let hidden = matches!(&error, engine::Error::NoSuchKey | engine::Error::DeleteMarker { current: true, .. });
    if hidden && !context.allows_on_bucket(state, Action::ListBucket) {
        return Code::AccessDenied.error().because("the key is missing, and the caller may not list the bucket");
    }
    let key = context.request.key().map(ToString::to_string).unwrap_or_default();
    let answer = S3Error::from(error);
    match answer.code {
        Code::NoSuchKey | Code::NoSuchVersion => answer.field("Key", key),
        _ => answer,
    }
}
