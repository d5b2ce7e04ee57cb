//! What a relay's sources do, its clients never notice if it can be helped, and are told if not.

use super::*;
use crate::support::eventually::Gate;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::ts::PACKET;

const QUICK: &str = "failover: {stall_timeout: 800ms, hedge_after: 20s, response_timeout: 2s}";

#[tokio::test]
async fn a_source_dies_and_nobody_notices() {
    let dies = Gate::new();
    let gate = dies.clone();
    let first = Origin::start(move |_| {
        Script::live(Feed::live(&picture(A)).until(&gate).cut_at(77)).reset()
    })
    .await;
    let backup = good(B).await;
    let gateway = gateway(QUICK, "survives", &[first.url("/"), backup.url("/")]).await;
    let mut viewers = [tune(&gateway, "survives").await, tune(&gateway, "survives").await];
    for viewer in &mut viewers {
        viewer.play(200).await;
    }
    dies.open();
    for viewer in &mut viewers {
        viewer.play_until_source(B).await;
        viewer.play(200).await;
        assert_eq!(viewer.sources(), [A, B]);
        viewer.report().assert_only("a relay's failover", &[Fault::PcrJump, Fault::PesLength]);
    }
    assert_eq!((first.total(), backup.total()), (1, 1), "one standby for all");
    let status = status(&gateway, "survives").await;
    assert_eq!((&status["source"], &status["switches"]), (&1.into(), &1.into()));
    assert_eq!(gateway.figures("weir_failovers_total", "survives").await, "broken 1");
}

#[tokio::test]
async fn when_no_source_is_left_every_body_is_cut() {
    let dies = Gate::new();
    let gate = dies.clone();
    let origin =
        Origin::start(move |_| Script::live(Feed::live(&picture(A)).until(&gate)).reset()).await;
    let gateway = gateway("failover: {rounds: 0}", "dead", &[origin.url("/")]).await;
    let mut viewers = [tune(&gateway, "dead").await, tune(&gateway, "dead").await];
    for viewer in &mut viewers {
        viewer.play(100).await;
    }
    dies.open();
    for viewer in &mut viewers {
        assert_ne!(viewer.play_to_end().await, Ending::Complete);
    }
    eventually_is(&gateway, "dead", "stopped").await;
    assert_eq!(gateway.figures("weir_sessions_total", "dead").await, "source_failed 2");
    let mut again = Player::connect(gateway.stream).await;
    again.send(request("dead", "one")).await;
    origin.requests(2).await;
}

#[tokio::test]
async fn all_who_wait_are_told_why_there_is_no_stream() {
    let answers = Gate::new();
    let gate = answers.clone();
    let origin =
        Origin::start(move |_| Script::new().wait(&gate).then_all(Script::error("404 Not Found")))
            .await;
    let gateway = gateway("", "missing", &[origin.url("/")]).await;
    let (one, two) = (request("missing", "vlc"), request("missing", "kodi"));
    let come = async {
        tokio::join!(Player::fetch(gateway.stream, &one), Player::fetch(gateway.stream, &two))
    };
    let answer = async {
        eventually_async("both wait", async || {
            (status(&gateway, "missing").await["client_count"] == 2).then_some(())
        })
        .await;
        answers.open();
    };
    let ((one, two), ()) = tokio::join!(come, answer);
    assert_eq!((one.status(), two.status(), origin.total()), (502, 502, 1));
    assert!(one.text().contains("source 0"), "{}", one.text());
}

/// Packets of video and sound, and never a table.
fn tableless() -> Vec<u8> {
    let packets = picture(A).packets(0, 2000);
    let is_table = |packet: &&[u8]| {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        pid == 0 || picture(A).is_pmt_pid(pid)
    };
    let rest = packets.chunks(PACKET).filter(|packet| !is_table(packet));
    rest.flatten().copied().collect()
}

