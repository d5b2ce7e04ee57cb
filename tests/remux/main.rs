//! The conversion of a stream's sound, judged from outside: an oracle that shares no code with the converter,
//! streams made for it, real captures, and FFmpeg's decoders as ears.
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

/// What this binary shares with the tests of the whole gateway.
#[path = "../it/support"]
#[allow(dead_code, unused_imports, reason = "made for all tests, each uses its part")]
mod support {
    pub(crate) mod content;
    pub(crate) mod programs;
    pub(crate) mod ts;
}

mod captures;
mod codecs;
mod drive;
mod ears;
mod ffmpeg;
mod frames;
mod generated;
mod maker;
mod memory;
mod mutated;
mod oracle;
mod two_hours;
