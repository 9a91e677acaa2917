//! What is to be said, from what stands in a line: for the voice that is to speak it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Speaker;
use crate::clock;
use crate::engine::registry::Cast;
use crate::inference::engines::Found;
use crate::inference::stop::Stop;
use crate::speech::{FailureClass, Outcome, Utterance};
use crate::text::{self, Prepared, Speaking};

/// What the voice speaks that takes the place of another one.
const FALLBACK_LANGUAGE: &str = "en";

impl Speaker<'_> {
    /// Makes the text ready for a voice; returns with it what will be said.
    pub(super) fn prepare(
        &self,
        utterance: &Utterance,
        cast: &Cast,
    ) -> Result<(Prepared, String), Stop> {
        let speaking = Speaking { voice: &cast.voice, language: &cast.language };
        let reading = utterance.manner.reading;
        let (text, max) = (&utterance.text, self.settings.max_piece_chars);
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            text::prepare(text, reading, speaking, self.dictionary, max, |_, _| ())
        }));
        let prepared = prepared.map_err(|_panic| {
            let why = "its text could not be made ready; that is a bug".to_owned();
            Stop::Failing(FailureClass::Text, why)
        })?;
        self.pulse.beat(clock::now());
        let nothing = || Stop::because(Outcome::Dropped, "nothing in it can be spoken");
        let words = prepared.words().ok_or_else(nothing)?;
        Ok((prepared, words))
    }
}

/// The fallback speaks English, whoever it takes the place of.
pub(super) fn fallback(found: &Found<'_>) -> Cast {
    let language = FALLBACK_LANGUAGE.to_owned();
    Cast { voice: found.voice.clone(), language, engine: found.id.clone() }
}
