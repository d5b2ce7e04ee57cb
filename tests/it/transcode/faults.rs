//! What can go wrong with a program: each a cause of its own, and nothing of it is left.

use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use weir::transcode::Cause;
use weir::transcode::End;
use weir::transcode::Error;
use weir::transcode::Output;

use super::COPY;
use super::Running;
use super::Stage;
use super::exists;
use super::profile;
use crate::support::eventually::eventually;
use crate::support::ts::TsPattern;

fn television() -> Vec<u8> {
    TsPattern::new(1).packets(0, 100)
}

/// What a script leads to that fails every time.
async fn given_up(stage: &Stage, running: Running) -> (Cause, u32, String) {
    let end = running.end().await;
    stage.is_empty().await;
    let End::GivenUp { cause, failures, message } = end else { panic!("{end}") };
    (cause, failures, message)
}

#[tokio::test]
async fn one_that_crashes_at_once_is_started_again_and_given_up() {
    let text = "echo 'cannot open http://user:canary@h.example/canary' >&2; exit 3";
    let stage = Stage::scripted(text, |_| {});
    stage.rescript(text, |limits| limits.restarts = 1);
    let mut running = stage.run(COPY);
    assert_eq!(running.next().await, Some(Output::Begins));
    assert_eq!(running.next().await, Some(Output::Begins));
    let monitor = std::sync::Arc::clone(&running.monitor);
    let (cause, failures, message) = given_up(&stage, running).await;
    assert_eq!((cause, failures), (Cause::Crashed, 2));
    assert_eq!(message, "cannot open http://h.example/***");
    let status = monitor.status();
    assert_eq!((status.starts, status.last_exit, status.pid), (2, Some(Cause::Crashed), None));
    assert!(!format!("{status:?}").contains("canary"));
    assert!(stage.shows("weir_ffmpeg_starts_total{channel=\"tv\"} 2"));
    assert!(stage.shows("weir_ffmpeg_exits_total{channel=\"tv\",cause=\"crashed\"} 2"));
}

