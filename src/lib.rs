#![doc = include_str!("ARCHITECTURE.md")]

// In reading order: the words, the pipe from front to back, the rim, the root.
pub mod history;
pub mod pcm;
pub mod pipe;
pub mod queue;
pub mod speech;
pub mod status;
pub mod steering;

pub mod clock;
pub mod config;
pub mod logging;
pub mod memory;
pub mod paths;
pub mod telemetry;
pub mod threads;

pub mod watch;

pub mod inference;

pub mod dsp;
#[cfg(feature = "http")]
pub mod encode;
pub mod engine;
#[cfg(feature = "pocket")]
pub mod nn;
pub mod text;
pub mod voice;
#[cfg(feature = "pocket")]
pub mod weights;

pub mod playback;

pub mod control;
#[cfg(feature = "http")]
pub mod http;

pub mod cli;
pub mod client;
pub mod commands;
pub mod daemon;
