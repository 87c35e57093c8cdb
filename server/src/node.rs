//! A running node: opens the store, recovers, makes what is declared, serves, and ends in order.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
#[cfg(feature = "tls")]
use std::time::Duration;

use engine::{Bytes, Options, Store};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SetOnce, watch};
use tokio::task::JoinHandle;

use crate::admin::socket::AdminSocket;
use crate::app::S3Application;
use crate::audit::{Audit, AuditSettings};
use crate::auth::{AuthConfig, SigningKeyCache};
use crate::backup;
use crate::bucket_policy::BucketPolicies;
use crate::clock;
use crate::config::{AUDIT_LOG_FILE, AuditLog, Config, Durability};
use crate::console::ConsoleApplication;
use crate::declare;
use crate::http::serve::{Security, Shared, serve};
use crate::identity::load::Loading;
use crate::identity::name::{AccessKey, Name};
use crate::identity::plan::Mode;
pub use crate::identity::private_file::ROOT_CREDENTIALS_FILE;
use crate::identity::private_file::{self, MASTER_KEY_FILE};
use crate::identity::rows::RowKey;
use crate::identity::sealed::SecretKey;
use crate::identity::store::{IdentityStore, OpenError};
use crate::identity_rows::EngineRows;
use crate::maintenance::Maintenance;
use crate::metrics::Metrics;
use crate::quota::BucketQuotas;
use crate::s3::receive::blocking;
use crate::sign_in::SignIns;
use crate::state::{LARGE_UPLOADS_MAX, State, Urls};
use crate::usage::MonthlyUsage;

/// How often certificate files are looked at.
#[cfg(feature = "tls")]
const CERTIFICATE_CHECK: Duration = Duration::from_secs(30);

/// The user whom the first start's link makes.
const FIRST_USER_NAME: &str = "admin";

/// Why a node didn't start: one line that says what to do.
#[derive(Clone, Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Why a node didn't end in order. Nothing acknowledged is lost by it.
#[derive(Debug)]
pub struct ShutdownError(String);

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ShutdownError {}

/// A root key that was made or given at this start. Its secret is shown to nobody else.
#[derive(Clone)]
pub struct FreshCredentials {
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
}

impl fmt::Debug for FreshCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// A node that serves.
pub struct Node {
    state: Arc<State>,
    s3_urls: Vec<String>,
    s3_virtual_url: String,
    console_url: String,
    root_credentials: Option<FreshCredentials>,
    warnings: Vec<String>,
    draining: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    /// Why the node has to end, once it does.
    failure: Arc<SetOnce<StartError>>,
    security: Security,
}

