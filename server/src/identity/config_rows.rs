//! Where identities are kept: rows of a store that knows nothing of them, and the batches in which changes reach it.
//!
//! The store takes so much at once and no more. A change that is larger is cut where nothing that was written refers to what wasn't.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use super::rows::{ACCOUNTS, NAMESPACES, PERMISSIONS, RowKey};

/// What the row store answers when it fails; whoever binds it can downcast to its own error.
pub type RowsError = Box<dyn Error + Send + Sync + 'static>;

/// A boxed future, as [`ConfigRows`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where rows are kept: namespaced, opaque, durable.
pub trait ConfigRows: Send + Sync {
    /// The rows of a namespace whose keys begin with `key_prefix`: key and value. A row whose value is damaged comes with whatever is left of it, so that it can be named.
    ///
    /// # Errors
    /// The store's own.
    fn rows(&self, namespace: &str, key_prefix: &str) -> Result<Vec<(String, Bytes)>, RowsError>;

    /// Makes all changes durable, or none of them. At most [`BATCH_CHANGES_MAX`] changes and [`BATCH_BYTES_MAX`] bytes of namespaces, keys and values come at once.
    ///
    /// # Errors
    /// The store's own: it may be read-only. Whether the changes survive a restart is then unknown.
    fn commit(&self, changes: Vec<RowChange>) -> BoxFuture<'_, Result<(), RowsError>>;
}

/// The most rows that are written in one batch.
pub const BATCH_CHANGES_MAX: usize = 4_000;
/// The most bytes that are written in one batch, unless a single row has more.
pub const BATCH_BYTES_MAX: usize = 3 << 20;

/// A row to write or remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The namespace.
    pub namespace: String,
    /// The key in it.
    pub key: String,
    /// The new value; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

impl RowChange {
    pub(super) fn put(key: &RowKey, value: Vec<u8>) -> RowChange {
        RowChange { namespace: key.namespace().to_owned(), key: key.text(), value: Some(value) }
    }

    pub(super) fn delete(key: &RowKey) -> RowChange {
        RowChange { namespace: key.namespace().to_owned(), key: key.text(), value: None }
    }
}

/// The rows of a change as the batches that write them: nearly always one.
///
/// A change that is too large for one, such as the first state file of a large installation, is written in an order in which a crash leaves no reference to what isn't there and no access key with two holders: credentials go first, and what refers to something comes after it. The same change, made again, finishes it.
pub(super) fn batches(rows: &BTreeMap<(String, String), Option<Vec<u8>>>) -> Vec<Vec<RowChange>> {
    let mut ordered: Vec<_> = rows.iter().collect();
    ordered.sort_by_key(|((namespace, _), value)| write_order(namespace, value.is_some()));
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    for ((namespace, key), value) in ordered {
        let row_bytes = namespace.len() + key.len() + value.as_ref().map_or(0, Vec::len);
        if batch.len() == BATCH_CHANGES_MAX || (!batch.is_empty() && batch_bytes + row_bytes > BATCH_BYTES_MAX) {
            batches.push(std::mem::take(&mut batch));
            batch_bytes = 0;
        }
        batch_bytes += row_bytes;
        batch.push(RowChange { namespace: namespace.clone(), key: key.clone(), value: value.clone() });
    }
    batches.push(batch);
    batches
}

/// Where a row stands in a change of several batches.
fn write_order(namespace: &str, put: bool) -> usize {
    let position = NAMESPACES.iter().position(|it| *it == namespace).map_or(0, |position| position + 1);
    let refers = namespace != ACCOUNTS && namespace != PERMISSIONS;
    match (put, refers) {
        (false, true) => 1,
        (true, _) => 1 + position,
        (false, false) => 2 * NAMESPACES.len() - position,
    }
}
