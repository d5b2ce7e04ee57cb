//! A connection budget and relays: shared where there is no other way, and never more than it allows.

use super::*;
use crate::support::eventually::Gate;
use crate::support::origin::Feed;

/// Two channels of one provider, whose profile is `delivery`.
async fn household(delivery: &str, connections: usize, origin: &Origin) -> Gateway {
    let channel = |id: &str| {
        let url = origin.url(&format!("/{id}"));
        format!(
            "  {id}: {{kind: live, profile: fan, sources: [{{url: \"{url}\", provider: acme}}]}}\n"
        )
    };
    Gateway::start(&format!(
        "failover: {{slot_wait: 0s, rounds: 0}}\n\
         providers: {{acme: {{max_connections: {connections}}}}}\n\
         profiles: {{fan: {{delivery: {delivery}}}}}\nchannels:\n{}{}",
        channel("first"),
        channel("second")
    ))
    .await
}

async fn ways(gateway: &Gateway) -> Vec<String> {
    let sessions = document(gateway, "/api/v1/sessions").await;
    let ways = sessions.as_array().unwrap().iter();
    ways.map(|session| session["way"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_last_connection_is_one_that_others_can_have_too() {
    let origin = good(A).await;
    let gateway = household("auto", 2, &origin).await;
    let mut viewers = Vec::new();
    for player in ["one", "two", "three", "four"] {
        let mut viewer = tune_as(&gateway, "first", player).await;
        viewer.play(100).await;
        viewers.push(viewer);
    }
    assert_eq!((origin.total(), origin.open_max()), (2, 2));
    assert_eq!(ways(&gateway).await, ["watched", "shared", "shared", "shared"]);
    for viewer in &mut viewers {
        viewer.play(200).await;
        viewer.report().assert_clean("a household");
    }
}

#[tokio::test]
async fn a_relay_that_nobody_watches_gives_its_connection_up() {
    let origin = good(A).await;
    let gateway = household("shared", 1, &origin).await;
    let mut first = tune_as(&gateway, "first", "one").await;
    first.play(100).await;
    first.leave();
    eventually_async("nobody watches", async || {
        (status(&gateway, "first").await["client_count"] == 0).then_some(())
    })
    .await;
    assert_eq!(origin.open(), 1, "it is kept for who may come back");
    let mut second = tune_as(&gateway, "second", "two").await;
    second.play(100).await;
    assert_eq!((origin.total(), origin.open_max()), (2, 1), "never both");
    eventually_is(&gateway, "first", "stopped").await;
}

#[tokio::test]
async fn a_viewer_who_zaps_takes_the_connection_along_and_others_keep_theirs() {
    let origin = good(A).await;
    let gateway = household("shared", 1, &origin).await;
    let mut first = tune_as(&gateway, "first", "one").await;
    first.play(100).await;
    let mut second = tune_as(&gateway, "second", "one").await;
    second.play(100).await;
    assert_eq!((origin.total(), origin.open_max()), (2, 1));
    first.play_to_end().await;
    // Somebody else joins; whoever zaps now leaves the relay to them.
    let mut other = tune_as(&gateway, "second", "two").await;
    other.play(50).await;
    let refused = request("first", "one");
    let answer = crate::support::player::Player::fetch(gateway.stream, &refused).await;
    assert_eq!(answer.status(), 503);
    other.play(200).await;
    second.play(200).await;
    other.report().assert_clean("who did not zap");
    assert_eq!(origin.open_max(), 1);
}

#[tokio::test]
async fn a_relay_that_nobody_watches_gives_its_connection_to_a_stream_whose_source_has_died() {
    let dies = Gate::new();
    let gate = dies.clone();
    let main =
        Origin::start(move |_| Script::live(Feed::live(&picture(A)).until(&gate)).reset()).await;
    let provider = good(B).await;
    let gateway = Gateway::start(&format!(
        "failover: {{rounds: 1, slot_wait: 10s}}\n\
         providers: {{acme: {{max_connections: 1}}}}\n\
         profiles: {{fan: {{delivery: shared}}}}\n\
         channels:\n  \
         idle: {{kind: live, profile: fan, sources: [{{url: \"{}\", provider: acme}}]}}\n  \
         main: {{kind: live, sources: [\"{}\", {{url: \"{}\", provider: acme}}]}}\n",
        provider.url("/idle"),
        main.url("/"),
        provider.url("/main"),
    ))
    .await;
    let (code, _) = gateway.admin_post("/api/v1/relay/idle/start", "").await;
    assert_eq!(code, 200);
    let mut viewer = tune(&gateway, "main").await;
    viewer.play(100).await;
    dies.open();
    viewer.play_until_source(B).await;
    viewer.play(100).await;
    assert_eq!((provider.total(), provider.open_max()), (2, 1), "never both");
    eventually_is(&gateway, "idle", "stopped").await;
}
