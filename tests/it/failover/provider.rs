//! A provider that counts: hundreds of random zaps, seeks, stalls, failures and switches by several
//! viewers at once, on accounts with one, two and three connections, and never one connection too
//! many.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::origin::Recorded;
use crate::support::player::Player;
use crate::support::vod::VodFile;

const VIEWERS: usize = 4;
const LIVE: usize = 6;
const FILMS: usize = 3;
const LENGTH: u64 = 20_000_000;
/// No deed lasts longer.
const A_MOMENT: Duration = Duration::from_millis(150);

/// An account: its connections are those to one origin.
struct Account {
    origin: Origin,
    limit: usize,
    violations: Arc<AtomicUsize>,
}

impl Account {
    async fn open(limit: usize, seed: u64) -> Self {
        let violations = Arc::new(AtomicUsize::new(0));
        let (counted, dice) = (Arc::clone(&violations), Mutex::new(Dice::new(seed + limit as u64)));
        let origin = Origin::start(move |request| {
            if request.open.len() > limit {
                counted.fetch_add(1, Ordering::Relaxed);
                return Script::error("403 Forbidden");
            }
            answer(request, dice.lock().unwrap().roll(100))
        })
        .await;
        Self { origin, limit, violations }
    }

    fn source(&self, path: &str) -> String {
        of(&format!("account-{}", self.limit), &self.origin.url(path))
    }
}

/// A source in one of its moods.
fn answer(request: &Recorded, mood: usize) -> Script {
    if request.path().starts_with("/film") {
        let file = VodFile::of_length(LENGTH).slow(4_000_000);
        return match mood {
            0..4 => Script::error("500 Internal Server Error"),
            4..8 => Script::silent(),
            _ => file.answer(request),
        };
    }
    let seed = B + u32::try_from(request.number % 40).expect("less than 40");
    match mood {
        0..8 => plays_for(seed, 30).reset(),
        8..16 => plays_for(seed, 30).stall(),
        16..20 => plays_for(seed, 40).close(),
        20..24 => Script::error("500 Internal Server Error"),
        24..28 => Script::html("<html>"),
        28..31 => Script::silent(),
        31..34 => plays_for(seed, 20)
            .pause(Duration::from_millis(120))
            .feed(Feed::live(&picture(seed)).from(20 * 188)),
        _ => plays(seed),
    }
}

struct House {
    gateway: Gateway,
    accounts: Vec<Account>,
    done: AtomicUsize,
}

impl House {
    async fn build(seed: u64) -> Arc<Self> {
        let mut accounts = Vec::new();
        for limit in 1..=3 {
            accounts.push(Account::open(limit, seed).await);
        }
        let sources = |kind: &str, number: usize, count: usize| {
            let turn = (0..count).map(|place| &accounts[(number + place) % accounts.len()]);
            turn.map(|account| account.source(&format!("/{kind}-{number}"))).collect::<Vec<_>>()
        };
        let mut channels = Vec::new();
        for number in 0..LIVE {
            // The last ones have all of their sources with one provider.
            let list = if number < 4 {
                sources("live", number, 3)
            } else {
                vec![accounts[number % 2].source("/live-x"), accounts[number % 2].source("/live-y")]
            };
            channels.push(live(&format!("sim-{number}"), &list));
        }
        for number in 0..FILMS {
            let list = sources("film", number, 2).join(", ");
            channels.push(format!("  film-{number}: {{kind: vod, sources: [{list}]}}\n"));
        }
        let head = "failover: {stall_timeout: 200ms, hedge_after: 60ms, response_timeout: 200ms, \
                    slot_wait: 100ms, cooldown: 100ms, rounds: 2}\nproviders: \
                    {account-1: {max_connections: 1}, account-2: {max_connections: 2}, \
                    account-3: {max_connections: 3}}";
        let gateway = gateway(head, &channels).await;
        Arc::new(Self { gateway, accounts, done: AtomicUsize::new(0) })
    }

