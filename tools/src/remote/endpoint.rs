//! The URL of a node's console, and calls to it, over TLS where it says so.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::failure::Failure;
use crate::http::{Answer, CallError, Request, exchange};

/// Names of a certificate that a message tells.
const NAMES_TOLD_MAX: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Thousands of records take a while to be written.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Where distributions keep the certificates that they trust, the commonest first.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A console's URL.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Without its last slash.
    url: String,
    /// Host with port, as the Host header has it.
    authority: String,
    /// A path in front of the API's, of a proxy.
    base: String,
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// Understands a URL and, for https, reads the certificates that are trusted.
    ///
    /// # Errors
    /// It isn't such a URL, or the certificates can't be read.
    pub(crate) fn open(url: &str, ca: Option<&Path>) -> Result<Endpoint, Failure> {
        let mut endpoint = Endpoint::parse(url)?;
        if url.starts_with("https://") {
            endpoint.tls = Some(trusting(ca)?);
        } else if let Some(ca) = ca {
            return Err(Failure::usage(format!("--ca {}: {url} is not https", ca.display())));
        }
        Ok(endpoint)
    }

    fn parse(url: &str) -> Result<Endpoint, Failure> {
        let wrong = || Failure::usage(wrong_url(url));
        let schemes = [("http://", 80), ("https://", 443)];
        let known = schemes.iter().find_map(|(scheme, port)| Some((*scheme, *port, url.strip_prefix(scheme)?)));
        let (scheme, default_port, rest) = known.ok_or_else(wrong)?;
        let fit = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '"' | '<' | '>' | '\\');
        if rest.len() > 2048 || !rest.chars().all(fit) {
            return Err(wrong());
        }
        // The address of the API leads to it as well as that of its console.
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_suffix("/api/v1").unwrap_or(rest).trim_end_matches('/');
        let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or_else(wrong)?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(wrong)?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| wrong()))?;
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Endpoint {
            url: format!("{scheme}{rest}"),
            authority: authority.to_owned(),
            base: if base.is_empty() { String::new() } else { format!("/{base}") },
            host: host.to_owned(),
            port,
            tls: None,
        })
    }

    /// Host with port, as the Host header has it.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether what is sent can be read by others on the way.
    pub(super) fn is_in_the_clear(&self) -> bool {
        let is_loopback = self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        self.tls.is_none() && !is_loopback
    }

    /// Whether there is a path in the URL.
    pub(crate) fn has_path(&self) -> bool {
        !self.base.is_empty()
    }

    /// Makes a call of the API.
    ///
    /// # Errors
    /// As [`Endpoint::call_within`].
    pub(super) fn call(&self, request: Request<'_>) -> Result<Answer, Failure> {
        self.call_within(request, CONNECT_TIMEOUT, ANSWER_TIMEOUT)
    }

    /// Makes a call, with time to connect and to wait for each part of the answer; its target is below the URL, its host that of the URL.
    ///
    /// # Errors
    /// Nobody is there in time, or the peer is no node, or not one that is trusted.
    pub(crate) fn call_within(
        &self,
        request: Request<'_>,
        connect: Duration,
        answer: Duration,
    ) -> Result<Answer, Failure> {
        let target = format!("{}{}", self.base, request.target);
        let request = Request { target: &target, host: &self.authority, ..request };
        let failed = |error: CallError| {
            Failure::failed(format!("{self}: {error}; is the node running, and is this the URL of a node's console?"))
        };
        let address = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let stream = connect_host(&address, connect, answer).map_err(failed)?;
        match &self.tls {
            None => exchange(stream, request).map_err(failed),
            Some(config) => exchange(self.secure(config, stream)?, request).map_err(failed),
        }
    }

    /// Shakes hands.
    fn secure(&self, config: &Arc<ClientConfig>, mut stream: TcpStream) -> Result<TlsStream, Failure> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Failure::usage(format!("endpoint {self}: {} is no host name", self.host)))?;
        let mut connection = ClientConnection::new(config.clone(), name)
            .map_err(|error| Failure::failed(format!("{self}: no TLS: {error}")))?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut stream) {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                let message = match inner {
                    Some(rustls::Error::InvalidCertificate(why)) => format!("{self}: {}", distrusted(why, &self.host)),
                    _ => format!("{self}: no TLS: {error}; does it speak http?"),
                };
                return Err(Failure::failed(message));
            }
        }
        Ok(TlsStream(StreamOwned::new(connection, stream)))
    }
}

