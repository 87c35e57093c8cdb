//! The machine: a store on the simulated disk that carries out what the reference foretells, and is disturbed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::reference::{Answer, Content, Id, Namespace, Reference, Refusal, Setup, etag_of_parts};
use super::transition::Transition;
use crate::compact::Thoroughness;
use crate::sim::fixture::{self, key};
use crate::sim::{Faults, SimDisk};
use crate::*;

/// A store, the disk that it is on, and the ids that it has chosen.
pub(super) struct Machine {
    disk: Arc<SimDisk>,
    /// Where backups are taken, one after another.
    backup: Arc<SimDisk>,
    setup: Setup,
    store: Option<Store>,
    /// The last one, also when it is deleted.
    pub(super) bucket: BucketId,
    pub(super) versions: HashMap<u64, VersionId>,
    pub(super) uploads: HashMap<u64, UploadId>,
}

pub(super) fn tagged(number: u64) -> Attributes {
    Attributes { tags: vec![("t".to_owned(), number.to_string())], ..Attributes::default() }
}

impl Machine {
    pub(super) fn new(setup: Setup) -> Machine {
        let (disk, backup) = (SimDisk::new(setup.disk_seed), SimDisk::new(setup.disk_seed));
        let (versions, uploads) = (HashMap::new(), HashMap::new());
        let bucket = BucketId(u64::MAX);
        let mut machine = Machine { disk, backup, setup, store: None, bucket, versions, uploads };
        machine.open();
        machine
    }

    pub(super) fn store(&self) -> &Store {
        self.store.as_ref().expect("opened")
    }

    fn options(&self) -> Options {
        Options {
            segment_bytes: Some(self.setup.segment_bytes),
            memtable_entries_max: self.setup.memtable_entries_max,
            ..fixture::options()
        }
    }

    fn open(&mut self) {
        let store = fixture::open(&self.disk, self.options());
        assert_eq!(store.health(), Health::Ok);
        self.store = Some(store);
    }

    /// The id that the store has chosen.
    pub(super) fn id(&self, id: Id) -> VersionId {
        match id {
            Id::Null => VersionId::Null,
            Id::Made(number) => self.versions[&number],
        }
    }

    fn chosen(&self, id: &Option<Id>) -> Option<VersionId> {
        id.map(|id| self.id(id))
    }

    pub(super) fn namespace(&self, namespace: Namespace) -> String {
        match namespace {
            Namespace::Own => "test".to_owned(),
            Namespace::Bucket => bucket_namespace(self.bucket),
        }
    }

