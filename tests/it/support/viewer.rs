//! Someone who watches a live channel: a [`Player`] whose picture is judged ([`TsCheck`]) and traced
//! to its sources ([`TsTrace`]) while it plays.
//!
//! ```ignore
//! let mut viewer = Viewer::tune(weir, &presets::vlc(weir, "/stream/orf1")).await;
//! viewer.play_until_source(0xa).await;
//! primary_dies.open();
//! viewer.play_until_source(0xb).await;
//! viewer.play(1000).await;
//! viewer.report().assert_clean("the joined stream");
//! assert_eq!(viewer.sources(), [0xa, 0xb]);
//! ```

use std::net::SocketAddr;

use super::player::Ending;
use super::player::Head;
use super::player::Player;
use super::ts::PACKET;
use super::ts::TsCheck;
use super::ts::TsTrace;
use super::ts::check::TsReport;

/// See the module. Memory does not grow with what was watched.
pub(crate) struct Viewer {
    player: Player,
    head: Head,
    check: TsCheck,
    trace: TsTrace,
    bytes: u64,
    ending: Option<Ending>,
}

impl Viewer {
    /// Sends `request` and expects a stream.
    ///
    /// # Panics
    /// If the answer is no 200.
    pub(crate) async fn tune(address: SocketAddr, request: &str) -> Self {
        let (player, head) = Player::ask(address, request).await;
        Self::watch(player, head)
    }

    /// Watches what a player was given.
    ///
    /// # Panics
    /// If that is no 200.
    pub(crate) fn watch(player: Player, head: Head) -> Self {
        assert_eq!(head.status, 200, "{}", head.raw.escape_ascii());
        let (check, trace) = (TsCheck::new(), TsTrace::default());
        Self { player, head, check, trace, bytes: 0, ending: None }
    }

    /// Plays `packets` more.
    ///
    /// # Panics
    /// If the stream ends before, or nothing comes before the deadline.
    pub(crate) async fn play(&mut self, packets: usize) {
        let bytes = self.player.read_exact_body(packets * PACKET).await;
        self.show(&bytes);
    }

    /// Plays until a packet of the pattern with `seed` comes.
    ///
    /// # Panics
    /// If the stream ends before, or the deadline passes.
    pub(crate) async fn play_until_source(&mut self, seed: u32) {
        let what = format!("a packet of source {seed:#x}");
        super::eventually::within(&what, async {
            while self.trace.runs().last().is_none_or(|run| run.seed != seed) {
                match self.player.chunk().await {
                    Ok(bytes) => self.show(&bytes),
                    Err(ending) => panic!("{ending:?} before {what}, after {:?}", self.sources()),
                }
            }
        })
        .await;
    }

    /// Plays until the stream ends, and says how it did.
    pub(crate) async fn play_to_end(&mut self) -> Ending {
        if let Some(ending) = &self.ending {
            return ending.clone();
        }
        loop {
            match self.player.chunk().await {
                Ok(bytes) => self.show(&bytes),
                Err(ending) => {
                    self.ending = Some(ending.clone());
                    return ending;
                }
            }
        }
    }

    /// The head of the answer.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The verdict so far.
    pub(crate) fn report(&self) -> &TsReport {
        self.check.so_far()
    }

    /// The verdict over all that was watched, an incomplete last packet included.
    pub(crate) fn final_report(&self) -> TsReport {
        self.check.clone().finish()
    }

    /// Where the packets came from.
    pub(crate) fn trace(&self) -> &TsTrace {
        &self.trace
    }

    /// Seeds of the patterns in the order in which they came.
    pub(crate) fn sources(&self) -> Vec<u32> {
        self.trace.seeds()
    }

    /// Bytes watched.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The player, to pause, measure or leave with.
    pub(crate) fn player(&mut self) -> &mut Player {
        &mut self.player
    }

    /// Leaves, as most do: with data unread, so with a reset where there is any.
    pub(crate) fn leave(self) {
        self.player.close();
    }

    fn show(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.check.feed(bytes);
        self.trace.feed(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::eventually::Gate;
    use crate::support::origin::Feed;
    use crate::support::origin::Origin;
    use crate::support::origin::Script;
    use crate::support::player::presets;
    use crate::support::ts::TsPattern;

    #[tokio::test]
    async fn a_viewer_sees_where_the_picture_comes_from() {
        let gate = Gate::new();
        let first = Feed::of(TsPattern::new(0xa)).rate(10_000_000).until(&gate).cut_at(0);
        let script = Script::live(first).feed(Feed::of(TsPattern::new(0xb)).packets(2000));
        let origin = Origin::start(move |_| script.clone()).await;
        let mut viewer = Viewer::tune(origin.address(), &presets::get("x", "/")).await;
        viewer.play_until_source(0xa).await;
        viewer.report().assert_clean("one source");
        gate.open();
        viewer.play_until_source(0xb).await;
        viewer.play(500).await;
        assert_eq!(viewer.sources(), [0xa, 0xb]);
        assert_eq!(viewer.play_to_end().await, Ending::Complete);
        assert_eq!(viewer.bytes() % PACKET as u64, 0);
        assert_eq!(viewer.trace().switches(), 1);
        assert!(!viewer.final_report().faults().is_empty(), "a raw splice is not clean");
    }
}
