//! hyper's HTTP/1 server around one guarded connection.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;

use crate::flow::ClientIo;
use crate::flow::Control;
use crate::listen::guard::Guard;
use crate::listen::socket::Peer;
use crate::message::request_head::Limits;

/// What a handler knows of the connection that a request came on.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Who is at the other end of the socket (perhaps a trusted proxy).
    pub peer: Peer,
    /// Whether the client speaks TLS to us.
    pub tls: bool,
    /// The connection was taken over the limit only to be told so.
    pub over_limit: bool,
    /// Patience and other words for the socket beneath hyper.
    pub control: Arc<Control>,
}

/// Answers requests; one for the media listener, one for the admin listener.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static;

    /// Answers one request. Dropped when the client goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        info: Arc<ConnectionInfo>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// Time for a whole request head, an idle keep-alive connection's wait for the next included.
    pub head_timeout: Duration,
    /// Bytes of a request head.
    pub head_bytes: usize,
}

/// Serves requests on `io` until the client, the handler or `stop` ends it.
///
/// When `stop` is cancelled an idle connection closes and a running answer goes on to its end.
/// Not cancel safe: dropping it cuts the connection.
pub async fn serve<H: Handler>(
    io: ClientIo,
    info: Arc<ConnectionInfo>,
    handler: H,
    options: HttpOptions,
    stop: CancellationToken,
) {
    let limits = Limits { head_bytes: options.head_bytes, ..Limits::default() };
    let control = Arc::clone(&info.control);
    let guard = Guard::new(io, Arc::clone(&control), limits);
    let service = service_fn(move |request| {
        let (handler, info, control) = (handler.clone(), Arc::clone(&info), Arc::clone(&control));
        async move {
            let answer = handler.handle(request, info).await;
            Ok::<_, Infallible>(answer.map(|body| Answering { body: Box::pin(body), control }))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        // Receivers look for `Content-Type: ` letter by letter.
        .title_case_headers(true)
        // A client that closes its side has gone: its upstream is closed within a wake-up.
        .half_close(false)
        .writev(true)
        .max_headers(128)
        // Bounds what hyper reads of a head and holds of a body; the guard keeps heads below it.
        .max_buf_size(options.head_bytes.saturating_add(1024).max(16 * 1024));
    let mut connection = pin!(builder.serve_connection(guard, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients hang up in the middle all day; the session has logged how it ended.
        tracing::debug!(%error, "connection ended");
    }
}

/// An answer's body that tells the guard when the answer is over.
struct Answering<B> {
    body: Pin<Box<B>>,
    control: Arc<Control>,
}

impl<B: Body> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.control.set_answering(false);
    }
}
