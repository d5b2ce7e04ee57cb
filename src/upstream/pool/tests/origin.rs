//! A source that does as its script says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::Span;

use super::PATIENCE;
use crate::lifecycle::Tasks;
use crate::message::Url;
use crate::metrics::Metrics;
use crate::upstream::tls::Tls;
use crate::upstream::{Ask, Fetcher, Keep, Pool, PoolLimits};

/// What a source does with a request.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    /// Closes the connection without a word of it.
    pub(super) closes: bool,
}

pub(super) fn reply(text: impl Into<Vec<u8>>) -> Reply {
    Reply { bytes: text.into(), closes: false }
}

pub(super) fn sized(body: &str) -> Reply {
    reply(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

pub(super) fn closing(text: &str) -> Reply {
    Reply { closes: true, ..reply(text) }
}

/// What a source has seen.
#[derive(Default)]
pub(super) struct Seen {
    /// The heads of all requests, each with the number of its connection.
    pub(super) requests: Mutex<Vec<(usize, String)>>,
    opened: AtomicUsize,
    /// Connections that have ended.
    closed: watch::Sender<usize>,
}

/// A source that answers the n-th request of its m-th connection as its script says.
pub(super) struct Origin {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    pub(super) seen: Arc<Seen>,
}

impl Origin {
    pub(super) async fn start(
        script: impl Fn(usize, usize) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::launch(None, script).await
    }

    pub(super) async fn start_tls(
        script: impl Fn(usize, usize) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], private)
            .unwrap();
        Self::launch(Some((config, certificate)), script).await
    }

    async fn launch(
        tls: Option<(ServerConfig, CertificateDer<'static>)>,
        script: impl Fn(usize, usize) -> Reply + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (config, certificate) = tls.unzip();
        let acceptor = config.map(|config| TlsAcceptor::from(Arc::new(config)));
        let seen = Arc::new(Seen::default());
        let told = Arc::clone(&seen);
        let tasks = Tasks::new();
        tasks.clone().spawn(Span::none(), async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = told.opened.fetch_add(1, Ordering::SeqCst);
                let (told, script, acceptor) =
                    (Arc::clone(&told), script.clone(), acceptor.clone());
                tasks.spawn(Span::none(), async move {
                    match acceptor {
                        Some(acceptor) => match acceptor.accept(socket).await {
                            Ok(stream) => converse(stream, number, &script, &told).await,
                            Err(error) => panic!("no TLS: {error}"),
                        },
                        None => converse(socket, number, &script, &told).await,
                    }
                    told.closed.send_modify(|closed| *closed += 1);
                });
            }
        });
        Self { address, certificate, seen }
    }

    pub(super) fn url(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}/list.m3u8", self.address.port()),
            None => format!("http://{}/list.m3u8", self.address),
        }
    }

    pub(super) fn ask(&self) -> Ask {
        let url = Url::parse(&self.url()).unwrap();
        Ask {
            url: url.clone(),
            home: url,
            method: Method::GET,
            fields: HeaderMap::new(),
            own_fields: HeaderMap::new(),
            user_agent: HeaderValue::from_static("test"),
            authorization: None,
            connect_timeout: PATIENCE,
            response_timeout: PATIENCE,
            counted: false,
            egress: Arc::default(),
            cookies: None,
            keep: Keep::Pooled,
        }
    }

    pub(super) fn fetcher(&self, limits: PoolLimits) -> (Fetcher, Pool) {
        let metrics = Arc::new(Metrics::new());
        let tls = Tls::trusting(self.certificate.iter().cloned().collect()).unwrap();
        let pool = Pool::new(limits, &metrics);
        (Fetcher::new(tls, metrics).with_pool(pool.clone()), pool)
    }

    /// The connections that the requests came on, in order.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.seen.requests.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }

    pub(super) async fn until_closed(&self, count: usize) {
        let mut closed = self.seen.closed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, closed.wait_for(|closed| *closed >= count));
        waited.await.expect("connections are closed").unwrap();
    }
}

/// Serves one connection until either side is done with it.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    script: &impl Fn(usize, usize) -> Reply,
    seen: &Seen,
) {
    for request in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        seen.requests.lock().unwrap().push((number, String::from_utf8(head).unwrap()));
        let Reply { bytes, closes } = script(number, request);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        stream.flush().await.unwrap();
        if closes {
            return;
        }
    }
}
