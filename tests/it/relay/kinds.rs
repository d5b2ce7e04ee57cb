//! What a shared channel turns out to be, and how many streams can be made of one.

use super::*;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::player::Player;

async fn unknown(delivery: &str, url: String) -> Gateway {
    Gateway::start(&format!(
        "providers: {{acme: {{max_connections: 1}}}}\n\
         profiles: {{fan: {{delivery: {delivery}}}}}\n\
         channels: {{one: {{profile: fan, sources: [{{url: \"{url}\", provider: acme}}]}}}}\n"
    ))
    .await
}

#[tokio::test]
async fn a_file_that_nobody_has_called_one_is_served_as_one() {
    let film = Blob::new(3, 50_000);
    let mut bytes = film.slice(0, 50_000);
    bytes[..12].copy_from_slice(b"\0\0\0\x18ftypisom");
    let body = bytes.clone();
    let origin = Origin::start(move |_| {
        let fields = [
            ("Content-Type", "video/mp4"),
            ("Content-Length", "50000"),
            ("Accept-Ranges", "bytes"),
        ];
        Script::head("200 OK", &fields).body(&body).next_request()
    })
    .await;
    for delivery in ["auto", "shared"] {
        let gateway = unknown(delivery, origin.url("/film")).await;
        for _ in 0..2 {
            let answer = Player::fetch(gateway.stream, &request("one", "vlc")).await;
            assert_eq!(answer.status(), 200, "{delivery}: {}", answer.body.bytes.escape_ascii());
            assert_eq!(answer.body.bytes, bytes, "{delivery}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_nobody_has_called_one_is_shared_from_its_first_client_on() {
    let origin = good(A).await;
    let gateway = unknown("shared", origin.url("/stream")).await;
    let (mut one, mut two) =
        tokio::join!(tune_as(&gateway, "one", "vlc"), tune_as(&gateway, "one", "kodi"));
    one.play(100).await;
    two.play(100).await;
    assert_eq!((origin.total(), origin.open_max()), (1, 1));
}

#[tokio::test]
async fn a_source_that_is_no_transport_stream_gives_way_to_one_that_is() {
    let flv = Origin::start(|_| {
        let fields = [("Content-Type", "video/x-flv")];
        Script::head("200 OK", &fields)
            .body([&b"FLV\x01\x05\0\0\0\x09"[..], &[0; 9000]].concat())
            .stall()
    })
    .await;
    let backup = good(B).await;
    let gateway = gateway("", "mixed", &[flv.url("/"), backup.url("/")]).await;
    let mut viewer = tune(&gateway, "mixed").await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [B]);
    flv.idle().await;
}

#[tokio::test]
async fn however_many_variants_are_asked_for_there_are_few_relays() {
    let origin = Origin::start(move |request| match request.path() {
        "/list.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXTINF:2,\n0.ts\n#EXTINF:2,\n1.ts\n#EXTINF:2,\n2.ts\n",
        ),
        path => {
            let number: u64 = path.trim_matches(['/', '.', 't', 's']).parse().unwrap();
            Script::whole("200 OK", "video/mp2t", picture(A).packets(number * 600, 600))
        }
    })
    .await;
    let gateway = Gateway::start(&format!(
        "profiles: {{fan: {{delivery: shared}}}}\n\
         channels: {{list: {{kind: hls, profile: fan, sources: [\"{}\"]}}}}\n",
        origin.url("/list.m3u8")
    ))
    .await;
    let mut viewers = Vec::new();
    for bandwidth in 1..=20 {
        let ask = format!(
            "GET /stream/list?format=ts&max_bandwidth={bandwidth}000000 HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let mut viewer = Viewer::tune(gateway.stream, &ask).await;
        viewer.play(100).await;
        viewers.push(viewer);
    }
    let figures = document(&gateway, "/api/v1/relay/metrics").await;
    assert_eq!((&figures["relays"], &figures["clients"]), (&8.into(), &20.into()));
}

#[tokio::test]
async fn two_services_of_a_receiver_are_two_relays() {
    let origin =
        Origin::start(|request| plays(if request.path().contains("132F") { A } else { B })).await;
    let gateway = Gateway::start(&format!(
        "profiles: {{fan: {{delivery: shared}}}}\n\
         receivers: {{box: {{stream: \"{}\", profile: fan, max_connections: 4}}}}\n",
        origin.url("")
    ))
    .await;
    let ask = |service: &str| {
        format!("GET /1:0:19:{service}:3EF:1:C00000:0:0:0: HTTP/1.1\r\nHost: x\r\n\r\n")
    };
    let mut first = Viewer::tune(gateway.stream, &ask("132F")).await;
    let mut second = Viewer::tune(gateway.stream, &ask("1330")).await;
    let mut third = Viewer::tune(gateway.stream, &ask("132F")).await;
    for viewer in [&mut first, &mut second, &mut third] {
        viewer.play(200).await;
    }
    assert_eq!((first.sources(), second.sources(), third.sources()), (vec![A], vec![B], vec![A]));
    assert_eq!(origin.total(), 2);
}
