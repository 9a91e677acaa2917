//! Why a speech ends before its text does.

use super::failures::class_of;
use crate::engine::EngineError;
use crate::pcm::PcmChunk;
use crate::speech::{FailureClass, Outcome};

/// Why no further chunk is pulled.
pub(super) enum Stop {
    With(Outcome, Option<String>),
    /// It failed, or took too long.
    Failing(FailureClass, String),
    /// The same, and the engine broke down with it: it is not to be used again.
    Broken(FailureClass, String),
    /// The voice cannot be had, and nothing was heard yet.
    NoVoice(EngineError),
    Suspend,
}

impl Stop {
    pub(super) fn because(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self::With(outcome, Some(reason.into()))
    }

    /// What an engine's error makes of its utterance.
    pub(super) fn of(error: &EngineError) -> Self {
        let (class, why) = (class_of(error), error.to_string());
        if error.is_breakdown() { Self::Broken(class, why) } else { Self::Failing(class, why) }
    }
}

/// Whether a chunk can be played: an engine gone wrong makes numbers that are none, which would be noise on the card.
pub(super) fn check_sound(chunk: &PcmChunk) -> Result<(), Stop> {
    let what = if !chunk.samples.iter().all(|sample| sample.is_finite()) {
        "it made samples that are no numbers"
    } else if chunk.duration() > PcmChunk::MAX {
        "it made more sound at once than it may"
    } else {
        return Ok(());
    };
    Err(Stop::of(&EngineError::Nonsense { what: what.to_owned() }))
}
