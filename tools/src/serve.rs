//! `strongroom serve`: starts a node, says that it is ready, and ends it on a signal.
//!
//! Everything that touches the server's [`Node`] is here; `strongroom test` runs through the same [`run`].

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use server::config::{Config, Durability, Tls};
use server::node::{Node, ROOT_CREDENTIALS_FILE};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::configure::{self, DATA_DEFAULT};
use crate::failure::Failure;
use crate::notify::{self, notify};
use crate::ready::{self, Page, Ready, TestReady};
use crate::settings::{Settings, Surroundings};
use crate::{args, inherit, logging, output};

/// Runs a node until SIGTERM or SIGINT.
pub(crate) fn serve(arguments: args::Serve, json: bool) -> Result<ExitCode, Failure> {
    let mut flags = arguments.settings.0;
    if let Some(directory) = arguments.directory {
        flags.insert("data", vec![directory.into_os_string()]);
    }
    let settings = Settings::load(&flags, arguments.config.as_deref(), &Surroundings::of_process())?;
    let mut config = configure::configure(&settings, Config::new(DATA_DEFAULT.into()))?;
    let unused = inherit::adopt(inherit::inherited()?, &mut config)?;
    logging::start(configure::log_format(&settings)?);
    for given in unused.iter().filter_map(|name| settings.find(name)) {
        tracing::info!("{} is not used: systemd passed a socket for it", given.place);
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(file) = &settings.file {
        tracing::info!("settings are read from {}", file.display());
    }
    let page = !json && std::io::stderr().is_terminal();
    run(config, Announce::Line { page }, std::future::pending())
}

/// What is said on standard output and to a terminal when the node is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announce {
    /// The ready line; on standard error the page for people, or else log lines.
    Line { page: bool },
    /// The ready line of a test with its credentials, or `export` lines for a shell.
    Test {
        exports: bool,
        /// Root's keys when the bootstrap state declares them, so that the node makes none.
        declared: Option<(String, String)>,
    },
}

/// Starts a node, announces it, serves until a signal or until `ended` resolves, and drains.
pub(crate) fn run(config: Config, announce: Announce, ended: impl Future<Output = ()>) -> Result<ExitCode, Failure> {
    raise_open_files_limit();
    let runtime = runtime().map_err(|error| Failure::failed(format!("no threads for the node: {error}")))?;
    let done = runtime.block_on(run_node(config, announce, ended));
    // Requests that outlived the drain hold nothing that an answer was given for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done.map(|()| ExitCode::SUCCESS)
}

async fn run_node(config: Config, announce: Announce, ended: impl Future<Output = ()>) -> Result<(), Failure> {
    // Before the node starts, so that a signal during a long recovery is not lost.
    let mut signals = StopSignals::install()?;
    let mut hangup = install(SignalKind::hangup())?;
    let mut ended = pin!(ended);
    let summary = Summary::of(&config)?;
    let mut starting = Box::pin(Node::start(config));
    let started = tokio::select! {
        node = &mut starting => Some(node),
        () = signals.stop() => None,
        // A test that gets no ready line must not take that for a success.
        () = &mut ended => {
            let node = starting.await.map_err(|error| Failure::failed(error.to_string()))?;
            shut_down(node).await?;
            return Err(Failure::failed(
                "standard input is at its end, with which the node ends: keep it open until the node is to end, for example sleep 600 | strongroom test",
            ));
        }
    };
    let node = match started {
        Some(node) => node.map_err(|error| Failure::failed(error.to_string()))?,
        // A long recovery is not waited for: nothing was acknowledged yet, and the next start recovers as well.
        None if matches!(announce, Announce::Line { .. }) => return Ok(()),
        // A test's directory is removed, which must not happen while the start still writes into it.
        None => {
            let node = starting.await.map_err(|error| Failure::failed(error.to_string()))?;
            return shut_down(node).await;
        }
    };
    if let Err(failure) = summary.announce(&node, &announce) {
        // Nobody learnt that the node is ready; it ends as it would on a signal.
        shut_down(node).await?;
        return Err(failure);
    }
    notify(notify::READY);
    loop {
        tokio::select! {
            () = signals.stop() => break,
            () = &mut ended => break,
            // Nothing was served that could be drained.
            error = node.failed() => return Err(Failure::failed(error.to_string())),
            _ = hangup.recv() => match node.reload() {
                Ok(()) if summary.tls => tracing::info!("certificates are read again"),
                Ok(()) => tracing::info!("SIGHUP: there are no certificates to read again"),
                Err(error) => tracing::error!("certificates stay as they were: {error}"),
            },
        }
    }
    notify(notify::STOPPING);
    tracing::info!("draining requests; a second signal ends at once, which loses nothing acknowledged");
    tokio::select! {
        done = shut_down(node) => done,
        () = signals.stop() => Err(Failure::failed("ended by a second signal before requests were drained")),
    }
}

