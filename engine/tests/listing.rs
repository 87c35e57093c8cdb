//! F4, F12: listings against a plain map, over rows in memory, frozen and in the index.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use engine::*;
use proptest::prelude::*;

/// What a listing should answer, worked out from a sorted map by S3's rules.
fn model(map: &BTreeMap<String, u64>, query: &ListQuery) -> ListPage {
    let delimiter = query.delimiter.as_deref().filter(|d| !d.is_empty());
    let common = |key: &str| {
        let delimiter = delimiter?;
        let at = key[query.prefix.len()..].find(delimiter)?;
        Some(key[..query.prefix.len() + at + delimiter.len()].to_owned())
    };
    let mut page = ListPage::default();
    if query.max_keys == 0 {
        return page;
    }
    let mut last = None;
    let mut names = Vec::new();
    for key in map.keys().filter(|key| key.starts_with(&query.prefix)) {
        let item = common(key).unwrap_or_else(|| key.clone());
        let past = query.start_after.as_ref().is_none_or(|after| key > after && Some(&item) != Some(after));
        if !past || last.as_ref() == Some(&item) {
            continue;
        }
        if names.len() == query.max_keys {
            page.truncated = true;
            page.next = last;
            break;
        }
        last = Some(item.clone());
        names.push((item.clone(), common(key).is_some()));
    }
    for (name, is_common) in names {
        if is_common {
            page.common_prefixes.push(name);
        } else {
            let size = map[&name];
            let entry = Entry {
                key: name,
                size,
                modified_ms: 0,
                etag: etag(0),
                storage_class: StorageClass::Standard,
                checksum: None,
            };
            page.entries.push(entry);
        }
    }
    page
}

fn without_dates(mut page: ListPage) -> ListPage {
    for entry in &mut page.entries {
        entry.modified_ms = 0;
        entry.etag = etag(0);
    }
    page
}

/// A version's id, and its bytes or that it is a delete marker.
type ModelVersion = (VersionId, Option<Vec<u8>>);

