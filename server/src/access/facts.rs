//! The request context that conditions are tested against: one key at a time, from verified facts only.
//!
//! `aws:` keys come from the connection, the clock, the configuration and the verified identity; a header can set only the `s3:` key of its own name, and `aws:Referer` and `aws:UserAgent`, which are the client's word at AWS too.
//! Source: [condition keys for S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html), [global keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).

use std::borrow::Cow;

use engine::{BucketId, ObjectKey, Store, Wait};
use policy::{Action, ConditionKey, Context, KnownKey, Lookup, Resource, Value};

use super::context::RequestContext;
use crate::identity::snapshot::IdentityKind;
use crate::protocol::name::decode_query;
use crate::protocol::operation::Operation;
use crate::state::State;

/// Where an object's tags can be found.
pub(super) enum Tags<'a> {
    /// The resource is no object.
    None,
    /// They are the object's.
    Of {
        /// The engine.
        store: &'a Store,
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: &'a ObjectKey,
        /// The version.
        version: Option<&'a str>,
    },
}

/// The tags of the object that is judged.
enum ObjectTags {
    /// No statement asks for them, or there is no object.
    Absent,
    /// They were read.
    Read(Vec<(String, String)>),
    /// They are there and can't be read.
    Unreadable,
}

/// The facts of one action of one request.
pub(super) struct Facts<'a> {
    state: &'a State,
    context: &'a RequestContext,
    action: Action,
    resource: Resource<'a>,
    version: Option<&'a str>,
    tags: ObjectTags,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        state: &'a State,
        context: &'a RequestContext,
        action: Action,
        resource: Resource<'a>,
        version: Option<&'a str>,
    ) -> Facts<'a> {
        Facts { state, context, action, resource, version, tags: ObjectTags::Absent }
    }

    /// Reads the object's tags, before a decision that asks for them.
    pub(super) fn load_tags(&mut self, tags: Tags<'_>) {
        self.tags = match tags {
            Tags::None => ObjectTags::Absent,
            Tags::Of { store, bucket, key, version } => match tags_of(store, bucket, key, version) {
                Ok(Some(tags)) => ObjectTags::Read(tags),
                Ok(None) => ObjectTags::Absent,
                Err(error) => {
                    tracing::warn!(%error, %key, "an object's tags can't be read: conditions on them fail closed");
                    ObjectTags::Unreadable
                }
            },
        };
    }

    fn object_tag(&self, name: &str) -> Lookup<'_> {
        match &self.tags {
            ObjectTags::Absent => Lookup::Absent,
            ObjectTags::Unreadable => Lookup::Unreadable,
            ObjectTags::Read(tags) => text(tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())),
        }
    }

    /// The tags that the request will store: those that its handler found, else those of `x-amz-tagging` where the operation uses it.
    fn request_tags(&self) -> Option<Vec<(String, String)>> {
        if let Some(tags) = self.context.tags.get() {
            return Some(tags.clone());
        }
        let request = &self.context.request;
        let uses_header = match self.context.operation {
            Operation::PutObject | Operation::CreateMultipartUpload => true,
            Operation::CopyObject => request.header("x-amz-tagging-directive") == Some("REPLACE"),
            _ => false,
        };
        let header = request.header("x-amz-tagging").filter(|_| uses_header)?;
        let tags = header.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode_query(name)?, decode_query(value)?))
        });
        Some(tags.collect())
    }

    fn header(&self, name: &str) -> Lookup<'_> {
        text(self.context.request.header(name))
    }

    fn parameter(&self, name: &str) -> Lookup<'_> {
        text(self.context.request.query.value(name))
    }

    fn global(&self, key: KnownKey) -> Lookup<'_> {
        let (request, caller) = (&self.context.request, &self.context.caller);
        let identity = caller.identity();
        let network = || self.state.config.network_of(request.peer.address);
        match key {
            KnownKey::SourceIp => Lookup::One(Value::Address(request.peer.address)),
            KnownKey::SourceVpc => text(network().map(|network| network.vpc.as_str())),
            KnownKey::SourceVpce => text(network().and_then(|network| network.vpce.as_deref())),
            KnownKey::SecureTransport => Lookup::One(Value::Boolean(request.peer.secure)),
            KnownKey::CurrentTime | KnownKey::EpochTime => Lookup::One(Value::Seconds(request.received_at_seconds)),
            KnownKey::UserAgent => self.header("user-agent"),
            KnownKey::Referer => self.header("referer"),
            KnownKey::ViaAwsService | KnownKey::PrincipalIsAwsService => Lookup::One(Value::Boolean(false)),
            KnownKey::RequestedRegion => text(Some(self.state.config.region.as_str())),
            KnownKey::PrincipalAccount => text(caller.account_id()),
            KnownKey::PrincipalArn => text(identity.map(|identity| identity.arn.as_str())),
            KnownKey::PrincipalType => text(Some(match identity.map(|identity| &identity.kind) {
                None => "Anonymous",
                Some(IdentityKind::Root) => "Account",
                Some(IdentityKind::ServiceAccount { .. }) => "User",
            })),
            KnownKey::UserId => text(identity.map(|identity| identity.user_id.as_str())),
            KnownKey::Username => text(identity.and_then(|identity| match &identity.kind {
                IdentityKind::Root => None,
                IdentityKind::ServiceAccount { name, .. } => Some(name.as_str()),
            })),
            KnownKey::ResourceAccount => match self.resource {
                Resource::Bucket { account, .. } | Resource::Object { account, .. } if !account.is_empty() => {
                    text(Some(account))
                }
                _ => Lookup::Absent,
            },
            // Organisations, federation, sessions and principal tags don't exist here.
            _ => Lookup::Absent,
        }
    }

    fn s3(&self, key: KnownKey, tag: Option<&str>) -> Lookup<'_> {
        let (request, caller) = (&self.context.request, &self.context.caller);
        match key {
            KnownKey::S3ResourceAccount => self.global(KnownKey::ResourceAccount),
            KnownKey::AuthType => text(caller.scheme().auth_type()),
            KnownKey::SignatureVersion => text(caller.scheme().signature_version()),
            KnownKey::SignatureAge => {
                caller.signature_age_milliseconds().map_or(Lookup::Absent, |age| Lookup::One(Value::Number(age)))
            }
            KnownKey::TlsVersion => text(request.peer.tls_version),
            KnownKey::Prefix => self.parameter("prefix"),
            KnownKey::Delimiter => self.parameter("delimiter"),
            KnownKey::MaxKeys => self.parameter("max-keys"),
            KnownKey::VersionId => text(self.version),
            KnownKey::ObjectCreationOperation => Lookup::One(Value::Boolean(self.context.operation.creates_object())),
            KnownKey::ExistingObjectTag => tag.map_or(Lookup::Absent, |tag| self.object_tag(tag)),
            KnownKey::RequestObjectTag => {
                let mut tags = self.request_tags().unwrap_or_default().into_iter();
                let found = tags.find(|(name, _)| Some(name.as_str()) == tag);
                found.map_or(Lookup::Absent, |(_, value)| Lookup::One(Value::String(Cow::Owned(value))))
            }
            KnownKey::RequestObjectTagKeys => match self.request_tags() {
                None => Lookup::Absent,
                Some(tags) => Lookup::Many(tags.into_iter().map(|(name, _)| Value::String(Cow::Owned(name))).collect()),
            },
            KnownKey::IfMatch => self.header("if-match"),
            KnownKey::IfNoneMatch => self.header("if-none-match"),
            KnownKey::XAmzContentSha256 => self.header("x-amz-content-sha256"),
            _ => match key.name().strip_prefix("s3:x-amz-") {
                // Each of these keys is the header of its name.
                Some(_) => self.header(&key.name()["s3:".len()..]),
                None => match key.name().strip_prefix("s3:object-lock-") {
                    Some(_) => self.header(&format!("x-amz-{}", &key.name()["s3:".len()..])),
                    None => Lookup::Absent,
                },
            },
        }
    }
}

impl Context for Facts<'_> {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        let Some(known) = key.known() else { return Lookup::Absent };
        if !self.action.has_key(known) {
            return Lookup::Absent;
        }
        if known.name().starts_with("aws:") { self.global(known) } else { self.s3(known, key.tag_key()) }
    }
}

fn text(value: Option<&str>) -> Lookup<'_> {
    value.map_or(Lookup::Absent, |value| Lookup::One(Value::text(value)))
}

/// Loads an object's tags for a decision; `None` when there is no object, an error when they can't be read.
fn tags_of(
    store: &Store,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<&str>,
) -> Result<Option<Vec<(String, String)>>, engine::Error> {
    let Ok(version) = version.map(str::parse).transpose() else { return Ok(None) };
    // A read that has to wait for the disk holds up this thread: only where a statement asks for tags, and only until the record is cached.
    match store.head(bucket, key, version, Wait::Allowed) {
        Ok(info) => Ok(Some(info.attributes.tags)),
        Err(engine::Error::NoSuchKey | engine::Error::NoSuchVersion | engine::Error::DeleteMarker { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
