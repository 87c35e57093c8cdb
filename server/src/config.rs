//! What a node is told at its start: every value that `strongroom serve` takes, checked and typed.
//!
//! The command line, the environment and the configuration file all end in this one struct, so that the server itself reads none of them and a test can start a node with nothing but a value.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// The audit log's name in the data directory.
pub const AUDIT_LOG_FILE: &str = "audit.log";

/// Everything a node needs to know before it starts. [`Config::new`] gives the documented defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; created when it is absent.
    pub data: PathBuf,
    /// Where S3 is served. Port 0 takes a free port. Default: 127.0.0.1:9000 and `[::1]:9000`, the latter skipped where the machine has no IPv6.
    pub listen: Vec<Listen>,
    /// Where health, metrics and administration are served. Default: 127.0.0.1:9001.
    pub console: Listen,
    /// Listeners that are bound already, by systemd for instance.
    pub inherited: Inherited,
    /// A state file's text and the name it is reported under: what it declares and the node lacks is created at start.
    pub bootstrap: Option<StateSource>,
    /// Root's access key and secret, when the operator sets them; they then override the stored ones at each start.
    pub root_credentials: Option<RootCredentials>,
    /// The key under which secrets are sealed, where it is kept elsewhere, as in a credential of systemd: `secret.key` is then neither read nor made.
    pub master_key: Option<MasterKeyText>,
    /// The region that signatures must name and buckets report. Default: us-east-1.
    pub region: String,
    /// Domains under which `BUCKET.DOMAIN` is a bucket; `localhost` always is one.
    pub domains: Vec<String>,
    /// URLs that clients use behind a proxy; their hosts are accepted in signatures.
    pub external_urls: Vec<String>,
    /// Certificate chain and key in PEM, or a certificate made at start. None: plain HTTP.
    pub tls: Option<Tls>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that count as a VPC (and VPC endpoint); the longest matching prefix wins.
    pub networks: Vec<Network>,
    /// Whether Signature Version 2 is accepted. Default: true.
    pub sigv2: bool,
    /// Whether an acknowledged write is on stable storage. Default: strict.
    pub durability: Durability,
    /// Where the audit log is. Default: `audit.log` in the data directory.
    pub audit_log: AuditLog,
    /// Which requests are logged. Default: denied and failed ones.
    pub log_requests: LogRequests,
    /// Whether a denial's answer names the deciding statement in `x-strongroom-denied-by`.
    pub explain_denials: bool,
    /// Whether `/metrics` is served to others than loopback peers.
    pub metrics_public: bool,
    /// Whether a network or FUSE file system is accepted for the data directory.
    pub allow_network_filesystem: bool,
    /// How often everything that is stored is read and compared with its checksums. Default: every 30 days.
    pub scrub_interval: Option<Duration>,
    /// How fast compaction copies, in bytes a second; none: as fast as the disk allows. Default: 256 MiB.
    pub maintenance_bytes_per_second: Option<u64>,
    /// How fast a scrub reads, in bytes a second; 0: as fast as the disk allows, none: as fast as compaction copies.
    pub scrub_bytes_per_second: Option<u64>,
    /// How fast a backup copies, likewise.
    pub backup_bytes_per_second: Option<u64>,
    /// Bounds on what clients may hold open.
    pub limits: Limits,
}

/// One listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether the node refuses to start when the address can't be bound. The default `[::1]` address is not required.
    pub required: bool,
}

/// Listeners that somebody else bound, in the place of those that a node binds itself.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// Where S3 is served; when there are any, [`Config::listen`] isn't bound.
    pub s3: Vec<Arc<TcpListener>>,
    /// Where the console is served; when it is there, [`Config::console`] isn't bound.
    pub console: Option<Arc<TcpListener>>,
}

/// A state file that was read: its text, and the name that errors give it.
#[derive(Clone, Debug)]
pub struct StateSource {
    /// Path or other name, for messages.
    pub name: String,
    /// JSON, or TOML when the name ends in `.toml`.
    pub text: String,
}

