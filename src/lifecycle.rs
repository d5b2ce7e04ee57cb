//! How the program starts, stays alive and stops: tracked tasks, the readiness latch, signals and
//! the service manager's notifications. Knows nothing of streams.

pub mod nofile;
pub mod readiness;
pub mod signals;
pub mod systemd;
pub mod tally;
pub mod tasks;

pub use readiness::{Phase, Readiness};
pub use tally::{Entry, Tally};
pub use tasks::Tasks;
