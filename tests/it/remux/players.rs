//! Real players of what is converted: picture and sound from the beginning, and nothing to complain of.

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::Instant;

use super::*;
use crate::programs::Folder;
use crate::programs::browser::driver::Browser;
use crate::programs::ffmpeg;
use crate::programs::run;
use crate::programs::run_clean;
use crate::programs::text;
use crate::support::content::Recording;
use crate::support::player::Player;
use crate::support::programs::installed;
use crate::support::programs::programs;
use crate::support::programs::skipped;

/// Of a recording.
const SECONDS: u64 = 40;
const BITS_PER_SECOND: u64 = 1_500_000;
/// What is played of it at least.
const LOOK: u64 = 8;
/// How long a player may take for it; only met by one that fails.
const DEADLINE: Duration = Duration::from_secs(90);
/// Pause between two looks at a page.
const POLL: Duration = Duration::from_millis(250);
/// What is heard of the tone, which is four times as loud.
const TONE: f64 = 0.1;
/// Who is nobody, for players that refuse to be anybody's but a user's.
const NOBODY: u32 = 65_534;

/// Codings that this build converts, with what makes FFmpeg encode them.
const SOUNDS: &[(&str, &str)] = &[
    ("mp2", "aformat=channel_layouts=stereo"),
    #[cfg(feature = "libav")]
    ("ac3", "pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"),
];

/// Channels of every sound, converted for all at once (`mp2-fan`) and for each (`mp2-own`).
struct Television {
    gateway: Gateway,
    _origin: Origin,
    folder: Folder,
    channels: Vec<String>,
}

impl Television {
    /// None, loudly, where FFmpeg has no encoder for its pictures.
    async fn on(ffmpeg: &Path) -> Option<Self> {
        let encoders = run_clean(Command::new(ffmpeg).args(["-v", "error", "-encoders"])).await;
        if !encoders.contains(" libx264 ") {
            skipped("FFmpeg has no libx264");
            return None;
        }
        let folder = Folder::new();
        let mut recordings = Vec::new();
        for (sound, layout) in SOUNDS {
            let recording = recording(ffmpeg, &folder, sound, layout).await;
            recordings.push((format!("/{sound}.ts"), recording));
        }
        let origin = Origin::start(move |request| {
            let path = request.path();
            let (_, recording) = recordings.iter().find(|(name, _)| name == path).expect("of ours");
            Script::live(Feed::of(recording.clone()).rate(BITS_PER_SECOND / 8)).stall()
        })
        .await;
        let (mut channels, mut lines) = (Vec::new(), Vec::new());
        for (sound, _) in SOUNDS {
            for profile in ["own", "fan"] {
                let channel = format!("{sound}-{profile}");
                lines.push(live(&channel, profile, &[origin.url(&format!("/{sound}.ts"))]));
                channels.push(channel);
            }
        }
        let gateway = gateway("", &lines).await;
        Some(Self { gateway, _origin: origin, folder, channels })
    }

    fn url(&self, channel: &str) -> String {
        format!("http://{}/stream/{channel}", self.gateway.stream)
    }

    /// Somebody has been watching a channel for a while.
    async fn watched(&self, channel: &str) -> Player {
        let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
        let (mut player, head) = Player::ask(self.gateway.stream, &request).await;
        assert_eq!(head.status, 200);
        player.read_exact_body(1800 * 188).await;
        player
    }
}

/// A test picture in H.264 that can be entered once a second, and a tone, at a constant bit rate.
async fn recording(ffmpeg: &Path, folder: &Folder, sound: &str, layout: &str) -> Recording {
    let file = folder.join(format!("{sound}.ts"));
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
    let tone = format!("sine=frequency=440:sample_rate=48000,volume=4,{layout}");
    command.args(["-f", "lavfi", "-i", &tone, "-t", &SECONDS.to_string()]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"]);
    command.args(["-b:v", "500k", "-maxrate", "500k", "-bufsize", "250k", "-c:a", sound]);
    command.args(["-muxrate", &BITS_PER_SECOND.to_string(), "-f", "mpegts", "-y"]);
    run_clean(command.arg(&file)).await;
    Recording(std::fs::read(file).unwrap().into())
}

#[tokio::test]
async fn ffmpeg_decodes_every_picture_from_its_first_on_and_all_sound() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let Some(television) = Television::on(&ffmpeg).await else { return };
    for channel in &television.channels {
        let url = television.url(channel);
        // One begins with the stream, and one, of a shared channel, in the middle of it.
        let (first, second) = tokio::join!(ffmpeg::play(&ffmpeg, &url, 10), async {
            let _other = television.watched(channel).await;
            ffmpeg::play(&ffmpeg, &url, 10).await
        });
        for pictures in [first, second] {
            assert!(pictures.abs_diff(250) <= 5, "{channel}: {pictures} pictures");
        }
    }
    assert!(television.channels.len() >= 2);
}

