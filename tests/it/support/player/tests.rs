use super::enigma2::Enigma2Player;
use super::*;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::ts::TsPattern;

/// An origin that always says `text` and then plays a little.
async fn saying(text: &'static str) -> Origin {
    let feed = Feed::of(TsPattern::new(1)).packets(100);
    Origin::start(move |_| Script::new().raw(text).feed(feed.clone())).await
}

#[tokio::test]
async fn presets_are_well_formed_but_for_the_one_without_host() {
    let origin = Origin::start(|_| Script::json("{}")).await;
    let at = origin.address();
    let requests = [
        presets::get(at, "/a"),
        presets::get_keep_alive(at, "/a"),
        presets::get_1_0("/a"),
        presets::ranged(at, "/a", "bytes=0-9"),
        presets::vlc(at, "/a"),
        presets::vlc_from(at, "/a", 1 << 33),
        presets::kodi_get(at, "/a"),
        presets::exoplayer(at, "/a"),
        presets::avplayer_probe(at, "/a"),
        presets::avplayer(at, "/a", "bytes=0-"),
        presets::ffmpeg(at, "/a"),
        presets::mpv(at, "/a"),
    ];
    for request in &requests {
        let (_player, head) = Player::ask(at, request).await;
        assert_eq!(head.status, 200);
    }
    let seen = origin.requests(requests.len()).await;
    seen.iter().for_each(|request| request.assert_well_formed());
    assert_eq!(seen[5].header("Range"), Some("bytes=8589934592-"));
    assert_eq!(seen[8].header("Range"), Some("bytes=0-1"));
}

#[tokio::test]
async fn a_head_request_has_no_body() {
    let origin = Origin::start(|_| {
        Script::head("200 OK", &[("Content-Length", "5000000000")]).next_request()
    })
    .await;
    let mut player = Player::connect(origin.address()).await;
    for request in [presets::head("x", "/"), presets::kodi_head("x", "/")] {
        player.send(request).await;
        assert_eq!(player.head().await.content_length(), Some(5_000_000_000));
        assert_eq!(player.read_to_end().await.bytes, b"");
    }
}

#[tokio::test]
async fn a_player_may_read_in_any_portions() {
    let origin = Origin::start(|_| {
        Script::live_chunked(Feed::of(TsPattern::new(1)).packets(500), Chunks::Of(1000))
            .last_chunk()
    })
    .await;
    let (mut player, head) = Player::ask(origin.address(), &presets::get("x", "/")).await;
    assert_eq!(head.names_not_in_title_case(), [""; 0]);
    let mut bytes = player.read_exact_body(1).await;
    bytes.extend(player.read_exact_body(12_345).await);
    let mut seen = 0;
    let ended = player
        .discard_while(|chunk| {
            seen += chunk.len();
            bytes.extend_from_slice(chunk);
            seen < 5000
        })
        .await;
    assert_eq!(ended, None);
    bytes.extend(player.read_to_end().await.bytes);
    assert_eq!(bytes, TsPattern::new(1).packets(0, 500));
    let times = player.times();
    assert!(times.sent >= Some(times.connected) && times.first_byte >= times.head);
    assert!(times.last_byte >= times.first_byte);
}

