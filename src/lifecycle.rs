//! How the program starts, stays alive and stops: tracked tasks, the readiness latch, signals and
//! the service manager's notifications. Knows nothing of streams.

pub mod lanes;
pub mod nofile;
pub mod notice;
pub mod pace;
pub mod readiness;
pub mod signals;
pub mod systemd;
pub mod tally;
pub mod tasks;

pub use lanes::Lanes;
pub use notice::{Given, Notice};
pub use pace::Hurry;
pub use readiness::{Phase, Readiness};
pub use tally::{Entry, Tally};
pub use tasks::Tasks;
