//! The players that people have, each with the requests that it really sends, against live, VOD and
//! HLS channels.

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Head;
use crate::support::player::NoAnswer;
use crate::support::player::Player;
use crate::support::player::enigma2::Enigma2Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::HeadRequests;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;
use crate::support::wire::Parting;

const LENGTH: u64 = 3_000_000;
const A_LOOK: usize = 200 * PACKET;

/// A television, a film and an HLS channel with their origins.
struct House {
    live: Origin,
    vod: Vod,
    hls: Origin,
    gateway: Gateway,
}

impl House {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(rest: &str) -> Self {
        let live =
            Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(4_000_000))).await;
        let vod = Vod::start(VodFile::of_length(LENGTH)).await;
        let hls = Origin::start(|request| match request.path() {
            "/hls/list.m3u8" => Script::m3u(
                "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nsegment-1.ts\n#EXT-X-ENDLIST\n",
            ),
            "/hls/segment-1.ts" => {
                Script::whole("200 OK", "video/mp2t", TsPattern::new(5).packets(0, 50))
            }
            _ => Script::error("404 Not Found"),
        })
        .await;
        let yaml = format!(
            "channels:\n  \
               tv: {{name: Television, sources: [\"{}\"], kind: live}}\n  \
               film: {{sources: [\"{}\"], kind: vod}}\n  \
               hls: {{sources: [\"{}\"], kind: hls}}\n{rest}",
            live.url("/tv.ts"),
            vod.url("/film.mp4"),
            hls.url("/hls/list.m3u8"),
        );
        let gateway = Gateway::start(&yaml).await;
        Self { live, vod, hls, gateway }
    }

    /// Sends `request` on a connection of its own and reads the head.
    async fn ask(&self, request: &str) -> (Player, Head) {
        Player::ask(self.gateway.stream, request).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.stream)
    }
}

fn blob() -> Blob {
    Blob::new(1, LENGTH)
}

/// What every player needs of the head of a live stream.
fn assert_live(head: &Head) {
    assert_eq!((head.status, head.reason.as_str()), (200, "OK"));
    assert_eq!(head.headers("content-type"), ["video/mp2t"]);
    assert_eq!(head.header("content-length"), None);
    assert_eq!(head.header("content-range"), None);
    assert_eq!(head.header("accept-ranges"), Some("none"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("content-encoding"), None);
    assert_eq!(head.header("location"), None);
    assert_common(head);
}

/// What every player needs of the head of a film, from `first` on.
fn assert_part(head: &Head, first: u64, last: u64) {
    assert_eq!((head.status, head.reason.as_str()), (206, "Partial Content"));
    assert_eq!(head.header("content-type"), Some("video/mp4"));
    assert_eq!(head.content_length(), Some(last - first + 1));
    let range = format!("bytes {first}-{last}/{LENGTH}");
    assert_eq!(head.header("content-range"), Some(range.as_str()));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert_common(head);
}

fn assert_common(head: &Head) {
    assert_eq!(head.version, "HTTP/1.1");
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(head.names_not_in_title_case(), [""; 0]);
    assert_eq!(head.header("server"), None);
}

#[tokio::test]
async fn a_receiver_plays_a_channel_at_once_and_without_a_redirect() {
    let house = House::new().await;
    let mut receiver = Enigma2Player::open(&house.url("/stream/tv")).await.unwrap();
    TsPattern::new(1).assert_matches(0, &receiver.read(A_LOOK).await.unwrap());
    let mut film = Enigma2Player::open(&house.url("/stream/film")).await.unwrap();
    blob().assert_matches(0, &film.read(100_000).await.unwrap());
    // The same request, looked at: Host without the port, and no detour.
    let request = "GET /stream/tv HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                   User-Agent: Enigma2 HbbTV/1.1.1 (+PVR+RTSP+DL;openATV;;;)\r\n\
                   Accept: */*\r\nConnection: close\r\n\r\n";
    let (_player, head) = house.ask(request).await;
    assert_live(&head);
    assert_eq!(house.live.seen().len(), 2);
    for request in house.live.seen() {
        assert!(!request.text().contains("Enigma2"), "{request:?}");
    }
}

#[tokio::test]
async fn a_list_of_channels_leads_a_receiver_back_although_its_host_has_no_port() {
    let house = House::new().await;
    for target in ["/playlist.m3u", "/playlist.m3u8"] {
        let request = presets::get("127.0.0.1", target);
        let list = Player::fetch(house.gateway.stream, &request).await;
        assert_eq!(list.status(), 200);
        let urls: Vec<_> = list.text().lines().filter(|line| line.starts_with("http://")).collect();
        let expected = ["tv", "film", "hls"].map(|id| house.url(&format!("/stream/{id}")));
        assert_eq!(urls, expected);
        assert!(list.text().contains(",Television\n"), "{}", list.text());
        let mut receiver = Enigma2Player::open(urls[0]).await.unwrap();
        TsPattern::new(1).assert_matches(0, &receiver.read(A_LOOK).await.unwrap());
    }
}

#[tokio::test]
async fn a_receiver_gets_in_by_a_token_in_the_path() {
    let house = House::with("access: {tokens: {box: a-token-for-a-box}}").await;
    let url = house.url("/t/a-token-for-a-box/stream/tv");
    let mut receiver = Enigma2Player::open(&url).await.unwrap();
    TsPattern::new(1).assert_matches(0, &receiver.read(A_LOOK).await.unwrap());
    let refused = Enigma2Player::open(&house.url("/stream/tv")).await.err().unwrap();
    assert!(refused.contains("401"), "{refused}");
}

#[tokio::test]
async fn vlc_plays_live_although_it_asks_for_a_range() {
    let house = House::new().await;
    let (mut player, head) = house.ask(&presets::vlc("weir", "/stream/tv")).await;
    assert_live(&head);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(A_LOOK).await);
    let request = &house.live.seen()[0];
    for name in ["range", "icy-metadata", "accept-language"] {
        assert_eq!(request.header(name), None, "{name} went to the source");
    }
}

