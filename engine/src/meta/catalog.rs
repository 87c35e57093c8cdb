//! The metadata of records that are about no object: buckets, and rows of configuration.
//!
//! They are few and read whole, so nothing of them has a place that is known beforehand.

use bytes::Bytes;

use crate::bucket::{Bucket, BucketId, Versioning};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::name::BucketName;

/// What a Bucket record does with its bucket; also the bucket's whole row in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BucketMeta {
    /// The bucket is now this. `id` 0 stands for the record's own `orig_seq`.
    Is(Bucket),
    /// The bucket is gone.
    Deleted,
}

impl BucketMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        match self {
            BucketMeta::Deleted => _ = encoder.u8(0),
            BucketMeta::Is(bucket) => {
                encoder.u8(1).u64(bucket.id.0).u64(bucket.created_ms).u8(bucket.versioning as u8);
                encoder.blob(bucket.name.as_bytes()).blob(bucket.owner.as_bytes()).blob(&bucket.attributes);
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<BucketMeta, Malformed> {
        let mut decoder = Decoder::new(bytes);
        match decoder.u8()? {
            0 => Ok(BucketMeta::Deleted),
            1 => {
                let id = BucketId(decoder.u64()?);
                let created_ms = decoder.u64()?;
                let versioning = match decoder.u8()? {
                    0 => Versioning::Unversioned,
                    1 => Versioning::Enabled,
                    2 => Versioning::Suspended,
                    _ => return Err(Malformed),
                };
                let name = BucketName::parse(decoder.text()?).map_err(|_| Malformed)?;
                let owner = decoder.text()?.to_owned();
                Ok(BucketMeta::Is(Bucket { id, name, owner, created_ms, versioning, attributes: decoder.bytes()? }))
            }
            _ => Err(Malformed),
        }
    }
}

/// One changed row of a Config record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigMeta {
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) value: Option<Bytes>,
}

impl ConfigMeta {
    pub(crate) fn encode_all(changes: &[ConfigMeta]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        for change in changes {
            encoder.blob(change.namespace.as_bytes()).blob(change.key.as_bytes());
            match &change.value {
                None => _ = encoder.u8(0),
                Some(value) => _ = encoder.u8(1).blob(value),
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<ConfigMeta>, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let mut changes = Vec::new();
        while !decoder.is_empty() {
            changes.push(ConfigMeta {
                namespace: decoder.text()?.to_owned(),
                key: decoder.text()?.to_owned(),
                value: match decoder.u8()? {
                    0 => None,
                    1 => Some(decoder.bytes()?),
                    _ => return Err(Malformed),
                },
            });
        }
        Ok(changes)
    }
}
