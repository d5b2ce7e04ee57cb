//! Enigma2 receivers behind the gateway: any service by its reference, what never reaches the box,
//! what its odd answers become, and the few connections that it has.

use std::time::Duration;

use crate::support::content::Content;
use crate::support::enigma2::Enigma2;
use crate::support::enigma2::Enigma2Builder;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Refused;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

const ORF1: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";
const ZDF: &str = "1:0:19:2B66:3F3:1:C00000:0:0:0:";
const UNKNOWN: &str = "1:0:19:DEAD:3F3:1:C00000:0:0:0:";
const NO_SIGNAL: &str = "1:0:19:51E7:3F3:1:C00000:0:0:0:";

/// Enough to tell one service from another and to cross many reads.
const A_LOOK: usize = 500 * PACKET;

/// Ten tuners' worth of bit rate, so that a look takes no second.
fn receiver() -> Enigma2Builder {
    let builder = Enigma2::builder().rate(4_000_000);
    builder
        .service(ORF1, TsPattern::new(1))
        .service(ZDF, TsPattern::new(2))
        .silent_service(NO_SIGNAL)
}

/// A gateway with the receiver as `box`; `keys` go into its definition, `rest` beside it.
async fn gateway_before(receiver: &Origin, keys: &str, rest: &str) -> Gateway {
    let stream = receiver.url("");
    let yaml = format!("receivers: {{box: {{stream: \"{stream}\"{keys}}}}}\n{rest}");
    Gateway::start(&yaml).await
}

/// Opens `target` and checks that it is `pattern` from its first byte.
async fn assert_plays(gateway: &Gateway, target: &str, pattern: &TsPattern) -> Player {
    let request = presets::get_keep_alive("weir", target);
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200, "{target}");
    assert_eq!(head.header("content-type"), Some("video/mp2t"), "{target}");
    pattern.assert_matches(0, &player.read_exact_body(A_LOOK).await);
    player
}

#[tokio::test]
async fn a_service_plays_byte_for_byte_and_its_reference_reaches_the_box_as_it_was_written() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let references = [
        ORF1.to_owned(),
        ORF1.replace(':', "%3a"),
        ORF1.replace(':', "%3A"),
        ORF1.replacen(':', "%3a", 3),
        format!("{ORF1}?bitrate=1000000?width=720?height=576?vcodec=h264"),
        format!("{ORF1}?bitrate=1000000&width=720&%61=b%20c"),
        format!("{ORF1}?sessionid=12"),
        format!("{ORF1}&sessionid=12"),
    ];
    let mut asked = Vec::new();
    for reference in &references {
        for path in [format!("/{reference}"), format!("/r/box/{reference}")] {
            assert_plays(&gateway, &path, &TsPattern::new(1)).await.close();
            asked.push(format!("/{reference}"));
        }
    }
    assert_eq!(asked.len(), 16);
    assert_eq!(receiver.targets(), asked);
    receiver.assert_one_request_each();
    assert_eq!((receiver.violations(), receiver.unauthorized()), (0, 0));
    receiver.idle().await;
}

#[tokio::test]
async fn what_the_box_says_of_itself_stays_with_it() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let request = presets::get_keep_alive("weir", &format!("/{ORF1}"));
    let (_player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.version, "HTTP/1.1");
    assert_eq!(head.reason, "OK");
    assert_eq!(head.header("server"), None);
    assert_eq!(head.header("connection"), None);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    // By HTTP/1.0 the body ends with the connection, as from the box itself.
    let (mut old, head) = Player::ask(gateway.stream, &presets::get_1_0(&format!("/{ORF1}"))).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), None);
    TsPattern::new(1).assert_matches(0, &old.read_exact_body(A_LOOK).await);
}

#[tokio::test]
async fn a_stream_that_the_box_ends_ends_whole() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let answer = Player::get(gateway.stream, &format!("/{ZDF}?duration=1")).await;
    assert!(answer.body.is_complete());
    assert_eq!(answer.body.bytes.len() as u64, TsPattern::new(2).bytes_per_second());
    TsPattern::new(2).assert_matches(0, &answer.body.bytes);
}

