//! Identities through their public API, over rows in memory.

mod decisions;
mod failures;
mod first;
mod former_key;
mod history;
mod incremental;
mod loading;
mod secrets;
mod state;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;

use super::config_rows::{BoxFuture, ConfigRows, RowChange, RowsError};
use super::plan::{Mode, Plan};
use super::sealed::MasterKey;
use super::snapshot::Snapshot;
use super::state::State;
use super::store::IdentityStore;

/// Rows in memory that count their commits and can refuse them.
struct MemoryRows {
    rows: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    commits: AtomicUsize,
    /// From this number of commits on they fail.
    commits_max: AtomicUsize,
    largest_batch: AtomicUsize,
    read_only: AtomicBool,
}

impl Default for MemoryRows {
    fn default() -> MemoryRows {
        MemoryRows {
            rows: Mutex::default(),
            commits: AtomicUsize::new(0),
            commits_max: AtomicUsize::new(usize::MAX),
            largest_batch: AtomicUsize::new(0),
            read_only: AtomicBool::new(false),
        }
    }
}

impl ConfigRows for MemoryRows {
    fn rows(&self, namespace: &str, key_prefix: &str) -> Result<Vec<(String, Bytes)>, RowsError> {
        let rows = self.rows.lock().unwrap();
        let of_namespace = rows.iter().filter(|((it, key), _)| it == namespace && key.starts_with(key_prefix));
        Ok(of_namespace.map(|((_, key), value)| (key.clone(), Bytes::from(value.clone()))).collect())
    }

    fn commit(&self, changes: Vec<RowChange>) -> BoxFuture<'_, Result<(), RowsError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.largest_batch.fetch_max(changes.len(), Ordering::SeqCst);
            if self.read_only.load(Ordering::SeqCst) || self.commits() >= self.commits_max.load(Ordering::SeqCst) {
                return Err("the store is read-only".into());
            }
            self.commits.fetch_add(1, Ordering::SeqCst);
            let mut rows = self.rows.lock().unwrap();
            for RowChange { namespace, key, value } in changes {
                match value {
                    Some(value) => rows.insert((namespace, key), value),
                    None => rows.remove(&(namespace, key)),
                };
            }
            Ok(())
        })
    }
}

impl MemoryRows {
    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::SeqCst);
    }

    /// All keys and values as one text, for searching.
    fn dump(&self) -> String {
        let rows = self.rows.lock().unwrap();
        rows.iter().map(|((n, k), v)| format!("{n} {k} {}\n", String::from_utf8_lossy(v))).collect()
    }

    /// Changes the one row of `namespace` whose key contains `part`.
    fn damage(&self, namespace: &str, part: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut rows = self.rows.lock().unwrap();
        let mut found = rows.iter_mut().filter(|((n, k), _)| n == namespace && k.contains(part));
        change(found.next().expect("the row is there").1);
        assert!(found.next().is_none(), "only one row is meant");
    }
}

fn now() -> Timestamp {
    "2026-11-21T21:17:00Z".parse().unwrap()
}

fn key() -> MasterKey {
    MasterKey::from_bytes([42; 32])
}

fn open(rows: &Arc<MemoryRows>) -> IdentityStore {
    IdentityStore::open(rows.clone(), key(), None).unwrap()
}

fn plan(store: &IdentityStore, text: &str, mode: Mode) -> Plan {
    store.plan(&State::parse("state.json", text).unwrap(), mode, now()).unwrap_or_else(|error| panic!("{error}"))
}

fn plan_error(store: &IdentityStore, text: &str, mode: Mode) -> String {
    let state = match State::parse("state.json", text) {
        Ok(state) => state,
        Err(error) => return error.to_string(),
    };
    store.plan(&state, mode, now()).expect_err("the state is to be refused").to_string()
}

async fn bootstrap(store: &IdentityStore, text: &str) -> String {
    run(store, text, Mode::Bootstrap).await
}

async fn apply(store: &IdentityStore, text: &str) -> String {
    run(store, text, Mode::Apply { prune: false }).await
}

async fn prune(store: &IdentityStore, text: &str) -> String {
    run(store, text, Mode::Apply { prune: true }).await
}

async fn run(store: &IdentityStore, text: &str, mode: Mode) -> String {
    let plan = plan(store, text, mode);
    let lines = plan.to_string();
    store.execute(plan).await.unwrap();
    lines
}

fn names<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    items.collect()
}

fn permission_names(snapshot: &Snapshot) -> Vec<&str> {
    names(snapshot.permissions("123456789012").map(|it| it.permission.name.as_str()))
}

/// The state of the examples: an operator's account with every noun.
const STATE: &str = r#"{"accounts": [{
  "name": "main", "accountId": "123456789012", "canonicalId": "testid", "displayName": "M. Tester", "email": "tester@example.com",
  "root": {"accessKey": "AKROOT", "secretKey": "root-secret-value"},
  "permissions": [
    {"name": "lightly", "description": "Reads one prefix.", "type": "policy", "dialect": "lyve", "policy": {
      "Version": "2012-10-17",
      "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"],   "Resource": ["arn:aws:s3:::datalake/*"]},
        {"Sid": "NoSecrets", "Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::datalake/secret/*"]}
      ]}},
    {"name": "ro", "type": "bucket-names", "actions": "read-only", "buckets": ["datalake"]},
    {"name": "customers", "type": "bucket-prefix", "actions": "all-operations", "prefix": "customer01"},
    {"name": "all write", "type": "all-buckets", "actions": "write-only"}],
  "serviceAccounts": [{"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value", "permissions": ["lightly"]}],
  "users": [{"name": "eve", "password": "eve-password-value", "role": "auditor"}],
  "buckets": [{"name": "datalake"}]}]}"#;

/// [`STATE`] with one text replaced by another.
fn state_with(from: &str, to: &str) -> String {
    assert!(STATE.contains(from), "{from}");
    STATE.replacen(from, to, 1)
}