fn name() -> impl Strategy<Value = String> {
    "[ab/\u{0}+é]{1,5}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn f4_listings_agree_with_a_plain_map(
        steps in proptest::collection::vec((name(), 0..20usize, any::<bool>()), 1..120),
        queries in proptest::collection::vec(
            ("[ab/]{0,2}", proptest::option::of("/|a|é|/a"), proptest::option::of(name()), 0..12usize), 40),
        checkpoints in proptest::collection::vec(any::<prop::sample::Index>(), 2),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { memtable_entries_max: 40, durability: Durability::Relaxed, ..options() };
        let store = Store::open(directory.path(), options).unwrap();
        let bucket = new_bucket(&store, "datalake");
        let other = new_bucket(&store, "other");
        put(&store, other, "a", b"not this one");
        let checkpoints: BTreeSet<usize> = checkpoints.iter().map(|i| i.index(steps.len())).collect();
        let mut map = BTreeMap::new();
        for (step, (name, size, remove)) in steps.into_iter().enumerate() {
            if remove {
                let found = map.remove(&name).is_some();
                prop_assert_eq!(delete(&store, bucket, &name, None).found, found);
            } else {
                put(&store, bucket, &name, &vec![1; size]);
                map.insert(name, size as u64);
            }
            if checkpoints.contains(&step) {
                store.checkpoint().unwrap();
            }
        }
        for (prefix, delimiter, start_after, max_keys) in queries {
            let mut query = ListQuery { bucket, prefix, delimiter, start_after, max_keys };
            loop {
                let page = store.list(&query).unwrap();
                prop_assert_eq!(without_dates(page.clone()), without_dates(model(&map, &query)), "{:?}", query);
                match page.next {
                    Some(next) => query.start_after = Some(next),
                    None => break,
                }
            }
        }
        prop_assert_eq!(store.bucket_usage(bucket).objects, map.len() as u64);
        prop_assert_eq!(store.bucket_usage(bucket).bytes, map.values().sum::<u64>());
    }

    #[test]
    fn versions_agree_with_a_plain_map(
        steps in proptest::collection::vec((prop::sample::select(vec!["a", "a/b", "a\u{0}", "b/", "c"]), 0..8u8, any::<prop::sample::Index>()), 1..80),
        reopen: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { memtable_entries_max: 30, durability: Durability::Relaxed, ..options() };
        let mut store = Store::open(directory.path(), options.clone()).unwrap();
        let bucket = new_bucket(&store, "datalake");
        let mut versioning = Versioning::Unversioned;
        // By key, oldest first.
        let mut map: BTreeMap<&str, Vec<ModelVersion>> = BTreeMap::new();
        for (n, (name, kind, index)) in steps.iter().enumerate() {
            let versions = map.entry(*name).or_default();
            match kind {
                0 if versioning != Versioning::Enabled => {
                    versioning = Versioning::Enabled;
                    let change = BucketChange { versioning: Some(versioning), ..BucketChange::default() };
                    store.set_bucket(bucket, change).wait().unwrap();
                }
                1 if versioning == Versioning::Enabled => {
                    versioning = Versioning::Suspended;
                    let change = BucketChange { versioning: Some(versioning), ..BucketChange::default() };
                    store.set_bucket(bucket, change).wait().unwrap();
                }
                2 | 3 => {
                    let deleted = delete(&store, bucket, name, None);
                    match versioning {
                        Versioning::Unversioned => {
                            prop_assert_eq!(deleted.found, !versions.is_empty());
                            versions.clear();
                        }
                        _ => {
                            prop_assert!(deleted.delete_marker);
                            let id = deleted.version_id.unwrap();
                            versions.retain(|(other, _)| *other != id);
                            versions.push((id, None));
                        }
                    }
                }
                4 if !versions.is_empty() => {
                    let (id, data) = versions.remove(index.index(versions.len()));
                    let deleted = delete(&store, bucket, name, Some(id));
                    prop_assert_eq!(deleted, Deleted { delete_marker: data.is_none(), version_id: Some(id), found: true });
                }
                _ => {
                    let data = format!("{n}").into_bytes();
                    let stored = put(&store, bucket, name, &data);
                    prop_assert_eq!(stored.version_id == VersionId::Null, versioning != Versioning::Enabled);
                    versions.retain(|(other, _)| *other != stored.version_id);
                    versions.push((stored.version_id, Some(data)));
                }
            }
        }
        if reopen {
            store.close().unwrap();
            std::fs::remove_file(directory.path().join("index.redb")).unwrap();
            store = Store::open(directory.path(), options).unwrap();
        }
        map.retain(|_, versions| !versions.is_empty());
        let mut expected = Vec::new();
        for (name, versions) in &map {
            for (position, (id, data)) in versions.iter().rev().enumerate() {
                expected.push((name.to_string(), *id, position == 0, data.is_none()));
                let got = get_version(&store, bucket, name, Some(*id));
                match data {
                    Some(data) => prop_assert_eq!(&got.unwrap(), data),
                    None => {
                        let marker = matches!(got, Err(Error::DeleteMarker { current: false, .. }));
                        prop_assert!(marker);
                    }
                }
            }
            match versions.last().unwrap() {
                (_, Some(data)) => prop_assert_eq!(&get(&store, bucket, name).unwrap(), data),
                (_, None) => {
                    let got = get(&store, bucket, name);
                    let marker = matches!(got, Err(Error::DeleteMarker { current: true, .. }));
                    prop_assert!(marker, "{:?}", got);
                }
            }
        }
        for max_keys in [1, 2, 3, 1000] {
            let mut query = ListVersionsQuery {
                bucket, prefix: String::new(), delimiter: None, key_marker: None, version_id_marker: None, max_keys,
            };
            let mut listed = Vec::new();
            loop {
                let page = store.list_versions(&query).unwrap();
                listed.extend(page.entries.into_iter().map(|v| (v.entry.key, v.version_id, v.is_latest, v.delete_marker)));
                let Some((key, version)) = page.next else { break };
                query.key_marker = Some(key);
                query.version_id_marker = version;
            }
            prop_assert_eq!(&listed, &expected, "{}", max_keys);
        }
        let current: Vec<String> =
            map.iter().filter(|(_, v)| v.last().unwrap().1.is_some()).map(|(name, _)| name.to_string()).collect();
        prop_assert_eq!(keys(&store, bucket), current);
        let objects = map.values().flatten().filter(|(_, data)| data.is_some()).count() as u64;
        prop_assert_eq!(store.bucket_usage(bucket).objects, objects);
    }
}

#[test]
fn versions_roll_up_at_a_delimiter() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for name in ["a/1", "a/2", "b", "c/1"] {
        put(&store, bucket, name, b"x");
    }
    let mut query = ListVersionsQuery {
        bucket,
        prefix: String::new(),
        delimiter: Some("/".into()),
        key_marker: None,
        version_id_marker: None,
        max_keys: 1,
    };
    let mut seen = Vec::new();
    loop {
        let page = store.list_versions(&query).unwrap();
        seen.extend(page.common_prefixes);
        seen.extend(page.entries.into_iter().map(|version| version.entry.key));
        let Some((key, version)) = page.next else { break };
        (query.key_marker, query.version_id_marker) = (Some(key), version);
    }
    assert_eq!(seen, ["a/", "b", "c/"]);
}

#[test]
fn f4_keys_after_a_prefix_whose_rows_were_deleted_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for name in ["a/1", "a/2", "a/3", "b"] {
        put(&store, bucket, name, b"x");
    }
    delete(&store, bucket, "a/2", None);
    delete(&store, bucket, "a/3", None);
    let query =
        ListQuery { bucket, prefix: String::new(), delimiter: Some("/".into()), start_after: None, max_keys: 1000 };
    let page = store.list(&query).unwrap();
    assert_eq!(page.common_prefixes, ["a/"]);
    assert_eq!(page.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b"]);
}
