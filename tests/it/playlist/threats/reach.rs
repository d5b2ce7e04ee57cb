//! Where a playlist must not lead: other networks by whatever name, and what is no HTTP.

use std::net::Ipv4Addr;

use super::keyed;
use super::keyed_with;
use crate::playlist::CHANNEL;
use crate::playlist::LIMITS;
use crate::playlist::follow;
use crate::playlist::get;
use crate::playlist::links;
use crate::playlist::playlist;
use crate::playlist::served;
use crate::playlist::uris;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;

/// A playlist with `uri` in every place that takes one.
fn everywhere(uri: &str) -> String {
    let head = "#EXTM3U\n#EXT-X-VERSION:12\n#EXT-X-TARGETDURATION:4\n";
    let carriers = [
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"%\"",
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"%\"",
        "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"%\"",
        "#EXT-X-SESSION-DATA:DATA-ID=\"x\",URI=\"%\"",
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"%\"",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"%\"",
        "#EXT-X-MAP:URI=\"%\"",
        "#EXT-X-PART:DURATION=1,URI=\"%\"",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%\"",
        "#EXT-X-RENDITION-REPORT:URI=\"%\"",
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2025-01-01T00:00:00Z\",X-ASSET-URI=\"%\"",
        "#EXT-X-DATERANGE:ID=\"b\",START-DATE=\"2025-01-01T00:00:00Z\",X-ASSET-LIST=\"%\"",
        "#EXTINF:4,\n%",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n%",
    ];
    head.to_owned() + &carriers.map(|carrier| carrier.replace('%', uri) + "\n").concat()
}

