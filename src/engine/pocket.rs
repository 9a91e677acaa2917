//! Pocket TTS of Kyutai: voices cloned from a recording, on an ordinary processor.
//!
//! Reference: the package `pocket-tts` 4.0.1; arXiv:2509.06926 and arXiv:2410.00037.

pub mod casting;
pub mod catalogue;
pub mod config;
pub mod ending;
pub mod fast;
pub mod files;
pub mod fingerprint;
pub mod flow_lm;
pub mod flow_net;
pub mod mimi;
pub mod model;
pub mod noise;
pub mod prompt;
pub mod recording;
pub mod shelf;
pub mod speaking;
pub mod stream;
pub mod studio;
pub mod tokenizer;
pub mod voice;
pub mod voices;
