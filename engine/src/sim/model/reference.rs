//! The reference: what the store should hold, in plain maps, and what each transition should answer.
//!
//! It is the meaning of the verbs in the words of S3, without a log, an index or a disk. What a transition makes is
//! known by the number of that transition, for the store chooses its own ids.

use std::collections::BTreeMap;

use super::transition::Transition;
use crate::{BucketUsage, ETag, Match, Precondition, Versioning};

pub(super) const KEYS: [&str; 5] = ["a", "a/b", "a/c/d", "b\0", "c"];

/// How the store of a run is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) segment_bytes: u64,
    pub(super) memtable_entries_max: usize,
    pub(super) disk_seed: u64,
}

/// A body, whose bytes and ETag follow from the transition that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) number: u64,
    /// In bytes, without the number that stands at the front.
    pub(super) size: usize,
}

/// A version's id: which one the store has chosen for it is the machine's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Null,
    Made(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: Id,
    /// By the numbers of the parts; one of number 0 where it was put whole, none at all for a delete marker.
    pub(super) parts: Vec<(u16, Content)>,
    pub(super) etag: ETag,
    /// The transition that has set its tag.
    pub(super) tagged: u64,
    pub(super) is_bulk: bool,
    /// The upload that it was completed from.
    pub(super) upload: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) key: &'static str,
    pub(super) parts: BTreeMap<u16, Content>,
}

/// Where a row of configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Namespace {
    Own,
    /// That of the bucket, whose rows go with it.
    Bucket,
}

/// Why a transition is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchBucket,
    BucketExists,
    BucketNotEmpty,
    NoSuchKey,
    NoSuchVersion,
    DeleteMarker,
    InvalidPart,
    InvalidPartOrder,
    PreconditionFailed,
    /// Only bulk segments are shared.
    Inline,
}

/// What a transition is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Stored(Id),
    Deleted { delete_marker: bool, id: Option<Id>, found: bool },
    Found(Version),
    Refused(Refusal),
}

/// All that a client can see.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) setup: Setup,
    pub(super) bucket: bool,
    pub(super) versioning: Versioning,
    /// Oldest first, and none where there are no versions.
    pub(super) objects: BTreeMap<&'static str, Vec<Version>>,
    pub(super) uploads: BTreeMap<u64, Upload>,
    pub(super) config: BTreeMap<(Namespace, &'static str), Content>,
    /// The number of the next transition that makes something.
    pub(super) next: u64,
    /// What the last transition should have been answered.
    pub(super) answer: Answer,
}

impl Content {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = format!("{}:", self.number).into_bytes();
        bytes.resize(bytes.len() + self.size, self.number as u8);
        bytes
    }

    pub(super) fn etag(self) -> ETag {
        let mut md5 = [0; 16];
        md5[..8].copy_from_slice(&self.number.to_be_bytes());
        md5[8..].copy_from_slice(&(self.size as u64).to_be_bytes());
        ETag::of_body(md5)
    }
}

impl Version {
    pub(super) fn is_delete_marker(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|(_, content)| content.bytes()).collect()
    }

    fn size(&self) -> u64 {
        self.bytes().len() as u64
    }
}

/// The ETag of an object made of an upload's parts.
pub(super) fn etag_of_parts(upload: u64, parts: &[(u16, Content)]) -> ETag {
    ETag { parts: parts.len() as u16, ..Content { number: upload, size: usize::MAX }.etag() }
}

impl Reference {
    pub(super) fn new(setup: Setup) -> Reference {
        Reference {
            setup,
            bucket: false,
            versioning: Versioning::Unversioned,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            config: BTreeMap::new(),
            next: 1,
            answer: Answer::Done,
        }
    }

    /// The versions of a key, oldest first.
    pub(super) fn versions(&self, key: &str) -> &[Version] {
        self.objects.get(key).map_or(&[], Vec::as_slice)
    }

    /// The ETag and the size of the object that a key has now.
    pub(super) fn current(&self, key: &str) -> Option<(ETag, u64)> {
        self.versions(key).last().filter(|version| !version.is_delete_marker()).map(|one| (one.etag, one.size()))
    }

    pub(super) fn has_version(&self, key: &str, id: Id) -> bool {
        self.versions(key).iter().any(|version| version.id == id)
    }

