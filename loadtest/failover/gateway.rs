//! weir with a primary and a backup for each client, and what its admin listener is asked.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::admin;
use crate::clock;
use crate::process::Proxy;
use crate::proxies;

/// Switches by hand that are asked for at the same time: the admin listener takes 32 connections,
/// of which some may not have ended yet.
const SWITCHES: usize = 16;

/// What came of switches by hand.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Client, and when it was told.
    pub(crate) at: Vec<(usize, u64)>,
    pub(crate) refused: Vec<String>,
}

/// The running gateway.
pub(crate) struct Gateway {
    pub(crate) process: Proxy,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts it with a channel for each client, all timeouts as they come.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        sources: [SocketAddr; 2],
        clients: usize,
    ) -> Result<Self, String> {
        let free = || proxies::free_address().map_err(|error| error.to_string());
        let (address, admin) = (free()?, free()?);
        // What an operator of a house with one address would set, and nothing of failover.
        let mut text = format!(
            "listen: {{stream: \"{address}\", admin: \"{admin}\"}}\n\
             limits: {{clients_per_ip: 4000, requests_per_second: 1000000}}\n\
             log: {{level: warn}}\nstate_dir: state\ndrain_timeout: 0s\nchannels:\n"
        );
        let [primary, backup] = sources;
        for client in 0..clients {
            writeln!(
                text,
                "  c{client}: {{kind: live, sources: [\"http://{primary}/live/{client}\", \
                 \"http://{backup}/live/{client}\"]}}"
            )
            .unwrap();
        }
        let written = std::fs::create_dir_all(folder.join("state"))
            .and_then(|()| std::fs::write(folder.join("config.yaml"), text));
        written.map_err(|error| format!("{}: {error}", folder.display()))?;
        let arguments = ["--config".into(), folder.join("config.yaml").into()];
        let process = proxies::start("weir", program, &arguments, folder, address, "/stream/c0")?;
        Ok(Self { process, address, admin })
    }

    /// The text of `/metrics`.
    pub(crate) fn metrics(&self) -> Result<String, String> {
        admin::metrics(self.admin)
    }

    /// Tells the session of each of these clients to go over, `apart`: when each was told, and what
    /// weir answered where it did not switch.
    pub(crate) fn switch(&self, clients: &[usize], apart: Duration) -> Result<Told, String> {
        let mut told = Told::default();
        for clients in clients.chunks(SWITCHES) {
            let mut asked = Vec::new();
            for client in clients {
                told.at.push((*client, clock::now()));
                let path = format!("/api/v1/channels/c{client}/failover");
                let ask = admin::ask(self.admin, "POST", &path);
                asked.push(ask.map_err(|error| format!("{path}: {error}"))?);
                std::thread::sleep(apart);
            }
            for stream in asked {
                let text = admin::answer(stream).unwrap_or_else(|error| error.to_string());
                if !text.contains("\"outcome\":\"switched\"") {
                    told.refused.push(text.replace("\r\n", " "));
                }
            }
        }
        Ok(told)
    }
}
