//! Turns the settings' texts into the server's [`Config`], checking each.
//!
//! The server takes only typed values; every complaint about a text is made here, where the place that it came from is still known.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use server::config::{
    AuditLog, Config, Durability, Listen, LogRequests, MasterKeyText, Network, RootCredentials, StateSource, Tls,
};
use server::identity::sealed::MasterKey;

use crate::args::Local;
use crate::failure::Failure;
use crate::input::{self, STATE_BYTES_MAX};
use crate::references;
use crate::settings::{Given, Settings, Surroundings, Values};
use crate::size::bytes_of;

/// Form of the log on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The data directory when none is given.
pub(crate) const DATA_DEFAULT: &str = "./strongroom-data";

/// Lays what was given over `config`, which holds the defaults.
///
/// # Errors
/// The first value that is wrong, named by its place, with what is expected there.
pub(crate) fn configure(settings: &Settings, mut config: Config) -> Result<Config, Failure> {
    if let Some(data) = settings.find("data") {
        config.data = path(data, last(data)?)?;
    }
    if let Some(given) = settings.find("listen") {
        let addresses = many(given, |text| address(text, 9000))?;
        config.listen = addresses.into_iter().map(|address| Listen { address, required: true }).collect();
        if config.listen.is_empty() {
            return Err(wrong(given, "no address in it; give at least one, such as 127.0.0.1:9000"));
        }
    }
    if let Some(given) = settings.find("console") {
        config.console = Listen { address: one(given, |text| address(text, 9001))?, required: true };
    }
    if let Some(given) = settings.find("bootstrap") {
        let file = path(given, last(given)?)?;
        let text = input::read_text(&file, STATE_BYTES_MAX)
            .map_err(|error| wrong(given, format!("state file {}: {error}", file.display())))?;
        let name = file.display().to_string();
        config.bootstrap = Some(StateSource { text: references::resolve(&name, &file, text)?, name });
    }
    config.root_credentials = root_credentials(settings)?.or(config.root_credentials);
    if let Some(given) = settings.find("master-key") {
        // The text itself must not reach a terminal or a log.
        let key = last(given)?.to_str().filter(|text| MasterKey::parse(text).is_ok());
        let key = key.ok_or_else(|| wrong(given, "master-key must hold 64 hexadecimal digits, as secret.key does"))?;
        config.master_key = Some(MasterKeyText(key.to_owned()));
    }
    if let Some(given) = settings.find("region") {
        config.region = one(given, region)?;
    }
    if let Some(given) = settings.find("domain") {
        config.domains = many(given, domain)?;
    }
    if let Some(given) = settings.find("external-url") {
        config.external_urls = many(given, external_url)?;
    }
    config.tls = tls(settings)?;
    if let Some(given) = settings.find("trusted-proxy") {
        config.trusted_proxies = many(given, cidr)?;
    }
    if let Some(given) = settings.find("network") {
        config.networks = many(given, network)?;
    }
    if let Some(given) = settings.find("sigv2") {
        config.sigv2 = one(given, |text| choice(text, &[("on", true), ("off", false)]))?;
    }
    if let Some(given) = settings.find("durability") {
        let choices = [("strict", Durability::Strict), ("relaxed", Durability::Relaxed)];
        config.durability = one(given, |text| choice(text, &choices))?;
    }
    if let Some(given) = settings.find("log-requests") {
        let choices = [("denied", LogRequests::Denied), ("all", LogRequests::All)];
        config.log_requests = one(given, |text| choice(text, &choices))?;
    }
    if let Some(given) = settings.find("audit-log") {
        let file = path(given, last(given)?)?;
        config.audit_log = if file == Path::new("off") { AuditLog::Off } else { AuditLog::File(file) };
    }
    switch(settings, "explain-denials", &mut config.explain_denials)?;
    switch(settings, "metrics-public", &mut config.metrics_public)?;
    switch(settings, "allow-network-filesystem", &mut config.allow_network_filesystem)?;
    if let Some(given) = settings.find("scrub-interval") {
        let days = one(given, |text| number(text, 0, 3_650))?;
        config.scrub_interval = (days > 0).then(|| Duration::from_secs(days * 86_400));
    }
    rates(settings, &mut config)?;
    if let Some(given) = settings.find("connections-max") {
        config.limits.connections_max = one(given, |text| number(text, 1, 1_000_000))? as usize;
    }
    for (name, limit) in [
        ("head-timeout", &mut config.limits.head_timeout),
        ("body-idle-timeout", &mut config.limits.body_idle_timeout),
        ("drain-timeout", &mut config.limits.drain_timeout),
    ] {
        if let Some(given) = settings.find(name) {
            *limit = Duration::from_secs(one(given, |text| number(text, 1, 86_400))?);
        }
    }
    Ok(config)
}