    /// Whether the key's object is the one that was made of this upload.
    pub(super) fn is_completed(&self, key: &str, upload: u64) -> bool {
        self.versions(key).last().is_some_and(|version| version.upload == Some(upload))
    }

    pub(super) fn usage(&self) -> BucketUsage {
        let mut usage = BucketUsage::default();
        for version in self.objects.values().flatten().filter(|version| !version.is_delete_marker()) {
            usage.objects += 1;
            usage.bytes += version.size();
        }
        usage
    }

    /// What a transition is answered, and what it makes of the state.
    pub(super) fn take(&mut self, transition: &Transition) -> Result<Answer, Refusal> {
        self.next = self.next.max(transition.number().map_or(0, |number| number + 1));
        if transition.is_of_bucket() && !self.bucket {
            return Err(Refusal::NoSuchBucket);
        }
        match transition {
            Transition::CreateBucket => {
                if std::mem::replace(&mut self.bucket, true) {
                    return Err(Refusal::BucketExists);
                }
                Ok(Answer::Done)
            }
            Transition::SetVersioning { versioning } => {
                self.versioning = *versioning;
                Ok(Answer::Done)
            }
            Transition::DeleteBucket { emptied } => self.delete_bucket(*emptied),
            Transition::Put { number, key, size, bulk, precondition } => {
                check(precondition, self.current(key))?;
                let content = Content { number: *number, size: *size };
                let (parts, etag) = (vec![(0, content)], content.etag());
                Ok(self.store(key, *number, Version { is_bulk: *bulk, ..version(*number, parts, etag) }))
            }
            Transition::Delete { number, key, version, precondition } => {
                self.delete(*number, key, *version, precondition)
            }
            Transition::SetAttributes { number, key, version } => {
                let id = self.find(key, *version)?.id;
                let versions = self.objects.entry(key).or_default();
                versions.iter_mut().filter(|version| version.id == id).for_each(|version| version.tagged = *number);
                Ok(Answer::Stored(id))
            }
            Transition::Share { number, from, version: shared, to, precondition } => {
                let source = self.find(from, *shared)?;
                if !source.is_bulk {
                    return Err(Refusal::Inline);
                }
                check(precondition, self.current(to))?;
                // What is shared is one body, whatever it was made of.
                let (parts, etag) = (source.parts, source.etag);
                Ok(self.store(to, *number, Version { is_bulk: true, ..version(*number, parts, etag) }))
            }
            Transition::CreateUpload { number, key } => {
                self.uploads.insert(*number, Upload { key, parts: BTreeMap::new() });
                Ok(Answer::Done)
            }
            Transition::PutPart { number, upload, part, size, .. } => {
                let upload = self.uploads.get_mut(upload).expect("the transition's condition");
                upload.parts.insert(*part, Content { number: *number, size: *size });
                Ok(Answer::Done)
            }
            Transition::Complete { number, key, upload, parts, precondition } => {
                self.complete(*number, key, *upload, parts, precondition)
            }
            Transition::Abort { upload, .. } => {
                self.uploads.remove(upload);
                Ok(Answer::Done)
            }
            Transition::Configure { number, changes } => {
                for (namespace, row, size) in changes {
                    match size {
                        Some(size) => {
                            _ = self.config.insert((*namespace, row), Content { number: *number, size: *size })
                        }
                        None => _ = self.config.remove(&(*namespace, *row)),
                    }
                }
                Ok(Answer::Done)
            }
            Transition::Read { key, version, .. } | Transition::Head { key, version } => {
                self.find(key, *version).map(Answer::Found)
            }
            Transition::List { .. } | Transition::ListVersions { .. } | Transition::ListUploads { .. } => {
                Ok(Answer::Done)
            }
            // What disturbs the store changes nothing that a client sees.
            disturbance => {
                assert!(disturbance.is_disturbance(), "{disturbance:?}");
                Ok(Answer::Done)
            }
        }
    }

    fn find(&self, key: &str, id: Option<Id>) -> Result<Version, Refusal> {
        let versions = self.versions(key);
        let found = match id {
            None => versions.last().ok_or(Refusal::NoSuchKey)?,
            Some(id) => versions.iter().find(|version| version.id == id).ok_or(Refusal::NoSuchVersion)?,
        };
        if found.is_delete_marker() { Err(Refusal::DeleteMarker) } else { Ok(found.clone()) }
    }

