//! TLS for both listeners: a certificate from files, read again when they change.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::self_signed;
use crate::config::{Config, Tls};

/// The certificate in use, swapped whole when its files change; connections that are open keep theirs.
pub struct Certificates {
    current: ArcSwap<ServerConfig>,
    files: (PathBuf, PathBuf),
}

impl Certificates {
    /// Reads the certificate, or that of the node's own; the error says which file is at fault.
    pub fn load(tls: &Tls, config: &Config, addresses: &[IpAddr]) -> Result<Certificates, String> {
        let (certificate, key) = match tls {
            Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
            Tls::SelfSigned => {
                let domains = config.domains.iter().flat_map(|domain| [domain.clone(), format!("*.{domain}")]);
                let outside = config.external_urls.iter().filter_map(|url| host_of(url));
                self_signed::files(&config.data, &self_signed::names(addresses, domains.chain(outside)))?
            }
        };
        let current = ArcSwap::new(from_files(&certificate, &key)?);
        Ok(Certificates { current, files: (certificate, key) })
    }

    /// Reads the files again; when they don't parse the old certificate stays in use.
    pub fn reload(&self) -> Result<(), String> {
        let (certificate, key) = &self.files;
        self.current.store(from_files(certificate, key)?);
        Ok(())
    }

    /// The newest modification of the files, to notice a change.
    pub fn modified(&self) -> Option<SystemTime> {
        let (certificate, key) = &self.files;
        let modified = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        modified(certificate).max(modified(key))
    }

    /// The acceptor for a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

/// The version of a TLS connection as `s3:TlsVersion` has it.
pub(super) fn version(stream: &TlsStream<TcpStream>) -> Option<&'static str> {
    Some(match stream.get_ref().1.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_2 => "1.2",
        rustls::ProtocolVersion::TLSv1_3 => "1.3",
        _ => return None,
    })
}

fn from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|e| format!("the certificate {} can't be read: {e}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("{} holds no certificate in PEM form", certificate.display()));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|e| format!("the key {} can't be read: {e}", key.display()))?;
    config(chain, private).map_err(|e| format!("{} and {} don't fit: {e}", certificate.display(), key.display()))
}

/// The host of a URL, without its port.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase())
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
