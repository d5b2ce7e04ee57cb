//! One connection and its requests: limits, order, requests sent ahead, clients that leave or drip.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::House;
use super::LENGTH;
use super::SMUGGLED;
use super::get;
use super::shown;
use super::with_body;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
use crate::support::player::NoAnswer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::wire::Parting;

#[tokio::test]
async fn heads_beyond_the_limits_are_refused_and_those_within_are_not() {
    let house = House::new().await;
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    house.refuses(get(&fields(100)), &[431]).await;
    house.refuses(get(&fields(1000)), &[431]).await;
    house.serves(get(&(fields(98) + "Connection: close\r\n"))).await;
    house.refuses(get(&format!("X: {}\r\n", "y".repeat(17 << 10))), &[431]).await;
    house.refuses(get(&format!("X: {}\r\n", "y".repeat(400 << 10))), &[431]).await;
    house.refuses(get(&format!("{}: y\r\n", "X".repeat(17 << 10))), &[431]).await;
    house.refuses(get(&"X: y\r\n".repeat(100_000)), &[431]).await;
    house.serves(get(&format!("X: {}\r\nConnection: close\r\n", "y".repeat(15 << 10)))).await;
    for length in [17 << 10, 64 << 10, 1 << 20] {
        let target = format!("/stream/film?{}", "x".repeat(length));
        let request = format!("GET {target} HTTP/1.1\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[414]).await;
    }
    let target = format!("/stream/film?{}", "x".repeat(15 << 10));
    house.serves(format!("GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")).await;
}

#[tokio::test]
async fn a_refused_client_gets_the_whole_answer_although_it_sent_megabytes() {
    let house = House::new().await;
    let megabytes = "x".repeat(8 << 20);
    let length = format!("Content-Length: {}\r\n", megabytes.len());
    let chunked = format!("{:x}\r\n{megabytes}\r\n0\r\n\r\n", megabytes.len());
    let requests = [
        (format!("GET / HTTP/1.1\nHost: weir\n\n{megabytes}"), 400),
        (get(&format!("X: {megabytes}\r\n")), 431),
        (format!("GET /{megabytes} HTTP/1.1\r\n"), 414),
        (with_body("POST", &length, &megabytes), 405),
        (with_body("PUT", "Transfer-Encoding: chunked\r\n", &chunked), 405),
        (with_body("GET", &length, &megabytes), 413),
        (with_body("GET", "Transfer-Encoding: chunked\r\n", &chunked), 413),
        (with_body("BREW", &length, &megabytes), 501),
    ];
    for (request, status) in &requests {
        let what = shown(request.as_bytes());
        let answer = exchange(house.gateway.stream, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(answer.ends_with("}\n"), "{what}: {answer}");
    }
    assert_eq!(requests.len(), 8);
    assert_eq!(house.asked(), 0);
    // The admin listener too.
    let request = format!("POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{megabytes}");
    let answer = exchange(house.gateway.admin, &request).await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("}\n"), "{answer}");
}

/// Sends all of `request` and only then reads: a reset shows in either.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let what = shown(request.as_bytes());
    within(&what, talk).await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[tokio::test]
async fn a_hundred_heads_on_one_connection_get_a_hundred_answers() {
    let house = House::new().await;
    let mut player = Player::connect(house.gateway.stream).await;
    for number in 0..100 {
        player.send(presets::head("weir", "/stream/tv")).await;
        let head = player.head().await;
        assert_eq!((head.status, head.header("connection")), (200, None), "{number}");
        assert_eq!(player.read_to_end().await.bytes, b"");
    }
    assert_eq!(house.asked(), 0, "what is live is known without its source");
    for number in 0..100 {
        player.send(presets::head("weir", "/stream/film")).await;
        let head = player.head().await;
        assert_eq!((head.status, head.content_length()), (200, Some(LENGTH)), "{number}");
    }
    assert_eq!(house.film.seen().len(), 100);
    house.film.assert_one_request_each();
    // Errors do not end the connection either.
    for target in ["/stream/none", "/none", "/s/none", "/stream/tv?format=none"] {
        player.send(presets::get_keep_alive("weir", target)).await;
        let head = player.head().await;
        assert!((400..500).contains(&head.status), "{target}: {}", head.status);
        assert_eq!(head.header("connection"), None, "{target}");
        assert!(player.read_to_end().await.is_complete());
    }
    player.send(presets::get("weir", "/stream/film")).await;
    assert_eq!(player.head().await.status, 200);
    assert_eq!(player.read_to_end().await.bytes.len() as u64, LENGTH);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let house = House::new().await;
    let requests = [
        (presets::get_keep_alive("weir", "/health"), 200, 3),
        (presets::head("weir", "/stream/film"), 200, 0),
        (presets::get_keep_alive("weir", "/stream/film"), 200, LENGTH as usize),
        (presets::ranged("weir", "/stream/film", "bytes=5-9"), 206, 5),
        (presets::get_keep_alive("weir", "/stream/none"), 404, 0),
        (get("Content-Length: 0\r\n"), 200, LENGTH as usize),
        ("OPTIONS /stream/tv HTTP/1.1\r\nHost: weir\r\n\r\n".to_owned(), 204, 0),
        (presets::head("weir", "/stream/tv"), 200, 0),
        (presets::ranged("weir", "/stream/film", "bytes=99999-"), 416, 0),
        (presets::get_keep_alive("weir", "/playlist.m3u"), 200, 0),
    ];
    for times in [1, 5] {
        let mut player = Player::connect(house.gateway.stream).await;
        let all: String = requests.iter().map(|(request, ..)| request.as_str()).collect();
        player.send(all.repeat(times)).await;
        for (request, status, length) in requests.iter().cycle().take(10 * times) {
            assert_eq!(player.head().await.status, *status, "{request}");
            let body = player.read_to_end().await;
            assert!(body.is_complete(), "{request}");
            assert!(*length == 0 || body.bytes.len() == *length, "{request}: {}", body.bytes.len());
        }
        // And in pieces that end anywhere; a player does not recognise a HEAD so cut.
        let whole = || requests.iter().filter(|(request, ..)| !request.starts_with("HEAD"));
        let all: String = whole().map(|(request, ..)| request.as_str()).collect();
        for piece in all.as_bytes().chunks(7) {
            player.send(piece).await;
        }
        for (request, status, _) in whole() {
            assert_eq!(player.head().await.status, *status, "{request}");
            assert!(player.read_to_end().await.is_complete(), "{request}");
        }
    }
    house.film.assert_one_request_each();
    assert_eq!(house.film.open_max(), 1);
}

#[tokio::test]
async fn a_bad_request_behind_good_ones_is_answered_after_them() {
    let house = House::new().await;
    for bad in [
        "GET /stream/film HTTP/1.1\r\n\r\n",
        "GET /stream/film HTTP/1.1\nHost: weir\n\n",
        "POST /stream/film HTTP/1.1\r\nHost: weir\r\nContent-Length: 5\r\n\r\nhello",
        "GET /stream/film HTTP/1.1\r\nHost: weir\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let good = presets::get_keep_alive("weir", "/stream/film");
        let mut player = Player::connect(house.gateway.stream).await;
        player.send(format!("{good}{good}{bad}{SMUGGLED}")).await;
        for _ in 0..2 {
            assert_eq!(player.head().await.status, 200, "{bad}");
            let body = player.read_to_end().await;
            assert_eq!(Blob::new(1, LENGTH).mismatch(0, &body.bytes), None);
            assert_eq!(body.bytes.len() as u64, LENGTH);
        }
        let head = player.head().await;
        assert!([400, 405].contains(&head.status), "{bad}: {}", head.status);
        assert!(player.read_to_end().await.is_complete());
        assert_eq!(player.try_head().await.err(), Some(NoAnswer::Left(Parting::Fin)), "{bad}");
    }
    assert_eq!(house.film.seen().len(), 8);
    assert_eq!(house.smuggled.total(), 0);
}

#[tokio::test]
async fn a_request_sent_ahead_behind_an_endless_stream_is_not_begun() {
    let house = House::new().await;
    let mut player = Player::connect(house.gateway.stream).await;
    let tv = presets::get_keep_alive("weir", "/stream/tv");
    player.send(format!("{tv}{SMUGGLED}")).await;
    assert_eq!(player.head().await.status, 200);
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(100 * PACKET).await);
    assert_eq!(house.smuggled.total(), 0);
    // Its FIN is seen behind what it sent ahead.
    player.finish().await;
    house.live.idle().await;
    assert_eq!(house.smuggled.total(), 0);
}