#[tokio::test]
async fn each_way_to_fail_has_its_cause() {
    let cases = [
        ("exit 0", Cause::NoOutput),
        ("cat > /dev/null", Cause::StartTimeout),
        ("exec sleep 1000", Cause::StartTimeout),
        (
            "echo '<html>no television, but long enough to be none</html>'; exec cat > /dev/null",
            Cause::Garbage,
        ),
        ("yes garbage", Cause::Garbage),
        ("kill -ABRT $$", Cause::Signal),
        (
            "echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228",
            Cause::DiskFull,
        ),
        (
            "for file in 1 2 3; do head -c 700000 /dev/zero > $file; done; exec cat > /dev/null",
            Cause::Quota,
        ),
        ("exec dd if=/dev/zero of=large bs=1M count=10", Cause::Quota),
        ("head -c 1880 /dev/null; exit 1", Cause::Crashed),
    ];
    let mut seen = 0;
    for (text, expected) in cases {
        let stage = Stage::scripted(text, |_| {});
        stage.rescript(text, |limits| limits.disk = 1 << 20);
        let mut profile = profile(COPY);
        // Long enough for the folder to be looked at before.
        profile.input_timeout = Duration::from_secs(3);
        let running = Running::of(stage.transcoder.try_begin("tv", &profile).unwrap());
        running.feed_for_ever(television());
        let (cause, failures, _) = given_up(&stage, running).await;
        assert_eq!((cause, failures), (expected, 1), "{text}");
        let line =
            format!("weir_ffmpeg_exits_total{{channel=\"tv\",cause=\"{}\"}} 1", expected.word());
        assert!(stage.shows(&line), "{text}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn one_that_is_missing_is_told_before_anything_is_started() {
    let stage = Stage::scripted("exec cat", |_| {});
    for program in ["no-such-program-anywhere", "/nonexistent/ffmpeg", "/proc/version", "/tmp"] {
        stage.rescript("exec cat", |limits| limits.program = program.into());
        let error = stage.transcoder.try_begin("tv", &profile(COPY)).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        assert!(error.to_string().contains(program), "{error}");
    }
    assert_eq!(stage.folders(), 0);
    // There, and yet it cannot be executed.
    stage.rescript("exec cat", |_| {});
    let program = stage.folder.join("fake-ffmpeg");
    let transcode = stage.begin(COPY);
    std::fs::remove_file(program).unwrap();
    let (cause, failures, message) = given_up(&stage, Running::of(transcode)).await;
    assert_eq!((cause, failures), (Cause::Missing, 1));
    assert!(message.contains("cannot execute") && message.contains("No such file"), "{message}");
}

#[tokio::test]
async fn a_flood_of_messages_neither_blocks_nor_grows() {
    let stage = Stage::scripted("yes 'a flood' >&2 & exec cat", |_| {});
    let running = stage.run(COPY);
    let monitor = std::sync::Arc::clone(&running.monitor);
    let bytes = TsPattern::new(1).packets(0, 20_000);
    let (all, end) = running.pass(bytes.clone()).await;
    assert_eq!((all.len(), end), (bytes.len(), End::Input));
    assert!(all == bytes, "the same bytes");
    let messages = monitor.status().messages;
    assert!(messages.len() <= 50 && messages.iter().all(|line| line == "a flood"));
    stage.is_empty().await;
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed() {
    let stage = Stage::scripted("trap '' TERM INT; sleep 1000 & while :; do sleep 1; done", |_| {});
    let running = stage.run(COPY);
    let pid = running.pid().await;
    drop(running.output);
    let end = running.task.await.unwrap();
    assert_eq!(end, End::Output);
    assert!(!exists(pid));
    assert!(stage.shows("weir_ffmpeg_exits_total{channel=\"tv\",cause=\"stopped\"} 1"));
    stage.is_empty().await;
}

#[tokio::test]
async fn one_that_is_killed_is_started_again_and_goes_on() {
    let stage = Stage::scripted("exec cat", |_| {});
    stage.rescript("exec cat", |limits| limits.restarts = 3);
    let mut running = stage.run(COPY);
    running.feed_for_ever(television());
    assert_eq!(running.next().await, Some(Output::Begins));
    assert!(matches!(running.next().await, Some(Output::Bytes(_))));
    let first = running.pid().await;
    kill_process(Pid::from_raw(first.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    while running.next().await != Some(Output::Begins) {}
    assert!(matches!(running.next().await, Some(Output::Bytes(bytes)) if bytes[0] == 0x47));
    let status = running.monitor.status();
    assert_eq!((status.starts, status.last_exit), (2, Some(Cause::Signal)));
    assert_ne!(status.pid, Some(first));
    drop(running);
    stage.is_empty().await;
}

#[tokio::test]
async fn each_side_goes_on_while_the_other_waits() {
    let stage = Stage::scripted("exec cat", |_| {});
    let mut running = stage.run(COPY);
    let bytes = TsPattern::new(1).packets(0, 50_000);
    // Nobody takes the output: FFmpeg's pipes and both queues fill, and input waits.
    let mut given = 0;
    let mut pieces = bytes.chunks(10_000).map(bytes::Bytes::copy_from_slice);
    let mut waiting = None;
    for piece in pieces.by_ref() {
        let length = piece.len();
        let sent = running.input.send_timeout(piece, Duration::from_millis(500)).await;
        if let Err(tokio::sync::mpsc::error::SendTimeoutError::Timeout(piece)) = sent {
            waiting = Some(piece);
            break;
        }
        sent.unwrap();
        given += length;
    }
    assert!(given < bytes.len() / 2, "{given} of {} were taken", bytes.len());
    // It is taken now, and everything comes, in order.
    let input = running.input.clone();
    let rest: Vec<_> = waiting.into_iter().chain(pieces).collect();
    let feed = async move {
        for piece in rest {
            input.send(piece).await.unwrap();
        }
    };
    running.close_input();
    let collect = async {
        let mut all = Vec::new();
        while let Some(output) = running.output.recv().await {
            if let Output::Bytes(piece) = output {
                assert_eq!(piece.len() % 188, 0);
                all.extend_from_slice(&piece);
            }
        }
        all
    };
    let (_, all) = tokio::join!(feed, collect);
    assert!(all == bytes, "the same bytes");
    assert_eq!(running.task.await.unwrap(), End::Input);
}

#[tokio::test]
async fn one_that_stops_reading_is_stalled() {
    let stage = Stage::scripted("head -c 18800; exec sleep 1000", |_| {});
    let running = stage.run(COPY);
    running.feed_for_ever(television());
    let monitor = std::sync::Arc::clone(&running.monitor);
    let (cause, ..) = given_up(&stage, running).await;
    assert_eq!(cause, Cause::Stalled);
    eventually("the status", || (monitor.status().last_exit == Some(Cause::Stalled)).then_some(()))
        .await;
}
