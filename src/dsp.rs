//! Signal processing on slices of samples.
//!
//! Knows nothing of engines or cards.

#[cfg(feature = "pocket")]
pub mod polyphase;
pub mod resample;
#[cfg(feature = "pocket")]
pub mod stretch;
