//! Shared channels from outside: one upstream connection however many watch, each client's stream whole
//! from its first packet on, and nobody hurt by who is slow, late or gone.

mod auto;
mod clients;
mod control;
mod ffmpeg;
mod kinds;
mod slow;
mod sound;
mod sources;

use serde_json::Value;

use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::presets;
use crate::support::ts::Fault;
use crate::support::ts::TsPattern;
use crate::support::viewer::Viewer;

/// The seeds of sources in their order.
const A: u32 = 0xa;
const B: u32 = 0xb;

/// A picture of 0.5 Mbit/s.
fn picture(seed: u32) -> TsPattern {
    let pattern = TsPattern::new(seed).video_packets(12);
    if seed == A {
        return pattern;
    }
    let place = u16::try_from(seed % 64).expect("less than 64") * 16;
    pattern.pids(0x400 + place, 0x800 + place, 0x801 + place).pmt_version(7)
}

/// A source that plays for ever in real time.
fn plays(seed: u32) -> Script {
    Script::live(&picture(seed))
}

async fn good(seed: u32) -> Origin {
    Origin::start(move |_| plays(seed)).await
}

/// A gateway with one shared channel of these sources, and more of the configuration.
async fn gateway(head: &str, channel: &str, sources: &[String]) -> Gateway {
    let sources = sources.join(", ");
    Gateway::start(&format!(
        "limits: {{requests_per_second: 100000, clients_per_ip: 4000}}\n\
         profiles: {{fan: {{delivery: shared}}}}\n{head}\n\
         channels:\n  {channel}: {{kind: live, profile: fan, sources: [{sources}]}}\n"
    ))
    .await
}

fn request(channel: &str, player: &str) -> String {
    format!("GET /stream/{channel} HTTP/1.1\r\nHost: x\r\nUser-Agent: {player}\r\n\r\n")
}

async fn tune(gateway: &Gateway, channel: &str) -> Viewer {
    Viewer::tune(gateway.stream, &request(channel, "one")).await
}

async fn tune_as(gateway: &Gateway, channel: &str, player: &str) -> Viewer {
    Viewer::tune(gateway.stream, &request(channel, player)).await
}

async fn document(gateway: &Gateway, path: &str) -> Value {
    serde_json::from_str(&gateway.admin_get(path).await).unwrap()
}

async fn status(gateway: &Gateway, channel: &str) -> Value {
    document(gateway, &format!("/api/v1/relay/{channel}/status")).await
}

/// Waits until the relay of a channel is in this state.
async fn eventually_is(gateway: &Gateway, channel: &str, state: &str) -> Value {
    eventually_async("the relay's state", async || {
        let status = status(gateway, channel).await;
        (status["state"] == state).then_some(status)
    })
    .await
}
