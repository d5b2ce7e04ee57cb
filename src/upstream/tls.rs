//! TLS towards sources: the platform's trust store plus `SSL_CERT_FILE` and `SSL_CERT_DIR`, and
//! the classes of failure.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::upstream::Error;

/// Where Linux distributions keep the platform's bundle, read even when `SSL_CERT_FILE` names
/// another one: the environment adds to the platform's trust, it does not replace it.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The class of a failed handshake: enough to know whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The certificate's time is over or has not come.
    #[error("the certificate has expired or is not valid yet")]
    Expired,
    /// The certificate is for another host.
    #[error("the certificate is for another host")]
    WrongHost,
    /// The certificate's issuer is not trusted.
    #[error("the certificate's issuer is not trusted")]
    UnknownIssuer,
    /// The certificate is bad in another way.
    #[error("the certificate is not valid")]
    BadCertificate,
    /// The host cannot be named in TLS.
    #[error("the host's name cannot be checked")]
    BadName,
    /// The peer speaks no TLS that is safe to use, or none at all.
    #[error("the handshake failed")]
    Handshake,
}

/// Makes TLS connections to sources.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Reads the trust stores. Reads files; call it while starting. An unreadable or empty store is
    /// logged and leaves fewer roots, so that plain sources still work.
    ///
    /// # Errors
    /// When rustls offers no protocol version (never with its built-in provider).
    pub fn new() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let mut found = load_native_certs();
        for bundle in BUNDLES.iter().map(Path::new).filter(|bundle| bundle.exists()) {
            found.certs.extend(load_certs_from_paths(Some(bundle), None).certs);
        }
        found.certs.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        found.certs.dedup();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        for error in found.errors {
            tracing::warn!(%error, "cannot read a part of the trust store");
        }
        if added == 0 {
            tracing::warn!("no trusted certificates: https sources will fail");
        }
        Self::with_roots(roots)
    }

    /// Trusts exactly `certificates` (tests).
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn trusting(certificates: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// The handshake with `host`. The caller sets the deadline. Not cancel safe: a dropped
    /// handshake closes the connection.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls(Failure::BadName))?;
        self.0.connect(name, stream).await.map_err(|error| Error::Tls(classify(&error)))
    }
}

fn classify(error: &std::io::Error) -> Failure {
    use rustls::CertificateError as Certificate;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = inner else {
        return Failure::Handshake;
    };
    match reason {
        Certificate::Expired
        | Certificate::ExpiredContext { .. }
        | Certificate::NotValidYet
        | Certificate::NotValidYetContext { .. } => Failure::Expired,
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            Failure::WrongHost
        }
        Certificate::UnknownIssuer => Failure::UnknownIssuer,
        _ => Failure::BadCertificate,
    }
}
