//! Scrub, fsck and inspect: what is damaged is named, what is intact is not, and looking changes nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::*;
use engine::*;

fn files(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if !path.ends_with("LOCK") {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

fn tree(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(path, &mut found);
    found
}

#[test]
fn a_store_that_is_opened_unwritten_is_served_and_backed_up_and_stays_as_it_is() {
    for close in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let expected = filled(directory.path(), close);
        let before = tree(directory.path());
        let backup = tempfile::tempdir().unwrap();
        {
            let store = Store::open_unwritten(directory.path(), options()).unwrap();
            let bucket = store.bucket("datalake").unwrap().id;
            let second = Store::open(directory.path(), options());
            assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
            let report = store.backup(backup.path(), true).unwrap();
            assert_eq!(report.files_linked, 0, "what is linked could be written to");
            put(&store, bucket, "later", b"is gone with the store");
            assert_eq!(get(&store, bucket, "later").unwrap(), b"is gone with the store");
            store.close().unwrap();
        }
        assert!(tree(directory.path()) == before);
        let copy = tempfile::tempdir().unwrap();
        restore(backup.path(), copy.path()).unwrap();
        let store = open(copy.path());
        let bucket = store.bucket("datalake").unwrap().id;
        assert_eq!(keys(&store, bucket).len(), expected.len());
        for (name, data) in &expected {
            assert!(get(&store, bucket, name).unwrap() == *data, "{name}");
        }
    }
    let nothing = tempfile::tempdir().unwrap();
    let opened = Store::open_unwritten(nothing.path(), options());
    assert!(matches!(opened, Err(OpenError::NotADataDirectory(_))), "{opened:?}");
}

fn flip(path: &Path, bit: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
}

/// A store of several segments with something of every kind, closed or as a killed process leaves it.
fn filled(path: &Path, close: bool) -> BTreeMap<String, Vec<u8>> {
    let options = Options { segment_bytes: Some(256 << 10), low_water_bytes: Some(0), ..Options::default() };
    let store = Store::open(path, options).unwrap();
    let bucket = new_bucket(&store, "datalake");
    let mut expected = BTreeMap::new();
    for n in 0..120u64 {
        let name = format!("k{:03}", n % 80);
        let data = bytes((n as usize * 397) % 30_000, n);
        put(&store, bucket, &name, &data);
        expected.insert(name, data);
    }
    for n in 0..10 {
        let name = format!("k{n:03}");
        delete(&store, bucket, &name, None);
        expected.remove(&name);
    }
    let large = bytes(1_300_000, 5);
    put(&store, bucket, "large", &large);
    expected.insert("large".to_owned(), large);
    let new = NewUpload {
        bucket,
        key: key("upload"),
        attributes: Attributes::default(),
        checksum: None,
        opaque: Bytes::new(),
    };
    let upload = store.create_upload(new).wait().unwrap();
    let body = bulk(&store, &bytes(1_100_000, 6));
    let part = PutPart { bucket, key: key("upload"), upload, number: 1, body, etag: etag(1), checksum: None };
    store.put_part(part).wait().unwrap();
    store.put_config("identity", "alice", Bytes::from("row"), None).wait().unwrap();
    store.compact().unwrap();
    if close {
        store.close().unwrap();
    }
    // A killed process leaves its footers too.
    std::thread::sleep(std::time::Duration::from_millis(50));
    expected
}

fn small() -> Options {
    Options { segment_bytes: Some(256 << 10), low_water_bytes: Some(0), ..Options::default() }
}

#[test]
fn an_intact_directory_is_clean_and_is_not_changed_by_looking_at_it() {
    for close in [true, false] {
        let made = tempfile::tempdir().unwrap();
        filled(made.path(), close);
        let directory = tempfile::tempdir().unwrap();
        copy_tree(made.path(), directory.path());
        let before = tree(directory.path());
        let report = fsck(directory.path(), small()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(report.scrub.records > 70 && report.scrub.bulk_segments == 2, "{report:?}");
        let segments = inspect_segments(directory.path(), small()).unwrap();
        assert!(segments.len() > 3 && segments.iter().rev().skip(1).all(|segment| segment.sealed), "{segments:?}");
        let mut records = 0;
        for segment in &segments {
            let damaged = inspect_records(directory.path(), small(), segment.id, |_| records += 1).unwrap();
            assert_eq!(damaged, None);
        }
        assert_eq!(records, report.scrub.records);
        let mut rows = BTreeMap::new();
        inspect_rows(directory.path(), small(), |row| *rows.entry(row.table).or_insert(0) += 1).unwrap();
        assert_eq!((rows["current"], rows["parts"], rows["config"], rows["buckets"]), (71, 1, 1, 1));
        assert!(tree(directory.path()) == before, "looking has changed something");
        let store = Store::open(directory.path(), small()).unwrap();
        let report = store.scrub().unwrap();
        assert_eq!((report.damage.len(), report.bulk_segments), (0, 2), "{report:?}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_harmless_and_fsck_names_what_it_hit() {
    let made = tempfile::tempdir().unwrap();
    let expected = filled(made.path(), true);
    let all = tree(made.path());
    let mut hit = 0;
    for seed in 0..120u64 {
        let directory = tempfile::tempdir().unwrap();
        copy_tree(made.path(), directory.path());
        let choice = u64::from_le_bytes(bytes(8 * 40, seed)[seed as usize % 40 * 8..][..8].try_into().unwrap());
        let (path, content) = all.iter().nth(choice as usize % all.len()).unwrap();
        let path = directory.path().join(path.strip_prefix(made.path()).unwrap());
        let bit = (choice >> 8) % (content.len() as u64 * 8);
        flip(&path, bit);
        let context = format!("seed {seed}: {}, byte {}", path.display(), bit / 8);
        let report = match fsck(directory.path(), small()) {
            Ok(report) => report,
            Err(error) => panic!("{context}: {error}"),
        };
        let store = Store::open(directory.path(), small()).unwrap();
        let bucket = store.bucket("datalake").map(|bucket| bucket.id);
        for (name, data) in &expected {
            let found = bucket.clone().and_then(|bucket| get(&store, bucket, name));
            match found {
                Ok(found) => assert!(found == *data, "{context}: wrong bytes of {name}"),
                Err(Error::Damaged { .. } | Error::NoSuchKey | Error::NoSuchBucket) => {
                    hit += 1;
                    let named = report.scrub.damage.iter().any(|damage| damage.key.as_ref() == Some(name));
                    assert!(named || store.health() != Health::Ok, "{context}: {name} is not named: {report:?}");
                }
                Err(error) => panic!("{context}: {error}"),
            }
        }
        if store.health() == Health::Ok {
            let name = key("new");
            let body = Body::Inline(Bytes::from("x"));
            let (attributes, precondition) = (Attributes::default(), Precondition::default());
            store
                .put(Put { bucket: bucket.unwrap(), key: name, body, etag: etag(1), attributes, precondition })
                .wait()
                .unwrap();
        }
    }
    assert!(hit > 20, "{hit}");
}

#[test]
fn a_damaged_record_in_a_sealed_segment_is_named_with_bucket_key_version_and_place() {
    let directory = tempfile::tempdir().unwrap();
    let expected = filled(directory.path(), true);
    let segment = inspect_segments(directory.path(), small()).unwrap().into_iter().find(|one| one.footer).unwrap();
    let mut victim = None;
    inspect_records(directory.path(), small(), segment.id, |record| {
        if record.kind == "Put" && expected.contains_key(&record.key) && record.length > 500 {
            victim = Some(record);
        }
    })
    .unwrap();
    let victim = victim.unwrap();
    let path = directory.path().join(format!("log/{:016x}.seg", segment.id));
    for offset in [20, 400] {
        // In its header, then in its data.
        flip(&path, (victim.offset + offset) * 8);
        let report = fsck(directory.path(), small()).unwrap();
        assert_eq!(report.scrub.damage.len(), 1, "{report:?}");
        let damage = &report.scrub.damage[0];
        assert_eq!(damage.bucket.as_deref(), Some("datalake"));
        assert_eq!(damage.key.as_deref(), Some(&*victim.key));
        assert_eq!(damage.version, Some(VersionId::Null));
        assert_eq!(damage.place, format!("log/{:016x}.seg, offset {}", segment.id, victim.offset));
        let store = Store::open(directory.path(), small()).unwrap();
        assert_eq!(store.scrub().unwrap().damage, report.scrub.damage);
        let bucket = store.bucket("datalake").unwrap().id;
        assert!(matches!(get(&store, bucket, &victim.key), Err(Error::Damaged { .. })));
        // What cannot be read is never dropped, and the rest goes on.
        for n in 0..200 {
            put(&store, bucket, "churn", &bytes(9000, n));
        }
        store.compact().unwrap();
        assert!(path.exists());
        store.close().unwrap();
        let _ = fs::remove_file(directory.path().join("index.redb"));
        let store = Store::open(directory.path(), small()).unwrap();
        assert!(matches!(get(&store, bucket, &victim.key), Err(Error::Damaged { .. })), "known by its footer");
        store.close().unwrap();
        flip(&path, (victim.offset + offset) * 8);
        assert!(fsck(directory.path(), small()).unwrap().is_clean());
    }
}

#[test]
fn missing_and_swapped_files_are_named() {
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), true);
    let all: Vec<PathBuf> =
        tree(made.path()).into_keys().map(|path| path.strip_prefix(made.path()).unwrap().into()).collect();
    for gone in all.iter().filter(|path| path.starts_with("log") || path.starts_with("bulk")) {
        for index_too in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            copy_tree(made.path(), directory.path());
            fs::remove_file(directory.path().join(gone)).unwrap();
            if index_too {
                fs::remove_file(directory.path().join("index.redb")).unwrap();
            }
            let report = fsck(directory.path(), small()).unwrap();
            let name = gone.file_name().unwrap().to_str().unwrap();
            let named = report.scrub.damage.iter().any(|damage| damage.to_string().contains(name));
            assert!(named, "{}, index gone: {index_too}: {report:?}", gone.display());
        }
    }
}

#[test]
fn an_index_that_lies_is_noticed_and_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let expected = filled(directory.path(), true);
    fs::write(directory.path().join("index.redb"), b"not a database").unwrap();
    let report = repair_index(directory.path(), small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(report.recovery.iter().any(|line| line.contains("rebuilt")), "{report:?}");
    let report = fsck(directory.path(), small()).unwrap();
    assert!(report.is_clean() && report.recovery.is_empty(), "{report:?}");
    let store = Store::open(directory.path(), small()).unwrap();
    let bucket = store.bucket("datalake").unwrap().id;
    assert_eq!(keys(&store, bucket), expected.into_keys().collect::<Vec<_>>());
    assert!(matches!(fsck(directory.path(), small()), Err(OpenError::InUse(_))));
}

#[test]
fn rows_say_what_they_hold_in_words() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), true);
    let mut rows: Vec<RowInfo> = Vec::new();
    inspect_rows(directory.path(), small(), |row| rows.push(row)).unwrap();
    let named =
        |row: &RowInfo, name: &str| row.fields.iter().find(|(field, _)| *field == name).map(|(_, it)| it.clone());
    let text = |text: &str| Some(RowField::Text(text.to_owned()));
    let of = |table: &str| rows.iter().filter(|row| row.table == table).collect::<Vec<_>>();
    let large = *of("current").iter().find(|row| named(row, "key") == text("large")).unwrap();
    assert_eq!(named(large, "size"), Some(RowField::Number(1_300_000)));
    assert_eq!(named(large, "version"), text("null"));
    let Some(RowField::Text(segment)) = named(large, "segment") else { panic!("{large:?}") };
    let mut lies_there = false;
    inspect_records(directory.path(), small(), u64::from_str_radix(&segment, 16).unwrap(), |record| {
        let place = (Some(RowField::Number(record.offset)), Some(RowField::Number(record.length)));
        lies_there |= record.key == "large" && place == (named(large, "offset"), named(large, "length"));
    })
    .unwrap();
    assert!(lies_there, "{large:?}");
    assert_eq!(named(of("buckets")[0], "name"), text("datalake"));
    let config = of("config")[0];
    assert_eq!((named(config, "namespace"), named(config, "key")), (text("identity"), text("alice")));
    assert_eq!(named(config, "value_bytes"), Some(RowField::Number(3)));
    let (part, upload) = (of("parts")[0], of("uploads")[0]);
    assert_eq!(
        (named(part, "part"), named(part, "size")),
        (Some(RowField::Number(1)), Some(RowField::Number(1_100_000)))
    );
    assert_eq!((named(upload, "key"), named(upload, "upload")), (text("upload"), named(part, "upload")));
    let both_orders = of("bulk_refs");
    assert!(both_orders.iter().any(|row| named(row, "bulk") == named(part, "bulk")), "{both_orders:?}");
    assert!(rows.iter().all(|row| !row.fields.is_empty()), "{rows:?}");
}