impl Node {
    /// Starts a node and returns when it serves.
    ///
    /// # Errors
    /// An address is taken, the data directory can't be used, or what is declared contradicts what is there.
    pub async fn start(config: Config) -> Result<Node, StartError> {
        // Bound first: a taken port is told before the directory is touched. Nothing is accepted until all is ready.
        let s3 = bind_all(&config).await?;
        let console = match &config.inherited.console {
            Some(listener) => adopt(listener)?,
            None => bind(config.console.address, "--console").await?,
        };
        let (draining, drained) = watch::channel(false);
        let (state, root_credentials, loading) = open(&config, drained.clone()).await?;
        let mut warnings = bootstrap(&state).await?;
        let root_credentials = match first_account(&state).await? {
            Some(made) => Some(made),
            // Without an account they are nobody's: where its row is lost, they open nothing.
            None => root_credentials
                .filter(|_| state.identities.had_operator() || state.identities.snapshot().operator().is_some()),
        };
        let failure = Arc::new(SetOnce::new());
        let identities = match loading {
            Some(loading) => {
                let loading = tokio::task::spawn_blocking(move || loading.finish());
                Some(tokio::spawn(finish_loading(state.clone(), loading, failure.clone())))
            }
            None => {
                warnings.extend(state.identities.snapshot().damaged().iter().map(ToString::to_string));
                check_policies(&state);
                None
            }
        };
        if config.durability == Durability::Relaxed {
            warnings.push("durability is relaxed: acknowledged writes may be lost with the machine's power".to_owned());
        }
        match state.store.health() {
            engine::Health::Ok => {}
            engine::Health::ReadOnly { reason } => warnings.push(format!("the store is read-only: {reason}")),
            engine::Health::Damaged { damage } => warnings.extend(damage),
        }
        let addresses: Vec<SocketAddr> = s3.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let console_address = console.local_addr().map_err(|error| StartError(error.to_string()))?;
        let security = security(&config, &addresses, console_address)?;
        if matches!(security, Security::Plain) && !console_address.ip().is_loopback() {
            warnings.push(format!(
                "the console on {console_address} is served without TLS: add --tls-self-signed or a certificate"
            ));
        }
        let scheme = if matches!(security, Security::Plain) { "http" } else { "https" };
        let urls = state.urls.get_or_init(|| Urls {
            s3: addresses.iter().map(|address| format!("{scheme}://{address}")).collect(),
            console: format!("{scheme}://{console_address}"),
        });
        let (s3_urls, console_url) = (urls.s3.clone(), urls.console.clone());
        let shared = Shared {
            limits: config.limits.clone(),
            connections: Arc::new(Semaphore::new(config.limits.connections_max)),
            metrics: state.metrics.clone(),
            draining: drained,
        };
        let application = S3Application::new(state.clone()).map_err(|error| StartError(error.to_string()))?;
        let application = Arc::new(application);
        let mut listeners = Vec::new();
        for listener in s3 {
            listeners.push(tokio::spawn(serve(listener, security.clone(), application.clone(), shared.clone())));
        }
        let console_application = Arc::new(ConsoleApplication::new(state.clone()));
        listeners.push(tokio::spawn(serve(console, security.clone(), console_application, shared)));
        let mut background = vec![
            tokio::spawn(state.maintenance.clone().watch(config.scrub_interval)),
            tokio::spawn(state.usage.clone().watch()),
        ];
        background.extend(identities);
        match AdminSocket::bind(&config.data) {
            Ok(socket) => background.push(tokio::spawn(socket.serve(state.clone()))),
            Err(error) => warnings.push(format!("local administration is off: {error}")),
        }
        #[cfg(feature = "tls")]
        if let Security::Tls(certificates) = &security {
            background.push(tokio::spawn(watch_certificates(certificates.clone())));
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        Ok(Node {
            s3_urls,
            s3_virtual_url: format!("{scheme}://localhost:{port}"),
            console_url,
            state,
            root_credentials,
            warnings,
            draining,
            listeners,
            background,
            failure,
            security,
        })
    }

    /// Where S3 is served, a URL for each address.
    pub fn s3_urls(&self) -> &[String] {
        &self.s3_urls
    }

    /// Where S3 is served, the first of its URLs.
    pub fn s3_url(&self) -> &str {
        self.s3_urls.first().map_or("", String::as_str)
    }

    /// The URL under which `BUCKET.` in front of the host names a bucket.
    pub fn s3_virtual_url(&self) -> &str {
        &self.s3_virtual_url
    }

    /// Where health and metrics are served.
    pub fn console_url(&self) -> &str {
        &self.console_url
    }

    /// The operator's root key, when it was made or given at this start.
    pub fn root_credentials(&self) -> Option<&FreshCredentials> {
        self.root_credentials.as_ref()
    }

    /// A one-time link by which the operator comes to a user of their own: whoever opens it within 15 minutes chooses the password of the admin `admin`, who is made by it. Only while the operator's account has no user; each call makes another link, and the one before opens nothing any more.
    ///
    /// It is a secret: for a terminal, never for a log.
    pub fn first_link(&self) -> Option<String> {
        let snapshot = self.state.identities.snapshot();
        let operator = snapshot.operator()?.account_id.clone();
        // One whose row can't be read is there all the same.
        let is_user = |row: &RowKey| matches!(row, RowKey::User { account, .. } if *account == operator);
        if snapshot.users(operator.as_str()).next().is_some() || snapshot.damaged_rows().any(is_user) {
            return None;
        }
        let name = Name::parse(FIRST_USER_NAME).expect("the first user's name is a name");
        match self.state.sign_ins.links.make(operator, name, None, clock::now_seconds()) {
            Ok(token) => Some(format!("{}/#link={token}", self.console_url)),
            Err(error) => {
                tracing::error!(%error, "no one-time link can be made");
                None
            }
        }
    }

    /// What the operator should know, a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Reads the certificate files again.
    ///
    /// # Errors
    /// They don't parse; the old certificate stays in use.
    pub fn reload(&self) -> Result<(), String> {
        match &self.security {
            Security::Plain => Ok(()),
            #[cfg(feature = "tls")]
            Security::Tls(certificates) => certificates.reload(),
        }
    }

    /// Resolves when the node turns out to be unusable after its start, and has to be ended: its identities can't be read. Nobody was answered anything that depends on them.
    pub async fn failed(&self) -> StartError {
        self.failure.wait().await.clone()
    }

    /// Takes no new connections, lets requests in flight end, and brings the index up to date.
    ///
    /// # Errors
    /// The index could not be brought up to date; the next start catches up from the log.
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        // Nobody listens any more only when every listener has ended already.
        let _ = self.draining.send(true);
        for listener in self.listeners {
            if let Err(error) = listener.await {
                tracing::warn!(%error, "a listener ended badly");
            }
        }
        for task in self.background {
            task.abort();
            // Ended by the abort, which is what was wanted.
            let _ = task.await;
        }
        self.state.usage.close().await;
        let ending = self.state.clone();
        // Records of the requests that just ended are still on their way.
        if blocking(move || ending.audit.close()).await.is_err() {
            tracing::warn!("the end of the audit log may be missing");
        }
        let store = self.state.store.clone();
        let closed = blocking(move || store.close()).await;
        closed.map_err(|error| ShutdownError(error.message.clone()))?.map_err(|error| ShutdownError(error.to_string()))
    }
}

