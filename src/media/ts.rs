//! What weir knows of MPEG-2 transport streams (ISO/IEC 13818-1): packets, PSI tables, PES headers
//! and their clocks. Borrowed views over outside bytes and writers into a caller's buffer: no
//! clock, no I/O, no panic on hostile bytes.

pub mod join;
pub mod kind;
pub mod packet;
pub mod pes;
pub mod psi;
pub mod watch;
