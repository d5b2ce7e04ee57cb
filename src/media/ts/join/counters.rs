//! The last continuity counter that a client was sent on each PID.

use crate::media::ts::packet::LEN;
use crate::media::ts::packet::Packet;
use crate::media::ts::packet::Pid;
use crate::media::ts::watch::Watcher;

/// In rising order of PIDs: 4 bytes for each that was ever used, 32 KiB at most.
#[derive(Clone, Debug)]
pub(super) struct Sequence(Vec<(Pid, u8)>);

impl Sequence {
    /// None was sent on any.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Goes on where `watcher` is.
    pub(super) fn after(watcher: &Watcher) -> Self {
        Self(watcher.continuity_counters().collect())
    }

    pub(super) fn last(&self, pid: Pid) -> Option<u8> {
        let place = self.0.binary_search_by_key(&pid, |(pid, _)| *pid).ok()?;
        self.0.get(place).map(|(_, counter)| *counter)
    }

    /// Memory of what it holds.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }

    /// All PIDs that have one.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> + '_ {
        self.0.iter().map(|(pid, _)| *pid)
    }

    /// Takes a packet that was sent, as its counter stands.
    pub(super) fn note(&mut self, packet: &[u8; LEN]) {
        if let Some(packet) = Packet::parse(packet).filter(|packet| !packet.transport_error()) {
            self.set(packet.pid(), packet.continuity_counter());
        }
    }

    pub(super) fn set(&mut self, pid: Pid, counter: u8) {
        if pid == Pid::NULL {
            return;
        }
        match self.0.binary_search_by_key(&pid, |(pid, _)| *pid) {
            Ok(place) => {
                if let Some((_, last)) = self.0.get_mut(place) {
                    *last = counter;
                }
            }
            Err(place) => self.0.insert(place, (pid, counter)),
        }
    }
}
