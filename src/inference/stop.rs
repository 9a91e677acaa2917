//! Why a speech ends before its text does.

use crate::engine::EngineError;
use crate::pcm::PcmChunk;
use crate::speech::Outcome;

/// Why no further chunk is pulled.
pub(super) enum Stop {
    With(Outcome, Option<String>),
    /// The engine broke down, and is not to be used again.
    Broken(Outcome, String),
    /// The voice cannot be had, and nothing was heard yet.
    NoVoice(EngineError),
    Suspend,
}

impl Stop {
    pub(super) fn because(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self::With(outcome, Some(reason.into()))
    }
}

/// What a breakdown of the engine makes of its utterance.
pub(super) fn broken(error: &EngineError) -> Stop {
    let is_late = matches!(error, EngineError::Hung { .. });
    Stop::Broken(if is_late { Outcome::TimedOut } else { Outcome::Failed }, error.to_string())
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
    Err(broken(&EngineError::Nonsense { what: what.to_owned() }))
}
