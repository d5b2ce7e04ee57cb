//! The real FFmpeg: what comes out plays, whatever went in.

use std::path::Path;
use std::sync::Arc;

use tokio::process::Command;
use weir::config;
use weir::config::Environment;
use weir::config::Ffmpeg;
use weir::ffmpeg::Hardware;
use weir::transcode::End;

use super::Running;
use super::Stage;
use crate::programs::run_clean;
use crate::support::programs::programs;
use crate::support::programs::skipped;

/// The profile of this name that exists without being written.
fn built_in(name: &str) -> Ffmpeg {
    let loaded = config::parse("", "", &Environment::default()).unwrap();
    let profile = loaded.config.profiles.into_iter().find(|profile| profile.name == name);
    profile.unwrap().ffmpeg.unwrap()
}

/// Ten seconds of moving bars and a tone.
async fn recording(ffmpeg: &Path, stage: &Stage, video: &str) -> Vec<u8> {
    let file = stage.folder.join("in.ts");
    let pictures = "testsrc2=size=320x240:rate=25:duration=10";
    run_clean(
        Command::new(ffmpeg)
            .args(["-v", "error", "-f", "lavfi", "-i", pictures])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=10"])
            .args([
                "-c:v",
                video,
                "-preset",
                "ultrafast",
                "-g",
                "25",
                "-x265-params",
                "log-level=error",
            ])
            .args(["-c:a", "ac3", "-f", "mpegts", "-y"])
            .arg(&file),
    )
    .await;
    std::fs::read(file).unwrap()
}

/// The codecs of a file, and its decoded pictures and sound in order.
async fn decoded(ffmpeg: &Path, ffprobe: &Path, file: &Path) -> (String, usize) {
    let mut probe = Command::new(ffprobe);
    probe.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]).arg(file);
    let mut codecs: Vec<_> =
        run_clean(&mut probe).await.split_whitespace().map(str::to_owned).collect();
    codecs.sort();
    codecs.dedup();
    let mut frames = Command::new(ffmpeg);
    frames.args(["-v", "error", "-i"]).arg(file).args(["-map", "0:v", "-f", "framemd5", "-"]);
    let frames = run_clean(&mut frames).await;
    (codecs.join(" "), frames.lines().filter(|line| !line.starts_with('#')).count())
}

#[tokio::test]
async fn what_comes_out_plays_as_what_went_in() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let cases = [
        ("libx264", "transport-stream", "ac3 h264"),
        ("libx265", "transport-stream", "ac3 hevc"),
        ("libx265", "h264", "aac h264"),
    ];
    let mut seen = 0;
    for (video, name, codecs) in cases {
        let stage = Stage::new(&ffmpeg, |_| {});
        let bytes = recording(&ffmpeg, &stage, video).await;
        let running = Running::of(stage.transcoder.try_begin("tv", &built_in(name)).unwrap());
        let monitor = Arc::clone(&running.monitor);
        let (all, end) = running.pass(bytes).await;
        assert_eq!(end, End::Input, "{video} {name}");
        let out = stage.folder.join("out.ts");
        std::fs::write(&out, all).unwrap();
        assert_eq!(
            decoded(&ffmpeg, &ffprobe, &out).await,
            (codecs.to_owned(), 250),
            "{video} {name}"
        );
        let status = monitor.status();
        assert_eq!((status.progress.frame, status.starts), (250, 1), "{status:?}");
        assert!(status.progress.out_time.as_secs() >= 9, "{status:?}");
        assert!(stage.shows("weir_ffmpeg_exits_total{channel=\"tv\",cause=\"ended\"} 1"));
        stage.is_empty().await;
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_playlist_and_its_segments_are_in_the_folder_while_it_runs() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let stage = Stage::new(&ffmpeg, |_| {});
    let bytes = recording(&ffmpeg, &stage, "libx264").await;
    let transcode = stage.transcoder.try_begin("tv", &built_in("hls-low-latency")).unwrap();
    let playlist = transcode.folder().join(transcode.playlist().unwrap());
    let mut running = Running::of(transcode);
    for piece in bytes.chunks(10_000) {
        running.input.send(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let text = crate::support::eventually::eventually("three segments", || {
        let text = std::fs::read_to_string(&playlist).ok()?;
        (text.matches("#EXTINF").count() >= 3).then_some(text)
    })
    .await;
    assert!(text.contains("#EXT-X-TARGETDURATION:2") && text.contains("segment_000.ts"), "{text}");
    // One after the other: a player would wait for the next one.
    let names = text.lines().filter(|line| !line.starts_with('#'));
    let folder = playlist.parent().unwrap();
    let all: Vec<_> = names.flat_map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let out = stage.folder.join("out.ts");
    std::fs::write(&out, all).unwrap();
    let (codecs, frames) = decoded(&ffmpeg, &ffprobe, &out).await;
    assert!(codecs == "ac3 h264" && frames >= 100, "{codecs} {frames}");
    running.close_input();
    assert_eq!(running.end().await, End::Input);
    stage.is_empty().await;
}

#[tokio::test]
async fn without_the_hardware_it_runs_in_software_and_says_so() {
    let Some([ffmpeg, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let stage = Stage::new(&ffmpeg, |_| {});
    let bytes = recording(&ffmpeg, &stage, "libx264").await;
    let mut seen = 0;
    for (name, hardware, what) in [
        ("nvenc", Hardware::Nvenc, "libx264 in place of h264_nvenc"),
        ("vaapi", Hardware::Vaapi, "-vf in software, libx264 in place of h264_vaapi"),
    ] {
        if stage.transcoder.trial(hardware).await.works {
            skipped(&format!("{hardware} works here"));
            continue;
        }
        let running = Running::of(stage.transcoder.try_begin("tv", &built_in(name)).unwrap());
        let monitor = Arc::clone(&running.monitor);
        let (all, end) = running.pass(bytes.clone()).await;
        assert_eq!(end, End::Input);
        assert_eq!(monitor.status().software.as_deref(), Some(what));
        let out = stage.folder.join("out.ts");
        std::fs::write(&out, all).unwrap();
        assert_eq!(decoded(&ffmpeg, &ffprobe, &out).await, ("ac3 h264".to_owned(), 250), "{name}");
        seen += 1;
    }
    assert!(seen <= 2);
    stage.is_empty().await;
}

#[tokio::test]
async fn its_version_is_told() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let stage = Stage::new(&ffmpeg, |_| {});
    assert!(stage.transcoder.version().await.unwrap().starts_with("ffmpeg version"));
    let none = Stage::scripted("echo no; exit 1", |_| {});
    assert!(none.transcoder.version().await.is_err());
    stage.is_empty().await;
}
