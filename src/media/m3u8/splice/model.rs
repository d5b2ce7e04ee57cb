//! A model of sources that advance, restart and fail, and of a client that believes the standard.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;

use crate::media::m3u8::Splice;

/// Segments of four seconds with a target duration of four: three make the live edge.
const EDGE: usize = 3;

#[derive(Clone, Debug)]
struct Source {
    name: usize,
    generation: u32,
    window: usize,
    /// The numbers in the list.
    numbers: Range<u64>,
    /// By number, whether EXT-X-DISCONTINUITY stands before the segment.
    tags: BTreeMap<u64, bool>,
    is_encrypted: bool,
    names_sequences: bool,
}

impl Source {
    fn new(name: usize, setup: &Setup) -> Self {
        let numbers = setup.first..setup.first;
        let (window, is_encrypted) = (setup.window, setup.is_encrypted);
        let names_sequences = setup.names_sequences || setup.first > 0;
        Self {
            name,
            generation: 0,
            window,
            numbers,
            tags: BTreeMap::new(),
            is_encrypted,
            names_sequences,
        }
    }

    fn advance(&mut self, tags: &[bool]) {
        for tag in tags {
            self.tags.insert(self.numbers.end, *tag);
            self.numbers.end += 1;
        }
        let most = u64::try_from(self.window).unwrap();
        self.numbers.start = self.numbers.start.max(self.numbers.end.saturating_sub(most));
    }

    /// Begins again far below.
    fn restart(&mut self) {
        self.generation += 1;
        self.tags.clear();
        self.numbers = 0..0;
        self.advance(&[false]);
    }

    fn uri(&self, number: u64) -> String {
        format!("{}-{}-{number}", self.name, self.generation)
    }

    fn list(&self) -> String {
        let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n".to_owned();
        let left = self.tags.range(..self.numbers.start).filter(|(_, tag)| **tag).count();
        if self.names_sequences || self.numbers.start > 0 {
            text += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n", self.numbers.start);
        }
        if self.names_sequences || left > 0 {
            text += &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{left}\n");
        }
        if self.is_encrypted {
            text += "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n";
        }
        for number in self.numbers.clone() {
            text += if self.tags[&number] { "#EXT-X-DISCONTINUITY\n" } else { "" };
            text += &format!("#EXTINF:4,\n{}\n", self.uri(number));
        }
        text
    }
}

#[derive(Clone, Debug)]
struct Shown {
    number: u64,
    discontinuity: u64,
    has_tag: bool,
    uri: String,
}

/// All lists that a client has seen.
#[derive(Default)]
struct Client {
    known: BTreeMap<u64, (String, u64)>,
    media_sequence: u64,
    discontinuity_sequence: u64,
}

impl Client {
    /// Reads a list as RFC 8216 says and compares it with those before.
    fn see(&mut self, text: &str) -> Vec<Shown> {
        let value = |name: &str| -> u64 {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map_or(0, |text| text.parse().unwrap())
        };
        let media_sequence = value("#EXT-X-MEDIA-SEQUENCE:");
        let discontinuity_sequence = value("#EXT-X-DISCONTINUITY-SEQUENCE:");
        assert!(media_sequence >= self.media_sequence, "{text}");
        assert!(discontinuity_sequence >= self.discontinuity_sequence, "{text}");
        (self.media_sequence, self.discontinuity_sequence) =
            (media_sequence, discontinuity_sequence);
        let (mut number, mut discontinuity) = (media_sequence, discontinuity_sequence);
        let (mut has_tag, mut vector) = (false, None);
        let mut shown = Vec::new();
        for line in text.lines() {
            if line == "#EXT-X-DISCONTINUITY" {
                has_tag = true;
                discontinuity += 1;
            } else if let Some((_, key)) = line.split_once("#EXT-X-KEY:") {
                let iv =
                    key.split_once("IV=0x").map(|(_, iv)| u64::from_str_radix(iv, 16).unwrap());
                vector = Some(iv);
            } else if !line.starts_with('#') {
                let original = line.rsplit('-').next().unwrap();
                if let Some(vector) = vector {
                    assert_eq!(vector.unwrap_or(number).to_string(), original, "{text}");
                }
                let is_same = |known: &mut (String, u64)| {
                    assert_eq!(*known, (line.to_owned(), discontinuity), "{text}")
                };
                self.known
                    .entry(number)
                    .and_modify(is_same)
                    .or_insert((line.to_owned(), discontinuity));
                shown.push(Shown { number, discontinuity, has_tag, uri: line.to_owned() });
                has_tag = false;
                number += 1;
            }
        }
        shown
    }
}

#[derive(Clone, Debug)]
struct Setup {
    first: u64,
    window: usize,
    is_encrypted: bool,
    names_sequences: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Advance(usize, Vec<bool>),
    Restart(usize),
    Reload(usize),
    /// The same source as last.
    ReloadAgain,
    /// The same, but a cache gives the list from before the last change of it.
    Old,
}

