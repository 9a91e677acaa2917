//! From a line as it was written to pieces that an engine can speak.
//!
//! Knows nothing of engines.

pub mod clean;
pub mod split;
