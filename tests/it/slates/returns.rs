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
