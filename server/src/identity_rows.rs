//! Identities on the engine: their rows are Config records of the log, so that one backup and one recovery story serve everything.

use std::sync::Arc;

use bytes::Bytes;
use engine::{ConfigChange, ConfigRow, DamagedConfigRow, Store};

use crate::identity::config_rows::{BoxFuture, ConfigRows, RowChange, RowsError};

/// The engine's configuration rows as the identities see them.
pub struct EngineRows(pub Store);

impl EngineRows {
    /// The rows of a store.
    pub fn shared(store: &Store) -> Arc<EngineRows> {
        Arc::new(EngineRows(store.clone()))
    }
}

impl ConfigRows for EngineRows {
    fn rows(&self, namespace: &str, key_prefix: &str) -> Result<Vec<(String, Bytes)>, RowsError> {
        let rows = self.0.config_rows_with_prefix(namespace, key_prefix)?;
        // Nothing is left of a damaged row but its name, by which it is refused.
        let row = |row| match row {
            Ok(ConfigRow { key, value, .. }) => (key, value),
            Err(DamagedConfigRow { key }) => (key, Bytes::new()),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    fn commit(&self, changes: Vec<RowChange>) -> BoxFuture<'_, Result<(), RowsError>> {
        let change = |row: RowChange| ConfigChange {
            namespace: row.namespace,
            key: row.key,
            value: row.value.map(Bytes::from),
            expected_revision: None,
        };
        let commit = self.0.put_config_batch(changes.into_iter().map(change).collect());
        Box::pin(async move {
            commit.await?;
            Ok(())
        })
    }
}
