//! The `weir` program: arguments, logging, runtime and exit codes; nothing else.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use weir::app::{App, Reload, Surroundings};
use weir::config::{self, Environment, Loaded};
use weir::lifecycle::signals::Signals;
use weir::lifecycle::systemd::{Notifier, watchdog_interval};
use weir::listen::Activation;
use weir::remux::codec::BuiltIn;
use weir::transcode::exec;
use weir::{demo, doctor, logging};

/// `EX_CONFIG` of sysexits(3), so that a unit can say `RestartPreventExitStatus=78`.
const BAD_CONFIGURATION: u8 = 78;

/// A pass-through gateway for television streams.
///
/// A client asks for a stream; weir opens a fresh upstream connection for that client alone and
/// passes the bytes untouched.
#[derive(Debug, Parser)]
#[command(version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file [default: $WEIR_CONFIG, ./config.yaml, /etc/weir/config.yaml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Run the gateway (what `weir` alone does)
    Serve,
    /// Run with built-in generated channels: no configuration, no network, no FFmpeg
    Demo,
    /// Check the configuration and print every mistake; exits with 0 or 78
    Check,
    /// Print the configuration in effect and where each value comes from; secrets as ***
    Config,
    /// Try every source, receiver, limit and directory, and say what to mend
    Doctor,
}

/// Why the program ends with another code than 0.
enum Failure {
    /// 78: the text says what to mend.
    Configuration(String),
    /// 1: the text says what went wrong.
    Running(String),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == exec::WORD) {
        // weir runs itself so; it is no command for people, and shown to none.
        let (code, text) = exec::become_child(words);
        return complain(&text, ExitCode::from(code));
    }
    let arguments = Arguments::parse();
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(arguments.config.as_deref()),
        Command::Demo => run_demo(),
        Command::Check => check(arguments.config.as_deref()),
        Command::Config => print_config(arguments.config.as_deref()),
        Command::Doctor => run_doctor(arguments.config.as_deref()),
    };
    match outcome {
        Ok(code) => code,
        // Nothing before `file:line:column`, which editors and terminals look for.
        Err(Failure::Configuration(text)) => complain(&text, ExitCode::from(BAD_CONFIGURATION)),
        Err(Failure::Running(text)) => complain(&format!("weir: {text}"), ExitCode::FAILURE),
    }
}

fn serve(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let environment = environment();
    let loaded = load(file, &environment)?;
    let level = logging::start(&loaded.config.log).map_err(running)?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let again = loaded.path.clone();
    let reload: Reload = Box::new(move || read(again.as_deref(), &environment));
    let surroundings = Surroundings { level, ..surroundings(reload) };
    block_on(async {
        let app = App::build(loaded.config, surroundings).map_err(not_built)?;
        run(app).await
    })?
}

fn run_demo() -> Result<ExitCode, Failure> {
    let environment = environment();
    block_on(async {
        let origin = demo::bind().map_err(running)?;
        let text = origin.configuration();
        let parse = move || config::parse(&text, "demo", &environment);
        let loaded = parse().map_err(|error| Failure::Configuration(error.to_string()))?;
        let level = logging::start(&loaded.config.log).map_err(running)?;
        let surroundings =
            Surroundings { level, keeps_state: false, ..surroundings(Box::new(parse)) };
        let app = App::build(loaded.config, surroundings).map_err(not_built)?;
        print(&origin.welcome(&app));
        origin.serve(app.tasks());
        run(app).await
    })?
}

fn check(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &environment())?;
    if let Some(files) = &loaded.config.tls {
        weir::listen::tls::Tls::load(files)
            .map_err(|error| not_built(weir::app::Error::Certificate(error)))?;
    }
    weir::channel::Catalog::build(loaded.config.into(), None, &weir::metrics::Metrics::new())
        .map_err(|unusable| not_built(weir::app::Error::Sources(unusable)))?;
    for warning in &loaded.warnings {
        print(&format!("warning: {warning}\n"));
    }
    let name = loaded.path.map_or("the environment".to_owned(), |path| path.display().to_string());
    print(&format!("{name}: the configuration is good\n"));
    Ok(ExitCode::SUCCESS)
}

fn print_config(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let loaded = load(file, &environment())?;
    print(&loaded.effective.to_string());
    Ok(ExitCode::SUCCESS)
}

fn run_doctor(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let environment = environment();
    let loaded = load(file, &environment)?;
    let mut say = |line: &str| print(line);
    let examined = block_on(doctor::examine(loaded.config, &environment, &mut say))?;
    let healthy = examined.map_err(running)?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the program between its signals.
async fn run(app: App) -> Result<ExitCode, Failure> {
    let mut signals = Signals::install().map_err(running)?;
    // Two are enough: a reload that waits while another runs, and a stop.
    let (requests, received) = mpsc::channel(2);
    let forward = async {
        while requests.send(signals.next().await).await.is_ok() {}
        std::future::pending().await
    };
    tokio::select! {
        () = app.run(received) => Ok(ExitCode::SUCCESS),
        () = forward => Ok(ExitCode::SUCCESS),
    }
}

fn load(file: Option<&Path>, environment: &Environment) -> Result<Loaded, Failure> {
    config::find_file(file, environment)
        .and_then(|found| read(found.as_deref(), environment))
        .map_err(|error| Failure::Configuration(error.to_string()))
}

/// Reads the configuration, and warns of what this build cannot do of it.
fn read(file: Option<&Path>, environment: &Environment) -> Result<Loaded, config::Error> {
    let mut loaded = config::load(file, environment)?;
    loaded.warnings.extend(doctor::sound::warnings(&loaded.config, &BuiltIn));
    Ok(loaded)
}

/// The only place that reads the environment.
fn environment() -> Environment {
    Environment::new(std::env::vars_os())
}

fn surroundings(reload: Reload) -> Surroundings {
    let variable = |name| std::env::var(name).ok();
    let names = variable("LISTEN_FDNAMES");
    let watchdog: Option<Duration> = watchdog_interval(
        variable("WATCHDOG_USEC").as_deref(),
        variable("WATCHDOG_PID").as_deref(),
    );
    let notify: Option<OsString> = std::env::var_os("NOTIFY_SOCKET");
    Surroundings {
        activation: Activation::adopt(names.as_deref()),
        notifier: Notifier::open(notify),
        watchdog,
        reload,
        level: logging::LevelHandle::fixed(),
        keeps_state: true,
        helper: "/proc/self/exe".into(),
        environment: environment(),
    }
}

/// Runs `future` on a runtime of its own.
fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(running)?;
    let output = runtime.block_on(future);
    // A look-up that hangs in the system's resolver must not keep a stopped program alive.
    runtime.shutdown_background();
    Ok(output)
}

fn not_built(error: weir::app::Error) -> Failure {
    match error {
        error @ (weir::app::Error::Certificate(_)
        | weir::app::Error::Sources(_)
        | weir::app::Error::AdminOpen(_)) => Failure::Configuration(error.to_string()),
        error => Failure::Running(error.to_string()),
    }
}

fn running(error: impl std::fmt::Display) -> Failure {
    Failure::Running(error.to_string())
}

fn complain(text: &str, code: ExitCode) -> ExitCode {
    // Nothing is left to do when standard error is closed.
    _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    code
}

fn print(text: &str) {
    // A closed pipe (`weir config | head`) is no failure.
    _ = std::io::stdout().write_all(text.as_bytes());
}
