//! Documents beside the playlists: steering manifests, lists of assets, session data (RFC 8216bis
//! section 7 and appendix D).

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use serde_json::json;

use super::CHANNEL;
use super::LIMITS;
use super::follow;
use super::get;
use super::hls;
use super::hls_with;
use super::links;
use super::playlist;
use super::served;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;

const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:12\n\
    #EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?key=s3cret-key\",PATHWAY-ID=\"cdn-a\"\n\
    #EXT-X-SESSION-DATA:DATA-ID=\"com.example.lyrics\",URI=\"lyrics.json\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"cdn-a\"\nmedia.m3u8\n";

const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:60\n\
    #EXT-X-DATERANGE:ID=\"ad\",CLASS=\"com.apple.hls.interstitial\",START-DATE=\"2025-01-01T00:00:00Z\",\
    X-ASSET-LIST=\"/ads/list?key=s3cret-key\"\n#EXTINF:60,\na.ts\n";

const LYRICS: &str = "{ \"lyrics\": [\"la\", 1.50] }\n";

fn packed(text: &str) -> Script {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let length = body.len().to_string();
    let fields = [("Content-Encoding", "gzip"), ("Content-Length", length.as_str())];
    Script::head("200 OK", &fields).body(body).next_request()
}

fn source(request: &Recorded) -> Script {
    let place = request.header("Host").unwrap();
    match request.path() {
        "/master.m3u8" => Script::m3u(MASTER),
        "/media.m3u8" | "/ads/one.m3u8" => Script::m3u(MEDIA),
        "/steer" => Script::redirect("302 Found", "/deep/manifest?session=s3cret-session"),
        "/deep/manifest" | "/deep/next" => {
            let manifest = json!({
                "VERSION": 1,
                "TTL": 300,
                "RELOAD-URI": "next?session=s3cret-session",
                "PATHWAY-PRIORITY": ["cdn-a", "cdn-b"],
                "PATHWAY-CLONES": [{"BASE-ID": "cdn-a", "ID": "cdn-b", "URI-REPLACEMENT": {"HOST": place}}],
            });
            packed(&manifest.to_string())
        }
        "/ads/list" => {
            let assets = json!({"ASSETS": [
                {"URI": format!("http://{place}/ads/one.m3u8?key=s3cret-key"), "DURATION": 60.5},
                {"URI": "two/index", "DURATION": 30},
            ]});
            Script::whole("200 OK", "text/plain", assets.to_string())
        }
        "/lyrics.json" => Script::whole("200 OK", "text/html", LYRICS),
        _ => served(request),
    }
}

/// GETs a document; it, and the link that stands at `pointer` in it.
async fn document(gateway: &Gateway, path: &str, pointer: &str) -> (Value, String) {
    let answer = get(gateway, path).await;
    Canary::new(["s3cret", "127.0.0."]).assert_absent(path, &answer.everything());
    assert_eq!(answer.head.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.head.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.head.header("Content-Encoding"), None);
    let document: Value = serde_json::from_str(answer.text()).unwrap();
    let link = document.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (document, follow(path.split('?').next().unwrap(), &link))
}

#[tokio::test]
async fn a_steering_manifest_leads_on_to_the_next_one_and_names_no_clones() {
    let origin = Origin::start(source).await;
    let gateway = hls(&origin.url("/master.m3u8")).await;
    let server = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
    let query = "?token=mine&_HLS_pathway=cdn-a&x=1&_HLS_throughput=5000000&_HLS_msn=7";
    let (manifest, next) = document(&gateway, &format!("{server}{query}"), "/RELOAD-URI").await;
    assert_eq!(manifest["PATHWAY-PRIORITY"], json!(["cdn-a", "cdn-b"]));
    assert_eq!((&manifest["TTL"], manifest.get("PATHWAY-CLONES")), (&json!(300), None));
    // Relative to where the redirect led.
    document(&gateway, &format!("{next}{query}"), "/RELOAD-URI").await;
    let asked: Vec<_> = origin.seen().iter().map(|it| it.target().to_owned()).collect();
    let told = "&_HLS_pathway=cdn-a&_HLS_throughput=5000000";
    let expected = [
        "/master.m3u8".to_owned(),
        format!("/steer?key=s3cret-key{told}"),
        "/deep/manifest?session=s3cret-session".to_owned(),
        format!("/deep/next?session=s3cret-session{told}"),
    ];
    assert_eq!(asked, expected);
    // Its head alone, which says what the whole would.
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::head("x", &next)).await;
    let head = player.head().await;
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("application/json")));
}

