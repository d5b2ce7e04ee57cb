//! Feeds the service manager's watchdog, each time only after a request has gone the whole way of a
//! client's: through the kernel, the accept loop, the runtime and the handler, and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::lifecycle::systemd::Notifier;
use crate::listen::Listener;

/// What the probe asks. Any HTTP answer will do: a 403 or a 503 has come the whole way too.
const PROBE: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Where the probe goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A plain listener: ask and read.
    Plain(SocketAddr),
    /// A TLS listener: connecting is all that is tried.
    Tls(SocketAddr),
    /// Only Unix sockets: the runtime's own turn is all that is tried.
    Runtime,
}

impl Target {
    /// The first listener that can be reached over TCP.
    #[must_use]
    pub fn of(plain: &[&Listener], tls: &[Listener]) -> Self {
        let plain = plain.iter().find_map(|listener| listener.local_addr());
        let plain = plain.map(|address| Self::Plain(reachable(address)));
        let tls = tls.iter().find_map(Listener::local_addr);
        let tls = || tls.map(|address| Self::Tls(reachable(address)));
        plain.or_else(tls).unwrap_or(Self::Runtime)
    }
}

/// Feeds the watchdog for ever, and tells the manager the `status` for `systemctl status` with it;
/// without a watchdog, waits for ever. Cancel safe.
///
/// Four probes fit between two feeds, so that one that is lost does no harm. A machine that is so
/// full that the probe itself is not let in (no descriptor, no place) is no reason to kill its
/// streams: while the accept loop comes round (`rounds` moves), the program is alive.
pub async fn feed(
    every: Option<Duration>,
    target: Target,
    notifier: &Notifier,
    rounds: impl Fn() -> i64,
    status: impl Fn() -> String,
) {
    let Some(every) = every else {
        return std::future::pending().await;
    };
    let mut ticks = interval(every / 2);
    let mut last = rounds();
    loop {
        ticks.tick().await;
        let answered = timeout(every / 2, probe(target)).await.unwrap_or(false);
        let now = rounds();
        if answered || now != last {
            notifier.watchdog();
            notifier.status(&status());
        } else {
            tracing::warn!("the watchdog's probe got no answer");
        }
        last = now;
    }
}

/// One request, the whole way.
async fn probe(target: Target) -> bool {
    let (Target::Plain(address) | Target::Tls(address)) = target else {
        return true;
    };
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    if matches!(target, Target::Tls(_)) {
        return true;
    }
    let mut start = [0; 5];
    let asked = stream.write_all(PROBE).await.is_ok();
    asked && stream.read_exact(&mut start).await.is_ok() && &start == b"HTTP/"
}

/// An address that this host reaches itself under.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    // Changed in place: a link-local address keeps its scope.
    let mut reachable = address;
    reachable.set_ip(ip);
    reachable
}
