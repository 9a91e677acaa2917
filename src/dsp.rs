//! Signal processing on slices of samples.
//!
//! Knows nothing of engines or cards.

pub mod resample;
