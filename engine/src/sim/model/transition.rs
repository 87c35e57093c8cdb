//! The alphabet: everything that is asked of a store, that it does by itself, and that is done to it.
//!
//! A transition names what earlier ones made by their numbers, so a list stays meaningful when some of it is left out:
//! that is how a failure shrinks.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use super::reference::{Content, Id, KEYS, Namespace, Reference};
use crate::{Match, Precondition, Versioning};

/// One thing that happens. `number` is given once, and names what the transition makes.
#[derive(Clone, Debug)]
pub(super) enum Transition {
    CreateBucket,
    SetVersioning {
        versioning: Versioning,
    },
    /// If `emptied`, everything in the bucket is deleted first, version by version.
    DeleteBucket {
        emptied: bool,
    },
    Put {
        number: u64,
        key: &'static str,
        size: usize,
        bulk: bool,
        precondition: Precondition,
    },
    Delete {
        number: u64,
        key: &'static str,
        version: Option<Id>,
        precondition: Precondition,
    },
    SetAttributes {
        number: u64,
        key: &'static str,
        version: Option<Id>,
    },
    /// A copy that shares the bulk segments of what is copied.
    Share {
        number: u64,
        from: &'static str,
        version: Option<Id>,
        to: &'static str,
        precondition: Precondition,
    },
    CreateUpload {
        number: u64,
        key: &'static str,
    },
    PutPart {
        number: u64,
        key: &'static str,
        upload: u64,
        part: u16,
        size: usize,
    },
    Complete {
        number: u64,
        key: &'static str,
        upload: u64,
        parts: Vec<(u16, Content)>,
        precondition: Precondition,
    },
    Abort {
        key: &'static str,
        upload: u64,
    },
    /// Rows that are set, and without a size removed, in one record.
    Configure {
        number: u64,
        changes: Vec<(Namespace, &'static str, Option<usize>)>,
    },
    Head {
        key: &'static str,
        version: Option<Id>,
    },
    Read {
        key: &'static str,
        version: Option<Id>,
        from: u64,
        count: usize,
    },
    /// Page after page, like the others.
    List {
        prefix: &'static str,
        delimiter: Option<&'static str>,
        max_keys: usize,
    },
    ListVersions {
        prefix: &'static str,
        max_keys: usize,
    },
    ListUploads {
        prefix: &'static str,
        max_uploads: usize,
    },
    /// The index is brought up to date.
    Checkpoint,
    /// Footers and a spare segment are written, as the store's threads do.
    WriteAhead,
    Scrub,
    Vacuum,
    Compact,
    /// One of the sealed segments, so that what is dead stays in others.
    CompactOne {
        nth: usize,
    },
    /// One of them is emptied and not freed, as a crash leaves it.
    Evacuate {
        nth: usize,
    },
    /// Taken into the one before and restored, it equals the store.
    Backup,
    /// The index, and the counts of what lives in each segment, are what the log makes of them.
    Recount,
    /// The process ends, the disk keeps what was synced or also what it will, and the store is opened again.
    Restart {
        clean: bool,
        power_cut: bool,
        index_lost: bool,
    },
}

/// The sizes of bodies, in bytes, without the number at the front.
const SIZES: [usize; 4] = [0, 30, 500, 2500];
pub(super) const PREFIXES: [&str; 5] = ["", "a", "a/", "b", "x"];
pub(super) const PAGES: [usize; 3] = [1000, 2, 1];

impl Transition {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Transition::Put { number, .. }
            | Transition::Delete { number, .. }
            | Transition::SetAttributes { number, .. }
            | Transition::Share { number, .. }
            | Transition::CreateUpload { number, .. }
            | Transition::PutPart { number, .. }
            | Transition::Complete { number, .. }
            | Transition::Configure { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// Whether it takes the bucket to be there.
    pub(super) fn is_of_bucket(&self) -> bool {
        !self.is_disturbance() && !matches!(self, Transition::CreateBucket | Transition::Configure { .. })
    }

    /// Whether it disturbs the store, which must answer as before then.
    pub(super) fn is_disturbance(&self) -> bool {
        matches!(
            self,
            Transition::Checkpoint
                | Transition::WriteAhead
                | Transition::Scrub
                | Transition::Vacuum
                | Transition::Compact
                | Transition::CompactOne { .. }
                | Transition::Evacuate { .. }
                | Transition::Backup
                | Transition::Recount
                | Transition::Restart { .. }
        )
    }

    /// Whether what it names is there, which it no longer is when what made it was left out.
    pub(super) fn is_possible(&self, state: &Reference) -> bool {
        let is_there = |key: &str, version: Option<Id>| match version {
            None | Some(Id::Null) => true,
            Some(id) => state.has_version(key, id),
        };
        match self {
            Transition::Delete { key, version, .. } | Transition::SetAttributes { key, version, .. } => {
                is_there(key, *version)
            }
            // Reads of a bucket that is gone are not asked for.
            Transition::Head { key, version } | Transition::Read { key, version, .. } => {
                state.bucket && is_there(key, *version)
            }
            Transition::Share { from, version, .. } => state.bucket && is_there(from, *version),
            Transition::List { .. } | Transition::ListVersions { .. } | Transition::ListUploads { .. } => state.bucket,
            Transition::Complete { key, upload, .. } => {
                state.uploads.contains_key(upload) || state.is_completed(key, *upload)
            }
            Transition::PutPart { upload, .. } | Transition::Abort { upload, .. } => state.uploads.contains_key(upload),
            Transition::Configure { changes, .. } => {
                state.bucket || changes.iter().all(|(namespace, ..)| *namespace == Namespace::Own)
            }
            _ => true,
        }
    }
}

/// What may happen next, the simplest first: a failure shrinks towards it.
pub(super) fn transitions(state: &Reference) -> BoxedStrategy<Transition> {
    let state = Arc::new(state.clone());
    let mut choices: Vec<(u32, BoxedStrategy<Transition>)> = Vec::with_capacity(30);
    let mut choose = |weight: u32, strategy: BoxedStrategy<Transition>| choices.push((weight, strategy));
    choose(8, Just(Transition::Recount).boxed());
    choose(4, Just(Transition::Checkpoint).boxed());
    choose(2, Just(Transition::WriteAhead).boxed());
    choose(2, Just(Transition::Scrub).boxed());
    choose(1, Just(Transition::Vacuum).boxed());
    choose(2, Just(Transition::Compact).boxed());
    choose(6, (0..64usize).prop_map(|nth| Transition::CompactOne { nth }).boxed());
    choose(2, (0..64usize).prop_map(|nth| Transition::Evacuate { nth }).boxed());
    choose(2, Just(Transition::Backup).boxed());
    choose(10, any::<(bool, bool, bool)>().prop_map(restart).boxed());
    if state.bucket {
        choose(1, Just(Transition::CreateBucket).boxed());
        of_bucket(&state, &mut choose);
    } else {
        choose(120, Just(Transition::CreateBucket).boxed());
        choose(3, put(&state));
    }
    choose(15, configure(&state));
    Union::new_weighted(choices).boxed()
}

fn restart((keeps, clean, index_kept): (bool, bool, bool)) -> Transition {
    Transition::Restart { clean, power_cut: !keeps, index_lost: !index_kept }
}

fn of_bucket(state: &Arc<Reference>, choose: &mut impl FnMut(u32, BoxedStrategy<Transition>)) {
    let number = state.next;
    let keys = || select(&KEYS[..]);
    let (prefixes, pages) = (|| select(&PREFIXES[..]), || select(&PAGES[..]));
    // A key, one of its versions, and a number that says more.
    let versions = || {
        let state = Arc::clone(state);
        (keys(), 0..12usize, 0..20usize).prop_map(move |(key, nth, more)| (key, nth_version(&state, key, nth), more))
    };
    let head = versions().prop_map(|(key, version, _)| Transition::Head { key, version });
    choose(2, head.boxed());
    let read = (versions(), 0..3000u64, 0..3000usize);
    let read = read.prop_map(|((key, version, _), from, count)| Transition::Read { key, version, from, count });
    choose(4, read.boxed());
    let list = (prefixes(), any::<bool>(), pages()).prop_map(|(prefix, delimited, max_keys)| Transition::List {
        prefix,
        delimiter: delimited.then_some("/"),
        max_keys,
    });
    choose(3, list.boxed());
    let listed = (prefixes(), pages()).prop_map(|(prefix, max_keys)| Transition::ListVersions { prefix, max_keys });
    choose(3, listed.boxed());
    let listed =
        (prefixes(), pages()).prop_map(|(prefix, max_uploads)| Transition::ListUploads { prefix, max_uploads });
    choose(1, listed.boxed());
    choose(36, put(state));
    let with = Arc::clone(state);
    let delete = versions().prop_map(move |(key, version, more)| {
        // Conditions on a version that is named are for the deletes of many.
        let precondition = if version.is_none() { precondition(&with, key, more) } else { Precondition::default() };
        Transition::Delete { number, key, version, precondition }
    });
    choose(21, delete.boxed());
    let set = versions().prop_map(move |(key, version, _)| Transition::SetAttributes { number, key, version });
    choose(15, set.boxed());
    let with = Arc::clone(state);
    let share = (versions(), keys()).prop_map(move |((from, version, more), to)| {
        let precondition = precondition(&with, to, more);
        Transition::Share { number, from, version, to, precondition }
    });
    choose(9, share.boxed());
    let versioning = select(&[Versioning::Enabled, Versioning::Suspended][..]);
    choose(6, versioning.prop_map(|versioning| Transition::SetVersioning { versioning }).boxed());
    choose(5, (0..4u8).prop_map(|n| Transition::DeleteBucket { emptied: n < 3 }).boxed());
    of_uploads(state, choose);
}

fn of_uploads(state: &Arc<Reference>, choose: &mut impl FnMut(u32, BoxedStrategy<Transition>)) {
    let number = state.next;
    let create = select(&KEYS[..]).prop_map(move |key| Transition::CreateUpload { number, key });
    choose(if state.uploads.is_empty() { 20 } else { 5 }, create.boxed());
    let begun: Vec<(u64, &'static str)> = state.uploads.iter().map(|(id, upload)| (*id, upload.key)).collect();
    let made = state.objects.iter().filter_map(|(key, versions)| Some((versions.last()?.upload?, *key)));
    let completed: Vec<(u64, &'static str)> = made.collect();
    if !begun.is_empty() {
        let part = (select(begun.clone()), 1..=3u16, select(&SIZES[..]));
        let part =
            part.prop_map(move |((upload, key), part, size)| Transition::PutPart { number, key, upload, part, size });
        choose(9, part.boxed());
        choose(1, select(begun.clone()).prop_map(|(upload, key)| Transition::Abort { key, upload }).boxed());
        let with = Arc::clone(state);
        let complete = (select(begun), 0..20usize, 0..8u8).prop_map(move |((upload, key), more, all)| {
            // Now and then without the last part.
            let there = &with.uploads[&upload].parts;
            let taken = if all == 7 { there.len().saturating_sub(1) } else { there.len() };
            let parts = there.iter().take(taken).map(|(part, content)| (*part, *content)).collect();
            Transition::Complete { number, key, upload, parts, precondition: precondition(&with, key, more) }
        });
        choose(5, complete.boxed());
    }
    if !completed.is_empty() {
        let with = Arc::clone(state);
        let repeat = select(completed).prop_map(move |(upload, key)| {
            let parts = with.versions(key).last().map_or(Vec::new(), |version| version.parts.clone());
            Transition::Complete { number, key, upload, parts, precondition: Precondition::default() }
        });
        choose(2, repeat.boxed());
    }
}

fn put(state: &Arc<Reference>) -> BoxedStrategy<Transition> {
    let (number, state) = (state.next, Arc::clone(state));
    let put = (select(&KEYS[..]), select(&SIZES[..]), 0..3u8, 0..20usize);
    let put = put.prop_map(move |(key, size, body, more)| {
        let precondition = precondition(&state, key, more);
        Transition::Put { number, key, size, bulk: body == 2, precondition }
    });
    put.boxed()
}

fn configure(state: &Reference) -> BoxedStrategy<Transition> {
    let (number, bucket) = (state.next, state.bucket);
    let change = (any::<bool>(), select(&KEYS[..3]), select(&SIZES[..]), 0..3u8);
    let change = change.prop_map(move |(of_bucket, row, size, kept)| {
        let namespace = if of_bucket && bucket { Namespace::Bucket } else { Namespace::Own };
        (namespace, row, (kept < 2).then_some(size))
    });
    let changes = proptest::collection::vec(change, 1..=3);
    changes.prop_map(move |changes| Transition::Configure { number, changes }).boxed()
}

/// None for the current version, and the null one also where there is none.
fn nth_version(state: &Reference, key: &str, nth: usize) -> Option<Id> {
    let versions = state.versions(key);
    match nth {
        0..=5 => None,
        6 => Some(Id::Null),
        nth => Some(versions.get(versions.len().checked_sub(nth - 6)?)?.id),
    }
}

/// A condition, now and then.
fn precondition(state: &Reference, key: &str, more: usize) -> Precondition {
    let none = Precondition::default();
    let other = Content { number: 0, size: 0 }.etag();
    match (more, state.current(key)) {
        (10 | 11, Some((etag, _))) => Precondition { if_match: Some(Match::ETags(vec![other, etag])), ..none },
        (12 | 13, Some(_)) => Precondition { if_match: Some(Match::ETags(vec![other])), ..none },
        (14, Some(_)) | (14..=19, None) => Precondition { if_none_match: Some(Match::Any), ..none },
        (15, Some((etag, _))) => Precondition { if_none_match: Some(Match::ETags(vec![etag])), ..none },
        (16 | 17, Some((_, size))) => Precondition { if_match_size: Some(size), ..none },
        (18 | 19, Some((_, size))) => Precondition { if_match_size: Some(size + 1), ..none },
        (10..=13, None) => Precondition { if_match: Some(Match::Any), ..none },
        _ => none,
    }
}
