//! The comparison: every answer of a store against the reference, page after page where there are pages.

use std::collections::BTreeMap;

use super::machine::{Machine, tagged};
use super::reference::{Namespace, Reference, Version};
use super::transition::{PAGES, PREFIXES};
use crate::sim::fixture::key;
use crate::*;

impl Machine {
    /// Compares everything that a client can see.
    pub(super) fn compare(&self, store: &Store, reference: &Reference) {
        assert_eq!(store.bucket("bucket").map(|bucket| bucket.id).ok(), reference.bucket.then_some(self.bucket));
        self.compare_config(store, reference);
        if !reference.bucket {
            return;
        }
        assert_eq!(store.bucket("bucket").unwrap().versioning, reference.versioning);
        assert_eq!(store.bucket_usage(self.bucket), reference.usage());
        for (name, versions) in &reference.objects {
            for version in versions.iter().filter(|version| !version.is_delete_marker()) {
                self.compare_object(store, name, version);
            }
        }
        self.compare_versions(store, reference, "", 1000);
        for prefix in PREFIXES {
            for delimiter in [None, Some("/")] {
                for max_keys in PAGES {
                    self.compare_list(store, reference, prefix, delimiter, max_keys);
                }
            }
        }
        self.compare_uploads(store, reference, "", 1000);
    }

    fn compare_config(&self, store: &Store, reference: &Reference) {
        for namespace in [Namespace::Own, Namespace::Bucket] {
            let rows = store.config_rows(&self.namespace(namespace)).unwrap();
            let found: BTreeMap<_, _> =
                rows.into_iter().map(|row| row.map(|row| (row.key, row.value)).unwrap()).collect();
            let expected = reference.config.iter().filter(|((of, _), _)| *of == namespace);
            let expected = expected.map(|((_, row), content)| ((*row).to_owned(), content.bytes().into())).collect();
            assert_eq!(found, expected);
        }
    }

    fn compare_object(&self, store: &Store, name: &str, version: &Version) {
        let object = store.open_object(self.bucket, &key(name), Some(self.id(version.id)), Wait::Allowed).unwrap();
        self.compare_info(&object.info, version);
        let bytes = version.bytes();
        assert!(object.read(0, 1 << 20, Wait::Allowed).unwrap() == bytes, "{name} {:?}", version.id);
        let (from, count) = (bytes.len() / 3, bytes.len() / 2);
        let range = object.read(from as u64, count, Wait::Allowed).unwrap();
        assert!(range == bytes[from..from + count], "{name} {:?}, from {from}", version.id);
    }

    pub(super) fn compare_info(&self, info: &ObjectInfo, version: &Version) {
        assert_eq!(info.version_id, self.id(version.id));
        assert_eq!(info.etag, version.etag);
        assert_eq!(info.size, version.bytes().len() as u64);
        assert_eq!(info.attributes, tagged(version.tagged));
        assert_eq!(info.upload, version.upload.map(|upload| self.uploads[&upload]));
    }

    /// Compares what a listing shows: keys, and common prefixes, by the words of S3.
    pub(super) fn compare_list(
        &self,
        store: &Store,
        reference: &Reference,
        prefix: &str,
        delimiter: Option<&str>,
        max_keys: usize,
    ) {
        let mut expected: Vec<(String, Option<ETag>)> = Vec::new();
        for (name, etag) in reference.objects.keys().filter_map(|name| Some((*name, reference.current(name)?.0))) {
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            let end = delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
            let one = match end {
                None => (name.to_owned(), Some(etag)),
                Some(end) => (format!("{prefix}{}", &rest[..end]), None),
            };
            if expected.last() != Some(&one) {
                expected.push(one);
            }
        }
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
        let mut query = ListQuery { bucket: self.bucket, prefix, delimiter, start_after: None, max_keys };
        let mut found = Vec::new();
        loop {
            let page = store.list(&query).unwrap();
            let entries = page.entries.into_iter().map(|entry| (entry.key, Some(entry.etag)));
            let mut one: Vec<_> =
                entries.chain(page.common_prefixes.into_iter().map(|prefix| (prefix, None))).collect();
            one.sort_by(|a, b| a.0.cmp(&b.0));
            assert!(one.len() <= max_keys && (!page.truncated || one.len() == max_keys), "{one:?}");
            found.extend(one);
            if !page.truncated {
                break;
            }
            query.start_after = page.next;
        }
        assert_eq!(found, expected, "{query:?}");
    }

    pub(super) fn versions_query(&self, prefix: &str, max_keys: usize) -> ListVersionsQuery {
        ListVersionsQuery {
            bucket: self.bucket,
            prefix: prefix.to_owned(),
            delimiter: None,
            key_marker: None,
            version_id_marker: None,
            max_keys,
        }
    }

    pub(super) fn compare_versions(&self, store: &Store, reference: &Reference, prefix: &str, max_keys: usize) {
        let mut expected = Vec::new();
        for (name, versions) in reference.objects.iter().filter(|(name, _)| name.starts_with(prefix)) {
            for (age, version) in versions.iter().rev().enumerate() {
                expected.push(((*name).to_owned(), self.id(version.id), version.is_delete_marker(), age == 0));
            }
        }
        let mut query = self.versions_query(prefix, max_keys);
        let mut found = Vec::new();
        loop {
            let page = store.list_versions(&query).unwrap();
            let count = page.entries.len();
            assert!(count <= max_keys && (!page.truncated || count == max_keys), "{page:?}");
            let shown = |one: VersionEntry| (one.entry.key, one.version_id, one.delete_marker, one.is_latest);
            found.extend(page.entries.into_iter().map(shown));
            let Some((key_marker, version_id_marker)) = page.next.filter(|_| page.truncated) else { break };
            (query.key_marker, query.version_id_marker) = (Some(key_marker), version_id_marker);
        }
        assert_eq!(found, expected, "{query:?}");
    }

    /// Compares the uploads in progress, and the parts of each.
    pub(super) fn compare_uploads(&self, store: &Store, reference: &Reference, prefix: &str, max_uploads: usize) {
        let uploads = reference.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
        let mut expected: Vec<_> = uploads.map(|(id, upload)| (upload.key.to_owned(), self.uploads[id])).collect();
        expected.sort();
        let mut query = ListUploadsQuery {
            bucket: self.bucket,
            prefix: prefix.to_owned(),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max_uploads,
        };
        let mut found = Vec::new();
        loop {
            let page = store.list_uploads(&query).unwrap();
            found.extend(page.entries.into_iter().map(|one| (one.key.to_string(), one.id)));
            let Some((key_marker, upload_id_marker)) = page.next.filter(|_| page.truncated) else { break };
            (query.key_marker, query.upload_id_marker) = (Some(key_marker), upload_id_marker);
        }
        assert_eq!(found, expected, "{query:?}");
        for (id, upload) in &reference.uploads {
            let listed = store.list_parts(self.bucket, &key(upload.key), self.uploads[id], 0, 1000).unwrap().parts;
            let listed: Vec<_> = listed.into_iter().map(|part| (part.number, part.etag)).collect();
            let expected: Vec<_> = upload.parts.iter().map(|(number, content)| (*number, content.etag())).collect();
            assert_eq!(listed, expected, "{}", upload.key);
        }
    }
}
