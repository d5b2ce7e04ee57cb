//! FFmpeg as a live source and as a player.

use std::path::Path;
use std::process::Command as StdCommand;

use tokio::process::Command;

use super::Folder;
use super::Server;
use super::free_port;
use super::programs;
use super::run;
use super::run_clean;
use super::text;
use crate::support::eventually::eventually;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::TsCheck;

/// Decodes picture and sound of `url` for `seconds`, and returns the number of pictures.
///
/// # Panics
/// With what FFmpeg says on standard error, if it says anything.
pub(crate) async fn play(ffmpeg: &Path, url: &str, seconds: u32) -> u32 {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-nostdin", "-xerror", "-i", url, "-t", &seconds.to_string()]);
    command.args(["-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-progress", "-", "-"]);
    let progress = run_clean(&mut command).await;
    let frames = progress.lines().rev().find_map(|line| line.strip_prefix("frame="));
    frames.expect("a number of pictures").trim().parse().unwrap()
}

/// A test picture and a tone over HTTP, for one reader, in real time.
struct LiveSource {
    port: u16,
    video: &'static str,
    server: Server,
    folder: Folder,
}

impl LiveSource {
    async fn start(ffmpeg: &Path) -> Self {
        let encoders = run_clean(Command::new(ffmpeg).args(["-v", "error", "-encoders"])).await;
        let (encoder, video) = if encoders.contains(" libx264 ") {
            ("libx264", "h264")
        } else {
            ("mpeg2video", "mpeg2video")
        };
        for _ in 0..10 {
            let port = free_port();
            let folder = Folder::new();
            let mut command = StdCommand::new(ffmpeg);
            command.args(["-v", "error", "-nostdin", "-re", "-f", "lavfi"]);
            command.args(["-i", "testsrc2=size=320x180:rate=25"]);
            command.args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
            command.args(["-c:v", encoder, "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"]);
            if encoder == "libx264" {
                command.args(["-preset", "ultrafast", "-tune", "zerolatency"]);
            }
            command.args(["-c:a", "aac", "-t", "60", "-f", "mpegts", "-listen", "1"]);
            command.arg(format!("http://127.0.0.1:{port}/live.ts"));
            command.stdout(folder.file("out")).stderr(folder.file("err"));
            let mut server = Server::start(&mut command);
            // It takes one connection only, so nobody may knock.
            let listening = eventually("FFmpeg listens, or has ended", || {
                if server.ended().is_some() { Some(false) } else { listens(port).then_some(true) }
            });
            if listening.await {
                return Self { port, video, server, folder };
            }
        }
        panic!("FFmpeg does not listen");
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/live.ts", self.port)
    }
}

/// Whether somebody listens on this port of 127.0.0.1, as the kernel's table says.
fn listens(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let address = format!("0100007F:{port:04X}");
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&address) && words.nth(1) == Some("0A")
    })
}

async fn gateway(source: &LiveSource) -> Gateway {
    Gateway::start(&format!("channels: {{one: {{sources: [{:?}], kind: live}}}}", source.url()))
        .await
}

#[tokio::test]
async fn ffmpeg_plays_what_ffmpeg_sends_for_twenty_seconds_without_an_error() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let source = LiveSource::start(&ffmpeg).await;
    let gateway = gateway(&source).await;
    let frames = play(&ffmpeg, &format!("http://{}/stream/one", gateway.stream), 20).await;
    assert!(frames.abs_diff(500) <= 3, "{frames} pictures");
    let gone =
        async || (gateway.metric("weir_sessions{channel=\"one\"}").await == 0.0).then_some(());
    eventually_async("the session ends with its player", gone).await;
}

#[tokio::test]
async fn ffprobe_finds_in_the_stream_what_ffmpeg_put_there() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let source = LiveSource::start(&ffmpeg).await;
    let gateway = gateway(&source).await;
    let url = format!("http://{}/stream/one", gateway.stream);
    let mut command = Command::new(&ffprobe);
    command.args(["-v", "error", "-show_entries", "stream=codec_name,width,sample_rate"]);
    command.args(["-of", "csv=p=0", &url]);
    let found = run_clean(&mut command).await;
    assert!(found.contains(&format!("{},320", source.video)), "{found}");
    assert!(found.contains("aac,48000"), "{found}");
}

#[tokio::test]
async fn a_real_stream_is_clean_packet_by_packet_and_its_source_sees_the_player_leave() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let mut source = LiveSource::start(&ffmpeg).await;
    let gateway = gateway(&source).await;
    let (mut player, head) = Player::ask(gateway.stream, &presets::get("x", "/stream/one")).await;
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp2t")));
    let mut check = TsCheck::new();
    let mut bytes = 0;
    player
        .discard_while(|chunk| {
            check.feed(chunk);
            bytes += chunk.len();
            bytes < 400_000
        })
        .await;
    check.finish().assert_clean("FFmpeg's own stream");
    player.close();
    // A sender whose only reader has left ends, as it does without a gateway between them.
    let ended = eventually("FFmpeg notices", || source.server.ended()).await;
    let said = source.folder.read("err");
    assert!(
        said.contains("Broken pipe") || said.contains("reset") || ended.success(),
        "{ended}: {said}"
    );
}

#[tokio::test]
async fn ffmpeg_takes_an_error_for_an_error() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let gateway = Gateway::start("channels: {}").await;
    let url = format!("http://{}/stream/none", gateway.stream);
    let mut command = Command::new(&ffmpeg);
    let output =
        run(command.args(["-v", "error", "-nostdin", "-i", &url, "-f", "null", "-"])).await;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("404"), "{}", text(&output.stderr));
}