#[tokio::test]
async fn quiet_is_told_from_speech_and_from_the_end() {
    let gate = crate::support::eventually::Gate::new();
    let script = Script::head("200 OK", &[]).body("a").wait(&gate).body("b");
    let origin = Origin::start(move |_| script.clone()).await;
    let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
    player.read_exact_body(1).await;
    assert!(player.is_quiet_for(Duration::from_millis(50)).await);
    gate.open();
    assert!(!player.is_quiet_for(Duration::from_secs(10)).await);
    assert_eq!(player.read_to_end().await.bytes, b"b");
    assert!(!player.is_quiet_for(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn requests_may_drip() {
    let origin = Origin::start(|_| Script::json("{}")).await;
    let mut player = Player::connect(origin.address()).await;
    player.send_slowly(presets::get("x", "/"), Duration::from_millis(1)).await;
    assert_eq!(player.head().await.status, 200);
}

#[tokio::test]
async fn a_receiver_plays_what_it_understands() {
    let good = [
        "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n",
        "HTTP/1.0 206 Partial Content\r\ncontent-type: audio/mpegurl\r\n\r\n",
        "HTTP/1.1 200 OK\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    ];
    for head in good {
        let origin = saying(head).await;
        let mut receiver = Enigma2Player::open(&origin.url("/x")).await.unwrap();
        assert_eq!(receiver.read(1880).await.unwrap(), TsPattern::new(1).packets(0, 10));
        let request = &origin.seen()[0];
        assert_eq!(request.header("host"), Some("127.0.0.1"), "without the port");
        assert_eq!(request.target(), "/x");
    }
}

#[tokio::test]
async fn a_receiver_fails_where_the_real_one_does() {
    let bad = [
        ("HTTP/1.1 200\r\n\r\n", "three words"),
        ("HTTP/1.1 200 \r\n\r\n", "three words"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
        ("HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", "status 301"),
        ("HTTP/1.1 307 Moved\r\nLocation: /x\r\n\r\n", "status 307"),
        ("HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n", "only http://"),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "only http://"),
        ("HTTP/1.1 200 OK\r\nContent-Type: audio/mpegurl\r\n\r\n", "ended"),
    ];
    for (head, why) in bad {
        let origin = saying(head).await;
        let failure = Enigma2Player::open(&origin.url("/x")).await.err().unwrap();
        assert!(failure.contains(why), "{head:?}: {failure}");
    }
    assert!(Enigma2Player::open("https://127.0.0.1/").await.is_err());
}

#[tokio::test]
async fn a_receiver_reads_chunks_only_after_one_space() {
    for (field, understood) in
        [("Transfer-Encoding: chunked", true), ("Transfer-Encoding:chunked", false)]
    {
        let origin = Origin::start(move |_| {
            Script::new()
                .raw(format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n"))
                .chunked(Chunks::Random { seed: 1, most: 500 })
                .feed(Feed::of(TsPattern::new(1)).packets(100))
                .last_chunk()
        })
        .await;
        let mut receiver = Enigma2Player::open(&origin.url("/")).await.unwrap();
        let read = receiver.read(18_800).await.unwrap();
        assert_eq!(read == TsPattern::new(1).packets(0, 100), understood, "{field}");
        if understood {
            assert!(receiver.read(1).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_receiver_follows_302_and_playlists_five_times() {
    let origin = Origin::start(|request| {
        let base = format!("http://{}", request.header("x-base").unwrap_or("127.0.0.1"));
        match request.path() {
            "/loop" => Script::redirect("302 Found", &format!("{base}/loop")),
            _ => Script::live(&TsPattern::new(1)),
        }
    })
    .await;
    let end = origin.url("/end");
    let list = Origin::start(move |request| match request.path() {
        "/list" => Script::whole("200 OK", "audio/x-mpegurl", format!("#EXTM3U\n{end}\n")),
        "/moved" => Script::redirect("302 Found", &end),
        "/round" => {
            // The port is not in Host, so it comes from the path of the test.
            let port = request.query().unwrap_or("");
            Script::redirect("302 Found", &format!("http://127.0.0.1:{port}/round?{port}"))
        }
        _ => Script::error("404 Not Found"),
    })
    .await;
    for path in ["/list", "/moved"] {
        let mut receiver = Enigma2Player::open(&list.url(path)).await.unwrap();
        assert_eq!(receiver.read(188).await.unwrap()[0], 0x47);
    }
    let round = format!("/round?{}", list.address().port());
    let failure = Enigma2Player::open(&list.url(&round)).await.err().unwrap();
    assert!(failure.contains("redirects"), "{failure}");
    assert_eq!(list.seen().iter().filter(|request| request.path() == "/round").count(), 5);
}

#[tokio::test]
async fn a_receiver_gives_its_credentials() {
    let origin = saying("HTTP/1.1 200 OK\r\n\r\n").await;
    Enigma2Player::open(&origin.url_as("root:pa:ss", "/x")).await.unwrap();
    assert_eq!(origin.seen()[0].header("authorization"), Some("Basic cm9vdDpwYTpzcw=="));
}
