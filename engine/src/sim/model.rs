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

const KEYS: [&str; 4] = ["a", "a/b", "b\0", "c"];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    id: VersionId,
    /// None for a delete marker.
    data: Option<Vec<u8>>,
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
        World { seed, rng, disk, options, store: None, model: Model::default(), n: 0 }
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
    fn add(&mut self, name: &'static str, id: VersionId, data: Option<Vec<u8>>, tag: String) {
        let versions = self.model.objects.entry(name).or_default();
        if id == VersionId::Null {
            versions.retain(|version| version.id != VersionId::Null);
        }
        versions.push(Version { id, data, tag });
    }

    fn put(&mut self, bucket: BucketId, name: &'static str) {
        let data = self.data();
        let tag = self.n.to_string();
        let body =
            if self.rng.below(3) == 0 { Body::Bulk(self.bulk(&data)) } else { Body::Inline(data.clone().into()) };
        let precondition = Precondition::default();
        let put = Put { bucket, key: key(name), body, etag: etag(&data), attributes: tagged(&tag), precondition };
        let stored = self.store().put(put).wait().unwrap();
        self.add(name, stored.version_id, Some(data), tag);
    }

    fn delete(&mut self, bucket: BucketId, name: &'static str) {
        let versions = self.model.objects.get(name).cloned().unwrap_or_default();
        let version = (self.rng.below(2) == 0 && !versions.is_empty()).then(|| self.rng.choose(&versions).id);
        let precondition = Precondition::default();
        let deleted = self.store().delete(Delete { bucket, key: key(name), version, precondition }).wait().unwrap();
        if version.is_none() && self.model.versioning != Versioning::Unversioned {
            self.add(name, deleted.version_id.unwrap(), None, String::new());
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
                self.add(target, stored.unwrap().version_id, data, tag);
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
                let complete = CompleteUpload {
                    bucket,
                    key: key(name),
                    upload,
                    parts: parts.iter().map(|(number, data)| (*number, etag(data))).collect(),
                    etag: ETag { md5: [1; 16], parts: parts.len() as u16 },
                    checksums: Vec::new(),
                    precondition: Precondition::default(),
                };
                let stored = self.store().complete_upload(complete).wait().unwrap();
                self.model.uploads.remove(&upload);
                let whole = parts.into_values().flatten().collect();
                self.add(name, stored.version_id, Some(whole), "upload".to_owned());
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
        match self.rng.below(12) {
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

    /// Compares every answer with the model.
    fn check(&self) {
        let (store, seed, model) = (self.store(), self.seed, &self.model);
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
                assert_eq!(object.info.attributes.tags[0].1, version.tag, "seed {seed}: {name}");
            }
        }
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(store.bucket_usage(bucket), usage, "seed {seed}");
        let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
        let current: Vec<_> = store.list(&query).unwrap().entries.into_iter().map(|entry| entry.key).collect();
        let newest = |versions: &Vec<Version>| versions.last().is_some_and(|version| version.data.is_some());
        let expected: Vec<_> =
            model.objects.iter().filter(|(_, versions)| newest(versions)).map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(current, expected, "seed {seed}");
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
