//! What is converted, what is passed as it is, and what is refused.

use super::*;
use crate::support::player::Player;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// What was said, once, of a channel whose sound is left as it is.
fn assert_said_once(channel: &str, what: &str) {
    let said = log_lines(channel, &["INFO", "its sound is passed as it is", what]);
    assert_eq!(said.len(), 1, "{said:?}");
}

#[tokio::test]
async fn a_file_is_passed_as_it_is() {
    let file = VodFile::of_length(100_000);
    let vod = Vod::start(file).await;
    let channel = format!(
        "  film-own: {{kind: vod, profile: own, sources: [\"{}\"]}}\n",
        vod.url("/film.mp4")
    );
    let gateway = gateway("", &[channel]).await;
    for _ in 0..2 {
        let answer = Player::get(gateway.stream, "/stream/film-own").await;
        assert_eq!((answer.status(), answer.body.bytes.len()), (200, 100_000));
    }
    assert_said_once("film-own", "it is a file");
}

#[tokio::test]
async fn radio_that_is_no_transport_stream_is_passed_as_it_is() {
    // Frames of MPEG-1 layer III: 128 kbit/s, 44.1 kHz, 417 bytes.
    let frame = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
    let body = frame.repeat(100);
    let sent = body.clone();
    let origin = Origin::start(move |_| {
        Script::head("200 OK", &[("Content-Type", "audio/mpeg")]).body(&sent).close()
    })
    .await;
    let gateway =
        gateway("failover: {rounds: 0}", &[live("radio-own", "own", &[origin.url("/")])]).await;
    let answer = Player::get(gateway.stream, "/stream/radio-own").await;
    assert_eq!((answer.status(), answer.head.header("content-type")), (200, Some("audio/mpeg")));
    assert!(answer.body.bytes == body);
    assert_said_once("radio-own", "no MPEG transport stream");
}

#[tokio::test]
async fn a_playlist_is_passed_and_one_stream_of_it_is_converted() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXTINF:2,\n0.ts\n#EXTINF:2,\n1.ts\n#EXTINF:2,\n2.ts\n",
        ),
        path => {
            use crate::support::content::Content;
            let number: u64 = path.trim_matches(['/', '.', 't', 's']).parse().unwrap();
            let bytes = Silent::new(A).slice(number * 188 * 750, 188 * 750);
            Script::whole("200 OK", "video/mp2t", bytes)
        }
    })
    .await;
    let channels = ["own", "fan"].map(|profile| {
        format!(
            "  list-{profile}: {{kind: hls, profile: {profile}, sources: [\"{}\"]}}\n",
            origin.url("/list.m3u8")
        )
    });
    let gateway = gateway("", &channels).await;
    for profile in ["own", "fan"] {
        let target = format!("/stream/list-{profile}");
        let answer = Player::get(gateway.stream, &target).await;
        let media_type = answer.head.header("content-type");
        assert_eq!((answer.status(), media_type), (200, Some("application/vnd.apple.mpegurl")));
        assert_said_once(&format!("list-{profile}"), "it is passed as HLS");
        let request = presets::get_keep_alive("x", &format!("{target}?format=ts"));
        let mut viewer = Viewer::tune(gateway.stream, &request).await;
        viewer.play(200).await;
        let way = if profile == "own" { "remuxed" } else { "shared" };
        let all = sessions(&gateway, &format!("list-{profile}")).await;
        assert!(all.iter().any(|session| session["way"] == way), "{all:?}");
    }
}

#[tokio::test]
async fn a_channel_of_unknown_kind_is_converted_from_its_first_client_on() {
    let origin = good(A).await;
    let channel = format!("  unknown-own: {{profile: own, sources: [\"{}\"]}}\n", origin.url("/"));
    let gateway = gateway("", &[channel]).await;
    let mut viewer = tune(&gateway, "unknown-own").await;
    viewer.play(200).await;
    assert_eq!(sessions(&gateway, "unknown-own").await[0]["way"], "remuxed");
    assert_eq!(origin.total(), 1);
}
