//! What a start opens and makes before anything is served: the store, what is kept in it, what is declared, the first account.
//!
//! All of it can refuse the start in one line; once it is done, the node has only to be listened on.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::{Bytes, Options, Store};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SetOnce, watch};
use tokio::task::JoinHandle;

use super::{FreshCredentials, StartError};
use crate::audit::{self, Audit, AuditSettings};
use crate::auth::{AuthConfig, SigningKeyCache};
use crate::backup;
use crate::bucket_policy::BucketPolicies;
use crate::config::{AUDIT_LOG_FILE, AuditLog, Config, Durability, MasterKeyText};
use crate::declare::{self, ApplyOptions};
use crate::identity::load::Loading;
use crate::identity::name::AccessKey;
use crate::identity::plan::Mode;
use crate::identity::private_file::{self, MASTER_KEY_FILE, ROOT_CREDENTIALS_FILE};
use crate::identity::sealed::{MasterKey, SecretKey};
use crate::identity::store::{IdentityStore, OpenError};
use crate::identity_rows::EngineRows;
use crate::maintenance::Maintenance;
use crate::metrics::Metrics;
use crate::protocol::request::RequestIds;
use crate::quota::BucketQuotas;
use crate::s3::receive::blocking;
use crate::sign_in::SignIns;
use crate::state::{LARGE_UPLOADS_MAX, State};
use crate::usage::MonthlyUsage;

/// Opens the store and everything that is kept in it.
pub(super) async fn open(
    config: &Config,
    draining: watch::Receiver<bool>,
) -> Result<(Arc<State>, Option<FreshCredentials>, Option<Loading>), StartError> {
    let given = match &config.root_credentials {
        None => None,
        Some(root) => {
            let refuse = |error: &dyn fmt::Display| StartError(format!("the root credentials can't be used: {error}"));
            let access_key = AccessKey::parse(&root.access_key).map_err(|error| refuse(&error))?;
            let secret = SecretKey::parse(&root.secret_key).map_err(|error| refuse(&error))?;
            Some((access_key, secret))
        }
    };
    let fresh = given.as_ref().map(|(access_key, secret)| FreshCredentials {
        access_key: access_key.as_str().to_owned(),
        secret_key: secret.expose().to_owned(),
    });
    let opening = config.clone();
    let opened = blocking(move || open_store(&opening, given)).await;
    let (store, identities, loading, bucket_policies) = opened.map_err(|error| StartError(error.message.clone()))??;
    let external_hosts = config
        .external_urls
        .iter()
        .filter_map(|url| url.parse::<http::Uri>().ok()?.authority().map(ToString::to_string));
    let external_hosts: Vec<String> = external_hosts.collect();
    let admin_auth = AuthConfig {
        external_hosts: external_hosts.clone(),
        ..AuthConfig::of_service("strongroom", config.region.clone())
    };
    let auth = AuthConfig { sigv2: config.sigv2, external_hosts, ..AuthConfig::s3(config.region.clone()) };
    let audit = open_audit(config, &store)?;
    let usage = Arc::new(MonthlyUsage::load(&store));
    let quotas = Arc::new(BucketQuotas::load(&store));
    let state = State {
        config: config.clone(),
        maintenance: Maintenance::new(store.clone(), &config.data),
        store,
        identities,
        bucket_policies: Arc::new(bucket_policies),
        quotas,
        auth,
        admin_auth,
        signing_keys: SigningKeyCache::default(),
        sign_ins: SignIns::default(),
        usage,
        settings_turn: tokio::sync::Mutex::default(),
        owners: Arc::default(),
        audit,
        metrics: Arc::new(Metrics::default()),
        request_ids: RequestIds::random().map_err(|error| StartError(error.to_string()))?,
        large_uploads: Arc::new(Semaphore::new(LARGE_UPLOADS_MAX)),
        urls: OnceLock::new(),
        draining,
    };
    Ok((Arc::new(state), fresh, loading))
}

