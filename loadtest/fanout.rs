//! Fan-out: one live stream for many clients, through a shared channel of weir's, through Icecast, and as
//! HLS through nginx as a cache. What does a client cost, and what does it wait for?

use std::path::Path;
use std::path::PathBuf;

use crate::machine;
use crate::proxies;

use self::contender::Contender;
use self::origin::Origin;
use self::report::Report;
use self::round::Round;

pub(crate) mod contender;
mod crowd;
pub(crate) mod origin;
mod report;
mod round;

/// Bits per second of the stream.
pub(crate) const BITS: u64 = 8_000_000;

/// What stands between the clients and the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Weir,
    Icecast,
    Nginx,
}

impl Through {
    pub(crate) const ALL: [Self; 3] = [Self::Weir, Self::Icecast, Self::Nginx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Icecast => "icecast2",
            Self::Nginx => "nginx",
        }
    }

    /// Where the program is, or what to install.
    fn program(self, weir: &Path) -> Result<PathBuf, String> {
        match self {
            Self::Weir => Ok(weir.to_owned()),
            other => proxies::installed(other.name()),
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) clients: Vec<usize>,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) through: Vec<Through>,
    pub(crate) weir: PathBuf,
    /// Locked during each round, for a machine that does other work between them.
    pub(crate) lock: Option<PathBuf>,
    pub(crate) json: PathBuf,
}

/// What so many clients of one contender gave, round by round.
struct Row {
    through: Through,
    program: PathBuf,
    clients: usize,
    rounds: Vec<Round>,
}

/// Measures, prints and writes everything down; whether the figures can be relied on.
pub(crate) fn run(wish: &Wish) -> Result<bool, String> {
    let mut facts = machine::facts(&wish.weir);
    facts.retain(|(name, _)| *name != "haproxy");
    facts.push(("icecast2", machine::said("icecast2", &["-v"])));
    let folder = machine::folder();
    let measured = measure(wish, &folder);
    std::fs::remove_dir_all(&folder).ok();
    let (rows, failures) = measured?;
    let report = Report { facts: &facts, wish, rows: &rows };
    print!("{}", report.text());
    let mut doubts = report.doubts();
    doubts.extend(failures);
    let folder = wish.json.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&wish.json, format!("{:#}\n", report.json(&doubts))))
        .map_err(|error| format!("{}: {error}", wish.json.display()))?;
    for doubt in &doubts {
        eprintln!("*** {doubt}");
    }
    Ok(doubts.is_empty())
}

/// All rounds; the second value says what could not be measured.
fn measure(wish: &Wish, folder: &Path) -> Result<(Vec<Row>, Vec<String>), String> {
    let origin = Origin::start().map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for clients in &wish.clients {
        for through in &wish.through {
            match through.program(&wish.weir) {
                Ok(program) => {
                    let (through, clients) = (*through, *clients);
                    rows.push(Row { through, program, clients, rounds: Vec::new() });
                }
                Err(error) => eprintln!("\n*** {error}; {} is left out ***\n", through.name()),
            }
        }
    }
    let mut failures = Vec::new();
    for number in 1..=wish.rounds {
        let _lock = wish.lock.as_deref().map(machine::lock).transpose()?;
        for row in &mut rows {
            let (name, clients) = (row.through.name(), row.clients);
            eprint!("round {number}/{}  {clients:>5} {name:<8}", wish.rounds);
            let folder = folder.join(format!("{name}-{clients}-{number}"));
            let contender = Contender::start(row.through, &row.program, &folder, &origin, clients);
            let round =
                contender.and_then(|contender| round::measure(contender, wish, &origin, clients));
            match round {
                Ok(round) => {
                    eprintln!("{}", report::glance(&round));
                    row.rounds.push(round);
                }
                Err(error) => {
                    eprintln!("failed: {error}");
                    failures.push(format!("{name}, {clients} clients: {error}"));
                }
            }
        }
    }
    rows.retain(|row| !row.rounds.is_empty());
    Ok((rows, failures))
}
