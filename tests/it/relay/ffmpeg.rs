//! Channels whose profile asks for FFmpeg: one process for all clients, started again when it dies, and a
//! clear answer where there is none.

use super::*;
use crate::programs::Folder;
use crate::programs::run_clean;
use crate::support::player::Player;
use crate::support::programs::programs;

/// A generated channel with this profile, and more of the configuration.
async fn made(head: &str, profile: &str) -> Gateway {
    Gateway::start(&format!(
        "{head}\nchannels:\n  made: {{profile: {profile}, sources: [{{pattern: bars}}]}}\n  \
         other: {{profile: {profile}, sources: [{{pattern: bars}}]}}\n"
    ))
    .await
}

fn pid(status: &Value) -> i32 {
    i32::try_from(status["process"]["pid"].as_i64().unwrap_or_else(|| panic!("{status}"))).unwrap()
}

#[tokio::test]
async fn one_process_encodes_for_all_clients() {
    let Some([_, ffprobe]) = programs(["ffmpeg", "ffprobe"]) else { return };
    let gateway = made("", "h264").await;
    let mut viewers = [tune(&gateway, "made").await, tune(&gateway, "made").await];
    let folder = Folder::new();
    for viewer in &mut viewers {
        let recorded = folder.join("recorded.ts");
        std::fs::write(&recorded, viewer.player().read_exact_body(188 * 2000).await).unwrap();
        let mut probe = tokio::process::Command::new(&ffprobe);
        probe.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]);
        let said = run_clean(probe.arg(&recorded)).await;
        let codecs: Vec<&str> = said.lines().map(|line| line.trim_matches(',')).collect();
        assert!(codecs.contains(&"h264") && codecs.contains(&"aac"), "{codecs:?}");
    }
    let status = status(&gateway, "made").await;
    assert_eq!(status["process"]["starts"], 1, "{status}");
    assert_eq!(gateway.metric("weir_ffmpeg_processes").await, 1.0);
    assert_eq!(gateway.metric("weir_ffmpeg_starts_total{channel=\"made\"}").await, 1.0);
}

#[tokio::test]
async fn a_process_that_is_killed_is_started_again_and_clients_go_on() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = made("", "transport-stream").await;
    let mut viewer = tune(&gateway, "made").await;
    viewer.play(300).await;
    let first = pid(&status(&gateway, "made").await);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(first).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let second = eventually_async("another process writes", async || {
        viewer.play(20).await;
        let status = status(&gateway, "made").await;
        (status["process"]["starts"] == 2 && status["process"]["state"] == "running")
            .then(|| pid(&status))
    });
    assert_ne!(second.await, first);
    viewer.play(500).await;
    viewer.report().assert_only("a new process", &[Fault::PcrJump, Fault::PesLength]);
    let exits = "weir_ffmpeg_exits_total{channel=\"made\",cause=\"signal\"}";
    assert_eq!(gateway.metric(exits).await, 1.0);
}

#[tokio::test]
async fn the_last_client_takes_the_process_along() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = made("relay: {idle_timeout: 0s}", "transport-stream").await;
    let mut viewer = tune(&gateway, "made").await;
    viewer.play(100).await;
    let process = format!("/proc/{}", pid(&status(&gateway, "made").await));
    assert!(std::path::Path::new(&process).exists());
    viewer.leave();
    eventually_async("the process is gone", async || {
        let none = gateway.metric("weir_ffmpeg_processes").await < 0.5;
        (none && !std::path::Path::new(&process).exists()).then_some(())
    })
    .await;
    let exits = "weir_ffmpeg_exits_total{channel=\"made\",cause=\"stopped\"}";
    assert_eq!(gateway.metric(exits).await, 1.0);
}

#[tokio::test]
async fn one_process_too_many_is_refused_for_now() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = made("relay: {max_processes: 1}", "transport-stream").await;
    let mut viewer = tune(&gateway, "made").await;
    viewer.play(100).await;
    let answer = Player::fetch(gateway.stream, &request("other", "one")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.head.header("retry-after").is_some());
    assert!(answer.text().contains("relay.max_processes"), "{}", answer.text());
    viewer.play(100).await;
    let (status, answer) = gateway.admin_post("/api/v1/relay/other/start", "").await;
    assert_eq!(status, 503, "{answer}");
}

