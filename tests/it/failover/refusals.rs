//! What a switch by hand is refused for, with the running player untouched by all of it.

use super::*;
use crate::support::player::Answer;
use crate::support::player::Player;

const SWITCH: &str = "/api/v1/channels/refused/failover";

async fn post(gateway: &Gateway, path: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         {fields}\r\n{body}",
        gateway.admin
    );
    Player::fetch(gateway.admin, &request).await
}

fn assert_problem(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status(), status, "{what}: {}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"), "{what}");
    let document: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    assert_eq!(document["status"], status, "{what}");
    assert!(document["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
}

/// A gateway whose channel somebody watches, and another one that nobody does.
async fn watched(head: &str) -> (Origin, Origin, Gateway, Viewer) {
    let (first, backup) = (good(A).await, good(B).await);
    let sources = [first.url("/"), backup.url("/")];
    let channels = [live("refused", &sources), live("unwatched", &sources)];
    let gateway = gateway(&format!("{QUICK}\n{head}"), &channels).await;
    let mut viewer = tune(&gateway, "refused").await;
    viewer.play(20).await;
    (first, backup, gateway, viewer)
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_refused_for_what_is_wrong_with_it() {
    let (first, backup, gateway, mut viewer) = watched("").await;
    let id = sessions(&gateway, "refused").await[0]["id"].as_u64().unwrap();
    let stranger = format!("{{\"client_id\": {}}}", id + 1000);
    let long = format!("{{\"source\": 1{}}}", " ".repeat(100_000));
    let cases = [
        ("/api/v1/channels/nowhere/failover", "", 404),
        ("/streams/nowhere/failover", "{}", 404),
        ("/api/v1/channels/unwatched/failover", "", 409),
        ("/streams/unwatched/failover", "{\"source\": 1}", 409),
        ("/api/v1/channels/unwatched/failover", &format!("{{\"client_id\": {id}}}"), 404),
        (SWITCH, &stranger, 404),
        (SWITCH, "{\"source\": 2}", 422),
        (SWITCH, "{\"source\": 18446744073709551615}", 422),
        (SWITCH, "{\"source\": -1}", 400),
        (SWITCH, "{\"source\": \"1\"}", 400),
        (SWITCH, "{\"source\": 1.5}", 400),
        (SWITCH, "{\"source\":", 400),
        (SWITCH, "source=1", 400),
        (SWITCH, "[]", 400),
        (SWITCH, "null x", 400),
        (SWITCH, "{\"sauce\": 1}", 400),
        (SWITCH, "{\"client_id\": -1}", 400),
        (SWITCH, "{\"client_id\": \"x\"}", 400),
        (SWITCH, "{\"client_id\": [1]}", 400),
        (SWITCH, "{\"source\": 1, \"source\": 1}", 400),
        (SWITCH, "\u{fffd}", 400),
        (SWITCH, &long, 400),
        ("/api/v1/channels/refused/failover/", "", 405),
        ("/api/v1/channels/", "", 405),
        ("/api/v1/channels/a/b/failover", "", 405),
    ];
    for (path, body, status) in &cases {
        let what = format!("{path} {}", &body[..body.len().min(60)]);
        assert_problem(&post(&gateway, path, "", body).await, *status, &what);
    }
    assert_untouched(&first, &backup, &gateway, &mut viewer).await;
    assert_eq!(cases.len(), 25);
}

/// Nothing came of all that.
async fn assert_untouched(first: &Origin, backup: &Origin, gateway: &Gateway, viewer: &mut Viewer) {
    viewer.play(20).await;
    viewer.report().assert_clean("a stream that nobody touched");
    assert_eq!(viewer.sources(), [A]);
    assert_eq!((first.total(), first.open(), backup.total()), (1, 1, 0));
    assert_eq!(failovers(gateway, "refused").await, "");
}

#[tokio::test]
async fn other_methods_are_told_which_one_it_is() {
    let (first, backup, gateway, mut viewer) = watched("").await;
    for path in [SWITCH, "/streams/refused/failover"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let (head, _) = gateway.admin_request(method, path).await;
            assert!(head.starts_with("HTTP/1.1 405 "), "{method} {path}: {head}");
            let allow = head.lines().find_map(|line| line.strip_prefix("Allow: "));
            let allow = allow.or(head.lines().find_map(|line| line.strip_prefix("allow: ")));
            assert!(allow.is_some_and(|allow| allow.contains("POST")), "{method} {path}: {head}");
        }
    }
    assert_untouched(&first, &backup, &gateway, &mut viewer).await;
}

#[tokio::test]
async fn a_page_of_another_site_switches_nothing() {
    let (first, backup, gateway, mut viewer) = watched("").await;
    let own = format!("Origin: http://{}\r\n", gateway.admin);
    for origin in ["http://evil.example", "http://127.0.0.1", "null", "", "https://localhost"] {
        let fields = format!("Origin: {origin}\r\n");
        assert_problem(&post(&gateway, SWITCH, &fields, "").await, 403, origin);
    }
    let two = format!("{own}Origin: http://evil.example\r\n");
    let answer = post(&gateway, SWITCH, &two, "").await;
    assert!([400, 403].contains(&answer.status()), "two of them: {}", answer.text());
    let rebound = "POST /streams/refused/failover HTTP/1.1\r\nHost: evil.example\r\n\
                   Origin: http://evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_problem(&Player::fetch(gateway.admin, rebound).await, 421, "DNS rebinding");
    assert_untouched(&first, &backup, &gateway, &mut viewer).await;
    let (answer, ()) = tokio::join!(post(&gateway, SWITCH, &own, ""), viewer.play_until_source(B));
    assert_eq!(answer.status(), 200, "its own dashboard may: {}", answer.text());
}

#[tokio::test]
async fn the_admin_token_is_asked_for() {
    let (first, backup, gateway, mut viewer) =
        watched("access: {admin_token: c0rrect-horse-battery}").await;
    for fields in ["", "Authorization: Bearer wr0ng\r\n", "Authorization: Basic eDp5\r\n"] {
        let answer = post(&gateway, SWITCH, fields, "").await;
        assert_problem(&answer, 401, fields);
        assert!(
            answer.head.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer"))
        );
    }
    let answer = post(&gateway, "/streams/nowhere/failover", "", "").await;
    assert_problem(&answer, 401, "no word of which channels there are");
    viewer.play(20).await;
    assert_eq!((first.total(), backup.total(), viewer.sources()), (1, 0, vec![A]));
    let good = "Authorization: Bearer c0rrect-horse-battery\r\n";
    let evil = format!("{good}Origin: http://evil.example\r\n");
    assert_problem(&post(&gateway, SWITCH, &evil, "").await, 403, "a token changes nothing");
    let (answer, ()) = tokio::join!(post(&gateway, SWITCH, good, ""), viewer.play_until_source(B));
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test]
async fn the_media_listener_switches_nothing() {
    let (first, backup, gateway, mut viewer) = watched("").await;
    for path in [SWITCH, "/streams/refused/failover"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let answer = Player::fetch(gateway.stream, &request).await;
        assert!([404, 405].contains(&answer.status()), "{path}: {}", answer.status());
    }
    assert_untouched(&first, &backup, &gateway, &mut viewer).await;
}
