//! How bodies end before their time: the client leaves, the source breaks, a reload or a stop takes
//! everything away. What came is delivered, what is cut is never passed off as whole, and nothing is
//! left.

use super::Case;
use super::Framing;
use super::Stand;
use super::in_each_way;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::within;
use crate::support::origin::Feed;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;

in_each_way!(
    a_client_that_leaves_leaves_nothing_behind,
    a_source_that_breaks_is_delivered_as_far_as_it_came,
    a_source_that_breaks_while_the_client_stalls_is_delivered_as_far_as_it_came,
    a_source_that_sends_more_than_it_said_is_cut_to_its_word,
    a_reload_ends_a_stalled_client,
    a_stop_without_grace_ends_them_all,
);

/// More than all buffers on the way hold.
pub(super) const MUCH: u64 = 48 << 20;

async fn a_client_that_leaves_leaves_nothing_behind(case: Case) {
    #[derive(Clone, Copy, Debug)]
    enum Leave {
        Fin,
        Close,
        Reset,
    }
    let stand = Stand::start(case).await;
    let mut seen = 0;
    for how in [Leave::Fin, Leave::Close, Leave::Reset] {
        for stalls in [false, true] {
            // Somewhere in the middle, or with every buffer full.
            let gate = stand.plays_gated(Framing::Close, MUCH);
            let mut player = stand.tune().await;
            stand.assert_way().await;
            gate.open();
            if stalls {
                assert!(stand.stalled().await < MUCH, "the source never stands");
            } else {
                player.read_exact_body(500_000).await;
            }
            // Who has sent a FIN may still listen.
            let mut listening = None;
            match how {
                Leave::Fin => {
                    player.finish().await;
                    listening = Some(player);
                }
                Leave::Close => player.close(),
                Leave::Reset => player.reset(),
            }
            stand.nothing_left().await;
            let left = stand.origin.connections().last().and_then(|latest| latest.left);
            assert!(left.is_some(), "{how:?}: the source is left, and did not end by itself");
            drop(listening);
            // Whatever was on its way to that client is not on its way to the next one.
            stand.plays_gated(Framing::Close, 300_000).open();
            let body = stand.tune().await.read_to_end().await;
            assert!(body.is_complete(), "{how:?}: {:?}", body.ending);
            case.content().assert_matches(case.lead() as u64, &body.bytes);
            assert_eq!(body.bytes.len(), 300_000);
            stand.nothing_left().await;
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
    assert_eq!(stand.ended("client_closed").await, 6.0);
}

/// How a source breaks, after so many bytes of the rest.
fn broken(case: Case, framing: Framing, size: usize, gate: &Gate, reset: bool) -> Script {
    let (content, lead) = (case.content(), case.lead());
    let head = case.head(framing, (lead + size) as u64 + 1);
    let script = case.answer(head).body(content.slice(0, lead)).wait(gate);
    let script = script.body(content.slice(lead as u64, size));
    if reset { script.reset() } else { script.close() }
}

async fn a_source_that_breaks_is_delivered_as_far_as_it_came(case: Case) {
    let stand = Stand::start(case).await;
    let mut seen = 0;
    for framing in case.framings() {
        for reset in [false, true] {
            if !reset && !case.is_chunked() && *framing != Framing::Length {
                // The connection's end is the body's.
                continue;
            }
            // No more than the gateway's socket holds: a reset does not wait for what is unsent.
            for size in [0, 1, 188, 1316, 20_000, 40_000] {
                let what = format!("{case:?}, {framing:?}, reset: {reset}, {size}");
                let gate = Gate::new();
                stand.plays(broken(case, *framing, size, &gate, reset));
                let mut player = stand.tune().await;
                stand.assert_way().await;
                gate.open();
                let body = player.read_to_end().await;
                assert!(matches!(body.ending, Ending::Cut(_)), "{what}: {:?}", body.ending);
                case.content().assert_matches(case.lead() as u64, &body.bytes);
                assert_eq!(body.bytes.len(), size, "{what}: what came is delivered");
                stand.nothing_left().await;
                seen += 1;
            }
        }
    }
    assert_eq!(seen, if case.is_chunked() { 12 } else { 24 });
    assert_eq!(stand.ended("source_failed").await, f64::from(seen));
}

async fn a_source_that_breaks_while_the_client_stalls_is_delivered_as_far_as_it_came(case: Case) {
    const PART: u64 = 3 << 20;
    let stand = Stand::start(case).await;
    let lead = case.lead() as u64;
    let mut seen = 0;
    // Without a reset: one would destroy what the source's own socket holds.
    for framing in case.framings() {
        let gate = Gate::new();
        let head = case.head(*framing, lead + PART + 1);
        let first = case.content().slice(0, case.lead());
        let rest = Feed::of(case.content()).from(lead).bytes(PART);
        stand.plays(case.answer(head).body(first).wait(&gate).feed(rest).close());
        let mut player = Player::connect_narrow(stand.gateway.stream, 16 * 1024).await;
        player.send(presets::get_keep_alive("x", &stand.target())).await;
        assert_eq!(player.head().await.status, 200);
        let mut player = stand.lead(player).await;
        stand.assert_way().await;
        gate.open();
        stand.stalled().await;
        let body = player.read_to_end().await;
        let cut = case.is_chunked() || *framing == Framing::Length;
        assert_eq!(matches!(body.ending, Ending::Cut(_)), cut, "{framing:?}: {:?}", body.ending);
        assert_eq!(body.bytes.len() as u64, PART, "{framing:?}");
        case.content().assert_matches(lead, &body.bytes);
        stand.nothing_left().await;
        seen += 1;
    }
    assert_eq!(seen, case.framings().len());
}

async fn a_source_that_sends_more_than_it_said_is_cut_to_its_word(case: Case) {
    let stand = Stand::start(case).await;
    let (content, lead) = (case.content(), case.lead());
    let request = presets::get_keep_alive("x", &stand.target());
    let mut player = Player::connect(stand.gateway.stream).await;
    let mut seen = 0;
    for size in [0, 1, 188, 1316, 40_000, 300_000] {
        for more in [1, 5000, 400_000] {
            for at_once in [false, true] {
                let what = format!("{case:?}, {size}, {more} more, at once: {at_once}");
                let (gate, total) = (Gate::new(), lead + size);
                if at_once {
                    gate.open();
                }
                let head = case.head(Framing::Length, total as u64);
                let script = case.answer(head).body(content.slice(0, lead)).wait(&gate);
                let bytes = content.slice(lead as u64, size);
                let mut rest = if size == 0 { bytes } else { case.framed(&bytes) };
                if case.is_chunked() {
                    rest.extend_from_slice(b"0\r\n\r\n");
                }
                rest.extend(content.slice(total as u64, more));
                stand.plays(script.raw(rest).close());
                player.send(&request).await;
                assert_eq!(player.head().await.status, 200, "{what}");
                player = stand.lead(player).await;
                if size > 0 && !at_once {
                    stand.assert_way().await;
                }
                gate.open();
                let body = player.read_to_end().await;
                assert!(body.is_complete(), "{what}: {:?}", body.ending);
                assert_eq!(body.bytes.len(), size, "{what}");
                content.assert_matches(lead as u64, &body.bytes);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 36);
    // All on one connection: a byte too many would have been taken for the next head.
    stand.nothing_left().await;
    assert_eq!(stand.gateway.metric("weir_accepted_total{listener=\"stream\"}").await, 1.0);
}

async fn a_reload_ends_a_stalled_client(case: Case) {
    let stand = Stand::start(case).await;
    let gate = stand.plays_gated(Framing::Close, MUCH);
    let mut player = stand.tune().await;
    stand.assert_way().await;
    gate.open();
    stand.stalled().await;
    let other = "channels: {other: {kind: live, sources: [\"http://127.0.0.1:9/\"]}}\n";
    stand.gateway.reload(&format!("{}{other}", case.settings())).await;
    stand.nothing_left().await;
    assert_eq!(stand.ended("reloaded").await, 1.0);
    let rest = player.read_to_end().await;
    assert!(matches!(rest.ending, Ending::Cut(_)), "{:?}", rest.ending);
    case.content().assert_matches(case.lead() as u64, &rest.bytes);
    assert!((rest.bytes.len() as u64) < MUCH);
}

async fn a_stop_without_grace_ends_them_all(case: Case) {
    let mut stand = Stand::start_with(case, "drain_timeout: 0s\n").await;
    let gate = stand.plays_gated(Framing::Close, MUCH);
    // One who stalls, and one who waits for the source.
    let mut stalled = stand.tune().await;
    stand.assert_way().await;
    gate.open();
    stand.stalled().await;
    let never = stand.plays_gated(Framing::Close, MUCH);
    let mut waiting = stand.tune().await;
    assert_eq!(stand.sessions().await.len(), 2);
    stand.gateway.terminate().await;
    within("the end", stand.gateway.wait()).await;
    stand.origin.idle().await;
    for player in [&mut stalled, &mut waiting] {
        let rest = player.read_to_end().await;
        assert!(matches!(rest.ending, Ending::Cut(_)), "{:?}", rest.ending);
        case.content().assert_matches(case.lead() as u64, &rest.bytes);
    }
    assert!(!never.is_open());
    assert_eq!(stand.begun(), [case.way(), case.way()]);
}
