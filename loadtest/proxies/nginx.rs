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

/// A cache of HLS that asks the source once for whatever several ask for at the same time.
pub(crate) fn cache(
    folder: &Path,
    listen: SocketAddr,
    source: SocketAddr,
    clients: usize,
) -> io::Result<Vec<OsString>> {
    let here = folder.display();
    let http = format!(
        "sendfile on;
    tcp_nopush on;
    proxy_cache_path {here}/cache levels=1:2 keys_zone=hls:10m max_size=1g use_temp_path=off;
    upstream source {{ server {source}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen {listen} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_cache hls;
        proxy_cache_lock on;
        location / {{ proxy_pass http://source; proxy_cache_valid 200 60s; }}
        location ~ \\.m3u8$ {{ proxy_pass http://source; proxy_cache_valid 200 1s; }}
    }}"
    );
    configured(folder, clients, &http)
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