#[tokio::test]
async fn vlc_seeks_in_a_film_with_the_one_connection_that_its_provider_allows() {
    let vod = Vod::start(VodFile::of_length(LENGTH)).await;
    let gateway = Gateway::start(&format!(
        "providers: {{acme: {{max_connections: 1}}}}\n\
         channels: {{film: {{sources: [{{url: \"{}\", provider: acme}}], kind: vod}}}}",
        vod.url("/film.mp4")
    ))
    .await;
    let ask = async |request: &str| Player::ask(gateway.stream, request).await;
    let (mut player, head) = ask(&presets::vlc("weir", "/stream/film")).await;
    assert_part(&head, 0, LENGTH - 1);
    blob().assert_matches(0, &player.read_exact_body(100_000).await);
    for seek in 1..=10 {
        // The old connection is closed and the new one opened at once.
        player.close();
        let first = seek * 250_000;
        let (next, head) = ask(&presets::vlc_from("weir", "/stream/film", first)).await;
        player = next;
        assert_part(&head, first, LENGTH - 1);
        blob().assert_matches(first, &player.read_exact_body(50_000).await);
    }
    let rest = player.read_to_end().await;
    assert!(rest.is_complete());
    blob().assert_matches(2_550_000, &rest.bytes);
    assert_eq!(rest.bytes.len(), 450_000);
    assert_eq!((vod.total(), vod.open_max()), (11, 1));
}

#[tokio::test]
async fn kodi_asks_for_the_head_of_a_live_stream_and_no_source_hears_of_it() {
    let house = House::new().await;
    let (mut player, head) = house.ask(&presets::kodi_head("weir", "/stream/tv")).await;
    assert_live(&head);
    assert_eq!(player.read_to_end().await.bytes, b"");
    assert_eq!(house.live.total(), 0);
    // The GET comes on the same connection.
    player.send(presets::kodi_get("weir", "/stream/tv")).await;
    assert_live(&player.head().await);
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(A_LOOK).await);
    assert_eq!(house.live.total(), 1);
}

