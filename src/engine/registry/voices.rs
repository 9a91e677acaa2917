//! Which voices there are, as far as that can be told without loading an engine.

use xxhash_rust::xxh3::Xxh3;

#[cfg(feature = "pocket")]
use super::Kind;
use super::{AUTO, ESPEAK, Registry};
use crate::engine::{EngineError, espeak, speech_server};

impl Registry {
    /// Whether a voice may be named: it speaks here, or would if its model were installed.
    ///
    /// # Errors
    /// [`EngineError::UnknownVoice`]
    pub fn check_known(&self, voice: &str) -> Result<(), EngineError> {
        if voice == AUTO {
            return Ok(());
        }
        match self.cast(voice) {
            Err(error @ EngineError::UnknownVoice { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The voices in the binary.
    pub fn builtin_voices(&self) -> &'static [&'static str] {
        #[cfg(feature = "builtin")]
        return crate::engine::builtin::VOICES;
        #[cfg(not(feature = "builtin"))]
        return &[];
    }

    /// Whether this build makes voices of recordings.
    pub fn makes_voices(&self) -> bool {
        cfg!(feature = "pocket")
    }

    /// Whether that is a voice of the user's own.
    pub fn is_own(&self, voice: &str) -> bool {
        #[cfg(feature = "pocket")]
        return self.casting.library().file(voice).is_some();
        #[cfg(not(feature = "pocket"))]
        return {
            let _ = voice;
            false
        };
    }

    /// Changes whenever that voice would sound otherwise; `None` where it cannot be told.
    pub fn stamp(&self, voice: &str) -> Option<u64> {
        let cast = self.cast(voice).ok()?;
        let mut hash = Xxh3::new();
        hash.update(format!("{cast:?} {:?}", self.choice).as_bytes());
        #[cfg(feature = "pocket")]
        for file in self.casting.files_of(&cast) {
            let metadata = file.metadata().ok()?;
            let (changed_at, n_bytes) = (metadata.modified().ok()?, metadata.len());
            hash.update(format!("{} {changed_at:?} {n_bytes}", file.display()).as_bytes());
        }
        Some(hash.digest())
    }

    /// The voices that have a name of their own here.
    pub fn voices(&self) -> Vec<String> {
        let builtin = self.builtin_voices().iter().map(|voice| (*voice).to_owned());
        #[cfg(feature = "pocket")]
        let builtin = {
            let is_ours = self.choice.kind != Kind::Remote;
            builtin.chain(is_ours.then(|| self.casting.voices()).into_iter().flatten())
        };
        builtin.collect()
    }

    /// The voices to name in an error.
    pub fn known_voices(&self) -> Vec<String> {
        let mut voices = vec![AUTO.to_owned()];
        voices.extend(self.voices());
        voices.extend(self.choice.server.iter().flat_map(|it| it.known_voices()));
        voices.push("espeak:LANG (such as espeak:de, with espeak-ng installed)".to_owned());
        voices
    }

    /// Why a voice that has a good name cannot speak on this machine, where that can be told without loading it.
    ///
    /// # Errors
    /// Names what is missing and the way out.
    pub fn check_installed(&self, voice: &str) -> Result<(), EngineError> {
        let cast = self.cast(voice)?;
        if cast.engine.engine == ESPEAK && !espeak::installed() {
            let (program, package) = (espeak::PROGRAM, espeak::PROGRAM);
            return Err(EngineError::MissingProgram { program, package });
        }
        Ok(())
    }
}

/// Whether a name is that of a voice outside the library.
pub fn is_reserved(name: &str) -> bool {
    #[cfg(feature = "builtin")]
    if crate::engine::builtin::VOICES.contains(&name) {
        return true;
    }
    name == AUTO || name.starts_with(speech_server::PREFIX) || espeak::language_of(name).is_some()
}