#[tokio::test]
async fn a_stream_that_does_not_say_what_is_in_it_gives_way_to_the_next_source() {
    let blank =
        Origin::start(|_| Script::live(Feed::of(picture(A)).bytes(0)).raw(tableless()).stall())
            .await;
    let backup = good(B).await;
    let head = "failover: {response_timeout: 2s, stall_timeout: 60s, hedge_after: 20s}";
    let gateway = gateway(head, "blank", &[blank.url("/"), backup.url("/")]).await;
    let mut viewer = tune(&gateway, "blank").await;
    viewer.play_until_source(B).await;
    viewer.play(200).await;
    assert!(viewer.report().random_access >= 1);
    blank.idle().await;
    assert_eq!((blank.total(), backup.total()), (1, 1));
    assert_eq!(status(&gateway, "blank").await["source"], 1);
}

#[tokio::test]
async fn a_source_that_ends_before_there_is_a_stream_is_asked_once_and_named() {
    let origin =
        Origin::start(|_| Script::live(Feed::of(picture(A)).bytes(0)).raw(tableless()).close())
            .await;
    let gateway = gateway("failover: {rounds: 0}", "short", &[origin.url("/")]).await;
    let answer = Player::fetch(gateway.stream, &request("short", "one")).await;
    assert_eq!((answer.status(), origin.total()), (502, 1), "{}", answer.text());
    assert!(answer.text().contains("source 0"), "{}", answer.text());
}

#[tokio::test]
async fn a_stream_that_does_not_say_what_is_in_it_is_no_stream() {
    let origin =
        Origin::start(|_| Script::live(Feed::of(picture(A)).bytes(0)).raw(tableless()).stall())
            .await;
    let head = "failover: {response_timeout: 2s, stall_timeout: 60s, rounds: 0}";
    let gateway = gateway(head, "tableless", &[origin.url("/")]).await;
    let answer = Player::fetch(gateway.stream, &request("tableless", "one")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("no PAT or no PMT"), "{}", answer.text());
    origin.idle().await;
}

#[tokio::test]
async fn a_reload_that_changes_the_channel_ends_its_relay() {
    let (origin, other) = (good(A).await, good(B).await);
    let text = |url: String| {
        format!(
            "profiles: {{fan: {{delivery: shared}}}}\n\
             channels: {{turned: {{kind: live, profile: fan, sources: [{url}]}}}}\n"
        )
    };
    let gateway = Gateway::start(&text(origin.url("/"))).await;
    let mut viewer = tune(&gateway, "turned").await;
    viewer.play(100).await;
    gateway.reload(&text(other.url("/"))).await;
    assert_ne!(viewer.play_to_end().await, Ending::Complete);
    origin.idle().await;
    let mut back = tune(&gateway, "turned").await;
    back.play(100).await;
    assert_eq!(back.sources(), [B]);
}

#[tokio::test]
async fn a_playlist_becomes_one_stream_for_all() {
    let segment = |from: u64| picture(A).packets(from, 600);
    let origin = Origin::start(move |request| match request.path() {
        "/list.m3u8" => Script::whole(
            "200 OK",
            "application/vnd.apple.mpegurl",
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXTINF:2,\n0.ts\n#EXTINF:2,\n1.ts\n#EXTINF:2,\n2.ts\n#EXT-X-ENDLIST\n",
        ),
        path => {
            let number: u64 = path.trim_matches(['/', '.', 't', 's']).parse().unwrap();
            Script::whole("200 OK", "video/mp2t", segment(number * 600))
        }
    })
    .await;
    let gateway = Gateway::start(&format!(
        "profiles: {{fan: {{delivery: shared}}}}\n\
         channels: {{list: {{kind: hls, profile: fan, sources: [\"{}\"]}}}}\n",
        origin.url("/list.m3u8")
    ))
    .await;
    let ask = "GET /stream/list?format=ts HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut one = Viewer::tune(gateway.stream, ask).await;
    let mut two = Viewer::tune(gateway.stream, ask).await;
    for viewer in [&mut one, &mut two] {
        assert_eq!(viewer.play_to_end().await, Ending::Complete);
        viewer.report().assert_only("a playlist", &[Fault::PesLength]);
    }
    let lists = origin.seen().iter().filter(|seen| seen.path() == "/list.m3u8").count();
    assert_eq!((lists, origin.seen().len()), (1, 4), "one list, three segments");
}
