//! nginx as an unbuffered proxy, out of a folder of its own and without any privilege.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::CLIENTS;

pub(super) fn arguments(
    folder: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
) -> io::Result<Vec<OsString>> {
    configured(
        folder,
        CLIENTS,
        &format!(
            "send_timeout 1h;
    upstream origin {{ server {origin}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen {listen} backlog=4096;
        tcp_nodelay on;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}"
        ),
    )
}

/// Writes a configuration with these lines for `http`, for so many clients, and answers the arguments
/// that nginx is started with.
pub(crate) fn configured(folder: &Path, clients: usize, http: &str) -> io::Result<Vec<OsString>> {
    let here = folder.display();
    // Started by root it would run its workers as another user, who cannot enter the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let sockets = 2 * clients + 512;
    let text = format!(
        "{user}daemon off;
pid {here}/nginx.pid;
error_log stderr error;
worker_processes auto;
worker_rlimit_nofile {sockets};
events {{ worker_connections {sockets}; }}
http {{
    access_log off;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    keepalive_requests 1000000000;
    {http}
}}
"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    Ok(vec!["-e".into(), "stderr".into(), "-p".into(), folder.into(), "-c".into(), file.into()])
}
