//! Clients that leave, at any moment and in any way: the upstream connection is closed, and nothing
//! of the client is left.

use super::fast_origin;
use super::pattern;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::BlackHole;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leave {
    /// FIN, and the rest would still be read.
    Fin,
    /// FIN from a socket that is closed; where bytes are unread, this is a reset.
    Close,
    /// RST.
    Reset,
}

const LEAVES: [Leave; 3] = [Leave::Fin, Leave::Close, Leave::Reset];

/// The requests by which a client may have asked for `target`.
fn requests(target: &str) -> [(&'static str, String); 4] {
    let again = presets::get_keep_alive("x", target);
    [
        ("kept alive", again.clone()),
        ("closing", presets::get("x", target)),
        ("HTTP/1.0", presets::get_1_0(target)),
        ("with a second one behind it", again.clone() + &again),
    ]
}

/// Leaves, and gives back the player that still listens, to be kept until the test has seen enough.
async fn leave(mut player: Player, how: Leave) -> Option<Player> {
    match how {
        Leave::Fin => {
            player.finish().await;
            return Some(player);
        }
        Leave::Close => player.close(),
        Leave::Reset => player.reset(),
    }
    None
}

/// Waits until nothing is left of any client.
async fn nothing_left(gateway: &Gateway, channel: &str) {
    let gauges = [
        format!("weir_sessions{{channel=\"{channel}\"}}"),
        "weir_upstream_connections{provider=\"none\"}".to_owned(),
        "weir_connections{listener=\"stream\"}".to_owned(),
    ];
    for gauge in gauges {
        eventually_async(&format!("{gauge} is 0"), async || {
            (gateway.metric(&gauge).await == 0.0).then_some(())
        })
        .await;
    }
}

/// Waits until the origin has written on its latest connection, the `number`th.
async fn written_on(origin: &Origin, number: usize) {
    let what = format!("bytes on connection {number}");
    let written = |origin: &Origin| {
        let connection = origin.connections().into_iter().nth(number - 1)?;
        (connection.written > 0).then_some(())
    };
    origin.wait_for(&what, written).await;
}

async fn gateway(source: &str) -> Gateway {
    Gateway::start(&format!(
        "limits: {{requests_per_second: 100000}}\n\
         failover: {{rounds: 0, cooldown: 0s, connect_timeout: 60s, response_timeout: 60s, stall_timeout: 60s}}\n\
         channels: {{one: {{kind: live, sources: [\"{source}\"]}}}}"
    ))
    .await
}

/// Every way to ask and to leave, at a moment that `reached` waits for, given how many came before.
async fn leave_in_every_way(
    origin: &Origin,
    gateway: &Gateway,
    mut reached: impl AsyncFnMut(&mut Player, usize),
) {
    let mut clients = 0;
    for how in LEAVES {
        for (what, request) in requests("/stream/one") {
            let mut player = Player::connect(gateway.stream).await;
            player.send(request).await;
            reached(&mut player, clients + 1).await;
            assert_eq!(origin.open(), 1, "{how:?}, {what}");
            let _listening = leave(player, how).await;
            clients += 1;
            let closed = origin.closed(clients).await;
            assert_eq!(closed.len(), clients, "{how:?}, {what}");
            assert_eq!(origin.total(), clients, "{how:?}, {what}: one connection for each client");
        }
    }
    assert_eq!(clients, 12);
    nothing_left(gateway, "one").await;
    assert_eq!(origin.total(), clients, "nobody was asked again");
}

#[tokio::test]
async fn while_the_source_is_being_connected_to() {
    let hole = BlackHole::start().await;
    let gateway = gateway(&hole.url("/")).await;
    let open = "weir_upstream_connections{provider=\"none\"}";
    let mut clients = 0;
    for how in LEAVES {
        for (what, request) in requests("/stream/one") {
            let mut player = Player::connect(gateway.stream).await;
            player.send(request).await;
            eventually_async(&format!("the attempt of {how:?}, {what}"), async || {
                (gateway.metric(open).await == 1.0).then_some(())
            })
            .await;
            let _listening = leave(player, how).await;
            clients += 1;
            nothing_left(&gateway, "one").await;
        }
    }
    assert_eq!(clients, 12);
}

#[tokio::test]
async fn in_the_tls_handshake_of_the_source() {
    let origin = Origin::builder().start_at_accept(|_| Script::new().stall()).await;
    let gateway = gateway(&format!("https://{}/", origin.address())).await;
    leave_in_every_way(&origin, &gateway, async |_, number| {
        origin
            .wait_for("the client hello", |origin| {
                let connection = origin.connections().into_iter().nth(number - 1)?;
                (connection.received_bytes > 0).then_some(())
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn before_the_head_of_the_source() {
    let origin = Origin::start(|_| Script::silent()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |_, number| {
        origin.requests(number).await;
    })
    .await;
}

#[tokio::test]
async fn within_the_head_of_the_source() {
    let origin = Origin::start(|_| Script::new().raw("HTTP/1.1 200 OK\r\nContent-").stall()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |_, number| {
        written_on(&origin, number).await;
    })
    .await;
}

#[tokio::test]
async fn between_the_head_of_the_source_and_its_first_byte() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).bytes(0)).stall()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |_, number| {
        written_on(&origin, number).await;
    })
    .await;
}

#[tokio::test]
async fn before_the_first_bytes_say_what_they_are() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).bytes(100)).stall()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |_, number| {
        written_on(&origin, number).await;
    })
    .await;
}

