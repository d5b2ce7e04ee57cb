//! Failover of running streams, from outside: scripted sources that die, hang and lie, players
//! whose picture goes on, and the origin's book, the metrics and the log, which say what it took.

mod backups;
mod budget;
mod cooldown;
mod deaths;
mod failback;
mod hedge;
mod joins;
mod leaving;
mod pauses;
mod provider;
mod refusals;
mod replicas;
mod rounds;
mod switch;
mod zap;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::task::LocalSet;

use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::presets;
use crate::support::ts::Fault;
use crate::support::ts::TIMESTAMPS;
use crate::support::ts::TsPattern;
use crate::support::viewer::Viewer;

/// The seeds of sources in their order.
const A: u32 = 0xa;
const B: u32 = 0xb;
const C: u32 = 0xc;
const D: u32 = 0xd;

/// Packets of a picture of 0.5 Mbit/s.
const SMALL: u32 = 12;

/// No limit of the listener's is what these tests are about.
const LIMITS: &str = "limits: {requests_per_second: 100000, clients_per_ip: 4000}";

/// Failures show soon, and nothing is hedged.
const QUICK: &str = "failover: {stall_timeout: 800ms, hedge_after: 20s, response_timeout: 2s}";

/// What a source with this seed plays. Two of them share neither PIDs nor PMT version nor time
/// base, and the clock of [`B`] wraps in its first second.
fn picture(seed: u32) -> TsPattern {
    let pattern = TsPattern::new(seed).video_packets(SMALL);
    if seed == A {
        return pattern;
    }
    let place = u16::try_from(seed % 64).expect("less than 64") * 16;
    let version = u8::try_from(seed * 5 % 32).expect("less than 32");
    let first = TIMESTAMPS - 70_000 + u64::from(seed - B) * 1_234_567_890;
    pattern.pids(0x400 + place, 0x800 + place, 0x801 + place).pmt_version(version).first_pcr(first)
}

/// A source that plays for ever in real time.
fn plays(seed: u32) -> Script {
    Script::live(&picture(seed))
}

/// A source that plays so many packets in real time; what comes then is up to the test.
fn plays_for(seed: u32, packets: u64) -> Script {
    Script::live(Feed::live(&picture(seed)).packets(packets))
}

/// An origin that plays the picture of `seed` for ever.
async fn good(seed: u32) -> Origin {
    Origin::start(move |_| plays(seed)).await
}

/// A live channel's line in the configuration.
fn live(channel: &str, sources: &[String]) -> String {
    live_with(channel, sources, "")
}

/// As [`live`], with more keys.
fn live_with(channel: &str, sources: &[String], more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!("  {channel}: {{kind: live, sources: [{}]{comma}{more}}}\n", sources.join(", "))
}

/// A source of a provider with a budget.
fn of(provider: &str, url: &str) -> String {
    format!("{{url: \"{url}\", provider: {provider}}}")
}

/// A gateway with these channels, of [`live`] and [`live_with`].
async fn gateway(head: &str, channels: &[String]) -> Gateway {
    Gateway::start(&format!("{LIMITS}\n{head}\nchannels:\n{}", channels.concat())).await
}

async fn tune(gateway: &Gateway, channel: &str) -> Viewer {
    let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
    Viewer::tune(gateway.stream, &request).await
}

/// As [`tune`], by a player with this User-Agent.
async fn tune_as(gateway: &Gateway, player: &str, channel: &str) -> Viewer {
    Viewer::tune(gateway.stream, &asks(player, channel)).await
}

fn asks(player: &str, channel: &str) -> String {
    format!("GET /stream/{channel} HTTP/1.1\r\nHost: x\r\nUser-Agent: {player}\r\n\r\n")
}

async fn failovers(gateway: &Gateway, channel: &str) -> String {
    gateway.figures("weir_failovers_total", channel).await
}

async fn attempts(gateway: &Gateway, channel: &str) -> String {
    gateway.figures("weir_upstream_attempts_total", channel).await
}

async fn ends(gateway: &Gateway, channel: &str) -> String {
    gateway.figures("weir_sessions_total", channel).await
}

/// Waits until one session of the channel has ended, and says how.
async fn end_of(gateway: &Gateway, channel: &str) -> String {
    eventually_async("the end is counted", async || {
        Some(ends(gateway, channel).await).filter(|ends| !ends.is_empty())
    })
    .await
}

/// The sessions of a channel in `/api/v1/sessions`.
async fn sessions(gateway: &Gateway, channel: &str) -> Vec<serde_json::Value> {
    let text = gateway.admin_get("/api/v1/sessions").await;
    let mut all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    all.retain(|session| session["channel"] == channel);
    all
}

/// Lines of the log about a channel with all of these words.
fn log_lines(channel: &str, words: &[&str]) -> Vec<String> {
    Log::now().lines(channel, words)
}

/// The log so far. It is the whole binary's, so it is long: take it once.
struct Log(String);

impl Log {
    fn now() -> Self {
        Self(logs())
    }

    /// Lines about a channel with all of these words.
    fn lines(&self, channel: &str, words: &[&str]) -> Vec<String> {
        let channel = format!("channel={channel} ");
        let lines = self.0.lines().filter(|line| line.contains(&channel));
        let lines = lines.filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }
}

/// A joined stream in which nothing was lost: whole packets, counters that go on, clocks that rise.
/// The time without a source may show in the clock, and a unit that was cut stays cut.
fn assert_joined(viewer: &Viewer, what: &str) {
    assert_joined_but(viewer, what, &[]);
}

/// As [`assert_joined`], with faults that a source brought with it.
fn assert_joined_but(viewer: &Viewer, what: &str, faults: &[Fault]) {
    let allowed = [&[Fault::PcrJump, Fault::PesLength], faults].concat();
    viewer.report().assert_only(what, &allowed);
}

/// Runs `test` for each number below `count`, `most` at a time.
async fn for_each<F: Future<Output = ()> + 'static>(
    count: usize,
    most: usize,
    test: impl Fn(usize) -> F,
) {
    let here = LocalSet::new();
    let work = async {
        let mut running = JoinSet::new();
        for number in 0..count {
            if running.len() == most {
                running.join_next().await.unwrap().unwrap();
            }
            running.spawn_local(test(number));
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
    };
    here.run_until(work).await;
}

/// What tests that run side by side share.
struct Stage {
    gateway: Gateway,
    origins: Vec<Origin>,
}

impl Stage {
    fn new(gateway: Gateway, origins: Vec<Origin>) -> Arc<Self> {
        Arc::new(Self { gateway, origins })
    }
}
