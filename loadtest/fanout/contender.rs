//! weir, Icecast and nginx with the stream, each as a process with a configuration of its own.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use crate::admin;
use crate::process::Proxy;
use crate::proxies;
use crate::proxies::nginx;

use super::Through;
use super::origin::LIVE;
use super::origin::Origin;

/// A contender that answers, and where its stream is.
pub(crate) struct Contender {
    pub(crate) through: Through,
    pub(crate) process: Proxy,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// Of weir.
    admin: Option<SocketAddr>,
}

impl Contender {
    /// Starts it in an empty folder and waits until it answers. It has the stream from then on.
    pub(crate) fn start(
        through: Through,
        program: &Path,
        folder: &Path,
        origin: &Origin,
        clients: usize,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", through.name());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let address = proxies::free_address().map_err(failed)?;
        let (live, segments) = (origin.live.address, origin.segments.address);
        let (mut program, mut admin) = (program.to_owned(), None);
        let (arguments, path) = match through {
            Through::Weir => {
                let own = proxies::free_address().map_err(failed)?;
                admin = Some(own);
                let relay = Relay { live, clients };
                (relay.arguments(folder, address, own), "/stream/live")
            }
            Through::Icecast => {
                let arguments = icecast(folder, address, live, clients);
                let arguments = arguments.map(|arguments| unprivileged(&mut program, arguments));
                (arguments, "/live")
            }
            Through::Nginx => {
                (nginx::cache(folder, address, segments, clients), "/live/index.m3u8")
            }
        };
        let arguments = arguments.map_err(failed)?;
        let process = proxies::start(through.name(), &program, &arguments, folder, address, path)?;
        Ok(Self { through, process, address, path, admin })
    }

    /// Bytes of the stream that weir keeps for its clients.
    pub(crate) fn buffered(&self) -> f64 {
        let metrics = self.admin.map(admin::metrics).transpose().ok().flatten();
        metrics.map_or(0.0, |metrics| admin::sum(&metrics, "weir_relay_buffer_bytes", ""))
    }
}

/// weir with one shared channel, `live`.
pub(crate) struct Relay {
    /// Where its source is.
    pub(crate) live: SocketAddr,
    /// From one address, so limits of one address are raised.
    pub(crate) clients: usize,
}

impl Relay {
    /// Writes the configuration into `folder` and answers what weir is started with.
    pub(crate) fn arguments(
        &self,
        folder: &Path,
        listen: SocketAddr,
        admin: SocketAddr,
    ) -> io::Result<Vec<OsString>> {
        let (live, most) = (self.live, 2 * self.clients + 64);
        let text = format!(
            "listen: {{stream: \"{listen}\", admin: \"{admin}\"}}\n\
             limits: {{clients: {most}, clients_per_ip: {most}, requests_per_second: 1000000}}\n\
             log: {{level: warn}}\nstate_dir: state\ndrain_timeout: 0s\n\
             profiles: {{fanout: {{delivery: shared}}}}\n\
             channels:\n  live: {{kind: live, profile: fanout, sources: [\"http://{live}{LIVE}\"]}}\n"
        );
        std::fs::create_dir(folder.join("state"))?;
        let file = folder.join("config.yaml");
        std::fs::write(&file, text)?;
        Ok(vec!["--config".into(), file.into()])
    }
}

/// A mount that relays the origin's stream all the time; queue and burst are Debian's, which are those of
/// Icecast itself.
fn icecast(
    folder: &Path,
    listen: SocketAddr,
    live: SocketAddr,
    clients: usize,
) -> io::Result<Vec<OsString>> {
    let here = folder.display();
    let most = clients + 64;
    let text = format!(
        "<icecast>
    <location>loopback</location>
    <admin>nobody@localhost</admin>
    <hostname>{}</hostname>
    <limits>
        <clients>{most}</clients>
        <sources>2</sources>
        <queue-size>524288</queue-size>
        <client-timeout>30</client-timeout>
        <header-timeout>15</header-timeout>
        <source-timeout>10</source-timeout>
        <burst-on-connect>1</burst-on-connect>
        <burst-size>65535</burst-size>
    </limits>
    <authentication>
        <source-password>unused</source-password>
        <admin-user>admin</admin-user>
        <admin-password>unused</admin-password>
    </authentication>
    <listen-socket>
        <bind-address>{}</bind-address>
        <port>{}</port>
    </listen-socket>
    <relay>
        <server>{}</server>
        <port>{}</port>
        <mount>{LIVE}</mount>
        <local-mount>/live</local-mount>
        <on-demand>0</on-demand>
        <relay-shoutcast-metadata>0</relay-shoutcast-metadata>
    </relay>
    <fileserve>0</fileserve>
    <paths>
        <logdir>{here}</logdir>
        <webroot>{here}</webroot>
        <adminroot>{here}</adminroot>
    </paths>
    <logging>
        <accesslog>-</accesslog>
        <errorlog>-</errorlog>
        <loglevel>2</loglevel>
    </logging>
</icecast>
",
        listen.ip(),
        listen.ip(),
        listen.port(),
        live.ip(),
        live.port()
    );
    let file = folder.join("icecast.xml");
    std::fs::write(&file, text)?;
    Ok(vec!["-c".into(), file.into()])
}

/// Icecast does not run as root: it becomes nobody before it begins. It still ends with this program.
fn unprivileged(program: &mut PathBuf, arguments: Vec<OsString>) -> Vec<OsString> {
    if !rustix::process::geteuid().is_root() {
        return arguments;
    }
    let own = std::mem::replace(program, "setpriv".into());
    let options = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM", "--"];
    let options = options.into_iter().map(OsString::from);
    options.chain([own.into()]).chain(arguments).collect()
}
