//! The limit on open files: raised to the hard limit at start, and what it leaves for clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for everything that is no client: listeners, runtime, log, admin, child pipes.
const RESERVED: u64 = 64;

/// Descriptors one client can hold: its socket, an upstream connection, and a standby beside it
/// while a source is changed.
const PER_CLIENT: u64 = 3;

/// Raises the soft limit on open files to the hard one and answers the soft limit that then holds.
/// Where the kernel refuses, the limit stays as it was.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many client connections fit under `nofile` open files; at least 8, so that a tiny limit
/// still serves.
#[must_use]
pub fn connections_for(nofile: u64) -> usize {
    let connections = nofile.saturating_sub(RESERVED) / PER_CLIENT;
    usize::try_from(connections).unwrap_or(usize::MAX).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_descriptors_is_kept_back() {
        assert_eq!(connections_for(1024), 320);
        assert_eq!(connections_for(20_000), 6645);
        assert_eq!(connections_for(0), 8);
    }
}
