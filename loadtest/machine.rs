//! Where and with what the figures came about.

use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::process;
use crate::proxies::Kind;

/// A folder for what a run writes, that no other run has. Whoever makes it removes it.
pub(crate) fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("weir-loadtest-{}", std::process::id()))
}

/// Locks a file (flock(2)) until what is answered goes; waits for others that have locked it.
pub(crate) fn lock(path: &Path) -> Result<File, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::options().create(true).append(true).open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Name and value of each fact.
pub(crate) fn facts(weir: &Path) -> Vec<(&'static str, String)> {
    let commit =
        said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short=12", "HEAD"]);
    let changed =
        said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "status", "--porcelain", "--", ":/"]);
    let dirty = if changed.is_empty() { "" } else { " (dirty)" };
    vec![
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", format!("{}{dirty}", if commit.is_empty() { "unknown" } else { &commit })),
        ("weir", said(&weir.display().to_string(), &["--version"])),
        ("nginx", version(Kind::Nginx, "-v")),
        ("haproxy", version(Kind::Haproxy, "-v")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("processors", format!("{} x {}", process::machine_busy().1, model())),
    ]
}

fn version(kind: Kind, option: &str) -> String {
    match kind.program(Path::new("")) {
        Ok(program) => {
            let line = said(&program.display().to_string(), &[option]);
            // "nginx version: nginx/1.2.3", "HAProxy version 1.2.3 2026/01/01 - https://..."
            let line = line.rsplit("version").next().unwrap_or(&line);
            line.split(" - ").next().unwrap_or(line).trim_start_matches([':', ' ']).to_owned()
        }
        Err(missing) => missing,
    }
}

/// The first line a program writes, wherever it writes it.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return String::new();
    };
    let text = if output.stdout.is_empty() && output.status.success() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn model() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned()
}