    /// What one viewer does, one deed after the other, a function of its dice.
    async fn watch(self: Arc<Self>, viewer: usize, mut dice: Dice, deeds: usize) {
        let mut watched: Option<(Player, String)> = None;
        for _ in 0..deeds {
            let deed = dice.roll(10);
            self.done.fetch_add(1, Ordering::Relaxed);
            let next = match deed {
                1..=5 => Some((format!("sim-{}", dice.roll(LIVE) - 1), None)),
                6..=7 => {
                    let first = dice.roll(LENGTH as usize - 1) as u64;
                    Some((format!("film-{}", dice.roll(FILMS) - 1), Some(first)))
                }
                _ => None,
            };
            match (next, &mut watched) {
                (Some((channel, first)), _) => {
                    // Half of all players leave first.
                    let last = watched.take().filter(|_| dice.roll(2) == 1);
                    let asked = timeout(A_MOMENT * 2, self.ask(viewer, &channel, first)).await;
                    watched = asked.ok().flatten().map(|player| (player, channel));
                    drop(last);
                }
                (None, Some((player, channel))) if deed == 8 => {
                    let path = format!("/streams/{channel}/failover");
                    let switching = timeout(A_MOMENT, self.gateway.admin_post(&path, ""));
                    _ = tokio::join!(switching, look(player));
                }
                (None, Some((player, _))) => look(player).await,
                (None, None) => {}
            }
        }
    }

    /// Asks for a channel, or a film from some byte on, and looks at it.
    async fn ask(&self, viewer: usize, channel: &str, first: Option<u64>) -> Option<Player> {
        let range = first.map_or(String::new(), |first| format!("Range: bytes={first}-\r\n"));
        let request = format!(
            "GET /stream/{channel} HTTP/1.1\r\nHost: x\r\nUser-Agent: viewer {viewer}\r\n{range}\r\n"
        );
        let (mut player, head) = Player::ask(self.gateway.stream, &request).await;
        match head.status {
            200 if first.is_none() => look(&mut player).await,
            206 => {
                let bytes = player.chunk().await.ok()?;
                Blob::new(1, LENGTH).assert_matches(first?, &bytes);
            }
            502..=504 => return None,
            status => panic!("{status} for {channel}"),
        }
        Some(player)
    }
}

/// Reads for a moment, or until the body ends.
async fn look(player: &mut Player) {
    let mut left = 60_usize;
    let reading = player.discard_while(|_| {
        left = left.saturating_sub(1);
        left > 0
    });
    _ = timeout(A_MOMENT / 2, reading).await;
}

/// So many deeds of each viewer.
async fn simulate(seed: u64, deeds: usize) {
    println!("seed {seed:#x}");
    let house = House::build(seed).await;
    for_each(VIEWERS, VIEWERS, |viewer| {
        let dice = Dice::new(seed ^ (viewer as u64 + 1) << 32);
        Arc::clone(&house).watch(viewer, dice, deeds)
    })
    .await;
    for account in &house.accounts {
        account.origin.idle().await;
        let (limit, most) = (account.limit, account.origin.open_max());
        println!("{limit}: {} connections, {most} at once", account.origin.total());
        assert_eq!(account.violations.load(Ordering::Relaxed), 0, "account {limit}");
        assert!(most <= limit, "account {limit}: {most} at once");
        let used = format!("weir_upstream_connections{{provider=\"account-{limit}\"}}");
        eventually_async("every slot is given back", async || {
            (house.gateway.metric(&used).await == 0.0).then_some(())
        })
        .await;
    }
    let metrics = house.gateway.metrics().await;
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let (failovers, takeovers) = (sum("weir_failovers_total{"), sum("weir_takeovers_total{"));
    let total: usize = house.accounts.iter().map(|account| account.origin.total()).sum();
    let done = house.done.load(Ordering::Relaxed);
    println!("{done} deeds, {total} connections, {failovers} failovers, {takeovers} takeovers");
    assert_eq!(done, VIEWERS * deeds);
    let enough = total >= done / 2 && failovers >= 10.0 && takeovers >= 5.0;
    assert!(enough, "too little happened");
}

#[tokio::test]
async fn an_account_never_sees_one_connection_too_many() {
    simulate(0x0dd_ba11, 80).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn an_account_never_sees_one_connection_too_many_in_the_long_run() {
    for seed in 1..=8 {
        simulate(seed, 300).await;
    }
}
