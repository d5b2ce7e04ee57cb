//! A browser as the player: hls.js in Chromium, as in any web page, plays live HLS through the gateway,
//! from an origin that is not the page's.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::Folder;
use super::programs;
use crate::support::gateway::Gateway;
use crate::support::programs::installed;
use crate::support::tls::Authority;
use driver::Browser;
use stage::Stage;

pub(crate) mod driver;
mod stage;

/// The players.
const PAGE: &str = include_str!("../../browser/player.html");
/// How long a scene may take that plays half a minute at most; only met by one that fails.
const DEADLINE: Duration = Duration::from_secs(180);
/// Pause between two looks at a player.
const POLL: Duration = Duration::from_millis(250);

/// What all scenes share. Each has a gateway of its own.
struct Theatre {
    stage: Stage,
    browser: Browser,
    nginx: PathBuf,
}

#[tokio::test]
async fn hls_js_in_a_browser_plays_every_kind_of_live_channel() {
    let Some([ffmpeg, nginx]) = programs(["ffmpeg", "nginx"]) else { return };
    let Some([chromium, chromedriver]) = programs(["chromium", "chromedriver"]) else { return };
    let hls_js = "tests/browser/node_modules/hls.js/dist/hls.js";
    let Some(hls_js) = installed(hls_js, "npm ci in tests/browser") else { return };
    let (stage, browser) = tokio::join!(
        Stage::set(&nginx, &ffmpeg),
        Browser::start(&chromedriver, &chromium, PAGE, &hls_js)
    );
    let theatre = Rc::new(Theatre { stage, browser, nginx });
    let played = LocalSet::new().run_until(play(&theatre)).await;
    Rc::into_inner(theatre).expect("no scene is left").browser.close().await;
    assert_eq!(played, 7, "scenes played");
}

/// Plays all scenes, each to its end, whatever comes of one; how many went well. The others have said why.
async fn play(theatre: &Rc<Theatre>) -> u32 {
    let mut scenes = JoinSet::new();
    scenes.spawn_local(plain(Rc::clone(theatre)));
    scenes.spawn_local(behind_tls_and_a_prefix(Rc::clone(theatre)));
    scenes.spawn_local(variants_and_a_rendition(Rc::clone(theatre)));
    scenes.spawn_local(encrypted(Rc::clone(theatre)));
    scenes.spawn_local(fragmented(Rc::clone(theatre)));
    scenes.spawn_local(ranges_of_a_file(Rc::clone(theatre)));
    scenes.spawn_local(a_source_dies(Rc::clone(theatre)));
    let mut played = 0;
    while let Some(scene) = scenes.join_next().await {
        played += u32::from(scene.is_ok());
    }
    played
}

async fn plain(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/plain/index.m3u8"]).await;
    theatre.open("plain", &base(&gateway)).await;
    let report = theatre.watch("plain", 30.0).await;
    assert_smooth(&report, &base(&gateway));
    assert_eq!((&report["width"], &report["height"]), (&json!(320), &json!(180)), "{report}");
    assert_eq!(gateway.metric("weir_sessions{channel=\"one\"}").await, 1.0);
}

async fn behind_tls_and_a_prefix(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/plain/index.m3u8"]).await;
    let folder = Folder::new();
    let (certificate, key) = Authority::new().pem_pair(&["127.0.0.1"]);
    let (chain, private) = (folder.join("tls.pem"), folder.join("tls.key"));
    std::fs::write(&chain, certificate).unwrap();
    std::fs::write(&private, key).unwrap();
    let (chain, private, weir) = (chain.display(), private.display(), gateway.stream);
    let front = format!(
        "ssl_certificate {chain}; ssl_certificate_key {private};\n \
         location /tv/ {{ proxy_pass http://{weir}/; }}"
    );
    let (_front, port) = stage::serve_as(&theatre.nginx, &folder, &front).await;
    let base = format!("https://127.0.0.1:{port}/tv");
    theatre.open("prefix", &base).await;
    let report = theatre.watch("prefix", 12.0).await;
    assert_smooth(&report, &base);
}

async fn variants_and_a_rendition(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/master/master.m3u8"]).await;
    theatre.open("variants", &base(&gateway)).await;
    let report = theatre.watch("variants", 3.0).await;
    assert_eq!((&report["levels"], &report["tracks"]), (&json!(2), &json!(1)), "{report}");
    // There and back again, by what is on the screen.
    for (level, width) in [(0, 160), (1, 320), (0, 160)] {
        theatre.browser.run("choose(...arguments)", json!(["variants", level])).await;
        theatre.until("variants", "the other variant", |report| report["width"] == width).await;
    }
    let report = theatre.watch("variants", 12.0).await;
    assert_smooth(&report, &base(&gateway));
    assert!(segments(&report).any(|it| it["of"] == "audio"), "{report}");
}

async fn encrypted(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/aes/index.m3u8"]).await;
    theatre.open("encrypted", &base(&gateway)).await;
    let report = theatre.watch("encrypted", 12.0).await;
    assert_smooth(&report, &base(&gateway));
    assert!(loaded(&report).any(|it| it["kind"] == "key"), "{report}");
    assert!(segments(&report).all(|it| it["method"] == "AES-128"), "{report}");
}

