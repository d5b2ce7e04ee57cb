//! Playlists that no transport stream can be made of, and wishes that make no sense.

use super::*;

/// Status and sentence of the answer.
async fn answer(gateway: &Gateway, path: &str) -> (u16, String) {
    let answer = Player::get(gateway.stream, path).await;
    (answer.status(), answer.text().to_owned())
}

/// What is said of a playlist with these lines, whose segments are these bytes.
async fn said_of(lines: &'static [&'static str], bytes: &'static [u8]) -> (u16, String) {
    let origin = Origin::start(move |request| {
        if request.path().ends_with(".m3u8") { Script::m3u(&ended(lines)) } else { media(bytes) }
    })
    .await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    answer(&gateway, STREAM).await
}

#[tokio::test]
async fn what_is_no_transport_stream_is_406_and_says_what_it_is() {
    let cases: [(&[&str], &[u8], &str); 5] = [
        (&["#EXT-X-MAP:URI=\"init.mp4\"", "a.m4s"], b"", "fragmented MP4"),
        (&["a.mp4"], b"\0\0\0\x18ftypisom\0\0\0\0isomiso2....", "fragmented MP4"),
        (&["#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", "a.ts"], b"", "encrypted"),
        (
            &["#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.example\"", "a.ts"],
            b"",
            "encrypted",
        ),
        (&["a.aac"], b"ID3\x04\0\0\0\0\0\x3fPRIV", "packed audio"),
    ];
    for (lines, bytes, words) in cases {
        let (status, text) = said_of(lines, bytes).await;
        assert_eq!(status, 406, "{lines:?}: {text}");
        assert!(text.contains(words) && text.contains("hls"), "{text}");
    }
}

#[tokio::test]
async fn sound_in_a_playlist_of_its_own_is_406_where_no_variant_has_it_within() {
    const MASTER: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"de.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5000000,AUDIO=\"a\"\nhigh.m3u8\n";
    let origin = Origin::start(|_| Script::m3u(MASTER)).await;
    let gateway = gateway(&[origin.url("/master.m3u8")]).await;
    let (status, text) = answer(&gateway, STREAM).await;
    assert_eq!(status, 406, "{text}");
    assert!(text.contains("sound"), "{text}");
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_source_that_fits_is_taken_before_anybody_is_refused() {
    let unfit = Origin::start(|_| Script::m3u(&ended(&["#EXT-X-MAP:URI=\"i\"", "a.m4s"]))).await;
    let fit = list(&["a-5.ts"]).await;
    let gateway = gateway(&[unfit.url("/list.m3u8"), fit.url("/list.m3u8")]).await;
    assert_eq!(whole(&gateway, STREAM).await.sources(), [A]);
    let again = whole(&gateway, STREAM).await;
    assert_eq!(again.sources(), [A]);
    assert_eq!(unfit.total(), 2, "it has not failed");
}

#[tokio::test]
async fn pages_empty_lists_and_bodies_that_are_nothing_are_502() {
    let cases: [(&[&str], &[u8]); 4] = [
        (&["a.ts"], b"<html>gone</html>"),
        (&["a.ts"], b""),
        (&[], b""),
        (&["gopher://host/a.ts"], b""),
    ];
    for (lines, bytes) in cases {
        let (status, text) = said_of(lines, bytes).await;
        assert_eq!(status, 502, "{lines:?}: {text}");
    }
}

#[tokio::test]
async fn no_segment_leads_where_the_rules_for_egress_forbid() {
    for uri in [
        "http://169.254.169.254/latest/meta-data/a.ts",
        "http://[fd00::1]/a.ts",
        "http://10.1.2.3/a.ts",
    ] {
        let origin = Origin::start(move |_| Script::m3u(&ended(&[uri]))).await;
        let gateway = gateway(&[origin.url("/list.m3u8")]).await;
        let (status, text) = answer(&gateway, STREAM).await;
        assert_eq!(status, 502, "{text}");
        assert!(text.contains("egress"), "{text}");
        assert!(!text.contains("latest"), "{text}");
    }
}

#[tokio::test]
async fn a_bandwidth_that_is_no_number_is_400() {
    let origin = list(&["a-5.ts"]).await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    for wrong in ["", "5M", "-1", "1e6", "99999999999999999999999"] {
        let (status, text) = answer(&gateway, &format!("{STREAM}&max_bandwidth={wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(text.contains("bits per second"), "{text}");
    }
    assert_eq!(origin.total(), 0);
}