#[test]
fn looking_at_a_directory_without_a_lock_file_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), true);
    fs::remove_file(directory.path().join("LOCK")).unwrap();
    let before = tree(directory.path());
    assert!(fsck(directory.path(), small()).unwrap().is_clean());
    inspect_rows(directory.path(), small(), |_| {}).unwrap();
    assert_eq!(tree(directory.path()), before);
}

#[test]
fn damage_is_told_once_and_at_one_place() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), small()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "large", &bytes(2_000_000, 1));
    store.close().unwrap();
    let bulk = tree(&directory.path().join("bulk")).into_keys().next().unwrap();
    flip(&bulk, 8 * 70_000);
    let report = fsck(directory.path(), small()).unwrap();
    let lines: Vec<String> = report.scrub.damage.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains("damaged:") && lines[0].matches(" at ").count() == 1, "{lines:?}");
    assert!(report.scrub.damage[0].place.starts_with("bulk/"), "{lines:?}");
}

#[test]
fn stats_tell_what_the_files_take() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { low_water_bytes: None, ..small() };
    let store = Store::open(directory.path(), options).unwrap();
    let bucket = new_bucket(&store, "datalake");
    for n in 0..200 {
        put(&store, bucket, &format!("k{:03}", n % 50), &bytes(10_000, n));
    }
    let stats = store.stats();
    assert!(stats.log_stored_bytes > 2_000_000 || stats.segments_freed > 0, "{stats:?}");
    assert!((500_000..600_000).contains(&stats.log_live_bytes), "{stats:?}");
    assert!(stats.low_water_bytes >= 1 << 20, "{stats:?}");
    store.close().unwrap();
    let index = fs::metadata(directory.path().join("index.redb")).unwrap().len();
    assert_eq!(store.stats().index_bytes, index);
}

