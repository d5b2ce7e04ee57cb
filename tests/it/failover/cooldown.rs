//! A source that failed is left alone for a while, by running sessions and by new ones.

use super::*;
use crate::support::eventually::Gate;

/// How the sources of the first channel stand, in words.
async fn standings(gateway: &Gateway) -> Vec<String> {
    let text = gateway.admin_get("/api/v1/channels").await;
    let channels: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sources = channels[0]["sources"].as_array().unwrap().iter();
    sources.map(|source| source["standing"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_source_that_died_is_skipped_by_the_next_client_and_tried_again_later() {
    let first = Origin::start(|request| match request.attempt {
        1 => plays_for(A, 60).reset(),
        _ => plays(C),
    })
    .await;
    let backup = good(B).await;
    let head = format!("{QUICK}\n").replace('}', ", cooldown: 2s}");
    let sources = [first.url("/"), backup.url("/")];
    let gateway = gateway(&head, &[live("cooling", &sources)]).await;
    assert_eq!(standings(&gateway).await, ["good", "good"]);
    let mut viewer = tune(&gateway, "cooling").await;
    viewer.play_until_source(B).await;
    assert_eq!(standings(&gateway).await, ["cooling", "good"]);
    let mut next = tune(&gateway, "cooling").await;
    next.play(20).await;
    assert_eq!((next.sources(), first.total(), backup.total()), (vec![B], 1, 2));
    eventually_async("the cooldown is over", async || {
        (standings(&gateway).await == ["probation", "good"]).then_some(())
    })
    .await;
    let mut later = tune(&gateway, "cooling").await;
    later.play(20).await;
    assert_eq!((later.sources(), first.total()), (vec![C], 2));
    assert_eq!(standings(&gateway).await, ["good", "good"]);
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [A, B], "nothing moves back by itself");
}

#[tokio::test]
async fn when_all_are_cooling_they_are_tried_all_the_same() {
    let recovered = Gate::new();
    let gate = recovered.clone();
    let origin = Origin::start(move |request| match request.path() {
        _ if request.attempt == 1 => plays_for(A, 60).reset(),
        "/a" if gate.is_open() => plays(C),
        _ => Script::error("500 Internal Server Error"),
    })
    .await;
    let head = QUICK.replace('}', ", cooldown: 1h, rounds: 1}");
    let sources = ["/a", "/b"].map(|path| origin.url(path));
    let gateway = gateway(&head, &[live("all-cooling", &sources)]).await;
    let mut viewer = tune(&gateway, "all-cooling").await;
    viewer.play_to_end().await;
    assert_eq!(standings(&gateway).await, ["cooling", "cooling"]);
    recovered.open();
    let mut next = tune(&gateway, "all-cooling").await;
    next.play(20).await;
    assert_eq!(next.sources(), [C], "in their order");
}

#[tokio::test]
async fn a_source_at_its_limit_is_left_alone_for_as_long_as_it_says() {
    let dies = Gate::new();
    let gate = dies.clone();
    let limited = [("Retry-After", "60"), ("Content-Length", "0")];
    let origin = Origin::start(move |request| match (request.path(), request.attempt) {
        ("/a", 1) => plays_for(A, 60).reset(),
        ("/c", 1) => Script::live(Feed::live(&picture(C)).until(&gate)).reset(),
        ("/a", 2) => plays_for(D, 60).reset(),
        ("/a", _) => Script::error("500 Internal Server Error"),
        ("/c", _) => plays(C),
        ("/limited", _) => Script::head("429 Too Many Requests", &limited).next_request(),
        other => panic!("{other:?}"),
    })
    .await;
    // Everything else may be asked again soon.
    let head = QUICK.replace('}', ", cooldown: 50ms}");
    let sources = ["/a", "/limited", "/c"].map(|path| origin.url(path));
    let gateway = gateway(&head, &[live("limited", &sources)]).await;
    let mut viewer = tune(&gateway, "limited").await;
    viewer.play_until_source(C).await;
    assert_eq!(viewer.sources(), [A, C]);
    eventually_async("the limited source alone is left alone", async || {
        (standings(&gateway).await == ["probation", "cooling", "good"]).then_some(())
    })
    .await;
    dies.open();
    viewer.play_until_source(D).await;
    viewer.play_until_source(C).await;
    viewer.play(60).await;
    assert_joined(&viewer, "around the one at its limit");
    let asked = origin.seen().iter().filter(|seen| seen.path() == "/limited").count();
    assert_eq!((asked, viewer.sources()), (1, vec![A, C, D, C]));
    let mut next = tune(&gateway, "limited").await;
    next.play(20).await;
    assert_eq!(next.sources(), [C]);
    assert_eq!(origin.seen().iter().filter(|seen| seen.path() == "/limited").count(), 1);
}
