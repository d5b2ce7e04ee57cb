//! An origin that notes when each of its connections was closed by the other side.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What the origin does with a connection, by the request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// 8 Mbit/s of transport packets for ever.
    Sending,
    /// 128 KiB of packets, then nothing.
    Silent,
    /// Takes the request and never answers.
    Mute,
}

impl Manner {
    pub(crate) const ALL: [Self; 3] = [Self::Sending, Self::Silent, Self::Mute];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Silent => "silent",
            Self::Mute => "mute",
        }
    }
}

/// Serves until the runtime ends; `closed` is told the moment at which each connection was seen to
/// be closed, `asked` that a request has come.
pub(crate) async fn serve(
    listener: TcpListener,
    asked: mpsc::Sender<()>,
    closed: mpsc::Sender<Instant>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (asked, closed) = (asked.clone(), closed.clone());
        tokio::spawn(async move {
            connection(stream, asked).await;
            closed.send(Instant::now()).await.unwrap();
        });
    }
}

pub(crate) async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Returns when the other side has closed.
async fn connection(mut stream: TcpStream, asked: mpsc::Sender<()>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let manner = Manner::ALL
        .into_iter()
        .find(|manner| head.windows(8).any(|part| part.starts_with(manner.word().as_bytes())))
        .unwrap();
    asked.send(()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        if manner != Manner::Mute {
            write(&mut writer, manner).await;
        }
        std::future::pending::<()>().await;
    };
    let mut byte = [0];
    tokio::select! {
        () = writing => {}
        _ = reader.read(&mut byte) => {}
    }
}

async fn write(writer: &mut (impl AsyncWriteExt + Unpin), manner: Manner) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n";
    let mut packets = Vec::new();
    for counter in 0..100_u8 {
        packets.extend([0x47, 0x01, 0x00, 0x10 | (counter & 0x0f)]);
        packets.extend([0xff; 184]);
    }
    if writer.write_all(head).await.is_err() {
        return;
    }
    let mut sent = 0;
    let mut ticks = tokio::time::interval(Duration::from_micros(18_800));
    while manner == Manner::Sending || sent < 128 * 1024 {
        if manner == Manner::Sending && sent >= 128 * 1024 {
            ticks.tick().await;
        }
        if writer.write_all(&packets).await.is_err() {
            return;
        }
        sent += packets.len();
    }
}
