//! How long until the first byte of media: at the origin, and through a proxy.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use tokio::time::Instant;

use crate::cell::Place;

/// Zaps of each kind.
const ZAPS: usize = 300;

/// Milliseconds the proxy adds: its quantile less the origin's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Zaps by turns at the origin and through the proxy, one after the other.
pub(crate) fn added(direct: &Place, through: &Place) -> io::Result<Added> {
    let (mut plain, mut proxied) = (Vec::with_capacity(ZAPS), Vec::with_capacity(ZAPS));
    for _ in 0..ZAPS {
        plain.push(first_byte(direct)?);
        proxied.push(first_byte(through)?);
    }
    plain.sort_by(f64::total_cmp);
    proxied.sort_by(f64::total_cmp);
    let more = |share: usize| {
        let index = (ZAPS * share / 100).min(ZAPS - 1);
        proxied.get(index).unwrap_or(&0.0) - plain.get(index).unwrap_or(&0.0)
    };
    Ok(Added { p50: more(50), p99: more(99), max: more(100) })
}

/// Milliseconds from before the connect to the first byte behind the head.
fn first_byte((address, path): &Place) -> io::Result<f64> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend(bytes.iter().take(count));
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        if end.is_some_and(|end| head.len() > end + 4) {
            break;
        }
    }
    let took = started.elapsed().as_secs_f64() * 1e3;
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    // As the swarm: reset.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(took)
}
