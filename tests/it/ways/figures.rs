//! What the admin listener says of a session while it runs and once it is over.

use super::Case;
use super::Framing;
use super::Stand;
use super::in_each_way;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::origin::Feed;

in_each_way!(bytes_are_counted_right_while_a_session_runs_and_after_it);

async fn bytes_are_counted_right_while_a_session_runs_and_after_it(case: Case) {
    const PARTS: [u64; 4] = [1, 1316, 300_000, 2 << 20];
    let stand = Stand::start(case).await;
    let gates: Vec<Gate> = PARTS.iter().map(|_| Gate::new()).collect();
    let lead = case.lead() as u64;
    let total = lead + PARTS.iter().sum::<u64>();
    let first = case.content().slice(0, case.lead());
    let mut script = case.answer(case.head(Framing::Length, total)).body(first);
    let mut at = lead;
    for (gate, part) in gates.iter().zip(PARTS) {
        script = script.wait(gate).feed(Feed::of(case.content()).from(at).bytes(part));
        at += part;
    }
    stand.plays(case.end(script));
    let mut player = stand.tune().await;
    let mut due = lead;
    for (gate, part) in gates.iter().zip(PARTS) {
        assert_counted(&stand, due).await;
        gate.open();
        let bytes = player.read_exact_body(part as usize).await;
        case.content().assert_matches(due, &bytes);
        due += part;
    }
    assert!(player.read_to_end().await.is_complete());
    player.close();
    stand.nothing_left().await;
    assert_total(&stand, total).await;
    // The gates are open now: nothing holds the second viewer up.
    let rest = stand.tune().await.read_to_end().await;
    assert_eq!(lead + rest.bytes.len() as u64, total);
    stand.nothing_left().await;
    assert_total(&stand, 2 * total).await;
    assert_eq!(stand.begun()[0], case.way());
}

async fn assert_total(stand: &Stand, bytes: u64) {
    for direction in ["in", "out"] {
        let metric = format!("weir_bytes_total{{direction=\"{direction}\"}}");
        assert_eq!(stand.gateway.metric(&metric).await, bytes as f64, "{:?}", stand.case);
    }
}

/// Fails unless one session runs, in the way of its case, and has passed so many bytes.
async fn assert_counted(stand: &Stand, bytes: u64) {
    stand.assert_way().await;
    let session = stand.sessions().await.remove(0);
    assert_eq!(session["bytes"], bytes, "{:?}: {session}", stand.case);
    assert_eq!(session["channel"], stand.id.as_str());
    assert_total(stand, bytes).await;
    let running = format!("weir_sessions{{channel=\"{}\"}}", stand.id);
    assert_eq!(stand.gateway.metric(&running).await, 1.0);
}