async fn fragmented(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/fmp4/index.m3u8"]).await;
    theatre.open("fragmented", &base(&gateway)).await;
    let report = theatre.watch("fragmented", 12.0).await;
    assert_smooth(&report, &base(&gateway));
    let sealed = format!("{}/s/", base(&gateway));
    let head = |it: &Value| it["init"].as_str().is_some_and(|it| it.starts_with(&sealed));
    assert!(segments(&report).all(head), "{report}");
}

async fn ranges_of_a_file(theatre: Rc<Theatre>) {
    let gateway = theatre.gateway(&["/ranges/index.m3u8"]).await;
    theatre.open("ranges", &base(&gateway)).await;
    let report = theatre.watch("ranges", 12.0).await;
    assert_smooth(&report, &base(&gateway));
    assert!(segments(&report).all(|it| it["url"] == it["init"]), "{report}");
}

async fn a_source_dies(theatre: Rc<Theatre>) {
    let folder = Folder::new();
    let (first, primary) = theatre.stage.replica(&theatre.nginx, &folder).await;
    let primary = format!("{primary}/plain/index.m3u8");
    let gateway = theatre.gateway(&[&primary, "/backup/index.m3u8"]).await;
    theatre.open("dies", &base(&gateway)).await;
    let before = theatre.watch("dies", 6.0).await;
    assert_eq!(before["width"], 320, "{before}");
    drop(first);
    let after = theatre.until("dies", "the other source's", |report| report["width"] == 256).await;
    let more = after["played"].as_f64().unwrap() + 12.0;
    let report = theatre.watch("dies", more).await;
    assert_sealed(&report, &base(&gateway));
    assert_eq!(report["back"], 0, "{report}");
    let turns = |report: &Value| segments(report).map(|it| it["cc"].as_u64().unwrap()).max();
    assert_eq!((turns(&before), turns(&report)), (Some(0), Some(1)), "discontinuities: {report}");
    let metric = "weir_failovers_total{channel=\"one\",reason=\"playlist\"}";
    assert_eq!(gateway.metric(metric).await, 1.0);
}

impl Theatre {
    /// A gateway as it is out of the box, with one channel of these sources: URLs, or paths on the stage.
    async fn gateway(&self, sources: &[&str]) -> Gateway {
        let url = |it: &&str| {
            if it.starts_with('/') { self.stage.base.clone() + it } else { (*it).into() }
        };
        let urls: Vec<String> = sources.iter().map(url).collect();
        let channels = format!("channels: {{one: {{sources: {urls:?}, kind: hls}}}}");
        Gateway::start(&format!("failover: {{rounds: 3}}\n{channels}")).await
    }

    /// Has the page play the channel at the gateway that is reached at `base`.
    async fn open(&self, player: &str, base: &str) {
        let url = format!("{base}/hls/one/playlist.m3u8");
        self.browser.run("play(...arguments)", json!([player, url])).await;
    }

    /// Waits until so many seconds have been played; how it went.
    async fn watch(&self, player: &str, seconds: f64) -> Value {
        let played = |report: &Value| report["played"].as_f64() >= Some(seconds);
        let report = self.until(player, &format!("{seconds} seconds"), played).await;
        let mut figures = report.clone();
        figures["loaded"] = loaded(&report).count().into();
        println!("{player}: {figures}");
        report
    }

    /// Waits until what the player says of itself is as wanted.
    ///
    /// # Panics
    /// If it has a fatal error, or it is not so before the deadline.
    async fn until(&self, player: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let report = self.browser.run("return report(...arguments)", json!([player])).await;
            assert_eq!(report["fatal"], json!([]), "{player}, {what}: {report}");
            if wanted(&report) {
                return report;
            }
            assert!(started.elapsed() < DEADLINE, "{player}, {what}, not in time: {report}");
            tokio::time::sleep(POLL).await;
        }
    }
}

fn base(gateway: &Gateway) -> String {
    format!("http://{}", gateway.stream)
}

/// What the page has loaded.
fn loaded(report: &Value) -> impl Iterator<Item = &Value> {
    report["loaded"].as_array().expect("a list").iter()
}

fn segments(report: &Value) -> impl Iterator<Item = &Value> {
    loaded(report).filter(|it| it["kind"] == "segment")
}

/// Picture and sound played on and on: nothing twice, nothing left out, nothing that could not be had.
fn assert_smooth(report: &Value, base: &str) {
    assert_sealed(report, base);
    assert_eq!(report["back"], 0, "{report}");
    assert!(report["skipped"].as_f64() < Some(1.0), "{report}");
    assert_eq!(report["paused"], false, "{report}");
    assert!(report["pictures"].as_u64() > Some(100), "{report}");
    assert!(report["sound"].as_u64() > Some(1000), "{report}");
    let troubles = report["troubles"].as_array().expect("a list");
    let network = troubles.iter().find(|it| it.as_str().is_some_and(|it| it.contains("network")));
    assert_eq!(network, None, "{report}");
}

/// Everything came through the gateway that is reached at `base`.
fn assert_sealed(report: &Value, base: &str) {
    let (channel, sealed) = (format!("{base}/hls/one/playlist.m3u8"), format!("{base}/s/"));
    let mut seen = 0;
    for it in loaded(report) {
        let url = it["url"].as_str().expect("a URL");
        let media = it["kind"] == "segment" || it["kind"] == "key" || it["kind"] == "audio";
        assert!(url.starts_with(&sealed) || (!media && url == channel), "{it}");
        seen += 1;
    }
    assert!(seen > 5, "{report}");
}
