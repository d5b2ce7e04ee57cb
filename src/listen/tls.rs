//! TLS towards clients: the certificate, read again at each reload, and the handshake's deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// Time a client has for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or holds no PEM of the right kind.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The certificate and the key do not belong together, or the key is of an unknown kind.
    #[error("certificate and private key do not fit: {0}")]
    Pair(rustls::Error),
}

/// The certificate in use, replaced without touching running connections.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// See [`Error`]; nothing is bound before this has succeeded.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        Ok(Self(Arc::new(ArcSwap::new(read(files)?))))
    }

    /// Reads both files again; the certificate in use stays when they are bad.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn reload(&self, files: &TlsFiles) -> Result<(), Error> {
        self.0.store(read(files)?);
        Ok(())
    }

    /// The handshake, bounded in time. Not cancel safe: a dropped handshake closes the connection.
    ///
    /// # Errors
    /// When the client speaks no TLS 1.2 or 1.3, or is too slow.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(self.0.load_full()).accept(stream);
        tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, Error> {
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| file_error(&files.certificate, &cause))?;
    let key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|cause| file_error(&files.private_key, &cause))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::Pair)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(Error::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn file_error(path: &std::path::Path, cause: &rustls::pki_types::pem::Error) -> Error {
    Error::File { path: path.display().to_string(), cause: cause.to_string() }
}
