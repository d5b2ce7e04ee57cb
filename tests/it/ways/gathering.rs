//! Bytes that gather in a source's socket before anybody is woken for them: none waits for a next
//! one that does not come, and the last ones arrive however the stream ends.

use super::Case;
use super::Stand;
use super::in_each_way;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::origin::Feed;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;

in_each_way!(
    every_burst_arrives_although_the_next_is_not_sent,
    a_trickle_arrives_drop_by_drop,
    the_last_bytes_arrive_however_the_stream_ends,
);

/// Bytes a second at which it is worth to wait for more, written every few milliseconds, so that
/// what gathers is always there in time.
const FAST: u64 = 20_000_000;
/// A stretch at that rate: as long as it takes to be known for it.
const STRETCH: u64 = 12_000_000;

/// A source in the making: what it has sent so far.
struct Source {
    case: Case,
    script: Script,
    at: u64,
}

impl Source {
    fn new(case: Case, gate: &Gate) -> Self {
        let (content, lead) = (case.content(), case.lead());
        let script = case.answer(case.head(super::Framing::Close, 0));
        let script = script.body(content.slice(0, lead)).wait(gate);
        Self { case, script, at: lead as u64 }
    }

    /// A stretch at the rate of a live stream.
    fn fast(mut self) -> Self {
        let feed = Feed::of(self.case.content()).from(self.at).bytes(STRETCH).rate(FAST);
        self.script = self.script.feed(feed);
        self.at += STRETCH;
        self
    }

    /// So many bytes in one write, once the gate opens.
    fn burst(mut self, gate: &Gate, bytes: usize) -> Self {
        let bytes = self.case.content().slice(self.at, bytes);
        self.at += bytes.len() as u64;
        self.script = self.script.wait(gate).body(bytes);
        self
    }
}

/// Reads the next `count` bytes of the body, which begin at `at`.
async fn assert_next(case: Case, player: &mut Player, at: &mut u64, count: u64) {
    let bytes = player.read_exact_body(count as usize).await;
    case.content().assert_matches(*at, &bytes);
    *at += count;
}

fn gates(count: usize) -> Vec<Gate> {
    (0..count).map(|_| Gate::new()).collect()
}

async fn every_burst_arrives_although_the_next_is_not_sent(case: Case) {
    const ROUNDS: usize = 3;
    const BURSTS: usize = 60;
    let stand = Stand::start(case).await;
    let (begin, bursts) = (Gate::new(), gates(ROUNDS * BURSTS));
    let mut source = Source::new(case, &begin);
    for round in bursts.chunks(BURSTS) {
        source = source.fast();
        for gate in round {
            source = source.burst(gate, 1316);
        }
    }
    stand.plays(source.script.stall());
    let mut player = stand.tune().await;
    stand.assert_way().await;
    begin.open();
    let (mut at, mut seen) = (case.lead() as u64, 0);
    for round in bursts.chunks(BURSTS) {
        assert_next(case, &mut player, &mut at, STRETCH).await;
        for gate in round {
            gate.open();
            assert_next(case, &mut player, &mut at, 1316).await;
            seen += 1;
        }
    }
    assert_eq!(seen, ROUNDS * BURSTS);
    player.close();
    stand.nothing_left().await;
}

async fn a_trickle_arrives_drop_by_drop(case: Case) {
    const DROPS: usize = 2000;
    let stand = Stand::start(case).await;
    let (begin, drops) = (Gate::new(), gates(DROPS));
    let source =
        drops.iter().fold(Source::new(case, &begin), |source, gate| source.burst(gate, 100));
    stand.plays(case.end(source.script));
    let mut player = stand.tune().await;
    stand.assert_way().await;
    begin.open();
    let mut at = case.lead() as u64;
    for gate in &drops {
        gate.open();
        assert_next(case, &mut player, &mut at, 100).await;
    }
    let rest = player.read_to_end().await;
    assert!(rest.is_complete() && rest.bytes.is_empty(), "{:?}", rest.ending);
    stand.nothing_left().await;
}

async fn the_last_bytes_arrive_however_the_stream_ends(case: Case) {
    let mut seen = 0;
    let stand = Stand::start(case).await;
    for reset in [false, true] {
        for last in [1, 3000] {
            let what = format!("{case:?}, reset: {reset}, {last}");
            let (begin, end) = (Gate::new(), Gate::new());
            let source = Source::new(case, &begin).fast().burst(&end, last);
            let total = source.at;
            let ended = if reset { source.script.reset() } else { case.end(source.script) };
            stand.plays(ended);
            let mut player = stand.tune().await;
            stand.assert_way().await;
            begin.open();
            let mut at = case.lead() as u64;
            assert_next(case, &mut player, &mut at, STRETCH).await;
            end.open();
            let rest = player.read_to_end().await;
            assert_eq!(matches!(rest.ending, Ending::Cut(_)), reset, "{what}: {:?}", rest.ending);
            case.content().assert_matches(at, &rest.bytes);
            assert_eq!(at + rest.bytes.len() as u64, total, "{what}");
            stand.nothing_left().await;
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}
