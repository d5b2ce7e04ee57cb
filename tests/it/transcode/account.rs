//! Processes are counted, limited and cleaned up after.

use weir::transcode::Error;
use weir::transcode::Output;

use super::COPY;
use super::Running;
use super::Stage;
use super::exists;
use super::profile;
use crate::support::eventually::eventually;

/// Starts and stops of one test.
const CYCLES: usize = 200;

#[tokio::test]
async fn the_eleventh_process_is_refused_at_ten() {
    let stage = Stage::scripted("exec cat", |_| {});
    let mut running: Vec<_> = (0..10).map(|_| stage.run(COPY)).collect();
    for one in &running {
        one.pid().await;
    }
    assert!(stage.shows("weir_ffmpeg_processes 10"));
    let error = stage.transcoder.try_begin("tv", &profile(COPY)).unwrap_err();
    assert!(matches!(error, Error::TooMany(10)), "{error}");
    assert_eq!((stage.transcoder.free(), stage.folders()), (0, 10));
    running.pop().unwrap().task.abort();
    eventually("a place", || (stage.transcoder.free() == 1).then_some(())).await;
    let next = stage.run(COPY);
    next.pid().await;
    stage.rescript("exec cat", |limits| limits.max_processes = 0);
    assert!(matches!(stage.transcoder.try_begin("tv", &profile(COPY)), Err(Error::TooMany(0))));
    stage.rescript("exec cat", |_| {});
    drop((running, next));
    stage.is_empty().await;
}

#[tokio::test]
async fn a_process_gets_nothing_that_is_not_its_own() {
    let text = "env >&2; pwd >&2; ulimit -c >&2; ulimit -d >&2; ulimit -n >&2; \
                grep NoNewPrivs /proc/self/status >&2; ls /proc/self/fd | wc -l >&2; \
                echo pgid $(ps -o pgid= -p $$) pid $$ >&2; tr '\\0' ' ' < /proc/$$/cmdline >&2; echo >&2; \
                exec cat";
    let stage = Stage::scripted(text, |_| {});
    let transcode = stage.begin("-i {input_url} -c copy -f mpegts -y {output_path}/stream.ts");
    let folder = transcode.folder().display().to_string();
    let running = Running::of(transcode);
    let monitor = std::sync::Arc::clone(&running.monitor);
    running.pass(vec![0x47; 188]).await;
    let said = monitor.status().messages.join("\n");
    let has = |line: &str| said.lines().any(|one| one.trim() == line);
    for line in [
        "LANG=C",
        &format!("HOME={folder}"),
        &format!("TMPDIR={folder}"),
        &format!("PWD={folder}"),
        &folder,
        "0",
        &(4 << 20).to_string(),
        "512",
    ] {
        assert!(has(line), "{line} is not in:\n{said}");
    }
    assert!(said.contains("NoNewPrivs: 1") && !said.contains("canary"), "{said}");
    let pids = said.lines().find_map(|line| line.strip_prefix("pgid ")).unwrap();
    let (group, pid) = pids.split_once(" pid ").unwrap();
    assert_eq!(group, pid, "it leads a group of its own");
    let line = said.lines().find(|line| line.contains("-progress")).unwrap();
    assert!(line.contains("-protocol_whitelist pipe -f mpegts -i pipe:0 -c copy -protocol_whitelist pipe -f mpegts pipe:1"), "{line}");
    stage.is_empty().await;
}

#[tokio::test]
async fn many_quick_starts_and_stops_leave_nothing() {
    let stage = Stage::scripted("exec cat", |_| {});
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let mut pids = Vec::new();
    for cycle in 0..CYCLES {
        let transcode =
            eventually("a place", || stage.transcoder.try_begin("tv", &profile(COPY)).ok());
        let mut running = Running::of(transcode.await);
        match cycle % 4 {
            // Before there is a process, or while it is started.
            0 => running.task.abort(),
            // As soon as there is one.
            1 => {
                assert_eq!(running.next().await, Some(Output::Begins));
                pids.extend(running.monitor.status().pid);
                running.task.abort();
            }
            // At the end of the input.
            2 => {
                pids.push(running.pid().await);
                drop(running.input);
                assert!(running.task.await.is_ok());
            }
            // When nobody takes the output.
            _ => {
                pids.push(running.pid().await);
                drop(running.output);
                assert!(running.task.await.is_ok());
            }
        }
    }
    stage.is_empty().await;
    assert!(pids.len() >= CYCLES / 2);
    eventually("no process", || (!pids.iter().any(|pid| exists(*pid))).then_some(())).await;
    // Tests beside this one open some as well; three pipes that leak would be four times as many.
    let after = descriptors();
    assert!(after < before + CYCLES * 3 / 4, "{before} descriptors before, {after} after");
}

#[tokio::test]
async fn what_an_earlier_run_has_left_is_removed_at_the_start() {
    let stage = Stage::scripted("exec cat", |_| {});
    let folder = stage.folder.join("other");
    let left = folder.join("tv-7");
    std::fs::create_dir_all(left.join("sub")).unwrap();
    std::fs::write(left.join("segment_001.ts"), "x").unwrap();
    let other = another(&stage, &folder);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    drop(other);
}

#[tokio::test]
async fn a_program_beside_a_running_one_leaves_its_folders_alone() {
    let stage = Stage::scripted("exec cat", |_| {});
    let transcode = stage.transcoder.try_begin("tv", &profile(COPY)).unwrap();
    std::fs::write(transcode.folder().join("segment_001.ts"), "x").unwrap();
    let second = another(&stage, &stage.folder.join("ffmpeg"));
    let other = second.try_begin("tv", &profile(COPY)).unwrap();
    assert!(transcode.folder().join("segment_001.ts").exists());
    assert_ne!(transcode.folder().parent(), other.folder().parent());
}

/// What another program would have that is given this place.
fn another(stage: &Stage, folder: &std::path::Path) -> weir::transcode::Transcoder {
    let place = weir::transcode::Place { helper: super::WEIR.into(), folder: folder.to_owned() };
    // Any program: nothing runs.
    let program = std::path::PathBuf::from("/bin/sh");
    let limits = weir::transcode::Limits::of(&weir::config::Config::default());
    weir::transcode::Transcoder::start(
        place,
        weir::transcode::Limits { program, ..limits },
        &weir::config::Environment::default(),
        std::sync::Arc::clone(&stage.metrics),
    )
    .unwrap()
}
