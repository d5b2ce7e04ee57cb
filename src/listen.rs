//! Taking connections: binding (or adopting the service manager's sockets), accepting within the
//! limits, TLS, the check of every request head, and hyper's server around it. Used by the media
//! and the admin listener alike; knows no route.

pub mod accept;
pub mod activation;
pub mod connection;
pub mod guard;
pub mod socket;
pub mod tls;

pub use accept::{Accepted, Gate};
pub use activation::Activation;
pub use connection::{ConnectionInfo, Handler, HttpOptions};
pub use socket::{Listener, Peer};
