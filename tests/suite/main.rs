//! All integration tests in one program.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "a test fails by panicking, and is the world outside: it reads the clock, sleeps and starts threads"
)]

mod architecture;
mod cli;
mod docs;
mod engine_contract;
mod faults;
mod figures;
mod files;
#[cfg(feature = "pocket")]
mod golden_pocket;
mod heard;
mod hostile;
#[cfg(all(feature = "http", feature = "builtin"))]
mod http;
mod idle;
mod intelligible;
mod isolation;
#[cfg(feature = "pocket")]
mod models;
mod mutated;
#[cfg(feature = "builtin")]
mod observability;
mod policies;
mod positions;
mod reading;
mod reload;
#[cfg(feature = "http")]
mod remote;
mod restart;
mod service;
#[cfg(feature = "builtin")]
mod soak;
mod sound;
mod support;
#[cfg(feature = "pocket")]
mod synth;
mod tail_model;
#[cfg(all(feature = "pocket", feature = "builtin"))]
mod voices;
mod wire;