/// `--log-format`, which is the program's own and not the node's.
pub(crate) fn log_format(settings: &Settings) -> Result<LogFormat, Failure> {
    let choices = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    settings.find("log-format").map_or(Ok(LogFormat::default()), |given| one(given, |text| choice(text, &choices)))
}

/// The settings of a node on this machine, for commands that speak to it.
pub(crate) fn local_settings(local: &Local) -> Result<Settings, Failure> {
    let data = local.data.as_ref().map(|data| ("data", vec![data.clone().into_os_string()]));
    Settings::load(&Values::from_iter(data), local.config.as_deref(), &Surroundings::of_process())
}

/// The data directory alone, for commands that speak to the node that runs on it.
pub(crate) fn data_directory(settings: &Settings) -> Result<PathBuf, Failure> {
    settings.find("data").map_or(Ok(DATA_DEFAULT.into()), |given| path(given, last(given)?))
}

/// Whether a network file system is accepted, for commands that open a data directory themselves.
pub(crate) fn allows_network_filesystem(settings: &Settings) -> Result<bool, Failure> {
    let mut allowed = false;
    switch(settings, "allow-network-filesystem", &mut allowed)?;
    Ok(allowed)
}

/// `--maintenance-rate` for all work, and the rates of one kind of it. Compaction's takes the place of the common one, which is then given to the others.
fn rates(settings: &Settings, config: &mut Config) -> Result<(), Failure> {
    if let Some(given) = settings.find("maintenance-rate") {
        let mebibytes = one(given, |text| number(text, 0, RATE_BYTES_MAX >> 20))?;
        config.maintenance_bytes_per_second = (mebibytes > 0).then_some(mebibytes << 20);
    }
    let rate = |name: &str| settings.find(name).map(|given| one(given, bytes_per_second)).transpose();
    config.scrub_bytes_per_second = rate("scrub-bytes-per-second")?;
    config.backup_bytes_per_second = rate("backup-bytes-per-second")?;
    if let Some(compaction) = rate("compaction-bytes-per-second")? {
        let common = config.maintenance_bytes_per_second.unwrap_or(0);
        config.scrub_bytes_per_second.get_or_insert(common);
        config.backup_bytes_per_second.get_or_insert(common);
        config.maintenance_bytes_per_second = (compaction > 0).then_some(compaction);
    }
    Ok(())
}

/// The highest rate that is taken: 1 TiB a second.
const RATE_BYTES_MAX: u64 = 1 << 40;

fn bytes_per_second(text: &str) -> Result<u64, &'static str> {
    let bytes = bytes_of(text).filter(|bytes| *bytes <= RATE_BYTES_MAX);
    bytes.ok_or("write a size of at most 1TiB, such as 64MiB or 67108864, or 0 for no bound")
}

/// The console of the node that these settings describe; a node that listens everywhere is asked on loopback.
pub(crate) fn console_url(settings: &Settings) -> Result<String, Failure> {
    let mut address = console_address(settings)?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let scheme = if tls(settings)?.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}

/// Where the console is served with these settings.
fn console_address(settings: &Settings) -> Result<SocketAddr, Failure> {
    let default = Config::new(PathBuf::new()).console.address;
    settings.find("console").map_or(Ok(default), |given| one(given, |text| address(text, 9001)))
}

/// Whether the listeners speak TLS with these settings.
fn tls(settings: &Settings) -> Result<Option<Tls>, Failure> {
    let self_signed = settings.find("tls-self-signed");
    let mut on = false;
    switch(settings, "tls-self-signed", &mut on)?;
    let files = match (settings.find("tls-cert"), settings.find("tls-key")) {
        (None, None) => None,
        (Some(given), None) => return Err(wrong(given, "tls-key is missing; give certificate and key")),
        (None, Some(given)) => return Err(wrong(given, "tls-cert is missing; give certificate and key")),
        (Some(certificate), Some(key)) => {
            let tls = Tls::Files { certificate: path(certificate, last(certificate)?)?, key: path(key, last(key)?)? };
            Some((certificate, tls))
        }
    };
    Ok(match (self_signed.filter(|_| on), files) {
        (None, None) => None,
        (Some(_), None) => Some(Tls::SelfSigned),
        (None, Some((_, files))) => Some(files),
        (Some(switch), Some((certificate, files))) => match switch.layer.cmp(&certificate.layer) {
            std::cmp::Ordering::Less => Some(Tls::SelfSigned),
            std::cmp::Ordering::Greater => Some(files),
            std::cmp::Ordering::Equal => {
                let place = &certificate.place;
                return Err(wrong(switch, format!("{place} is given as well; keep either of them")));
            }
        },
    })
}

