//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

use crate::compare;
use crate::compare::Wish;
use crate::failover;
use crate::failover::Start;
use crate::fanout;
use crate::hls;
use crate::process;
use crate::proxies::Kind;
use crate::proxies::naive;
use crate::proxies::weir;
use crate::relay_soak;
use crate::remux;
use crate::remux::sound::Sound;
use crate::scenario;
use crate::soak;
use crate::zap;

use self::usage::usage;

mod usage;

/// Why a command was not carried out.
enum Problem {
    Usage(String),
    Running(String),
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let first = arguments.next_if(|first| !first.starts_with("--"));
    more_files();
    let outcome = match first.as_deref() {
        None if arguments.peek().is_some_and(|option| option == "--help") => {
            usage();
            return ExitCode::SUCCESS;
        }
        None | Some("compare") => compare_with(arguments),
        Some("soak") => soak_with(arguments),
        Some("failover") => failover_with(arguments),
        Some("hls") => hls_with(arguments),
        Some("fanout") => fanout_with(arguments),
        Some("relay-soak") => relay_soak_with(arguments),
        Some("remux") => remux_with(arguments),
        Some("zap") => zap_with(arguments.next()),
        // What this program starts itself as.
        Some("become") => become_with(arguments),
        Some("naive") => naive_with(arguments),
        Some("remux-child") => {
            remux::child::become_child(arguments).map(|()| true).map_err(Problem::Running)
        }
        Some(other) => Err(Problem::Usage(format!("there is no command {other:?}"))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Problem::Running(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(Problem::Usage(error)) => {
            eprintln!("{error}\n");
            usage();
            ExitCode::from(2)
        }
    }
}

fn zap_with(count: Option<String>) -> Result<bool, Problem> {
    zap::run(count.map_or(Ok(200), |count| number("zap", &count))?);
    Ok(true)
}

fn become_with(mut arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let program = arguments.next().unwrap_or_default();
    let error = process::become_program(&program, arguments);
    Err(Problem::Running(format!("{program}: {error}")))
}

fn naive_with(mut arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut address = || number("naive", &arguments.next().unwrap_or_default());
    naive::run(address()?, address()?);
    Ok(true)
}

fn compare_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = Wish {
        seconds: 8.0,
        rounds: 3,
        scenarios: Vec::new(),
        proxies: Kind::ALL.to_vec(),
        weir: PathBuf::new(),
        out: PathBuf::from("loadtest/results"),
    };
    options(arguments, |option, value| {
        match option {
            "--seconds" => wish.seconds = number(option, value)?,
            "--rounds" => wish.rounds = number(option, value)?,
            "--only" => wish.scenarios = names(value, scenario)?,
            "--proxies" => wish.proxies = names(value, proxy)?,
            "--weir" => wish.weir = path(value)?,
            "--out" => wish.out = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("compare has no option {option}"))),
        }
        Ok(())
    })?;
    if wish.weir.as_os_str().is_empty() {
        wish.weir = weir::build().map_err(Problem::Running)?;
    }
    Ok(compare::run(&wish))
}

fn soak_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let (mut minutes, mut clients, mut program) = (10, soak::SCENARIO.clients, None);
    options(arguments, |option, value| {
        match option {
            "--minutes" => minutes = number(option, value)?,
            "--clients" => clients = number(option, value)?,
            "--weir" => program = Some(path(value)?),
            _ => return Err(Problem::Usage(format!("soak has no option {option}"))),
        }
        Ok(())
    })?;
    let program = program.map_or_else(weir::build, Ok).map_err(Problem::Running)?;
    soak::run(&program, minutes, clients).map_err(Problem::Running)
}

fn failover_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = failover::Wish {
        clients: 200,
        rounds: 3,
        kinds: failover::Kind::ALL.to_vec(),
        peers: vec![Kind::Haproxy, Kind::Nginx],
        start: Start::Group,
        decode: 20,
        weir: PathBuf::new(),
        out: PathBuf::from("loadtest/results"),
    };
    options(arguments, |option, value| {
        match option {
            "--clients" => wish.clients = number(option, value)?,
            "--rounds" => wish.rounds = number(option, value)?,
            "--only" => wish.kinds = names(value, break_kind)?,
            "--proxies" if value == "none" => wish.peers.clear(),
            "--proxies" => wish.peers = names(value, peer)?,
            "--start" => wish.start = start(value)?,
            "--decode" => wish.decode = number(option, value)?,
            "--weir" => wish.weir = path(value)?,
            "--out" => wish.out = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("failover has no option {option}"))),
        }
        Ok(())
    })?;
    if wish.weir.as_os_str().is_empty() {
        wish.weir = weir::build().map_err(Problem::Running)?;
    }
    failover::run(&wish).map_err(Problem::Running)
}

fn hls_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = hls::Wish {
        clients: 500,
        seconds: 30.0,
        rounds: 3,
        segment_bytes: 500_000,
        delay: Duration::ZERO,
        ways: hls::Way::ALL.to_vec(),
        weir: PathBuf::new(),
        out: PathBuf::from("loadtest/results"),
    };
    options(arguments, |option, value| {
        match option {
            "--clients" => wish.clients = number(option, value)?,
            "--seconds" => wish.seconds = number(option, value)?,
            "--rounds" => wish.rounds = number(option, value)?,
            "--segment-bytes" => wish.segment_bytes = number(option, value)?,
            "--delay" => wish.delay = Duration::from_millis(number(option, value)?),
            "--proxies" => wish.ways = names(value, way)?,
            "--weir" => wish.weir = path(value)?,
            "--out" => wish.out = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("hls has no option {option}"))),
        }
        Ok(())
    })?;
    if wish.weir.as_os_str().is_empty() {
        wish.weir = weir::build().map_err(Problem::Running)?;
    }
    hls::run(&wish).map_err(Problem::Running)
}

