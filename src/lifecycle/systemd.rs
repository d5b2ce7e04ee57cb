//! The service manager's side of life: `sd_notify(3)` datagrams and the watchdog's interval.
//!
//! A dozen lines of protocol, so no library: newline-separated `KEY=VALUE` to the socket that
//! `NOTIFY_SOCKET` names. Without one, every call does nothing.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Sends states to the service manager.
#[derive(Debug, Default)]
pub struct Notifier {
    /// Connected to the manager's socket; `None` when nobody listens.
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// Opens the socket that `NOTIFY_SOCKET` names (`address`; a leading `@` is the abstract
    /// namespace). `None` or an unusable address gives a notifier that does nothing.
    #[must_use]
    pub fn open(address: Option<OsString>) -> Self {
        let socket = address.and_then(|address| connect(&address).ok());
        Self { socket }
    }

    /// Every listener is bound and the configuration is live; `status` is shown by `systemctl`.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// A reload begins; [`Notifier::ready`] ends it. `MONOTONIC_USEC` lets the manager tell this
    /// reload's end from an earlier one's (`Type=notify-reload`).
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Draining has begun and may take up to `grace`.
    pub fn stopping(&self, grace: Duration) {
        let micros = (grace + Duration::from_secs(5)).as_micros();
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=draining"));
    }

    /// A line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// The program is alive; sent only after the probe crossed the data path.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// Best effort: a manager that has gone away must not stop a stream.
    fn send(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, "the service manager did not take a notification");
        }
    }
}

/// How often the watchdog wants to hear from us: half of `WATCHDOG_USEC`, as `sd_watchdog_enabled(3)`
/// advises, when `WATCHDOG_PID` (if set) is this process.
#[must_use]
pub fn watchdog_interval(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let micros: u64 = usec?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros) / 2)
}

fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // The manager reads promptly; a full queue must not block a stream.
    socket.set_nonblocking(true)?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn states_arrive_as_datagrams_on_an_abstract_socket() {
        let name = format!("weir-test-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::open(Some(OsString::from(format!("@{name}"))));
        let mut sent = Vec::new();
        notifier.ready("serving\n2 channels");
        notifier.reloading();
        notifier.stopping(Duration::from_secs(30));
        notifier.watchdog();
        for _ in 0..4 {
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            sent.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(sent[0], "READY=1\nSTATUS=serving 2 channels");
        assert!(sent[1].starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert!(sent[2].starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000"));
        assert_eq!(sent[3], "WATCHDOG=1");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Notifier::open(None).ready("x");
        Notifier::open(Some(OsString::from("/nonexistent/notify"))).watchdog();
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_time_and_only_by_its_process() {
        let own = std::process::id().to_string();
        assert_eq!(watchdog_interval(Some("20000000"), None), Some(Duration::from_secs(10)));
        assert_eq!(watchdog_interval(Some("20000000"), Some(&own)), Some(Duration::from_secs(10)));
        assert_eq!(watchdog_interval(Some("20000000"), Some("1")), None);
        assert_eq!(watchdog_interval(Some("0"), None), None);
        assert_eq!(watchdog_interval(Some("many"), None), None);
        assert_eq!(watchdog_interval(None, None), None);
    }
}
