//! The program in its process: what it does on signals. What it tells a service manager and what it
//! logs is in the parts.

mod log;
mod systemd;

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::process::Signal;

use crate::command_line::process::Ended;
use crate::command_line::process::Folder;
use crate::command_line::process::Program;
use crate::command_line::process::Running;
use crate::command_line::process::free_port;
use crate::command_line::process::get;
use crate::command_line::process::metric;
use crate::command_line::process::with_defaults;
use crate::support::capture::Canary;
use crate::support::eventually::eventually_async;
use crate::support::origin::Origin;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::ts::TsPattern;

const ASK: &str = "GET /stream/one HTTP/1.1\r\nHost: x\r\n\r\n";

fn channel(origin: &Origin) -> String {
    format!("channels: {{one: {{sources: [\"{}\"], kind: live}}}}\n", origin.url("/one.ts"))
}

async fn watch(running: &Running) -> Player {
    let at = running.ready().await;
    let (mut player, head) = Player::ask(at.stream, ASK).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(188 * 100).await;
    player
}

#[tokio::test]
async fn a_hangup_cannot_open_the_admin_listener_to_others() {
    let port = free_port();
    let yaml = format!(
        "listen: {{stream: \"127.0.0.1:0\", admin: \"0.0.0.0:{port}\"}}\n\
         access: {{admin_token: the-admins-token}}\n"
    );
    let running = Program::serving(&yaml).start();
    running.line("ready: ").await;
    // Good in itself, but what is bound stays bound.
    running.folder().write("config.yaml", &with_defaults(""));
    running.signal(Signal::HUP);
    running.line("reload refused").await;
    running.line("access.admin_token").await;
    assert_eq!(get(([127, 0, 0, 1], port).into(), "/metrics").await.status(), 401);
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed_at_the_end() {
    let folder = Folder::new();
    let path = folder.path().join("media");
    // The file of a program that died is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.metadata().unwrap().file_type().is_socket());
    let yaml = format!("listen: {{stream: \"unix:{}\", admin: \"127.0.0.1:0\"}}\n", path.display());
    let running = Program::serving(&yaml).start();
    running.line("ready: ").await;
    let answer = ask_unix(&path).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    // That of a living one is.
    let second = Program::serving(&yaml).run().await;
    assert_eq!(second.code, Some(1), "{}", second.err);
    assert!(second.err.contains("listen.stream"), "{}", second.err);
    assert!(ask_unix(&path).await.is_some(), "the first one still serves");

    assert_eq!(running.stopped().await.code, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_hangup_with_a_good_file_applies_it() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let one = with_defaults(&channel(&origin));
    let running = Program::serving(&one).start();
    let mut player = watch(&running).await;
    let at = running.ready().await;
    assert_eq!(get(at.stream, "/stream/two").await.status(), 404);

    let two = one.replace(
        "channels: {",
        &format!("channels: {{two: {{sources: [\"{}\"]}}, ", origin.url("/two.ts")),
    );
    running.folder().write("config.yaml", &two);
    running.signal(Signal::HUP);
    running.line("reloaded: ").await;
    let playlist = get(at.stream, "/playlist.m3u").await;
    assert!(playlist.text().contains("/stream/two"), "{}", playlist.text());
    player.read_exact_body(188 * 100).await;
    assert_eq!(origin.total(), 1, "who watches does not notice");
    assert_eq!(metric(at.admin, "weir_reloads_total{outcome=\"applied\"}").await, 1.0);
    player.close();
    origin.idle().await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_hangup_with_a_broken_file_changes_nothing_and_logs_each_mistake() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let running = Program::serving(&channel(&origin)).start();
    let mut player = watch(&running).await;
    let at = running.ready().await;
    let broken = include_str!("../fixtures/config/invalid/ten-mistakes.yaml");
    running.folder().write("config.yaml", broken);
    running.signal(Signal::HUP);
    running.line("10 mistakes").await;
    let log = running.err();
    let places =
        broken.lines().filter_map(|line| line.strip_prefix("# expect: ")?.split(' ').next());
    let mut seen = 0;
    for place in places {
        let place = format!("config.yaml:{place}:");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&place)).collect();
        assert_eq!(lines.len(), 1, "{place} is on one line: {lines:?}");
        assert!(lines[0].contains("ERROR"), "{}", lines[0]);
        seen += 1;
    }
    assert_eq!(seen, 10);
    Canary::new(["canary"]).assert_absent("the log", log.as_bytes());

    // A file that has gone is refused as well.
    std::fs::remove_file(running.folder().path().join("config.yaml")).unwrap();
    running.signal(Signal::HUP);
    running.line("cannot read the configuration").await;
    player.read_exact_body(188 * 100).await;
    assert_eq!(origin.total(), 1);
    assert_eq!(metric(at.admin, "weir_reloads_total{outcome=\"refused\"}").await, 2.0);
    assert_eq!(get(at.stream, "/playlist.m3u").await.status(), 200);
    player.close();
    origin.idle().await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_hundred_hangups_refuse_nobody_and_leak_nothing() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let running = Program::serving(&channel(&origin)).start();
    let mut player = watch(&running).await;
    let at = running.ready().await;
    let applied = async || metric(at.admin, "weir_reloads_total{outcome=\"applied\"}").await;
    let descriptors = async || metric(at.admin, "process_open_fds").await;
    let before = descriptors().await;
    for number in 0..100_u32 {
        running.signal(Signal::HUP);
        assert_eq!(get(at.stream, "/health").await.status(), 200);
        player.read_exact_body(188 * 10).await;
        eventually_async("the reload is over", async || {
            (applied().await > f64::from(number)).then_some(())
        })
        .await;
    }
    assert_eq!(applied().await, 100.0);
    assert_eq!(origin.total(), 1);
    eventually_async("as many descriptors as before", async || {
        (descriptors().await <= before).then_some(())
    })
    .await;
    player.close();
    origin.idle().await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_hangup_changes_the_log_level() {
    let running = Program::serving("log: {level: info}\n").start();
    let at = running.ready().await;
    assert_eq!(get(at.stream, "/health").await.status(), 200);
    assert!(!running.err().contains("DEBUG"), "{}", running.err());
    running.folder().write("config.yaml", &with_defaults("log: {level: debug}\n"));
    running.signal(Signal::HUP);
    running.line("log.level changed").await;
    assert_eq!(get(at.stream, "/health").await.status(), 200);
    running.line("DEBUG").await;
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn what_cannot_change_without_a_restart_is_said() {
    let running = Program::serving("").start();
    let at = running.ready().await;
    let other = "listen: {stream: \"127.0.0.1:1\", admin: \"127.0.0.1:0\"}\n";
    running.folder().write("config.yaml", other);
    running.signal(Signal::HUP);
    let line = running.line("listen.stream").await;
    assert!(line.contains("restart"), "{line}");
    assert_eq!(get(at.stream, "/health").await.status(), 200, "the old address answers on");
    assert_eq!(running.stopped().await.code, Some(0));
}

#[tokio::test]
async fn a_stop_waits_for_the_running_stream_and_a_second_one_does_not() {
    let mut seen = 0;
    for (first, second) in
        [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::INT)]
    {
        let origin = Origin::live(TsPattern::new(1)).await;
        let yaml = format!("drain_timeout: 10m\n{}", channel(&origin));
        let mut running = Program::serving(&yaml).start();
        let mut player = watch(&running).await;
        let at = running.ready().await;
        running.signal(first);
        running.line("draining").await;
        eventually_async("the listener is closed", async || {
            Player::try_connect(at.stream).await.is_err().then_some(())
        })
        .await;
        // A reload in between is nothing that would end the drain.
        running.signal(Signal::HUP);
        player.read_exact_body(188 * 500).await;
        assert!(running.is_running());
        running.signal(second);
        let Ended { code, err, .. } = running.ended().await;
        assert_eq!(code, Some(0), "{err}");
        let ending = player.discard_while(|_| true).await.unwrap();
        assert!(matches!(ending, Ending::Cut(_)), "a cut stream does not look whole: {ending:?}");
        let line = err.lines().find(|line| line.contains("session ends")).unwrap();
        assert!(line.contains("end=\"shutdown\"") && line.contains("side=\"weir\""), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_stop_ends_when_the_last_stream_does() {
    let origin = Origin::live(TsPattern::new(1)).await;
    let yaml = format!("drain_timeout: 10m\n{}", channel(&origin));
    let running = Program::serving(&yaml).start();
    let player = watch(&running).await;
    running.signal(Signal::TERM);
    running.line("draining").await;
    player.close();
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("end=\"client_closed\""), "{}", ended.err);
}

#[tokio::test]
async fn a_stop_leaves_no_folder_of_ffmpeg() {
    let folder = Folder::new();
    folder.write("copies", "#!/bin/sh\nexec cat\n");
    let (program, state) = (folder.path().join("copies"), folder.path().join("state"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let running = Program::serving(&format!(
        "drain_timeout: 0s\nstate_dir: {}\nffmpeg: {{program: {}}}\n\
         channels: {{one: {{profile: transport-stream, sources: [{{pattern: bars}}]}}}}\n",
        state.display(),
        program.display()
    ))
    .start();
    let _player = watch(&running).await;
    let folders = || std::fs::read_dir(state.join("ffmpeg")).unwrap().count();
    assert_eq!(folders(), 1);
    running.signal(Signal::TERM);
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(folders(), 0);
}

async fn ask_unix(path: &Path) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(path).await.ok()?;
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}
