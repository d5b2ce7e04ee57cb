//! The media listener's answers: who may ask, what the path names, and every error's status.

mod auth;
mod base;
mod handler;
mod limits;
mod m3u;
mod respond;
mod route;

pub use handler::Server;
pub use limits::{Limits, Rates};