async fn shut_down(node: Node) -> Result<(), Failure> {
    Box::pin(node.shutdown()).await.map_err(|error| Failure::failed(error.to_string()))
}

/// The signals that end a node, installed once for the whole run.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

fn install(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::failed(format!("signals can't be handled: {error}")))
}

impl StopSignals {
    fn install() -> Result<StopSignals, Failure> {
        Ok(StopSignals { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    /// Resolves on SIGTERM or SIGINT.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// What is said of a configuration after the node has taken it.
struct Summary {
    data: PathBuf,
    /// Whether the operator gave root's credentials, which are in no file of the node's then.
    root_is_given: bool,
    region: String,
    durability: Durability,
    loopback_only: bool,
    tls: bool,
    self_signed: bool,
}

impl Summary {
    fn of(config: &Config) -> Result<Summary, Failure> {
        // Absolute, since a reader of the ready line may have another working directory.
        let data = std::path::absolute(&config.data)
            .map_err(|error| Failure::failed(format!("{}: no absolute path: {error}", config.data.display())))?;
        Ok(Summary {
            data,
            root_is_given: config.root_credentials.is_some(),
            region: config.region.clone(),
            durability: config.durability,
            loopback_only: config.listen.iter().all(|listen| listen.address.ip().is_loopback()),
            tls: config.tls.is_some(),
            self_signed: config.tls == Some(Tls::SelfSigned),
        })
    }

    fn announce(&self, node: &Node, announce: &Announce) -> Result<(), Failure> {
        for warning in node.warnings() {
            tracing::warn!("{warning}");
        }
        let credentials = node.root_credentials().map(|root| (root.access_key.as_str(), root.secret_key.as_str()));
        let test = |access_key_id, secret_access_key| TestReady {
            access_key_id,
            secret_access_key,
            region: &self.region,
            durability: self.durability_name(),
        };
        let ready = |test| Ready {
            event: "ready",
            s3: node.s3_url(),
            s3_virtual: node.s3_virtual_url(),
            console: node.console_url(),
            data: self.data.to_string_lossy().into_owned(),
            test,
        };
        let text = match announce {
            Announce::Line { .. } => json_line(&ready(None))?,
            Announce::Test { exports, declared } => {
                let declared =
                    declared.as_ref().map(|(access_key, secret_key)| (access_key.as_str(), secret_key.as_str()));
                let (access_key, secret_key) = credentials.or(declared).ok_or_else(|| {
                    Failure::failed("the bootstrap state gives root an access key but no secret key; declare both")
                })?;
                match exports {
                    true => ready::exports(node.s3_url(), &self.region, access_key, secret_key),
                    false => json_line(&ready(Some(test(access_key, secret_key))))?,
                }
            }
        };
        if let Announce::Line { page } = announce {
            self.explain(node, credentials, *page)?;
        }
        output::print(&text)
    }

    /// A terminal gets the page, with new credentials; a log never gets a secret.
    fn explain(&self, node: &Node, credentials: Option<(&str, &str)>, page: bool) -> Result<(), Failure> {
        let credentials_file = &self.data.join(ROOT_CREDENTIALS_FILE);
        if page {
            // A secret, and only for whoever looks: each call makes another one.
            let link = node.first_link();
            let page = Page {
                data: &self.data,
                s3_urls: node.s3_urls(),
                s3_virtual: node.s3_virtual_url(),
                console: node.console_url(),
                region: &self.region,
                credentials,
                credentials_file,
                root_is_given: self.root_is_given,
                link: link.as_deref(),
                loopback_only: self.loopback_only,
                self_signed: self.self_signed,
            };
            let written = std::io::stderr().lock().write_all(page.text().as_bytes());
            return written.map_err(|error| Failure::failed(format!("standard error can't be written: {error}")));
        }
        tracing::info!(s3 = %node.s3_urls().join(" "), console = node.console_url(), data = %self.data.display(), "serving");
        if let Some((access_key, _)) = credentials {
            match self.root_is_given {
                false => {
                    let file = credentials_file.display();
                    tracing::info!("root's access key is {access_key}; its secret key is in {file}");
                }
                true => tracing::info!("root's access key is {access_key}, as given"),
            }
        }
        Ok(())
    }

    fn durability_name(&self) -> &'static str {
        match self.durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        }
    }
}

fn json_line(ready: &Ready<'_>) -> Result<String, Failure> {
    serde_json::to_string(ready).map_err(|error| Failure::failed(format!("the ready line has no JSON form: {error}")))
}

/// One worker for each processor; blocking threads, which wait for the disk, are bounded, so that a burst of slow reads queues instead of taking a thread each.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("strongroom")
        .enable_all()
        .build()
}

/// More reads than this in flight make no disk faster.
const BLOCKING_THREADS_MAX: usize = 128;

/// Sockets and segments are many, and the usual soft limit of 1,024 open files is for programs that use select(2).
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // The limit stays as it was when the system refuses; connections then wait for free descriptors.
    let _unchanged = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
