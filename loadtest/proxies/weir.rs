//! weir itself: one channel for each path of the scenarios.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::scenario;
use crate::soak;
use crate::swarm::Manner;

use super::CLIENTS;

/// `failover.join`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Join {
    /// Byte after byte: nothing looks at the media.
    Raw,
    /// As weir comes: it watches the packets, to carry on at the right one.
    Default,
}

pub(super) fn arguments(
    folder: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
    join: Join,
) -> io::Result<Vec<OsString>> {
    let admin = super::free_address()?;
    let mut text = format!(
        "listen: {{stream: \"{listen}\", admin: \"{admin}\"}}\n\
         limits: {{clients: {CLIENTS}, clients_per_ip: {CLIENTS}, requests_per_second: 1000000, \
         client_timeout: 1h}}\n\
         log: {{level: warn}}\nstate_dir: state\ndrain_timeout: 0s\n"
    );
    if matches!(join, Join::Raw) {
        text.push_str("failover: {join: raw}\n");
    }
    text.push_str("channels:\n");
    let mut channels: Vec<_> = scenario::ALL
        .iter()
        .chain([&soak::SCENARIO])
        .map(|scenario| (scenario.channel(), scenario.path(), scenario.manner))
        .collect();
    channels.sort_by(|one, other| one.0.cmp(&other.0));
    channels.dedup_by(|one, other| one.0 == other.0);
    for (name, path, manner) in channels {
        let kind = if matches!(manner, Manner::Ranges { .. }) { "vod" } else { "live" };
        writeln!(text, "  {name}: {{kind: {kind}, sources: [\"http://{origin}{path}\"]}}")
            .map_err(io::Error::other)?;
    }
    let file = folder.join("config.yaml");
    std::fs::create_dir(folder.join("state"))?;
    std::fs::write(&file, text)?;
    Ok(vec!["--config".into(), file.into()])
}

/// Builds the program beside this one, and says where it is.
pub(crate) fn build() -> Result<PathBuf, String> {
    // Set by `cargo run`.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--bin", "weir"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| format!("building weir: {error}"))?;
    if !built.success() {
        return Err(format!("building weir: {built}"));
    }
    // target/release/examples/loadtest, target/release/weir.
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let weir = own.parent().and_then(Path::parent).map(|folder| folder.join("weir"));
    weir.filter(|weir| weir.is_file()).ok_or_else(|| "no weir beside this program: --weir".into())
}
