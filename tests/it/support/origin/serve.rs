//! One connection of an origin: a reader that records what comes and when the peer leaves, and
//! beside it the script.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::book::Book;
use super::request::Recorded;
use super::script::Script;
use super::write::End;
use super::write::Writer;
use crate::support::wire;
use crate::support::wire::Parting;
use crate::support::wire::Wire;

mod inbox;

pub(super) use inbox::Inbox;

/// How long a closed connection is read from, so that the peer gets everything before it ends.
const LINGER: Duration = Duration::from_secs(10);
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Chooses the script of a request.
type OfRequest = Arc<dyn Fn(&Recorded) -> Script + Send + Sync>;
/// Chooses the script of a connection by its number.
type OfConnection = Arc<dyn Fn(usize) -> Script + Send + Sync>;

/// When an origin begins to write.
#[derive(Clone)]
pub(super) enum Plan {
    /// Once it has read a request head.
    AfterHead(OfRequest),
    /// At once.
    AtAccept(OfConnection),
}

/// Accepts and serves until it is aborted; the connections end with the book.
#[expect(clippy::disallowed_methods, reason = "a double has no tasks of the product's")]
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    plan: Plan,
    book: Arc<Book>,
) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, or the peer has gone already: the next one may do better.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        for _ in 0..10 {
            if !book.has_unread() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream.set_nodelay(true).ok();
        let Some(number) = book.accepted(&stream, peer) else { continue };
        let (tls, plan, book) = (tls.clone(), plan.clone(), Arc::clone(&book));
        tokio::spawn(async move {
            tokio::select! {
                () = book.stopped() => {}
                () = connection(stream, tls, &plan, number, &book) => {}
            }
            book.closing(number);
        });
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    plan: &Plan,
    number: usize,
    book: &Book,
) {
    let Some(tls) = tls else { return serve(stream, plan, number, book).await };
    let failure = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            book.with(number, |connection| connection.server_name = name);
            return serve(stream, plan, number, book).await;
        }
        Ok(Err(error)) => {
            if let Some(how) = Parting::of(&error) {
                book.left(number, how);
            }
            error.to_string()
        }
        Err(_) => "timed out".to_owned(),
    };
    book.with(number, |connection| connection.handshake_error = Some(failure));
    book.ended(number);
}

/// Serves a connection, whatever its bytes travel on.
async fn serve<W: Wire>(stream: W, plan: &Plan, number: usize, book: &Book) {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let inbox = Inbox::new();
    let end = {
        let mut listening = pin!(listen(&mut reading, &inbox, number, book));
        let writer = Writer::new(&mut writing, &inbox, number, book);
        beside(act(writer, plan, &inbox, number, book), &mut listening, &inbox).await
    };
    if end != End::Gone {
        book.ended(number);
    }
    match end {
        End::Reset => wire::reset(reading.unsplit(writing)),
        End::Gone => {}
        End::Next | End::Close => {
            writing.shutdown().await.ok();
            // A close with bytes unread would become a reset, and the peer might lose the end.
            if inbox.parting().is_none() {
                let rest = listen(&mut reading, &inbox, number, book);
                tokio::time::timeout(LINGER, rest).await.ok();
            }
        }
    }
}

/// Runs `work` to its end, and `listening` beside it for as long as it lasts.
async fn beside<T>(
    work: impl Future<Output = T>,
    listening: &mut (impl Future<Output = ()> + Unpin),
    inbox: &Inbox,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            () = &mut *listening, if inbox.parting().is_none() => {}
            done = &mut work => return done,
        }
    }
}

/// Reads until the peer leaves.
async fn listen(reading: &mut (impl AsyncRead + Unpin), inbox: &Inbox, number: usize, book: &Book) {
    let mut buffer = vec![0; 16 * 1024];
    let how = loop {
        match reading.read(&mut buffer).await {
            Ok(0) => break Parting::Fin,
            Ok(count) => {
                book.received(number, &buffer[..count]);
                inbox.push(&buffer[..count]);
            }
            Err(error) => break Parting::of(&error).unwrap_or(Parting::Rst),
        }
    };
    book.left(number, how);
    inbox.leave(how);
}

/// Answers requests until a script ends the connection or the peer has left.
async fn act(
    mut writer: Writer<'_, impl tokio::io::AsyncWrite + Unpin>,
    plan: &Plan,
    inbox: &Inbox,
    number: usize,
    book: &Book,
) -> End {
    let script = match plan {
        Plan::AtAccept(script) => {
            let script = chosen(book, || script(number));
            return writer.play(script).await;
        }
        Plan::AfterHead(script) => script,
    };
    while let Some((head, first_read)) = inbox.head().await {
        let Some(request) = book.request(number, head.into(), first_read) else { break };
        let steps = chosen(book, || script(&request));
        match writer.play(steps).await {
            End::Next if is_last(&request) => return End::Close,
            End::Next => {}
            end => return end,
        }
        // A body that came with the request is not the next request.
        let length = request.header("content-length").and_then(|value| value.parse().ok());
        inbox.skip(length.unwrap_or(0)).await;
    }
    End::Close
}

/// Whether the client said that it sends no other request.
fn is_last(request: &Recorded) -> bool {
    let closes = |value: &&str| value.eq_ignore_ascii_case("close");
    request.version() == "HTTP/1.0" || request.headers("connection").iter().any(closes)
}

/// The script, or a reset if choosing it panics; the test learns of it when it waits.
fn chosen(book: &Book, choose: impl FnOnce() -> Script) -> Script {
    catch_unwind(AssertUnwindSafe(choose)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        book.panicked(text.unwrap_or_default());
        Script::new().reset()
    })
}
