//! What an engine is: text in, audio out, pulled one chunk at a time.
//!
//! An engine knows nothing of cancellation, deadlines, queues, configuration files or sound cards: whoever pulls
//! decides when to stop, and dropping the stream is stopping. It runs on one thread and need not be `Send`.

pub mod error;
pub mod registry;
pub mod speech_server;

#[cfg(feature = "builtin")]
pub mod builtin;
pub mod espeak;
#[cfg(feature = "pocket")]
pub mod pocket;
#[cfg(feature = "http")]
pub mod remote;
pub mod worker;

mod wav_header;

// In the program that the tests run, and in no other.
#[cfg(feature = "faulty")]
#[path = "../tests/suite/support/faulty_engine.rs"]
pub mod faulty;

pub use error::EngineError;

use crate::pcm::{PcmChunk, PcmSpec};

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its name in `status` and `history`.
    pub name: &'static str,
    /// The rate of every chunk it makes.
    pub spec: PcmSpec,
    /// The voices it has right now.
    pub voices: Vec<String>,
}

/// How a voice is to speak. Every field is a factor on the voice's own habit; 1 leaves it alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prosody {
    /// Speed: 2 is twice as fast. In [`Prosody::RATE`].
    pub rate: f32,
    /// Pitch, for the voices that can. In [`Prosody::PITCH`].
    pub pitch: f32,
}

impl Prosody {
    /// The rates that engines accept; below and above, speech is no longer understood.
    pub const RATE: std::ops::RangeInclusive<f32> = 0.25..=4.0;
    /// The pitches that engines accept: one octave down to one octave up.
    pub const PITCH: std::ops::RangeInclusive<f32> = 0.5..=2.0;
}

impl Default for Prosody {
    fn default() -> Self {
        Self { rate: 1.0, pitch: 1.0 }
    }
}

/// One piece of text to speak: what an engine needs and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Speech<'a> {
    /// Cleaned text, not empty, at most a few hundred characters.
    pub text: &'a str,
    /// One of the engine's voices.
    pub voice: &'a str,
    /// Rate and pitch.
    pub prosody: Prosody,
    /// For engines that sample: the same seed gives the same samples.
    pub seed: u64,
}

/// A voice model that is loaded. Dropping it unloads it.
pub trait Engine {
    /// Name, rate and voices.
    fn info(&self) -> &EngineInfo;

    /// Begins to speak one piece of text. At most one stream exists at a time; a stream dropped early leaves the
    /// engine as it was.
    ///
    /// # Errors
    /// [`EngineError::EmptyText`], [`EngineError::UnknownVoice`], or whatever kept the engine from starting.
    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError>;

    /// Begins to make a voice of the library ready, from its recording.
    ///
    /// # Errors
    /// [`EngineError::CannotClone`] where the engine makes no voices; or whatever is wrong with that voice.
    fn embed(&mut self, voice: &str) -> Result<Box<dyn Embedding>, EngineError> {
        let reason = format!("the engine {} cannot make the voice `{voice}`", self.info().name);
        Err(EngineError::CannotClone { reason })
    }

    /// Whether it can begin to speak. One that cannot is to be loaded anew; that is no fault of what is to be spoken. May take
    /// two seconds to find out.
    fn is_fit(&mut self) -> bool {
        true
    }

    /// The process that it runs in, where that is one of its own.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// A voice in the making, pulled in steps: between two of them an engine can speak, and dropping it is giving up.
pub trait Embedding {
    /// Takes the next step, some tens of milliseconds.
    ///
    /// # Errors
    /// Where the voice cannot be made; it is over then.
    fn step(&mut self) -> Result<Progress, EngineError>;
}

/// How far a voice is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// So far, from 0 to 1.
    Working(f32),
    /// It can speak.
    Done,
}

/// Speech in the making.
pub trait SpeechStream {
    /// Computes the next piece of audio, at most [`PcmChunk::MAX`] long; `None` ends the speech. An empty one says that the
    /// engine is at work, and nothing else.
    ///
    /// # Errors
    /// Where the engine failed; the stream is over then.
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError>;

    /// Whether what it does before its first sound is no part of the speech: its voice is made of a recording. That has a
    /// deadline of its own.
    fn is_preparing(&self) -> bool {
        false
    }
}

/// Loads an engine on the thread that will use it.
pub type EngineLoader = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;