#[tokio::test]
async fn the_token_for_the_gateway_is_taken_out_of_what_the_box_is_asked() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "access: {tokens: {tv: tok-4711}}").await;
    let asked_and_passed = [
        (format!("/{ORF1}?token=tok-4711"), format!("/{ORF1}")),
        (format!("/{ORF1}?tok%65n=tok-4711"), format!("/{ORF1}")),
        (format!("/{ORF1}?token=tok-4711&bitrate=1?width=2"), format!("/{ORF1}?bitrate=1?width=2")),
        (format!("/{ORF1}?bitrate=1?token=tok-4711?width=2"), format!("/{ORF1}?bitrate=1?width=2")),
        (
            format!("/r/box/{ORF1}?bitrate=1?width=2&token=tok-4711"),
            format!("/{ORF1}?bitrate=1?width=2"),
        ),
        (format!("/t/tok-4711/{ORF1}?bitrate=1"), format!("/{ORF1}?bitrate=1")),
        (format!("/t/tok-4711/r/box/{ORF1}"), format!("/{ORF1}")),
    ];
    for (asked, _) in &asked_and_passed {
        assert_plays(&gateway, asked, &TsPattern::new(1)).await.close();
    }
    let request =
        format!("GET /{ORF1} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer tok-4711\r\n\r\n");
    let (player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.close();
    let passed: Vec<String> = asked_and_passed.into_iter().map(|(_, passed)| passed).collect();
    assert_eq!(receiver.targets(), [passed, vec![format!("/{ORF1}")]].concat());
    for request in receiver.seen() {
        assert!(!request.text().contains("4711"), "{request:?}");
    }

    let before = receiver.total();
    for (target, status) in [
        (format!("/{ORF1}"), 401),
        (format!("/{ORF1}?token="), 403),
        (format!("/{ORF1}?token=tok-4712"), 403),
        (format!("/t/tok/{ORF1}"), 403),
    ] {
        assert_eq!(Player::get(gateway.stream, &target).await.status(), status, "{target}");
    }
    assert_eq!(receiver.total(), before);
}

#[tokio::test]
async fn a_gateway_without_tokens_leaves_a_token_to_the_box() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let target = format!("/{ORF1}?bitrate=1?token=x&width=2");
    assert_plays(&gateway, &target, &TsPattern::new(1)).await;
    assert_eq!(receiver.targets(), [target]);
}