    /// Carries out a transition; the reference has gone ahead and knows the answer.
    pub(super) fn take(&mut self, transition: &Transition, reference: &Reference) {
        let bucket = self.bucket;
        match transition {
            Transition::CreateBucket => {
                let new = NewBucket {
                    name: BucketName::parse("bucket").unwrap(),
                    owner: String::new(),
                    versioning: Versioning::Unversioned,
                    attributes: Bytes::new(),
                };
                let created = self.store().create_bucket(new).wait();
                if let Ok(created) = &created {
                    self.bucket = created.id;
                }
                expect(created.map(drop), reference);
            }
            Transition::SetVersioning { versioning } => {
                let change = BucketChange { versioning: Some(*versioning), ..BucketChange::default() };
                expect(self.store().set_bucket(bucket, change).wait().map(drop), reference);
            }
            Transition::DeleteBucket { emptied } => {
                if *emptied {
                    self.empty();
                }
                expect(self.store().delete_bucket(bucket).wait(), reference);
            }
            Transition::Put { number, key: name, size, bulk, precondition } => {
                let content = Content { number: *number, size: *size };
                let body = if *bulk { Body::Bulk(self.bulk(content)) } else { Body::Inline(content.bytes().into()) };
                let (attributes, precondition) = (tagged(*number), precondition.clone());
                let put = Put { bucket, key: key(name), body, etag: content.etag(), attributes, precondition };
                let stored = self.store().put(put).wait();
                self.expect_stored(stored, *number, reference);
            }
            Transition::Delete { number, key: name, version, precondition } => {
                let (version, precondition) = (self.chosen(version), precondition.clone());
                let deleted = self.store().delete(Delete { bucket, key: key(name), version, precondition }).wait();
                self.expect_deleted(deleted, *number, reference);
            }
            Transition::SetAttributes { number, key: name, version } => {
                let (version, attributes) = (self.chosen(version), tagged(*number));
                let set = SetAttributes { bucket, key: key(name), version, expected: None, attributes };
                let stored = self.store().set_attributes(set).wait();
                self.expect_stored(stored, *number, reference);
            }
            Transition::Share { number, from, version, to, precondition } => {
                let source = self.store().open_object(bucket, &key(from), self.chosen(version), Wait::Allowed);
                let shared = source.and_then(|source| {
                    let (etag, attributes) = (source.info.etag, tagged(*number));
                    self.store().share(&source, bucket, key(to), etag, attributes, precondition.clone()).wait()
                });
                self.expect_stored(shared, *number, reference);
            }
            Transition::Configure { number, changes } => self.configure(*number, changes),
            Transition::CreateUpload { .. }
            | Transition::PutPart { .. }
            | Transition::Complete { .. }
            | Transition::Abort { .. } => self.upload(transition, reference),
            Transition::Head { key: name, version } => {
                let info = self.store().head(bucket, &key(name), self.chosen(version), Wait::Allowed);
                self.expect_found(info, reference);
            }
            Transition::Read { key: name, version, from, count } => {
                let opened = self.store().open_object(bucket, &key(name), self.chosen(version), Wait::Allowed);
                if let (Ok(object), Answer::Found(version)) = (&opened, &reference.answer) {
                    let bytes: Vec<u8> = version.bytes().into_iter().skip(*from as usize).take(*count).collect();
                    assert!(object.read(*from, *count, Wait::Allowed).unwrap() == bytes, "other bytes");
                }
                self.expect_found(opened.map(|object| object.info), reference);
            }
            Transition::List { prefix, delimiter, max_keys } => {
                self.compare_list(self.store(), reference, prefix, *delimiter, *max_keys);
            }
            Transition::ListVersions { prefix, max_keys } => {
                self.compare_versions(self.store(), reference, prefix, *max_keys);
            }
            Transition::ListUploads { prefix, max_uploads } => {
                self.compare_uploads(self.store(), reference, prefix, *max_uploads);
            }
            disturbance => {
                self.disturb(disturbance, reference);
                self.compare(self.store(), reference);
            }
        }
    }

