//! The codecs of the remux against FFmpeg: what it encodes is decoded alike, and what is encoded it decodes.
//! Without FFmpeg these tests are skipped, loudly; with `WEIR_REQUIRE_PROGRAMS=1` it is missed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests fail by panicking, and their helpers are tests too"
)]

/// What this binary shares with the tests of the whole gateway.
#[path = "../it/support"]
#[allow(dead_code, unused_imports, reason = "made for all tests, each uses its part")]
mod support {
    pub(crate) mod programs;
}

mod bench;
mod decoders;
mod encoders;
mod frames;
