//! Model conformance: every verb, with checkpoints, compaction, scrub, reopening, power cuts and rebuilds in between,
//! must answer as plain maps do; and the index must be what a rebuild makes of the log.
//!
//! Each mutation is acknowledged before anything is cut off, so the model knows exactly what must be there. `MODEL_SEED`
//! and `MODEL_COUNT` choose the seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{Faults, Rng, SimClock, SimDisk};
use crate::compact::Thoroughness;
use crate::*;

const KEYS: [&str; 5] = ["a", "a/b", "a/c/d", "b\0", "c"];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    id: VersionId,
    /// None for a delete marker.
    data: Option<Vec<u8>>,
    etag: ETag,
    tag: String,
}

#[derive(Clone, Debug, Default)]
struct Model {
    bucket: Option<BucketId>,
    versioning: Versioning,
    /// Oldest first.
    objects: BTreeMap<&'static str, Vec<Version>>,
    uploads: BTreeMap<UploadId, (&'static str, BTreeMap<u16, Vec<u8>>)>,
    config: BTreeMap<(String, String), Vec<u8>>,
}

/// The store, the disk that it is on, and what it should hold.
struct World {
    seed: u64,
    rng: Rng,
    disk: Arc<SimDisk>,
    options: Options,
    store: Option<Store>,
    model: Model,
    n: u64,
    /// Where backups are taken, one after another.
    backup: Arc<SimDisk>,
}

impl Model {
    /// The ETag and size of the object that a key has now.
    fn current(&self, name: &str) -> Option<(ETag, u64)> {
        let newest = self.objects.get(name)?.last()?;
        Some((newest.etag, newest.data.as_ref()?.len() as u64))
    }
}

/// What a condition comes to, by the words of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Holds,
    Fails,
    NoKey,
}

