//! Limits: at N everybody is served, at N + 1 the answer comes at once and says when to come again,
//! and a place that came free is free.

mod descriptors;

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::player::Answer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

fn channel(origin: &Origin) -> String {
    format!("channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n", origin.url("/one.ts"))
}

async fn tune(address: SocketAddr) -> Player {
    let (mut player, head) = Player::ask(address, &ask("")).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET * 10).await;
    player
}

fn ask(fields: &str) -> String {
    format!("GET /stream/one HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

fn assert_come_again(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status);
    let after = answer.head.header("retry-after").unwrap_or_else(|| panic!("no Retry-After"));
    assert!((1..=60).contains(&after.parse::<u32>().unwrap()), "{after}");
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.head.header("access-control-allow-origin"), Some("*"));
    let problem: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    assert_eq!(problem["status"], status);
}

/// Waits until a place is free again, and takes it.
async fn tune_again(address: SocketAddr) -> Player {
    eventually_async("a free place", async || {
        let (player, head) = Player::ask(address, &ask("")).await;
        (head.status == 200).then_some(player)
    })
    .await
}

#[tokio::test]
async fn one_client_too_many_is_told_at_once_and_a_free_place_is_free() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("limits: {{clients: 3}}\n{}", channel(&origin));
    let gateway = Gateway::start(&yaml).await;
    let mut players = Vec::new();
    for _ in 0..3 {
        players.push(tune(gateway.stream).await);
    }
    for _ in 0..5 {
        let refused = Player::get(gateway.stream, "/stream/one").await;
        assert_come_again(&refused, 503);
        assert!(refused.text().contains("limits.clients"), "{}", refused.text());
    }
    assert_eq!(origin.total(), 3, "no source is opened for whoever is refused");
    // What is no stream has no place and needs none.
    assert_eq!(Player::get(gateway.stream, "/playlist.m3u").await.status(), 200);
    assert_eq!(Player::get(gateway.stream, "/health").await.status(), 200);

    players.pop().unwrap().reset();
    players.push(tune_again(gateway.stream).await);
    assert_come_again(&Player::get(gateway.stream, "/stream/one").await, 503);
    for player in &mut players {
        player.read_exact_body(PACKET * 10).await;
    }
    assert_eq!(origin.open(), 3);
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 3.0);
}

