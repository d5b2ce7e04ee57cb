//! Segments, playlists, variants and sources that fail.

use std::time::Duration;

use super::*;

/// A live list of three segments.
const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:5\n\
    #EXTINF:1,\na-5.ts\n#EXTINF:1,\na-6.ts\n#EXTINF:1,\na-7.ts\n";

/// Sources that die are left for the next; what is slow for a while is not.
fn failing_over() -> String {
    format!("{LIMITS}\nfailover: {{stall_timeout: 20s, hedge_after: 20s}}")
}

#[tokio::test]
async fn a_segment_that_breaks_is_fetched_again_and_nothing_is_lost_or_repeated() {
    let origin = Origin::start(|request| {
        if request.path().ends_with(".m3u8") {
            return Script::m3u(&ended(&["a-5.ts", "a-6.ts", "a-7.ts"]));
        }
        let bytes = named(request.path());
        if request.path() == "/a-6.ts" && request.attempt == 1 {
            let length = bytes.len().to_string();
            return Script::head("200 OK", &[("Content-Length", &length)])
                .body(&bytes[..50_001])
                .reset();
        }
        media(&bytes)
    })
    .await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 7)]);
    let untouched = list(&["a-5.ts", "a-6.ts", "a-7.ts"]).await;
    let other = super::gateway(&[untouched.url("/list.m3u8")]).await;
    let expected = whole(&other, STREAM).await;
    assert_eq!(viewer.final_report().whole, expected.final_report().whole);
    let paths: Vec<_> = origin.seen().iter().map(|asked| asked.path().to_owned()).collect();
    assert_eq!(paths, ["/list.m3u8", "/a-5.ts", "/a-6.ts", "/a-6.ts", "/a-7.ts"]);
}

#[tokio::test]
async fn a_segment_that_is_gone_is_left_out_and_the_picture_goes_on() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u(&ended(&["a-5.ts", "a-6.ts", "a-7.ts"])),
        "/a-6.ts" => Script::error("404 Not Found"),
        path => media(&named(path)),
    })
    .await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(viewer.trace().runs().len(), 1);
    assert_eq!(stretches(&viewer), [(A, 5, 7)]);
    let packets = picture(A).packets_per_second();
    assert!(viewer.trace().runs()[0].packets < 2 * packets, "the one between is not there");
}

#[tokio::test]
async fn the_newest_segment_may_be_listed_before_it_is_there() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/live.m3u8", attempt) => {
            let end = if attempt > 1 { "#EXTINF:1,\na-8.ts\n#EXT-X-ENDLIST\n" } else { "" };
            Script::m3u(&format!("{LIVE}{end}"))
        }
        ("/a-7.ts", 1) => Script::error("404 Not Found"),
        (path, _) => media(&named(path)),
    })
    .await;
    let gateway = gateway_with(&failing_over(), &[origin.url("/live.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 8)]);
    let packets = picture(A).packets_per_second();
    assert!(viewer.trace().runs()[0].packets > 3 * packets, "nothing is left out");
}

#[tokio::test]
async fn a_segment_is_not_left_out_while_there_is_something_in_hand() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/list.m3u8", _) => Script::m3u(&ended(&[
            "a-0.ts", "a-1.ts", "a-2.ts", "a-3.ts", "a-4.ts", "a-5.ts", "a-6.ts", "a-7.ts",
            "a-8.ts",
        ])),
        ("/a-7.ts", 1..=3) => Script::error("503 Service Unavailable"),
        (path, _) => media(&named(path)),
    })
    .await;
    let gateway = gateway_with(&failing_over(), &[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 0, 8)]);
    let packets = picture(A).packets_per_second();
    assert!(viewer.trace().runs()[0].packets > 8 * packets, "nothing is left out");
}

