//! Bodies that break, end early, go on too long or fall silent after the client has its head: the
//! client sees an incomplete message, and the session says that it was the source's doing.

use super::gateway;
use super::pattern;
use super::single;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsCheck;

/// Sessions of `channel` that ended as `end`, once there is one.
async fn ended(gateway: &Gateway, channel: &str, end: &str) -> f64 {
    let name = format!("weir_sessions_total{{channel=\"{channel}\",end=\"{end}\"}}");
    eventually_async(&name, async || {
        let count = gateway.metric(&name).await;
        (count > 0.0).then_some(count)
    })
    .await
}

/// The log line that ends the session of a channel which no other test has.
fn last_words(channel: &str) -> String {
    let field = format!("channel={channel} ");
    let log = logs();
    let ends = |line: &&str| line.contains("session ends") && line.contains(&field);
    log.lines().find(ends).unwrap_or_else(|| panic!("no end of {channel}")).to_owned()
}

#[tokio::test]
async fn a_body_that_breaks_is_never_passed_off_as_whole() {
    let length = [("Content-Length", "1000000"), ("Content-Type", "video/mp2t")];
    let feed = || Feed::of(pattern()).packets(1000);
    // A reset loses what the peer has not read yet, so it waits for the test.
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let half_chunk = || Script::live_chunked(feed(), Chunks::Of(5000)).raw("1000\r\nG");
    let cases = [
        ("short-length", Script::head("200 OK", &length).feed(feed()).close()),
        ("length-and-reset", Script::head("200 OK", &length).feed(feed()).wait(&gates[0]).reset()),
        ("no-last-chunk", Script::live_chunked(feed(), Chunks::Of(5000)).close()),
        ("half-a-chunk", half_chunk().close()),
        ("half-a-chunk-and-reset", half_chunk().wait(&gates[1]).reset()),
        ("half-a-chunk-size", Script::live_chunked(feed(), Chunks::Of(5000)).raw("10").close()),
        ("half-a-last-chunk", Script::live_chunked(feed(), Chunks::Of(5000)).raw("0\r\n").close()),
        ("a-bad-chunk-size", Script::live_chunked(feed(), Chunks::Of(5000)).raw("xyz\r\n").close()),
        (
            "a-bad-chunk-end",
            Script::live_chunked(feed(), Chunks::Of(5000)).raw("1\r\nGG\r\n").close(),
        ),
        ("reset", Script::live(feed()).wait(&gates[2]).reset()),
    ];
    let names = cases.clone().map(|(name, _)| name);
    let origin = Origin::start(move |request| {
        let case = cases.iter().find(|(name, _)| request.path() == format!("/{name}"));
        case.unwrap().1.clone()
    })
    .await;
    let channels = names.map(|name| (name.to_owned(), vec![origin.url(&format!("/{name}"))]));
    let gateway = gateway("", &channels).await;
    for name in names {
        let request = presets::get_keep_alive("x", &format!("/stream/{name}"));
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200, "{name}");
        let first = player.read_exact_body(1000 * PACKET).await;
        pattern().assert_matches(0, &first);
        match name {
            "length-and-reset" => gates[0].open(),
            "half-a-chunk-and-reset" => gates[1].open(),
            "reset" => gates[2].open(),
            _ => {}
        }
        let rest = player.read_to_end().await;
        assert!(matches!(rest.ending, Ending::Cut(_)), "{name}: {:?}", rest.ending);
        assert!(rest.bytes.len() <= 1, "{name}: nothing is padded");
        let counted = async || (ended(&gateway, name, "source_failed").await == 1.0).then_some(());
        eventually_async("the session has ended", counted).await;
        let words = last_words(name);
        assert!(words.contains("side=\"source\"") && words.contains("ERROR"), "{words}");
        assert!(words.contains("end=\"source_failed\""), "{words}");
    }
    assert_eq!(origin.total(), 10);
    origin.idle().await;
}

