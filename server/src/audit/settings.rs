//! The settings of the audit log as they are kept: one configuration row, so that they survive what the node survives.

use bytes::Bytes;
use engine::Store;
use serde::{Deserialize, Serialize};

use super::Requests;

const NAMESPACE: &str = "audit";
const ROW: &str = "settings";

/// The row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditSettings {
    requests: String,
    kept_bytes: u64,
}

impl AuditSettings {
    /// Which S3 requests are recorded and how much is kept, where somebody said; a row that can't be read records everything.
    pub fn load(store: &Store) -> (Requests, Option<u64>) {
        let row = store.config(NAMESPACE, ROW).ok().flatten();
        let settings: Option<AuditSettings> = row.and_then(|row| serde_json::from_slice(&row.value).ok());
        let Some(settings) = settings else { return (Requests::All, None) };
        let requests = Requests::CHOICES.into_iter().find(|it| it.as_str() == settings.requests);
        (requests.unwrap_or(Requests::All), Some(settings.kept_bytes))
    }

    /// Keeps them.
    ///
    /// # Errors
    /// The store's.
    pub async fn store(store: &Store, requests: Requests, kept_bytes: u64) -> Result<(), engine::Error> {
        let row = AuditSettings { requests: requests.as_str().to_owned(), kept_bytes };
        let value = serde_json::to_vec(&row).map_err(|_| engine::Error::Invalid { what: "audit settings" })?;
        store.put_config(NAMESPACE, ROW, Bytes::from(value), None).await.map(|_| ())
    }
}