fn verdict<T>(outcome: &Result<T, Error>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Holds,
        Err(Error::PreconditionFailed) => Verdict::Fails,
        Err(Error::NoSuchKey) => Verdict::NoKey,
        Err(error) => panic!("{error}"),
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

fn etag(data: &[u8]) -> ETag {
    let mut md5 = [0; 16];
    md5.copy_from_slice(&blake3::hash(data).as_bytes()[..16]);
    ETag::of_body(md5)
}

fn tagged(tag: &str) -> Attributes {
    Attributes { tags: vec![("t".to_owned(), tag.to_owned())], ..Attributes::default() }
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed ^ 0xa11);
        let options = Options {
            segment_bytes: Some(*rng.choose(&[4096, 8192, 32 << 10])),
            low_water_bytes: Some(0),
            memtable_entries_max: *rng.choose(&[3, 20, 1000]),
            index_cache_bytes: 1 << 20,
            ..Options::default()
        };
        let disk = SimDisk::new(seed);
        let backup = SimDisk::new(seed);
        World { seed, rng, disk, options, store: None, model: Model::default(), n: 0, backup }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("opened")
    }

    fn open(&mut self) {
        let vfs = Arc::new(Arc::clone(&self.disk));
        let store = Store::open_with(vfs, Arc::new(SimClock::default()), self.options.clone());
        let store = store.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        assert_eq!(store.health(), Health::Ok, "seed {}", self.seed);
        self.store = Some(store);
    }

    fn data(&mut self) -> Vec<u8> {
        self.n += 1;
        let mut data = format!("{}:", self.n).into_bytes();
        data.resize(data.len() + *self.rng.choose(&[0, 30, 500, 2500]), self.n as u8);
        data
    }

    fn bulk(&self, data: &[u8]) -> BulkBody {
        let mut writer = self.store().bulk_writer().unwrap();
        writer.write(data).unwrap();
        writer.finish().unwrap()
    }

    /// A new version of a key, as the bucket's versioning state has it.
    fn add(&mut self, name: &'static str, id: VersionId, data: Option<Vec<u8>>, etag: ETag, tag: String) {
        let versions = self.model.objects.entry(name).or_default();
        if id == VersionId::Null {
            versions.retain(|version| version.id != VersionId::Null);
        }
        versions.push(Version { id, data, etag, tag });
    }

    /// A condition, now and then, and what it comes to.
    fn precondition(&mut self, name: &str) -> (Precondition, Verdict) {
        let current = self.model.current(name);
        let none = Precondition::default();
        let other = etag(b"of nothing there");
        match (self.rng.below(10), current) {
            (0, Some((etag, _))) => {
                (Precondition { if_match: Some(Match::ETags(vec![other, etag])), ..none }, Verdict::Holds)
            }
            (1, Some(_)) => (Precondition { if_match: Some(Match::ETags(vec![other])), ..none }, Verdict::Fails),
            (2, Some(_)) => (Precondition { if_none_match: Some(Match::Any), ..none }, Verdict::Fails),
            (3, Some((_, size))) => (Precondition { if_match_size: Some(size), ..none }, Verdict::Holds),
            (4, Some((_, size))) => (Precondition { if_match_size: Some(size + 1), ..none }, Verdict::Fails),
            (0 | 1, None) => (Precondition { if_match: Some(Match::Any), ..none }, Verdict::NoKey),
            (2..=4, None) => (Precondition { if_none_match: Some(Match::Any), ..none }, Verdict::Holds),
            _ => (none, Verdict::Holds),
        }
    }

    fn put(&mut self, bucket: BucketId, name: &'static str) {
        let data = self.data();
        let tag = self.n.to_string();
        let body =
            if self.rng.below(3) == 0 { Body::Bulk(self.bulk(&data)) } else { Body::Inline(data.clone().into()) };
        let (precondition, expected) = self.precondition(name);
        let etag = etag(&data);
        let put = Put { bucket, key: key(name), body, etag, attributes: tagged(&tag), precondition };
        let stored = self.store().put(put).wait();
        assert_eq!(verdict(&stored), expected, "seed {}: put {name}", self.seed);
        if let Ok(stored) = stored {
            self.add(name, stored.version_id, Some(data), etag, tag);
        }
    }

    fn delete(&mut self, bucket: BucketId, name: &'static str) {
        let versions = self.model.objects.get(name).cloned().unwrap_or_default();
        let version = (self.rng.below(2) == 0 && !versions.is_empty()).then(|| self.rng.choose(&versions).id);
        let (precondition, mut expected) =
            if version.is_none() { self.precondition(name) } else { (Precondition::default(), Verdict::Holds) };
        if expected == Verdict::NoKey && !versions.is_empty() {
            // There is a delete marker.
            expected = Verdict::Fails;
        }
        let deleted = self.store().delete(Delete { bucket, key: key(name), version, precondition }).wait();
        assert_eq!(verdict(&deleted), expected, "seed {}: delete {name}", self.seed);
        let Ok(deleted) = deleted else { return };
        if version.is_none() && self.model.versioning != Versioning::Unversioned {
            self.add(name, deleted.version_id.unwrap(), None, ETag::of_body([0; 16]), String::new());
            return;
        }
        let gone = version.unwrap_or(VersionId::Null);
        self.model.objects.entry(name).or_default().retain(|version| version.id != gone);
    }

    fn set_attributes(&mut self, bucket: BucketId, name: &'static str) {
        let Some(versions) = self.model.objects.get(name) else { return };
        let there: Vec<_> =
            versions.iter().filter(|version| version.data.is_some()).map(|version| version.id).collect();
        if there.is_empty() {
            return;
        }
        let version = *self.rng.choose(&there);
        self.n += 1;
        let tag = self.n.to_string();
        let attributes = tagged(&tag);
        let set = SetAttributes { bucket, key: key(name), version: Some(version), expected: None, attributes };
        self.store().set_attributes(set).wait().unwrap();
        let versions = self.model.objects.get_mut(name).unwrap();
        versions.iter_mut().find(|one| one.id == version).unwrap().tag = tag;
    }

    fn share(&mut self, bucket: BucketId, name: &'static str) {
        let Ok(source) = self.store().open_object(bucket, &key(name), None, Wait::Allowed) else { return };
        let target = *self.rng.choose(&KEYS);
        self.n += 1;
        let tag = self.n.to_string();
        let precondition = Precondition::default();
        let shared = self.store().share(&source, bucket, key(target), source.info.etag, tagged(&tag), precondition);
        match shared.wait() {
            Err(Error::Invalid { .. }) => {}
            stored => {
                let data = self.model.objects[name].last().unwrap().data.clone();
                self.add(target, stored.unwrap().version_id, data, source.info.etag, tag);
            }
        }
    }

    fn upload(&mut self, bucket: BucketId, name: &'static str) {
        let begun: Vec<UploadId> =
            self.model.uploads.iter().filter(|(_, (of, _))| *of == name).map(|(id, _)| *id).collect();
        if begun.is_empty() || self.rng.below(4) == 0 {
            let attributes = tagged("upload");
            let new = NewUpload { bucket, key: key(name), attributes, checksum: None, opaque: Bytes::from("o") };
            let id = self.store().create_upload(new).wait().unwrap();
            self.model.uploads.insert(id, (name, BTreeMap::new()));
            return;
        }
        let upload = *self.rng.choose(&begun);
        let parts = self.model.uploads[&upload].1.clone();
        match self.rng.below(5) {
            0 => {
                self.store().abort_upload(bucket, &key(name), upload).wait().unwrap();
                self.model.uploads.remove(&upload);
            }
            1 | 2 if !parts.is_empty() => {
                let (precondition, expected) = self.precondition(name);
                let complete = CompleteUpload {
                    bucket,
                    key: key(name),
                    upload,
                    parts: parts.iter().map(|(number, data)| (*number, etag(data))).collect(),
                    etag: ETag { md5: [1; 16], parts: parts.len() as u16 },
                    checksums: Vec::new(),
                    precondition,
                };
                let stored = self.store().complete_upload(complete).wait();
                assert_eq!(verdict(&stored), expected, "seed {}: complete {name}", self.seed);
                let Ok(stored) = stored else { return };
                self.model.uploads.remove(&upload);
                let etag = ETag { md5: [1; 16], parts: parts.len() as u16 };
                let whole = parts.into_values().flatten().collect();
                self.add(name, stored.version_id, Some(whole), etag, "upload".to_owned());
            }
            _ => {
                let data = self.data();
                let number = 1 + self.rng.below(3) as u16;
                let body = self.bulk(&data);
                let part = PutPart { bucket, key: key(name), upload, number, body, etag: etag(&data), checksum: None };
                self.store().put_part(part).wait().unwrap();
                self.model.uploads.get_mut(&upload).unwrap().1.insert(number, data);
            }
        }
    }

    fn configure(&mut self, bucket: BucketId) {
        let namespaces = ["test".to_owned(), bucket_namespace(bucket)];
        let mut changes = Vec::new();
        for name in &KEYS[..1 + self.rng.below(3) as usize] {
            let namespace = self.rng.choose(&namespaces).clone();
            let value = (self.rng.below(3) > 0).then(|| Bytes::from(self.data()));
            let row = (namespace.clone(), (*name).to_owned());
            match &value {
                Some(value) => _ = self.model.config.insert(row, value.to_vec()),
                None => _ = self.model.config.remove(&row),
            }
            changes.push(ConfigChange { namespace, key: (*name).to_owned(), value, expected_revision: None });
        }
        self.store().put_config_batch(changes).wait().unwrap();
    }

    /// Empties and deletes the bucket; its uploads and rows of configuration go with it.
    fn delete_bucket(&mut self, bucket: BucketId) {
        for (name, versions) in std::mem::take(&mut self.model.objects) {
            for version in versions {
                let precondition = Precondition::default();
                let version = Some(version.id);
                self.store().delete(Delete { bucket, key: key(name), version, precondition }).wait().unwrap();
            }
        }
        self.store().delete_bucket(bucket).wait().unwrap();
        self.model.uploads.clear();
        let namespace = bucket_namespace(bucket);
        self.model.config.retain(|(of, _), _| *of != namespace);
        self.model.bucket = None;
        self.model.versioning = Versioning::Unversioned;
    }

    fn mutate(&mut self) {
        let Some(bucket) = self.model.bucket else {
            let new = NewBucket {
                name: BucketName::parse("bucket").unwrap(),
                owner: String::new(),
                versioning: Versioning::Unversioned,
                attributes: Bytes::new(),
            };
            self.model.bucket = Some(self.store().create_bucket(new).wait().unwrap().id);
            return;
        };
        let name = *self.rng.choose(&KEYS);
        match self.rng.below(40) {
            0 => self.delete_bucket(bucket),
            1 | 2 => {
                let versioning = *self.rng.choose(&[Versioning::Enabled, Versioning::Suspended]);
                let change = BucketChange { versioning: Some(versioning), ..BucketChange::default() };
                self.store().set_bucket(bucket, change).wait().unwrap();
                self.model.versioning = versioning;
            }
            3..=14 => self.put(bucket, name),
            15..=21 => self.delete(bucket, name),
            22..=25 => self.set_attributes(bucket, name),
            26..=28 => self.share(bucket, name),
            29..=34 => self.upload(bucket, name),
            _ => self.configure(bucket),
        }
    }

    /// What the engine does by itself, and what is done to it.
    fn disturb(&mut self) {
        match self.rng.below(13) {
            12 => self.snapshot(),
            0 | 1 => self.store().checkpoint().unwrap(),
            2 => _ = self.store().compact().unwrap(),
            3 | 4 => {
                // One segment alone, so that what is dead stays in others; or emptied and not freed, as a crash leaves it.
                let sealed = self.store().core.segments.sealed();
                let ids: Vec<u64> = sealed.keys().copied().collect();
                if !ids.is_empty() && self.rng.below(3) == 0 {
                    let id = *self.rng.choose(&ids);
                    self.store().core.evacuate(&sealed[&id]).unwrap();
                } else if !ids.is_empty() {
                    let mut only = BTreeSet::from([*self.rng.choose(&ids)]);
                    let mut done = Compaction::default();
                    let core = &self.store().core;
                    core.compact_step(Thoroughness::Full, Some(&mut only), &mut done).unwrap();
                }
            }
            5 => {
                self.store().core.write_footers();
                self.store().core.make_spare();
            }
            6 => {
                let report = self.store().scrub().unwrap();
                assert_eq!(report.damage, [], "seed {}", self.seed);
            }
            choice => {
                let clean = self.rng.below(2) == 0;
                if !clean {
                    self.disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
                }
                self.store = None;
                if choice < 10 {
                    self.disk.kill()
                } else {
                    self.disk.cut_power()
                }
                if self.rng.below(2) == 0 {
                    let vfs: Arc<dyn Vfs> = Arc::new(Arc::clone(&self.disk));
                    let _ = vfs.remove("index.redb");
                    vfs.sync_dir("").unwrap();
                }
                self.open();
            }
        }
    }

    /// Takes a backup into the one before, and makes a store of what is there.
    fn snapshot(&self) {
        let backup: Arc<dyn Vfs> = Arc::new(Arc::clone(&self.backup));
        self.store().core.backup(&backup, None).unwrap();
        let restored = SimDisk::new(self.seed);
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
        let store = Store::open_with(target, Arc::new(SimClock::default()), self.options.clone()).unwrap();
        assert_eq!(store.health(), Health::Ok, "seed {}: the backup", self.seed);
        self.check_answers(&store);
    }

    /// Compares every answer with the model.
    fn check(&self) {
        self.check_answers(self.store());
    }

    fn check_answers(&self, store: &Store) {
        let (seed, model) = (self.seed, &self.model);
        assert_eq!(store.bucket("bucket").map(|bucket| bucket.id).ok(), model.bucket, "seed {seed}");
        let mut rows = BTreeMap::new();
        let namespaces = ["test".to_owned()].into_iter().chain(model.bucket.map(bucket_namespace));
        for namespace in namespaces {
            for row in store.config_rows(&namespace).unwrap() {
                let row = row.unwrap();
                rows.insert((namespace.clone(), row.key), row.value.to_vec());
            }
        }
        assert_eq!(rows, model.config, "seed {seed}");
        let Some(bucket) = model.bucket else { return };
        assert_eq!(store.bucket("bucket").unwrap().versioning, model.versioning, "seed {seed}");
        let query = ListVersionsQuery {
            bucket,
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            version_id_marker: None,
            max_keys: 1000,
        };
        let page = store.list_versions(&query).unwrap();
        let found: Vec<_> = page
            .entries
            .iter()
            .map(|one| (one.entry.key.clone(), one.version_id, one.delete_marker, one.is_latest))
            .collect();
        let mut expected = Vec::new();
        let mut usage = BucketUsage::default();
        for (name, versions) in &model.objects {
            for (age, version) in versions.iter().rev().enumerate() {
                expected.push(((*name).to_owned(), version.id, version.data.is_none(), age == 0));
                let Some(data) = &version.data else { continue };
                usage.objects += 1;
                usage.bytes += data.len() as u64;
                let object = store.open_object(bucket, &key(name), Some(version.id), Wait::Allowed).unwrap();
                assert!(
                    object.read(0, 1 << 20, Wait::Allowed).unwrap() == *data,
                    "seed {seed}: {name} {:?}",
                    version.id
                );
                let (from, count) = (data.len() / 3, data.len() / 2);
                let range = object.read(from as u64, count, Wait::Allowed).unwrap();
                assert!(range == data[from..from + count], "seed {seed}: {name} {:?}, from {from}", version.id);
                assert_eq!(object.info.etag, version.etag, "seed {seed}: {name}");
                assert_eq!(object.info.attributes.tags[0].1, version.tag, "seed {seed}: {name}");
            }
        }
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(store.bucket_usage(bucket), usage, "seed {seed}");
        let current: Vec<_> = model.objects.keys().filter(|name| model.current(name).is_some()).copied().collect();
        for prefix in ["", "a", "a/", "b", "x"] {
            for delimiter in [None, Some("/")] {
                let expected = rolled_up(&current, prefix, delimiter);
                for max_keys in [1, 2, 1000] {
                    let found = all_pages(store, bucket, prefix, delimiter, max_keys);
                    assert_eq!(found, expected, "seed {seed}: {prefix:?}, {delimiter:?}, {max_keys} at a time");
                }
            }
        }
        for (upload, (name, parts)) in &model.uploads {
            let listed = store.list_parts(bucket, &key(name), *upload, 0, 1000).unwrap().parts;
            let listed: Vec<_> = listed.into_iter().map(|part| (part.number, part.etag)).collect();
            let expected: Vec<_> = parts.iter().map(|(number, data)| (*number, etag(data))).collect();
            assert_eq!(listed, expected, "seed {seed}: {name}");
        }
        let query = ListUploadsQuery {
            bucket,
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max_uploads: 1000,
        };
        assert_eq!(store.list_uploads(&query).unwrap().entries.len(), model.uploads.len(), "seed {seed}");
    }

    /// The index is what the log says, the counts are what a recount gives, and no file is left over.
    fn check_within(&self) {
        let (store, seed) = (self.store(), self.seed);
        store.checkpoint().unwrap();
        assert_eq!(crate::sync::lock(&store.core.spared).len(), 0, "seed {seed}: segments that were spared");
        assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "seed {seed}");
        assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "seed {seed}");
        let (files, referred) = super::crash::bulk_segments(store, &self.disk);
        assert_eq!(files, referred, "seed {seed}: bulk files, and what is referred to");
    }
}