async fn bind_all(config: &Config) -> Result<Vec<TcpListener>, StartError> {
    if !config.inherited.s3.is_empty() {
        return config.inherited.s3.iter().map(|listener| adopt(listener)).collect();
    }
    let mut listeners = Vec::new();
    for listen in &config.listen {
        match bind(listen.address, "--listen").await {
            Ok(listener) => listeners.push(listener),
            Err(error) if listen.required => return Err(error),
            Err(error) => tracing::debug!(%error, "an optional address is left out"),
        }
    }
    if listeners.is_empty() {
        return Err(StartError("no address to listen on: pass --listen 127.0.0.1:9000".to_owned()));
    }
    Ok(listeners)
}

/// A listener that somebody else bound. It is theirs to close too: what connects after this node's end waits for the next one.
fn adopt(listener: &std::net::TcpListener) -> Result<TcpListener, StartError> {
    let adopted = listener.try_clone().and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    adopted.map_err(|error| StartError(format!("a listener that was passed to this process can't be used: {error}")))
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        StartError(match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is in use: stop what listens there, or pass {flag} with another address (port 0 takes a free one)"),
            io::ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine: pass {flag} with one that is"),
            io::ErrorKind::PermissionDenied => format!("{address} may not be bound: ports below 1024 need a privilege; pass {flag} with a higher port"),
            _ => format!("{address} can't be bound: {error}"),
        })
    })
}

/// Opens the store and everything that is kept in it.
async fn open(
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
        audit,
        metrics: Arc::new(Metrics::default()),
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
    let key_path = config.data.join(MASTER_KEY_FILE);
    let master = private_file::load_or_create_key(&key_path, needed.as_deref()).map_err(|error| failed(&error))?;
    let (identities, loading) = IdentityStore::begin(rows, master, root).map_err(|error| failed(&error))?;
    // A new node's are few, and what is declared is compared with all of them.
    let loading = if config.bootstrap.is_some() || !identities.had_operator() {
        loading.finish().map_err(|error| failed(&error))?;
        None
    } else {
        Some(loading)
    };
    let bucket_policies = BucketPolicies::load(&store);
    Ok((store, identities, loading, bucket_policies))
}

/// Waits for the identities that the start didn't wait for, and says what is wrong with them.
async fn finish_loading(
    state: Arc<State>,
    loading: JoinHandle<Result<(), OpenError>>,
    failure: Arc<SetOnce<StartError>>,
) {
    let finished = loading.await.map_err(|panic| StartError(format!("the identities can't be read: {panic}")));
    let finished = finished.and_then(|read| read.map_err(|error| StartError(error.to_string())));
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
fn check_policies(state: &State) {
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
async fn bootstrap(state: &State) -> Result<Vec<String>, StartError> {
    let Some(source) = &state.config.bootstrap else { return Ok(Vec::new()) };
    match declare::apply(state, &source.name, &source.text, Mode::Bootstrap, false).await {
        Ok(applied) => {
            for change in &applied.changes {
                tracing::info!(file = %source.name, change, "declared");
            }
            Ok(applied.notes)
        }
        Err(declare::ApplyError::Storage(text)) if state.store.health() != engine::Health::Ok => Ok(vec![text]),
        Err(error) => Err(StartError(error.to_string())),
    }
}

/// The account and root key that a node makes for itself at its first start.
async fn first_account(state: &State) -> Result<Option<FreshCredentials>, StartError> {
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

#[cfg(feature = "tls")]
fn security(config: &Config, addresses: &[SocketAddr], console: SocketAddr) -> Result<Security, StartError> {
    let Some(tls) = &config.tls else { return Ok(Security::Plain) };
    let addresses: Vec<_> = addresses.iter().chain([&console]).map(SocketAddr::ip).collect();
    let certificates = crate::http::tls::Certificates::load(tls, config, &addresses).map_err(StartError)?;
    Ok(Security::Tls(Arc::new(certificates)))
}

#[cfg(not(feature = "tls"))]
fn security(config: &Config, _addresses: &[SocketAddr], _console: SocketAddr) -> Result<Security, StartError> {
    match config.tls {
        None => Ok(Security::Plain),
        Some(_) => Err(StartError("this build has no TLS".to_owned())),
    }
}

/// Reads certificate files again when they change.
#[cfg(feature = "tls")]
async fn watch_certificates(certificates: Arc<crate::http::tls::Certificates>) {
    let mut seen = certificates.modified();
    loop {
        tokio::time::sleep(CERTIFICATE_CHECK).await;
        let now = certificates.modified();
        if now == seen {
            continue;
        }
        seen = now;
        match certificates.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(error, "the certificate's files changed but can't be used: the old one stays")
            }
        }
    }
}

#[cfg(test)]
mod tests;
