//! The gateway and its peers, each as a process with a configuration of its own.

use std::ffi::OsString;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::process::Proxy;
use crate::scenario::Scenario;

mod haproxy;
pub(crate) mod naive;
pub(crate) mod nginx;
pub(crate) mod weir;

/// Clients every proxy is configured for.
pub(crate) const CLIENTS: usize = 4000;

/// How long a proxy may take until it answers.
const START: Duration = Duration::from_secs(10);

/// One row of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    WeirSpliced,
    WeirWatched,
    Nginx,
    HaproxySplicing,
    Haproxy,
    Naive,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::WeirSpliced,
        Self::WeirWatched,
        Self::HaproxySplicing,
        Self::Haproxy,
        Self::Nginx,
        Self::Naive,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WeirSpliced => "weir-spliced",
            Self::WeirWatched => "weir-watched",
            Self::Nginx => "nginx",
            Self::HaproxySplicing => "haproxy-splicing",
            Self::Haproxy => "haproxy",
            Self::Naive => "naive",
        }
    }

    /// Where the program is, or what to install.
    pub(crate) fn program(self, weir: &Path) -> Result<PathBuf, String> {
        match self {
            Self::WeirSpliced | Self::WeirWatched => Ok(weir.to_owned()),
            Self::Nginx => installed("nginx"),
            Self::HaproxySplicing | Self::Haproxy => installed("haproxy"),
            Self::Naive => std::env::current_exe().map_err(|error| error.to_string()),
        }
    }

    /// The path under which it serves what the origin serves under the scenario's.
    pub(crate) fn path(self, scenario: &Scenario) -> String {
        match self {
            Self::WeirSpliced | Self::WeirWatched => format!("/stream/{}", scenario.channel()),
            _ => scenario.path(),
        }
    }

    /// Writes the configuration into `folder` and says how to start the program.
    fn arguments(
        self,
        folder: &Path,
        listen: SocketAddr,
        origin: SocketAddr,
    ) -> std::io::Result<Vec<OsString>> {
        match self {
            Self::WeirSpliced => weir::arguments(folder, listen, origin, weir::Join::Raw),
            Self::WeirWatched => weir::arguments(folder, listen, origin, weir::Join::Default),
            Self::Nginx => nginx::arguments(folder, listen, origin),
            Self::HaproxySplicing => haproxy::arguments(folder, listen, origin, true),
            Self::Haproxy => haproxy::arguments(folder, listen, origin, false),
            Self::Naive => Ok(naive::arguments(listen, origin)),
        }
    }

    /// Starts it in an empty folder and waits until it answers.
    pub(crate) fn start(
        self,
        program: &Path,
        folder: &Path,
        origin: SocketAddr,
        ask: &Scenario,
    ) -> Result<(Proxy, SocketAddr), String> {
        let at_work = |error: std::io::Error| format!("{}: {error}", self.name());
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(at_work)?;
        }
        std::fs::create_dir_all(folder).map_err(at_work)?;
        let listen = free_address().map_err(at_work)?;
        let arguments = self.arguments(folder, listen, origin).map_err(at_work)?;
        let path = self.path(ask);
        let proxy = start(self.name(), program, &arguments, folder, listen, &path)?;
        Ok((proxy, listen))
    }
}

/// Starts a proxy and waits until it answers with a stream under `path`.
pub(crate) fn start(
    name: &str,
    program: &Path,
    arguments: &[OsString],
    folder: &Path,
    listen: SocketAddr,
    path: &str,
) -> Result<Proxy, String> {
    let started = Instant::now();
    let mut proxy =
        Proxy::start(program, arguments, folder).map_err(|error| format!("{name}: {error}"))?;
    loop {
        if answers(listen, path).is_ok() {
            return Ok(proxy);
        }
        if let Some(last) = proxy.ended() {
            return Err(format!("{name} ended: {last}"));
        }
        if started.elapsed() > START {
            return Err(format!("{name} does not answer on {listen}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Whether a stream comes.
fn answers(address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut begin = [0; 15];
    stream.read_exact(&mut begin)?;
    // Icecast answers with HTTP/1.0.
    if begin.starts_with(b"HTTP/1.") && begin.ends_with(b" 200 OK") {
        return Ok(());
    }
    Err(std::io::Error::other("not 200"))
}

/// Where a program is, or what to install.
pub(crate) fn installed(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{name} is not installed: apt-get install {name}"))
}
