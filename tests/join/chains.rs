//! Random chains: a client that is handed from source to source, each cut or finished anywhere,
//! while their tables change.

use std::time::Duration;

use proptest::prelude::*;
use weir::media::ts::join::Manner;

use crate::drive::Outcome;
use crate::drive::Pieces;
use crate::drive::Turn;
use crate::drive::drive;
use crate::generator::Recipe;
use crate::oracle::Source;
use crate::oracle::list;
use crate::random::config;
use crate::random::recipe;
use crate::support::content::Dice;

/// Groups of pictures in a source. What is heard of it, half of them, has tables and after them a
/// random access point.
const GROUPS: u64 = 5;

/// A source and how it is heard and left.
#[derive(Clone, Debug)]
struct Link {
    recipe: Recipe,
    /// Parts of it that are over before it is heard, and when it is left.
    heard: (f64, f64),
    finish: bool,
    gap: u64,
    held: usize,
}

prop_compose! {
    fn link(seed: u32)(
        recipe in recipe(seed),
        heard in (0.0..0.2_f64, 0.7..1.0_f64),
        finish in any::<bool>(),
        gap in 0..200_u64,
        held in 0..5_000_usize,
    ) -> Link {
        // Of PES headers in parts some wait when a source is left, which the oracle cannot follow.
        Link { recipe: Recipe { split: false, ..recipe }, heard, finish, gap, held }
    }
}

impl Link {
    /// What a client could hear of it.
    fn source(&self) -> Source {
        let bytes = self.recipe.make(GROUPS);
        let begin = (bytes.len() as f64 * self.heard.0) as usize;
        Source::new(format!("{:?}", self.recipe), bytes[begin..].to_vec())
    }

    fn turn<'a>(&self, source: &'a Source) -> Turn<'a> {
        let cut = (source.bytes.len() as f64 * self.heard.1) as usize;
        Turn {
            finish: self.finish.then_some(source.bytes.len() - cut),
            gap: Duration::from_millis(self.gap),
            held: self.held,
            ..Turn::new(source, cut)
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn any_sources_follow_one_another(
        links in (link(1), link(2), link(3), link(4), link(5)).prop_map(<[Link; 5]>::from),
        pieces in (any::<u64>(), 1..3_000_usize),
    ) {
        let sources = links.each_ref().map(Link::source);
        let turns: Vec<_> =
            links.iter().zip(&sources).map(|(link, source)| link.turn(source)).collect();
        let mut pieces = Pieces::Random(Dice::new(pieces.0), pieces.1);
        let outcome = drive(Manner::Seamless, &turns, &mut pieces);
        let not_ready = match &outcome {
            Outcome::NotReady(number) => Some(&sources[*number].name),
            Outcome::Joined(_) => None,
        };
        prop_assert!(not_ready.is_none(), "never ready: {}", not_ready.unwrap_or(&String::new()));
        let joined = outcome.joined("any");
        let faults = joined.faults();
        prop_assert!(faults.is_empty(), "{}\n{}", joined.describe(), list(&faults));
    }
}
