//! Sources that write as they please: in pieces of any size, and the head and the first bytes of the
//! body together, apart or far ahead.

use super::Case;
use super::Stand;
use super::in_each_way;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::origin::Feed;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;

in_each_way!(
    a_source_may_write_in_pieces_of_any_size,
    head_and_body_may_come_together_or_apart,
    a_short_answer_in_one_segment_arrives
);

async fn a_source_may_write_in_pieces_of_any_size(case: Case) {
    const CASES: [(usize, usize); 6] =
        [(1, 3000), (7, 3000), (188, 2000), (1316, 1000), (65_536, 20), (262_145, 5)];
    let stand = Stand::start(case).await;
    let (content, lead) = (case.content(), case.lead());
    let mut seen = 0;
    for (piece, count) in CASES {
        for framing in case.framings() {
            let what = format!("{case:?}, {framing:?}, {piece}");
            let size = piece * count;
            let gate = Gate::new();
            let head = case.head(*framing, (lead + size) as u64);
            let mut script = case.answer(head).body(content.slice(0, lead)).wait(&gate);
            for number in 0..count {
                script = script.body(content.slice((lead + number * piece) as u64, piece));
            }
            stand.plays(case.end(script));
            let mut player = stand.tune().await;
            stand.assert_way().await;
            gate.open();
            let body = player.read_to_end().await;
            assert!(body.is_complete(), "{what}: {:?}", body.ending);
            content.assert_matches(lead as u64, &body.bytes);
            assert_eq!(body.bytes.len(), size, "{what}");
            seen += 1;
        }
    }
    assert_eq!(seen, CASES.len() * case.framings().len());
    stand.nothing_left().await;
}

/// What the source writes before it waits to be seen, in writes of their own. None: waits until the
/// gateway has read what came so far.
type Writes = Vec<Option<Vec<u8>>>;

async fn head_and_body_may_come_together_or_apart(case: Case) {
    const REST: usize = 300_000;
    let stand = Stand::start(case).await;
    let (content, lead) = (case.content(), case.lead());
    let mut seen = 0;
    for framing in case.framings() {
        // As much as the HTTP library reads at once, less, and more.
        for ahead in [lead, 5000, 31_000, 32_768, 60_000, 200_000] {
            let head = case.head(*framing, (ahead + REST) as u64).into_bytes();
            let body = case.framed(&content.slice(0, ahead));
            let (first, second) = body.split_at(body.len() / 2);
            let (name, value) = head.split_at(head.len() / 2);
            let together: Writes = vec![Some([&head[..], &body].concat())];
            let apart: Writes = vec![Some(head.clone()), None, Some(body.clone())];
            let across: Writes = vec![
                Some(name.to_vec()),
                Some([value, first].concat()),
                None,
                Some(second.to_vec()),
            ];
            for (writes, how) in [(together, "together"), (apart, "apart"), (across, "across")] {
                let what = format!("{case:?}, {framing:?}, {ahead} bytes {how}");
                let (read, seen_way) = (Gate::new(), Gate::new());
                let mut script = Script::new();
                for write in &writes {
                    script = match write {
                        Some(bytes) => script.raw(bytes),
                        None => script.wait(&read),
                    };
                }
                let rest = Feed::of(content.clone()).from(ahead as u64).bytes(REST as u64);
                let script = script.wait(&seen_way).then_all(case.answer("").feed(rest));
                stand.plays(case.end(script));
                assert_arrives(&stand, &read, &seen_way, ahead + REST, &what).await;
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 18 * case.framings().len());
    stand.nothing_left().await;
}

async fn assert_arrives(stand: &Stand, read: &Gate, seen_way: &Gate, total: usize, what: &str) {
    let heads = "weir_upstream_response_seconds_count";
    let before = stand.gateway.metric(heads).await;
    let mut player = Player::connect(stand.gateway.stream).await;
    player.send(presets::get_keep_alive("x", &stand.target())).await;
    eventually_async("the source's head is read", async || {
        (stand.gateway.metric(heads).await > before).then_some(())
    })
    .await;
    read.open();
    assert_eq!(player.head().await.status, 200, "{what}");
    let mut player = stand.lead(player).await;
    stand.assert_way().await;
    seen_way.open();
    let body = player.read_to_end().await;
    assert!(body.is_complete(), "{what}: {:?}", body.ending);
    let lead = stand.case.lead();
    stand.case.content().assert_matches(lead as u64, &body.bytes);
    assert_eq!(body.bytes.len(), total - lead, "{what}");
}

/// All of it may be there before anybody looks, the end too: then the way does not matter.
async fn a_short_answer_in_one_segment_arrives(case: Case) {
    let stand = Stand::start(case).await;
    let mut seen = 0;
    for framing in case.framings() {
        for size in [1, 400, 5000, 30_000, 32_768, 50_000, 500_000] {
            let what = format!("{case:?}, {framing:?}, {size}");
            let total = case.lead() + size;
            let bytes = case.content().slice(0, total);
            let head = case.head(*framing, total as u64);
            let end: &[u8] = if case.is_chunked() { b"0\r\n\r\n" } else { b"" };
            let answer = [head.as_bytes(), &case.framed(&bytes), end].concat();
            stand.plays(Script::new().raw(answer).close());
            let mut player = stand.tune().await;
            let body = player.read_to_end().await;
            assert!(body.is_complete(), "{what}: {:?}", body.ending);
            assert!(body.bytes == bytes[case.lead()..], "{what}: {} bytes", body.bytes.len());
            seen += 1;
        }
    }
    assert_eq!(seen, 7 * case.framings().len());
    stand.nothing_left().await;
    let begun = stand.begun();
    assert_eq!(begun.len(), seen);
    assert!(begun.iter().all(|way| way == case.way() || way == "framed"), "{begun:?}");
    // What does not fit into the first reads was moved in the way that is meant.
    assert_eq!(begun[6], case.way());
}
