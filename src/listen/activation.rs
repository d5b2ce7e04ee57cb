//! Sockets that the service manager bound for us (`LISTEN_FDS`, `LISTEN_FDNAMES`), by name.

use std::io;

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

use crate::listen::socket::Listener;

/// What was handed over, until each socket is taken by its name.
pub struct Activation {
    sockets: ListenFd,
    /// The name of each socket, in order; empty where the manager gave none.
    names: Vec<String>,
}

impl Activation {
    /// Adopts what `LISTEN_FDS` offers. Call once, before any thread reads the environment;
    /// `names` is the value of `LISTEN_FDNAMES`.
    #[must_use]
    pub fn adopt(names: Option<&str>) -> Self {
        let sockets = ListenFd::from_env();
        let names = names.unwrap_or_default().split(':').map(str::to_owned).collect();
        Self { sockets, names }
    }

    /// Nothing handed over.
    #[must_use]
    pub fn none() -> Self {
        Self { sockets: ListenFd::empty(), names: Vec::new() }
    }

    /// How many sockets were handed over.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sockets.len()
    }

    /// Takes every socket with this name (`FileDescriptorName=` of the socket unit). A single
    /// socket without a name of ours is taken for `stream`.
    ///
    /// # Errors
    /// When a socket is of a kind that cannot be listened on.
    pub fn take(&mut self, name: &str) -> io::Result<Vec<Listener>> {
        let mut taken = Vec::new();
        for index in 0..self.sockets.len() {
            let given = self.names.get(index).map_or("", String::as_str);
            let nameless = !["stream", "stream_tls", "admin"].contains(&given);
            if given != name && !(nameless && name == "stream") {
                continue;
            }
            if let Some(listener) = take_tcp(&mut self.sockets, index)? {
                taken.push(listener);
            } else if let Some(listener) = take_unix(&mut self.sockets, index)? {
                taken.push(listener);
            }
        }
        Ok(taken)
    }
}

fn take_tcp(sockets: &mut ListenFd, index: usize) -> io::Result<Option<Listener>> {
    // A Unix socket at this index is no error here: it is tried as one next.
    let Ok(Some(listener)) = sockets.take_tcp_listener(index) else {
        return Ok(None);
    };
    listener.set_nonblocking(true)?;
    Ok(Some(Listener::Tcp(TcpListener::from_std(listener)?)))
}

fn take_unix(sockets: &mut ListenFd, index: usize) -> io::Result<Option<Listener>> {
    let Some(listener) = sockets.take_unix_listener(index)? else {
        return Ok(None);
    };
    listener.set_nonblocking(true)?;
    Ok(Some(Listener::Unix(UnixListener::from_std(listener)?, None)))
}
