//! What is said between the daemon and the process of an engine. Types only.
//!
//! The daemon asks, the process answers each request that has an answer, in order and under its number; what is answered to
//! a request that nobody waits for any more is passed over.

use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::engine::registry::{Choice, Places};

/// A request and its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// One more than that of the request before.
    pub number: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// Load an engine; the first request, and the only one of its kind. Answered by [`Answer::Loaded`].
    Load(Order),
    /// Begin to speak, and give up what was spoken before. Answered by [`Answer::Begun`].
    Begin(Words),
    /// Make the next chunk. Answered by [`Answer::Chunk`] or [`Answer::End`].
    Next,
    /// Speak no further. Has no answer.
    Stop,
    /// Begin to make a voice. Answered by [`Answer::Embedding`].
    Embed {
        /// Which, of the library.
        voice: String,
    },
    /// Take the next step of the voice. Answered by [`Answer::Working`] or [`Answer::Made`].
    Step,
    /// Make the voice no further. Has no answer.
    GiveUp,
}

/// Which engine is to be loaded, and where its files are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Where models and voices are.
    pub places: Places,
    /// What the user has chosen.
    pub choice: Choice,
    /// The engine's name.
    pub engine: String,
    /// The model that it runs, where it has several.
    pub model: Option<String>,
}

/// A speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of `Speech` and `Prosody`")]
pub struct Words {
    pub text: String,
    pub voice: String,
    pub rate: f32,
    pub pitch: f32,
    pub seed: u64,
}

/// An answer, under the number of its request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// That of the request.
    pub number: u32,
    /// What is answered.
    pub answer: Answer,
}

/// What the process answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The engine is loaded.
    Loaded {
        /// The rate of its chunks.
        sample_rate_hz: u32,
        /// Its voices.
        voices: Vec<String>,
    },
    /// The speech has begun.
    Begun,
    /// The next samples; none where the engine is at work.
    Chunk {
        /// Mono.
        samples: Vec<f32>,
        /// See [`crate::engine::SpeechStream::is_preparing`].
        is_preparing: bool,
    },
    /// The speech is over.
    End,
    /// The voice is begun.
    Embedding,
    /// The voice is so far, from 0 to 1.
    Working(f32),
    /// The voice is made.
    Made,
    /// It could not be done.
    Failed(Fault),
}

/// An [`EngineError`] on its way: its class where somebody acts on it, else what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants of `EngineError`")]
pub enum Fault {
    EmptyText,
    UnknownVoice { name: String, known: Vec<String> },
    BadVoice { voice: String, reason: String },
    CannotClone { reason: String },
    Hung { waited_secs: u64 },
    Unreachable { server: String, reason: String },
    Declined { server: String, reason: String },
    Told(String),
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::EmptyText => Self::EmptyText,
            EngineError::UnknownVoice { name, known } => Self::UnknownVoice { name, known },
            EngineError::BadVoice { voice, reason } => Self::BadVoice { voice, reason },
            EngineError::CannotClone { reason } => Self::CannotClone { reason },
            EngineError::Hung { waited_secs } => Self::Hung { waited_secs },
            EngineError::Unreachable { server, reason } => Self::Unreachable { server, reason },
            EngineError::Declined { server, reason } => Self::Declined { server, reason },
            error => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Self::Told(cause.map_or(error.to_string(), |cause| format!("{error}: {cause}")))
            }
        }
    }
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::EmptyText => Self::EmptyText,
            Fault::UnknownVoice { name, known } => Self::UnknownVoice { name, known },
            Fault::BadVoice { voice, reason } => Self::BadVoice { voice, reason },
            Fault::CannotClone { reason } => Self::CannotClone { reason },
            Fault::Hung { waited_secs } => Self::Hung { waited_secs },
            Fault::Unreachable { server, reason } => Self::Unreachable { server, reason },
            Fault::Declined { server, reason } => Self::Declined { server, reason },
            Fault::Told(told) => Self::Told(told),
        }
    }
}
