//! The speech server, asked as programs ask it.

mod clients;
mod described;
mod fairness;
mod fuzzed;
mod limits;
mod older;
mod safety;
mod socket;
mod speech;
mod stopping;
mod uploads;
#[cfg(feature = "pocket")]
mod voices;