/// Every link of a playlist, X-ASSET-LIST included.
fn all_links(text: &str) -> Vec<String> {
    let list = text.split("X-ASSET-LIST=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut found = links(CHANNEL, text);
    found.extend(list.map(|uri| follow(CHANNEL, uri)));
    found
}

async fn assert_refused(gateway: &Gateway, link: &str, what: &str) {
    let answer = Player::get(gateway.stream, link).await;
    assert_eq!(answer.status(), 502, "{what}: {}", String::from_utf8_lossy(&answer.body.bytes));
    Canary::new(["127.0.0.", "localhost", "169.254"]).assert_absent(what, &answer.everything());
}

#[tokio::test]
async fn no_uri_leads_to_this_machine_by_address_name_or_redirect() {
    // The source is elsewhere, as far as the gateway knows.
    let victim = Origin::start(served).await;
    let port = victim.address().port();
    let places = [
        format!("http://127.0.0.1:{port}/x"),
        format!("//127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("HTTP://LOCALHOST:{port}/x"),
        format!("http://localhost.:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://127.0.0.2@127.0.0.1:{port}/x"),
        format!("http://127.0.0.2:80@localhost:{port}/x"),
        format!("https://localhost:{port}/x"),
        "/away/address".to_owned(),
        "/away/name".to_owned(),
        "/away/relative".to_owned(),
    ];
    let mut seen = 0;
    for place in places {
        let text = everywhere(&place);
        let origin = Origin::builder()
            .on(Ipv4Addr::new(127, 0, 0, 2))
            .start(move |request| match request.path() {
                "/list.m3u8" => Script::m3u(&text),
                "/away/address" => Script::redirect(
                    "307 Temporary Redirect",
                    &format!("http://127.0.0.1:{port}/x"),
                ),
                "/away/name" => {
                    Script::redirect("302 Found", &format!("http://localhost:{port}/x"))
                }
                _ => Script::redirect("301 Moved Permanently", "/away/name"),
            })
            .await;
        let gateway = keyed(&origin.url("/list.m3u8")).await;
        let found = all_links(&playlist(&gateway, CHANNEL).await);
        assert_eq!(found.len(), 14, "{place}");
        for link in &found {
            assert_refused(&gateway, link, &place).await;
        }
        seen += found.len();
    }
    assert_eq!((seen, victim.total()), (168, 0), "not even a connection");
}

#[tokio::test]
async fn no_uri_leads_to_metadata_services_whatever_is_listed() {
    let places = [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "/away",
    ];
    let mut seen = 0;
    for place in places {
        let text = everywhere(place);
        let origin = Origin::start(move |request| match request.path() {
            "/list.m3u8" => Script::m3u(&text),
            _ => Script::redirect("302 Found", places[0]),
        })
        .await;
        let more = format!(
            "{LIMITS}\negress: {{private: [any]}}\nfailover: {{rounds: 0, connect_timeout: 15s}}"
        );
        let gateway = keyed_with(&origin.url("/list.m3u8"), &more).await;
        for link in all_links(&playlist(&gateway, CHANNEL).await) {
            assert_refused(&gateway, &link, place).await;
            seen += 1;
        }
        let denied =
            "weir_upstream_attempts_total{channel=\"one\",source=\"0\",outcome=\"denied\"}";
        assert_eq!(gateway.metric(denied).await, 14.0, "{place}");
    }
    assert_eq!(seen, 70);
}

#[tokio::test]
async fn backslashes_and_blanks_lead_nowhere_else() {
    let victim = Origin::start(served).await;
    let port = victim.address().port();
    let places = [
        format!("/\\127.0.0.1:{port}/x"),
        format!("\\\\127.0.0.1:{port}/x"),
        format!("http:\\\\127.0.0.1:{port}/x"),
        format!("http:/127.0.0.1:{port}/x"),
        format!("http:127.0.0.1:{port}/x"),
        format!("http:///127.0.0.1:{port}/x"),
        format!("///127.0.0.1:{port}/x"),
        format!("http://127.0.0.2#@127.0.0.1:{port}/x"),
        format!("http://127.0.0.2\\@127.0.0.1:{port}/x"),
        format!("http://127.0.0.2 @127.0.0.1:{port}/x"),
        format!("/x\\..\\..\\127.0.0.1:{port}"),
    ];
    let mut seen = 0;
    for place in places {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{place}\n");
        let origin = Origin::builder()
            .on(Ipv4Addr::new(127, 0, 0, 2))
            .start(move |request| match request.path() {
                "/list.m3u8" => Script::m3u(&text),
                _ => served(request),
            })
            .await;
        let gateway = keyed(&origin.url("/list.m3u8")).await;
        let answer = Player::get(gateway.stream, CHANNEL).await;
        assert!([200, 502].contains(&answer.status()), "{place}: {}", answer.status());
        Canary::new(["127.0.0."]).assert_absent(&place, &answer.everything());
        if answer.status() == 200 {
            let link = links(CHANNEL, answer.text()).pop().unwrap();
            Player::get(gateway.stream, &link).await;
        }
        seen += 1;
    }
    assert_eq!((seen, victim.total()), (11, 0));
}

#[tokio::test]
async fn a_playlist_with_another_scheme_is_not_passed_on() {
    let schemes = [
        "file:///etc/s3cret",
        "FILE:///etc/s3cret",
        "file://localhost/s3cret",
        "file:/etc/s3cret",
        "ftp://127.0.0.1/s3cret",
        "gopher://127.0.0.1:70/s3cret",
        "unix:/run/s3cret.sock",
        "http+unix://%2Frun%2Fx.sock/s3cret",
        "rtmp://127.0.0.1/s3cret",
        "srt://127.0.0.1:9000?s3cret",
        "udp://@239.0.0.1:1234/s3cret",
        "javascript:alert(\"s3cret\")",
        "concat:http://127.0.0.1/s3cret|x",
        " file:///etc/s3cret",
        "\tfile:///etc/s3cret",
    ];
    let carriers = [
        "#EXTINF:4,\n%",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n%",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"%\"",
        "#EXT-X-MAP:URI=\"%\"",
    ];
    let mut seen = 0;
    for scheme in schemes {
        for carrier in carriers {
            if carrier.contains('"') && scheme.contains('"') {
                continue;
            }
            let line = carrier.replace('%', scheme);
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{line}\n");
            let origin = Origin::start(move |_| Script::m3u(&text)).await;
            let gateway = keyed(&origin.url("/list.m3u8")).await;
            let answer = Player::get(gateway.stream, CHANNEL).await;
            assert_eq!(
                answer.status(),
                502,
                "{line}: {}",
                String::from_utf8_lossy(&answer.body.bytes)
            );
            Canary::new(["s3cret"]).assert_absent(&line, &answer.everything());
            seen += 1;
        }
    }
    assert_eq!(seen, 58);
    // Schemes have no case.
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => {
            let host = request.header("Host").unwrap().to_owned();
            Script::m3u(&format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nHTTP://{host}/a.ts\n"
            ))
        }
        _ => served(request),
    })
    .await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let text = playlist(&gateway, CHANNEL).await;
    get(&gateway, &follow(CHANNEL, &uris(&text)[0])).await;
}