#[tokio::test]
async fn a_client_that_closes_its_side_has_gone() {
    let house = House::new().await;
    for seen in 1..=3 {
        let tv = presets::get_keep_alive("weir", "/stream/tv");
        let (mut player, _) = Player::ask(house.gateway.stream, &tv).await;
        player.read_exact_body(PACKET).await;
        player.finish().await;
        house.live.closed(seen).await;
    }
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_and_others_do_not_notice() {
    let house = House::new().await;
    let head = format!("GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: {}", "y".repeat(200));
    let mut drips = Vec::new();
    for _ in 0..50 {
        let mut player = Player::connect(house.gateway.stream).await;
        player.send("GET /stream/film HTTP/1.1\r\n").await;
        drips.push(player);
    }
    let mut slow = Player::connect(house.gateway.stream).await;
    // A byte now and then does not buy more time.
    let dripping = async {
        slow.send_slowly(&head, Duration::from_millis(100)).await;
        slow.left().await
    };
    let others = async {
        for _ in 0..20 {
            house.is_healthy("while heads drip").await;
        }
    };
    tokio::join!(dripping, others);
    for mut player in drips {
        player.left().await;
    }
    assert_eq!(house.asked(), 0);
    let gauge = "weir_connections{listener=\"stream\"}";
    let gone = async || (house.gateway.metric(gauge).await < 0.5).then_some(());
    eventually_async("the slow connections are gone", gone).await;
}
