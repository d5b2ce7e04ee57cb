//! HAProxy, with and without splicing.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::CLIENTS;

pub(super) fn arguments(
    folder: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
    splicing: bool,
) -> io::Result<Vec<OsString>> {
    // By itself it would splice for a quarter of the connections at once only.
    let (pipes, option) = if splicing {
        (format!("    maxpipes {CLIENTS}\n"), "    option splice-response\n")
    } else {
        (String::new(), "")
    };
    let text = format!(
        "global
    maxconn {CLIENTS}
{pipes}defaults
    mode http
{option}    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen gateway
    bind {listen} backlog 4096
    server origin {origin}
"
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text)?;
    // -db: in the foreground.
    Ok(vec!["-db".into(), "-f".into(), file.into()])
}
