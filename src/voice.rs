//! Voices that are made of recordings.
//!
//! Knows no engine.

pub mod recording;