/// Access key and secret of the first account's root, as the operator gave them.
#[derive(Clone)]
pub struct RootCredentials {
    /// 3 to 128 characters.
    pub access_key: String,
    /// 8 to 128 characters.
    pub secret_key: String,
}

/// The key under which a store's secrets are sealed: 64 hexadecimal digits, as `secret.key` holds them.
#[derive(Clone)]
pub struct MasterKeyText(pub String);

impl std::fmt::Debug for MasterKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKeyText(..)")
    }
}

impl std::fmt::Debug for RootCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RootCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// PEM files, read again on SIGHUP and when they change.
    Files {
        /// Certificate chain, leaf first.
        certificate: PathBuf,
        /// Private key.
        key: PathBuf,
    },
    /// A certificate of the node's own for the names of this machine, made at the first start and kept in the data directory.
    SelfSigned,
}

/// A network that counts as a VPC: `--network CIDR=VPC[,VPCE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The addresses of this network.
    pub cidr: IpNet,
    /// Value of `aws:SourceVpc` for requests from it.
    pub vpc: String,
    /// Value of `aws:SourceVpce`, when it is said.
    pub vpce: Option<String>,
}

impl Config {
    /// The network that a verified client address belongs to: the longest matching prefix.
    pub fn network_of(&self, address: IpAddr) -> Option<&Network> {
        let address = address.to_canonical();
        self.networks.iter().filter(|n| n.cidr.contains(&address)).max_by_key(|n| n.cidr.prefix_len())
    }
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// The record was synced to stable storage before the answer.
    #[default]
    Strict,
    /// Nothing is synced: for data that may be lost, such as a test's.
    Relaxed,
}

/// Where the audit log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditLog {
    /// [`AUDIT_LOG_FILE`] in the data directory.
    InData,
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// Which requests get a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogRequests {
    /// Denied (403) and failed (5xx) ones.
    #[default]
    Denied,
    /// Every request.
    All,
}

/// Bounds on connections and on slow clients.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once, over all listeners; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long a client may take to send a request's head.
    pub head_timeout: Duration,
    /// How long a body may stand still in either direction.
    pub body_idle_timeout: Duration,
    /// How long requests in flight may go on after SIGTERM.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 4096,
            head_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The documented defaults for a data directory.
    pub fn new(data: PathBuf) -> Config {
        let loopback = |text: &str, required| Listen { address: text.parse().expect("a literal address"), required };
        Config {
            audit_log: AuditLog::InData,
            data,
            listen: vec![loopback("127.0.0.1:9000", true), loopback("[::1]:9000", false)],
            console: loopback("127.0.0.1:9001", true),
            inherited: Inherited::default(),
            bootstrap: None,
            root_credentials: None,
            master_key: None,
            region: "us-east-1".into(),
            domains: Vec::new(),
            external_urls: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            networks: Vec::new(),
            sigv2: true,
            durability: Durability::Strict,
            log_requests: LogRequests::Denied,
            explain_denials: false,
            metrics_public: false,
            allow_network_filesystem: false,
            scrub_interval: Some(Duration::from_secs(30 * 86_400)),
            maintenance_bytes_per_second: Some(256 << 20),
            scrub_bytes_per_second: None,
            backup_bytes_per_second: None,
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_matching_network_names_the_vpc() {
        let mut config = Config::new("x".into());
        for (cidr, vpc) in [("10.0.0.0/8", "vpc-wide"), ("10.1.0.0/16", "vpc-narrow")] {
            config.networks.push(Network { cidr: cidr.parse().unwrap(), vpc: vpc.into(), vpce: None });
        }
        let vpc = |ip: &str| config.network_of(ip.parse().unwrap()).map(|n| n.vpc.as_str());
        assert_eq!(vpc("10.1.2.3"), Some("vpc-narrow"));
        assert_eq!(vpc("10.2.2.3"), Some("vpc-wide"));
        assert_eq!(vpc("::ffff:10.2.2.3"), Some("vpc-wide"));
        assert_eq!(vpc("11.0.0.1"), None);
    }
}
