//! Requests that made some pair of servers disagree about where a request ends.

use std::time::Duration;

use super::House;
use super::SMUGGLED;
use super::get;
use super::shown;
use super::with_body;
use crate::support::player::Player;
use crate::support::wire::Parting;

/// The length says one thing, the chunks another, in every disguise of either.
const FRAMINGS: [&str; 36] = [
    "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding : chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: xchunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked, identity\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\u{b}chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\u{c}chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\r\n chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding\r\n: chunked\r\n",
    "Content-Length: {n}\r\n Transfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nX: y\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nX: y\rTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: \"chunked\"\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked;x\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding\0: chunked\r\n",
    "Content-Length: {n}\r\nFoo: bar\r\n\tTransfer-Encoding: chunked\r\n",
    "Content-Length : {n}\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nContent-Length: 0\r\n",
    "Content-Length: 0\r\nContent-Length: {n}\r\n",
    "Content-Length: 0, {n}\r\n",
    "Content-Length: {n}, 0\r\n",
    "Content-Length: +{n}\r\n",
    "Content-Length: 0{n}\r\n",
    "Content-Length: {n} 0\r\n",
    "Content-Length:\r\n {n}\r\n",
    "Content-Length : {n}\r\n",
    " Content-Length: {n}\r\n",
    "Content-Length\t: {n}\r\n",
    "Content-Length: {n}\rX: y\r\n",
    "Content-Length: {n}\0\r\n",
    "Content-Length\0: {n}\r\n",
    "Content-Length: {n}\r\nExpect: x\r\n",
    "Host: other\r\nContent-Length: {n}\r\n",
];

/// Classic smuggling: each of these made some pair of servers disagree about where a request ends.
fn smuggling() -> Vec<String> {
    let mut payloads = Vec::new();
    for framing in FRAMINGS {
        let framing = framing.replace("{n}", &SMUGGLED.len().to_string());
        for (method, body) in
            [("POST", format!("0\r\n\r\n{SMUGGLED}")), ("GET", SMUGGLED.to_owned())]
        {
            payloads.push(with_body(method, &framing, &body));
        }
    }
    // Heads that end too early for some, or too late.
    for inside in [
        format!("X: y\n\n{SMUGGLED}"),
        format!("X: y\r\r{SMUGGLED}"),
        format!("X: y\r\n\n{SMUGGLED}"),
        format!("X: y\n\r\n{SMUGGLED}"),
        format!("X: y\r\n \r\n{SMUGGLED}"),
        format!("X\r\n\r\n{SMUGGLED}"),
        format!("\0\r\n\r\n{SMUGGLED}"),
        format!("X: y\0\r\n\r\n{SMUGGLED}"),
        format!("GET /stream/smuggled HTTP/1.1\r\n\r\n{SMUGGLED}"),
    ] {
        payloads.push(get(&inside));
    }
    for line in [
        "GET /stream/film HTTP/1.1 HTTP/1.1",
        "GET /stream/film HTTP/1.1\r",
        "GET /stream/film HTTP/1.1 X: y",
        "GET http://other/stream/smuggled HTTP/1.1",
        "GET http://weir@other/stream/smuggled HTTP/1.1",
        "GET other:80/stream/smuggled HTTP/1.1",
        "CONNECT other:80 HTTP/1.1",
        "GET /stream/film HTTP/1.1\nHost: other\nX: y",
        "GET /stream/film\r\nGET /stream/smuggled HTTP/1.1",
        "GET /stream/film HTTP/2.0",
    ] {
        payloads.push(format!("{line}\r\nHost: weir\r\n\r\n{SMUGGLED}"));
    }
    payloads
}

#[tokio::test]
async fn nothing_is_smuggled_past_the_head_of_a_request() {
    let house = House::new().await;
    let payloads = smuggling();
    for payload in &payloads {
        house.refuses(payload, &[400, 405, 413, 417, 501, 505]).await;
    }
    assert_eq!(payloads.len(), 91);
    assert_eq!(house.asked(), 0);
    // In small pieces it is the same.
    for payload in payloads.iter().step_by(9) {
        let mut player = Player::connect(house.gateway.stream).await;
        player.send_slowly(payload, Duration::from_micros(100)).await;
        let head = player.head().await;
        assert!((400..=599).contains(&head.status), "{}", shown(payload.as_bytes()));
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn the_admin_listener_refuses_the_same() {
    let house = House::new().await;
    let payloads = smuggling();
    let mut seen = 0;
    for payload in payloads.iter().step_by(3) {
        let payload = payload.replace("Host: weir", "Host: localhost");
        let what = shown(payload.as_bytes());
        let mut player = Player::connect(house.gateway.admin).await;
        player.send(&payload).await;
        let head = player.try_head().await.unwrap_or_else(|why| panic!("{what}: {why:?}"));
        assert!((400..=599).contains(&head.status), "{what}: {}", head.status);
        assert!(player.read_to_end().await.is_complete(), "{what}");
        assert_eq!(player.left().await, Parting::Fin, "{what}");
        assert!(house.gateway.admin_get("/health").await.starts_with("OK"));
        seen += 1;
    }
    assert_eq!(seen, 31);
}