    fn upload(&mut self, transition: &Transition, reference: &Reference) {
        let bucket = self.bucket;
        match transition {
            Transition::CreateUpload { number, key: name } => {
                let (attributes, opaque) = (tagged(*number), Bytes::from("o"));
                let new = NewUpload { bucket, key: key(name), attributes, checksum: None, opaque };
                let created = self.store().create_upload(new).wait();
                if let Ok(id) = &created {
                    self.uploads.insert(*number, *id);
                }
                expect(created.map(drop), reference);
            }
            Transition::PutPart { number, key: name, upload, part, size } => {
                let content = Content { number: *number, size: *size };
                let (upload, body, etag) = (self.uploads[upload], self.bulk(content), content.etag());
                let put = PutPart { bucket, key: key(name), upload, number: *part, body, etag, checksum: None };
                expect(self.store().put_part(put).wait().map(drop), reference);
            }
            Transition::Complete { number, key: name, upload, parts, precondition } => {
                let complete = CompleteUpload {
                    bucket,
                    key: key(name),
                    upload: self.uploads[upload],
                    parts: parts.iter().map(|(part, content)| (*part, content.etag())).collect(),
                    etag: etag_of_parts(*upload, parts),
                    checksums: Vec::new(),
                    precondition: precondition.clone(),
                };
                let stored = self.store().complete_upload(complete).wait();
                self.expect_stored(stored, *number, reference);
            }
            Transition::Abort { key: name, upload } => {
                let aborted = self.store().abort_upload(bucket, &key(name), self.uploads[upload]).wait();
                expect(aborted, reference);
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn bulk(&self, content: Content) -> BulkBody {
        let mut writer = self.store().bulk_writer().unwrap();
        writer.write(&content.bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn configure(&self, number: u64, changes: &[(Namespace, &'static str, Option<usize>)]) {
        let change = |(namespace, row, size): &(Namespace, &'static str, Option<usize>)| ConfigChange {
            namespace: self.namespace(*namespace),
            key: (*row).to_owned(),
            value: size.map(|size| Content { number, size }.bytes().into()),
            expected_revision: None,
        };
        self.store().put_config_batch(changes.iter().map(change).collect()).wait().unwrap();
    }

    /// Deletes every version in the bucket; there is nothing to delete in one that is gone.
    fn empty(&self) {
        let query = self.versions_query("", 1000);
        let entries = self.store().list_versions(&query).map_or(Vec::new(), |page| page.entries);
        for one in entries {
            let (version, precondition) = (Some(one.version_id), Precondition::default());
            let delete = Delete { bucket: self.bucket, key: key(&one.entry.key), version, precondition };
            assert!(self.store().delete(delete).wait().unwrap().found);
        }
    }

    /// What the engine does by itself, and what is done to it.
    fn disturb(&mut self, transition: &Transition, reference: &Reference) {
        let core = &self.store().core;
        let sealed = core.segments.sealed();
        let nth = |nth: usize| sealed.iter().cycle().nth(nth);
        match transition {
            Transition::Checkpoint => self.store().checkpoint().unwrap(),
            Transition::WriteAhead => {
                core.write_footers();
                core.make_spare();
            }
            Transition::Scrub => assert_eq!(self.store().scrub().unwrap().damage, []),
            Transition::Vacuum => core.vacuum().unwrap(),
            Transition::Compact => _ = self.store().compact().unwrap(),
            Transition::CompactOne { nth: one } => {
                if let Some((id, _)) = nth(*one) {
                    let (mut only, mut done) = (BTreeSet::from([*id]), Compaction::default());
                    core.compact_step(Thoroughness::Full, Some(&mut only), &mut done).unwrap();
                }
            }
            Transition::Evacuate { nth: one } => {
                if let Some((_, segment)) = nth(*one) {
                    core.evacuate(segment).unwrap();
                }
            }
            Transition::Backup => self.back_up(reference),
            Transition::Recount => self.recount(),
            Transition::Restart { clean, power_cut, index_lost } => self.restart(*clean, *power_cut, *index_lost),
            other => unreachable!("{other:?}"),
        }
    }

    fn restart(&mut self, clean: bool, power_cut: bool, index_lost: bool) {
        if !clean {
            self.disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        }
        self.store = None;
        if power_cut {
            self.disk.cut_power()
        } else {
            self.disk.kill()
        }
        if index_lost {
            let vfs: Arc<dyn Vfs> = Arc::new(Arc::clone(&self.disk));
            // It may never have been made.
            let _ = vfs.remove("index.redb");
            vfs.sync_dir("").unwrap();
        }
        self.open();
    }

    /// Takes a backup into the one before, and makes a store of what is there.
    fn back_up(&self, reference: &Reference) {
        let backup: Arc<dyn Vfs> = Arc::new(Arc::clone(&self.backup));
        self.store().core.backup(&backup, None).unwrap();
        let restored = SimDisk::new(self.setup.disk_seed);
        let target: Arc<dyn Vfs> = Arc::new(Arc::clone(&restored));
        for directory in ["log", "bulk"] {
            target.create_dir(directory).unwrap();
        }
        for (path, length) in self.backup.files("").into_iter().filter(|(path, _)| path != "BACKUP") {
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            backup.open(&path, OpenMode::Read).unwrap().read_at(&mut bytes, 0).unwrap();
            target.create_dir(path.rsplit_once('/').map_or("", |(directory, _)| directory)).unwrap();
            target.open(&path, OpenMode::CreateNew).unwrap().write_at(&bytes, 0).unwrap();
        }
        let store = fixture::open(&restored, self.options());
        assert_eq!(store.health(), Health::Ok, "the backup");
        self.compare(&store, reference);
    }

    /// The index is what the log says, the counts are what a recount gives, and no file is left over.
    pub(super) fn recount(&self) {
        let store = self.store();
        store.checkpoint().unwrap();
        assert_eq!(crate::sync::lock(&store.core.spared).len(), 0, "segments that were spared");
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0]);
        assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
        let (files, referred) = crate::sim::crash::bulk_segments(store, &self.disk);
        assert_eq!(files, referred, "bulk files, and what is referred to");
    }

    /// Compares what was stored with the answer foretold, and learns the id of a new version.
    fn expect_stored(&mut self, stored: Result<Stored, Error>, number: u64, reference: &Reference) {
        let id = match (&stored, &reference.answer) {
            (Ok(stored), Answer::Stored(id)) => {
                self.learn(*id, number, stored.version_id);
                assert_eq!(stored.versioning, reference.versioning);
                Some(*id)
            }
            _ => None,
        };
        let id = id.map(|id| (self.id(id), id));
        let answer = stored.map(|stored| match id {
            Some((chosen, id)) if chosen == stored.version_id => Answer::Stored(id),
            _ => panic!("stored as {stored:?}, and not as {:?}", reference.answer),
        });
        assert_eq!(answer.unwrap_or_else(refused), reference.answer);
    }

    fn expect_deleted(&mut self, deleted: Result<Deleted, Error>, number: u64, reference: &Reference) {
        let answer = deleted.map(|deleted| {
            let Answer::Deleted { id, .. } = &reference.answer else { panic!("{deleted:?}") };
            if let (Some(id), Some(chosen)) = (id, deleted.version_id) {
                self.learn(*id, number, chosen);
            }
            assert_eq!(deleted.version_id, self.chosen(id));
            Answer::Deleted { delete_marker: deleted.delete_marker, id: *id, found: deleted.found }
        });
        assert_eq!(answer.unwrap_or_else(refused), reference.answer);
    }

    fn learn(&mut self, id: Id, number: u64, chosen: VersionId) {
        if id == Id::Made(number) {
            assert!(matches!(chosen, VersionId::Sequence(_)));
            self.versions.insert(number, chosen);
        }
    }

    fn expect_found(&self, info: Result<ObjectInfo, Error>, reference: &Reference) {
        match (info, &reference.answer) {
            (Ok(info), Answer::Found(version)) => self.compare_info(&info, version),
            (Ok(info), answer) => panic!("found {info:?}, and not {answer:?}"),
            (Err(error), answer) => assert_eq!(refused(error), *answer),
        }
    }
}

fn expect(answer: Result<(), Error>, reference: &Reference) {
    assert_eq!(answer.map_or_else(refused, |()| Answer::Done), reference.answer);
}

fn refused(error: Error) -> Answer {
    Answer::Refused(match error {
        Error::NoSuchBucket => Refusal::NoSuchBucket,
        Error::BucketExists(_) => Refusal::BucketExists,
        Error::BucketNotEmpty => Refusal::BucketNotEmpty,
        Error::NoSuchKey => Refusal::NoSuchKey,
        Error::NoSuchVersion => Refusal::NoSuchVersion,
        Error::DeleteMarker { .. } => Refusal::DeleteMarker,
        Error::InvalidPart { .. } => Refusal::InvalidPart,
        Error::InvalidPartOrder => Refusal::InvalidPartOrder,
        Error::PreconditionFailed => Refusal::PreconditionFailed,
        Error::Invalid { .. } => Refusal::Inline,
        error => panic!("{error}"),
    })
}
