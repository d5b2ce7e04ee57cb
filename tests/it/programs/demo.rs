//! The demo as its user meets it: the program itself, and FFmpeg as the player of its channels.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Folder;
use super::Server;
use super::ffmpeg;
use super::programs;
use super::run_clean;
use crate::support::eventually::eventually;
use crate::support::eventually::eventually_async;
use crate::support::player::Player;

/// `weir demo` on ports that the kernel picks.
pub(super) struct Demo {
    /// Of the media listener: `http://127.0.0.1:PORT`.
    pub(super) base: String,
    pub(super) admin: SocketAddr,
    /// Where the generated channels come from.
    pub(super) origin: SocketAddr,
    server: Server,
    folder: Folder,
}

impl Demo {
    pub(super) async fn start() -> Self {
        let folder = Folder::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("demo").current_dir(&folder.0).env_clear();
        command.env("WEIR_LISTEN__STREAM", "127.0.0.1:0").env("WEIR_LISTEN__ADMIN", "127.0.0.1:0");
        command.stdout(folder.file("out")).stderr(folder.file("err"));
        let mut server = Server::start(&mut command);
        let welcome = eventually("the demo says what to open", || {
            let ended = server.ended();
            assert!(ended.is_none(), "{ended:?}: {}{}", folder.read("out"), folder.read("err"));
            Some(folder.read("out")).filter(|text| text.contains("Ctrl-C ends it."))
        })
        .await;
        let address = |before: &str, after: &str| -> SocketAddr {
            let found = welcome.lines().find_map(|line| {
                let (_, rest) = line.split_once(before)?;
                let (address, rest) = rest.split_once('/')?;
                rest.starts_with(after).then(|| address.parse().unwrap())
            });
            found.unwrap_or_else(|| panic!("no {after} in {welcome}"))
        };
        let stream = address("  http://", "stream/demo");
        let admin = address("curl http://", "metrics");
        let origin = address("-X POST http://", "primary/off");
        Self { base: format!("http://{stream}"), admin, origin, server, folder }
    }

    /// A metric of the running demo; 0 when it is absent.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let answer = Player::get(self.admin, "/metrics").await;
        let found =
            answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map_or(0.0, |figure| figure.parse().unwrap())
    }

    /// What it has logged.
    fn log(&mut self) -> String {
        assert!(self.server.ended().is_none(), "it runs on");
        self.folder.read("err")
    }
}

async fn streams(ffprobe: &Path, url: &str) -> Vec<String> {
    let mut command = tokio::process::Command::new(ffprobe);
    command.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url]);
    let mut found: Vec<String> = run_clean(&mut command)
        .await
        .lines()
        .map(|line| line.trim_matches([' ', ',']).to_owned())
        .collect();
    found.retain(|name| !name.is_empty());
    found.sort();
    // A probe of HLS names a stream in its program and once more by itself.
    found.dedup();
    found
}

#[tokio::test]
async fn ffprobe_finds_picture_and_sound_in_every_demo_channel() {
    let Some([ffprobe]) = programs(["ffprobe"]) else { return };
    let demo = Demo::start().await;
    let paths = [
        "/stream/demo",
        "/stream/two",
        "/stream/film",
        "/stream/hls",
        "/hls/hls/playlist.m3u8",
        "/stream/hls?format=ts",
    ];
    let mut seen = 0;
    for path in paths {
        let found = streams(&ffprobe, &format!("{}{path}", demo.base)).await;
        assert_eq!(found, ["aac", "h264"], "{path}");
        seen += 1;
    }
    assert_eq!(seen, paths.len());
}

#[tokio::test]
async fn ffmpeg_plays_the_demo_for_twenty_seconds_without_an_error() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let mut demo = Demo::start().await;
    let url = |path: &str| format!("{}{path}", demo.base);
    let (one, two, hls) = (url("/stream/demo"), url("/stream/two"), url("/hls/hls/playlist.m3u8"));
    let (film, stream) = (url("/stream/film"), url("/stream/hls?format=ts"));
    let (one, two, hls, stream, film) = tokio::join!(
        ffmpeg::play(&ffmpeg, &one, 20),
        ffmpeg::play(&ffmpeg, &two, 20),
        ffmpeg::play(&ffmpeg, &hls, 20),
        ffmpeg::play(&ffmpeg, &stream, 20),
        ffmpeg::play(&ffmpeg, &film, 60),
    );
    for (name, played, frames) in [
        ("one", one, 500),
        ("two", two, 500),
        ("hls", hls, 500),
        ("stream", stream, 500),
        ("film", film, 1500),
    ] {
        assert!(played.abs_diff(frames) <= 5, "{name}: {played} pictures");
    }
    let log = demo.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn ffmpeg_finds_its_place_in_the_demo_film() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let demo = Demo::start().await;
    let (direct, through) =
        (format!("http://{}/film.ts", demo.origin), format!("{}/stream/film", demo.base));
    let pictures = async |url: &str, second: &str| {
        let mut command = tokio::process::Command::new(&ffmpeg);
        command.args(["-v", "error", "-nostdin", "-ss", second, "-i", url, "-t", "4"]);
        command.args(["-f", "framemd5", "-c:v", "rawvideo", "-map", "0:v", "-"]);
        run_clean(&mut command).await
    };
    let mut seen = 0;
    for second in ["7", "30.5", "52"] {
        // Where it lands is FFmpeg's own affair; it is the same place either way.
        let (direct, through) = tokio::join!(pictures(&direct, second), pictures(&through, second));
        let count = through.lines().filter(|line| !line.starts_with('#')).count();
        assert!(count > 50, "{second}: {count} pictures of 100");
        assert_eq!(direct, through, "{second}");
        seen += 1;
    }
    assert_eq!(seen, 3);
    assert!(
        demo.metric("weir_upstream_attempts_total{channel=\"film\",source=\"0\",outcome=\"ok\"}")
            .await
            > 3.0
    );
}

#[tokio::test]
async fn ffmpeg_prints_nothing_while_the_primary_dies_and_the_channel_is_switched_by_hand() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let demo = Demo::start().await;
    let url = format!("{}/stream/demo", demo.base);
    let post = async |address: SocketAddr, path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let answer = Player::fetch(address, &request).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        answer.text().to_owned()
    };
    let count = async |reason: &str| {
        let metric = format!("weir_failovers_total{{channel=\"demo\",reason=\"{reason}\"}}");
        demo.metric(&metric).await
    };
    let trouble = async {
        for round in 1..=3 {
            let watched = || async {
                (demo.metric("weir_sessions{channel=\"demo\"}").await > 0.0).then_some(())
            };
            eventually_async("somebody watches", watched).await;
            post(demo.origin, "/primary/off").await;
            let died = async || (count("ended").await >= f64::from(round)).then_some(());
            eventually_async("it goes on from the backup", died).await;
            post(demo.origin, "/primary/on").await;
            for _ in 0..2 {
                let told = post(demo.admin, "/api/v1/channels/demo/failover").await;
                assert!(told.contains("\"outcome\":\"switched\""), "{told}");
            }
            // The backup plays now; the next round begins on the primary.
            let told = post(demo.admin, "/streams/demo/failover").await;
            assert!(told.contains("\"to\":0"), "{told}");
        }
    };
    let (pictures, ()) = tokio::join!(ffmpeg::play(&ffmpeg, &url, 20), trouble);
    // The clock goes on as if nothing had happened.
    assert!(pictures.abs_diff(500) <= 5, "{pictures} pictures");
    assert_eq!((count("ended").await, count("manual").await), (3.0, 9.0));
}
