//! Channels whose profile has the `ffmpeg` program convert their sound.

use std::path::Path;

use tokio::process::Command;

use super::*;
use crate::programs::Folder;
use crate::programs::run_clean;
use crate::support::content::Recording;
use crate::support::programs::programs;

/// Seconds of a recording.
const SECONDS: u64 = 30;

/// Moving bars with AC-3 in English, 2 channels, and in German, 6 channels.
async fn recording(ffmpeg: &Path, folder: &Folder) -> Recording {
    let file = folder.join("in.ts");
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    command.args(["-map", "0:v", "-map", "1:a", "-map", "1:a", "-t", &SECONDS.to_string()]);
    command.args(["-c:v", "mpeg2video", "-g", "12", "-c:a", "ac3", "-ac:a:0", "2", "-ac:a:1", "6"]);
    command.args(["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]);
    run_clean(command.args(["-f", "mpegts", "-y"]).arg(&file)).await;
    Recording(std::fs::read(file).unwrap().into())
}

/// The streams in a file, each with what there is of codec, channels and language.
async fn streams(ffprobe: &Path, file: &Path) -> Vec<String> {
    let mut probe = Command::new(ffprobe);
    probe.args(["-v", "error", "-of", "csv=p=0", "-show_entries"]);
    probe.arg("stream=codec_name,channels:stream_tags=language").arg(file);
    let said = run_clean(&mut probe).await;
    let mut lines: Vec<_> = said.lines().map(|line| line.trim_matches(',').to_owned()).collect();
    // It lists streams a second time as parts of their programme, without a language.
    lines.retain(|line| line == "mpeg2video" || line.matches(',').count() == 2);
    lines.sort();
    lines.dedup();
    lines
}

#[tokio::test]
async fn ffmpeg_converts_the_sound_and_copies_the_picture() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let folder = Folder::new();
    let recording = recording(&ffmpeg, &folder).await;
    assert_eq!(
        streams(&ffprobe, &folder.join("in.ts")).await,
        ["ac3,2,eng", "ac3,6,ger", "mpeg2video"]
    );
    // Three times as fast as it plays: FFmpeg takes its time to look at the beginning.
    let rate = recording.0.len() as u64 * 3 / SECONDS;
    let origin =
        Origin::start(move |_| Script::live(Feed::of(recording.clone()).rate(rate)).stall()).await;
    let cases = [
        ("bitrate: 96k", &["aac,2,eng", "aac,2,ger", "mpeg2video"][..]),
        ("languages: deu, channels: 1", &["aac,1,ger", "mpeg2video"]),
        ("tracks: 1", &["aac,2,eng", "mpeg2video"]),
    ];
    let mut seen = 0;
    for (keys, expected) in cases {
        let gateway = Gateway::start(&format!(
            "profiles: {{sound: {{delivery: shared, audio: {{via: ffmpeg, {keys}}}}}}}\n\
             channels: {{tv: {{kind: live, profile: sound, sources: [\"{}\"]}}}}\n",
            origin.url("/tv.ts")
        ))
        .await;
        let mut viewer = tune(&gateway, "tv").await;
        let out = folder.join("out.ts");
        std::fs::write(&out, viewer.player().read_exact_body(188 * 3000).await).unwrap();
        assert_eq!(streams(&ffprobe, &out).await, expected, "{keys}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn xg2g_without_its_remuxer_has_ffmpeg_convert() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let folder = Folder::new();
    let recording = recording(&ffmpeg, &folder).await;
    let rate = recording.0.len() as u64 * 3 / SECONDS;
    let receiver =
        Origin::start(move |_| Script::live(Feed::of(recording.clone()).rate(rate)).stall()).await;
    let target = format!("http://{}", receiver.authority());
    let variables = [
        ("XG2G_PROXY_TARGET", target.as_str()),
        ("XG2G_ENABLE_AUDIO_TRANSCODING", "true"),
        ("XG2G_USE_RUST_REMUXER", "false"),
        ("XG2G_AUDIO_CHANNELS", "1"),
    ];
    let gateway = Gateway::start_with("", &variables).await;
    let request = "GET /1:0:19:132F:3EF:1:C00000:0:0:0: HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut viewer = Viewer::tune(gateway.stream, request).await;
    let out = folder.join("out.ts");
    std::fs::write(&out, viewer.player().read_exact_body(188 * 3000).await).unwrap();
    assert_eq!(streams(&ffprobe, &out).await, ["aac,1,eng", "aac,1,ger", "mpeg2video"]);
}