#[tokio::test]
async fn a_playlist_that_takes_long_is_played_on_when_it_comes() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/live.m3u8", 1) => Script::m3u(LIVE),
        ("/live.m3u8", attempt) => {
            // Longer than three target durations.
            let end = if attempt > 2 { "#EXTINF:1,\na-10.ts\n#EXT-X-ENDLIST\n" } else { "" };
            let more = "#EXTINF:1,\na-8.ts\n#EXTINF:1,\na-9.ts\n";
            Script::new()
                .pause(Duration::from_millis(3100))
                .then_all(Script::m3u(&format!("{LIVE}{more}{end}")))
        }
        (path, _) => media(&named(path)),
    })
    .await;
    let gateway = gateway_with(&failing_over(), &[origin.url("/live.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 10)]);
    let paths: Vec<_> = origin.seen().iter().map(|asked| asked.path().to_owned()).collect();
    let expected = ["/live.m3u8", "/a-8.ts", "/a-9.ts", "/live.m3u8", "/a-10.ts"];
    assert_eq!(paths[4..], expected, "each list is played before the next is loaded");
}

#[tokio::test]
async fn a_redirect_with_another_token_each_time_is_followed_from_its_beginning() {
    let origin = Origin::start(|request| {
        let path = request.path();
        if path == "/live.m3u8" {
            let token = request.attempt;
            return Script::redirect("302 Found", &format!("/token-{token}/live.m3u8"));
        }
        if path.ends_with("/live.m3u8") {
            // A token is good for one request.
            if request.attempt > 1 {
                return Script::error("403 Forbidden");
            }
            let end = if path.starts_with("/token-1/") {
                ""
            } else {
                "#EXTINF:1,\na-8.ts\n#EXT-X-ENDLIST\n"
            };
            return Script::m3u(&format!("{LIVE}{end}"));
        }
        media(&named(path))
    })
    .await;
    let gateway = gateway_with(&failing_over(), &[origin.url("/live.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 8)]);
    assert_eq!(viewer.trace().runs().len(), 1, "nothing is repeated");
    assert_eq!(gateway.figures("weir_failovers_total", "one").await, "");
}

#[tokio::test]
async fn a_variant_that_fails_is_left_for_another_one() {
    const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5000000\nhigh.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1000000\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=3000000\nmiddle.m3u8\n";
    let origin = Origin::start(|request| match request.path() {
        "/master.m3u8" => Script::m3u(MASTER),
        "/high.m3u8" => Script::error("503 Service Unavailable"),
        "/middle.m3u8" => Script::m3u(&ended(&["gone.ts"])),
        "/low.m3u8" => Script::m3u(&ended(&["b-0.ts"])),
        "/gone.ts" => Script::html("<html>no such thing</html>"),
        path => media(&named(path)),
    })
    .await;
    let gateway = gateway(&[origin.url("/master.m3u8")]).await;
    assert_eq!(whole(&gateway, STREAM).await.sources(), [B]);
    let paths: Vec<_> = origin.seen().iter().map(|asked| asked.path().to_owned()).collect();
    let expected =
        ["/master.m3u8", "/high.m3u8", "/middle.m3u8", "/gone.ts", "/low.m3u8", "/b-0.ts"];
    assert_eq!(paths, expected);
}

/// A live list of two segments whose second and all later loads are these.
async fn dying(then: fn() -> Script) -> Origin {
    Origin::start(move |request| {
        if !request.path().ends_with(".m3u8") {
            return media(&named(request.path()));
        }
        if request.attempt > 1 {
            return then();
        }
        Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na-5.ts\n#EXTINF:1,\na-6.ts\n#EXTINF:1,\na-7.ts\n",
        )
    })
    .await
}

#[tokio::test]
async fn a_source_whose_playlist_is_gone_is_left_for_the_next_at_a_picture() {
    let first = dying(|| Script::error("404 Not Found")).await;
    let second = list(&["b-0.ts", "b-1.ts"]).await;
    let head = failing_over();
    let sources = [first.url("/live.m3u8"), second.url("/list.m3u8")];
    let gateway = gateway_with(&head, &sources).await;
    let mut viewer = tune(&gateway, STREAM).await;
    assert_eq!(viewer.play_to_end().await, Ending::Complete);
    viewer.final_report().assert_clean("two sources");
    assert_eq!(stretches(&viewer), [(A, 5, 7), (B, 0, 1)]);
    assert_eq!(gateway.figures("weir_failovers_total", "one").await, "broken 1");
}

#[tokio::test]
async fn a_source_that_was_opened_in_a_hurry_has_its_time_afterwards() {
    let first = dying(|| Script::error("404 Not Found")).await;
    let slow = Origin::start(|request| {
        let path = request.path();
        if path.ends_with(".m3u8") {
            return Script::m3u(&ended(&["b-0.ts", "b-1.ts", "b-2.ts"]));
        }
        // Longer than a standby may take while another source is left.
        let pause = if path == "/b-1.ts" { 2700 } else { 0 };
        Script::new().pause(Duration::from_millis(pause)).then_all(media(&named(path)))
    })
    .await;
    let last = list(&["a-50.ts"]).await;
    let sources = [first.url("/live.m3u8"), slow.url("/list.m3u8"), last.url("/list.m3u8")];
    let gateway = gateway_with(&failing_over(), &sources).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 7), (B, 0, 2)]);
    let paths: Vec<_> = slow.seen().iter().map(|asked| asked.path().to_owned()).collect();
    assert_eq!(paths, ["/list.m3u8", "/b-0.ts", "/b-1.ts", "/b-2.ts"], "each is asked for once");
}

#[tokio::test]
async fn a_film_goes_on_at_the_same_time_from_the_same_source_and_from_the_next() {
    for sources in [1, 2] {
        let origin = Origin::start(|request| {
            // All but the playlist is gone once, and the playlist stays.
            let bytes = || media(&named(request.path()));
            match request.path() {
                path if path.ends_with(".m3u8") => Script::m3u(&ended(&[
                    "a-0.ts", "a-1.ts", "a-2.ts", "a-3.ts", "a-4.ts", "a-5.ts",
                ])),
                "/first/a-2.ts" | "/first/a-3.ts" | "/first/a-4.ts" if request.attempt == 1 => {
                    Script::error("410 Gone")
                }
                _ => bytes(),
            }
        })
        .await;
        let urls = ["/first/list.m3u8", "/second/list.m3u8"].map(|path| origin.url(path));
        let gateway = gateway_with(&failing_over(), &urls[..sources]).await;
        let viewer = whole(&gateway, STREAM).await;
        assert_eq!(stretches(&viewer), [(A, 0, 5)], "{sources}");
        let packets = picture(A).packets_per_second();
        assert!(viewer.trace().runs()[0].packets > 5 * packets, "{:?}", viewer.trace().runs());
    }
}

#[tokio::test]
async fn the_next_source_may_be_a_stream_and_the_first_one_too() {
    let first = dying(|| Script::error("404 Not Found")).await;
    let live = Origin::live(picture(B)).await;
    let head = failing_over();
    let gateway = gateway_with(&head, &[first.url("/live.m3u8"), live.url("/stream")]).await;
    let mut viewer = tune(&gateway, STREAM).await;
    viewer.play_until_source(B).await;
    viewer.play(200).await;
    viewer.report().assert_clean("from a playlist to a stream");
    viewer.leave();
    let second = list(&["a-5.ts", "a-6.ts"]).await;
    let short = Origin::start(|_| {
        Script::live(crate::support::origin::Feed::live(&picture(B)).packets(500))
    })
    .await;
    let gateway = gateway_with(&head, &[short.url("/stream"), second.url("/list.m3u8")]).await;
    let mut viewer = tune(&gateway, STREAM).await;
    assert_eq!(viewer.play_to_end().await, Ending::Complete);
    viewer.final_report().assert_clean("from a stream to a playlist");
    assert_eq!(viewer.sources(), [B, A]);
}

#[tokio::test]
async fn a_session_is_told_to_go_over_and_stays_one_stream() {
    let first =
        dying(|| Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXTINF:1,\na-5.ts\n")).await;
    let second = list(&["b-0.ts", "b-1.ts"]).await;
    let head = failing_over();
    let sources = [first.url("/live.m3u8"), second.url("/list.m3u8")];
    let gateway = gateway_with(&head, &sources).await;
    let mut viewer = tune(&gateway, STREAM).await;
    viewer.play(200).await;
    let switch = gateway.admin_post("/api/v1/channels/one/failover", "{}");
    let (answer, ending) = tokio::join!(switch, viewer.play_to_end());
    assert_eq!((answer.0, ending), (200, Ending::Complete), "{}", answer.1);
    viewer.final_report().assert_clean("a switch by hand");
    assert_eq!(viewer.sources(), [A, B]);
}

#[tokio::test]
async fn a_stream_has_one_connection_of_its_account_and_a_zap_takes_it_over() {
    let origin = Origin::start(|request| {
        if request.path().ends_with(".m3u8") {
            let first = request.attempt as u64;
            let mut text =
                format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
            (first..first + 5).for_each(|n| text += &format!("#EXTINF:1,\na-{n}.ts\n"));
            return Script::m3u(&text);
        }
        media(&named(request.path()))
    })
    .await;
    let source = format!("{{url: {:?}, provider: acme}}", origin.url("/live.m3u8"));
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nproviders: {{acme: {{max_connections: 1}}}}\nchannels:\n  \
         one: {{kind: hls, sources: [{source}]}}\n  two: {{kind: hls, sources: [{source}]}}\n"
    ))
    .await;
    let mut first = tune(&gateway, STREAM).await;
    first.play(300).await;
    let taken = gateway.metric("weir_upstream_connections{provider=\"acme\"}").await;
    assert!((taken - 1.0).abs() < 0.1, "{taken}");
    let mut second = tune(&gateway, "/stream/two?format=ts").await;
    second.play(300).await;
    assert!(matches!(first.play_to_end().await, Ending::Cut(_)));
    assert_eq!(ends(&gateway, "replaced 1").await, "replaced 1");
    assert_eq!(origin.open_max(), 1);
    second.report().assert_clean("the other channel");
}
