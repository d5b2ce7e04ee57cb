//! `weir demo`: the whole program on the default ports, with a source of its own on loopback that
//! generates picture and sound, so that every path is a real one: configuration, HTTP, failover.

mod film;
mod hls;
mod live;
mod origin;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::Span;

use crate::app::App;
use crate::config::Bind;
use crate::flow::Control;
use crate::lifecycle::Tasks;
use crate::listen::Gate;
use crate::listen::HttpOptions;
use crate::listen::Listener;
use crate::listen::accept::Acceptor;
use crate::listen::connection;
use crate::media::synth::Synth;
use crate::metrics::Metrics;
use crate::metrics::Port;

pub use origin::Origin;

/// Where the demo's own source listens.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    address: SocketAddr,
}

/// Binds the demo's source on a free loopback port.
///
/// # Errors
/// When loopback has no free port.
pub fn bind() -> std::io::Result<Bound> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let listener = Listener::bind(&Bind::Tcp(any))?;
    let address = listener.local_addr().unwrap_or(any);
    Ok(Bound { listener, address })
}

impl Bound {
    /// The demo's configuration: what a user would write for these sources.
    #[must_use]
    pub fn configuration(&self) -> String {
        let origin = self.address;
        format!(
            "channels:\n\
             \x20 demo:\n    name: \"Demo 1: a primary and a backup\"\n    kind: live\n    sources:\n\
             \x20     - http://{origin}/primary.ts\n      - http://{origin}/backup.ts\n\
             \x20 two:\n    name: \"Demo 2: a clock and a tone\"\n    kind: live\n    sources: [\"http://{origin}/clock.ts\"]\n\
             \x20 film:\n    name: \"Demo film: one minute, seekable\"\n    kind: vod\n    sources: [\"http://{origin}/film.ts\"]\n\
             \x20 hls:\n    name: \"Demo HLS\"\n    kind: hls\n    sources: [\"http://{origin}/hls/playlist.m3u8\"]\n"
        )
    }

    /// What to open and what to try, for standard output.
    #[must_use]
    pub fn welcome(&self, app: &App) -> String {
        let port = app.stream_addresses().first().map_or(0, SocketAddr::port);
        let admin = app.admin_addresses().first().map_or(0, SocketAddr::port);
        let (origin, base) = (self.address, format!("http://127.0.0.1:{port}"));
        let mut text =
            String::from("weir demo: generated channels, no network needed. Open any of\n\n");
        for (path, what) in [
            ("stream/demo", "live, with a backup"),
            ("stream/two", "live, a clock and a tone"),
            ("stream/film", "a film of one minute, seekable"),
            ("hls/hls/playlist.m3u8", "HLS"),
            ("stream/hls?format=ts", "the same as one transport stream"),
            ("playlist.m3u", "all of them, for a player's channel list"),
        ] {
            // Writing into a String cannot fail.
            _ = writeln!(text, "  {base}/{path:<24} {what}");
        }
        _ = write!(
            text,
            "\nTry\n\n\
             \x20 ffplay {base}/stream/demo\n\
             \x20 vlc {base}/playlist.m3u\n\
             \x20 curl -r 1000-1999 -o part {base}/stream/film\n\
             \x20 curl -X POST http://{origin}/primary/off    the primary dies; /primary/on brings it back\n\
             \x20 curl -X POST http://127.0.0.1:{admin}/api/v1/channels/demo/failover    switch whoever watches\n\
             \x20 curl http://127.0.0.1:{admin}/api/v1/sessions\n\
             \x20 curl http://127.0.0.1:{admin}/metrics\n\n\
             Ctrl-C ends it.\n"
        );
        text
    }

    /// Serves the generated channels until `tasks` stop.
    pub fn serve(self, tasks: &Tasks) {
        let origin = Origin::new(frames_since_epoch());
        let acceptor = Acceptor {
            tasks: tasks.clone(),
            gate: Gate::new(256, 256),
            // Its own figures: the program's are those of the gateway alone.
            metrics: Arc::new(Metrics::new()),
            port: Port::Stream,
            patience: std::time::Duration::from_secs(60),
            lanes: None,
        };
        tasks.spawn(Span::none(), hls::run(origin.window(), tasks.stop_notice()));
        let options =
            HttpOptions { head_timeout: std::time::Duration::from_secs(10), head_bytes: 16 * 1024 };
        let stop = tasks.stop_notice();
        let serving = acceptor.run(self.listener, None, move |accepted| {
            let control: &Control = &accepted.info.control;
            control.wait_for_ever();
            connection::serve(accepted.io, accepted.info, origin.clone(), options, stop.clone())
        });
        tasks.spawn(Span::none(), serving);
    }
}

/// The number of the picture that is due now, counted since 1970: its clock shows the time of day
/// in UTC, and two generators agree on it.
fn frames_since_epoch() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    millis / (1000 / Synth::FRAMES_PER_SECOND)
}
