//! Channels by name: their sources in order, what kind of stream they are, and the providers'
//! connection budgets. Opens no socket.

pub mod budget;
pub mod catalog;
pub mod health;
pub mod kind;
pub mod service_ref;
pub mod source;

pub use budget::{Budget, Lease, Slot};
pub use catalog::{Catalog, Catalogs, Channel, Receiver};
pub use kind::Kind;
pub use source::Source;
