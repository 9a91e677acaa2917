//! Which engines are in this build, which voices belong to them, and how they are loaded.
//!
//! The only file that asks which features are on. A new engine is one folder and one row here.

use super::{Engine, EngineError, espeak};

/// The voices in the binary.
#[cfg(feature = "builtin")]
pub const BUILTIN: &str = "builtin";

/// An installed espeak-ng.
pub const ESPEAK: &str = "espeak";

/// The voice where nothing else is said.
pub const DEFAULT_VOICE: &str = "rms";

/// The engine that a voice belongs to; `None` for a name that no engine knows.
pub fn engine_of(voice: &str) -> Option<&'static str> {
    #[cfg(feature = "builtin")]
    if super::builtin::VOICES.contains(&voice) {
        return Some(BUILTIN);
    }
    espeak::language_of(voice).map(|_language| ESPEAK)
}

/// The language of a voice, as espeak-ng names it; voices that do not say are English.
pub fn language_of(voice: &str) -> &str {
    espeak::language_of(voice).unwrap_or("en")
}

/// The voices to name in an error.
pub fn known_voices() -> Vec<String> {
    let mut voices = Vec::new();
    #[cfg(feature = "builtin")]
    voices.extend(super::builtin::VOICES.iter().map(|voice| (*voice).to_owned()));
    voices.push("espeak:LANG (such as espeak:de, with espeak-ng installed)".to_owned());
    voices
}

/// Why a voice that has a good name cannot speak on this machine, where that can be told without loading it.
///
/// # Errors
/// Names what is missing and the way out.
pub fn check_installed(voice: &str) -> Result<(), EngineError> {
    match engine_of(voice) {
        Some(ESPEAK) if !espeak::installed() => {
            Err(EngineError::MissingProgram { program: espeak::PROGRAM, package: espeak::PROGRAM })
        }
        Some(_) => Ok(()),
        None => Err(EngineError::UnknownVoice { name: voice.to_owned(), known: known_voices() }),
    }
}

/// Loads an engine.
///
/// # Errors
/// Whatever keeps it from loading.
pub fn load(engine: &str) -> Result<Box<dyn Engine>, EngineError> {
    match engine {
        #[cfg(feature = "builtin")]
        BUILTIN => super::builtin::load(),
        ESPEAK => espeak::load(),
        _ => Err(EngineError::Failed(format!("this build has no engine `{engine}`"))),
    }
}
