//! What weir's admin listener is asked.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer of the admin listener may take: a switch is told when it is done.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request without a body.
pub(crate) fn ask(admin: SocketAddr, method: &str, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {admin}\r\n{length}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

/// The whole answer, its head too.
pub(crate) fn answer(mut stream: TcpStream) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The text of `/metrics`.
pub(crate) fn metrics(admin: SocketAddr) -> Result<String, String> {
    ask(admin, "GET", "/metrics").and_then(answer).map_err(|error| format!("metrics: {error}"))
}

/// The sum of a metric over all its labels in which `label` occurs; 0 where there is none.
pub(crate) fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| {
        let (own, value) = line.rsplit_once(' ')?;
        let (own, labels) = own.split_once('{').unwrap_or((own, ""));
        (own == name && labels.contains(label)).then(|| value.parse::<f64>().ok()).flatten()
    });
    values.sum()
}
