//! Configuration rows: identities, policies and settings, durable like objects and opaque to the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::mutate::commit;
use crate::commit::Commit;
use crate::core::Core;
use crate::error::Error;
use crate::gate::Token;
use crate::meta::ConfigMeta;
use crate::name::KEY_BYTES_MAX;
use crate::record::{Frame, Kind};
use crate::request::{CONFIG_BYTES_MAX, ConfigChange, ConfigRow, DamagedConfigRow};
use crate::row::{Place, Table, key};

/// The most changes of one batch, and the most bytes.
const BATCH_CHANGES_MAX: usize = 4096;
const BATCH_BYTES_MAX: usize = 4 << 20;

impl Store {
    /// Stores one configuration row and answers its new revision. Goes on when the disk is full.
    ///
    /// # Errors
    /// `RevisionMismatch`; `NoSuchBucket` in the namespace of a bucket that is not there; `TooLarge`, `ReadOnly`.
    pub fn put_config(&self, namespace: &str, key: &str, value: Bytes, expected_revision: Option<u64>) -> Commit<u64> {
        self.put_config_batch(vec![ConfigChange {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value: Some(value),
            expected_revision,
        }])
    }

    /// Deletes one configuration row and answers whether it was there.
    ///
    /// # Errors
    /// `RevisionMismatch`, `ReadOnly`.
    pub fn delete_config(&self, namespace: &str, key: &str, expected_revision: Option<u64>) -> Commit<bool> {
        let core = Arc::clone(&self.core);
        let change =
            ConfigChange { namespace: namespace.to_owned(), key: key.to_owned(), value: None, expected_revision };
        Commit::new(async move {
            let token = core.catalog.exclusive().await;
            let found = row(&core, &change.namespace, &change.key)?.is_some();
            if found || change.expected_revision.is_some() {
                apply(&core, token, vec![change]).await?;
            }
            Ok(found)
        })
    }

    /// Carries out all changes or none, at one instant, and answers the revision that all rows now have. Of several
    /// changes of one row the last counts, under the conditions of all. At most 4,096 changes and 4 MiB.
    ///
    /// # Errors
    /// `RevisionMismatch` for the first row whose revision is another; `NoSuchBucket`, `TooLarge`, `ReadOnly`.
    pub fn put_config_batch(&self, changes: Vec<ConfigChange>) -> Commit<u64> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            let token = core.catalog.exclusive().await;
            apply(&core, token, changes).await
        })
    }

    /// One configuration row.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn config(&self, namespace: &str, key: &str) -> Result<Option<ConfigRow>, Error> {
        if self.core.doubt.rows(namespace).contains(key) {
            return Err(Error::damaged("a record of a configuration row was lost", format!("{namespace}/{key}")));
        }
        row(&self.core, namespace, key)
    }

    /// All rows of a namespace, ascending by key, each intact or damaged: one that has rotted hides no other.
    ///
    /// # Errors
    /// `Damaged`, when the index cannot be walked; `Io`.
    pub fn config_rows(&self, namespace: &str) -> Result<Vec<Result<ConfigRow, DamagedConfigRow>>, Error> {
        self.config_rows_with_prefix(namespace, "")
    }

    /// The rows of a namespace whose keys begin with `key_prefix`, as [`Store::config_rows`] has them.
    ///
    /// # Errors
    /// As [`Store::config_rows`].
    pub fn config_rows_with_prefix(
        &self,
        namespace: &str,
        key_prefix: &str,
    ) -> Result<Vec<Result<ConfigRow, DamagedConfigRow>>, Error> {
        let prefix = key::config(namespace, key_prefix);
        let key_start = prefix.len() - key_prefix.len();
        let view = self.core.view.load_full();
        let mut scan = view.scan(Table::Config, &prefix, &prefix)?;
        let mut lost = self.core.doubt.rows(namespace);
        lost.retain(|key| key.starts_with(key_prefix));
        let mut rows = Vec::new();
        while let Some((row_key, value)) = scan.next_even_damaged()? {
            let key = String::from_utf8_lossy(row_key.get(key_start..).unwrap_or_default());
            let intact = value.filter(|_| !lost.remove(&*key)).and_then(|value| decode(&key, value).ok());
            rows.push(intact.ok_or_else(|| DamagedConfigRow { key: key.into_owned() }));
        }
        // Rows of which nothing else is known.
        rows.extend(lost.into_iter().map(|key| Err(DamagedConfigRow { key: key.to_owned() })));
        Ok(rows)
    }
}

fn row(core: &Core, namespace: &str, row_key: &str) -> Result<Option<ConfigRow>, Error> {
    core.view().get(Table::Config, &key::config(namespace, row_key), |value| decode(row_key, value))?.transpose()
}

fn decode(row_key: &str, value: &[u8]) -> Result<ConfigRow, Error> {
    let (place, value) = Place::split(value)?;
    Ok(ConfigRow { key: row_key.to_owned(), revision: place.orig_seq, value: Bytes::copy_from_slice(value) })
}

async fn apply(core: &Core, catalog: Token, changes: Vec<ConfigChange>) -> Result<u64, Error> {
    core.check_writable(false)?;
    check_sizes(&changes)?;
    for change in &changes {
        if let Some(bucket) = change.namespace.strip_prefix("bucket/") {
            let id = u64::from_str_radix(bucket, 16).map_err(|_| Error::NoSuchBucket)?;
            core.bucket_entry(id)?;
        }
        if let Some(expected) = change.expected_revision {
            let found = row(core, &change.namespace, &change.key)?.map_or(0, |row| row.revision);
            if found != expected {
                return Err(Error::RevisionMismatch { found });
            }
        }
    }
    // A record names a row once: what lives of it is counted row by row.
    let last: BTreeMap<_, _> =
        changes.into_iter().map(|change| ((change.namespace, change.key), change.value)).collect();
    let metas: Vec<ConfigMeta> =
        last.into_iter().map(|((namespace, key), value)| ConfigMeta { namespace, key, value }).collect();
    let frame = Frame::new(Kind::Config, 0, b"", ConfigMeta::encode_all(&metas));
    commit(core, frame, vec![catalog]).await
}

fn check_sizes(changes: &[ConfigChange]) -> Result<(), Error> {
    if changes.is_empty() {
        return Err(Error::Invalid { what: "a batch without changes" });
    }
    let mut bytes = 0;
    for ConfigChange { namespace, key, value, .. } in changes {
        if !(1..=255).contains(&namespace.len()) || namespace.contains('\0') {
            return Err(Error::Invalid { what: "a namespace must have 1 to 255 bytes and no NUL" });
        }
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(Error::Invalid { what: "a configuration key must have 1 to 1,024 bytes" });
        }
        let length = value.as_ref().map_or(0, Bytes::len);
        if length > CONFIG_BYTES_MAX {
            return Err(Error::TooLarge { what: "a configuration row above 1 MiB" });
        }
        bytes += length + namespace.len() + key.len();
    }
    if changes.len() > BATCH_CHANGES_MAX || bytes > BATCH_BYTES_MAX {
        return Err(Error::TooLarge { what: "a batch above 4,096 changes or 4 MiB" });
    }
    Ok(())
}