fn root_credentials(settings: &Settings) -> Result<Option<RootCredentials>, Failure> {
    let (access, secret) = match (settings.find("root-access-key"), settings.find("root-secret-key")) {
        (None, None) => return Ok(None),
        (Some(given), None) => return Err(wrong(given, "root-secret-key is missing; give both or neither")),
        (None, Some(given)) => return Err(wrong(given, "root-access-key is missing; give both or neither")),
        (Some(access), Some(secret)) => (access, secret),
    };
    let access_key = one(access, |text| {
        // `/`, `,` and `=` separate the parts of an Authorization header.
        let fit = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ',' | '=');
        let good = (3..=128).contains(&text.len()) && text.chars().all(fit);
        good.then(|| text.to_owned())
            .ok_or("an access key has 3 to 128 ASCII characters, none of them /, comma, = or a space")
    })?;
    let secret_key = one(secret, |text| {
        let good = (8..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        good.then(|| text.to_owned()).ok_or("a secret key has 8 to 128 characters")
    });
    // The text itself must not reach a terminal or a log.
    let secret_key = secret_key
        .map_err(|_| wrong(secret, "a secret key has 8 to 128 characters, none of them a control character"))?;
    Ok(Some(RootCredentials { access_key, secret_key }))
}

/// The value of a setting that takes one.
fn last(given: &Given) -> Result<&OsStr, Failure> {
    given.values.last().map(|value| value.as_os_str()).ok_or_else(|| wrong(given, "the value is missing"))
}

fn one<T, E: Into<String>>(given: &Given, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Failure> {
    parse_text(given, last(given)?, &parse)
}

fn many<T, E: Into<String>>(given: &Given, parse: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, Failure> {
    given.values.iter().map(|value| parse_text(given, value, &parse)).collect()
}

fn parse_text<T, E: Into<String>>(
    given: &Given,
    value: &OsStr,
    parse: &impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let text = value.to_str().ok_or_else(|| wrong(given, "the value is not UTF-8"))?;
    parse(text).map_err(|error| {
        let error = error.into();
        wrong(given, if text.len() <= 200 { format!("\"{text}\": {error}") } else { error })
    })
}

fn path(given: &Given, value: &OsStr) -> Result<PathBuf, Failure> {
    if value.is_empty() {
        return Err(wrong(given, "the path is empty"));
    }
    Ok(given.base.as_ref().map_or_else(|| value.into(), |base| base.join(Path::new(value))))
}

fn switch(settings: &Settings, name: &str, value: &mut bool) -> Result<(), Failure> {
    if let Some(given) = settings.find(name) {
        let choices = [
            ("true", true),
            ("false", false),
            ("on", true),
            ("off", false),
            ("yes", true),
            ("no", false),
            ("1", true),
            ("0", false),
        ];
        *value = one(given, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, on)| *on).ok_or("write true or false")
        })?;
    }
    Ok(())
}

fn wrong(given: &Given, error: impl AsRef<str>) -> Failure {
    Failure::usage(format!("{}: {}", given.place, error.as_ref()))
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("write {}", names.join(" or "))
    })
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("write a whole number from {min} to {max}"))
}

fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => format!("the port is missing; write {}", SocketAddr::new(address, port)),
        Err(_) => format!("write an IP address and a port, such as 127.0.0.1:{port} or [::]:{port}"),
    })
}

/// A network in CIDR form, or a single address. Host bits are ignored, as policies do.
fn cidr(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| network.trunc()).ok_or("write a network such as 10.1.0.0/16 or an address")
}

fn network(text: &str) -> Result<Network, &'static str> {
    const FORM: &str = "write CIDR=VPC or CIDR=VPC,VPCE, such as 10.1.0.0/16=vpc-111bbb22";
    let (network, names) = text.split_once('=').ok_or(FORM)?;
    let (vpc, vpce) = match names.split_once(',') {
        Some((vpc, vpce)) => (vpc, Some(vpce)),
        None => (names, None),
    };
    let is_name = |name: &str| {
        (1..=255).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !is_name(vpc) || !vpce.is_none_or(is_name) {
        return Err(FORM);
    }
    Ok(Network { cidr: cidr(network)?, vpc: vpc.into(), vpce: vpce.map(str::to_owned) })
}

fn region(text: &str) -> Result<String, &'static str> {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=64).contains(&text.len()) && text.chars().all(fit);
    good.then(|| text.to_owned())
        .ok_or("a region has 1 to 64 lower-case letters, digits and hyphens, such as us-east-1")
}

/// A host name (RFC 1123), in lower case.
fn domain(text: &str) -> Result<String, &'static str> {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fit);
    let good = text.len() <= 253 && text.split('.').all(label);
    good.then(|| text.to_ascii_lowercase()).ok_or("write a host name without port, such as s3.example.com")
}

/// `http://HOST[:PORT][/PATH]`, without its last slash.
fn external_url(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "write a URL such as https://s3.example.com";
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(FORM)?;
    let fit = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>');
    let good = text.len() <= 2048 && !rest.is_empty() && !rest.starts_with(['/', ':']) && rest.chars().all(fit);
    good.then(|| text.trim_end_matches('/').to_owned()).ok_or(FORM)
}

#[cfg(test)]
mod tests;
