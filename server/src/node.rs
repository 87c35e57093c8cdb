//! A running node: binds its addresses, opens what it serves, serves, and ends in order.

mod opening;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SetOnce, watch};
use tokio::task::JoinHandle;

use crate::admin::socket::AdminSocket;
use crate::app::S3Application;
use crate::clock;
use crate::config::{Config, Durability};
use crate::console::ConsoleApplication;
use crate::http::serve::{Security, Shared, serve};
use crate::identity::name::Name;
pub use crate::identity::private_file::ROOT_CREDENTIALS_FILE;
use crate::identity::rows::RowKey;
use crate::s3::receive::blocking;
use crate::state::{State, Urls};

/// How often certificate files are looked at.
#[cfg(feature = "tls")]
const CERTIFICATE_CHECK: Duration = Duration::from_secs(30);

/// How long whoever is served first has the processors to themselves, if nobody needs all identities sooner.
const LOADING_DELAY: Duration = Duration::from_millis(10);

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
        let (state, root_credentials, loading) = opening::open(&config, drained.clone()).await?;
        let mut warnings = opening::bootstrap(&state).await?;
        let root_credentials = match opening::first_account(&state).await? {
            Some(made) => Some(made),
            // Without an account they are nobody's: where its row is lost, they open nothing.
            None => root_credentials
                .filter(|_| state.identities.had_operator() || state.identities.snapshot().operator().is_some()),
        };
        if config.durability == Durability::Relaxed {
            warnings.push("durability is relaxed: acknowledged writes may be lost with the machine's power".to_owned());
        }
        warnings.extend(state.store.recovery().iter().cloned());
        match state.store.health() {
            engine::Health::Ok => {}
            engine::Health::ReadOnly { reason } => warnings.push(format!("the store is read-only: {reason}")),
            engine::Health::Damaged { damage } => warnings.extend(damage),
        }
        let addresses: Vec<SocketAddr> = s3.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let console_address = console.local_addr().map_err(|error| StartError(error.to_string()))?;
        let security = security(&config, &addresses, console_address)?;
        // From here on nothing fails, so that nobody has to wait for it in vain.
        let failure = Arc::new(SetOnce::new());
        let identities = match loading {
            Some(loading) => {
                let loading = tokio::task::spawn_blocking(move || loading.finish_when_wanted(LOADING_DELAY));
                Some(tokio::spawn(opening::finish_loading(state.clone(), loading, failure.clone())))
            }
            None => {
                warnings.extend(state.identities.snapshot().damaged().iter().map(ToString::to_string));
                opening::check_policies(&state);
                None
            }
        };
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
        let application = Arc::new(S3Application::new(state.clone()));
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
