//! Certificates and keys in files, and the TLS of a port.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of certificates or of a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct BadPem {
    pub path: PathBuf,
    pub why: String,
}

impl BadPem {
    pub(crate) fn new(path: &Path, why: impl fmt::Display) -> BadPem {
        BadPem { path: path.to_owned(), why: why.to_string() }
    }
}

/// What a port that speaks TLS shows, and what it asks of its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFiles {
    /// PEM certificates: the port's own, then those that it is issued by.
    pub certificate: PathBuf,
    /// Its key, which may be in the same file.
    pub key: PathBuf,
    /// PEM certificates of those who issue the ones that clients must show; without, clients show none.
    pub authorities: Option<PathBuf>,
}

impl PortFiles {
    /// Reads the files, and sees that they belong together.
    pub fn load(&self) -> Result<Arc<ServerConfig>, BadPem> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the cipher suites of TLS 1.2 and 1.3");
        let builder = match &self.authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(path)?);
                // Fails for want of roots only.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|_| BadPem::new(path, "none of its certificates can be read"))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = (certificates(&self.certificate)?, private_key(&self.key)?);
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| BadPem::new(&self.key, format!("does not go with the certificate: {error}")))?;
        // A client that can speak nothing else is told so during the handshake.
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let text = std::fs::read(path).map_err(|error| BadPem::new(path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(BadPem::new(path, "no certificate in PEM form")),
        Ok(found) => Ok(found),
        Err(error) => Err(BadPem::new(path, error)),
    }
}

/// The first private key of a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BadPem> {
    let text = std::fs::read(path).map_err(|error| BadPem::new(path, error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let is_locked = text.windows(9).any(|part| part == b"ENCRYPTED");
        let why =
            if is_locked { "the key is encrypted; decrypt it with openssl pkey" } else { "no private key in PEM form" };
        BadPem::new(path, format!("{why} ({error})"))
    })
}

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