fn fanout_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = fanout::Wish {
        clients: vec![10, 100, 1000],
        seconds: 8.0,
        rounds: 3,
        through: fanout::Through::ALL.to_vec(),
        weir: PathBuf::new(),
        lock: None,
        json: PathBuf::from("loadtest/results/fanout.json"),
    };
    options(arguments, |option, value| {
        match option {
            "--clients" => wish.clients = names(value, |count| count.parse().ok())?,
            "--seconds" => wish.seconds = number(option, value)?,
            "--rounds" => wish.rounds = number(option, value)?,
            "--proxies" => wish.through = names(value, through)?,
            "--lock" => wish.lock = Some(PathBuf::from(value)),
            "--weir" => wish.weir = path(value)?,
            "--json" => wish.json = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("fanout has no option {option}"))),
        }
        Ok(())
    })?;
    if wish.weir.as_os_str().is_empty() {
        wish.weir = weir::build().map_err(Problem::Running)?;
    }
    fanout::run(&wish).map_err(Problem::Running)
}

fn relay_soak_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = relay_soak::Wish {
        minutes: 10,
        mbit: 20,
        clients: 50,
        stalled: 50,
        slow: 10,
        weir: PathBuf::new(),
        json: PathBuf::from("loadtest/results/relay-soak.json"),
    };
    options(arguments, |option, value| {
        match option {
            "--minutes" => wish.minutes = number(option, value)?,
            "--mbit" => wish.mbit = number(option, value)?,
            "--clients" => wish.clients = number(option, value)?,
            "--stalled" => wish.stalled = number(option, value)?,
            "--slow" => wish.slow = number(option, value)?,
            "--weir" => wish.weir = path(value)?,
            "--json" => wish.json = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("relay-soak has no option {option}"))),
        }
        Ok(())
    })?;
    if wish.weir.as_os_str().is_empty() {
        wish.weir = weir::build().map_err(Problem::Running)?;
    }
    relay_soak::run(&wish).map_err(Problem::Running)
}

fn remux_with(arguments: impl Iterator<Item = String>) -> Result<bool, Problem> {
    let mut wish = remux::Wish {
        seconds: 60,
        rounds: 5,
        sounds: Sound::ALL.to_vec(),
        lock: None,
        json: PathBuf::from("loadtest/results/remux.json"),
    };
    options(arguments, |option, value| {
        match option {
            "--seconds" => wish.seconds = number(option, value)?,
            "--rounds" => wish.rounds = number(option, value)?,
            "--only" => wish.sounds = names(value, sound)?,
            "--lock" => wish.lock = Some(PathBuf::from(value)),
            "--json" => wish.json = PathBuf::from(value),
            _ => return Err(Problem::Usage(format!("remux has no option {option}"))),
        }
        Ok(())
    })?;
    remux::run(&wish).map_err(Problem::Running)
}

/// Each option and its value.
fn options(
    mut arguments: impl Iterator<Item = String>,
    mut set: impl FnMut(&str, &str) -> Result<(), Problem>,
) -> Result<(), Problem> {
    while let Some(option) = arguments.next() {
        let value = arguments.next();
        let value = value.ok_or_else(|| Problem::Usage(format!("{option} needs a value")))?;
        set(&option, &value)?;
    }
    Ok(())
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| Problem::Usage(format!("{option}: {value:?} is not a number")))
}

fn path(value: &str) -> Result<PathBuf, Problem> {
    // The program starts in a folder of its own.
    std::path::absolute(value).map_err(|error| Problem::Usage(format!("{value}: {error}")))
}

fn names<T>(list: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Problem> {
    let unknown = |name| Problem::Usage(format!("there is no {name:?}"));
    list.split(',').map(|name| read(name).ok_or_else(|| unknown(name))).collect()
}

fn scenario(name: &str) -> Option<String> {
    scenario::ALL.iter().find(|scenario| scenario.name == name).map(|_| name.to_owned())
}

fn proxy(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// Peers of weir's that can be given a backup.
fn peer(name: &str) -> Option<Kind> {
    proxy(name).filter(|kind| matches!(kind, Kind::Haproxy | Kind::Nginx))
}

fn way(name: &str) -> Option<hls::Way> {
    hls::Way::ALL.into_iter().find(|way| way.name() == name)
}

fn through(name: &str) -> Option<fanout::Through> {
    fanout::Through::ALL.into_iter().find(|through| through.name() == name)
}

fn sound(name: &str) -> Option<Sound> {
    Sound::ALL.into_iter().find(|sound| sound.name() == name)
}

fn break_kind(name: &str) -> Option<failover::Kind> {
    failover::Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn start(value: &str) -> Result<Start, Problem> {
    match value {
        "group" => Ok(Start::Group),
        "anywhere" => Ok(Start::Anywhere),
        _ => Err(Problem::Usage(format!("--start: {value:?} is neither group nor anywhere"))),
    }
}

/// Two sockets for each client are in this program: as many files as it may have.
fn more_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: maximum, maximum };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("raising the limit of open files: {error}");
    }
}
