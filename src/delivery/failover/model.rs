//! The machine against a simulated world: random sessions, sources, providers, viewers and
//! accidents, in simulated time. After each event everything that must always hold is checked.
//! Every sequence is made from its seed alone; one that fails is told step by step.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use super::Reason;
use world::World;

mod accidents;
mod dice;
mod driver;
mod ledger;
mod provider;
mod session;
mod world;

/// Sequences of each of the tests below.
const SEQUENCES: u64 = 25_000;

/// Plays the sequences of `seeds`: 20 to 60 events of any kind, then calm. Answers what was done,
/// and how often.
fn play(seeds: Range<u64>) -> BTreeMap<&'static str, u32> {
    let mut seen = BTreeMap::new();
    for seed in seeds {
        let once = |told| {
            let mut world = World::new(seed, told);
            world.storm();
            world.calm();
            world.seen
        };
        let Ok(actions) = catch_unwind(AssertUnwindSafe(|| once(false))) else {
            eprintln!("the sequence of seed {seed}:");
            once(true);
            panic!("it went well when it was told");
        };
        for (kind, count) in actions {
            *seen.entry(kind).or_default() += count;
        }
    }
    seen
}

#[test]
fn random_sequences_lead_to_everything_there_is() {
    let seen = play(0..2000);
    eprintln!("{seen:?}");
    let reasons = [
        Reason::Ended,
        Reason::Broken,
        Reason::Short,
        Reason::Stalled,
        Reason::Silent,
        Reason::NullPackets,
        Reason::FrozenClock,
        Reason::Scrambled,
        Reason::Manual,
        Reason::Failback,
        Reason::Start,
    ];
    let others = ["acquire", "await", "open", "drop", "exhausted"];
    let outcomes = ["switched", "already there", "nothing else", "busy", "failed", "lost"];
    for kind in reasons.map(Reason::word).iter().chain(&others).chain(&outcomes) {
        assert!(seen.get(kind).is_some_and(|count| *count >= 20), "{kind}: {seen:?}");
    }
}

// Four tests, so that they use more than one core where there is one.

#[test]
fn everything_holds_in_the_first_quarter_of_random_sequences() {
    play(0..SEQUENCES);
}

#[test]
fn everything_holds_in_the_second_quarter_of_random_sequences() {
    play(SEQUENCES..2 * SEQUENCES);
}

#[test]
fn everything_holds_in_the_third_quarter_of_random_sequences() {
    play(2 * SEQUENCES..3 * SEQUENCES);
}

#[test]
fn everything_holds_in_the_last_quarter_of_random_sequences() {
    play(3 * SEQUENCES..4 * SEQUENCES);
}
