//! The admin API of a node: through the socket in its data directory, or at an endpoint, signed.
//!
//! A secret is never sent: calls to an endpoint carry a signature (Signature Version 4, service `strongroom`), so that plain HTTP to a node on a trusted network gives none away.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use server::auth::SigningKey;
use server::identity::sealed::SecretKey;
use sha2::{Digest, Sha256};

use crate::admin::{Answer, Request, call_host, call_node, exchange};
use crate::answer::{accepted, not_understood};
use crate::args::Local;
use crate::configure;
use crate::failure::Failure;
use crate::health;
use crate::input::{self, SECRET_BYTES_MAX};
use crate::nouns::Target;

/// How long an endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Where Debian, Fedora, Alpine and FreeBSD keep the certificates of the system.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];
const CERTIFICATES_BYTES_MAX: u64 = 16 << 20;
const CREDENTIALS_BYTES_MAX: u64 = 1 << 20;

/// A node whose admin API is called.
pub(crate) struct Node {
    way: Way,
    account: Option<String>,
}

enum Way {
    Socket { data: PathBuf, console: String },
    Endpoint { url: String, authority: String, certificates: Option<Option<PathBuf>>, credentials: Credentials },
}

enum Credentials {
    Key { access_key: String, secret: SecretKey, region: String },
    Token(String),
}

impl Node {
    /// The node that the flags mean.
    ///
    /// # Errors
    /// The flags or the credentials can't be used.
    pub(crate) fn find(target: &Target) -> Result<Node, Failure> {
        let way = match &target.endpoint {
            None => {
                let local = Local { data: target.data.clone(), config: target.config.clone() };
                let settings = configure::local_settings(&local)?;
                let data = configure::data_directory(&settings)?;
                Way::Socket { data, console: health::own_url(&settings)? }
            }
            Some(url) => {
                let (authority, secure) = split(url)?;
                let certificates = secure.then(|| target.ca_cert.clone());
                Way::Endpoint { url: url.clone(), authority, certificates, credentials: credentials(target)? }
            }
        };
        Ok(Node { way, account: target.account.clone() })
    }

    /// Makes a call; `what` names in messages what it is about. The path is below `/api/v1`, its parts encoded.
    ///
    /// # Errors
    /// The node's refusal, or why there is no answer.
    pub(crate) fn call(
        &self,
        what: &str,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(String, Option<String>), Failure> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = [("content-type", "application/json")];
        let answer = self.send(method, &format!("/api/v1{path}"), query, &headers, body.as_bytes())?;
        let next = answer.next_cursor.clone();
        accepted(answer, what).map(|text| (text, next))
    }

    /// Makes a call whose answer is JSON.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub(crate) fn json(&self, what: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (text, _) = self.call(what, method, path, &[], body)?;
        if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).map_err(|error| not_understood(&error))
        }
    }

    /// The console's URL: the endpoint, or what the settings of a node on this machine say.
    pub(crate) fn console(&self) -> &str {
        match &self.way {
            Way::Socket { console, .. } => console,
            Way::Endpoint { url, .. } => url.trim_end_matches('/'),
        }
    }

    /// Makes a call and gives its answer as it is, a refusal too.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let account = self.account.as_deref().map(|account| ("account", account));
        let mut pairs: Vec<String> =
            query.iter().copied().chain(account).map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        pairs.sort();
        let target = if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
        match &self.way {
            Way::Socket { data, .. } => {
                call_node(data, Request { method, target: &target, host: "strongroom", headers, body })
            }
            Way::Endpoint { url, authority, certificates, credentials } => {
                let own = credentials.headers(method, path, &pairs.join("&"), authority, body)?;
                let all: Vec<(&str, &str)> =
                    headers.iter().copied().chain(own.iter().map(|(name, value)| (*name, value.as_str()))).collect();
                let request = Request { method, target: &target, host: authority, headers: &all, body };
                let answer = match certificates {
                    None => call_host(&with_port(authority, 80), request, TIMEOUT).map_err(|error| error.to_string()),
                    Some(file) => call_over_tls(authority, file.as_deref(), request)?,
                };
                answer.map_err(|error| Failure::failed(format!("{url}: {error}; is this the node's console address?")))
            }
        }
    }
}

impl Credentials {
    fn headers(
        &self,
        method: &str,
        path: &str,
        query: &str,
        host: &str,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        let (access_key, secret, region) = match self {
            Credentials::Token(token) => return Ok(vec![("authorization", format!("Bearer {token}"))]),
            Credentials::Key { access_key, secret, region } => (access_key, secret, region),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_err(|_| Failure::failed("this machine's clock is before 1970: set it"))?.as_secs();
        let date = compact_date(seconds);
        let day = &date[..8];
        let hash = hex(&Sha256::digest(body));
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{date}\n\nhost;x-amz-content-sha256;x-amz-date\n{hash}"
        );
        let scope = format!("{day}/{region}/strongroom/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let signature = hex(&SigningKey::derive(secret, day, region, "strongroom").sign(text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
        );
        Ok(vec![("authorization", authorization), ("x-amz-date", date), ("x-amz-content-sha256", hash)])
    }
}

