//! Programs that tests run beside the gateway. One that is not installed is skipped, loudly; with
//! `WEIR_REQUIRE_PROGRAMS=1` it is missed.

use std::io::Write;
use std::path::PathBuf;

/// The paths of these programs, or None, loudly, if one of them is not installed.
///
/// # Panics
/// If one is not installed and `WEIR_REQUIRE_PROGRAMS=1`.
pub(crate) fn programs<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let found = names.map(find);
    let missing = names.iter().zip(&found).find(|(_, path)| path.is_none());
    if let Some((name, _)) = missing {
        not_installed(name);
        return None;
    }
    Some(found.map(|path| path.expect("none is missing")))
}

/// The path of a file of the project that another program installs, or None, loudly, if it is not
/// there. `how` tells what installs it.
///
/// # Panics
/// If it is not there and `WEIR_REQUIRE_PROGRAMS=1`.
pub(crate) fn installed(file: &str, how: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if !path.is_file() {
        not_installed(&format!("{file} ({how})"));
        return None;
    }
    Some(path)
}

fn not_installed(what: &str) {
    let required = std::env::var("WEIR_REQUIRE_PROGRAMS").is_ok_and(|value| value == "1");
    assert!(!required, "WEIR_REQUIRE_PROGRAMS=1, and {what} is not installed");
    skipped(&format!("{what} is not installed"));
}

/// Says that the test that runs now is skipped, or a part of it, and why.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the test harness, which keeps what passing tests print to itself.
    let line = format!("SKIPPED: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
}

/// The path of a program.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(usual);
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}