#[tokio::test]
async fn a_live_source_that_ends_in_order_ends_the_stream_in_order() {
    let feed = || Feed::of(pattern()).packets(100);
    let cases = [
        ("until-the-close", Script::live(feed())),
        ("last-chunk", Script::live_chunked(feed(), Chunks::Of(999)).last_chunk()),
        ("whole-length", {
            Script::head("200 OK", &[("Content-Length", "18800")]).feed(feed()).stall()
        }),
    ];
    let names = cases.clone().map(|(name, _)| name);
    let origin = Origin::start(move |request| {
        let case = cases.iter().find(|(name, _)| request.path() == format!("/{name}"));
        case.unwrap().1.clone()
    })
    .await;
    let channels = names.map(|name| (name.to_owned(), vec![origin.url(&format!("/{name}"))]));
    let gateway = gateway("", &channels).await;
    for name in names {
        let answer = Player::get(gateway.stream, &format!("/stream/{name}")).await;
        assert!(answer.body.is_complete(), "{name}: {:?}", answer.body.ending);
        assert_eq!(answer.body.bytes.len(), 100 * PACKET, "{name}");
        let counted = async || (ended(&gateway, name, "source_ended").await == 1.0).then_some(());
        eventually_async("the session has ended", counted).await;
        assert!(last_words(name).contains("side=\"source\""), "{}", last_words(name));
    }
    origin.idle().await;
}

#[tokio::test]
async fn what_comes_behind_the_end_of_a_body_is_not_forwarded() {
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra";
    let feed = || Feed::of(pattern()).packets(100);
    let sized = || Script::head("200 OK", &[("Content-Length", "18800")]).feed(feed());
    let chunked = || Script::live_chunked(feed(), Chunks::Of(1000)).last_chunk();
    let packets = pattern().packets(100, 100);
    let scripts = [
        sized().raw(&packets),
        sized().raw(extra).stall(),
        chunked().unframed().raw(&packets),
        chunked().raw(extra).stall(),
        // All in one write, so that the end and what follows come in one read.
        Script::new().raw(
            [&b"HTTP/1.1 200 OK\r\nContent-Length: 18800\r\n\r\n"[..], &pattern().packets(0, 200)]
                .concat(),
        ),
    ];
    let count = scripts.len();
    let origin = Origin::start(move |request| scripts[request.number - 1].clone()).await;
    let gateway = single("", vec![origin.url("/")]).await;
    for number in 1..=count {
        let request = presets::get_keep_alive("x", "/stream/one");
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200);
        let body = player.read_to_end().await;
        assert!(body.is_complete(), "script {number}: {:?}", body.ending);
        assert_eq!(body.bytes.len(), 100 * PACKET, "script {number}");
        pattern().assert_matches(0, &body.bytes);
        // The next answer on the connection is the gateway's own.
        player.send(presets::get("x", "/health")).await;
        assert_eq!(player.head().await.status, 200);
        assert_eq!(player.read_to_end().await.bytes, b"OK\n");
        origin.closed(number).await;
    }
}

#[tokio::test]
async fn trailers_are_dropped() {
    let many: String = (0..200).map(|number| format!("X-Trailer-{number}: 1\r\n")).collect();
    let trailers = [
        "X-Sum: 1\r\n".to_owned(),
        "Host: evil\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Set-Cookie: a=b\r\nLocation: http://evil/\r\n".to_owned(),
        many,
    ];
    let count = trailers.len();
    let origin = Origin::start(move |request| {
        let fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")];
        let head = Script::head("200 OK", &fields).chunked(Chunks::Of(1000));
        head.feed(Feed::of(pattern()).packets(100)).last_chunk_with(&trailers[request.number - 1])
    })
    .await;
    let gateway = single("", vec![origin.url("/")]).await;
    for number in 0..count {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert_eq!(answer.head.header("trailer"), None);
        assert_eq!(answer.body.bytes.len(), 100 * PACKET, "trailers {number}");
        pattern().assert_matches(0, &answer.body.bytes);
        assert_eq!(answer.body.trailers, [], "trailers {number}");
    }
}