#[tokio::test]
async fn nothing_but_get_reaches_the_box() {
    let receiver = receiver().start().await;
    let channel =
        format!("channels: {{orf1: {{sources: [{{receiver: box, service: \"{ORF1}\"}}]}}}}");
    let gateway = gateway_before(&receiver, "", &channel).await;
    let targets = [format!("/{ORF1}"), format!("/r/box/{ORF1}"), "/stream/orf1".to_owned()];
    let methods = [
        ("HEAD", 200),
        ("OPTIONS", 204),
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("TRACE", 405),
        ("PROPFIND", 501),
    ];
    let mut seen = 0;
    for target in &targets {
        for (method, status) in methods {
            let request =
                format!("{method} {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
            let answer = Player::fetch(gateway.stream, &request).await;
            assert_eq!(answer.status(), status, "{method} {target}");
            if method == "HEAD" {
                assert_eq!(answer.head.header("content-type"), Some("video/mp2t"));
                assert_eq!(answer.head.header("accept-ranges"), Some("none"));
                assert_eq!(answer.body.bytes, b"");
            }
            if status == 405 {
                assert_eq!(answer.head.header("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 21);
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn a_bad_reference_is_a_bad_gateway_although_the_box_said_200() {
    let receiver = receiver().start().await;
    let channel = format!(
        "channels: {{both: {{sources: [{{receiver: box, service: \"{UNKNOWN}\"}}, \
         {{receiver: box, service: \"{ZDF}\"}}]}}}}"
    );
    let gateway = gateway_before(&receiver, "", &channel).await;
    for target in [format!("/{UNKNOWN}"), format!("/r/box/{UNKNOWN}"), format!("/{ORF1}?x=1")] {
        let answer = Player::get(gateway.stream, &target).await;
        assert_eq!(answer.status(), 502, "{target}");
        assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
        assert!(answer.text().contains("\"channel\":\"r/box\""), "{}", answer.text());
        assert!(!answer.text().contains("400 Bad Request"), "{}", answer.text());
    }
    // In a channel the next source takes its place.
    assert_plays(&gateway, "/stream/both", &TsPattern::new(2)).await;
}

#[tokio::test]
async fn a_busy_tuner_is_a_timeout_and_its_connection_is_given_back() {
    let receiver = receiver().tuners(1).start().await;
    let timeout = "failover: {rounds: 0, response_timeout: 200ms}";
    let gateway = gateway_before(&receiver, "", timeout).await;
    // Somebody watches on the box directly.
    let (mut viewer, _) =
        Player::ask(receiver.address(), &presets::get("box", &format!("/{ORF1}"))).await;
    viewer.read_exact_body(PACKET).await;
    for reference in [ZDF, NO_SIGNAL] {
        let answer = Player::get(gateway.stream, &format!("/{reference}")).await;
        assert_eq!(answer.status(), 504, "{reference}");
        assert!(answer.text().contains("sent nothing for"), "{}", answer.text());
    }
    receiver.closed(2).await;
    assert_eq!(receiver.open(), 1, "the viewer's own");
    viewer.close();
    assert_plays(&gateway, &format!("/{ZDF}"), &TsPattern::new(2)).await;
}

#[tokio::test]
async fn credentials_come_from_the_configuration_and_a_viewer_is_never_asked_for_them() {
    let receiver = receiver().credentials("root", "pa:ss w0rd").start().await;
    let keys = ", username: root, password: \"pa:ss w0rd\"";
    let gateway = gateway_before(&receiver, keys, "").await;
    assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await.close();
    // What the viewer has for the gateway does not take their place.
    let request = format!(
        "GET /{ORF1} HTTP/1.1\r\nHost: weir\r\nAuthorization: Basic d3Jvbmc6d3Jvbmc=\r\n\r\n"
    );
    let (player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.close();
    assert_eq!(receiver.unauthorized(), 0);

    let wrong = ", username: root, password: wrong";
    for keys in ["", wrong] {
        let gateway = gateway_before(&receiver, keys, "").await;
        let answer =
            Player::fetch(gateway.stream, &request.replace("Host", "Connection: close\r\nHost"))
                .await;
        assert_eq!(answer.status(), 502, "{keys}");
        assert_eq!(answer.head.header("www-authenticate"), None);
    }
    assert_eq!(receiver.unauthorized(), 2);
}

#[tokio::test]
async fn credentials_stand_where_the_box_looks_for_them_behind_a_long_query_too() {
    let receiver = receiver().credentials("root", "secret").start().await;
    let gateway = gateway_before(&receiver, ", username: root, password: secret", "").await;
    // The box looks at its first read of 512 bytes only.
    let query = "bitrate=1000000?width=1280?height=720?vcodec=h264?aspectratio=2?interlaced=0";
    let target = format!("/{ORF1}?{query}?{}=1", "x".repeat(290));
    assert_plays(&gateway, &target, &TsPattern::new(1)).await;
    assert_eq!(receiver.unauthorized(), 0);
}

#[tokio::test]
async fn stream_ports_are_tried_in_their_order() {
    let nobody = Refused::new();
    let main = receiver().start().await;
    let other = receiver().start().await;
    // A port that accepts and then says in the body that the request is bad; one that wants a
    // password; one that answers with a page.
    let bad = Enigma2::builder().start().await;
    let locked = receiver().credentials("root", "x").start().await;
    let page = Origin::start(|_| Script::html("<html>no stream here</html>")).await;
    let firsts = [
        ("refused", nobody.url("")),
        ("bad request in the body", bad.url("")),
        ("unauthorized", locked.url("")),
        ("a page", page.url("")),
    ];
    for (what, first) in &firsts {
        let yaml = format!(
            "receivers: {{box: {{stream: [\"{first}\", \"{}\", \"{}\"]}}}}",
            main.url(""),
            other.url("")
        );
        let gateway = Gateway::start(&yaml).await;
        let answer = Player::get(gateway.stream, &format!("/{ZDF}?duration=1")).await;
        assert_eq!(answer.status(), 200, "first port: {what}");
        TsPattern::new(2).assert_matches(0, &answer.body.bytes);
    }
    assert_eq!(main.asked().len(), firsts.len());
    assert_eq!(other.total(), 0, "nobody gets that far");
    assert_eq!((bad.total(), locked.total(), page.total()), (1, 1, 1));

    let yaml =
        format!("receivers: {{box: {{stream: [\"{}\", \"{}\"]}}}}", nobody.url(""), bad.url(""));
    let gateway = Gateway::start(&yaml).await;
    assert_eq!(Player::get(gateway.stream, &format!("/{ZDF}")).await.status(), 502);
}

#[tokio::test]
async fn the_second_port_may_be_another_machine_of_the_home() {
    let nobody = Refused::new();
    let other = Origin::builder()
        .on(std::net::Ipv4Addr::new(127, 0, 0, 2))
        .start(|_| Script::live(&TsPattern::new(2)))
        .await;
    let yaml = format!(
        "receivers: {{box: {{stream: [\"{}\", \"{}\"], username: root, password: secret}}}}",
        nobody.url(""),
        other.url("")
    );
    let gateway = Gateway::start(&yaml).await;
    let request = presets::get_keep_alive("weir", &format!("/{ZDF}"));
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    TsPattern::new(2).assert_matches(0, &player.read_exact_body(PACKET).await);
    assert_eq!(other.seen()[0].header("authorization"), Some("Basic cm9vdDpzZWNyZXQ="));
}

#[tokio::test]
async fn a_box_with_one_connection_is_never_asked_for_two() {
    let receiver = receiver().tuners(1).start().await;
    let channel =
        format!("channels: {{zdf: {{sources: [{{receiver: box, service: \"{ZDF}\"}}]}}}}");
    let rest = format!("{channel}\nfailover: {{rounds: 0, slot_wait: 100ms}}");
    let gateway = gateway_before(&receiver, ", max_connections: 1", &rest).await;
    let first = assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await;
    // By whatever name: the budget is the box's.
    for target in [format!("/{ZDF}"), format!("/r/box/{ORF1}"), "/stream/zdf".to_owned()] {
        let answer = Player::get_as(gateway.stream, &target, "other").await;
        assert_eq!(answer.status(), 503, "{target}");
        let retry = answer.head.header("retry-after").and_then(|text| text.parse::<u64>().ok());
        assert!(retry.is_some_and(|seconds| seconds > 0), "{target}: {retry:?}");
    }
    let gauge = "weir_upstream_connections{provider=\"box\"}";
    assert!((gateway.metric(gauge).await - 1.0).abs() < f64::EPSILON);
    first.close();
    receiver.idle().await;
    assert_plays(&gateway, "/stream/zdf", &TsPattern::new(2)).await.close();
    assert_eq!((receiver.violations(), receiver.open_max(), receiver.total()), (0, 1, 2));
    let freed = async || (gateway.metric(gauge).await < 0.5).then_some(());
    eventually_async("the slot is free", freed).await;
}

#[tokio::test]
async fn a_zap_gets_through_on_a_box_with_one_tuner() {
    let receiver = receiver().tuners(1).start().await;
    let gateway = gateway_before(&receiver, ", max_connections: 1", "").await;
    let services = [(ORF1, TsPattern::new(1)), (ZDF, TsPattern::new(2))];
    let mut watching = assert_plays(&gateway, &format!("/{ORF1}"), &services[0].1).await;
    for zap in 1..=20 {
        let (reference, pattern) = &services[zap % 2];
        if zap % 3 == 0 {
            watching.reset();
        } else {
            watching.close();
        }
        watching = assert_plays(&gateway, &format!("/{reference}"), pattern).await;
    }
    assert_eq!((receiver.violations(), receiver.open_max(), receiver.total()), (0, 1, 21));
}

#[tokio::test]
async fn a_player_that_opens_the_new_before_it_closes_the_old_waits_for_the_slot() {
    let receiver = receiver().tuners(1).start().await;
    let gateway = gateway_before(&receiver, ", max_connections: 1", "").await;
    let old = assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await;
    let mut new = Player::connect(gateway.stream).await;
    new.send(presets::exoplayer("weir", &format!("/{ZDF}"))).await;
    assert!(new.is_quiet_for(Duration::from_millis(100)).await);
    old.close();
    assert_eq!(new.head().await.status, 200);
    TsPattern::new(2).assert_matches(0, &new.read_exact_body(A_LOOK).await);
    assert_eq!((receiver.violations(), receiver.open_max()), (0, 1));
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_its_place_in_the_queue() {
    let receiver = receiver().tuners(1).start().await;
    let rest = "failover: {rounds: 0, slot_wait: 20s}";
    let gateway = gateway_before(&receiver, ", max_connections: 1", rest).await;
    let watching = assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await;
    for _ in 0..10 {
        let mut impatient = Player::connect(gateway.stream).await;
        impatient.send(presets::vlc("weir", &format!("/{ZDF}"))).await;
        assert!(impatient.is_quiet_for(Duration::from_millis(10)).await);
        impatient.close();
    }
    let mut patient = Player::connect(gateway.stream).await;
    patient.send(presets::vlc("weir", &format!("/{ZDF}"))).await;
    assert!(patient.is_quiet_for(Duration::from_millis(50)).await);
    watching.close();
    assert_eq!(patient.head().await.status, 200);
    assert_eq!((receiver.violations(), receiver.open_max(), receiver.total()), (0, 1, 2));
}

#[tokio::test]
async fn a_reference_that_carries_a_url_is_refused_whatever_its_spelling() {
    let receiver = receiver().start().await;
    let prey = Origin::start(|_| Script::json("{}")).await;
    let gateway = gateway_before(&receiver, "", "").await;
    let port = prey.address().port();
    let references = [
        format!("4097:0:1:0:0:0:0:0:0:0:http%3a//127.0.0.1%3a{port}/x:Name"),
        format!("5001:0:1:0:0:0:0:0:0:0:http%3a//127.0.0.1%3a{port}/x:Name"),
        format!("5002:0:1:0:0:0:0:0:0:0:http%3a//127.0.0.1%3a{port}/x"),
        format!("1:0:1:0:0:0:0:0:0:0:http%3a//127.0.0.1%3a{port}/x:Name"),
        format!("1:0:1:0:0:0:0:0:0:0:http%3A%2F%2F127.0.0.1%3A{port}%2Fx"),
        format!("1:0:1:0:0:0:0:0:0:0:http%253a//127.0.0.1%253a{port}/x"),
        "1:0:1:0:0:0:0:0:0:0:http%25253a%25252f%25252f127.0.0.1/x".to_owned(),
        format!("1:0:1:0:0:0:0:0:0:0:HTTPS://127.0.0.1:{port}/x"),
        format!("1%3a0%3a1%3a0%3a0%3a0%3a0%3a0%3a0%3a0%3ahttp%3a//127.0.0.1%3a{port}/x"),
        format!("1:0:1:0:0:0:0:0:0:0::http%3a//127.0.0.1%3a{port}/x"),
        "1:0:1:0:0:0:0:0:0:0:rtmp%3a//127.0.0.1/x:Name".to_owned(),
        "1:0:1:0:0:0:0:0:0:0:file%3a///etc/passwd".to_owned(),
        "4097:0:1:0:0:0:0:0:0:0:/media/hdd/film.mp4".to_owned(),
    ];
    let mut seen = 0;
    for reference in &references {
        for target in [format!("/{reference}"), format!("/r/box/{reference}")] {
            for method in ["GET", "HEAD"] {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"
                );
                let answer = Player::fetch(gateway.stream, &request).await;
                assert_eq!(answer.status(), 403, "{method} {target}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 52);
    assert_eq!((receiver.total(), prey.total()), (0, 0));
}

#[tokio::test]
async fn what_is_no_service_reference_is_refused_before_the_box() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let long = format!("{ORF1}{}", "a".repeat(1100));
    let cases = [
        ("/1:0:19:XYZ:3EF:1:C00000:0:0:0:", 400),
        ("/1:0:19:", 400),
        ("/1:", 400),
        ("/99999999999:0:1:0:0:0:0:0:0:0:", 400),
        ("/1:0:19:132F:3EF:1:C00000:0:0:0:%zz", 400),
        ("/1:0:19:132F:3EF:1:C00000:0:0:0:%0d%0aX:%20y", 400),
        ("/1:0:19:132F:3EF:1:C00000:0:0:0:%00", 400),
        (&format!("/{long}"), 400),
        ("/r/box/x", 404),
        ("/r/box/", 404),
        ("/r/box", 404),
        ("/file?file=/etc/passwd", 404),
        ("/web/stream.m3u", 404),
    ];
    for (target, status) in cases {
        assert_eq!(Player::get(gateway.stream, target).await.status(), status, "{target}");
    }
    assert_eq!(cases.len(), 13);
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn receivers_are_told_apart_by_name_and_the_first_is_meant_without_one() {
    let first = Enigma2::builder().service(ORF1, TsPattern::new(1)).rate(4_000_000).start().await;
    let second = Enigma2::builder().service(ORF1, TsPattern::new(2)).rate(4_000_000).start().await;
    let yaml = format!(
        "receivers: {{living-room: {{stream: \"{}\"}}, attic: {{stream: \"{}/\"}}}}",
        first.url(""),
        second.url("")
    );
    let gateway = Gateway::start(&yaml).await;
    assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await;
    assert_plays(&gateway, &format!("/r/living-room/{ORF1}"), &TsPattern::new(1)).await;
    assert_plays(&gateway, &format!("/r/attic/{ORF1}"), &TsPattern::new(2)).await;
    assert_eq!(second.targets(), [format!("/{ORF1}")]);
    for name in ["cellar", "Attic", "attic%20", ".."] {
        let answer = Player::get(gateway.stream, &format!("/r/{name}/{ORF1}")).await;
        assert_eq!(answer.status(), 404, "{name}");
    }
    assert_eq!((first.total(), second.total()), (2, 1));

    let origin = Origin::live(TsPattern::new(1)).await;
    let without = Gateway::start(&format!(
        "channels: {{one: {{sources: [\"{}\"], kind: live}}}}",
        origin.url("/one.ts")
    ))
    .await;
    assert_eq!(Player::get(without.stream, &format!("/{ORF1}")).await.status(), 404);
}

#[tokio::test]
async fn a_channel_may_come_from_a_box_and_go_on_to_others() {
    let receiver = receiver().start().await;
    let origin = Origin::start(|_| Script::live(&TsPattern::new(3))).await;
    let nobody = Refused::new();
    let channels = format!(
        "channels:\n  \
           orf1: {{sources: [{{receiver: box, service: \"{ORF1}\"}}, \"{0}\"]}}\n  \
           backup: {{sources: [\"{1}\", {{receiver: box, service: \"{ZDF}\"}}], kind: live}}\n  \
           gone: {{sources: [{{receiver: box, service: \"{UNKNOWN}\"}}, \"{0}\"]}}\n",
        origin.url("/3.ts"),
        nobody.url("/x.ts")
    );
    let gateway = gateway_before(&receiver, "", &channels).await;
    assert_plays(&gateway, "/stream/orf1", &TsPattern::new(1)).await;
    assert_eq!(origin.total(), 0);
    assert_plays(&gateway, "/stream/backup", &TsPattern::new(2)).await;
    let (mut player, head) =
        Player::ask(gateway.stream, &presets::get("weir", "/stream/gone")).await;
    assert_eq!(head.status, 200);
    TsPattern::new(3).assert_matches(0, &player.read_exact_body(10 * PACKET).await);
    assert_eq!(receiver.targets(), [format!("/{ORF1}"), format!("/{ZDF}"), format!("/{UNKNOWN}")]);
}

#[tokio::test]
async fn the_box_is_left_as_soon_as_the_viewer_leaves() {
    let receiver = receiver().start().await;
    let gateway = gateway_before(&receiver, "", "").await;
    let target = format!("/{ORF1}");
    assert_plays(&gateway, &target, &TsPattern::new(1)).await.close();
    receiver.closed(1).await;
    assert_plays(&gateway, &target, &TsPattern::new(1)).await.reset();
    receiver.closed(2).await;
    // While the box is silent too.
    let mut waiting = Player::connect(gateway.stream).await;
    waiting.send(presets::get_keep_alive("weir", &format!("/{NO_SIGNAL}"))).await;
    receiver.requests(3).await;
    waiting.close();
    receiver.closed(3).await;
    assert_eq!(receiver.open(), 0);
}

#[tokio::test]
async fn two_variables_are_all_the_configuration_that_a_box_needs() {
    let receiver = receiver().start().await;
    let environment = [
        ("XG2G_PROXY_TARGET", receiver.url("")),
        ("XG2G_PROXY_LISTEN", "127.0.0.1:0".to_owned()),
        ("XG2G_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    // A comment alone, so that nothing is added to the file either.
    let gateway = Gateway::start_with("# listen: as the environment says", &environment).await;
    assert!(gateway.stream.ip().is_loopback());
    assert_plays(&gateway, &format!("/{ORF1}"), &TsPattern::new(1)).await;
    let head = Player::fetch(gateway.stream, &presets::head("weir", &format!("/{ZDF}"))).await;
    assert_eq!(head.status(), 200);
    assert_eq!(receiver.targets(), [format!("/{ORF1}")]);
    let status = gateway.admin_get("/api/status").await;
    assert!(status.contains("\"receivers\":1"), "{status}");
}
