//! Sources over TLS: the same bytes, an authority that the environment names, and no source that
//! cannot show who it is. The trust store is read from the environment of the process, so these
//! tests run the built program.

use super::pattern;
use crate::command_line::process::Addresses;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::command_line::process::metric;
use crate::support::capture::Canary;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::tls::Authority;
use crate::support::ts::PACKET;
use crate::support::wire::Parting;

/// The names of the host on which all origins are.
const HOST: [&str; 2] = ["localhost", "127.0.0.1"];

fn good() -> Script {
    Script::live(Feed::of(pattern()).packets(2000))
}

fn assert_good(answer: &Answer, what: &str) {
    assert_eq!(answer.status(), 200, "{what}: {}", String::from_utf8_lossy(&answer.body.bytes));
    assert!(answer.body.is_complete(), "{what}: {:?}", answer.body.ending);
    assert_eq!(answer.body.bytes.len(), 2000 * PACKET, "{what}");
    pattern().assert_matches(0, &answer.body.bytes);
}

/// The program, which trusts `authority`, with live channels of these sources.
async fn program(authority: &Authority, channels: &[(&str, Vec<String>)]) -> (Running, Addresses) {
    let channels: String = channels
        .iter()
        .map(|(name, sources)| format!("  {name}: {{kind: live, sources: {sources:?}}}\n"))
        .collect();
    let yaml = format!("egress: {{private: [127.0.0.0/8]}}\nchannels:\n{channels}");
    let program = Program::serving(&yaml).file("authority.pem", authority.pem());
    let file = program.folder().join("authority.pem");
    let running = program.variable("SSL_CERT_FILE", file.to_str().unwrap()).start();
    let addresses = running.ready().await;
    (running, addresses)
}

fn by_name(origin: &Origin, path: &str) -> String {
    format!("https://localhost:{}{path}", origin.address().port())
}

#[tokio::test]
async fn a_body_over_tls_is_the_sources_byte_for_byte() {
    let authority = Authority::new();
    let feed = || Feed::of(pattern()).packets(2000);
    let sizes = Chunks::Random { seed: 7, most: 40_000 };
    let scripts = [
        good(),
        Script::head_1_0("200 OK", &[]).feed(feed()),
        Script::head("200 OK", &[("Content-Length", "376000")]).feed(feed()),
        Script::live_chunked(feed(), sizes).last_chunk(),
        Script::icy(feed()),
        Script::new().sliced(3, 1316).then_all(good()),
    ];
    let count = scripts.len();
    let origin = Origin::start_tls(authority.server(&HOST), move |request| {
        scripts[request.number - 1].clone()
    })
    .await;
    let sources = vec![by_name(&origin, "/live/one.ts?a=b")];
    let (_running, addresses) = program(&authority, &[("one", sources)]).await;
    for number in 1..=count {
        let answer = Player::get(addresses.stream, "/stream/one").await;
        assert_good(&answer, &format!("script {number}"));
    }
    let seen = origin.requests(count).await;
    for request in &seen {
        request.assert_well_formed();
        assert_eq!(request.target(), "/live/one.ts?a=b");
        let host = format!("localhost:{}", origin.address().port());
        assert_eq!(request.header("host"), Some(&*host));
    }
    let closed = origin.closed(count).await;
    let named = closed.iter().filter(|each| each.server_name.as_deref() == Some("localhost"));
    assert_eq!((named.count(), origin.open_max()), (count, 1));
}

#[tokio::test]
async fn a_source_by_address_is_checked_by_its_address() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.server(&["127.0.0.1"]), |_| good()).await;
    let channels = [("address", vec![origin.url("/")]), ("name", vec![by_name(&origin, "/")])];
    let (_running, addresses) = program(&authority, &channels).await;
    assert_good(&Player::get(addresses.stream, "/stream/address").await, "by address");
    let answer = Player::get(addresses.stream, "/stream/name").await;
    assert_eq!(answer.status(), 502, "the certificate is not for this name");
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_source_that_cannot_show_who_it_is_is_not_asked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = Origin::start_tls(authority.server(&HOST), |_| good()).await;
    let origins = [
        ("expired", Origin::start_tls(authority.expired_server(&HOST), |_| super::never()).await),
        (
            "other-host",
            Origin::start_tls(authority.server(&["tv.example"]), |_| super::never()).await,
        ),
        (
            "self-signed",
            Origin::start_tls(Authority::self_signed_server(&HOST), |_| super::never()).await,
        ),
        ("unknown-issuer", Origin::start_tls(stranger.server(&HOST), |_| super::never()).await),
    ];
    let says = async |text: &'static str| {
        Origin::builder().start_at_accept(move |_| Script::new().raw(text).close()).await
    };
    let plain = says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let (mail, closing) = (says("220 mail\r\n").await, says("").await);
    let mut channels: Vec<(&str, Vec<String>)> =
        origins.iter().map(|(name, origin)| (*name, vec![by_name(origin, "/")])).collect();
    channels.push(("plain", vec![by_name(&plain, "/")]));
    channels.push(("mail", vec![by_name(&mail, "/")]));
    channels.push(("closing", vec![by_name(&closing, "/")]));
    let bad: Vec<String> = channels.iter().map(|(_, sources)| sources[0].clone()).collect();
    channels.push(("backed", [bad, vec![by_name(&good, "/")]].concat()));
    let (running, addresses) = program(&authority, &channels).await;
    let classes = [
        ("expired", "the certificate has expired or is not valid yet"),
        ("other-host", "the certificate is for another host"),
        ("self-signed", "the certificate's issuer is not trusted"),
        ("unknown-issuer", "the certificate's issuer is not trusted"),
        ("plain", "the handshake failed"),
        ("mail", "the handshake failed"),
        ("closing", "the handshake failed"),
    ];
    for (channel, class) in classes {
        let answer = Player::get(addresses.stream, &format!("/stream/{channel}")).await;
        assert_eq!(answer.status(), 502, "{channel}: {}", answer.text());
        let line = running.line(&format!("channel={channel} ")).await;
        assert!(line.contains("WARN") && line.contains(class), "{channel}: {line}");
        let labels = format!("channel=\"{channel}\",source=\"0\",outcome=\"tls\"");
        let name = format!("weir_upstream_attempts_total{{{labels}}}");
        assert_eq!(metric(addresses.admin, &name).await, 1.0, "{channel}");
    }
    assert_good(&Player::get(addresses.stream, "/stream/backed").await, "the last of eight");
    for (name, origin) in &origins {
        assert_eq!((origin.total(), origin.seen().len()), (2, 0), "{name}: no request was sent");
    }
}