#[tokio::test]
async fn mpv_plays_without_a_complaint() {
    let Some([ffmpeg, mpv]) = programs(["ffmpeg", "mpv"]) else { return };
    let Some(television) = Television::on(&ffmpeg).await else { return };
    for channel in &television.channels {
        let log = television.folder.join(format!("{channel}.log"));
        let mut command = Command::new(&mpv);
        command.args(["--no-config", "--no-terminal", "--ao=null", "--vo=null"]);
        command.arg(format!("--length={LOOK}")).arg(format!("--log-file={}", log.display()));
        run_clean(command.arg(television.url(channel))).await;
        let log = television.folder.read(&format!("{channel}.log"));
        let complaints: Vec<_> = log
            .lines()
            .filter(|line| ["][w][", "][e][", "][f]["].iter().any(|it| line.contains(it)))
            .collect();
        assert_eq!(complaints, [""; 0], "{channel}");
        for played in ["AO: [null] 48000Hz stereo", "VO: [null] 320x180", "EOF code: 1"] {
            assert!(log.contains(played), "{channel}, {played}: {log}");
        }
    }
}

#[tokio::test]
async fn vlc_plays_with_sound_and_without_a_complaint() {
    let Some([ffmpeg, vlc]) = programs(["ffmpeg", "vlc"]) else { return };
    let Some(television) = Television::on(&ffmpeg).await else { return };
    for channel in &television.channels {
        let home = television.folder.join(format!("{channel}.home"));
        std::fs::create_dir(&home).unwrap();
        let heard = home.join("heard.wav");
        let mut command = Command::new(&vlc);
        command.args(["-I", "dummy", "--vout", "dummy", "--no-color", "--verbose", "0"]);
        command.args(["--aout", "afile", "--audiofile-format", "s16", "--audiofile-file"]);
        command.arg(&heard).args(["--run-time", &LOOK.to_string()]);
        command.arg(television.url(channel)).arg("vlc://quit").env("HOME", &home);
        if std::fs::metadata(&home).unwrap().uid() == 0 {
            chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = run(&mut command).await;
        let said = text(&output.stderr);
        // It looks for a desktop, too.
        let complaint = |line: &&str| line.contains(" error: ") && !line.contains("interface");
        assert_eq!(said.lines().find(complaint), None, "{channel}: {said}");
        let heard = std::fs::read(heard).unwrap_or_else(|error| panic!("{error}: {said}"));
        let seconds = heard.len() as u64 / (48_000 * 4);
        assert!(seconds + 1 >= LOOK, "{channel}: {seconds} s of sound: {said}");
        let (samples, _) = heard.get(44..).expect("a head").as_chunks();
        let peak = samples.iter().map(|it| f64::from(i16::from_le_bytes(*it)).abs() / 32_768.0);
        assert!(peak.fold(0.0, f64::max) > TONE, "{channel} is silent");
    }
}

#[tokio::test]
async fn mpegts_js_in_a_browser_plays_with_sound() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let Some([chromium, chromedriver]) = programs(["chromium", "chromedriver"]) else { return };
    let library = "tests/browser/node_modules/mpegts.js/dist/mpegts.js";
    let Some(library) = installed(library, "npm ci in tests/browser") else { return };
    let Some(television) = Television::on(&ffmpeg).await else { return };
    let page = include_str!("../../browser/live.html");
    let browser = Browser::start(&chromedriver, &chromium, page, &library).await;
    for channel in &television.channels {
        browser.run("play(...arguments)", json!([channel, television.url(channel)])).await;
    }
    for channel in &television.channels {
        let report = played(&browser, channel).await;
        println!("{channel}: {report}");
        assert_eq!((&report["width"], &report["height"]), (&json!(320), &json!(180)), "{report}");
        assert_eq!(report["back"], 0, "{report}");
        assert!(report["skipped"].as_f64() < Some(1.0), "{report}");
        assert!(report["pictures"].as_u64() > Some(100), "{report}");
        assert!(report["sound"].as_u64() > Some(1000), "{report}");
        assert!(report["peak"].as_f64() > Some(TONE), "{report}");
    }
    browser.close().await;
}

/// How it went, once a page has played a channel for long enough.
///
/// # Panics
/// If there is a fatal error, or it is not so before the deadline.
async fn played(browser: &Browser, channel: &str) -> Value {
    let started = Instant::now();
    loop {
        let report = browser.run("return report(...arguments)", json!([channel])).await;
        assert_eq!(report["fatal"], json!([]), "{channel}: {report}");
        if report["played"].as_f64() >= Some(LOOK as f64) {
            return report;
        }
        assert!(started.elapsed() < DEADLINE, "{channel}, not in time: {report}");
        tokio::time::sleep(POLL).await;
    }
}
