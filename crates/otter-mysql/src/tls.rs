//! The encrypted line: rustls with aws-lc-rs, in the four modes of the URL.
//!
//! Separate because trust is decided here and nowhere else. Nothing here falls back to a weaker
//! mode than the URL asks for.

use std::sync::Arc;

use otter_core::database_url::{DatabaseUrl, SslMode};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ConnectionError;

mod error;
mod verify;

pub use error::TlsError;
use verify::{ChainOnly, Unverified};

/// Encrypts a line as the URL asks.
///
/// # Errors
/// [`ConnectionError::File`], [`ConnectionError::Tls`] or [`ConnectionError::Broken`].
pub(super) async fn upgrade(
    stream: TcpStream,
    url: &DatabaseUrl,
) -> Result<TlsStream<TcpStream>, ConnectionError> {
    let config = config(url).await?;
    let name = match ServerName::try_from(url.host().to_owned()) {
        Ok(name) => name,
        // Only verify-identity looks at the name; the others may well connect to a host whose
        // name no certificate can hold.
        Err(_) if url.ssl_mode() != SslMode::VerifyIdentity => {
            let peer = stream.peer_addr().map_err(|source| ConnectionError::Broken {
                address: url.address(),
                source: Some(source),
            })?;
            ServerName::IpAddress(peer.ip().into())
        }
        Err(_) => {
            let source = TlsError::WrongName { host: url.host().to_owned() };
            return Err(ConnectionError::Tls { address: url.address(), source });
        }
    };
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| TlsError::classify(error, url))
}

/// Reading certificates is blocking work: about ten milliseconds for the machine's own.
async fn config(url: &DatabaseUrl) -> Result<ClientConfig, ConnectionError> {
    let (mode, ca) = (url.ssl_mode(), url.ssl_ca().map(ToOwned::to_owned));
    let address = url.address();
    let build = move || build(mode, ca, &address);
    match tokio::task::spawn_blocking(build).await {
        Ok(config) => config,
        // The runtime is being shut down.
        Err(_) => Err(ConnectionError::Broken { address: url.address(), source: None }),
    }
}

fn build(
    mode: SslMode,
    ca: Option<String>,
    address: &str,
) -> Result<ClientConfig, ConnectionError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = |source| ConnectionError::Tls { address: address.to_owned(), source };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(TlsError::Other(error)))?;
    let mut config = match mode {
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => {
            let verifier = Arc::new(Unverified::new(&provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        SslMode::VerifyCa => {
            let (roots, certificates) =
                roots(ca).map_err(|error| error.into_connection(address))?;
            let verifier = Arc::new(ChainOnly::new(roots, certificates, &provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        SslMode::VerifyIdentity => {
            let (roots, _) = roots(ca).map_err(|error| error.into_connection(address))?;
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    // A replication line is opened once and lives for weeks.
    config.resumption = Resumption::disabled();
    Ok(config)
}

enum RootsError {
    File { path: String, problem: String },
    NoneOnThisMachine,
}

impl RootsError {
    fn into_connection(self, address: &str) -> ConnectionError {
        match self {
            Self::File { path, problem } => {
                ConnectionError::File { parameter: "ssl-ca", path, problem }
            }
            Self::NoneOnThisMachine => {
                ConnectionError::Tls { address: address.to_owned(), source: TlsError::NoRoots }
            }
        }
    }
}

/// The trusted certificates: those of `ssl-ca`, which are also returned as they are, else the
/// machine's.
fn roots(ca: Option<String>) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), RootsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(RootsError::NoneOnThisMachine);
        }
        return Ok((roots, Vec::new()));
    };
    let file = |problem: String| RootsError::File { path: path.clone(), problem };
    let certificates = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file(error.to_string()))?;
    if certificates.is_empty() {
        return Err(file("it holds no certificate".to_owned()));
    }
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| file(error.to_string()))?;
    }
    Ok((roots, certificates))
}

/// The signature algorithms of the provider, for the verifiers.
fn algorithms(provider: &CryptoProvider) -> rustls::crypto::WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}
