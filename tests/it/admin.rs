//! The admin listener: what it answers, to whom, and the names that others rely on.

mod contract;

use std::net::SocketAddr;

use serde_json::Value;

use crate::command_line::process::free_port;
use crate::support::capture::Canary;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::player::Answer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

/// Every route of this listener; those of the first list ask for no token.
const FREE: [&str; 4] = ["/health", "/healthz", "/live", "/readyz"];

const GUARDED: [&str; 4] = ["/metrics", "/api/status", "/api/v1/sessions", "/api/v1/channels"];

async fn ask(address: SocketAddr, method: &str, target: &str, fields: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n{fields}\r\n");
    Player::fetch(address, &request).await
}

async fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, "Host: localhost\r\n").await
}

fn live(origin: &Origin) -> String {
    format!(
        "channels: {{one: {{name: \"One, with a comma\", sources: [\"{}\"], kind: live}}}}\n",
        origin.url_as("user-s3cret:word-s3cret", "/path-s3cret.ts?key=query-s3cret")
    )
}

#[tokio::test]
async fn every_route_answers_with_its_media_type_and_is_never_stored() {
    let gateway = Gateway::start("").await;
    let types = [
        ("/health", "text/plain; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/live", "text/plain; charset=utf-8"),
        ("/readyz", "text/plain; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/status", "application/json"),
        ("/api/v1/sessions", "application/json"),
        ("/api/v1/channels", "application/json"),
    ];
    let mut seen = 0;
    for (target, media_type) in types {
        for method in ["GET", "HEAD"] {
            let answer = ask(gateway.admin, method, target, "Host: localhost\r\n").await;
            assert_eq!(answer.status(), 200, "{method} {target}");
            assert_eq!(answer.head.header("content-type"), Some(media_type), "{target}");
            assert_eq!(answer.head.header("cache-control"), Some("no-store"), "{target}");
            assert_eq!(answer.head.header("x-content-type-options"), Some("nosniff"), "{target}");
            assert_eq!(answer.body.bytes.is_empty(), method == "HEAD", "{method} {target}");
            assert!(answer.head.content_length().unwrap() > 0);
            seen += 1;
        }
    }
    assert_eq!(seen, 2 * (FREE.len() + GUARDED.len()));
    assert_eq!(get(gateway.admin, "/health?from=a-load-balancer").await.text(), "OK\n");
    let missing = get(gateway.admin, "/nowhere").await;
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.head.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn each_listener_answers_its_own_routes_only() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = Gateway::start(&live(&origin)).await;
    for target in ["/stream/one", "/playlist.m3u", "/s/x.ts"] {
        assert_eq!(
            get(gateway.admin, target).await.status(),
            404,
            "{target} on the admin listener"
        );
    }
    for target in GUARDED {
        assert_eq!(
            get(gateway.stream, target).await.status(),
            404,
            "{target} on the media listener"
        );
    }
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn one_address_may_be_for_both() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let yaml =
        format!("listen: {{stream: \"{address}\", admin: \"{address}\"}}\n{}", live(&origin));
    let _gateway = Gateway::start(&yaml).await;
    let mut seen = 0;
    for target in FREE.into_iter().chain(GUARDED).chain(["/playlist.m3u"]) {
        assert_eq!(get(address, target).await.status(), 200, "{target}");
        seen += 1;
    }
    assert_eq!(seen, 9);
    let (mut player, head) =
        Player::ask(address, &presets::get_keep_alive("x", "/stream/one")).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET).await;
    // A page of another name sees the media, as everywhere, and nothing of the rest.
    assert_eq!(ask(address, "GET", "/api/status", "Host: evil.example\r\n").await.status(), 421);
    assert_eq!(get(address, "/metrics").await.head.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_turned_away() {
    let gateway = Gateway::start("").await;
    let port = gateway.admin.port();
    let mut seen = 0;
    for (host, status) in [
        ("localhost", 200),
        (&*format!("localhost:{port}"), 200),
        ("LocalHost", 200),
        ("127.0.0.1", 200),
        (&*format!("127.0.0.1:{port}"), 200),
        (&*format!("[::1]:{port}"), 200),
        ("192.168.1.20:18080", 200),
        ("evil.example", 421),
        (&*format!("evil.example:{port}"), 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.localhost", 421),
    ] {
        for target in FREE.into_iter().chain(GUARDED) {
            let fields = format!("Host: {host}\r\n");
            let answer = ask(gateway.admin, "GET", target, &fields).await;
            assert_eq!(answer.status(), status, "{target} at {host}");
            seen += 1;
        }
    }
    assert_eq!(seen, 12 * 8);
    // Browsers always send Host, and HTTP/1.0 may not.
    let old = Player::fetch(gateway.admin, "GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status(), 200);
    assert_eq!(ask(gateway.admin, "GET", "/health", "").await.status(), 400);
    assert_eq!(
        ask(gateway.admin, "GET", "/health", "Host: localhost\r\nHost: evil.example\r\n")
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn on_an_address_that_others_reach_all_but_health_needs_the_token() {
    let gateway = Gateway::start(
        "listen: {stream: \"127.0.0.1:0\", admin: \"0.0.0.0:0\"}\n\
         access: {admin_token: the-admins-token, tokens: {anna: annas-token}}\n",
    )
    .await;
    let admin: SocketAddr = ([127, 0, 0, 1], gateway.admin.port()).into();
    let with = async |method: &str, target: &str, fields: &str| {
        ask(admin, method, target, &format!("Host: weir.example\r\n{fields}")).await
    };
    for target in FREE {
        assert_eq!(with("GET", target, "").await.status(), 200, "{target}");
    }
    let mut seen = 0;
    for target in GUARDED {
        let right = "Authorization: Bearer the-admins-token\r\n";
        assert_eq!(with("GET", target, right).await.status(), 200, "{target}");
        assert_eq!(
            with("GET", target, "authorization: bearer the-admins-token\r\n").await.status(),
            200
        );
        for fields in [
            "",
            "Authorization: Bearer nobodys-token\r\n",
            "Authorization: Bearer the-admins-toke\r\n",
            "Authorization: Bearer annas-token\r\n",
            "Authorization: Bearer\r\n",
            "Authorization: Basic dGhlLWFkbWlucy10b2tlbg==\r\n",
            "Authorization: the-admins-token\r\n",
            "X-Forwarded-For: 127.0.0.1\r\n",
        ] {
            for method in ["GET", "HEAD"] {
                let answer = with(method, target, fields).await;
                assert_eq!(answer.status(), 401, "{method} {target} {fields}");
                assert!(answer.head.header("www-authenticate").unwrap().starts_with("Bearer"));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, GUARDED.len() * 16);
    // No spelling of a path gets past.
    let mut spelled = 0;
    for target in [
        "/metrics/",
        "//metrics",
        "/METRICS",
        "/metrics%20",
        "/%6detrics",
        "/health/../metrics",
        "/api/status/",
        "/api//status",
        "/health/",
        "/nowhere",
        "/",
        "/metrics?token=the-admins-token",
    ] {
        let answer = with("GET", target, "").await;
        assert!([400, 401].contains(&answer.status()), "{target}: {}", answer.status());
        assert!(!answer.text().contains("weir_"), "{target}");
        spelled += 1;
    }
    assert_eq!(spelled, 12);
    let overridden =
        with("GET", "/metrics", "X-HTTP-Method-Override: HEAD\r\nX-Original-URL: /health\r\n")
            .await;
    assert_eq!(overridden.status(), 401);
}

#[tokio::test]
async fn it_answers_get_and_head_and_says_so() {
    let gateway = Gateway::start("").await;
    let mut seen = 0;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for target in ["/health", "/metrics", "/api/status", "/nowhere"] {
            let answer =
                ask(gateway.admin, method, target, "Host: localhost\r\nContent-Length: 0\r\n")
                    .await;
            assert_eq!(answer.status(), 405, "{method} {target}");
            let allow = answer.head.header("allow").unwrap();
            assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
            seen += 1;
        }
    }
    assert_eq!(seen, 24);
}

#[tokio::test]
async fn no_page_of_another_origin_reads_it() {
    let gateway = Gateway::start("access: {admin_token: the-admins-token}\n").await;
    let origin = "Host: localhost\r\nOrigin: https://evil.example\r\n";
    let preflight = format!("{origin}Access-Control-Request-Method: GET\r\n");
    let mut seen = 0;
    for target in FREE.into_iter().chain(GUARDED).chain(["/nowhere"]) {
        let allowed = format!("{origin}Authorization: Bearer the-admins-token\r\n");
        for (method, fields) in
            [("GET", origin), ("GET", &allowed), ("OPTIONS", &preflight), ("POST", origin)]
        {
            let answer = ask(gateway.admin, method, target, fields).await;
            let cors: Vec<&(String, String)> = answer
                .head
                .lines
                .iter()
                .filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
                .collect();
            assert!(cors.is_empty(), "{method} {target}: {cors:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 36);
}

#[tokio::test]
async fn sessions_and_channels_show_who_watches_what_and_no_secret() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = Gateway::start(&live(&origin)).await;
    assert_eq!(gateway.admin_get("/api/v1/sessions").await, "[]\n");
    let request = presets::get_keep_alive("x", "/stream/one");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET * 50).await;

    let sessions: Value =
        serde_json::from_str(&gateway.admin_get("/api/v1/sessions").await).unwrap();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    let session = &sessions[0];
    assert_eq!((&session["channel"], &session["source"]), (&Value::from("one"), &Value::from(0)));
    assert_eq!(session["client"], "127.0.0.1");
    assert!(session["bytes"].as_u64().unwrap() >= PACKET as u64 * 50, "{session}");

    let channels: Value =
        serde_json::from_str(&gateway.admin_get("/api/v1/channels").await).unwrap();
    assert_eq!(channels[0]["id"], "one");
    assert_eq!(channels[0]["name"], "One, with a comma");
    assert_eq!(channels[0]["kind"], "live");
    assert_eq!(channels[0]["sessions"], 1);
    assert!(channels[0]["sources"][0]["place"].as_str().unwrap().contains(&origin.authority()));

    let status: Value = serde_json::from_str(&gateway.admin_get("/api/status").await).unwrap();
    assert_eq!((&status["sessions"], &status["channels"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(status["phase"], "ready");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));

    let canary = Canary::new(["s3cret"]);
    for target in GUARDED {
        canary.assert_absent(target, gateway.admin_get(target).await.as_bytes());
    }
    player.close();
    eventually_async("the session has gone", async || {
        (gateway.admin_get("/api/v1/sessions").await == "[]\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn metrics_move_with_the_traffic() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let gateway = Gateway::start(&live(&origin)).await;
    let metric = async |name: &str| gateway.metric(name).await;
    let request = presets::get_keep_alive("x", "/stream/one");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET * 50).await;
    assert_eq!(metric("weir_sessions{channel=\"one\"}").await, 1.0);
    assert_eq!(metric("weir_upstream_connections{provider=\"none\"}").await, 1.0);
    assert_eq!(metric("weir_connections{listener=\"stream\"}").await, 1.0);
    assert_eq!(
        metric("weir_upstream_attempts_total{channel=\"one\",source=\"0\",outcome=\"ok\"}").await,
        1.0
    );
    assert_eq!(metric("weir_http_requests_total{listener=\"stream\",status=\"200\"}").await, 1.0);
    for histogram in ["weir_first_byte_seconds", "weir_upstream_response_seconds"] {
        assert_eq!(metric(&format!("{histogram}_count")).await, 1.0, "{histogram}");
        assert_eq!(metric(&format!("{histogram}_bucket{{le=\"+Inf\"}}")).await, 1.0, "{histogram}");
    }
    let bytes = async |direction: &str| {
        metric(&format!("weir_bytes_total{{direction=\"{direction}\"}}")).await
    };
    let before = bytes("out").await;
    assert!(before >= (PACKET * 50) as f64, "{before}");
    player.read_exact_body(PACKET * 500).await;
    let after = bytes("out").await;
    assert!(after >= (PACKET * 550) as f64, "{after}");
    assert!(bytes("in").await >= after);

    player.close();
    origin.idle().await;
    let ended = "weir_sessions_total{channel=\"one\",end=\"client_closed\"}";
    eventually_async("the end is counted", async || (metric(ended).await == 1.0).then_some(()))
        .await;
    assert_eq!(metric("weir_sessions{channel=\"one\"}").await, 0.0);
    assert_eq!(metric("weir_upstream_connections{provider=\"none\"}").await, 0.0);

    assert_eq!(Player::get(gateway.stream, "/stream/none").await.status(), 404);
    assert_eq!(metric("weir_http_requests_total{listener=\"stream\",status=\"404\"}").await, 1.0);
    assert_eq!(metric("weir_http_requests_total{listener=\"stream\",status=\"200\"}").await, 1.0);
    let text = gateway.metrics().await;
    assert!(
        !text.contains("\"none\",end") && !text.contains("channel=\"none\""),
        "no label from a client:\n{text}"
    );
}

#[tokio::test]
async fn waiting_for_a_provider_is_measured() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!(
        "failover: {{rounds: 0, slot_wait: 100ms}}\nproviders: {{acme: {{max_connections: 1}}}}\n\
         channels: {{one: {{sources: [{{url: \"{}\", provider: acme}}], kind: live}}}}\n",
        origin.url("/one.ts")
    );
    let gateway = Gateway::start(&yaml).await;
    let request = presets::get_keep_alive("x", "/stream/one");
    let (_player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    assert_eq!(gateway.metric("weir_upstream_connections{provider=\"acme\"}").await, 1.0);
    assert_eq!(Player::get_as(gateway.stream, "/stream/one", "other").await.status(), 503);
    assert!(gateway.metric("weir_slot_wait_seconds_count").await >= 1.0);
    assert!(gateway.metric("weir_slot_wait_seconds_sum").await >= 0.1);
    let attempt = "weir_upstream_attempts_total{channel=\"one\",source=\"0\",outcome=\"no_slot\"}";
    assert_eq!(gateway.metric(attempt).await, 1.0);
    assert_eq!(origin.total(), 1);
}
