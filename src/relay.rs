//! The buffer of a relay: whole packets of one upstream, kept for a while and shared by reference, in
//! which each client has a place of its own. Knows packets and clients' places, never sources or HTTP.
//!
//! [`Buffer`] is what both sides share, [`Writer`] fills it, a [`Reader`] is one client's place. Nobody
//! waits for a reader: one that is too slow skips to a random access point or is dropped.
//!
//! Memory of a relay: `relay.buffer_bytes`, a chunk that grows (64 KiB), the tables and places to begin
//! (below 100 KiB for a usual stream, 1.5 MiB at most); of each client its place (200 bytes) and, while its socket takes
//! nothing, the chunk that it was given last.

mod buffer;
mod cursor;
mod reader;
mod ring;
mod writer;

pub use buffer::Buffer;
pub use buffer::Closed;
pub use buffer::Level;
pub use cursor::Cursor;
pub use reader::Next;
pub use reader::Reader;
pub use writer::Writer;
