//! hyper's HTTP/1 server around one guarded connection.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;

use crate::flow::ClientIo;
use crate::flow::Control;
use crate::lifecycle::Notice;
use crate::listen::guard::Guard;
use crate::listen::socket::Peer;
use crate::message::request_head::Limits;

/// Whatever ends a body early.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a handler knows of the connection that a request came on.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Who is at the other end of the socket (perhaps a trusted proxy).
    pub peer: Peer,
    /// Whether the client speaks TLS to us.
    pub tls: bool,
    /// Patience and other words for the socket beneath hyper.
    pub control: Arc<Control>,
}

/// Answers requests; one for the media listener, one for the admin listener.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

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
    stop: Notice,
) {
    let limits = Limits { head_bytes: options.head_bytes, ..Limits::default() };
    let control = Arc::clone(&info.control);
    let guard = Guard::new(io, Arc::clone(&control), limits);
    let service = service_fn(move |request| {
        let (handler, info, control) = (handler.clone(), Arc::clone(&info), Arc::clone(&control));
        // hyper keeps room for this future for as long as the connection lives: a pointer's worth.
        Box::pin(async move {
            let chunked = request.headers().contains_key(TRANSFER_ENCODING);
            let mut answer = handler.handle(request, info).await;
            if chunked {
                // The guard does not follow chunks, so it cannot judge what comes behind them.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Answering::new(body, control)))
        })
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
        () = stop.given() => {
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
    /// None once it was cut short: what it holds is freed then, whenever the client reads on.
    body: Option<Pin<Box<B>>>,
    control: Arc<Control>,
    /// Why the body was cut short, until hyper is told.
    cut: Option<BoxError>,
}

impl<B> Answering<B> {
    fn new(body: B, control: Arc<Control>) -> Self {
        Self { body: Some(Box::pin(body)), control, cut: None }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for Answering<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let me = &mut *self;
        if let Some(body) = &mut me.body {
            match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Err(cut))) => me.cut = Some(cut.into()),
                frame => return frame.map_err(Into::into),
            }
            me.body = None;
            // hyper throws away what it has not written yet when a body fails, so it learns of it
            // one wake-up later, having written, or when the client takes bytes again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if me.control.write_waits() {
            return Poll::Pending;
        }
        Poll::Ready(me.cut.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, |body| body.size_hint())
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.control.end_answer();
    }
}
