//! weir and nginx with the channel, each as a process with a configuration of its own.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::process::Proxy;
use crate::proxies;
use crate::proxies::nginx::cache;

use super::Way;

/// A proxy that answers, and where its playlist is.
pub(crate) struct Gateway {
    pub(crate) process: Proxy,
    pub(crate) playlist: String,
}

impl Gateway {
    /// Starts it in an empty folder and waits until it answers.
    pub(crate) fn start(
        way: Way,
        program: &Path,
        folder: &Path,
        source: SocketAddr,
        clients: usize,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", way.name());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let listen = proxies::free_address().map_err(failed)?;
        let (arguments, path) = match way {
            Way::Weir => (weir(folder, listen, source, clients), "/hls/live/playlist.m3u8"),
            _ => (cache(folder, listen, source, clients), "/live/index.m3u8"),
        };
        let arguments = arguments.map_err(failed)?;
        let process = proxies::start(way.name(), program, &arguments, folder, listen, path)?;
        Ok(Self { process, playlist: format!("http://{listen}{path}") })
    }
}

/// The limits of what one address may take raised, as all players have the same; nothing of HLS.
fn weir(
    folder: &Path,
    listen: SocketAddr,
    source: SocketAddr,
    clients: usize,
) -> io::Result<Vec<OsString>> {
    let admin = proxies::free_address()?;
    let most = 2 * clients + 64;
    let text = format!(
        "listen: {{stream: \"{listen}\", admin: \"{admin}\"}}\n\
         limits: {{clients: {most}, clients_per_ip: {most}, requests_per_second: 1000000}}\n\
         log: {{level: warn}}\nstate_dir: state\ndrain_timeout: 0s\n\
         channels:\n  live: {{kind: hls, sources: [\"http://{source}/live/index.m3u8\"]}}\n"
    );
    std::fs::create_dir(folder.join("state"))?;
    let file = folder.join("config.yaml");
    std::fs::write(&file, text)?;
    Ok(vec!["--config".into(), file.into()])
}
