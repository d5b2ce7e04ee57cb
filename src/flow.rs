//! How bytes move beneath hyper: the client's socket and the deadlines on it. Knows sockets and
//! bytes, never channels, sources or what HTTP means by them.

pub mod client_io;
pub mod control;

pub use client_io::{ClientIo, Stream};
pub use control::Control;
