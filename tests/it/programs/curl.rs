//! curl against the demo: old versions, parts, connections that stay, and transfers that are cut.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::demo::Demo;
use super::programs;
use super::run;
use super::run_clean;
use super::text;
use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
use crate::support::player::Player;

/// curl without the user's own configuration.
fn curl(curl: &Path) -> Command {
    let mut command = Command::new(curl);
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*"]);
    command
}

struct Stage {
    curl: PathBuf,
    demo: Demo,
    /// The film as its source has it.
    film: Vec<u8>,
}

impl Stage {
    async fn set() -> Option<Self> {
        let [curl] = programs(["curl"])?;
        let demo = Demo::start().await;
        let film = Player::get(demo.origin, "/film.ts").await;
        assert!(film.body.is_complete() && film.body.bytes.len() > 1_000_000);
        Some(Self { curl, demo, film: film.body.bytes })
    }

    fn curl(&self) -> Command {
        curl(&self.curl)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.demo.base)
    }

    async fn no_session_is_left(&self, channel: &str) {
        let name = format!("weir_sessions{{channel=\"{channel}\"}}");
        let look = async || (self.demo.metric(&name).await == 0.0).then_some(());
        eventually_async("no session is left", look).await;
    }
}

#[tokio::test]
async fn a_part_of_the_film_is_exactly_that_part() {
    let Some(stage) = Stage::set().await else { return };
    let length = stage.film.len();
    let last = format!("{}-", length - 500);
    let cases = [
        ("1000-1999", 1000..2000),
        ("0-0", 0..1),
        (last.as_str(), length - 500..length),
        ("-777", length - 777..length),
    ];
    for (range, expected) in cases {
        let output =
            run(stage.curl().args(["--fail", "-r", range, &stage.url("/stream/film")])).await;
        assert!(output.status.success(), "{range}: {}", text(&output.stderr));
        assert!(output.stdout == stage.film[expected], "{range}");
    }
    // Resuming a download half way.
    let half = (length / 2).to_string();
    let output = run(stage.curl().args(["-C", &half, &stage.url("/stream/film")])).await;
    assert!(output.stdout == stage.film[length / 2..]);
    // And past the end.
    let beyond = format!("{length}-");
    let mut command = stage.curl();
    command.args(["-D", "-", "-r", &beyond, &stage.url("/stream/film")]);
    let head = text(&run(&mut command).await.stdout);
    assert!(head.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Range: bytes */{length}\r\n")), "{head}");
    stage.no_session_is_left("film").await;
}

#[tokio::test]
async fn http_1_0_gets_the_whole_film_and_live_streams_without_chunks() {
    let Some(stage) = Stage::set().await else { return };
    let mut command = stage.curl();
    let output = run(command.args(["--http1.0", "--fail", &stage.url("/stream/film")])).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout == stage.film);
    let mut command = stage.curl();
    command.args([
        "--http1.0",
        "--raw",
        "-D",
        "/dev/stderr",
        "-m",
        "2",
        &stage.url("/stream/demo"),
    ]);
    let output = run(&mut command).await;
    assert_eq!(output.status.code(), Some(28), "cut by its own time limit");
    let head = text(&output.stderr).to_ascii_lowercase();
    assert!(head.contains("content-type: video/mp2t"), "{head}");
    let framed = ["\r\ntransfer-encoding:", "\r\ncontent-length:"];
    assert!(!framed.iter().any(|name| head.contains(name)), "{head}");
    let body = output.stdout;
    assert!(body.len() > 10_000, "{} bytes", body.len());
    assert!(body.chunks(188).all(|packet| packet[0] == 0x47), "no framing between the packets");
    stage.no_session_is_left("demo").await;
}

#[tokio::test]
async fn head_tells_what_a_download_would() {
    let Some(stage) = Stage::set().await else { return };
    let head = run_clean(stage.curl().args(["-I", &stage.url("/stream/film")])).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", stage.film.len())), "{head}");
    assert!(head.contains("\r\nAccept-Ranges: bytes\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: video/mp2t\r\n"), "{head}");
    let live = run_clean(stage.curl().args(["-I", &stage.url("/stream/demo")])).await;
    assert!(live.starts_with("HTTP/1.1 200 OK\r\n"), "{live}");
    assert!(
        live.contains("\r\nAccept-Ranges: none\r\n") && !live.contains("\r\nContent-Length:"),
        "{live}"
    );
    let hls = run_clean(stage.curl().args(["-I", &stage.url("/hls/hls/playlist.m3u8")])).await;
    assert!(hls.contains("\r\nContent-Type: application/vnd.apple.mpegurl\r\n"), "{hls}");
    let none = run_clean(stage.curl().args(["-I", &stage.url("/stream/none")])).await;
    assert!(none.starts_with("HTTP/1.1 404 Not Found\r\n"), "{none}");
    let attempts = "weir_upstream_attempts_total{channel=\"one\",source=\"0\",outcome=\"ok\"}";
    assert_eq!(stage.demo.metric(attempts).await, 0.0, "HEAD of a live channel asks nobody");
}

#[tokio::test]
async fn several_urls_share_a_connection() {
    let Some(stage) = Stage::set().await else { return };
    let mut command = stage.curl();
    // After answers with and without bodies, after errors too.
    let paths = [
        "/stream/film",
        "/stream/none",
        "/hls/hls/playlist.m3u8",
        "/nothing",
        "/health",
        "/stream/film",
    ];
    for path in paths {
        command.args(["-o", "/dev/null"]).arg(stage.url(path));
    }
    command.args(["-w", "%{http_code} %{num_connects} %{size_download}\n"]);
    let said = run_clean(&mut command).await;
    let answers: Vec<Vec<&str>> = said.lines().map(|line| line.split(' ').collect()).collect();
    let statuses: Vec<&str> = answers.iter().map(|answer| answer[0]).collect();
    assert_eq!(statuses, ["200", "404", "200", "404", "200", "200"]);
    let connects: Vec<&str> = answers.iter().map(|answer| answer[1]).collect();
    assert_eq!(connects, ["1", "0", "0", "0", "0", "0"], "one connection for all");
    let whole = stage.film.len().to_string();
    assert_eq!((answers[0][2], answers[5][2]), (whole.as_str(), whole.as_str()));
}

#[tokio::test]
async fn a_transfer_that_curl_cuts_leaves_nothing_behind() {
    let Some(stage) = Stage::set().await else { return };
    let (one, film) = (stage.url("/stream/demo"), stage.url("/stream/film"));
    for _ in 0..3 {
        let (mut live, mut part) = (stage.curl(), stage.curl());
        let (live, part) = tokio::join!(run(live.args(["-m", "1", &one])), begin(part.arg(&film)));
        assert_eq!(live.status.code(), Some(28), "its time is over");
        assert!(live.stdout.len() > 188 && live.stdout[0] == 0x47);
        assert!(stage.film.starts_with(&part));
    }
    stage.no_session_is_left("demo").await;
    stage.no_session_is_left("film").await;
    let cut = "weir_sessions_total{channel=\"demo\",end=\"client_closed\"}";
    assert_eq!(stage.demo.metric(cut).await, 3.0);
}

/// The first bytes of a transfer, whose reader leaves after them, so that curl gives up.
async fn begin(command: &mut Command) -> Vec<u8> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut bytes = vec![0; 100_000];
    child.stdout.take().unwrap().read_exact(&mut bytes).await.unwrap();
    let status = within("curl gives up", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(23), "nobody takes what it writes");
    bytes
}
