//! The request context that conditions are tested against: one key at a time, from verified facts only.
//!
//! `aws:` keys come from the connection, the clock, the configuration and the verified identity; a header can set only the `s3:` key of its own name, and `aws:Referer` and `aws:UserAgent`, which are the client's word at AWS too.
//! Source: [condition keys for S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html), [global keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).

use std::borrow::Cow;

use engine::{BucketId, ObjectKey, Store, Wait};
use policy::{Action, ConditionKey, Context, KnownKey, Lookup, Principal, Resource, Value};

use super::context::RequestContext;
use super::question::Question;
use crate::protocol::name::decode_query;
use crate::protocol::operation::Operation;
use crate::state::State;

/// The object whose tags a decision may ask for.
#[derive(Clone, Copy)]
pub(super) struct Tagged<'a> {
    pub(super) bucket: BucketId,
    pub(super) key: &'a ObjectKey,
    pub(super) version: Option<&'a str>,
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
    if_match: Option<&'a str>,
    tags: ObjectTags,
}

impl<'a> Facts<'a> {
    pub(super) fn new(state: &'a State, context: &'a RequestContext, question: &Question<'a>) -> Facts<'a> {
        let Question { action, resource, version, if_match, .. } = *question;
        Facts { state, context, action, resource, version, if_match, tags: ObjectTags::Absent }
    }

    /// Reads the object's tags, before a decision that asks for them.
    pub(super) fn load_tags(&mut self, tagged: Option<Tagged<'_>>) {
        let Some(tagged) = tagged else { return };
        self.state.metrics.tags_read();
        self.tags = match tags_of(&self.state.store, tagged) {
            Ok(Some(tags)) => ObjectTags::Read(tags),
            Ok(None) => ObjectTags::Absent,
            Err(error) => {
                tracing::warn!(%error, key = %tagged.key, "an object's tags can't be read: conditions on them fail closed");
                ObjectTags::Unreadable
            }
        };
    }

    fn object_tag(&self, name: &str) -> Lookup<'_> {
        match &self.tags {
            ObjectTags::Absent => Lookup::Absent,
            ObjectTags::Unreadable => Lookup::Unreadable,
            ObjectTags::Read(tags) => text(find(tags, name)),
        }
    }

