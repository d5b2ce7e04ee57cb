//! Real streams: small ones that lie in `tests/fixtures/ts`, and any others in the folder that the
//! environment variable `WEIR_TEST_CAPTURES` names. What a capture does wrong by itself is not held
//! against the join.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use weir::media::ts::join::Manner;

use crate::drive::Outcome;
use crate::drive::Pieces;
use crate::drive::Turn;
use crate::drive::drive;
use crate::oracle::Source;
use crate::oracle::list;
use crate::support::content::Dice;
use crate::support::programs::skipped;
use crate::support::ts::PACKET;

/// Captures in `tests/fixtures/ts`.
const FIXTURES: usize = 19;
/// Of these, captures with tables and a picture or a sound after the first half.
const JOINABLE: usize = 16;

/// All transport streams in a folder and the folders in it, cut off after `packets`, by name.
fn captures(folder: &Path, packets: usize) -> Vec<Source> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ts") {
                found.push(path);
            }
        }
    }
    found.sort();
    let read = |path: &PathBuf| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(packets * PACKET);
        Source::new(path.strip_prefix(folder).unwrap().display().to_string(), bytes)
    };
    found.iter().map(read).collect()
}

fn fixtures(packets: usize) -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ts");
    let captures = captures(&folder, packets);
    assert_eq!(captures.len(), FIXTURES);
    captures
}

/// What was found with many pairs of captures.
#[derive(Default)]
struct Tally {
    /// Pairs that were joined.
    pairs: usize,
    cuts: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Cuts `active` at each offset and goes on with `standby`. False if that was never ready.
    fn cut(
        &mut self,
        active: &Source,
        standby: &Source,
        offsets: impl IntoIterator<Item = usize>,
    ) -> bool {
        // Out of step a joiner needs three packets to find its place: with junk between its packets
        // a capture loses too many of them to be judged.
        if active.stream().junk + standby.stream().junk > 1 {
            return false;
        }
        let mut pieces = Pieces::Random(Dice::new(5), 1500);
        for offset in offsets {
            let gap = Duration::from_millis(offset as u64 % 300);
            // Half of a capture is long enough to wait for a random access point.
            let settle = Some(standby.bytes.len() / 2);
            let turns = [Turn::new(active, offset), Turn { gap, settle, ..Turn::whole(standby) }];
            let Outcome::Joined(joined) = drive(Manner::Seamless, &turns, &mut pieces) else {
                return false;
            };
            self.cuts += 1;
            let faults = joined.faults();
            if !faults.is_empty() {
                self.wrong.push(format!("{}\n{}", joined.describe(), list(&faults)));
                break;
            }
        }
        self.pairs += 1;
        true
    }

    #[track_caller]
    fn assert_clean(&self) {
        let Self { pairs, cuts, wrong } = self;
        let first: Vec<_> = wrong.iter().take(20).cloned().collect();
        let count = wrong.len();
        assert!(count == 0, "{count} of {pairs} pairs, {cuts} cuts\n{}", first.join("\n\n"));
    }
}

/// So many offsets, spread over a source and over the places of a packet.
fn spread(source: &Source, count: usize) -> impl Iterator<Item = usize> + use<> {
    let length = source.bytes.len();
    (0..count).map(move |number| (length - 1) * number / count + number * 37 % 188 + 1)
}

/// Every capture with itself and with some after it, each cut at a few places. Also gives the
/// number of those that can be joined.
fn each_with_others(captures: &[Source], others: usize, cuts: usize) -> (Tally, usize) {
    let (mut tally, mut joinable) = (Tally::default(), 0);
    for (number, active) in captures.iter().enumerate() {
        for other in 0..=others {
            let standby = &captures[(number + other * other) % captures.len()];
            let offsets = spread(active, cuts).filter(|offset| *offset <= active.bytes.len());
            let ready = tally.cut(active, standby, offsets);
            if other == 0 {
                println!("{}: {}", active.name, if ready { "joinable" } else { "never ready" });
                joinable += usize::from(ready);
            }
        }
    }
    (tally, joinable)
}

#[test]
fn fixtures_go_on_with_one_another() {
    let (tally, joinable) = each_with_others(&fixtures(300), 3, 6);
    tally.assert_clean();
    assert_eq!(joinable, JOINABLE);
    assert!(tally.pairs >= 3 * JOINABLE && tally.cuts > 5 * tally.pairs, "{}", tally.cuts);
}

/// Every byte of a packet that begins a picture or a sound.
#[test]
fn fixtures_are_cut_at_every_byte_of_a_packet() {
    let mut tally = Tally::default();
    for capture in fixtures(120) {
        let items = capture.items();
        let Some(first) = items.iter().skip(items.len() / 2).find(|item| item.unit.is_some())
        else {
            continue;
        };
        tally.cut(&capture, &capture, first.at..first.at + PACKET + 8);
    }
    tally.assert_clean();
    assert!(tally.cuts >= 10 * PACKET, "{} cuts", tally.cuts);
}

#[test]
fn other_captures_go_on_with_one_another() {
    let Some(folder) = env::var_os("WEIR_TEST_CAPTURES").filter(|folder| !folder.is_empty()) else {
        return skipped("WEIR_TEST_CAPTURES names no folder of transport streams");
    };
    let captures = captures(Path::new(&folder), 4000);
    assert!(!captures.is_empty(), "no .ts file in {}", folder.display());
    let (tally, joinable) = each_with_others(&captures, 1, 3);
    tally.assert_clean();
    let line = format!("{} captures, {joinable} can be joined", captures.len());
    assert!(joinable * 2 >= captures.len(), "{line}");
}
