//! A shared channel of weir's for a long time, with clients that read nothing and clients that read half:
//! does its memory keep to the formula, and do the others notice anything?

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::admin;
use crate::failover::Start;
use crate::failover::source::Source;
use crate::fanout::contender::Relay;
use crate::fanout::origin;
use crate::machine;
use crate::process::Proxy;
use crate::proxies;

use self::line::Line;
use self::line::Moment;
use self::readers::Plan;
use self::readers::Readers;

mod line;
mod readers;

/// How often there is a line.
const EVERY: Duration = Duration::from_secs(10);

/// The path of the channel.
const STREAM: &str = "/stream/live";

/// `relay.buffer_bytes`, as it comes.
const BUFFER: f64 = 32.0 * 1024.0;

/// What the relay's documentation adds to that: the chunk that grows, the tables and the places to begin.
const RELAY: f64 = 64.0 + 100.0;

/// What each client may have: the chunk that it was given last, and a connection as any client's.
const CLIENT: f64 = 64.0 + 48.0;

/// What the allocator may keep beyond what is in use, as a share of that: the buffer's chunks have many
/// sizes.
const ALLOCATOR: f64 = 0.1;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) minutes: u64,
    pub(crate) mbit: u64,
    /// That read everything, nothing, and half of it.
    pub(crate) clients: usize,
    pub(crate) stalled: usize,
    pub(crate) slow: usize,
    pub(crate) weir: PathBuf,
    pub(crate) json: PathBuf,
}

impl Wish {
    fn all(&self) -> usize {
        self.clients + self.stalled + self.slow
    }

    /// The most that weir may take, in KiB of PSS, if it took `base` without a client and a buffer.
    fn bound(&self, base: f64) -> f64 {
        base + (BUFFER + RELAY + CLIENT * self.all() as f64) * (1.0 + ALLOCATOR)
    }
}

/// The gateway under test.
struct Gateway {
    process: Proxy,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn start(wish: &Wish, folder: &Path, live: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let address = proxies::free_address().map_err(failed)?;
        let admin = proxies::free_address().map_err(failed)?;
        let relay = Relay { live, clients: wish.all() };
        let arguments = relay.arguments(folder, address, admin).map_err(failed)?;
        let process = proxies::start("weir", &wish.weir, &arguments, folder, address, STREAM)?;
        Ok(Self { process, address, admin })
    }
}

/// A line each ten seconds; whether memory kept to the formula and no client that reads saw a fault.
pub(crate) fn run(wish: &Wish) -> Result<bool, String> {
    let mut facts = machine::facts(&wish.weir);
    facts.retain(|(name, _)| !matches!(*name, "haproxy" | "nginx"));
    let folder = machine::folder();
    let soaked = soak(wish, &folder);
    std::fs::remove_dir_all(&folder).ok();
    let (base, lines) = soaked?;
    let bound = wish.bound(base);
    let doubts = line::doubts(&lines, bound);
    let json = line::json(&facts, wish, (base, bound), &lines, &doubts);
    let results = wish.json.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(results)
        .and_then(|()| std::fs::write(&wish.json, format!("{json:#}\n")))
        .map_err(|error| format!("{}: {error}", wish.json.display()))?;
    print!("\n{}", line::summary(&facts, wish, bound, &lines));
    for doubt in &doubts {
        eprintln!("*** {doubt}");
    }
    Ok(doubts.is_empty())
}

/// What weir took before its clients came, in KiB, and all lines.
fn soak(wish: &Wish, folder: &Path) -> Result<(f64, Vec<Line>), String> {
    let bits = wish.mbit * 1_000_000;
    let source = Source::start(origin::media(bits), Start::Group);
    let source = source.map_err(|error| error.to_string())?;
    let mut gateway = Gateway::start(wish, folder, source.address)?;
    let metrics = admin::metrics(gateway.admin)?;
    let buffered = admin::sum(&metrics, "weir_relay_buffer_bytes", "") / 1024.0;
    let base = gateway.process.pss() - buffered;
    let plan = Plan {
        to: gateway.address,
        path: STREAM,
        clients: wish.clients,
        stalled: wish.stalled,
        slow: wish.slow,
        bytes_per_second: bits / 8,
    };
    let readers = Readers::start(plan).map_err(|error| error.to_string())?;
    println!("{}", line::head());
    let began = Instant::now();
    let mut lines = Vec::new();
    let mut before = Moment::now(&gateway.process, gateway.admin, &readers)?;
    while began.elapsed() < Duration::from_mins(wish.minutes) {
        std::thread::sleep(EVERY);
        if let Some(last) = gateway.process.ended() {
            return Err(format!("weir ended: {last}"));
        }
        let now = Moment::now(&gateway.process, gateway.admin, &readers)?;
        let line = Line::between(began, &before, &now, wish);
        println!("{line}");
        lines.push(line);
        before = now;
    }
    Ok((base, lines))
}