#[tokio::test]
async fn kodi_learns_the_length_of_a_film_from_its_head_whatever_the_source_makes_of_head() {
    for head_requests in [HeadRequests::Answered, HeadRequests::Refused, HeadRequests::Dropped] {
        let vod = Vod::start(VodFile::of_length(LENGTH).head(head_requests)).await;
        let gateway = Gateway::start(&format!(
            "channels: {{film: {{sources: [\"{}\"], kind: vod}}}}",
            vod.url("/film.mp4")
        ))
        .await;
        let (mut player, head) =
            Player::ask(gateway.stream, &presets::kodi_head("weir", "/stream/film")).await;
        assert_eq!(head.status, 200, "{head_requests:?}");
        assert_eq!(head.content_length(), Some(LENGTH), "{head_requests:?}");
        assert_eq!(head.header("accept-ranges"), Some("bytes"), "{head_requests:?}");
        assert_eq!(head.header("content-type"), Some("video/mp4"), "{head_requests:?}");
        assert_eq!(head.header("content-range"), None, "{head_requests:?}");
        assert_common(&head);
        player.send(presets::kodi_get("weir", "/stream/film")).await;
        assert_part(&player.head().await, 0, LENGTH - 1);
        let body = player.read_to_end().await;
        assert!(body.is_complete());
        assert_eq!(blob().mismatch(0, &body.bytes), None);
        vod.idle().await;
    }
}

#[tokio::test]
async fn exoplayer_watches_zaps_and_opens_a_film_on_its_kept_connection() {
    let house = House::new().await;
    let (mut live, head) = house.ask(&presets::exoplayer("weir", "/stream/tv")).await;
    assert_live(&head);
    TsPattern::new(1).assert_matches(0, &live.read_exact_body(A_LOOK).await);
    // The new one is opened before the old one is closed.
    let (mut film, head) = house.ask(&presets::exoplayer("weir", "/stream/film")).await;
    live.close();
    assert_eq!((head.status, head.content_length()), (200, Some(LENGTH)));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    let body = film.read_to_end().await;
    assert!(body.is_complete());
    assert_eq!(blob().mismatch(0, &body.bytes), None);
    film.send(presets::exoplayer("weir", "/stream/film")).await;
    assert_eq!(film.head().await.content_length(), Some(LENGTH));
    house.live.idle().await;
    house.live.assert_one_request_each();
    house.vod.assert_one_request_each();
    assert_eq!(house.vod.total(), 2, "each answer has a connection of its own");
}

#[tokio::test]
async fn exoplayer_zaps_between_two_channels_of_a_provider_with_one_connection() {
    let origin = Origin::start(|request| {
        let seed = if request.path() == "/a.ts" { 1 } else { 2 };
        Script::live(Feed::of(TsPattern::new(seed)).rate(4_000_000))
    })
    .await;
    let gateway = Gateway::start(&format!(
        "providers: {{acme: {{max_connections: 1}}}}\n\
         channels:\n  \
           a: {{sources: [{{url: \"{}\", provider: acme}}], kind: live}}\n  \
           b: {{sources: [{{url: \"{}\", provider: acme}}], kind: live}}",
        origin.url("/a.ts"),
        origin.url("/b.ts")
    ))
    .await;
    let open = async |id: &str| {
        let mut player = Player::connect(gateway.stream).await;
        player.send(presets::exoplayer("weir", &format!("/stream/{id}"))).await;
        player
    };
    let mut watching = open("a").await;
    assert_live(&watching.head().await);
    watching.read_exact_body(PACKET).await;
    for zap in 1..=10 {
        let (id, seed) = if zap % 2 == 0 { ("a", 1) } else { ("b", 2) };
        let mut next = open(id).await;
        // It has not closed the last one yet.
        assert_live(&next.head().await);
        let ending = watching.discard_while(|_| true).await;
        assert!(matches!(ending, Some(Ending::Cut(_))), "{ending:?}");
        TsPattern::new(seed).assert_matches(0, &next.read_exact_body(PACKET).await);
        watching = next;
    }
    assert_eq!((origin.open_max(), origin.total()), (1, 11));
}

