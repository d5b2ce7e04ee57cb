//! Tests of the whole gateway over real sockets: scripted origins on one side, checking players on
//! the other, an in-process gateway between them. One binary, so that it links once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "tests fail by panicking, and their helpers are tests too"
)]

mod support;

mod access;
mod admin;
mod canary;
mod command_line;
mod drain;
mod enigma2;
mod failover;
mod headers;
mod kinds;
mod lifecycle;
mod limits;
mod pass_through;
mod players;
mod playlist;
mod programs;
mod range;
mod redirects;
mod relay;
mod reload;
mod remux;
mod requests;
mod slates;
mod slow_clients;
mod transcode;
mod upstream_faults;
mod ways;
