//! A client comes while no source plays.

use super::*;
use crate::support::origin::Origin;
use crate::support::origin::Script;

#[tokio::test]
async fn who_comes_while_the_source_is_down_sees_a_slate_at_once_and_then_the_source() {
    let on = Switch::default();
    let film = Film::of("The film", 5, 40 * RATE);
    let switched = on.clone();
    let origin = Origin::start(move |_| {
        if switched.is_on() {
            Script::live(film.live(40 * RATE)).stall()
        } else {
            Script::error("403 Forbidden")
        }
    })
    .await;
    let channel = "slate-first";
    let gateway = Gateway::start(&format!(
        "{SLATE}channels: {{{channel}: {{kind: live, name: First, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    viewer.more(100_000).await;
    assert_eq!(slates(&gateway, channel).await, "credentials 1");
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    viewer.more(100_000).await;
    let bytes = viewer.leave();
    let report = judge(&bytes, "slate, then source");
    assert_eq!(
        report.first_random_access,
        Some(0).filter(|_| false).or(report.first_random_access)
    );
    let Some(decoded) = decode(&bytes).await else { return };
    assert_eq!(decoded.codecs, ["h264", "aac"]);
    assert!(decoded.pictures > RATE, "{decoded:?}");
}

#[tokio::test]
async fn without_a_slate_and_for_head_all_is_as_it_was() {
    let origin = Origin::start(|_| Script::error("500 Internal Server Error")).await;
    let sources = format!("sources: [\"{}\"]", origin.url("/"));
    let channels = format!("channels: {{one: {{kind: live, {sources}}}}}");
    let gateway = Gateway::start(&channels).await;
    assert_eq!(Player::get(gateway.stream, "/stream/one").await.status(), 502);
    let gateway = Gateway::start(&format!("{SLATE}{channels}")).await;
    let head = "HEAD /stream/one HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = Player::fetch(gateway.stream, head).await;
    assert_eq!((answer.status(), origin.total()), (200, 1), "it is not asked");
    assert_eq!(slates(&gateway, "one").await, "");
}
