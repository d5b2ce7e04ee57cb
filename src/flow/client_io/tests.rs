#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::flow::Home;
use crate::flow::Passage;
use crate::flow::Raw;
use crate::flow::Way;

/// A client's socket that takes as many bytes at a time as it was told to (0: makes them wait) and
/// fails on a placeholder.
#[derive(Debug)]
pub struct Choppy {
    request: &'static [u8],
    takes: Vec<usize>,
    turn: usize,
    got: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl AsyncRead for Choppy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let request = std::mem::take(&mut self.request);
        if request.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(request);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Choppy {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(!slices.iter().any(|slice| placeholder::covers(slice)), "a placeholder got out");
        self.turn += 1;
        let take = self.takes[self.turn % self.takes.len()];
        if take == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let take = take.min(bytes.len());
        self.got.lock().unwrap().extend_from_slice(&bytes[..take]);
        Poll::Ready(Ok(take))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A passage as a body, and the bytes that were shown on the way.
struct Shown(Passage, Option<u64>, Arc<std::sync::Mutex<Vec<u8>>>);

impl Body for Shown {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let seen = Arc::clone(&self.2);
        let next =
            self.0.poll_next(cx, |bytes: &[u8]| seen.lock().unwrap().extend_from_slice(bytes));
        next.map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// What `client` gets when a source sends `sent` in these pieces, the first already read; and what
/// was shown on the way.
fn answer(
    client: impl FnOnce(Arc<std::sync::Mutex<Vec<u8>>>) -> Stream,
    sent: &[u8],
    pieces: Vec<usize>,
    sized: bool,
    way: Way,
) -> (Vec<u8>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut source, _) = listener.accept().await.unwrap();
        source.set_nodelay(true).unwrap();
        let (ahead, rest) = sent.split_at(pieces[0].min(sent.len()));
        let left = sized.then_some(rest.len() as u64);
        let ahead: Vec<_> = Some(Bytes::copy_from_slice(ahead))
            .into_iter()
            .filter(|some| !some.is_empty())
            .collect();
        let control = Arc::new(Control::new(Duration::from_secs(60)));
        let (got, seen) = (Arc::default(), Arc::default());
        let io = ClientIo::new(client(Arc::clone(&got)), Arc::clone(&control));
        control.begin_answer();
        let is_home = Arc::new(AtomicBool::new(false));
        let came_home = Arc::clone(&is_home);
        let home = Some(Home::new(move |_| came_home.store(true, Ordering::Relaxed)));
        let passage = Passage::new(Raw { socket, ahead, left, home }, way, control);
        let length = sized.then_some(sent.len() as u64);
        let body = std::sync::Mutex::new(Some(Shown(passage, length, Arc::clone(&seen))));
        let service = service_fn(move |_: Request<Incoming>| {
            let body = body.lock().unwrap().take().unwrap();
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        let mut builder = http1::Builder::new();
        builder.writev(true).max_buf_size(16 * 1024).keep_alive(false);
        let feed = async {
            let mut rest = rest;
            for piece in pieces.iter().cycle().skip(1) {
                let (now, later) = rest.split_at((*piece).max(1).min(rest.len()));
                source.write_all(now).await.unwrap();
                tokio::task::yield_now().await;
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            source.shutdown().await.unwrap();
        };
        let serve = builder.serve_connection(TokioIo::new(io), service);
        let (served, ()) = tokio::join!(serve, feed);
        served.unwrap();
        assert_eq!(is_home.load(Ordering::Relaxed), sized, "only a known length has a known end");
        let (got, seen) = (got.lock().unwrap().clone(), seen.lock().unwrap().clone());
        (got, seen)
    })
}

/// Takes the framing off an answer.
fn body_of(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut rest = &answer[end + 4..];
    if !head.contains("chunked") {
        return rest.to_vec();
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, later) = rest[line + 2..].split_at(size);
        body.extend_from_slice(chunk);
        assert_eq!(&later[..2], b"\r\n", "a chunk ends with a line end");
        rest = &later[2..];
        if size == 0 {
            assert!(rest.is_empty(), "nothing comes behind the last chunk");
            return body;
        }
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_client_gets_every_byte_in_its_place_however_few_it_takes_at_a_time(
        length in prop_oneof![0_usize..4000, 30_000_usize..40_000, 250_000_usize..300_000],
        pieces in proptest::collection::vec(0_usize..50_000, 1..6),
        takes in proptest::collection::vec(prop_oneof![0_usize..3, 1_usize..40, 1_usize..70_000], 1..12),
        sized in any::<bool>(),
        spliced in any::<bool>(),
    ) {
        let mut takes = takes;
        // Taking a few bytes at a time for ever is no more than that.
        takes.push(length.max(1));
        let sent = pattern(length);
        let way = if spliced { Way::Spliced } else { Way::Watched };
        let (got, seen) = answer(
            |got| Stream::Choppy(Box::new(Choppy { request: REQUEST, takes, turn: 0, got })),
            &sent,
            pieces,
            sized,
            way,
        );
        prop_assert!(body_of(&got) == sent, "other bytes came out");
        prop_assert!(seen == sent, "other bytes were shown");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up_and_one_without_a_limit_is_not() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let control = Arc::new(Control::new(Duration::from_millis(50)));
    let mut io = ClientIo::new(Stream::Unix(ours), Arc::clone(&control));
    let error = loop {
        if let Err(error) = io.write_all(&[0; 64 * 1024]).await {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(control.timed_out());
    control.wait_for_ever();
    let again = tokio::time::timeout(Duration::from_millis(200), io.write_all(&[0; 64 * 1024]));
    assert!(again.await.is_err(), "a patient write waits as long as it takes");
    drop(theirs);
}

#[tokio::test]
async fn a_placeholder_without_bytes_is_an_error_and_sends_nothing() {
    let got = Arc::default();
    let choppy =
        Choppy { request: REQUEST, takes: vec![usize::MAX], turn: 0, got: Arc::clone(&got) };
    let control = Arc::new(Control::new(Duration::from_secs(1)));
    let mut io = ClientIo::new(Stream::Choppy(Box::new(choppy)), control);
    let placeholder = placeholder::of(188);
    assert!(io.write_all(&placeholder).await.is_err());
    assert!(got.lock().unwrap().is_empty());
}
