//! How bytes move beneath hyper: from a source's socket to a client's without hyper seeing more of
//! them than how many they are. Knows sockets, pipes and bytes, never channels, or what HTTP means
//! by them.
//!
//! Above hyper a [`Passage`] reads the source, puts the bytes on the connection's stage and gives
//! hyper a placeholder of their length; beneath it [`ClientIo`] finds the placeholder among the
//! slices that hyper writes (heads, chunk sizes) and sends what is on the stage instead. Both run
//! in the connection's one task and share a [`Control`].

mod appetite;
mod batching;
pub mod client_io;
pub mod control;
mod gather;
pub mod intake;
mod lowat;
pub mod passage;
pub mod pipe;
mod placeholder;
mod pool;
mod stage;
mod syscall;

pub use client_io::{ClientIo, Stream};
pub use control::Control;
pub use intake::{Home, Raw};
pub use passage::{Passage, Way};