#[tokio::test]
async fn a_source_that_floods_with_trailers_or_extensions_is_cut() {
    let forever = "X-Trailer: 1\r\n".repeat(20_000);
    let extension = format!("5;{}", "x".repeat(1 << 20));
    let scripts = [
        Script::live_chunked(Feed::of(pattern()).packets(100), Chunks::Of(1000))
            .last_chunk_with(&forever),
        Script::live_chunked(Feed::of(pattern()).packets(100), Chunks::Of(1000)).raw(extension),
    ];
    let origin = Origin::start(move |request| scripts[request.number - 1].clone()).await;
    let gateway = single("", vec![origin.url("/")]).await;
    for _ in 0..2 {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert!(answer.body.bytes.len() <= 100 * PACKET);
        pattern().assert_matches(0, &answer.body.bytes);
        assert_eq!(answer.body.trailers, []);
    }
    origin.idle().await;
    assert_eq!(Player::get(gateway.stream, "/health").await.status(), 200);
}

#[tokio::test]
async fn a_source_that_falls_silent_ends_the_session_after_the_limit() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).packets(300)).stall()).await;
    let head = "failover: {rounds: 0, response_timeout: 300ms, stall_timeout: 300ms}";
    let gateway = gateway(head, &[("falls-silent".to_owned(), vec![origin.url("/")])]).await;
    let request = presets::get_keep_alive("x", "/stream/falls-silent");
    let (mut player, _) = Player::ask(gateway.stream, &request).await;
    let body = player.read_to_end().await;
    assert!(matches!(body.ending, Ending::Cut(_)), "{:?}", body.ending);
    assert_eq!(body.bytes.len(), 300 * PACKET, "what came is passed on");
    TsCheck::of(&body.bytes).assert_clean("what came before the silence");
    let counted =
        async || (ended(&gateway, "falls-silent", "source_stalled").await == 1.0).then_some(());
    eventually_async("the session has ended", counted).await;
    let words = last_words("falls-silent");
    assert!(words.contains("side=\"source\"") && words.contains("source_stalled"), "{words}");
    assert_eq!(origin.closed(1).await.len(), 1);
}

#[tokio::test]
async fn a_source_that_drips_is_not_silent() {
    let bytes = pattern().packets(0, 60);
    let (lump, drips) = bytes.split_at(bytes.len() - 40);
    let script = Script::live(Feed::of(pattern()).bytes(0))
        .body(lump)
        .drip(drips, std::time::Duration::from_millis(50));
    let origin = Origin::start(move |_| script.clone()).await;
    let head = "failover: {rounds: 0, response_timeout: 1s, stall_timeout: 1s}";
    let gateway = single(head, vec![origin.url("/")]).await;
    let answer = Player::get(gateway.stream, "/stream/one").await;
    assert!(answer.body.is_complete(), "{:?}", answer.body.ending);
    assert_eq!(answer.body.bytes, bytes, "two seconds of a byte now and then");
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_goes_through_with_its_label() {
    let blob = Blob::new(3, 300_000);
    let origin = Origin::start(move |request| {
        let kind = if request.path() == "/film.mp4" { "video/mp4" } else { "video/mp2t" };
        let fields =
            [("Content-Type", kind), ("Content-Encoding", "gzip"), ("Content-Length", "300000")];
        Script::head("200 OK", &fields).feed(Feed::of(blob))
    })
    .await;
    let gateway = Gateway::start(&format!(
        "channels:\n  film: {{kind: vod, sources: [\"{}\"]}}\n  tv: {{kind: live, sources: [\"{}\"]}}",
        origin.url("/film.mp4"),
        origin.url("/tv.ts")
    ))
    .await;
    for channel in ["film", "tv"] {
        let request = format!(
            "GET /stream/{channel} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = Player::fetch(gateway.stream, &request).await;
        assert_eq!(answer.status(), 200, "{channel}");
        assert_eq!(answer.head.headers("content-encoding"), ["gzip"], "{channel}");
        assert_eq!(answer.body.bytes.len(), 300_000, "{channel}");
        blob.assert_matches(0, &answer.body.bytes);
    }
    let seen = origin.requests(2).await;
    assert!(seen.iter().all(|request| request.headers("accept-encoding") == ["identity"]));
    assert_eq!(seen.len(), 2);
}
