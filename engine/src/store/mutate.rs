//! What all mutations have in common: locks first, then the look-up of what was there, then the queue.

use std::sync::Arc;

use crate::apply::{Change, Context, Prior};
use crate::bucket::{Bucket, Versioning};
use crate::bulk::{BulkBody, Pin};
use crate::core::Core;
use crate::error::Error;
use crate::gate::Token;
use crate::object::Precondition;
use crate::queue::{Pending, Promise};
use crate::record::Frame;
use crate::row::ObjectRow;

/// A bucket and a key, locked: nobody else changes the key until the tokens are dropped.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) bucket: Arc<Bucket>,
    tokens: Vec<Token>,
}

/// Takes the bucket's gate shared and the key's stripe.
pub(super) async fn lock_key(core: &Core, bucket: u64, key: &[u8]) -> Result<Locked, Error> {
    let entry = core.bucket_entry(bucket)?;
    let mut tokens = Vec::with_capacity(2);
    tokens.push(entry.gate.shared().await);
    tokens.push(core.stripes.enter(bucket, key).await);
    // Deleted, or changed, while this waited.
    let bucket = core.bucket_entry(bucket)?.bucket;
    Ok(Locked { bucket, tokens })
}

impl Locked {
    /// Queues a record and waits until it is published; answers its number.
    pub(super) async fn commit(
        self,
        core: &Core,
        frame: Frame,
        body: Option<BulkBody>,
        pin: Option<Pin>,
    ) -> Result<u64, Error> {
        self.commit_if(core, &Precondition::default(), frame, body, pin).await
    }

    /// Like `commit`, if the condition holds for the current object: the same look-up serves it and the record.
    pub(super) async fn commit_if(
        self,
        core: &Core,
        precondition: &Precondition,
        frame: Frame,
        body: Option<BulkBody>,
        pin: Option<Pin>,
    ) -> Result<u64, Error> {
        let versioned = self.bucket.versioning != Versioning::Unversioned;
        let pending = prepare(core, frame, self.tokens, versioned, body, pin)?;
        check(precondition, pending.prior.current.as_ref())?;
        core.submit(pending).await
    }
}

/// Queues a record under the locks that its change needs, and waits until it is published; answers its number.
pub(super) async fn commit(core: &Core, frame: Frame, tokens: Vec<Token>) -> Result<u64, Error> {
    core.submit(prepare(core, frame, tokens, false, None, None)?).await
}

/// Looks up what the record's change depends on, under the locks that it needs.
fn prepare(
    core: &Core,
    frame: Frame,
    tokens: Vec<Token>,
    versioned: bool,
    body: Option<BulkBody>,
    pin: Option<Pin>,
) -> Result<Pending, Error> {
    let change = Change::decode(frame.kind, frame.flags, &frame.key, &frame.meta)?;
    let context = Context { bucket: frame.bucket, versioned, orig_seq: None, relocated: false };
    let prior = Prior::load(&change, context, &core.view())?;
    Ok(Pending { frame, change, prior, tokens, body, pin, promise: Promise::default() })
}

/// Judges the conditions of a put, in S3's order.
pub(super) fn check(precondition: &Precondition, current: Option<&ObjectRow>) -> Result<(), Error> {
    let Some(row) = current else {
        let wants_one = precondition.if_match.is_some()
            || precondition.if_match_size.is_some()
            || precondition.if_match_modified_seconds.is_some();
        return if wants_one { Err(Error::NoSuchKey) } else { Ok(()) };
    };
    let etag = row.etag();
    let holds = precondition.if_match.as_ref().is_none_or(|wanted| wanted.matches(&etag))
        && precondition.if_none_match.as_ref().is_none_or(|refused| !refused.matches(&etag))
        && precondition.if_match_size.is_none_or(|size| size == row.head.size)
        && precondition.if_match_modified_seconds.is_none_or(|second| second == row.head.modified_ms / 1000);
    if holds { Ok(()) } else { Err(Error::PreconditionFailed) }
}
