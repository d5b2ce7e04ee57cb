//! How often a standby's new PMT is followed. To follow one takes as long as to pass thousands of
//! packets, and a source may send another one with each packet.

/// Packets of the standby that pay for one new PMT: 48 KB.
const PRICE: u64 = 256;

/// New PMTs that may come at once.
const BURST: u64 = 8;

/// Counts packets and new PMTs (GCRA: a time at which all is paid, in packets).
#[derive(Debug)]
pub(super) struct Pace {
    packets: u64,
    /// What has been taken is paid when so many packets have come.
    paid_at: u64,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { packets: 0, paid_at: 0 }
    }

    /// A packet has come.
    pub(super) const fn tick(&mut self) {
        self.packets += 1;
    }

    /// Whether a new PMT is followed.
    pub(super) fn takes(&mut self) -> bool {
        let paid_at = self.paid_at.max(self.packets) + PRICE;
        let takes = paid_at <= self.packets + BURST * PRICE;
        if takes {
            self.paid_at = paid_at;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_and_then_what_is_paid_for() {
        let mut pace = Pace::new();
        let taken = |pace: &mut Pace| (0..100).filter(|_| pace.takes()).count() as u64;
        assert_eq!(taken(&mut pace), BURST);
        (1..PRICE).for_each(|_| pace.tick());
        assert_eq!(taken(&mut pace), 0);
        pace.tick();
        assert_eq!(taken(&mut pace), 1);
        (0..100 * PRICE).for_each(|_| pace.tick());
        assert_eq!(taken(&mut pace), BURST);
    }
}