#[tokio::test]
async fn films_and_services_take_places_as_live_channels_do() {
    let vod = Vod::start(VodFile::of_length(256 << 20)).await;
    let box_ = Origin::live(TsPattern::new(1)).await;
    let service = "/1:0:19:132F:3EF:1:C00000:0:0:0:";
    let gateway = Gateway::start(&format!(
        "limits: {{clients: 2}}\nreceivers: {{box: {{stream: \"http://{}\"}}}}\n\
         channels: {{film: {{kind: vod, sources: [\"{}\"]}}}}\n",
        box_.authority(),
        vod.url("/film.mp4")
    ))
    .await;
    let film = presets::get_keep_alive("x", "/stream/film");
    let (paused, head) = Player::ask(gateway.stream, &film).await;
    assert_eq!(head.status, 200);
    let (live, head) = Player::ask(gateway.stream, &presets::get_keep_alive("x", service)).await;
    assert_eq!(head.status, 200);
    for target in ["/stream/film", service] {
        assert_come_again(&Player::get(gateway.stream, target).await, 503);
    }
    paused.close();
    live.close();
    vod.idle().await;
    box_.idle().await;
    // A film that is over gives its place back, though its connection stays.
    let (mut player, head) = Player::ask(
        gateway.stream,
        "GET /stream/film HTTP/1.1\r\nHost: x\r\nRange: bytes=0-999\r\n\r\n",
    )
    .await;
    assert_eq!(head.status, 206);
    assert_eq!(player.read_to_end().await.bytes.len(), 1000);
    let (_one, head) = Player::ask(gateway.stream, &film).await;
    assert_eq!(head.status, 200);
    let (_two, head) = Player::ask(gateway.stream, &film).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn one_address_has_its_share_and_no_more() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "limits: {{clients: 100, clients_per_ip: 2}}\ntrusted_proxies: [127.0.0.0/8]\n\
         access: {{allow: [any]}}\n{}",
        channel(&origin)
    );
    let gateway = Gateway::start(&yaml).await;
    let from = async |address: &str| {
        let fields = format!("X-Forwarded-For: {address}\r\n");
        Player::ask(gateway.stream, &ask(&fields)).await
    };
    let mut players = Vec::new();
    let mut seen = 0;
    for (address, status) in [
        ("198.51.100.1", 200),
        ("198.51.100.1", 200),
        ("198.51.100.1", 503),
        ("198.51.100.2", 200),
        ("::ffff:198.51.100.2", 200),
        ("::ffff:198.51.100.2", 503),
        // Whoever has an IPv6 address has 2^64 of them.
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("2001:db8::3", 503),
        ("2001:db8:0:1::1", 200),
    ] {
        let (player, head) = from(address).await;
        assert_eq!(head.status, status, "{address}");
        if status == 503 {
            assert!(head.header("retry-after").is_some());
        } else {
            players.push(player);
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
    players.remove(0).close();
    let again = async || Some(from("198.51.100.1").await).filter(|(_, head)| head.status == 200);
    let _third = eventually_async("a free place", again).await;
    assert_eq!(from("198.51.100.1").await.1.status, 503);
}

#[tokio::test]
async fn a_storm_of_requests_is_answered_with_429() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "limits: {{requests_per_second: 1}}\ntrusted_proxies: [127.0.0.0/8]\n{}",
        channel(&origin)
    );
    let gateway = Gateway::start(&yaml).await;
    let from = async |address: &str, target: &str| {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {address}\r\n\r\n"
        );
        Player::fetch(gateway.stream, &request).await
    };
    let mut passed = 0;
    let mut refused = 0;
    for _ in 0..50 {
        let answer = from("10.0.0.1", "/playlist.m3u").await;
        match answer.status() {
            200 => passed += 1,
            _ => {
                assert_come_again(&answer, 429);
                refused += 1;
            }
        }
    }
    assert!(passed >= 2, "a burst of twice the rate passes: {passed}");
    assert!(refused >= 20, "and a storm does not: {refused}");
    assert_eq!(from("10.0.0.2", "/playlist.m3u").await.status(), 200, "another address is free");
    assert_eq!(from("10.0.0.1", "/health").await.status(), 200, "health is not counted");
    assert_eq!(origin.total(), 0);
    let counted = "weir_http_requests_total{listener=\"stream\",status=\"429\"}";
    assert_eq!(gateway.metric(counted).await, f64::from(refused));
    // It does not last.
    eventually_async("a request that passes", async || {
        (from("10.0.0.1", "/playlist.m3u").await.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "limits: {{requests_per_second: 1}}\naccess: {{tokens: {{anna: the-right-one}}}}\n{}",
        channel(&origin)
    );
    let gateway = Gateway::start(&yaml).await;
    let mut slowed = 0;
    for guess in 0..40 {
        let answer = Player::get(gateway.stream, &format!("/stream/one?token=guess-{guess}")).await;
        assert!([403, 429].contains(&answer.status()), "{}", answer.status());
        slowed += usize::from(answer.status() == 429);
    }
    assert!(slowed >= 15, "{slowed}");
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn connections_are_bounded_and_one_too_many_gets_an_answer() {
    let origin = Origin::live(TsPattern::new(1)).await;
    // Twice the clients and 64.
    let gateway = Gateway::start(&format!("limits: {{clients: 1}}\n{}", channel(&origin))).await;
    let mut watching = tune(gateway.stream).await;
    let mut idle = Vec::new();
    for _ in 0..65 {
        idle.push(Player::connect(gateway.stream).await);
    }
    let open = async |count: f64| {
        eventually_async("connections are counted", async || {
            (gateway.metric("weir_connections{listener=\"stream\"}").await == count).then_some(())
        })
        .await;
    };
    open(66.0).await;
    for target in ["/health", "/stream/one", "/nowhere"] {
        let refused = Player::get(gateway.stream, target).await;
        assert_come_again(&refused, 503);
        assert_eq!(refused.head.header("connection"), Some("close"));
    }
    assert_eq!(
        gateway.admin_get("/health").await,
        "OK\n",
        "the admin listener has places of its own"
    );
    watching.read_exact_body(PACKET * 10).await;
    idle.pop().unwrap().close();
    open(65.0).await;
    assert_eq!(Player::get(gateway.stream, "/health").await.status(), 200);
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    // 66 places, of which one address may have half, and two of the rest.
    let gateway = Gateway::start("limits: {clients: 1, clients_per_ip: 1}\n").await;
    let mut greedy = Vec::new();
    for _ in 0..66 {
        greedy.push(Player::connect(gateway.stream).await);
    }
    eventually_async("all of them have been seen", async || {
        (gateway.metric("weir_accepted_total{listener=\"stream\"}").await == 66.0).then_some(())
    })
    .await;
    assert_come_again(&Player::get(gateway.stream, "/health").await, 503);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = socket.connect(gateway.stream).await.unwrap();
    other.write_all(presets::get("x", "/health").as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", other.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_thousand_half_open_heads_are_in_nobodys_way_and_are_closed() {
    let gateway = Gateway::start("limits: {requests_per_second: 1000000}\n").await;
    let mut slow = Vec::new();
    for number in 0..1000 {
        let mut player = Player::connect(gateway.stream).await;
        let start = ["GET ", "GET /stream/one HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: "];
        player.send(start[number % 3]).await;
        slow.push(player);
    }
    let open = async || gateway.metric("weir_connections{listener=\"stream\"}").await;
    eventually_async("a thousand connections", async || (open().await >= 900.0).then_some(()))
        .await;
    for _ in 0..20 {
        assert_eq!(Player::get(gateway.stream, "/health").await.status(), 200);
        assert_eq!(gateway.admin_get("/health").await, "OK\n");
    }
    // One that goes on writing gains nothing by it.
    slow[0].send("X-Slow: 1\r\n").await;
    let mut closed = 0;
    for mut player in slow {
        player.left().await;
        closed += 1;
    }
    assert_eq!(closed, 1000);
    eventually_async("no connection is left", async || (open().await == 0.0).then_some(())).await;
}
