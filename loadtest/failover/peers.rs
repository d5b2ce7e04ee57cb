//! The same with HAProxy and nginx, a primary and a backup configured as their users would: what do
//! clients see whose source dies?

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::failover::clients::Clients;
use crate::failover::clients::Seen;
use crate::failover::figures::Quantiles;
use crate::failover::figures::millis;
use crate::failover::figures::quantiles;
use crate::proxies;
use crate::proxies::Kind;

use super::Wish;
use super::source::Cut;
use super::source::Source;
use super::source::media::Marks;

/// How long clients play before their source dies.
const PLAY: Duration = Duration::from_secs(4);

/// How long streams may take to end: longer than the timeouts of both, 50 s and 60 s.
const PATIENCE: Duration = Duration::from_secs(70);

/// How long a stream that the source ended may take.
const SOON: Duration = Duration::from_secs(8);

/// What the clients of one peer saw.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) peer: Kind,
    pub(crate) cut: Cut,
    pub(crate) clients: usize,
    /// Streams that ended, and how long after their source did, in milliseconds.
    pub(crate) ended: Quantiles,
    /// Clients that came to see the backup.
    pub(crate) moved: usize,
}

/// All kinds of death with one peer.
pub(crate) fn measure(
    peer: Kind,
    program: &Path,
    folder: &Path,
    wish: &Wish,
    sources: &[Source; 2],
    marks: &Arc<Marks>,
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for cut in wish.kinds.iter().filter_map(|kind| kind.cut()) {
        eprint!("{:<9} {cut:?}", peer.name());
        let row = death(peer, program, folder, wish.clients, sources, marks, cut)?;
        eprintln!("  {} of {} ended", row.ended.count, row.clients);
        rows.push(row);
    }
    Ok(rows)
}

fn death(
    peer: Kind,
    program: &Path,
    folder: &Path,
    clients: usize,
    sources: &[Source; 2],
    marks: &Arc<Marks>,
    cut: Cut,
) -> Result<Row, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", peer.name());
    let [primary, backup] = sources;
    let listen = proxies::free_address().map_err(failed)?;
    std::fs::create_dir_all(folder).map_err(failed)?;
    let arguments = match peer {
        Kind::Nginx => nginx(folder, listen, [primary.address, backup.address]),
        _ => haproxy(folder, listen, [primary.address, backup.address]),
    };
    let arguments = arguments.map_err(failed)?;
    // It ends with this function.
    let _proxy = proxies::start(peer.name(), program, &arguments, folder, listen, "/live/0")?;
    let swarm = Clients::start(listen, "/live/", clients, Arc::clone(marks)).map_err(failed)?;
    std::thread::sleep(PLAY);
    swarm.take();
    for source in sources {
        source.take_book();
    }
    primary.accept(false);
    primary.cut(cut, (0..clients).collect());
    let seen = until_all_ended(&swarm, if cut == Cut::Silence { PATIENCE } else { SOON });
    primary.accept(true);
    let broken = primary.take_book().broken;
    let after = (0..).zip(&seen).filter_map(|(client, seen): (usize, &Seen)| {
        let (at, _) = seen.ended.as_ref()?;
        let broken = broken.iter().find(|broken| broken.client == client)?;
        Some(millis(at.saturating_sub(broken.at) as i64))
    });
    let moved = seen.iter().filter(|seen| seen.source == Some(1)).count();
    Ok(Row { peer, cut, clients, ended: quantiles(after.collect()), moved })
}

fn until_all_ended(swarm: &Clients, patience: Duration) -> Vec<Seen> {
    let began = clock::now();
    loop {
        std::thread::sleep(Duration::from_millis(250));
        let seen = swarm.take();
        let over = clock::now() - began > patience.as_nanos() as u64;
        if over || seen.iter().all(|seen| seen.ended.is_some()) {
            return seen;
        }
    }
}

/// Debian's defaults, and the backup as the manual has it.
fn haproxy(
    folder: &Path,
    listen: SocketAddr,
    [primary, backup]: [SocketAddr; 2],
) -> std::io::Result<Vec<OsString>> {
    let text = format!(
        "global
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    retries 3
    option redispatch
listen gateway
    bind {listen} backlog 4096
    server primary {primary} check
    server backup {backup} check backup
"
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text)?;
    Ok(vec!["-db".into(), "-f".into(), file.into()])
}

/// An upstream with a backup; timeouts and what counts as a failure as they come.
fn nginx(
    folder: &Path,
    listen: SocketAddr,
    [primary, backup]: [SocketAddr; 2],
) -> std::io::Result<Vec<OsString>> {
    let http = format!(
        "upstream channel {{ server {primary}; server {backup} backup; }}
    server {{
        listen {listen} backlog=4096;
        location / {{
            proxy_pass http://channel;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;
        }}
    }}"
    );
    proxies::nginx::configured(folder, proxies::CLIENTS, &http)
}
