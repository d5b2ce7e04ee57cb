use super::*;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::player::Ending;
use crate::support::player::NoAnswer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::tls::Authority;
use crate::support::ts::PACKET;
use crate::support::ts::TsCheck;
use crate::support::ts::TsPattern;
use crate::support::wire::Parting;
use std::time::Duration;

fn pattern() -> TsPattern {
    TsPattern::new(0xbeef)
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let origin = Origin::start(|_| Script::html("hello")).await;
    let text = "GET /a/b?c=%3a:d HTTP/1.1\r\nhOST: x\r\nX-Odd:  spaced \r\n\r\n";
    let (_player, head) = Player::ask(origin.address(), text).await;
    assert_eq!(head.status, 200);
    let [request] = &*origin.seen() else { panic!("one request") };
    assert_eq!(&*request.head, text.as_bytes());
    assert_eq!((request.method(), request.version()), ("GET", "HTTP/1.1"));
    assert_eq!((request.path(), request.query()), ("/a/b", Some("c=%3a:d")));
    assert_eq!((request.header("host"), request.header("x-odd")), (Some("x"), Some("spaced")));
    assert_eq!(request.lines().next(), Some(("hOST", "x")));
    request.assert_well_formed();
}

#[tokio::test]
async fn scripts_go_by_path_and_attempt() {
    let origin = Origin::start(|request| match (request.path(), request.attempt) {
        ("/a", 1) => Script::error("503 Service Unavailable"),
        ("/a", _) => Script::json("{}"),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let mut statuses = Vec::new();
    for path in ["/a", "/a", "/b", "/a?x"] {
        statuses.push(Player::get(origin.address(), path).await.status());
    }
    assert_eq!(statuses, [503, 200, 404, 200]);
    assert_eq!((origin.total(), origin.open_max()), (4, 1));
}

#[tokio::test]
async fn a_live_stream_plays_until_the_peer_leaves() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()))).await;
    let (mut player, head) =
        Player::ask(origin.address(), &presets::vlc(origin.address(), "/")).await;
    assert_eq!(head.header("content-type"), Some("video/mp2t"));
    let bytes = player.read_exact_body(3000 * PACKET).await;
    pattern().assert_matches(0, &bytes);
    TsCheck::of(&bytes).assert_clean("the live stream");
    assert_eq!((origin.open(), origin.closed(0).await.len()), (1, 0));
    player.reset();
    let left = origin.closed(1).await;
    assert_eq!(left[0].left.map(|(_, how)| how), Some(Parting::Rst));
    assert!(left[0].written >= 3000 * PACKET as u64);
    origin.idle().await;
}

