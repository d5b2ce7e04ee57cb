//! What the failover machine must know of a channel and its configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::Channel;
use crate::channel::Source;
use crate::config;
use crate::delivery::failover::PAUSE;
use crate::delivery::failover::Place;
use crate::delivery::failover::Rules;

/// A source that has played for so long has proven itself: when it fails, all others are tried
/// anew.
const PROVEN_AFTER: Duration = Duration::from_secs(3);

/// The channel's sources, and the rules for them.
pub(super) fn of(channel: &Channel, failover: &config::Failover) -> (Vec<Place>, Rules) {
    let mut budgets = Vec::new();
    let mut number = |source: &Source| {
        let budget = source.budget()?;
        let known = budgets.iter().position(|known| Arc::ptr_eq(known, budget));
        let number = known.unwrap_or_else(|| {
            budgets.push(Arc::clone(budget));
            budgets.len() - 1
        });
        u32::try_from(number).ok()
    };
    let places = channel.sources.iter();
    let places = places
        .map(|source| Place { provider: number(source), is_made: source.made().is_some() })
        .collect();
    let rules = Rules {
        rounds: failover.rounds.max(1),
        hedge: true,
        slot_wait: failover.slot_wait,
        proven_after: PROVEN_AFTER,
        pause: PAUSE,
        failback: channel.failback,
    };
    (places, rules)
}