    /// The tags that the request will store with an object: those that its handler found, else those of `x-amz-tagging` where the operation uses it.
    fn object_tags_of_request(&self) -> Option<Cow<'_, [(String, String)]>> {
        if let Some(tags) = self.context.noted.get().and_then(|noted| noted.object_tags.as_deref()) {
            return Some(Cow::Borrowed(tags));
        }
        let makes_object = matches!(
            self.context.operation,
            Operation::PutObject | Operation::CreateMultipartUpload | Operation::CopyObject
        );
        let header = self.context.request.tagging_header().filter(|_| makes_object)?;
        let tags = header.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode_query(name)?, decode_query(value)?))
        });
        Some(tags.collect())
    }

    /// The tags that the request will give a bucket.
    fn bucket_tags_of_request(&self) -> Option<&[(String, String)]> {
        self.context.noted.get().and_then(|noted| noted.bucket_tags.as_deref())
    }

    fn header(&self, name: &str) -> Lookup<'_> {
        text(self.context.request.header(name))
    }

    /// A parameter of the listings; elsewhere it means nothing, and nothing is granted for it.
    fn listing_parameter(&self, name: &str) -> Lookup<'_> {
        let lists = matches!(
            self.context.operation,
            Operation::ListObjects | Operation::ListObjectsV2 | Operation::ListObjectVersions
        );
        text(self.context.request.query.value(name).filter(|_| lists))
    }

    /// The source of a copy as `BUCKET/KEY`, decoded: as it is read, however the header spells it.
    fn copy_source(&self) -> Lookup<'_> {
        let source = self.context.request.copy_source.as_ref();
        source.map_or(Lookup::Absent, |source| owned(format!("{}/{}", source.bucket, source.key)))
    }

    /// Days until `x-amz-object-lock-retain-until-date`, begun ones counted whole.
    fn remaining_retention_days(&self) -> Lookup<'_> {
        const DAY_SECONDS: i64 = 24 * 60 * 60;
        let request = &self.context.request;
        let Some(until) = request.header("x-amz-object-lock-retain-until-date") else { return Lookup::Absent };
        match until.parse::<jiff::Timestamp>() {
            Ok(until) => {
                let seconds = until.as_second().saturating_sub(request.received_at_seconds);
                Lookup::One(Value::Number(seconds.saturating_add(DAY_SECONDS - 1).div_euclid(DAY_SECONDS)))
            }
            // What can't be read fails closed.
            Err(_) => Lookup::Unreadable,
        }
    }

    fn global(&self, key: KnownKey, tag: Option<&str>) -> Lookup<'_> {
        let (request, caller) = (&self.context.request, &self.context.caller);
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
            KnownKey::PrincipalArn => text(caller.arn()),
            KnownKey::PrincipalType => text(Some(match caller.principal() {
                Principal::Root { .. } => "Account",
                Principal::User { .. } => "User",
                _ => "Anonymous",
            })),
            KnownKey::UserId => text(caller.user_id()),
            KnownKey::Username => match caller.principal() {
                Principal::User { name, .. } => text(Some(name)),
                _ => Lookup::Absent,
            },
            KnownKey::ResourceAccount => match self.resource {
                Resource::Bucket { account, .. } | Resource::Object { account, .. } if !account.is_empty() => {
                    text(Some(account))
                }
                _ => Lookup::Absent,
            },
            KnownKey::RequestTag => text(tag.and_then(|tag| find(self.bucket_tags_of_request()?, tag))),
            KnownKey::TagKeys => self.bucket_tags_of_request().map_or(Lookup::Absent, keys),
            // Organisations, federation, sessions, and tags of identities and buckets don't exist here.
            _ => Lookup::Absent,
        }
    }

    fn s3(&self, key: KnownKey, tag: Option<&str>) -> Lookup<'_> {
        let (request, caller) = (&self.context.request, &self.context.caller);
        match key {
            KnownKey::S3ResourceAccount => self.global(KnownKey::ResourceAccount, None),
            KnownKey::AuthType => text(caller.scheme().auth_type()),
            KnownKey::SignatureVersion => text(caller.scheme().signature_version()),
            KnownKey::SignatureAge => {
                caller.signature_age_milliseconds().map_or(Lookup::Absent, |age| Lookup::One(Value::Number(age)))
            }
            KnownKey::TlsVersion => text(request.peer.tls_version),
            KnownKey::Prefix => self.listing_parameter("prefix"),
            KnownKey::Delimiter => self.listing_parameter("delimiter"),
            KnownKey::MaxKeys => self.listing_parameter("max-keys"),
            KnownKey::VersionId => text(self.version),
            KnownKey::LocationConstraint => text(self.context.noted.get().and_then(|it| it.location.as_deref())),
            KnownKey::ObjectCreationOperation => Lookup::One(Value::Boolean(self.context.operation.creates_object())),
            KnownKey::ExistingObjectTag => tag.map_or(Lookup::Absent, |tag| self.object_tag(tag)),
            KnownKey::RequestObjectTag => {
                let tags = self.object_tags_of_request();
                let found = tag.and_then(|tag| find(tags.as_deref()?, tag).map(str::to_owned));
                found.map_or(Lookup::Absent, owned)
            }
            KnownKey::RequestObjectTagKeys => match self.object_tags_of_request() {
                None => Lookup::Absent,
                Some(Cow::Borrowed(tags)) => keys(tags),
                Some(Cow::Owned(tags)) => {
                    Lookup::Many(tags.into_iter().map(|(name, _)| Value::String(Cow::Owned(name))).collect())
                }
            },
            KnownKey::IfMatch => text(self.if_match),
            KnownKey::XAmzCopySource => self.copy_source(),
            KnownKey::ObjectLockRemainingRetentionDays => self.remaining_retention_days(),
            // Each of the others is the header of its name, or doesn't exist here.
            _ => header_of(key).map_or(Lookup::Absent, |name| self.header(name)),
        }
    }
}

/// The header that a key stands for.
fn header_of(key: KnownKey) -> Option<&'static str> {
    Some(match key {
        KnownKey::IfNoneMatch => "if-none-match",
        KnownKey::ObjectLockLegalHold => "x-amz-object-lock-legal-hold",
        KnownKey::ObjectLockMode => "x-amz-object-lock-mode",
        KnownKey::ObjectLockRetainUntilDate => "x-amz-object-lock-retain-until-date",
        key if key.can_be_present() => key.name().strip_prefix("s3:").filter(|name| name.starts_with("x-amz-"))?,
        _ => return None,
    })
}

impl Context for Facts<'_> {
    fn lookup(&self, key: &ConditionKey) -> Lookup<'_> {
        let Some(known) = key.known() else { return Lookup::Absent };
        if !self.action.has_key(known) {
            return Lookup::Absent;
        }
        if known.name().starts_with("aws:") { self.global(known, key.tag_key()) } else { self.s3(known, key.tag_key()) }
    }
}

fn text(value: Option<&str>) -> Lookup<'_> {
    value.map_or(Lookup::Absent, |value| Lookup::One(Value::text(value)))
}

fn owned<'a>(value: String) -> Lookup<'a> {
    Lookup::One(Value::String(Cow::Owned(value)))
}

fn find<'a>(tags: &'a [(String, String)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn keys(tags: &[(String, String)]) -> Lookup<'_> {
    Lookup::Many(tags.iter().map(|(name, _)| Value::text(name)).collect())
}

/// Loads an object's tags for a decision; `None` when there is no object, an error when they can't be read.
fn tags_of(store: &Store, tagged: Tagged<'_>) -> Result<Option<Vec<(String, String)>>, engine::Error> {
    let Ok(version) = tagged.version.map(str::parse).transpose() else { return Ok(None) };
    // A read that has to wait for the disk holds up this thread: only where a statement asks for tags, and only until the record is cached.
    match store.head(tagged.bucket, tagged.key, version, Wait::Allowed) {
        Ok(info) => Ok(Some(info.attributes.tags)),
        Err(engine::Error::NoSuchKey | engine::Error::NoSuchVersion | engine::Error::DeleteMarker { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
