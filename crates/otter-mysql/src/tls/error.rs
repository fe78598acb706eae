//! What can keep a line from being encrypted, with the remedy for each case.

use std::io;

use otter_core::Fault;
use otter_core::database_url::DatabaseUrl;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::error::ConnectionError;

/// Why there is no TLS, or none that can be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server has TLS switched off.
    #[error(
        "the server offers no TLS: switch it on there (ssl_cert and ssl_key), or, \
         where the network itself is safe, use ssl-mode=disabled"
    )]
    NotOffered,
    /// The certificate is not for the host of the URL.
    #[error(
        "the server's certificate is not for `{host}`: use a name that it holds, or \
         ssl-mode=verify-ca, which fits the nameless certificates that MySQL makes itself"
    )]
    WrongName {
        /// The host of the URL.
        host: String,
    },
    /// The certificate was not issued by anyone we trust.
    #[error(
        "the server's certificate comes from an issuer that is not trusted: name the issuer's \
         PEM file with ssl-ca (MySQL's own is ca.pem in its data directory)"
    )]
    UnknownIssuer,
    /// The certificate has signed itself and claims to be an authority.
    #[error(
        "the server's certificate is an authority's own: with ssl-mode=verify-ca and ssl-ca \
         naming this very certificate it is accepted, else issue one for the server"
    )]
    SelfSigned,
    /// The certificate's time is over, or has not begun.
    #[error("the server's certificate is not valid now: renew it, and check both clocks")]
    OutOfDate,
    /// The certificate is of a kind that cannot be verified.
    #[error(
        "the server's certificate cannot be verified ({0}): issue one of X.509 version 3 \
         with a key of 2048 bits or more"
    )]
    Unusable(CertificateError),
    /// No trusted certificates are installed on this machine.
    #[error("this machine has no trusted certificates: name a PEM file with ssl-ca")]
    NoRoots,
    /// The server speaks no version or cipher that we accept.
    #[error(
        "the server speaks only outdated TLS (before 1.2): upgrade it, or, where the network \
         itself is safe, use ssl-mode=disabled"
    )]
    Outdated,
    /// Anything else that TLS may object to.
    #[error("the TLS handshake failed")]
    Other(#[source] rustls::Error),
}

impl TlsError {
    /// Finds the cause of a failed handshake.
    pub(super) fn classify(error: io::Error, url: &DatabaseUrl) -> ConnectionError {
        let address = url.address();
        let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>())
        else {
            return ConnectionError::Broken { address, source: Some(error) };
        };
        let outdated = matches!(
            cause,
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) | rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity,
            )
        );
        let source = if let rustls::Error::InvalidCertificate(problem) = cause {
            Self::certificate(problem, url.host())
        } else if outdated {
            Self::Outdated
        } else {
            Self::Other(cause.clone())
        };
        ConnectionError::Tls { address, source }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "rustls may add findings at any time")]
    fn certificate(problem: &CertificateError, host: &str) -> Self {
        match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName { host: host.to_owned() }
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfDate,
            // rustls passes this finding of webpki on without a name of its own.
            CertificateError::Other(other)
                if format!("{other:?}").contains("CaUsedAsEndEntity") =>
            {
                Self::SelfSigned
            }
            other => Self::Unusable(other.clone()),
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::NotOffered
            | Self::WrongName { .. }
            | Self::UnknownIssuer
            | Self::SelfSigned
            | Self::OutOfDate
            | Self::Unusable(_)
            | Self::NoRoots
            | Self::Outdated
            | Self::Other(_) => Fault::Fatal,
        }
    }
}