#[tokio::test]
async fn an_ffmpeg_that_is_not_there_is_said_to_be_missing() {
    let gateway = made("ffmpeg: {program: /nowhere/ffmpeg}", "transport-stream").await;
    let answer = Player::fetch(gateway.stream, &request("made", "one")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("/nowhere/ffmpeg is no program"), "{}", answer.text());
}

#[tokio::test]
async fn an_ffmpeg_that_crashes_at_once_is_an_answer_and_hurts_nobody_else() {
    let folder = Folder::new();
    let fake = folder.join("fake-ffmpeg");
    std::fs::write(&fake, "#!/bin/sh\necho 'no such codec' >&2\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fake, mode).unwrap();
    let gateway = Gateway::start(&format!(
        "ffmpeg: {{program: \"{}\"}}\nchannels:\n  \
         made: {{profile: transport-stream, sources: [{{pattern: bars}}]}}\n  \
         plain: {{sources: [{{pattern: bars}}]}}\n",
        fake.display()
    ))
    .await;
    let mut plain = tune(&gateway, "plain").await;
    let answer = Player::fetch(gateway.stream, &request("made", "one")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("no such codec"), "{}", answer.text());
    plain.play(300).await;
    eventually_is(&gateway, "made", "stopped").await;
}

/// A program that runs these lines of a shell, and then becomes FFmpeg.
fn before_ffmpeg(folder: &Folder, ffmpeg: &std::path::Path, lines: &str) -> std::path::PathBuf {
    let fake = folder.join("fake-ffmpeg");
    let text = format!("#!/bin/sh\n{lines}\nexec '{}' \"$@\"\n", ffmpeg.display());
    std::fs::write(&fake, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fake, mode).unwrap();
    fake
}

#[tokio::test]
async fn who_waits_while_the_first_process_fails_gets_what_the_second_one_makes() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    let once = folder.join("once");
    let lines = format!("if mkdir '{}'; then echo 'not yet' >&2; exit 1; fi", once.display());
    let fake = before_ffmpeg(&folder, &ffmpeg, &lines);
    let head = format!("ffmpeg: {{program: \"{}\"}}", fake.display());
    let gateway = made(&head, "transport-stream").await;
    let mut viewer = tune(&gateway, "made").await;
    viewer.play(300).await;
    let status = status(&gateway, "made").await;
    assert_eq!(status["process"]["starts"], 2, "{status}");
}

/// A gateway whose channel `made` FFmpeg makes HLS of, in segments of a second.
async fn packaged(head: &str) -> Gateway {
    Gateway::start(&format!(
        "{head}\nprofiles:\n  short:\n    delivery: shared\n    ffmpeg:\n      segment_duration: 1s\n      \
         max_segments: 5\n      args: [-i, \"{{input_url}}\", -c, copy, -f, hls, -hls_time, \
         \"{{segment_duration}}\", -hls_list_size, \"{{max_segments}}\", -hls_flags, delete_segments, \
         -hls_segment_filename, \"{{output_path}}/segment_%03d.ts\", \"{{output_path}}/playlist.m3u8\"]\n\
         channels:\n  made: {{profile: short, sources: [{{pattern: bars}}]}}\n"
    ))
    .await
}

#[tokio::test]
async fn hls_that_ffmpeg_makes_is_played_by_ffmpeg() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let gateway = packaged("relay: {idle_timeout: 0s}").await;
    let url = format!("http://{}/stream/made", gateway.stream);
    let mut player = tokio::process::Command::new(&ffmpeg);
    player.args(["-v", "error", "-nostdin", "-i", &url, "-t", "6", "-f", "null", "-"]);
    run_clean(&mut player).await;
    let status = status(&gateway, "made").await;
    assert_eq!((&status["state"], &status["client_count"]), (&"running".into(), &1.into()));
    let playlist = Player::get(gateway.stream, "/hls/made/playlist.m3u8").await;
    assert_eq!(playlist.status(), 200);
    assert_eq!(playlist.head.header("content-type"), Some("application/vnd.apple.mpegurl"));
    let last = playlist.text().lines().rfind(|line| line.ends_with(".ts")).unwrap().to_owned();
    let segment = Player::get(gateway.stream, &format!("/hls/made/{last}")).await;
    assert_eq!(segment.head.header("content-type"), Some("video/mp2t"));
    assert_eq!(segment.status(), 200);
    for nothing in ["segment_999.ts", "..%2fplaylist.m3u8", "playlist.m3u8.tmp", "x.sh"] {
        let answer = Player::get(gateway.stream, &format!("/hls/made/{nothing}")).await;
        assert_eq!(answer.status(), 404, "{nothing}");
    }
    let stream = Player::get(gateway.stream, "/stream/made?format=ts").await;
    assert_eq!(stream.status(), 406);
    // Nobody comes back, and the process ends with the last of them.
    eventually_async("the process is gone", async || {
        (gateway.metric("weir_ffmpeg_processes").await < 0.5).then_some(())
    })
    .await;
    eventually_is(&gateway, "made", "stopped").await;
}

