//! The admin listener's answers: health, readiness, metrics, and who watches what. Answers while
//! every media task is stuck.

mod handler;
mod overrides;
mod relay;
mod remux;
mod route;
mod switch;
mod types;

pub use handler::Api;