#[tokio::test]
async fn avplayer_learns_the_length_of_a_film_from_two_bytes() {
    let house = House::new().await;
    let (mut player, head) = house.ask(&presets::avplayer_probe("weir", "/stream/film")).await;
    assert_part(&head, 0, 1);
    assert_eq!(player.read_to_end().await.bytes, blob().slice(0, 2));
    // It goes on with parts of the file on the same connection.
    for (first, last) in [(0, 65_535), (2_900_000, LENGTH - 1), (65_536, 131_071)] {
        let range = format!("bytes={first}-{last}");
        player.send(presets::avplayer("weir", "/stream/film", &range)).await;
        assert_part(&player.head().await, first, last);
        let body = player.read_to_end().await;
        assert!(body.is_complete());
        blob().assert_matches(first, &body.bytes);
    }
    assert_eq!(house.vod.seen()[0].header("range"), Some("bytes=0-1"));
    assert_eq!(house.vod.seen().len(), 4);
    for request in house.vod.seen() {
        assert_eq!(request.header("x-playback-session-id"), None);
    }
}

#[tokio::test]
async fn avplayer_follows_a_playlist_of_exactly_its_type() {
    let house = House::new().await;
    for target in ["/stream/hls", "/hls/hls/playlist.m3u8", "/stream/hls?format=hls"] {
        let request = presets::avplayer_probe("weir", target);
        let (mut player, head) = house.ask(&request).await;
        // A playlist is no file: whole, whatever part was asked for.
        assert_eq!(head.status, 200, "{target}");
        assert_eq!(head.headers("content-type"), ["application/vnd.apple.mpegurl"]);
        assert_common(&head);
        let body = player.read_to_end().await;
        assert!(body.is_complete());
        let text = String::from_utf8(body.bytes).unwrap();
        assert!(text.starts_with("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n"), "{text}");
        let uri = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let depth = target.split('?').next().unwrap().matches('/').count() - 1;
        let path = format!("/{}", uri.strip_prefix(&"../".repeat(depth)).unwrap());
        let segment = Player::get(house.gateway.stream, &path).await;
        assert_eq!(segment.status(), 200, "{uri}");
        assert_eq!(segment.body.bytes, TsPattern::new(5).packets(0, 50));
    }
    assert_eq!(house.hls.seen().len(), 6);
}

#[tokio::test]
async fn mpv_and_ffmpeg_get_streams_that_end_with_their_connection() {
    let house = House::new().await;
    for preset in [presets::mpv, presets::ffmpeg] {
        let (mut player, head) = house.ask(&preset("weir", "/stream/tv")).await;
        assert_live(&head);
        assert_eq!(head.header("connection"), Some("close"));
        TsPattern::new(1).assert_matches(0, &player.read_exact_body(A_LOOK).await);
        let (mut player, head) = house.ask(&preset("weir", "/stream/film")).await;
        assert_part(&head, 0, LENGTH - 1);
        let body = player.read_to_end().await;
        assert!(body.is_complete());
        assert_eq!(blob().mismatch(0, &body.bytes), None);
        let end = player.try_head().await.err();
        assert_eq!(end, Some(NoAnswer::Left(Parting::Fin)));
    }
}

fn mpv(host: &str, target: &str) -> String {
    presets::mpv(host, target)
}

#[tokio::test]
async fn a_media_server_probes_and_opens_again_with_one_connection_at_a_time() {
    let origin = Origin::start(|_| Script::live(Feed::of(TsPattern::new(1)).rate(8_000_000))).await;
    let gateway = Gateway::start(&format!(
        "providers: {{acme: {{max_connections: 1}}}}\n\
         channels: {{tv: {{sources: [{{url: \"{}\", provider: acme}}]}}}}",
        origin.url("/tv.ts")
    ))
    .await;
    for _ in 0..3 {
        let (mut probe, head) =
            Player::ask(gateway.stream, &presets::ffmpeg("weir", "/stream/tv")).await;
        assert_live(&head);
        probe.read_exact_body(1_000_000).await;
        probe.close();
        let (mut stream, head) = Player::ask(gateway.stream, &mpv("weir", "/stream/tv")).await;
        assert_live(&head);
        TsPattern::new(1).assert_matches(0, &stream.read_exact_body(A_LOOK).await);
        stream.close();
    }
    assert_eq!((origin.open_max(), origin.total()), (1, 6));
}