#[tokio::test]
async fn a_relay_of_segments_whose_process_fails_is_not_well() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    let once = folder.join("once");
    let lines = format!("mkdir '{}' || exit 1", once.display());
    let fake = before_ffmpeg(&folder, &ffmpeg, &lines);
    let gateway = packaged(&format!("ffmpeg: {{program: \"{}\"}}", fake.display())).await;
    assert_eq!(Player::get(gateway.stream, "/hls/made/playlist.m3u8").await.status(), 200);
    let process = pid(&status(&gateway, "made").await);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(process).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    eventually_async("it is told", async || {
        let health = document(&gateway, "/api/v1/relay/health").await;
        (health["status"] == "degraded").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_playlist_that_cannot_be_written_is_an_answer_that_says_where_to_look() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    // What is seen of FFmpeg where the disk is full.
    let lines = ": > playlist.m3u8; exec cat > segment_000.ts";
    let fake = before_ffmpeg(&folder, &ffmpeg, lines);
    let gateway = packaged(&format!("ffmpeg: {{program: \"{}\"}}", fake.display())).await;
    let answer = Player::get(gateway.stream, "/hls/made/playlist.m3u8").await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("state_dir may be full"), "{}", answer.text());
}

#[tokio::test]
async fn an_override_and_a_switch_reach_who_watches_segments() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = packaged("").await;
    let playlist = Player::get(gateway.stream, "/hls/made/playlist.m3u8").await;
    assert_eq!(playlist.status(), 200);
    let (status, answer) = gateway.admin_post("/api/v1/channels/made/failover", "").await;
    let outcome = &answer["clients"][0]["outcome"];
    assert_eq!((status, outcome), (409, &"nothing_else".into()), "{answer}");
    let body = "{\"message\": \"Back soon\"}";
    let length = body.len();
    let wish = format!(
        "PUT /api/v1/channels/made/override HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let answer = Player::fetch(gateway.admin, &wish).await;
    assert!(answer.text().contains("\"sessions\":1"), "{}", answer.text());
    eventually_async("it is shown", async || {
        self::status(&gateway, "made").await["source"].is_null().then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_for_the_playlist_is_one_client_and_is_counted_what_it_gets() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = packaged("").await;
    let mut served = 0;
    for _ in 0..4 {
        let playlist = Player::get(gateway.stream, "/hls/made/playlist.m3u8").await;
        assert_eq!(playlist.status(), 200);
        served += playlist.text().len();
    }
    let status = status(&gateway, "made").await;
    let clients = ["client_count", "clients_at_most", "clients_total"].map(|key| &status[key]);
    assert_eq!(clients, [&1, &1, &1], "{status}");
    assert_eq!(status["bytes_served"], served);
}

#[tokio::test]
async fn a_token_in_the_query_stands_in_the_playlist_too() {
    let Some([_]) = programs(["ffmpeg"]) else { return };
    let gateway = packaged("access: {tokens: {tv: abcdefgh12345678}}").await;
    let token = "?token=abcdefgh12345678";
    let led = Player::get(gateway.stream, &format!("/stream/made{token}")).await;
    assert_eq!(led.status(), 307);
    let place = format!("../hls/made/playlist.m3u8{token}");
    assert_eq!(led.head.header("location"), Some(place.as_str()));
    let playlist = Player::get(gateway.stream, &format!("/hls/made/playlist.m3u8{token}")).await;
    let line = playlist.text().lines().find(|line| line.contains(".ts")).unwrap().to_owned();
    assert!(line.ends_with(token), "{line}");
    let segment = Player::get(gateway.stream, &format!("/hls/made/{line}")).await;
    assert_eq!(segment.status(), 200);
    let bare = line.split('?').next().unwrap();
    let refused = Player::get(gateway.stream, &format!("/hls/made/{bare}")).await;
    assert_eq!(refused.status(), 401);
}
