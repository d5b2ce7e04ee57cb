//! The channel's source: one thread that serves its playlist and segments on kept connections, and
//! counts what it is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bytes::Buf;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::process::OwnThread;

use super::channel::Channel;

/// Longest request head taken.
const HEAD: usize = 16 * 1024;

/// What the source has been asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) playlists: AtomicU64,
    pub(crate) segments: AtomicU64,
    /// Requests for what it does not have.
    pub(crate) missing: AtomicU64,
    pub(crate) connections: AtomicU64,
}

/// The running source; it runs until the program ends.
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Arc<Channel>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) thread: OwnThread,
}

impl Source {
    /// Listens on a free port of 127.0.0.1. Each answer begins `delay` after its request.
    pub(crate) fn start(channel: Arc<Channel>, delay: Duration) -> io::Result<Self> {
        let tally = Arc::new(Tally::default());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (told, thread) = std::sync::mpsc::channel();
        let (of_channel, of_tally) = (Arc::clone(&channel), Arc::clone(&tally));
        thread::Builder::new().name("source".into()).spawn(move || {
            runtime.block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
                let listener = socket.listen(4096).unwrap();
                told.send((OwnThread::this(), listener.local_addr().unwrap())).unwrap();
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    of_tally.connections.fetch_add(1, Ordering::Relaxed);
                    let (channel, tally) = (Arc::clone(&of_channel), Arc::clone(&of_tally));
                    // Clients come and go as they like.
                    tokio::spawn(async move { serve(stream, &channel, &tally, delay).await.ok() });
                }
            });
        })?;
        let (thread, address) = thread.recv().map_err(io::Error::other)?;
        Ok(Self { address, channel, tally, thread })
    }
}

/// One request after the other.
async fn serve(
    mut stream: TcpStream,
    channel: &Channel,
    tally: &Tally,
    delay: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await? == 0 || request.len() > HEAD {
            return Ok(());
        }
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&request).into_owned();
        request.drain(..end + 4);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let path = text.split_ascii_whitespace().nth(1).unwrap_or_default();
        answer(&mut stream, path, channel, tally).await?;
    }
}

async fn answer(
    stream: &mut TcpStream,
    path: &str,
    channel: &Channel,
    tally: &Tally,
) -> io::Result<()> {
    let now = Instant::now();
    let playlist;
    let number = path.strip_prefix("/live/").and_then(|name| name.strip_suffix(".ts"));
    let segment = number.and_then(|number| channel.segment(number.parse().ok()?, now));
    let (count, status, kind, body) = match &segment {
        Some(segment) => (&tally.segments, "200 OK", "video/mp2t", segment.as_ref()),
        None if path == "/live/index.m3u8" => {
            playlist = channel.playlist(now);
            (&tally.playlists, "200 OK", "application/vnd.apple.mpegurl", playlist.as_bytes())
        }
        None => (&tally.missing, "404 Not Found", "text/plain", &b""[..]),
    };
    count.fetch_add(1, Ordering::Relaxed);
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all_buf(&mut Buf::chain(head.as_bytes(), body)).await
}
