//! Sources that weir makes itself.

use super::*;
use crate::support::origin::Origin;
use crate::support::origin::Script;

#[tokio::test]
async fn a_pattern_and_a_message_are_channels_like_any_other() {
    let gateway = Gateway::start(
        "channels:\n  bars: {sources: {pattern: bars}}\n  \
         works: {sources: [{message: Service under maintenance, title: Works}]}\n",
    )
    .await;
    for channel in ["bars", "works"] {
        let viewer = Recorder::tune(&gateway, channel).await;
        viewer.more(150_000).await;
        let session = session(&gateway, channel).await.unwrap();
        assert_eq!((&session["way"], &session["source"]), (&"made".into(), &0.into()));
        let bytes = viewer.leave();
        judge(&bytes, channel);
        let Some(decoded) = decode(&bytes).await else { continue };
        assert_eq!(decoded.codecs, ["h264", "aac"], "{channel}");
        assert!(decoded.pictures > 10, "{decoded:?}");
    }
    let text = gateway.admin_get("/api/v1/channels").await;
    let channels: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(channels[0]["kind"], "live");
    assert_eq!(channels[0]["sources"][0]["place"], "pattern");
    assert_eq!(channels[1]["sources"][0]["place"], "message");
}

#[tokio::test]
async fn a_message_takes_over_from_a_source_that_dies_and_failback_returns_from_it() {
    let on = Switch::default();
    let film = Film::of("The film", 77, 40 * RATE);
    let short = Film::of("The film", 77, RATE);
    let switched = on.clone();
    let origin = Origin::start(move |request| match request.attempt {
        1 => Script::live(short.live(RATE)).close(),
        _ if switched.is_on() => Script::live(film.live(40 * RATE)).stall(),
        _ => Script::error("503 Service Unavailable"),
    })
    .await;
    let channel = "backed";
    let gateway = Gateway::start(&format!(
        "failover: {{cooldown: 0s}}\nchannels: {{{channel}: {{kind: live, failback: 1s, \
         sources: [\"{}\", {{message: Back soon}}]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    shows_source(&gateway, channel, 1).await;
    viewer.more(50_000).await;
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    viewer.more(50_000).await;
    let bytes = viewer.leave();
    judge(&bytes, "source, message, source");
    let Some(decoded) = decode(&bytes).await else { return };
    assert_eq!(decoded.codecs, ["h264", "aac"]);
}
