//! What tests are made of: origins, receivers, players, and the gateway under test.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod capture;
pub(crate) mod content;
pub(crate) mod enigma2;
pub(crate) mod eventually;
pub(crate) mod gateway;
pub(crate) mod origin;
pub(crate) mod player;
pub(crate) mod programs;
pub(crate) mod tls;
pub(crate) mod ts;
pub(crate) mod viewer;
pub(crate) mod vod;
pub(crate) mod wire;
