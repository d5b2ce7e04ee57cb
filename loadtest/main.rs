//! Measures the gateway from outside: `cargo run --release --example loadtest -- zap`.
//!
//! Starts an origin and a gateway of its own on loopback, each on a runtime of its own, and plays
//! the clients. Every figure that the README gives comes from here.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a measuring program: it may fail loudly, and its figures go to standard output"
)]

mod origin;
mod zap;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("zap") => {
            let zaps = arguments.next().map_or(200, |count| count.parse().unwrap());
            zap::run(zaps);
        }
        _ => {
            println!("usage: cargo run --release --example loadtest -- zap [COUNT]");
            println!(
                "  zap   how soon the upstream connection closes after the client's, and what"
            );
            println!("        the gateway adds to the first byte; COUNT zaps of each kind (200)");
            std::process::exit(2);
        }
    }
}