#[tokio::test]
async fn the_assets_of_a_list_are_playlists_of_the_gateway() {
    let origin = Origin::start(source).await;
    let gateway = hls(&origin.url("/media.m3u8")).await;
    let media = playlist(&gateway, CHANNEL).await;
    let (_, rest) = media.split_once("X-ASSET-LIST=\"").unwrap();
    let list = follow(CHANNEL, rest.split('"').next().unwrap());
    let (assets, first) = document(&gateway, &list, "/ASSETS/0/URI").await;
    assert_eq!(assets["ASSETS"][0]["DURATION"], json!(60.5));
    assert_eq!(playlist(&gateway, &first).await.lines().count(), MEDIA.lines().count());
    let (_, second) = document(&gateway, &list, "/ASSETS/1/URI").await;
    Player::get(gateway.stream, &second).await;
    let asked: Vec<_> = origin.seen().iter().map(|it| it.target().to_owned()).collect();
    assert!(asked.contains(&"/ads/one.m3u8?key=s3cret-key".to_owned()), "{asked:?}");
    assert!(asked.contains(&"/ads/two/index".to_owned()), "{asked:?}");
}

#[tokio::test]
async fn session_data_passes_byte_for_byte() {
    let origin = Origin::start(source).await;
    let gateway = hls(&origin.url("/master.m3u8")).await;
    let data = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(1);
    assert_eq!(get(&gateway, &data).await.text(), LYRICS);
}

#[tokio::test]
async fn what_is_no_document_is_502_and_moves_nobody() {
    let host = |request: &Recorded| request.header("Host").unwrap().to_owned();
    let long = format!("[\"{}\"]", "x".repeat(64 * 1024));
    let answers = move |request: &Recorded, which: usize| match which {
        0 => Script::error("500 Internal Server Error"),
        1 => Script::html("<h1>no</h1>"),
        2 => Script::m3u(MEDIA),
        3 => Script::json("{\"RELOAD-URI\": \"file:///etc/passwd\"}"),
        4 => Script::json(&format!("{{\"by\": \"{}\"}}", host(request))),
        5 => Script::whole("200 OK", "text/plain", format!("by {}", host(request))),
        6 => Script::json("{\"cut\": "),
        7 => Script::json(&long),
        _ => packed(&long),
    };
    let origin = Origin::start(move |request| match request.path() {
        "/lyrics.json" => answers(request, request.attempt - 1),
        _ => source(request),
    })
    .await;
    let spare = Origin::start(source).await;
    let sources = [origin.url("/master.m3u8"), spare.url("/master.m3u8")];
    let limits = "limits: {playlist_bytes: 64KiB, requests_per_second: 10000}";
    let gateway = Gateway::start(&format!(
        "{limits}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let data = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(1);
    for which in 0..9 {
        let answer = Player::get(gateway.stream, &data).await;
        assert_eq!(answer.status(), 502, "{which}");
        Canary::new(["127.0.0.", "passwd"]).assert_absent("an error", &answer.everything());
        playlist(&gateway, CHANNEL).await;
    }
    assert_eq!(spare.total(), 0);
    let asked = origin.seen().iter().filter(|it| it.path() == "/lyrics.json").count();
    assert_eq!(asked, 9);
}

#[tokio::test]
async fn a_document_that_does_not_come_is_given_up() {
    let origin = Origin::start(|request| match request.path() {
        "/lyrics.json" => Script::head("200 OK", &[]).body("{\"a\": 1").stall(),
        _ => source(request),
    })
    .await;
    let more = format!("{LIMITS}\nfailover: {{rounds: 0, response_timeout: 300ms}}");
    let gateway = hls_with(&origin.url("/master.m3u8"), &more).await;
    let data = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(1);
    assert_eq!(Player::get(gateway.stream, &data).await.status(), 504);
}
