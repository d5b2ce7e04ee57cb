//! What weir knows of media formats: bytes in, verdicts and bytes out. No clock, no socket, no
//! configuration.

pub mod m3u8;
pub mod sniff;
pub mod synth;
pub mod ts;