#[tokio::test]
async fn every_framing_carries_the_same_bytes() {
    let blob = Blob::new(5, 100_000);
    let length = [("Content-Length", "100000")];
    let chunked = [("transfer-encoding", "Chunked")];
    let scripts = [
        Script::head_1_0("200 OK", &[]).feed(Feed::of(blob)),
        Script::head("200 OK", &length).feed(Feed::of(blob)).next_request(),
        Script::head("200 OK", &chunked)
            .chunked(Chunks::AsWritten)
            .feed(Feed::of(blob))
            .last_chunk(),
        Script::head("200 OK", &chunked)
            .chunked(Chunks::Of(1000))
            .feed(Feed::of(blob))
            .last_chunk(),
        Script::head("200 OK", &chunked)
            .chunked(Chunks::Random { seed: 3, most: 700 })
            .feed(Feed::of(blob))
            .last_chunk_with("X-Sum: 1\r\n"),
        Script::head("200 OK", &length).sliced(9, 1316).feed(Feed::of(blob)),
    ];
    let count = scripts.len();
    let origin = Origin::start(move |request| scripts[request.number - 1].clone()).await;
    for number in 1..=count {
        let answer = Player::get(origin.address(), "/").await;
        assert!(answer.body.is_complete(), "script {number}: {:?}", answer.body.ending);
        assert_eq!(answer.body.bytes.len(), 100_000, "script {number}");
        blob.assert_matches(0, &answer.body.bytes);
        let trailers = usize::from(number == 5);
        assert_eq!(answer.body.trailers.len(), trailers, "script {number}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let origin = Origin::start(|request| Script::json(&format!("{}", request.number))).await;
    let mut player = Player::connect(origin.address()).await;
    let pair = presets::get_keep_alive("x", "/1") + &presets::get_keep_alive("x", "/2");
    player.send(pair).await;
    for number in 1..=3 {
        if number == 3 {
            player.send("POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").await;
        }
        assert_eq!(player.head().await.status, 200);
        assert_eq!(player.read_to_end().await.bytes, number.to_string().as_bytes());
    }
    let [connection] = &*origin.connections() else { panic!("one connection") };
    assert_eq!((connection.requests, connection.is_open()), (3, true));
    assert!(connection.received.ends_with(b"body"));
}

#[tokio::test]
async fn a_gate_decides_when_a_stream_dies_and_where_it_is_cut() {
    for cut in [0, 1, 77, 187] {
        let gate = Gate::new();
        let feed = Feed::of(pattern()).until(&gate).cut_at(cut);
        let origin = Origin::start(move |_| Script::live(feed.clone()).close()).await;
        let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
        let first = player.read_exact_body(1000).await;
        gate.open();
        let rest = player.read_to_end().await;
        assert_eq!(rest.ending, Ending::Complete);
        let whole = [first, rest.bytes].concat();
        assert_eq!(whole.len() % PACKET, cut);
        pattern().assert_matches(0, &whole);
    }
}

#[tokio::test]
async fn a_gate_reaches_a_writer_whom_nobody_reads() {
    let gate = Gate::new();
    let feed = Feed::of(pattern()).until(&gate);
    let builder = Origin::builder().send_buffer(16 * 1024);
    let origin = builder.start(move |_| Script::live(feed.clone()).reset()).await;
    let mut player = Player::connect_narrow(origin.address(), 4096).await;
    player.send(presets::get("x", "/")).await;
    origin.wait_for("some bytes", |origin| (origin.written() > 10_000).then_some(())).await;
    gate.open();
    player.head().await;
    let body = player.read_to_end().await;
    assert_eq!(body.ending, Ending::Cut(Parting::Rst));
    assert_eq!(origin.connections()[0].left, None);
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_given_up() {
    let script = Script::live(Feed::of(pattern()));
    let script = Script::new().give_up_after(Duration::from_millis(200)).then_all(script);
    let builder = Origin::builder().send_buffer(16 * 1024);
    let origin = builder.start(move |_| script.clone()).await;
    let mut player = Player::connect_narrow(origin.address(), 4096).await;
    player.send(presets::get("x", "/")).await;
    origin
        .wait_for("the reader to be given up", |origin| {
            origin.connections().iter().any(|connection| connection.given_up).then_some(())
        })
        .await;
    assert_eq!(player.left().await, Parting::Rst);
}

#[tokio::test]
async fn bodies_break_as_the_script_says() {
    let short = |script: Script| script.body("12345");
    let length = || Script::head("200 OK", &[("Content-Length", "10")]);
    let chunked = || Script::head("200 OK", &[("Transfer-Encoding", "chunked")]);
    let gate = Gate::new();
    let ends = [
        (short(length()), Ending::Cut(Parting::Fin)),
        (short(length()).wait(&gate).reset(), Ending::Cut(Parting::Rst)),
        (short(chunked().chunked(Chunks::AsWritten)), Ending::Cut(Parting::Fin)),
        (chunked().raw("5\r\n123"), Ending::Cut(Parting::Fin)),
        (
            chunked().raw("0x5\r\n12345\r\n0\r\n\r\n"),
            Ending::Malformed("chunk size \"0x5\"".into()),
        ),
        (
            chunked().raw("5\r\n1234567\r\n0\r\n\r\n"),
            Ending::Malformed("\"67\" after a chunk".into()),
        ),
        (chunked().raw("5;a=b\r\n12345\r\n0\r\n\r\n"), Ending::Complete),
    ];
    let scripts: Vec<Script> = ends.iter().map(|(script, _)| script.clone()).collect();
    let origin = Origin::start(move |request| scripts[request.number - 1].clone()).await;
    for (number, (_, expected)) in ends.iter().enumerate() {
        let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
        if number == 1 {
            assert_eq!(player.read_exact_body(5).await, b"12345");
            gate.open();
        }
        assert_eq!(player.read_to_end().await.ending, *expected, "script {number}");
    }
}

#[tokio::test]
async fn odd_heads_and_no_heads() {
    let origin = Origin::start(|request| match request.path() {
        "/icy" => Script::icy(Feed::of(pattern()).packets(10)),
        "/raw" => Script::new().raw("just bytes\r\n\r\n"),
        "/drip" => {
            let text = "HTTP/1.1 204 No Content\r\n\r\n";
            Script::new().drip(text, Duration::from_millis(1)).next_request()
        }
        "/half" => Script::new().raw("HTTP/1.1 200 O"),
        "/both" => {
            let both = [("Content-Length", "1"), ("Transfer-Encoding", "chunked")];
            Script::head("200 OK", &both)
        }
        "/early" => {
            Script::new().raw("HTTP/1.1 103 Early Hints\r\n\r\n").then_all(Script::json("{}"))
        }
        _ => Script::new().close(),
    })
    .await;
    let ask = async |path: &str| {
        let mut player = Player::connect(origin.address()).await;
        player.send(presets::get("x", path)).await;
        player.try_head().await
    };
    assert!(
        matches!(ask("/icy").await, Err(NoAnswer::Malformed(text)) if text.contains("ICY 200"))
    );
    assert!(matches!(ask("/raw").await, Err(NoAnswer::Malformed(_))));
    assert_eq!(ask("/drip").await.map(|head| head.status), Ok(204));
    let half = b"HTTP/1.1 200 O".to_vec();
    assert_eq!(ask("/half").await.map(|_| ()), Err(NoAnswer::Cut(Parting::Fin, half)));
    assert!(matches!(ask("/both").await, Err(NoAnswer::Malformed(_))));
    let early = ask("/early").await.unwrap();
    assert_eq!((early.status, early.interim[0].status), (200, 103));
    assert_eq!(ask("/none").await.map(|_| ()), Err(NoAnswer::Left(Parting::Fin)));
}

#[tokio::test]
async fn replicas_on_one_clock_agree() {
    let clock = Clock::start(&pattern());
    let replica = move |_: &Recorded| Script::live(Feed::of(pattern()).on(&clock));
    let (a, b) = (Origin::start(replica).await, Origin::start(replica).await);
    let mut starts = Vec::new();
    for origin in [&a, &b] {
        let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
        let bytes = player.read_exact_body(40 * PACKET).await;
        let mut trace = crate::support::ts::TsTrace::default();
        trace.feed(&bytes);
        starts.push(trace.runs()[0].first);
        TsCheck::of(&bytes).assert_clean("a replica");
    }
    assert!(starts[0] <= starts[1], "{starts:?}");
}

#[tokio::test]
async fn an_origin_may_live_elsewhere_on_this_host() {
    let second = Ipv4Addr::new(127, 0, 0, 2);
    let origin = Origin::builder().on(second).start(|_| Script::json("{}")).await;
    assert_eq!(Player::get(origin.address(), "/").await.text(), "{}");
    assert!(origin.url("/").starts_with("http://127.0.0.2:"));
}

#[tokio::test]
async fn tls_carries_the_same_script() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.server(&["tv.test"]), |request| {
        if request.path() == "/cut" {
            return Script::live(Feed::of(pattern()).packets(10)).reset();
        }
        Script::live(Feed::of(pattern()).packets(2000))
    })
    .await;
    assert!(origin.url("/x").starts_with("https://127.0.0.1:"));
    let address = origin.address();
    let connect =
        async |name: &'static str| Player::try_connect_tls(address, authority.client(), name).await;
    let mut player = connect("tv.test").await.unwrap();
    player.send(presets::get("tv.test", "/")).await;
    assert_eq!(player.head().await.status, 200);
    let body = player.read_to_end().await;
    assert_eq!((body.ending, body.bytes.len()), (Ending::Complete, 2000 * PACKET));
    pattern().assert_matches(0, &body.bytes);
    player.close();
    assert_eq!(origin.closed(1).await[0].server_name.as_deref(), Some("tv.test"));

    assert!(connect("other.test").await.is_err());
    let failed = origin
        .wait_for("a failed handshake", |origin| {
            origin.connections().iter().find_map(|connection| connection.handshake_error.clone())
        })
        .await;
    assert!(!failed.is_empty());

    let mut player = connect("tv.test").await.unwrap();
    player.send(presets::get("tv.test", "/cut")).await;
    player.head().await;
    assert_eq!(player.read_to_end().await.ending, Ending::Cut(Parting::Rst));
}

#[tokio::test]
async fn bad_certificates_are_bad() {
    let authority = Authority::new();
    let configs =
        [authority.expired_server(&["tv.test"]), Authority::self_signed_server(&["tv.test"])];
    for config in configs {
        let origin = Origin::start_tls(config, |_| Script::silent()).await;
        let player = Player::try_connect_tls(origin.address(), authority.client(), "tv.test").await;
        assert!(player.is_err());
    }
}

#[tokio::test]
async fn a_script_may_begin_before_the_request() {
    let origin = Origin::builder()
        .start_at_accept(|number| match number {
            1 => Script::new().raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            _ => Script::new().reset(),
        })
        .await;
    let mut player = Player::connect(origin.address()).await;
    assert_eq!(player.head().await.status, 200);
    assert_eq!(player.read_to_end().await.bytes, b"hi");
    let mut player = Player::connect(origin.address()).await;
    assert_eq!(player.try_head().await.map(|_| ()), Err(NoAnswer::Left(Parting::Rst)));
}

#[tokio::test]
async fn addresses_that_do_not_answer() {
    let refused = Refused::new();
    assert!(Player::try_connect(refused.address()).await.is_err());
    let hole = BlackHole::start().await;
    let attempt = Player::try_connect(hole.address());
    assert!(tokio::time::timeout(Duration::from_millis(100), attempt).await.is_err());
    let mut origin = Origin::start(|_| Script::live(&pattern())).await;
    let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
    origin.refuse().await;
    assert!(Player::try_connect(origin.address()).await.is_err());
    player.read_exact_body(PACKET).await;
    drop(origin);
    assert!(player.read_to_end().await.bytes.len() < 1 << 20);
}

#[tokio::test]
#[should_panic(expected = "the script of an origin panicked: Some(\"no such path: /x\")")]
async fn a_script_that_panics_fails_the_test_that_waits() {
    let origin = Origin::start(|request| panic!("no such path: {}", request.path())).await;
    let mut player = Player::connect(origin.address()).await;
    player.send(presets::get("x", "/x")).await;
    origin.closed(1).await;
}
