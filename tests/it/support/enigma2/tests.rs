use super::*;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;

const ORF1: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";
const ZDF: &str = "1:0:19:2B66:3F3:1:C00000:0:0:0:";

fn receiver() -> Enigma2Builder {
    let builder = Enigma2::builder().service(ORF1, TsPattern::new(1)).rate(5_000_000);
    builder.service(ZDF, TsPattern::new(2))
}

/// The raw answer to a request, up to `count` bytes.
async fn answer(box_: &Enigma2, request: &str, count: usize) -> String {
    let mut player = Player::connect(box_.address()).await;
    player.send(request).await;
    match player.try_head().await {
        Ok(head) => {
            let body = if count == 0 {
                player.read_to_end().await.bytes
            } else {
                player.read_exact_body(count).await
            };
            String::from_utf8_lossy(&[head.raw, body].concat()).into_owned()
        }
        Err(error) => panic!("{request:?}: {error:?}"),
    }
}

#[tokio::test]
async fn a_service_plays_however_its_reference_is_written() {
    let receiver = receiver().start().await;
    let targets = [
        format!("/{ORF1}"),
        format!("/{}", ORF1.replace(':', "%3a")),
        format!("/{ORF1}?sessionid=12"),
        format!("/{ORF1}&sessionid=12"),
        format!("/{ORF1}?bitrate=1000000?width=720"),
    ];
    for target in &targets {
        let (mut player, head) =
            Player::ask(receiver.address(), &presets::get("box", target)).await;
        assert_eq!(head.raw, OK.as_bytes(), "{target}");
        let bytes = player.read_exact_body(20 * PACKET).await;
        TsPattern::new(1).assert_matches(0, &bytes);
    }
    assert_eq!(receiver.targets(), targets);
    assert_eq!(receiver.asked()[1], ORF1);
    assert_eq!(receiver.violations(), 0);
}

#[tokio::test]
async fn what_is_no_get_is_a_bad_request() {
    let receiver = receiver().start().await;
    for line in ["HEAD /x", "OPTIONS /x", "GET http://box/x", "get /x"] {
        let request = format!("{line} HTTP/1.1\r\nHost: box\r\n\r\n");
        assert_eq!(answer(&receiver, &request, 0).await, BAD_REQUEST, "{line}");
    }
    assert_eq!(answer(&receiver, &presets::get("box", "/"), 0).await, BAD_REQUEST);
    assert!(receiver.asked().is_empty());
}

#[tokio::test]
async fn a_bad_reference_is_accepted_first() {
    let receiver = receiver().start().await;
    // Encoded twice, unknown, parameters that mean nothing to the box.
    let odd = format!("/{}", ORF1.replace(':', "%253a"));
    for target in [odd.as_str(), "/1:0:1:", "/1:0:19:132F:3EF:1:C00000:0:0:0:?x=1"] {
        let whole = answer(&receiver, &presets::get("box", target), 0).await;
        assert_eq!(whole, format!("{OK}{BAD_REQUEST}"), "{target}");
    }
}

#[tokio::test]
async fn a_busy_tuner_is_silent_and_counted() {
    let receiver = receiver().silent_service("1:0:1:dead:").tuners(1).start().await;
    let get = presets::get("box", &format!("/{ORF1}"));
    let (mut first, _) = Player::ask(receiver.address(), &get).await;
    first.read_exact_body(PACKET).await;
    let (mut second, head) = Player::ask(receiver.address(), &get).await;
    assert_eq!(head.status, 200);
    assert!(second.is_quiet_for(Duration::from_millis(100)).await);
    assert_eq!(receiver.violations(), 1);
    second.close();
    first.close();
    // One after another is no violation, as often as you like.
    for _ in 0..50 {
        let (mut player, _) = Player::ask(receiver.address(), &get).await;
        player.read_exact_body(PACKET).await;
        player.close();
    }
    assert_eq!(receiver.violations(), 1);
    let dead = presets::get("box", "/1:0:1:dead:");
    let (mut player, head) = Player::ask(receiver.address(), &dead).await;
    assert_eq!(head.status, 200);
    assert!(player.is_quiet_for(Duration::from_millis(100)).await);
    assert_eq!(receiver.violations(), 1);
}

#[tokio::test]
async fn credentials_are_wanted_early_and_in_one_spelling() {
    let receiver = receiver().credentials("root", "pa:ss").start().await;
    let request = |fields: &str| format!("GET /{ORF1} HTTP/1.1\r\n{fields}\r\n");
    let basic = "Basic cm9vdDpwYTpzcw==";
    let far = format!("X: {}\r\nAuthorization: {basic}\r\n", "y".repeat(500));
    let refused = [
        "Host: box\r\n".to_owned(),
        "Authorization: Basic cm9vdDpwYXNz\r\n".to_owned(),
        format!("authorization: {basic}\r\n"),
        far,
    ];
    for fields in &refused {
        assert_eq!(answer(&receiver, &request(fields), 0).await, UNAUTHORIZED, "{fields}");
    }
    assert_eq!(receiver.unauthorized(), 4);
    let good = request(&format!("Authorization: {basic}\r\n"));
    assert!(answer(&receiver, &good, PACKET).await.starts_with(OK));
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_dropped() {
    let receiver =
        receiver().rate(1 << 30).reader_timeout(Duration::from_millis(200)).start().await;
    let mut player = Player::connect_narrow(receiver.address(), 8192).await;
    player.send(presets::get("box", &format!("/{ORF1}"))).await;
    eventually_async("the reader to be dropped", async || {
        (receiver.dropped_readers() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_duration_ends_the_stream() {
    let receiver = receiver().start().await;
    let get = presets::get("box", &format!("/{ZDF}?duration=1"));
    let body = Player::fetch(receiver.address(), &get).await.body;
    assert_eq!(body.bytes.len() as u64, TsPattern::new(2).bytes_per_second());
}
