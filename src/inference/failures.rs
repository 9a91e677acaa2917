//! Which kind of failure an engine's error is.

use crate::engine::EngineError;
use crate::speech::FailureClass;

/// The class of what an engine could not do.
pub fn class_of(error: &EngineError) -> FailureClass {
    match error {
        EngineError::EmptyText => FailureClass::Text,
        EngineError::UnknownVoice { .. }
        | EngineError::BadVoice { .. }
        | EngineError::CannotClone { .. } => FailureClass::Voice,
        EngineError::ProgramFailed { .. } | EngineError::Died { .. } => FailureClass::Crash,
        EngineError::Panicked => FailureClass::Panic,
        EngineError::TooMuchMemory { .. } => FailureClass::Memory,
        EngineError::Nonsense { .. } => FailureClass::Nonsense,
        EngineError::Hung { .. } => FailureClass::Hang,
        EngineError::MissingProgram { .. }
        | EngineError::NoModel { .. }
        | EngineError::BadModel { .. }
        | EngineError::Unreachable { .. }
        | EngineError::Declined { .. }
        | EngineError::Resting { .. }
        | EngineError::Told(_)
        | EngineError::Failed(_)
        | EngineError::Io { .. } => FailureClass::Engine,
    }
}
