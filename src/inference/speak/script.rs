//! What is to be said, piece by piece, from what stands in an utterance: for the voice that is to speak it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::Speaker;
use crate::clock;
use crate::engine::registry::{Cast, EngineId};
use crate::engine::{EngineError, Prosody};
use crate::inference::engines::{Engines, Found};
use crate::inference::limits::audio_budget;
use crate::inference::stop::Stop;
use crate::pcm::PcmSpec;
use crate::pipe::AudioMessage;
use crate::speech::stream::Destination;
use crate::speech::{FailureClass, Outcome, Utterance};
use crate::text::{self, Piece, Prepared, Speaking};

/// What the voice speaks that takes the place of another one.
const FALLBACK_LANGUAGE: &str = "en";

/// An utterance on its way through the engines.
#[derive(Debug)]
pub struct Job {
    /// Which.
    pub utterance: Utterance,
    /// What is left to say of it; `None` before it is known who says it.
    pub(super) script: Option<Script>,
    /// Playback was told of it.
    pub(super) is_announced: bool,
}

/// What is left to say, and who says it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) pieces: VecDeque<Piece>,
    pub(super) voice: Arc<str>,
    pub(super) engine: EngineId,
    /// What its samples are: those of one utterance are all alike.
    pub(super) spec: PcmSpec,
    pub(super) prosody: Prosody,
    /// How much sound all pieces together may be.
    pub(super) budget: Duration,
    /// Another voice takes the place of the one that was asked for.
    is_instead: bool,
}

impl Job {
    /// Nothing of it is said yet.
    pub fn new(utterance: Utterance) -> Self {
        Self { utterance, script: None, is_announced: false }
    }

    /// Whether its audio goes to whoever asked for it, not to the card.
    pub fn is_stream(&self) -> bool {
        matches!(self.utterance.destination, Destination::Stream(_))
    }

    /// Whether there may be sound of it.
    pub fn has_begun(&self) -> bool {
        self.script.is_some()
    }

    /// Whether it can use a turn: a stream whose audio is not taken as fast as it is made waits until it is.
    pub fn is_ready(&self) -> bool {
        match &self.utterance.destination {
            Destination::Card => true,
            Destination::Stream(sender) => sender.is_gone() || !sender.is_ahead(),
        }
    }

    /// The engine that speaks it.
    pub fn engine_id(&self) -> Option<&EngineId> {
        self.script.as_ref().map(|script| &script.engine)
    }

    pub(super) fn is_said(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.pieces.is_empty())
    }

    pub(super) fn engine(&self) -> Option<String> {
        self.script.as_ref().map(|script| script.engine.to_string())
    }
}

impl Speaker<'_> {
    /// Finds who speaks, with its engine loaded, and makes the text ready for that voice.
    pub(super) fn find_speaker(&self, engines: &mut Engines, job: &mut Job) -> Result<(), Stop> {
        // By the voice that was asked for first: where there is nothing to say, no engine is loaded.
        let asked = job.utterance.manner.voice.clone();
        let failed = |error: EngineError| Stop::of(&error);
        let cast = engines.cast(&asked).map_err(failed)?;
        let prepared = self.prepare(&job.utterance, &cast)?;
        self.pulse.beat_for(clock::now(), self.settings.confinement.load);
        let found = engines.for_voice(&asked, clock::now()).map_err(failed)?;
        self.pulse.beat(clock::now());
        let is_instead = found.voice != cast.voice;
        let prepared =
            if is_instead { self.prepare(&job.utterance, &fallback(&found))? } else { prepared };
        self.give_to(job, found, prepared, is_instead)
    }

    /// Has another voice speak where the one that was asked for cannot, and nothing was heard yet.
    pub(super) fn speak_instead(
        &self,
        engines: &mut Engines,
        job: &mut Job,
        error: EngineError,
    ) -> Result<(), Stop> {
        let failed = |error: EngineError| Stop::of(&error);
        if job.script.as_ref().is_some_and(|script| script.is_instead) {
            return Err(failed(error));
        }
        let asked = job.utterance.manner.voice.clone();
        self.pulse.beat_for(clock::now(), self.settings.confinement.load);
        let found = engines.for_failed(&asked, error, clock::now()).map_err(failed)?;
        let prepared = self.prepare(&job.utterance, &fallback(&found))?;
        self.give_to(job, found, prepared, true)
    }

    fn give_to(
        &self,
        job: &mut Job,
        found: Found<'_>,
        (prepared, words): (Prepared, String),
        is_instead: bool,
    ) -> Result<(), Stop> {
        let Found { engine, id, voice, degraded } = found;
        let utterance = &mut job.utterance;
        if *utterance.manner.voice != *voice && matches!(utterance.destination, Destination::Card) {
            self.send(AudioMessage::Voice(utterance.id, voice.as_str().into()))?;
        }
        let report = utterance.ticket.report_mut();
        report.spoken_text = Some(words);
        report.spoken_voice = Some(voice.clone());
        report.engine = Some(engine.info().name);
        report.reason = degraded;
        (report.audio, report.compute) = (Duration::ZERO, Duration::ZERO);
        let prosody = Prosody {
            rate: utterance.manner.rate.clamp(*Prosody::RATE.start(), *Prosody::RATE.end()),
            pitch: utterance.manner.pitch.clamp(*Prosody::PITCH.start(), *Prosody::PITCH.end()),
        };
        let (n_chars, pauses) = prepared.extent();
        let budget = audio_budget(n_chars, prosody.rate) + pauses;
        let (pieces, spec) = (prepared.pieces.into(), engine.info().spec);
        self.custody.hold(&utterance.ticket, Some(id.to_string()));
        let voice = voice.into();
        job.script = Some(Script { pieces, voice, engine: id, spec, prosody, budget, is_instead });
        Ok(())
    }

    /// Makes the text ready for a voice; returns with it what will be said.
    fn prepare(&self, utterance: &Utterance, cast: &Cast) -> Result<(Prepared, String), Stop> {
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
fn fallback(found: &Found<'_>) -> Cast {
    let language = FALLBACK_LANGUAGE.to_owned();
    Cast { voice: found.voice.clone(), language, engine: found.id.clone() }
}
