//! weir alone with many live clients for a long time: does it stay as it was?

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::cell;
use crate::machine;
use crate::origin::Origin;
use crate::process::Cpu;
use crate::proxies::Kind;
use crate::scenario::Per;
use crate::scenario::Scenario;
use crate::swarm::Manner;
use crate::swarm::Plan;
use crate::swarm::Swarm;

/// 2 Mbit/s to each client, written every 20 ms.
pub(crate) const SCENARIO: Scenario = Scenario {
    name: "soak",
    clients: 1000,
    bits: 2_000_000,
    piece: 5000,
    manner: Manner::Play { paced: true },
    per: Per::Second,
    first_byte: false,
    judged: false,
    about: "clients at 2 Mbit/s",
};

/// One line each minute; whether there was no error and every byte came.
pub(crate) fn run(weir: &Path, minutes: u64, clients: usize) -> Result<bool, String> {
    let kind = Kind::WeirWatched;
    let origin = Origin::start().map_err(|error| error.to_string())?;
    let folder = machine::folder();
    let (proxy, to) = kind.start(weir, &folder, origin.address, &SCENARIO)?;
    let rest = proxy.pss();
    let scenario = Scenario { clients, ..SCENARIO };
    let plan = Plan { to, path: kind.path(&scenario), clients, manner: scenario.manner };
    let swarm = Swarm::start(plan).map_err(|error| error.to_string())?;
    cell::settle(&scenario, &origin, &swarm);
    println!("{clients} clients at 2 Mbit/s; {:.1} MiB at rest", rest / 1024.0);
    println!("minute   CPU s/s    Gbit/s   PSS MiB   KiB/client   errors");
    let counted = || swarm.tally.bytes.load(Ordering::Relaxed);
    let errors = || swarm.tally.errors.load(Ordering::Relaxed);
    let mut short = false;
    let mut before: (Instant, Cpu, u64) = (Instant::now(), proxy.cpu(), counted());
    for minute in 1..=minutes {
        std::thread::sleep(Duration::from_mins(1));
        let now = (Instant::now(), proxy.cpu(), counted());
        let seconds = (now.0 - before.0).as_secs_f64();
        let (cpu, bytes) = (now.1.since(before.1).total(), (now.2 - before.2) as f64);
        let pss = proxy.pss();
        println!(
            "{minute:>6} {:>9.3} {:>9.3} {:>9.1} {:>12.1} {:>8}",
            cpu / seconds,
            bytes * 8.0 / seconds / 1e9,
            pss / 1024.0,
            (pss - rest) / clients as f64,
            errors()
        );
        short |= scenario.due(seconds).is_some_and(|due| bytes < due * 0.97);
        before = now;
    }
    if let Some(first) = swarm.tally.first_error.lock().unwrap().as_ref() {
        eprintln!("*** {} errors, the first: {first}", errors());
    }
    if short {
        eprintln!("*** less came than was due");
    }
    std::fs::remove_dir_all(&folder).ok();
    Ok(errors() == 0 && !short)
}