/// Opens the audit log with the settings that were made last.
fn open_audit(config: &Config, store: &Store) -> Result<Audit, StartError> {
    let path = match &config.audit_log {
        AuditLog::InData => config.data.join(AUDIT_LOG_FILE),
        AuditLog::File(path) => path.clone(),
        AuditLog::Off => return Ok(Audit::off()),
    };
    let (requests, kept_bytes) = AuditSettings::load(store);
    let refused = |error: io::Error| {
        StartError(format!(
            "the audit log {} can't be written: {error}; pass --audit-log with another file, or off",
            path.display()
        ))
    };
    // On a disk of its own it may take all there is.
    let shares_disk = is_on_file_system_of(&path, &config.data).map_err(refused)?;
    let disk = rustix::fs::statvfs(&config.data).ok().filter(|_| shares_disk);
    let disk_bytes = disk.map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    let kept_bytes = kept_bytes.unwrap_or_else(|| audit::kept_bytes_by_default(disk_bytes));
    let asked = store.clone();
    let low_water = move || if shares_disk { asked.stats().low_water_bytes } else { 0 };
    Audit::start(&path, requests, kept_bytes, Box::new(low_water)).map_err(refused)
}

/// Whether a file, there or not yet, lies on the file system of a directory.
fn is_on_file_system_of(file: &Path, directory: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = std::fs::metadata(file).or_else(|_| std::fs::metadata(parent))?;
    Ok(found.dev() == std::fs::metadata(directory)?.dev())
}

fn open_store(
    config: &Config,
    root: Option<(AccessKey, SecretKey)>,
) -> Result<(Store, IdentityStore, Option<Loading>, BucketPolicies), StartError> {
    let durability = match config.durability {
        Durability::Strict => engine::Durability::Strict,
        Durability::Relaxed => engine::Durability::Relaxed,
    };
    let options = Options {
        durability,
        allow_network_filesystem: config.allow_network_filesystem,
        maintenance_bytes_per_second: config.maintenance_bytes_per_second,
        scrub_bytes_per_second: config.scrub_bytes_per_second,
        backup_bytes_per_second: config.backup_bytes_per_second,
        ..Options::default()
    };
    backup::check_is_no_backup(&config.data).map_err(|error| StartError(error.to_string()))?;
    let store =
        Store::open(&config.data, options).map_err(|error| StartError(backup::why_unopened(&config.data, &error)))?;
    let rows = EngineRows::shared(&store);
    let failed = |error: &dyn fmt::Display| StartError(error.to_string());
    let needed = IdentityStore::key_fingerprint(rows.as_ref()).map_err(|error| failed(&error))?;
    let master = match &config.master_key {
        // Nothing of it is written here.
        Some(given) => given_key(given, needed.as_deref())?,
        None => private_file::load_or_create_key(&config.data.join(MASTER_KEY_FILE), needed.as_deref())
            .map_err(|error| failed(&error))?,
    };
    let (identities, loading) = IdentityStore::begin(rows, master, root).map_err(|error| unread(config, &error))?;
    // A new node's are few, and what is declared is compared with all of them. Behind damage two rows may contradict each other, which only all of them show.
    let is_damaged = store.health() != engine::Health::Ok;
    let loading = if config.bootstrap.is_some() || !identities.had_operator() || is_damaged {
        loading.finish().map_err(|error| unread(config, &error))?;
        None
    } else {
        Some(loading)
    };
    let bucket_policies = BucketPolicies::load(&store);
    Ok((store, identities, loading, bucket_policies))
}

/// The key that the operator keeps elsewhere. `needed` is the fingerprint that the store remembers.
fn given_key(given: &MasterKeyText, needed: Option<&str>) -> Result<MasterKey, StartError> {
    let Ok(master) = MasterKey::parse(&given.0) else {
        return Err(StartError(
            "master-key must hold 64 hexadecimal digits, as secret.key does: give another one".into(),
        ));
    };
    let fingerprint = master.fingerprint();
    match needed {
        Some(needed) if needed != fingerprint => Err(StartError(format!(
            "master-key is not this store's key: its secrets are sealed under key {needed}, and this is key {fingerprint}; give the right one"
        ))),
        _ => Ok(master),
    }
}