#[tokio::test]
async fn a_tls_body_that_is_cut_is_not_taken_for_whole() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.server(&HOST), |request| match request.path() {
        "/reset" => Script::live(Feed::of(pattern()).packets(50)).reset(),
        // The length is what makes this one short; TLS itself is closed as it should be.
        _ => Script::head("200 OK", &[("Content-Length", "99999")])
            .feed(Feed::of(pattern()).packets(50))
            .close(),
    })
    .await;
    let channels =
        ["reset", "short"].map(|name| (name, vec![by_name(&origin, &format!("/{name}"))]));
    let (_running, addresses) = program(&authority, &channels).await;
    for (name, _) in &channels {
        let mut player = Player::connect(addresses.stream).await;
        player.send(presets::get_keep_alive("x", &format!("/stream/{name}"))).await;
        let head = player.head().await;
        if head.status == 502 {
            // A reset may overtake the first bytes; then there never was a stream.
            assert_eq!(*name, "reset");
            continue;
        }
        let body = player.read_to_end().await;
        assert!(matches!(body.ending, Ending::Cut(_)), "{name}: {:?}", body.ending);
        pattern().assert_matches(0, &body.bytes);
    }
}

#[tokio::test]
async fn redirects_lead_to_tls_and_credentials_do_not_lead_away_from_it() {
    let authority = Authority::new();
    let plain = Origin::start(|_| good()).await;
    let down = format!("http://localhost:{}/plain", plain.address().port());
    let secure = Origin::start_tls(authority.server(&HOST), move |request| match request.path() {
        "/down" => Script::redirect("302 Found", &down),
        _ => good(),
    })
    .await;
    let up = by_name(&secure, "/secure");
    let starting = Origin::start(move |_| Script::redirect("301 Moved Permanently", &up)).await;
    let login = |url: String| url.replacen("://", "://us3rname:pa55word@", 1);
    let from = format!("http://localhost:{}/", starting.address().port());
    let channels = [("up", vec![login(from)]), ("down", vec![login(by_name(&secure, "/down"))])];
    let (running, addresses) = program(&authority, &channels).await;
    assert_good(&Player::get(addresses.stream, "/stream/up").await, "http to https");
    assert_good(&Player::get(addresses.stream, "/stream/down").await, "https to http");
    let canary = Canary::new(["us3rname", "pa55word", "us3rname:pa55word"]);
    assert!(canary.is_present(&starting.requests(1).await[0].head));
    let seen = secure.requests(2).await;
    assert_eq!(seen.iter().map(|request| request.path()).collect::<Vec<_>>(), ["/secure", "/down"]);
    assert!(seen.iter().all(|request| canary.is_present(&request.head)), "the same host");
    canary.assert_absent("a request without TLS", &plain.requests(1).await[0].head);
    canary.assert_absent("the log", running.err().as_bytes());
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_tls_connection_too() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.server(&HOST), |request| match request.path() {
        "/plays" => Script::live(&pattern()),
        "/stalls" => Script::live(Feed::of(pattern()).packets(10)).stall(),
        _ => Script::silent(),
    })
    .await;
    let channels = ["plays", "stalls", "silent"]
        .map(|name| (name, vec![by_name(&origin, &format!("/{name}"))]));
    let (_running, addresses) = program(&authority, &channels).await;
    let mut clients = 0;
    for (name, _) in &channels {
        for how in [Parting::Fin, Parting::Rst] {
            let mut player = Player::connect(addresses.stream).await;
            player.send(presets::get_keep_alive("x", &format!("/stream/{name}"))).await;
            clients += 1;
            origin.requests(clients).await;
            if *name != "silent" {
                assert_eq!(player.head().await.status, 200);
                player.read_exact_body(10 * PACKET).await;
            }
            let _listening = if how == Parting::Fin {
                player.finish().await;
                Some(player)
            } else {
                player.reset();
                None
            };
            assert_eq!(origin.closed(clients).await.len(), clients, "{name} {how:?}");
        }
    }
    assert_eq!(clients, 6);
    eventually_async("no connection is left", async || {
        let open = metric(addresses.admin, "weir_upstream_connections{provider=\"none\"}").await;
        (open == 0.0).then_some(())
    })
    .await;
}