/// Connects to `HOST:PORT`, at the first of its addresses that answers.
fn connect_host(address: &str, connect: Duration, answer: Duration) -> Result<TcpStream, CallError> {
    let mut last = CallError::Absent;
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, connect) {
            Ok(stream) => {
                stream.set_read_timeout(Some(answer))?;
                stream.set_write_timeout(Some(answer))?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// What is said of a text that is no URL of a console. One with a sign-in in it may hold a password, which isn't repeated.
fn wrong_url(url: &str) -> String {
    match url.rsplit_once('@') {
        None => format!("endpoint {url}: write a URL such as https://nas.example:9001"),
        Some((_, rest)) => format!(
            "endpoint ...@{rest}: write a URL without a sign-in, such as https://nas.example:9001, and name who signs in with --user or --access-key"
        ),
    }
}

/// Why a certificate isn't taken, and what helps.
fn distrusted(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it on the node, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; set this machine's clock, or the node's".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let presented = match why {
                CertificateError::NotValidForNameContext { presented, .. } => presented.as_slice(),
                _ => &[],
            };
            // The library writes `DnsName("nas.example")` and `IpAddress(10.0.0.1)`.
            let bare = |name: &String| {
                let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner);
                inner.trim_end_matches(')').trim_matches('"').to_owned()
            };
            let mut names: Vec<String> = presented.iter().take(NAMES_TOLD_MAX).map(bare).collect();
            if presented.len() > names.len() {
                names.push("...".to_owned());
            }
            let names = if names.is_empty() { "other names".to_owned() } else { names.join(", ") };
            format!("its certificate is not for {host}, but for {names}; write a name that it has into the URL")
        }
        CertificateError::UnknownIssuer => {
            "its certificate is not trusted (unknown issuer); name the one that it was signed by with --ca FILE"
                .to_owned()
        }
        why => format!("its certificate is not trusted ({why:?}); name the one that it was signed by with --ca FILE"),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// A connection whose end without a goodbye is an end: the length of an answer is told by its head.
struct TlsStream(StreamOwned<ClientConnection, TcpStream>);

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A client that trusts the certificates of a file, else those of the system.
fn trusting(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let file = match ca {
        Some(file) => file.to_path_buf(),
        None => system_certificates()?,
    };
    let unreadable = |error: String| Failure::usage(format!("certificates in {}: {error}", file.display()));
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(format!("can't be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold old ones that can't be used; a file that was named must have one that can.
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(unreadable("none is there in PEM form".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::failed(format!("no TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn system_certificates() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
    let known = || SYSTEM_CERTIFICATES.iter().map(PathBuf::from).find(|file| file.is_file());
    named.or_else(known).ok_or_else(|| {
        Failure::usage(
            "this system has no file of trusted certificates: install ca-certificates, or name one with --ca",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_host_port_and_a_path_in_front() {
        let parts = |url: &str| {
            Endpoint::parse(url).map(|it| format!("{} {} {} {}", it.host, it.port, it.authority, it.base)).ok()
        };
        assert_eq!(parts("http://nas:9001/").as_deref(), Some("nas 9001 nas:9001 "));
        assert_eq!(parts("https://nas").as_deref(), Some("nas 443 nas "));
        assert_eq!(parts("http://[::1]:9001/store/").as_deref(), Some("::1 9001 [::1]:9001 /store"));
        assert_eq!(parts("https://nas/store/api/v1/").as_deref(), Some("nas 443 nas /store"));
        assert_eq!(Endpoint::parse("https://nas:9001/api/v1").unwrap().to_string(), "https://nas:9001");
        for wrong in [
            "nas:9001",
            "http://",
            "http://:9001",
            "http://a b",
            "http://u@nas",
            "http://nas:x",
            "http://[::1",
            "http://a/?q",
            "ftp://a",
            "http://a\r\nb: c",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
        let told = Endpoint::parse("https://eve:hush@hush@nas:9001/").unwrap_err().to_string();
        assert!(told.starts_with("endpoint ...@nas:9001/: ") && told.contains("--user"), "{told}");
    }

    #[test]
    fn a_certificate_that_is_not_taken_says_why_and_what_helps() {
        let names = |presented: Vec<String>| {
            let expected = ServerName::try_from("10.0.0.7").unwrap();
            distrusted(&CertificateError::NotValidForNameContext { expected, presented }, "10.0.0.7")
        };
        let told = "its certificate is not for 10.0.0.7, but for ";
        assert_eq!(
            names(vec!["DnsName(\"nas.example\")".into(), "IpAddress(10.0.0.1)".into()]),
            format!("{told}nas.example, 10.0.0.1; write a name that it has into the URL")
        );
        assert!(
            names((0..9).map(|i| format!("DnsName(\"n{i}\")")).collect())
                .starts_with(&format!("{told}n0, n1, n2, n3, n4, ...;"))
        );
        assert!(names(Vec::new()).starts_with(&format!("{told}other names;")));
        assert!(distrusted(&CertificateError::Expired, "nas").contains("has expired; renew it"));
        assert!(distrusted(&CertificateError::UnknownIssuer, "nas").ends_with("with --ca FILE"));
    }

    #[test]
    fn only_loopback_and_tls_keep_a_secret() {
        for (url, clear) in [
            ("http://nas:9001", true),
            ("http://10.0.0.1", true),
            ("http://localhost:9001", false),
            ("http://[::1]:1", false),
            ("http://127.0.0.2", false),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().is_in_the_clear(), clear, "{url}");
        }
    }
}
