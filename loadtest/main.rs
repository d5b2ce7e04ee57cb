//! Measures the gateway from outside, beside its peers: `cargo run --release --example loadtest`.
//!
//! Every figure that the README gives comes from here.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a measuring program: it may fail loudly, and its figures go to standard output"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds and bytes of one run, on machines with 64 bits"
)]

use std::process::ExitCode;

mod admin;
mod arguments;
mod cell;
mod clock;
mod compare;
mod events;
mod failover;
mod fanout;
mod goals;
mod hls;
mod machine;
mod origin;
mod plot;
mod probe;
mod process;
mod proxies;
mod relay_soak;
mod remux;
mod report;
mod scenario;
mod soak;
mod summary;
mod swarm;
mod wire;
mod zap;

fn main() -> ExitCode {
    arguments::run()
}