#[tokio::test]
async fn between_two_sources() {
    let origin = Origin::start(|request| match request.path() {
        "/bad" => Script::error("500 Internal Server Error"),
        _ => Script::silent(),
    })
    .await;
    let sources = format!("{}\", \"{}", origin.url("/bad"), origin.url("/silent"));
    let gateway = gateway(&sources).await;
    let mut clients = 0;
    for how in LEAVES {
        for (what, request) in requests("/stream/one") {
            let mut player = Player::connect(gateway.stream).await;
            player.send(request).await;
            clients += 1;
            origin.requests(2 * clients).await;
            let _listening = leave(player, how).await;
            origin.closed(2 * clients).await;
            assert_eq!((origin.total(), origin.open_max()), (2 * clients, 1), "{how:?}, {what}");
        }
    }
    assert_eq!(clients, 12);
    nothing_left(&gateway, "one").await;
}

#[tokio::test]
async fn while_the_source_sends() {
    let origin = Origin::live(pattern()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |player, _| {
        assert_eq!(player.head().await.status, 200);
        let body = player.read_exact_body(10 * PACKET).await;
        pattern().assert_matches(0, &body);
    })
    .await;
    let name = "weir_sessions_total{channel=\"one\",end=\"client_closed\"}";
    assert_eq!(gateway.metric(name).await, 12.0);
}

#[tokio::test]
async fn while_the_source_sends_more_than_the_client_reads() {
    let origin = fast_origin().await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |player, number| {
        assert_eq!(player.head().await.status, 200);
        // The client has stopped reading: wait until all buffers on the way are full.
        let mut last = 0;
        eventually_async("the source is held up", async || {
            let now = origin.connections()[number - 1].written;
            let looked_at = gateway.metrics().await.len();
            let stands = now == last && looked_at > 0;
            last = now;
            stands.then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn while_the_source_is_silent_in_the_middle() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).packets(50)).stall()).await;
    let gateway = gateway(&origin.url("/")).await;
    leave_in_every_way(&origin, &gateway, async |player, _| {
        assert_eq!(player.head().await.status, 200);
        let body = player.read_exact_body(50 * PACKET).await;
        pattern().assert_matches(0, &body);
    })
    .await;
}

#[tokio::test]
async fn a_source_is_opened_only_for_a_whole_request() {
    let origin = Origin::live(pattern()).await;
    let gateway = gateway(&origin.url("/")).await;
    let request = presets::get_keep_alive("x", "/stream/one");
    for cut in [0, 1, 10, request.len() - 2, request.len() - 1] {
        let mut player = Player::connect(gateway.stream).await;
        player.send(&request[..cut]).await;
        player.finish().await;
        player.left().await;
    }
    nothing_left(&gateway, "one").await;
    assert_eq!(origin.total(), 0);
    let mut player = Player::connect(gateway.stream).await;
    player.send_slowly(&request, std::time::Duration::from_millis(1)).await;
    assert_eq!(player.head().await.status, 200);
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn every_client_has_a_connection_of_its_own() {
    let origin = Origin::live(pattern()).await;
    let gateway = gateway(&origin.url("/")).await;
    let mut players = Vec::new();
    for number in 1..=8 {
        let (player, head) = Player::ask(gateway.stream, &presets::get("x", "/stream/one")).await;
        assert_eq!((head.status, origin.open()), (200, number));
        players.push(player);
    }
    for (number, player) in players.iter_mut().enumerate() {
        let body = player.read_exact_body(100 * PACKET).await;
        pattern().assert_matches(0, &body);
        assert_eq!(origin.seen()[number].connection, number + 1);
    }
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 8.0);
    while let Some(player) = players.pop() {
        player.close();
        origin.closed(8 - players.len()).await;
        assert_eq!(origin.open(), players.len(), "the others play on");
    }
    nothing_left(&gateway, "one").await;
    assert_eq!(origin.total(), 8);
}

#[tokio::test]
async fn a_hundred_zaps_leave_nothing() {
    const BUDGET: usize = 4;
    let origin = Origin::live(pattern()).await;
    let gateway = Gateway::start(&format!(
        "limits: {{requests_per_second: 100000, clients: {BUDGET}}}\n\
         failover: {{rounds: 0, slot_wait: 0s}}\n\
         providers: {{acme: {{max_connections: {BUDGET}}}}}\n\
         channels: {{one: {{kind: live, sources: [{{url: \"{}\", provider: acme}}]}}}}",
        origin.url("/")
    ))
    .await;
    for zap in 1..=100 {
        let mut player = Player::connect(gateway.stream).await;
        player.send(presets::vlc("x", "/stream/one")).await;
        if zap % 3 == 0 {
            // Gone before the answer.
            origin.requests(zap).await;
        } else {
            assert_eq!(player.head().await.status, 200, "zap {zap}");
            player.read_exact_body(PACKET * (zap % 7)).await;
        }
        let _listening = leave(player, LEAVES[zap % LEAVES.len()]).await;
        origin.closed(zap).await;
    }
    assert_eq!((origin.total(), origin.open_max()), (100, 1));
    let gauges = [
        "weir_sessions{channel=\"one\"}",
        "weir_upstream_connections{provider=\"acme\"}",
        "weir_connections{listener=\"stream\"}",
    ];
    for gauge in gauges {
        eventually_async(&format!("{gauge} is 0"), async || {
            (gateway.metric(gauge).await == 0.0).then_some(())
        })
        .await;
    }
    // Every slot and every place is there again, and none too many.
    let mut players = Vec::new();
    for _ in 0..BUDGET {
        let (player, head) = Player::ask(gateway.stream, &presets::get("x", "/stream/one")).await;
        assert_eq!(head.status, 200);
        players.push(player);
    }
    let one_more = Player::get_as(gateway.stream, "/stream/one", "other").await;
    assert_eq!(one_more.status(), 503);
    assert_eq!(origin.total(), 100 + BUDGET);
}
