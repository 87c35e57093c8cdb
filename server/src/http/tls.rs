//! TLS for both listeners: a certificate from files, read again when they change, or one made at start.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Tls;

/// The certificate in use, swapped whole when its files change; connections that are open keep theirs.
pub struct Certificates {
    current: ArcSwap<ServerConfig>,
    files: Option<(PathBuf, PathBuf)>,
}

impl Certificates {
    /// Reads or makes the certificate; the error says which file is at fault.
    pub fn load(tls: &Tls, addresses: &[IpAddr], domains: &[String]) -> Result<Certificates, String> {
        match tls {
            Tls::Files { certificate, key } => Ok(Certificates {
                current: ArcSwap::new(from_files(certificate, key)?),
                files: Some((certificate.clone(), key.clone())),
            }),
            Tls::SelfSigned => {
                Ok(Certificates { current: ArcSwap::new(self_signed(addresses, domains)?), files: None })
            }
        }
    }

    /// Reads the files again; when they don't parse the old certificate stays in use.
    pub fn reload(&self) -> Result<(), String> {
        if let Some((certificate, key)) = &self.files {
            self.current.store(from_files(certificate, key)?);
        }
        Ok(())
    }

    /// The newest modification of the files, to notice a change.
    pub fn modified(&self) -> Option<SystemTime> {
        let (certificate, key) = self.files.as_ref()?;
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

fn self_signed(addresses: &[IpAddr], domains: &[String]) -> Result<Arc<ServerConfig>, String> {
    let mut names = vec!["localhost".to_owned(), "*.localhost".to_owned()];
    names.extend(addresses.iter().filter(|a| !a.is_unspecified()).map(ToString::to_string));
    names.extend(domains.iter().flat_map(|domain| [domain.clone(), format!("*.{domain}")]));
    names.sort();
    names.dedup();
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| format!("no certificate could be made: {e}"))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    config(vec![made.cert.der().clone()], key).map_err(|e| format!("no certificate could be made: {e}"))
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
