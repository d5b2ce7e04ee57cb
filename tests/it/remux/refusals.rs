//! Streams that nobody can begin with, and what is tried and told then.

use super::*;
use crate::support::player::Player;

/// A channel of each kind of delivery with these sources.
fn both(name: &str, sources: &[String]) -> [String; 2] {
    ["own", "fan"].map(|profile| live(&format!("{name}-{profile}"), profile, sources))
}

async fn fetch(gateway: &Gateway, channel: &str) -> (u16, String) {
    let request = format!("GET /stream/{channel} HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = Player::fetch(gateway.stream, &request).await;
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
    (answer.status(), answer.text().to_owned())
}

/// A source whose only sound is AC-3, which a build may not decode.
async fn dolby() -> Origin {
    Origin::live(TsPattern::new(A).video_packets(12)).await
}

/// Packets of a stream that never says what is in it.
fn tableless() -> Vec<u8> {
    let packets = (0..600).map(|number| TsPattern::new(A).packet(number));
    let is_table = |packet: &[u8; 188]| {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        pid == 0 || TsPattern::new(A).is_pmt_pid(pid)
    };
    packets.filter(|packet| !is_table(packet)).flatten().collect()
}

async fn blank() -> Origin {
    Origin::start(|_| {
        Script::head("200 OK", &[("Content-Type", "video/mp2t")]).body(tableless()).stall()
    })
    .await
}

#[tokio::test]
async fn sound_that_nobody_decodes_is_an_answer_that_says_what_to_do() {
    if BuiltIn.decodes(Coding::Ac3) {
        return;
    }
    let origin = dolby().await;
    let gateway = gateway(QUICK, &both("dolby", &[origin.url("/")])).await;
    for channel in ["dolby-own", "dolby-fan"] {
        let (status, text) = fetch(&gateway, channel).await;
        assert_eq!(status, 501, "{text}");
        for word in ["the sound is AC-3", "--features libav", "audio.via: ffmpeg", channel] {
            assert!(text.contains(word), "{text}");
        }
        origin.idle().await;
        assert!(sessions(&gateway, channel).await.is_empty());
        assert_eq!(ends(&gateway, channel).await, "", "no session has begun");
        assert_eq!(log_lines(channel, &["ERROR", "no stream for a client", "AC-3"]).len(), 1);
    }
    let (code, answer) = gateway.admin_post("/api/v1/relay/dolby-fan/start", "").await;
    assert_eq!(code, 501, "{answer}");
    assert_eq!(origin.total(), 3, "each is asked once");
}

#[tokio::test]
async fn a_source_whose_sound_nobody_decodes_gives_way_to_one_that_is_decoded() {
    if BuiltIn.decodes(Coding::Ac3) {
        return;
    }
    let (dolby, backup) = (dolby().await, good(B).await);
    let gateway = gateway(QUICK, &both("gives-way", &[dolby.url("/"), backup.url("/")])).await;
    for channel in ["gives-way-own", "gives-way-fan"] {
        let mut viewer = tune(&gateway, channel).await;
        viewer.play(400).await;
        assert_eq!(viewer.sources(), [B]);
        viewer.report().assert_only(channel, &TORN);
        assert_eq!(gateway.figures("weir_failovers_total", channel).await, "no_start 1");
        assert_eq!(sessions(&gateway, channel).await[0]["source"], 1);
    }
}

#[tokio::test]
async fn a_stream_that_does_not_say_what_is_in_it_is_no_stream() {
    let origin = blank().await;
    let head = "failover: {response_timeout: 2s, stall_timeout: 60s, rounds: 0}";
    let gateway = gateway(head, &both("tableless", &[origin.url("/")])).await;
    let (own, fan) =
        tokio::join!(fetch(&gateway, "tableless-own"), fetch(&gateway, "tableless-fan"));
    for (status, text) in [own, fan] {
        assert_eq!(status, 502);
        assert!(text.contains("no PAT or no PMT") && text.contains("source 0"), "{text}");
    }
    origin.idle().await;
}

#[tokio::test]
async fn a_stream_that_does_not_say_what_is_in_it_gives_way_to_the_next_source() {
    let (blank, backup) = (blank().await, good(B).await);
    let head = "failover: {response_timeout: 2s, stall_timeout: 60s, hedge_after: 20s}";
    let sources = [blank.url("/"), backup.url("/")];
    let gateway = gateway(head, &both("blank-next", &sources)).await;
    let (mut own, mut fan) =
        tokio::join!(tune(&gateway, "blank-next-own"), tune(&gateway, "blank-next-fan"));
    for viewer in [&mut own, &mut fan] {
        viewer.play_until_source(B).await;
        viewer.play(200).await;
    }
    blank.idle().await;
}

#[tokio::test]
async fn a_source_that_ends_before_there_is_a_stream_is_named() {
    let origin = Origin::start(|_| {
        Script::head("200 OK", &[("Content-Type", "video/mp2t")]).body(tableless()).close()
    })
    .await;
    let gateway = gateway("failover: {rounds: 0}", &both("ends-early", &[origin.url("/")])).await;
    for channel in ["ends-early-own", "ends-early-fan"] {
        let (status, text) = fetch(&gateway, channel).await;
        assert_eq!(status, 502, "{text}");
        assert!(text.contains("source 0: it ended before"), "{text}");
    }
    assert_eq!(origin.total(), 2);
}
