//! A provider at both ends: the budget that hands out its slots, and the server that counts
//! connections by itself.

#[derive(Debug)]
pub(super) struct Provider {
    limit: usize,
    /// Slots handed out.
    pub(super) used: usize,
    /// Connections that the server sees.
    connections: usize,
}

impl Provider {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, connections: 0 }
    }

    pub(super) fn take(&mut self) -> bool {
        let free = self.used < self.limit;
        self.used += usize::from(free);
        free
    }

    pub(super) fn give_back(&mut self) {
        self.used = self.used.checked_sub(1).expect("a slot that was never got");
    }

    pub(super) fn connect(&mut self) {
        self.connections += 1;
        assert!(self.connections <= self.limit, "the provider saw one connection too many");
    }

    pub(super) fn disconnect(&mut self) {
        self.connections = self.connections.checked_sub(1).expect("it was never opened");
        assert!(self.connections <= self.used, "a connection without a slot");
    }
}