#[test]
fn a_content_that_is_not_what_its_etag_says_is_named_by_a_scrub_that_looks() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), small()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    let sum = |data: &[u8]| data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    for (name, size, lie) in [("a", 100, 0), ("b", 90_000, 1), ("c", 0, 0), ("d", 2_000_000, 0), ("e", 1_500_000, 1)] {
        let data = bytes(size, 3);
        let etag = ETag::of_body([sum(&data).wrapping_add(lie); 16]);
        let body = if size > 1_000_000 {
            let mut writer = store.bulk_writer().unwrap();
            writer.write(&data).unwrap();
            Body::Bulk(writer.finish().unwrap())
        } else {
            Body::Inline(data.into())
        };
        let (attributes, precondition) = (Attributes::default(), Precondition::default());
        store.put(Put { bucket, key: key(name), body, etag, attributes, precondition }).wait().unwrap();
    }
    assert!(store.scrub().unwrap().damage.is_empty());
    let report = store.scrub_contents(|object| {
        let data = object.read(0, 10_000_000, Wait::Allowed)?;
        Ok(object.info.etag.md5[0] == sum(&data))
    });
    let named: Vec<_> = report.unwrap().damage.into_iter().map(|damage| damage.key.unwrap()).collect();
    assert_eq!(named, ["b", "e"]);
}