/// Percent-encodes what isn't unreserved (RFC 3986), for one part of a path or query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Host and port of a URL, and whether it is served over TLS.
fn split(url: &str) -> Result<(String, bool), Failure> {
    let wrong = || Failure::usage(format!("--endpoint {url}: name a console URL such as http://127.0.0.1:9001"));
    let (rest, secure) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Err(wrong()),
    };
    let authority = rest.trim_end_matches('/');
    let fits = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']);
    if fits { Ok((authority.to_owned(), secure)) } else { Err(wrong()) }
}

fn with_port(authority: &str, port: u16) -> String {
    let after_address = authority.rsplit(']').next().unwrap_or(authority);
    if after_address.contains(':') { authority.to_owned() } else { format!("{authority}:{port}") }
}

fn call_over_tls(
    authority: &str,
    file: Option<&Path>,
    request: Request<'_>,
) -> Result<Result<Answer, String>, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    let found = file.map(Path::to_path_buf);
    let found = found.or_else(|| SYSTEM_CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let path = found.ok_or_else(|| Failure::usage("this system has no certificates: name some with --ca-cert"))?;
    let wrong = |why: &str| Failure::usage(format!("certificates {}: {why}", path.display()));
    let text = input::read_text(&path, CERTIFICATES_BYTES_MAX).map_err(|error| wrong(&error))?;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        // Bundles of systems hold old ones that can't be used as roots.
        let certificate = certificate.map_err(|_| wrong("is not PEM"))?;
        let _ = roots.add(certificate);
    }
    let address = with_port(authority, 443);
    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Failure::usage(format!("--endpoint: {host} is not a host name")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection =
        rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(connect(&address).and_then(|stream| {
        let mut stream = rustls::StreamOwned::new(connection, stream);
        stream.flush().map_err(|error| error.to_string())?;
        exchange(stream, request).map_err(|error| error.to_string())
    }))
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for address in address.to_socket_addrs().map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                let limited =
                    stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.set_write_timeout(Some(TIMEOUT)));
                return limited.map(|()| stream).map_err(|error| error.to_string());
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// What calls to an endpoint are signed with: the profile that is named, else the environment, else the profile `default`.
fn credentials(target: &Target) -> Result<Credentials, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region =
        variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".into());
    let key = |access_key: String, secret: &str, place: &str| {
        let secret =
            SecretKey::parse(secret).map_err(|_| Failure::usage(format!("{place}: the secret key can't be used")))?;
        Ok(Credentials::Key { access_key, secret, region: region.clone() })
    };
    if target.profile.is_none() {
        if let Some(token) = variable("STRONGROOM_TOKEN") {
            return Ok(Credentials::Token(token));
        }
        if let (Some(access_key), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            return key(access_key, &secret, "AWS_SECRET_ACCESS_KEY");
        }
    }
    let profile = target.profile.as_deref().unwrap_or("default");
    let path = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let path = path.or_else(|| Some(Path::new(&variable("HOME")?).join(".aws/credentials")));
    let path = path
        .ok_or_else(|| Failure::usage("there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))?;
    let text = input::read_text(&path, CREDENTIALS_BYTES_MAX).map_err(|error| {
        Failure::usage(format!(
            "credentials {}: {error}; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            path.display()
        ))
    })?;
    let value = |name: &str| profile_value(&text, profile, name);
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(access_key), Some(secret)) => key(access_key.to_owned(), secret, &path.display().to_string()),
        _ => Err(Failure::usage(format!("{} has no profile {profile:?} with a key and its secret", path.display()))),
    }
}

/// A value of a profile in a file of the AWS command line's form.
fn profile_value<'a>(text: &'a str, profile: &str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != format!("[{profile}]"));
    lines.next()?;
    let own = lines.take_while(|line| !line.starts_with('['));
    own.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// A secret in a file, without the end of its line.
///
/// # Errors
/// The file can't be read.
pub(crate) fn secret_of(path: &Path) -> Result<String, Failure> {
    let text = input::read_text(path, SECRET_BYTES_MAX);
    let text = text.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// `20261122T051800Z` of seconds since 1970 (Howard Hinnant's days to civil, <https://howardhinnant.github.io/date_algorithms.html>).
fn compact_date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_795_324_680, "20261122T051800Z"),
        ] {
            assert_eq!(compact_date(seconds), date);
        }
    }

    #[test]
    fn a_profile_s_values_are_its_own() {
        let text =
            "[default]\naws_access_key_id = AKONE\n[nas]\naws_access_key_id=AKTWO\naws_secret_access_key = s=/+x \n";
        assert_eq!(profile_value(text, "nas", "aws_access_key_id"), Some("AKTWO"));
        assert_eq!(profile_value(text, "nas", "aws_secret_access_key"), Some("s=/+x"));
        assert_eq!(profile_value(text, "default", "aws_secret_access_key"), None);
        assert_eq!(profile_value(text, "none", "aws_access_key_id"), None);
    }

    #[test]
    fn endpoints_are_console_urls() {
        assert_eq!(split("http://127.0.0.1:9001/").unwrap(), ("127.0.0.1:9001".into(), false));
        assert_eq!(split("https://nas").unwrap(), ("nas".into(), true));
        assert_eq!(
            (with_port("nas", 443), with_port("[::1]", 80), with_port("nas:1", 443)),
            ("nas:443".into(), "[::1]:80".into(), "nas:1".into())
        );
        for bad in ["nas:9001", "ftp://nas", "http://", "http://nas/api"] {
            assert!(split(bad).is_err(), "{bad}");
        }
        assert_eq!(encoded("read only/ä"), "read%20only%2F%C3%A4");
    }
}