    /// Adds a version with the id that the bucket's versioning state gives it.
    fn store(&mut self, key: &'static str, number: u64, mut version: Version) -> Answer {
        let versions = self.objects.entry(key).or_default();
        version.id = if self.versioning == Versioning::Enabled { Id::Made(number) } else { Id::Null };
        if version.id == Id::Null {
            versions.retain(|version| version.id != Id::Null);
        }
        let id = version.id;
        versions.push(version);
        Answer::Stored(id)
    }

    fn delete(
        &mut self,
        number: u64,
        key: &'static str,
        named: Option<Id>,
        precondition: &Precondition,
    ) -> Result<Answer, Refusal> {
        let unversioned = self.versioning == Versioning::Unversioned;
        let Some(id) = named.or(unversioned.then_some(Id::Null)) else {
            let current = self.current(key);
            check(precondition, current).map_err(|refusal| match refusal {
                // A delete marker is there, but nothing that a condition could hold for.
                Refusal::NoSuchKey if !self.versions(key).is_empty() => Refusal::PreconditionFailed,
                refusal => refusal,
            })?;
            let marker = version(number, Vec::new(), ETag::of_body([0; 16]));
            let Answer::Stored(id) = self.store(key, number, marker) else { unreachable!("a version was stored") };
            return Ok(Answer::Deleted { delete_marker: true, id: Some(id), found: current.is_some() });
        };
        let there = self.versions(key).iter().find(|version| version.id == id);
        check(precondition, there.map(|version| (version.etag, version.size())))?;
        let (delete_marker, found) = (there.is_some_and(Version::is_delete_marker), there.is_some());
        if let Some(versions) = self.objects.get_mut(key) {
            versions.retain(|version| version.id != id);
            if versions.is_empty() {
                self.objects.remove(key);
            }
        }
        Ok(Answer::Deleted { delete_marker, id: named, found })
    }

    fn complete(
        &mut self,
        number: u64,
        key: &'static str,
        upload: u64,
        parts: &[(u16, Content)],
        precondition: &Precondition,
    ) -> Result<Answer, Refusal> {
        if parts.is_empty() {
            return Err(Refusal::InvalidPartOrder);
        }
        let Some(begun) = self.uploads.get(&upload) else {
            // Repeated: answered as the first time, from the object that was made.
            let made = self.versions(key).last().expect("the transition's condition");
            return Ok(Answer::Stored(made.id));
        };
        check(precondition, self.current(key))?;
        if parts.iter().any(|(part, content)| begun.parts.get(part) != Some(content)) {
            return Err(Refusal::InvalidPart);
        }
        self.uploads.remove(&upload);
        let made = version(upload, parts.to_vec(), etag_of_parts(upload, parts));
        Ok(self.store(key, number, Version { is_bulk: true, upload: Some(upload), ..made }))
    }

    /// Uploads and rows of configuration go with the bucket.
    fn delete_bucket(&mut self, emptied: bool) -> Result<Answer, Refusal> {
        if !emptied && !self.objects.is_empty() {
            return Err(Refusal::BucketNotEmpty);
        }
        self.objects.clear();
        self.uploads.clear();
        self.config.retain(|(namespace, _), _| *namespace != Namespace::Bucket);
        self.bucket = false;
        self.versioning = Versioning::Unversioned;
        Ok(Answer::Done)
    }
}

fn version(number: u64, parts: Vec<(u16, Content)>, etag: ETag) -> Version {
    Version { id: Id::Made(number), parts, etag, tagged: number, is_bulk: false, upload: None }
}

/// What a condition comes to, by the words of S3.
fn check(precondition: &Precondition, current: Option<(ETag, u64)>) -> Result<(), Refusal> {
    let Precondition { if_match, if_none_match, if_match_size, if_match_modified_seconds: None } = precondition else {
        unreachable!("the reference has no clock");
    };
    let Some((etag, size)) = current else {
        return if if_match.is_some() || if_match_size.is_some() { Err(Refusal::NoSuchKey) } else { Ok(()) };
    };
    let is_one_of = |wanted: &Match| match wanted {
        Match::Any => true,
        Match::ETags(etags) => etags.contains(&etag),
    };
    let holds = if_match.as_ref().is_none_or(is_one_of)
        && !if_none_match.as_ref().is_some_and(is_one_of)
        && if_match_size.is_none_or(|wanted| wanted == size);
    if holds { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}