/// Why the identities can't be read, with the key that they are sealed under called what the operator calls it.
fn unread(config: &Config, error: &OpenError) -> StartError {
    StartError(match error {
        OpenError::WrongMasterKey { needed: None, given } if config.master_key.is_some() => format!(
            "master-key is not this store's key: none of its secrets opens with key {given}; give the right one"
        ),
        error => error.to_string(),
    })
}

/// Waits for the identities that the start didn't wait for, and says what is wrong with them.
pub(super) async fn finish_loading(
    state: Arc<State>,
    loading: JoinHandle<Result<(), OpenError>>,
    failure: Arc<SetOnce<StartError>>,
) {
    let finished = loading.await.map_err(|panic| StartError(format!("the identities can't be read: {panic}")));
    let finished = finished.and_then(|read| read.map_err(|error| unread(&state.config, &error)));
    if let Err(error) = finished {
        // Nobody else sets it.
        let _ = failure.set(error);
        return;
    }
    for damaged in state.identities.snapshot().damaged() {
        tracing::warn!("{damaged}");
    }
    check_policies(&state);
}

/// Tells which stored policies this program refuses, before somebody needs them. Policies are compiled when they are stored and otherwise when they are needed, so that a start waits for none of thousands; only those that another version may have stored have to be looked at, once.
pub(super) fn check_policies(state: &State) {
    const NAMESPACE: &str = "identity.checked";
    const ROW: &str = "version";
    let version = env!("CARGO_PKG_VERSION");
    let checked = state.store.config(NAMESPACE, ROW).ok().flatten();
    if checked.is_some_and(|row| row.value == version.as_bytes()) {
        return;
    }
    let (store, snapshot) = (state.store.clone(), Arc::clone(&state.identities.snapshot()));
    if snapshot.accounts().all(|it| snapshot.permissions(it.account_id.as_str()).next().is_none()) {
        return;
    }
    tokio::task::spawn_blocking(move || {
        let mut refused = snapshot.refused_policies().peekable();
        let is_clean = refused.peek().is_none();
        for refused in refused {
            tracing::error!("{refused}");
        }
        // What is refused is told at each start until it is mended. Where the store takes no writes, all of them are looked at again.
        if is_clean
            && let Err(error) = store.put_config(NAMESPACE, ROW, Bytes::from_static(version.as_bytes()), None).wait()
        {
            tracing::debug!(%error, "that the policies were looked at isn't stored");
        }
    });
}

/// Makes what the bootstrap state declares and the node lacks.
pub(super) async fn bootstrap(state: &State) -> Result<Vec<String>, StartError> {
    let Some(source) = &state.config.bootstrap else { return Ok(Vec::new()) };
    let applied = declare::apply(state, &source.name, &source.text, ApplyOptions::new(Mode::Bootstrap)).await;
    match applied.and_then(|it| it.failed.map_or(Ok((it.changes, it.notes)), Err)) {
        Ok((changes, notes)) => {
            for change in &changes {
                tracing::info!(file = %source.name, change, "declared");
            }
            Ok(notes)
        }
        Err(declare::ApplyError::Storage(text)) if state.store.health() != engine::Health::Ok => Ok(vec![text]),
        Err(error) => Err(StartError(error.to_string())),
    }
}

/// The account and root key that a node makes for itself at its first start.
pub(super) async fn first_account(state: &State) -> Result<Option<FreshCredentials>, StartError> {
    let path = state.config.data.join(ROOT_CREDENTIALS_FILE);
    let keep = |root: &crate::identity::account::RootKey| private_file::write_root_credentials(Path::new(&path), root);
    let made = state.identities.ensure_first_account(Timestamp::now(), keep).await;
    let made = match made {
        Err(error) if state.store.health() != engine::Health::Ok => {
            tracing::warn!(%error, "the store takes no changes: no root key was made");
            None
        }
        made => made.map_err(|error| StartError(error.to_string()))?,
    };
    Ok(made.map(|root| FreshCredentials {
        access_key: root.access_key.as_str().to_owned(),
        secret_key: root.secret.expose().to_owned(),
    }))
}
