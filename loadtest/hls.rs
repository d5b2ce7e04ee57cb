//! HLS: players of one live channel, through weir, through nginx as a cache, and without anything
//! between. How long do playlists and segments take, what does each cost, and how often is the source
//! asked?

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::machine;
use crate::proxies::Kind as Program;

use self::channel::Channel;
use self::report::Report;
use self::round::Round;
use self::source::Source;

pub(crate) mod channel;
mod gateway;
pub(crate) mod players;
mod report;
mod round;
pub(crate) mod source;

/// What stands between the players and the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Nginx,
    Weir,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Nginx, Self::Weir];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Weir => "weir",
        }
    }

    /// The program to start, if there is one to start.
    fn program(self, weir: &Path) -> Result<Option<PathBuf>, String> {
        match self {
            Self::Direct => Ok(None),
            Self::Nginx => Program::Nginx.program(weir).map(Some),
            Self::Weir => Ok(Some(weir.to_owned())),
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) clients: usize,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) segment_bytes: usize,
    /// How long the source takes until it answers.
    pub(crate) delay: Duration,
    pub(crate) ways: Vec<Way>,
    pub(crate) weir: PathBuf,
    pub(crate) out: PathBuf,
}

/// What one way gave, round by round.
struct Row {
    way: Way,
    program: Option<PathBuf>,
    rounds: Vec<Round>,
}

/// Measures, prints and writes everything down; whether all players got what they should.
pub(crate) fn run(wish: &Wish) -> Result<bool, String> {
    let facts = machine::facts(&wish.weir);
    let folder = machine::folder();
    let measured = measure(wish, &folder);
    std::fs::remove_dir_all(&folder).ok();
    let (rows, failures) = measured?;
    let report = Report { facts: &facts, wish, rows: &rows };
    print!("{}", report.text());
    let mut doubts = report.doubts();
    doubts.extend(failures);
    let file = wish.out.join("hls.json");
    std::fs::create_dir_all(&wish.out)
        .and_then(|()| std::fs::write(&file, format!("{:#}\n", report.json(&doubts))))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    for doubt in &doubts {
        eprintln!("*** {doubt}");
    }
    Ok(doubts.is_empty())
}

/// All rounds; the second value says what could not be measured.
fn measure(wish: &Wish, folder: &Path) -> Result<(Vec<Row>, Vec<String>), String> {
    let channel = Arc::new(Channel::new(wish.segment_bytes));
    let source =
        Source::start(Arc::clone(&channel), wish.delay).map_err(|error| error.to_string())?;
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    for way in &wish.ways {
        match way.program(&wish.weir) {
            Ok(program) => rows.push(Row { way: *way, program, rounds: Vec::new() }),
            Err(error) => eprintln!("\n*** {error}; {} is left out ***\n", way.name()),
        }
    }
    for round in 1..=wish.rounds {
        for row in &mut rows {
            eprint!("round {round}/{}  {:<7}", wish.rounds, row.way.name());
            let folder = folder.join(format!("{}-{round}", row.way.name()));
            match round::measure(round, row.way, row.program.as_deref(), wish, &source, &folder) {
                Ok(round) => {
                    eprintln!("{}", report::glance(&round));
                    row.rounds.push(round);
                }
                Err(error) => {
                    eprintln!("failed: {error}");
                    failures.push(format!("{}: {error}", row.way.name()));
                }
            }
        }
    }
    rows.retain(|row| !row.rounds.is_empty());
    Ok((rows, failures))
}
