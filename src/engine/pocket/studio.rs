//! Voices made with the installed models.

use super::casting::Casting;
use super::fingerprint;
use crate::engine::registry;
use crate::voice::NotMade;
use crate::voice::card::{VoiceCard, VoiceStatus};
use crate::voice::desk::Studio;
use crate::weights::Checkpoint;

/// The installed models, and someone who runs one of them.
pub struct ModelStudio<'a, F> {
    /// What there is.
    pub casting: &'a Casting,
    /// Makes a voice of the library ready.
    pub embed: F,
}

impl<F: FnMut(&str) -> Result<(), NotMade>> Studio for ModelStudio<'_, F> {
    fn check(&self) -> Result<(), String> {
        let models = self.casting.models();
        let Some(model) = models.first() else {
            return Err("no model is installed; run: speakerd model pull english".to_owned());
        };
        self.casting.seat(model).map(drop).map_err(|error| error.to_string())
    }

    fn embed(&mut self, voice: &str) -> Result<(), NotMade> {
        (self.embed)(voice)
    }

    fn is_ready(&self, card: &VoiceCard) -> bool {
        let hash = || {
            let seat = self.casting.seat(card.model.as_deref()?).ok()?;
            fingerprint::of_weights(&Checkpoint::open(&seat.files.weights).ok()?).ok()
        };
        card.status == VoiceStatus::Completed
            && card.model_hash.is_some()
            && card.model_hash == hash()
    }

    fn predefined(&self) -> Vec<VoiceCard> {
        self.casting.predefined()
    }

    fn is_reserved(&self, name: &str) -> bool {
        registry::is_reserved(name)
    }
}
