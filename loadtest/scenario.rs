//! What is measured: the streams, the clients, and what a figure is divided by.

use crate::swarm::Manner;

/// Size of the file that ranges are asked of.
const FILE: u64 = 4 << 30;

/// What a scenario's CPU time is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// CPU seconds for each GB (10⁹ bytes) that reached the clients.
    Gigabyte,
    /// CPU milliseconds for each zap.
    Zap,
    /// CPU seconds for each second.
    Second,
}

impl Per {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Gigabyte => "s/GB",
            Self::Zap => "ms/zap",
            Self::Second => "s/s",
        }
    }
}

/// One scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    /// Bits a second of each stream; 0: as fast as it goes.
    pub(crate) bits: u64,
    /// Bytes the origin writes at once.
    pub(crate) piece: u64,
    pub(crate) manner: Manner,
    pub(crate) per: Per,
    /// Whether zaps are timed beside the clients that play.
    pub(crate) first_byte: bool,
    /// Whether its CPU/GB counts for the goals.
    pub(crate) judged: bool,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
}

impl Scenario {
    /// The path at the origin.
    pub(crate) fn path(&self) -> String {
        match self.manner {
            Manner::Ranges { size, .. } => format!("/file/{size}"),
            _ => format!("/live/{}/{}", self.bits, self.piece),
        }
    }

    /// The name of the same at the gateway.
    pub(crate) fn channel(&self) -> String {
        self.path().trim_start_matches('/').replace('/', "-")
    }

    /// Bytes that should come in so many seconds; `None` when nothing sets the pace.
    pub(crate) fn due(&self, seconds: f64) -> Option<f64> {
        let paced = self.manner == Manner::Play { paced: true };
        paced.then(|| self.bits as f64 / 8.0 * self.clients as f64 * seconds)
    }
}

/// Clients that play: `(name, clients, bits a second, bytes a write, what it shows)`.
const fn play(
    name: &'static str,
    clients: usize,
    bits: u64,
    piece: u64,
    about: &'static str,
) -> Scenario {
    Scenario {
        name,
        clients,
        bits,
        piece,
        manner: Manner::Play { paced: bits > 0 },
        per: Per::Gigabyte,
        first_byte: false,
        judged: true,
        about,
    }
}

/// Every scenario, in the order in which they run.
pub(crate) const ALL: [Scenario; 10] = [
    play("unpaced-4", 4, 0, 65_536, "4 clients, as fast as it goes"),
    play("40M-20-small", 20, 40_000_000, 1316, "20 x 40 Mbit/s, written 1316 bytes at a time"),
    play("8M-100", 100, 8_000_000, 10_000, "100 x 8 Mbit/s, written every 10 ms"),
    Scenario {
        judged: false,
        ..play("4M-100", 100, 4_000_000, 10_000, "100 x 4 Mbit/s, written every 20 ms")
    },
    play("4M-1000", 1000, 4_000_000, 10_000, "1,000 x 4 Mbit/s, written every 20 ms"),
    Scenario {
        judged: false,
        ..play("200k-2000", 2000, 200_000, 1316, "2,000 x 200 kbit/s, 1316 bytes at a time")
    },
    Scenario {
        manner: Manner::Ranges { size: FILE, piece: 1 << 20 },
        ..play("range", 8, 0, 0, "8 connections, one 1 MiB range after the other")
    },
    Scenario {
        manner: Manner::Zap { bytes: 64 * 1024 },
        per: Per::Zap,
        judged: false,
        ..play("zap", 32, 0, 65_536, "32 at a time connect, take 64 KiB, reset")
    },
    Scenario {
        manner: Manner::Stall,
        per: Per::Second,
        judged: false,
        ..play("stalled-1000", 1000, 0, 65_536, "1,000 clients take the head and then nothing")
    },
    Scenario {
        first_byte: true,
        judged: false,
        ..play("first-byte", 100, 8_000_000, 10_000, "300 zaps beside 100 x 8 Mbit/s")
    },
];