#[tokio::test]
async fn a_player_of_http_1_0_without_host_gets_a_stream_until_the_close() {
    let house = House::new().await;
    let (mut player, head) = house.ask(&presets::get_1_0("/stream/tv")).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), None);
    assert_eq!(head.header("content-length"), None);
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(A_LOOK).await);
    player.close();
    let film = Player::fetch(house.gateway.stream, &presets::get_1_0("/stream/film")).await;
    assert_eq!((film.status(), film.head.content_length()), (200, Some(LENGTH)));
    assert_eq!(blob().mismatch(0, &film.body.bytes), None);
    house.live.idle().await;
}

#[tokio::test]
async fn a_player_in_a_browser_may_read_every_answer_and_the_fields_it_needs() {
    let house = House::new().await;
    let targets = [
        ("/stream/tv", 200),
        ("/stream/film", 206),
        ("/hls/hls/playlist.m3u8", 200),
        ("/playlist.m3u", 200),
        ("/health", 200),
        ("/stream/nothing", 404),
        ("/nothing", 404),
    ];
    for (target, status) in targets {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: weir\r\nOrigin: https://page.example\r\n\
             Range: bytes=0-9\r\nConnection: close\r\n\r\n"
        );
        let (_player, head) = house.ask(&request).await;
        assert_eq!(head.status, status, "{target}");
        assert_eq!(head.headers("access-control-allow-origin"), ["*"], "{target}");
        assert_eq!(head.header("access-control-allow-credentials"), None, "{target}");
        let exposed = head.header("access-control-expose-headers").unwrap();
        for name in ["Content-Range", "Content-Length", "Accept-Ranges"] {
            assert!(exposed.contains(name), "{target}: {exposed}");
        }
        let preflight = format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: weir\r\nOrigin: https://page.example\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: range\r\n\r\n"
        );
        let answer = Player::fetch(house.gateway.stream, &preflight).await;
        assert!([200, 204].contains(&answer.status()), "{target}: {}", answer.status());
        assert_eq!(answer.head.header("access-control-allow-origin"), Some("*"));
        let allowed = answer.head.header("access-control-allow-headers").unwrap_or_default();
        assert!(target == "/health" || allowed.contains("Range"), "{target}: {allowed}");
    }
    assert_eq!(targets.len(), 7);
}

#[tokio::test]
async fn players_that_come_and_go_leave_nothing_behind() {
    let house = House::with("limits: {requests_per_second: 100000, clients_per_ip: 1000}").await;
    // At every stage of a session: before the request, before the head, within the body, by FIN
    // and by RST.
    for round in 0..200 {
        let mut player = Player::connect(house.gateway.stream).await;
        let target = if round % 2 == 0 { "/stream/tv" } else { "/stream/film" };
        if round % 5 > 0 {
            player.send(presets::vlc("weir", target)).await;
        }
        if round % 5 > 1 {
            player.head().await;
        }
        if round % 5 > 2 {
            player.read_exact_body(PACKET).await;
        }
        if round % 3 == 0 { player.reset() } else { player.close() }
    }
    house.live.idle().await;
    house.vod.idle().await;
    for gauge in [
        "weir_sessions{channel=\"tv\"}",
        "weir_sessions{channel=\"film\"}",
        "weir_upstream_connections{provider=\"none\"}",
        "weir_connections{listener=\"stream\"}",
    ] {
        let gone = async || (house.gateway.metric(gauge).await < 0.5).then_some(());
        crate::support::eventually::eventually_async(gauge, gone).await;
    }
    assert_eq!(house.gateway.admin_get("/api/v1/sessions").await, "[]\n");
    assert_eq!(Player::get(house.gateway.stream, "/health").await.status(), 200);
}