fn setups() -> impl Strategy<Value = Vec<Setup>> {
    let first = prop_oneof![Just(0_u64), 10..1000_u64];
    let setup = (first, 1..8_usize, any::<bool>(), any::<bool>());
    let setup = setup.prop_map(|(first, window, is_encrypted, names_sequences)| Setup {
        first,
        window,
        is_encrypted,
        names_sequences,
    });
    prop::collection::vec(setup, 3)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tags = prop::collection::vec(prop::bool::weighted(0.2), 1..5);
    let step = prop_oneof![
        4 => (0..3_usize, tags).prop_map(|(source, tags)| Step::Advance(source, tags)),
        1 => (0..3_usize).prop_map(Step::Restart),
        2 => (0..3_usize).prop_map(Step::Reload),
        4 => Just(Step::ReloadAgain),
        1 => Just(Step::Old),
    ];
    prop::collection::vec(step, 1..60)
}

/// Reloads `source` and compares what is shown with what must be.
fn reload(splice: &mut Splice, client: &mut Client, source: &Source, run: &mut Option<Run>) {
    let list = source.list();
    assert!(!splice.is_older(&list, u32::try_from(source.name).unwrap()), "{list}");
    let text = splice.follow(&list, u32::try_from(source.name).unwrap()).unwrap();
    let highest = client.known.last_key_value().map(|(number, (_, dsn))| (*number, *dsn));
    let shown = client.see(&text);
    let all: Vec<_> = source.numbers.clone().collect();
    let is_change = run.as_ref().is_some_and(|run| run.source != (source.name, source.generation));
    if run.is_none() {
        assert_eq!(text, list);
        *run = Some(Run {
            source: (source.name, source.generation),
            first: source.numbers.start,
            is_first: true,
            seen: 0,
            lists: Vec::new(),
        });
    } else if is_change {
        let edge = all.len().saturating_sub(EDGE);
        *run = Some(Run {
            source: (source.name, source.generation),
            first: all[edge],
            is_first: false,
            seen: 0,
            lists: Vec::new(),
        });
        assert!(shown[0].has_tag, "{text}");
        if let Some((number, discontinuity)) = highest {
            assert_eq!(shown[0].number, number + 1, "{text}");
            assert!(shown[0].discontinuity > discontinuity, "{text}");
        }
    }
    let run = run.as_mut().unwrap();
    run.seen = source.numbers.start;
    if run.lists.last().is_none_or(|(last, _)| *last != list) {
        run.lists.push((list.clone(), source.numbers.clone()));
    }
    if run.is_first {
        assert_eq!(text, list);
    }
    let expected =
        all.iter().filter(|number| **number >= run.first).map(|number| source.uri(*number));
    let uris: Vec<_> = shown.into_iter().map(|one| one.uri).collect();
    assert_eq!(uris, expected.collect::<Vec<_>>(), "{text}");
}

struct Run {
    source: (usize, u32),
    first: u64,
    is_first: bool,
    /// Where its last list began.
    seen: u64,
    /// Its lists so far.
    lists: Vec<(String, Range<u64>)>,
}

proptest! {
    #[test]
    fn a_client_never_sees_a_contradiction(setups in setups(), steps in steps()) {
        let mut sources: Vec<_> =
            setups.iter().enumerate().map(|(name, setup)| Source::new(name, setup)).collect();
        sources.iter_mut().for_each(|source| source.advance(&[false, false]));
        let (mut splice, mut client, mut run) = (Splice::new(), Client::default(), None);
        let mut last = 0;
        for step in steps {
            match step {
                Step::Advance(source, tags) => sources[source].advance(&tags),
                // A restart is seen where the numbers go back: for others there is no sign.
                Step::Restart(source) if source != last || run.as_ref().is_some_and(|run: &Run| run.seen > 0) => {
                    sources[source].restart();
                    if source == last && run.is_some() {
                        reload(&mut splice, &mut client, &sources[source], &mut run);
                    }
                }
                Step::Restart(_) => {}
                Step::Reload(source) => {
                    last = source;
                    reload(&mut splice, &mut client, &sources[last], &mut run);
                }
                Step::Old => {
                    let Some(run) = &run else { continue };
                    let old = run.lists.iter().rev().nth(1);
                    // Without a segment in common it is a restart by all signs.
                    let Some((list, _)) = old.filter(|(_, old)| old.end > run.seen) else { continue };
                    let source = u32::try_from(run.source.0).unwrap();
                    assert!(splice.is_older(list, source), "{list}");
                    // The newest again, which is as if nothing had been; or, where that is gone, what
                    // is left of the old one.
                    let newest = run.lists.last().map(|(list, _)| list.as_str());
                    let again = splice.clone().follow(newest.unwrap(), source).unwrap();
                    client.see(&again);
                    let text = splice.follow(list, source).unwrap();
                    client.see(&text);
                }
                Step::ReloadAgain => reload(&mut splice, &mut client, &sources[last], &mut run),
            }
        }
    }
}