/// What a listing of these keys shows, by the words of S3: keys, and common prefixes.
fn rolled_up(keys: &[&str], prefix: &str, delimiter: Option<&str>) -> Vec<(String, bool)> {
    let mut shown = Vec::new();
    for name in keys.iter().filter(|name| name.starts_with(prefix)) {
        let end = delimiter.and_then(|delimiter| Some(name[prefix.len()..].find(delimiter)? + delimiter.len()));
        let one = match end {
            None => ((*name).to_owned(), false),
            Some(end) => (name[..prefix.len() + end].to_owned(), true),
        };
        if shown.last() != Some(&one) {
            shown.push(one);
        }
    }
    shown
}

/// What the store shows, page after page.
fn all_pages(
    store: &Store,
    bucket: BucketId,
    prefix: &str,
    delimiter: Option<&str>,
    max_keys: usize,
) -> Vec<(String, bool)> {
    let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
    let mut query = ListQuery { bucket, prefix, delimiter, start_after: None, max_keys };
    let mut shown = Vec::new();
    loop {
        let page = store.list(&query).unwrap();
        let entries = page.entries.into_iter().map(|entry| (entry.key, false));
        let mut one: Vec<_> = entries.chain(page.common_prefixes.into_iter().map(|prefix| (prefix, true))).collect();
        one.sort();
        assert!(one.len() <= max_keys && (!page.truncated || one.len() == max_keys), "{one:?}");
        shown.extend(one);
        if !page.truncated {
            return shown;
        }
        query.start_after = page.next;
    }
}

/// One run of a seed.
pub(super) fn conform(seed: u64) {
    let mut world = World::new(seed);
    world.open();
    for _ in 0..60 {
        world.mutate();
        if world.rng.below(5) == 0 {
            world.disturb();
            world.check();
            if world.rng.below(3) == 0 {
                world.check_within();
            }
        }
    }
    world.store().compact().unwrap();
    world.check();
    world.check_within();
}

#[test]
fn every_verb_answers_as_plain_maps_do_whatever_happens_in_between() {
    let first: u64 = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count: u64 = std::env::var("MODEL_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    for seed in first..first + count {
        conform(seed);
    }
}
