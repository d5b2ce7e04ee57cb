//! What is told of a conversion: metrics and the log.

use super::*;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::support::eventually::eventually;

/// A figure of the conversion of a channel.
async fn figure(gateway: &Gateway, name: &str, channel: &str) -> f64 {
    gateway.metric(&format!("weir_remux_{name}{{channel=\"{channel}\"}}")).await
}

#[tokio::test]
async fn figures_rise_and_what_is_of_now_is_taken_back() {
    let origin = good(A).await;
    let gateway = gateway(
        "relay: {idle_timeout: 0s}",
        &[
            live("figures-own", "own", &[origin.url("/")]),
            live("figures-fan", "fan", &[origin.url("/")]),
        ],
    )
    .await;
    assert!(!gateway.metrics().await.contains("weir_remux_"), "nothing is converted");
    for channel in ["figures-own", "figures-fan"] {
        let mut viewer = tune(&gateway, channel).await;
        let tracks = format!("weir_remux_tracks{{channel=\"{channel}\",codec=\"mp2\"}}");
        eventually_async("it takes time", async || {
            viewer.play(100).await;
            (figure(&gateway, "cpu_seconds_total", channel).await > 0.0).then_some(())
        })
        .await;
        assert_eq!(gateway.metric(&tracks).await, 1.0);
        for name in ["frames_total", "aac_frames_total", "lead_seconds"] {
            assert!(figure(&gateway, name, channel).await > 0.0, "{name}");
        }
        for name in ["bad_frames_total", "resyncs_total", "scrambled_packets_total"] {
            assert_eq!(figure(&gateway, name, channel).await, 0.0, "{name}");
        }
        let frames = figure(&gateway, "frames_total", channel).await;
        viewer.leave();
        eventually_async("no track is converted", async || {
            (gateway.metric(&tracks).await < 0.5).then_some(())
        })
        .await;
        assert!(figure(&gateway, "frames_total", channel).await >= frames);
        assert_eq!(figure(&gateway, "lead_seconds", channel).await, 0.0);
    }
    origin.idle().await;
}

#[tokio::test]
async fn the_log_says_what_becomes_of_the_sound_and_what_came_of_it() {
    let origin = good(A).await;
    let gateway = gateway("", &[live("said", "own", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "said").await;
    viewer.play(400).await;
    viewer.leave();
    eventually_ends(&gateway, "said", "client_closed 1").await;
    let sound = log_lines("said", &["INFO", "sound: "]);
    let [sound] = &sound[..] else { panic!("{sound:?}") };
    let pid = Silent::new(A).audio();
    assert!(sound.contains(&format!("sound: {pid:#x} deu MP2 -> AAC-LC 96k")), "{sound}");
    let end = log_lines("said", &["INFO", "conversion of sound ends", "bad_frames=0"]);
    assert!(end.len() == 1 && !end[0].contains(" frames=0 "), "{end:?}");
    assert!(log_lines("said", &["WARN"]).is_empty());
}

#[tokio::test]
async fn a_track_that_nobody_decodes_is_said_once_and_passed() {
    let pattern = TsPattern::new(A).audio(&[(Codec::Aac, "deu"), (Codec::Ac3, "eng")]);
    if BuiltIn.decodes(Coding::Ac3) {
        return;
    }
    let origin = Origin::live(pattern).await;
    let gateway = gateway(QUICK, &[live("half", "own", &[origin.url("/")])]).await;
    let mut viewer = tune(&gateway, "half").await;
    viewer.play(1000).await;
    viewer.report().assert_clean("half of it");
    let session = &sessions(&gateway, "half").await[0];
    let fates = [0, 1].map(|track| &session["remux"]["tracks"][track]["fate"]);
    assert_eq!(fates, ["passed", "undecodable"], "{session}");
    assert_eq!(log_lines("half", &["WARN", "a track of sound is not converted"]).len(), 1);
}

/// The threads of a program that convert sound.
fn threads(program: &Running) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("weir-remux-")).count()
}

#[tokio::test]
async fn threads_begin_with_the_first_client_and_end_with_the_last() {
    let origin = good(A).await;
    let program = Program::serving(&format!(
        "profiles: {{own: {{audio: {{codec: aac}}}}}}\nchannels:\n{}",
        live("threads", "own", &[origin.url("/")])
    ))
    .start();
    let stream = program.ready().await.stream;
    assert_eq!(threads(&program), 0);
    for _ in 0..2 {
        let request = presets::get_keep_alive("x", "/stream/threads");
        let mut viewer = Viewer::tune(stream, &request).await;
        viewer.play(100).await;
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!((1..=cores).contains(&threads(&program)));
        viewer.leave();
        eventually("no thread is left", || (threads(&program) == 0).then_some(())).await;
    }
    assert_eq!(program.stopped().await.code, Some(0));
}
