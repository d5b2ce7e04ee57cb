//! Sound that is converted, from outside: each client's own stream and shared ones, and nobody hurt by who is
//! slow, dead or gone.

mod direct;
mod figures;
mod kinds;
mod players;
mod refusals;
mod shared;
pub(crate) mod silent;
mod slow;

use serde_json::Value;
use weir::remux::Codecs;
use weir::remux::Coding;
use weir::remux::codec::BuiltIn;

use crate::support::eventually::Gate;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::presets;
use crate::support::ts::Codec;
use crate::support::ts::Fault;
use crate::support::ts::TsPattern;
use crate::support::viewer::Viewer;
use silent::Silent;

/// The seeds of sources in their order.
const A: u32 = 0xa;
const B: u32 = 0xb;

/// Failures show soon, and nothing is hedged.
const QUICK: &str = "failover: {stall_timeout: 800ms, hedge_after: 20s, response_timeout: 2s}";

/// What follows a source that was torn.
const TORN: [Fault; 2] = [Fault::PcrJump, Fault::PesLength];

/// A source that plays for ever in real time.
fn plays(seed: u32) -> Script {
    Script::live(Silent::new(seed).live())
}

async fn good(seed: u32) -> Origin {
    Origin::start(move |_| plays(seed)).await
}

/// A source that plays until the gate opens, and is reset in the middle of a packet then.
async fn dies_at(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |_| Script::live(Silent::new(A).live().until(&gate).cut_at(77)).reset())
        .await
}

/// A gateway whose channels' sound is converted; `channels` have one line each, of [`live`].
async fn gateway(head: &str, channels: &[String]) -> Gateway {
    Gateway::start(&format!(
        "limits: {{requests_per_second: 100000, clients_per_ip: 4000}}\n\
         profiles:\n  own: {{audio: {{codec: aac, bitrate: 96k}}}}\n  \
         fan: {{delivery: shared, audio: {{codec: aac, bitrate: 96k}}}}\n{head}\n\
         channels:\n{}",
        channels.concat()
    ))
    .await
}

/// A live channel's line in the configuration.
fn live(channel: &str, profile: &str, sources: &[String]) -> String {
    format!("  {channel}: {{kind: live, profile: {profile}, sources: [{}]}}\n", sources.join(", "))
}

async fn tune(gateway: &Gateway, channel: &str) -> Viewer {
    let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
    Viewer::tune(gateway.stream, &request).await
}

/// The sessions of a channel in `/api/v1/sessions`.
async fn sessions(gateway: &Gateway, channel: &str) -> Vec<Value> {
    let text = gateway.admin_get("/api/v1/sessions").await;
    let mut all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.retain(|session| session["channel"] == channel);
    all
}

async fn status(gateway: &Gateway, channel: &str) -> Value {
    let text = gateway.admin_get(&format!("/api/v1/relay/{channel}/status")).await;
    serde_json::from_str(&text).unwrap()
}

async fn ends(gateway: &Gateway, channel: &str) -> String {
    gateway.figures("weir_sessions_total", channel).await
}

/// Waits until sessions of the channel have ended so.
async fn eventually_ends(gateway: &Gateway, channel: &str, expected: &str) {
    eventually_async(expected, async || (ends(gateway, channel).await == expected).then_some(()))
        .await;
}

/// Lines of the log about a channel with all of these words.
fn log_lines(channel: &str, words: &[&str]) -> Vec<String> {
    let (log, channel) = (logs(), format!("channel={channel} "));
    let lines = log.lines().filter(|line| line.contains(&channel));
    lines.filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// What a viewer has seen has AAC in the place of the sound of the source with this seed.
fn assert_converted(viewer: &Viewer, seed: u32) {
    let sound = viewer.report().on(Silent::new(seed).audio());
    assert_eq!(sound.stream_type, Some(0x0f));
    assert!(sound.pes > 0);
}

/// What a document says of a conversion of MP2.
fn assert_is_told(remux: &Value) {
    let track = &remux["tracks"][0];
    assert_eq!((&track["fate"], &track["codec"]), (&"converted".into(), &"mp2".into()), "{remux}");
    assert_eq!(track["language"], "deu");
    for count in ["frames", "aac_frames"] {
        assert!(remux[count].as_u64() > Some(0), "{remux}");
    }
    for count in ["bad_frames", "resyncs", "discontinuities", "scrambled_packets"] {
        assert_eq!(remux[count], 0, "{remux}");
    }
    assert!(remux["lead_seconds"].as_f64() > Some(0.0), "{remux}");
}
