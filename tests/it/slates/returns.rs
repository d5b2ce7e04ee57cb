//! A source dies, a slate is shown, and the source returns.

use super::*;
use crate::support::origin::Origin;
use crate::support::origin::Script;

/// Seconds of the film that the source plays each time.
const PICTURES: u64 = 2 * RATE;

/// A source that plays two seconds and ends, and answers 503 while it is off.
async fn source(on: &Switch) -> Origin {
    let film = Film::of("The film", 1_000_000, 40 * RATE);
    let on = on.clone();
    let short = Film::of("The film", 1_000_000, PICTURES);
    Origin::start(move |request| match request.attempt {
        1 => Script::live(short.live(PICTURES)).close(),
        _ if on.is_on() => Script::live(film.live(40 * RATE)).stall(),
        _ => Script::error("503 Service Unavailable"),
    })
    .await
}

#[tokio::test]
async fn a_stream_goes_from_its_source_to_a_slate_and_back_without_an_error() {
    let on = Switch::default();
    let origin = source(&on).await;
    let channel = "slate-and-back";
    let gateway = Gateway::start(&format!(
        "{SLATE}channels: {{{channel}: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    shows_slate(&gateway, channel).await;
    assert_eq!(gateway.metric("weir_slates").await, 1.0);
    viewer.more(50_000).await;
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    assert_eq!(gateway.metric("weir_slates").await, 0.0);
    viewer.more(100_000).await;
    assert!(viewer.is_watching());
    assert_eq!(slates(&gateway, channel).await, "other 1");
    let bytes = viewer.leave();
    let report = judge(&bytes, "source, slate, source");
    assert!(report.packets > 1000);
    let Some(decoded) = decode(&bytes).await else { return };
    assert_eq!(decoded.codecs, ["h264", "aac"]);
    assert!(decoded.pictures > PICTURES + RATE, "{decoded:?}");
}

#[tokio::test]
async fn a_source_that_dies_again_is_followed_by_a_slate_again() {
    let on = Switch::default();
    on.set(true);
    let (short, switched) = (Film::of("The film", 1_000_000, RATE), on.clone());
    let origin = Origin::start(move |_| {
        if switched.is_on() {
            Script::live(short.live(RATE)).close()
        } else {
            Script::error("404 Not Found")
        }
    })
    .await;
    let channel = "slate-again";
    let gateway = Gateway::start(&format!(
        "{SLATE}channels: {{{channel}: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    for _ in 0..3 {
        on.set(false);
        shows_slate(&gateway, channel).await;
        viewer.more(20_000).await;
        on.set(true);
        shows_source(&gateway, channel, 0).await;
        viewer.more(20_000).await;
    }
    assert_eq!(slates(&gateway, channel).await, "other 3");
    let bytes = viewer.leave();
    judge(&bytes, "three slates");
    let Some(decoded) = decode(&bytes).await else { return };
    assert_eq!(decoded.codecs, ["h264", "aac"]);
}

#[tokio::test]
async fn all_clients_of_a_shared_channel_see_the_slate_and_the_source_again() {
    let on = Switch::default();
    let origin = source(&on).await;
    let channel = "shared-slate";
    let gateway = Gateway::start(&format!(
        "{SLATE}profiles: {{fan: {{delivery: shared}}}}\nchannels: {{{channel}: {{kind: live, \
         profile: fan, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewers = [
        Recorder::tune_as(&gateway, channel, "one").await,
        Recorder::tune_as(&gateway, channel, "two").await,
    ];
    shows_slate(&gateway, channel).await;
    assert_eq!(gateway.metric("weir_slates").await, 1.0, "the relay shows it, for both");
    for viewer in &viewers {
        viewer.more(30_000).await;
    }
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    for viewer in viewers {
        viewer.more(50_000).await;
        let bytes = viewer.leave();
        judge(&bytes, "a shared channel");
        let Some(decoded) = decode(&bytes).await else { continue };
        assert_eq!(decoded.codecs, ["h264", "aac"]);
    }
    assert_eq!(origin.open_max(), 1);
}

#[tokio::test]
async fn a_stream_with_dolby_sound_gets_the_slate_on_the_pid_of_its_picture() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let film = Film::encoded(&ffmpeg, "libx264", "ac3").await;
    let on = Switch::default();
    let switched = on.clone();
    let origin = Origin::start(move |request| {
        if request.attempt == 1 || switched.is_on() {
            Script::live(film.live(75)).stall()
        } else {
            Script::error("401 Unauthorized")
        }
    })
    .await;
    let channel = "dolby";
    let gateway = Gateway::start(&format!(
        "{SLATE}channels: {{{channel}: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    shows_slate(&gateway, channel).await;
    viewer.more(50_000).await;
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    viewer.more(50_000).await;
    assert_eq!(slates(&gateway, channel).await, "credentials 1");
    let bytes = viewer.leave();
    judge(&bytes, "Dolby, slate, Dolby");
    let decoded = decode(&bytes).await.unwrap();
    assert_eq!(decoded.codecs[..2], ["h264", "ac3"]);
}

#[tokio::test]
async fn one_connection_of_a_provider_is_never_exceeded_while_slates_are_shown() {
    let on = Switch::default();
    let origin = source(&on).await;
    let channel = "slate-budget";
    let gateway = Gateway::start(&format!(
        "{SLATE}providers: {{acme: {{max_connections: 1}}}}\nchannels: {{{channel}: {{kind: live, \
         sources: [{{url: \"{0}\", provider: acme}}, {{url: \"{0}b\", provider: acme}}]}}}}",
        origin.url("/")
    ))
    .await;
    let first = Recorder::tune_as(&gateway, channel, "one").await;
    first.more(20_000).await;
    let second = Recorder::tune_as(&gateway, channel, "two").await;
    second.more(20_000).await;
    eventually_async("two slates", async || {
        (gateway.metric("weir_slates").await == 2.0).then_some(())
    })
    .await;
    on.set(true);
    eventually_async("one of them has the connection", async || {
        (gateway.metric("weir_slates").await == 1.0).then_some(())
    })
    .await;
    second.more(50_000).await;
    first.more(50_000).await;
    assert_eq!(origin.open_max(), 1);
    for viewer in [first, second] {
        judge(&viewer.leave(), "a slate for want of a connection");
    }
}
