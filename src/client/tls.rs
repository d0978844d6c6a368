//! TLS: whom a task trusts and who it is itself, and the connection over a socket of ours.

use super::connection::TlsStream;
use super::error::{ClientError, Phase};
use super::socket::Flagged;
use crate::tls::{BadPem, certificates, private_key, provider};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls::{ConfigBuilder, StreamOwned, WantsVerifier};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Where distributions keep the certificates that their administrator trusts (Debian and its kin, Red Hat and its kin,
/// Alpine and the BSDs).
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Files of `SSLCACertificatesPath` that are read.
const FOLDER_FILES_MAX: usize = 10_000;

/// How a task's https pages are had. The default trusts the certificate authorities of Mozilla, which are built in, and
/// those of the system, in which an administrator puts the company's own.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    pub enabled: Enabled,
    pub check: Check,
    pub trust: Trust,
    pub identity: Option<Identity>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enabled {
    #[default]
    Yes,
    /// `SSLMethod=NONE`: a page on https cannot be had.
    No,
}

/// What is asked of a server's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Check {
    #[default]
    Whole,
    /// That somebody who is trusted has issued it, for whatever name.
    IssuerOnly,
    /// Nothing: the connection is protected from those who listen, not from those who answer in the server's place.
    Nothing,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    #[default]
    Public,
    /// Those issued by one of these, and these themselves, as a server has one that it signed for itself.
    Only(Arc<Vec<CertificateDer<'static>>>),
}

/// The certificate that a task shows to a server that asks for one.
#[derive(Clone)]
pub struct Identity(Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>);

impl Trust {
    /// Reads PEM certificates from `file`, and from all files of `folder` that hold some.
    pub fn read(file: Option<&Path>, folder: Option<&Path>) -> Result<Trust, BadPem> {
        let mut trusted = match file {
            Some(file) => certificates(file)?,
            None => Vec::new(),
        };
        if let Some(folder) = folder {
            let entries = std::fs::read_dir(folder).map_err(|error| BadPem::new(folder, error))?;
            let before = trusted.len();
            for entry in entries.take(FOLDER_FILES_MAX) {
                let path = entry.map_err(|error| BadPem::new(folder, error))?.path();
                if path.is_file() {
                    // A folder of certificates also holds keys and notes.
                    trusted.extend(certificates(&path).unwrap_or_default());
                }
            }
            if trusted.len() == before {
                return Err(BadPem::new(folder, "no file in it holds a certificate in PEM form"));
            }
        }
        // A certificate that no chain can end in is useless, and better told now.
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(trusted.iter().cloned());
        match file.or(folder) {
            Some(path) if usable == 0 => Err(BadPem::new(path, "none of its certificates can be read")),
            _ => Ok(Trust::Only(Arc::new(trusted))),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        match self {
            Trust::Only(trusted) => {
                roots.add_parsable_certificates(trusted.iter().cloned());
            }
            Trust::Public => {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
                let bundle = named.or_else(|| SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()));
                match bundle.as_deref().map(certificates) {
                    Some(Ok(system)) => {
                        roots.add_parsable_certificates(system);
                    }
                    Some(Err(error)) => log::warn!("certificates of the system are not used: {error}"),
                    None => {}
                }
            }
        }
        roots
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        matches!(self, Trust::Only(trusted) if trusted.iter().any(|one| one.as_ref() == certificate.as_ref()))
    }
}

impl Identity {
    /// Reads a PEM certificate with those it is issued by, and its key. Both may be in one file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Identity, BadPem> {
        let chain = certificates(certificate)?;
        let private = private_key(key)?;
        // Asked now, as nothing can be said later: whether the two belong together.
        builder()
            .with_root_certificates(RootCertStore::empty())
            .with_client_auth_cert(chain.clone(), private.clone_key())
            .map_err(|error| BadPem::new(key, format!("does not go with the certificate: {error}")))?;
        Ok(Identity(Arc::new((chain, private))))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows the cipher suites of TLS 1.2 and 1.3")
}

/// Agrees on TLS over connected sockets.
pub(super) struct TlsConnector {
    tls: Tls,
    /// Made for the first https page: reading the system's certificates takes milliseconds.
    config: OnceLock<Arc<ClientConfig>>,
}

impl TlsConnector {
    pub(super) fn new(tls: Tls) -> TlsConnector {
        TlsConnector { tls, config: OnceLock::new() }
    }

    /// The handshake with `host`, an address without brackets, to be over at the deadline of `tcp`.
    pub(super) fn connect(&self, host: &str, tcp: Flagged) -> Result<TlsStream, ClientError> {
        let refused = |source: Box<dyn Error + Send + Sync>| ClientError::Tls { host: host.to_owned(), source };
        if self.tls.enabled == Enabled::No {
            return Err(refused("SSLMethod is NONE, so no page is fetched over https".into()));
        }
        let config = self.config.get_or_init(|| Arc::new(config(&self.tls)));
        let name = ServerName::try_from(host.to_owned()).map_err(|error| refused(error.into()))?;
        let conn = ClientConnection::new(Arc::clone(config), name).map_err(|error| refused(error.into()))?;
        let mut stream = StreamOwned::new(conn, tcp);
        stream.conn.complete_io(&mut stream.sock).map_err(|error| tls_error(error, host))?;
        Ok(stream)
    }
}

fn config(tls: &Tls) -> ClientConfig {
    let verified = builder().dangerous().with_custom_certificate_verifier(Arc::new(Verifier::new(tls)));
    let Some(Identity(identity)) = &tls.identity else {
        return verified.with_no_client_auth();
    };
    let (chain, key) = &**identity;
    verified.with_client_auth_cert(chain.clone(), key.clone_key()).expect("the identity was tried when it was read")
}

/// Sorts what the handshake can come to. A refused certificate arrives wrapped in an I/O error.
fn tls_error(error: io::Error, host: &str) -> ClientError {
    if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) {
        return ClientError::Tls { host: host.to_owned(), source: Box::new(error) };
    }
    ClientError::of_io(error, Phase::Tls)
}

/// The usual verifier, with what a task asks less of it, or trusts beyond.
#[derive(Debug)]
struct Verifier {
    /// `None` if nobody is trusted to issue certificates.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    check: Check,
    trust: Trust,
}

impl Verifier {
    fn new(tls: &Tls) -> Verifier {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let webpki = match tls.check {
            Check::Nothing => None,
            // Fails for want of roots only.
            _ => WebPkiServerVerifier::builder_with_provider(Arc::new(tls.trust.roots()), provider).build().ok(),
        };
        Verifier { webpki, algorithms, check: tls.check, trust: tls.trust.clone() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        // Named by the task itself: nobody else has to vouch for it.
        if self.trust.is_pinned(end_entity) {
            if self.check == Check::Whole {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let Some(webpki) = &self.webpki else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        match webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is what is looked at last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::IssuerOnly => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
