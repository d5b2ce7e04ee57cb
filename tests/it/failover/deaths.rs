//! Every way in which a source that plays can die: its viewer is played on by the backup.

use std::sync::Arc;

use super::*;
use crate::support::origin::Chunks;
use crate::support::ts::PACKET;
use crate::support::ts::Spoil;
use crate::support::ts::Spoilt;

/// Packets that a source plays before it dies.
const LIFE: u64 = 100;

/// A way to die.
struct Death {
    name: &'static str,
    script: Script,
    /// The word for the reason.
    reason: &'static str,
    /// What is wrong with the source's own packets.
    faults: &'static [Fault],
}

fn death(name: &'static str, script: Script, reason: &'static str) -> Death {
    Death { name, script, reason, faults: &[] }
}

/// The beginning of the picture, and 77 bytes of the next packet.
fn torn() -> Feed {
    Feed::live(&picture(A)).bytes(LIFE * PACKET as u64 + 77)
}

fn sized(length: u64) -> Script {
    let length = length.to_string();
    Script::head("200 OK", &[("Content-Type", "video/mp2t"), ("Content-Length", &length)])
}

fn spoilt(name: &'static str, spoil: Spoil, faults: &'static [Fault]) -> Death {
    let feed = Feed::of(Spoilt::new(picture(A), LIFE, spoil)).rate(picture(A).bytes_per_second());
    Death { name, script: Script::live(feed), reason: name, faults }
}

fn deaths() -> Vec<Death> {
    let chunked = |feed: Feed| Script::live_chunked(feed, Chunks::Of(1000));
    let whole = || Feed::live(&picture(A)).packets(LIFE);
    vec![
        death("reset", Script::live(torn()).reset(), "broken"),
        death("chunked-reset", chunked(torn()).reset(), "broken"),
        death("short-length", sized(1 << 30).feed(torn()).close(), "short"),
        death("length-met", sized(LIFE * PACKET as u64).feed(whole()), "ended"),
        death("cut-chunk", chunked(torn()).unframed().raw("3e8\r\nG@").close(), "short"),
        death("no-last-chunk", chunked(torn()).close(), "short"),
        death("last-chunk", chunked(whole()).last_chunk(), "ended"),
        death("fin", Script::live(torn()).close(), "ended"),
        death("silence", Script::live(torn()).stall(), "stalled"),
        death("chunked-silence", chunked(torn()).stall(), "stalled"),
        spoilt("null_packets", Spoil::NullPackets, &[]),
        spoilt("frozen_clock", Spoil::FrozenClock, &[Fault::PcrNotRising]),
        spoilt("scrambled", Spoil::Scrambled, &[]),
    ]
}

#[tokio::test]
async fn whatever_a_source_dies_of_the_backup_plays_on() {
    let all = Arc::new(deaths());
    let (scripts, count) = (Arc::clone(&all), all.len());
    let dying = Origin::start(move |request| {
        let name = request.path().trim_start_matches('/');
        scripts.iter().find(|death| death.name == name).unwrap().script.clone()
    })
    .await;
    let backup = good(B).await;
    let sources = |name: &str| [dying.url(&format!("/{name}")), backup.url(&format!("/{name}"))];
    let channels: Vec<String> = all
        .iter()
        .map(|death| live(&format!("death-{}", death.name), &sources(death.name)))
        .collect();
    let stage = Stage::new(gateway(QUICK, &channels).await, vec![dying, backup]);
    for_each(count, count, |number| dies(Arc::clone(&stage), Arc::clone(&all), number)).await;
    let log = Log::now();
    for Death { name, reason, .. } in all.iter() {
        let channel = format!("death-{name}");
        let lines = log.lines(&channel, &[" WARN ", "session goes on from another source"]);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let words = ["source=1 ", "from=0 ", &format!("reason=\"{reason}\"")];
        assert!(words.iter().all(|word| lines[0].contains(word)), "{lines:#?}");
    }
    assert_eq!((stage.origins[0].total(), stage.origins[1].total()), (count, count));
    stage.origins[0].idle().await;
    assert_eq!(count, 13);
}

async fn dies(stage: Arc<Stage>, all: Arc<Vec<Death>>, number: usize) {
    let (death, gateway) = (&all[number], &stage.gateway);
    let channel = format!("death-{}", death.name);
    let mut viewer = tune(gateway, &channel).await;
    viewer.play_until_source(B).await;
    viewer.play(150).await;
    assert_eq!(viewer.sources(), [A, B], "{}", death.name);
    assert_joined_but(&viewer, death.name, death.faults);
    let one = format!("{} 1", death.reason);
    assert_eq!(failovers(gateway, &channel).await, one, "{}", death.name);
    assert_eq!(attempts(gateway, &channel).await, "0 ok 1, 1 ok 1", "{}", death.name);
    assert_eq!(ends(gateway, &channel).await, "", "{}: the session goes on", death.name);
    viewer.leave();
    assert_eq!(end_of(gateway, &channel).await, "client_closed 1", "{}", death.name);
}
