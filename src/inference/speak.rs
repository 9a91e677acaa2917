//! One utterance: clean, split, pull, deliver; checked between chunks.
//!
//! Knows nothing of where audio goes or who asked for it.

mod preparing;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crossbeam_channel::Select;

use self::preparing::fallback;
use super::EngineSettings;
use super::engines::{Engines, Found};
use super::limits::{Pace, Stopwatch, audio_budget};
use super::past::Past;
use super::stop::{Stop, check_sound};
use super::voices::{VoiceJobs, too_late};
use crate::clock;
use crate::engine::registry::{Cast, EngineId};
use crate::engine::{Engine, EngineError, Prosody, Speech};
use crate::memory;
use crate::pcm::{PcmChunk, PcmSpec};
use crate::pipe::{AudioMessage, AudioSender, Opening};
use crate::queue::Outlet;
use crate::speech::custody::Custody;
use crate::speech::{FailureClass, Lane, Outcome, Utterance};
use crate::steering::{Steering, Stopping};
use crate::text::dictionary::Dictionary;
use crate::text::{Piece, Prepared};
use crate::threads::Pulse;

/// How often a full pipe is looked at without being woken. Wake-ups come at once; this is for the one that was missed.
const FULL_PIPE_POLL: Duration = Duration::from_millis(100);

/// How much silence is sent at once.
const SILENT_CHUNK: Duration = Duration::from_millis(100);

/// What speaking needs besides the engines.
pub struct Speaker<'a> {
    /// Where audio goes.
    pub audio: &'a AudioSender,
    /// What to stop.
    pub steering: &'a Steering,
    /// Whether something important waits.
    pub outlet: &'a Outlet,
    /// Made while a full pipe is waited for.
    pub voices: &'a RefCell<VoiceJobs>,
    /// What is too much.
    pub settings: &'a EngineSettings,
    /// The user's own words for words.
    pub dictionary: &'a Dictionary,
    /// What a life before this one left behind.
    pub past: &'a RefCell<Past>,
    /// Where the utterance can be given up from outside.
    pub custody: &'a Custody,
    /// How often memory is looked at.
    pub memory_pace: &'a Pace,
    /// Beaten with each chunk.
    pub pulse: &'a Pulse,
}

/// How an attempt ended.
pub enum Ended {
    /// For good: playback has it.
    Done,
    /// Something important goes first; it begins anew afterwards.
    Suspended(Box<Utterance>),
}

impl Speaker<'_> {
    /// Speaks an utterance as far as it may be spoken, and hands its ticket to playback.
    pub fn speak(&self, engines: &mut Engines, mut utterance: Utterance) -> Ended {
        self.steering.set_synthesizing(Some(utterance.id));
        self.custody.hold(&utterance.ticket, None);
        let ended = self.attempt(engines, &mut utterance);
        self.custody.release();
        self.steering.set_synthesizing(None);
        let failed = |class: FailureClass, why| (class.outcome(), Some(why), Some(class));
        let (outcome, reason, failure) = match ended {
            Ok(()) => (Outcome::Spoken, None, None),
            Err(Stop::With(outcome, reason)) => (outcome, reason, None),
            Err(Stop::Failing(class, reason)) => failed(class, reason),
            Err(Stop::Broken(class, reason)) => {
                failed(class, format!("{reason}; it is loaded anew for the next utterance"))
            }
            Err(Stop::NoVoice(error)) => failed(FailureClass::Voice, error.to_string()),
            Err(Stop::Suspend) => {
                // Playback gone means shutdown: the next attempt notices.
                drop(self.audio.send(AudioMessage::Retract(utterance.id)));
                return Ended::Suspended(Box::new(utterance));
            }
        };
        let mut ticket = utterance.ticket;
        ticket.report_mut().failure = failure;
        if reason.is_some() {
            ticket.report_mut().reason = reason;
        }
        // Where playback is gone, the ticket is dropped with the message and reports it as abandoned.
        drop(self.audio.send(AudioMessage::End { ticket, outcome }));
        Ended::Done
    }

    fn attempt(&self, engines: &mut Engines, utterance: &mut Utterance) -> Result<(), Stop> {
        let opening = Opening {
            id: utterance.id,
            source: utterance.source.clone(),
            voice: utterance.manner.voice.clone(),
            lane: utterance.lane,
            volume: utterance.manner.volume,
            enqueued_at: utterance.enqueued_at,
        };
        while !self.audio.may_begin(utterance.lane) {
            self.wait(utterance);
            self.check(utterance)?;
        }
        self.send(AudioMessage::Begin(opening))?;
        self.check(utterance)?;
        if utterance.expires_at.is_some_and(|at| at <= clock::now()) {
            return Err(Stop::because(
                Outcome::Expired,
                "it waited longer than max_age_secs allows",
            ));
        }
        if self.past.borrow_mut().has_given_up(utterance) {
            let why = "the daemon hung in it before, and started itself anew".to_owned();
            return Err(Stop::Failing(FailureClass::Hang, why));
        }
        // By the voice that was asked for first: where there is nothing to say, no engine is loaded.
        let asked = utterance.manner.voice.clone();
        let failed = |error: EngineError| Stop::of(&error);
        let cast = engines.cast(&asked).map_err(failed)?;
        let prepared = self.prepare(utterance, &cast)?;
        self.pulse.beat_for(clock::now(), self.settings.confinement.load);
        let found = engines.for_voice(&asked, clock::now()).map_err(failed)?;
        self.pulse.beat(clock::now());
        self.check(utterance)?;
        let id = found.id.clone();
        self.custody.hold(&utterance.ticket, Some(id.to_string()));
        let spoken = self.speak_as(found, &cast, prepared, utterance);
        let error = match Self::settle(engines, &id, utterance, spoken) {
            Err(Stop::NoVoice(error)) => error,
            spoken => return spoken,
        };
        self.pulse.beat_for(clock::now(), self.settings.confinement.load);
        let found = engines.for_failed(&asked, error, clock::now()).map_err(failed)?;
        let (id, prepared) = (found.id.clone(), self.prepare(utterance, &fallback(&found))?);
        self.custody.hold(&utterance.ticket, Some(id.to_string()));
        let cast = fallback(&found);
        let spoken = self.speak_as(found, &cast, prepared, utterance);
        match Self::settle(engines, &id, utterance, spoken) {
            Err(Stop::NoVoice(error)) => Err(failed(error)),
            spoken => spoken,
        }
    }

    /// Has the engine that was found speak what was prepared for a voice, or for another one where that was found.
    fn speak_as(
        &self,
        found: Found<'_>,
        cast: &Cast,
        prepared: (Prepared, String),
        utterance: &mut Utterance,
    ) -> Result<(), Stop> {
        let (prepared, words) = if found.voice == cast.voice {
            prepared
        } else {
            self.prepare(utterance, &fallback(&found))?
        };
        let Found { engine, voice, degraded, .. } = found;
        if *utterance.manner.voice != *voice {
            self.send(AudioMessage::Voice(utterance.id, voice.as_str().into()))?;
        }
        let report = utterance.ticket.report_mut();
        report.spoken_text = Some(words);
        report.spoken_voice = Some(voice.clone());
        report.engine = Some(engine.info().name);
        report.reason = degraded;
        (report.audio, report.compute) = (Duration::ZERO, Duration::ZERO);
        catch_unwind(AssertUnwindSafe(|| self.pull(engine, &voice, &prepared, utterance)))
            .unwrap_or_else(|_| Err(Stop::of(&EngineError::Panicked)))
    }

    /// What becomes of an engine that spoke, or did not.
    fn settle(
        engines: &mut Engines,
        id: &EngineId,
        utterance: &Utterance,
        spoken: Result<(), Stop>,
    ) -> Result<(), Stop> {
        match &spoken {
            Ok(()) => engines.note_success(id),
            // It costs this utterance and the engine, whose state is not to be trusted any more.
            Err(Stop::Broken(_, why)) => engines.discard(id, why),
            Err(Stop::NoVoice(error)) if error.is_breakdown() => {
                engines.discard(id, &error.to_string());
            }
            Err(Stop::With(..) | Stop::Failing(..) | Stop::NoVoice(_) | Stop::Suspend) => {}
        }
        engines.touch(id, utterance.manner.keep_loaded, clock::now());
        spoken
    }

    fn pull(
        &self,
        engine: &mut dyn Engine,
        voice: &str,
        prepared: &Prepared,
        utterance: &mut Utterance,
    ) -> Result<(), Stop> {
        let prosody = Prosody {
            rate: utterance.manner.rate.clamp(*Prosody::RATE.start(), *Prosody::RATE.end()),
            pitch: utterance.manner.pitch.clamp(*Prosody::PITCH.start(), *Prosody::PITCH.end()),
        };
        let (n_chars, pauses) = prepared.extent();
        let budget = audio_budget(n_chars, prosody.rate) + pauses;
        for piece in &prepared.pieces {
            let piece = match piece {
                Piece::Words(words) => words,
                Piece::Pause(pause) => {
                    self.be_silent(engine.info().spec, *pause, utterance)?;
                    continue;
                }
            };
            let speech = Speech { text: piece, voice, prosody, seed: utterance.id.get() };
            let mut stopwatch = Stopwatch::new(self.settings.piece_deadline);
            let mut preparing = Stopwatch::new(self.settings.voice_deadline);
            let began = clock::now();
            let mut stream =
                engine.begin(&speech).map_err(|error| self.failed(error, utterance))?;
            self.account(utterance, &mut stopwatch, began)?;
            loop {
                let began = clock::now();
                let chunk = stream.next_chunk().map_err(|error| self.failed(error, utterance))?;
                if stream.is_preparing() {
                    self.pulse.beat(clock::now());
                    if preparing.add(clock::now().duration_since(began)) {
                        let why = too_late(self.settings.voice_deadline);
                        return Err(Stop::Failing(FailureClass::Deadline, why));
                    }
                } else {
                    self.account(utterance, &mut stopwatch, began)?;
                }
                let Some(chunk) = chunk else { break };
                if chunk.samples.is_empty() {
                    // It is at work, and may no longer be wanted.
                    self.check(utterance)?;
                    continue;
                }
                check_sound(&chunk)?;
                let report = utterance.ticket.report_mut();
                report.audio += chunk.duration();
                if report.audio > budget {
                    return Err(Stop::Failing(
                        FailureClass::Budget,
                        format!(
                            "the engine spoke for more than {} s, its text is shorter",
                            budget.as_secs()
                        ),
                    ));
                }
                self.deliver(chunk, utterance)?;
            }
        }
        Ok(())
    }

    /// Silence that the text asks for.
    fn be_silent(
        &self,
        spec: PcmSpec,
        pause: Duration,
        utterance: &mut Utterance,
    ) -> Result<(), Stop> {
        let mut n_left = spec.samples_in(pause);
        while n_left > 0 {
            let n = n_left.min(spec.samples_in(SILENT_CHUNK));
            n_left -= n;
            let chunk = PcmChunk { spec, samples: vec![0.0; n] };
            utterance.ticket.report_mut().audio += chunk.duration();
            self.deliver(chunk, utterance)?;
        }
        Ok(())
    }

    /// Counts engine time, and ends the utterance where a piece took too much of it.
    fn account(
        &self,
        utterance: &mut Utterance,
        stopwatch: &mut Stopwatch,
        began: Instant,
    ) -> Result<(), Stop> {
        let now = clock::now();
        self.pulse.beat(now);
        let time = now.duration_since(began);
        utterance.ticket.report_mut().compute += time;
        if let Some(limit) = self.settings.confinement.limit_within()
            && self.memory_pace.is_due(now)
            && memory::resident_bytes() > limit
        {
            return Err(Stop::of(&EngineError::TooMuchMemory { limit_mb: limit >> 20 }));
        }
        if stopwatch.add(time) {
            let secs = self.settings.piece_deadline.as_secs_f64();
            return Err(Stop::Failing(
                FailureClass::Deadline,
                format!(
                    "a piece took more than {secs} s of engine time (limits.piece_deadline_secs)"
                ),
            ));
        }
        Ok(())
    }

    /// Sends a chunk on as soon as playback has room for it.
    fn deliver(&self, chunk: PcmChunk, utterance: &Utterance) -> Result<(), Stop> {
        self.check(utterance)?;
        while !self.audio.has_room(utterance.lane) {
            self.wait(utterance);
            self.check(utterance)?;
        }
        self.send(AudioMessage::Chunk(utterance.id, chunk))
    }

    /// Waits until there may be room, something important comes, or the marks have changed. Whatever keeps it meanwhile is no
    /// fault of the engine, nor of the utterance.
    fn wait(&self, utterance: &Utterance) {
        let claim = self.custody.set_aside();
        self.wait_for_room(utterance);
        self.custody.take_back(claim);
    }

    fn wait_for_room(&self, utterance: &Utterance) {
        if self.voices.borrow_mut().advance() {
            let _woken = self.audio.freed().try_recv();
            self.pulse.beat(clock::now());
            return;
        }
        let mut select = Select::new();
        select.recv(self.audio.freed());
        // Where something important waits already, it waits for this one: it would wake us again and again.
        if utterance.lane == Lane::Ordinary && !self.outlet.has_important() {
            select.recv(&self.outlet.important);
        }
        self.pulse.rest();
        // Which of them it was does not matter: everything is looked at again.
        if select.ready_timeout(FULL_PIPE_POLL).is_ok() {
            let _woken = self.audio.freed().try_recv();
        }
        self.pulse.beat(clock::now());
    }

    fn send(&self, message: AudioMessage) -> Result<(), Stop> {
        self.audio.send(message).map_err(|_gone| Stop::With(Outcome::Abandoned, None))
    }

    /// Whether the utterance may go on.
    fn check(&self, utterance: &Utterance) -> Result<(), Stop> {
        let is_sounding = self.steering.is_fed(utterance.id);
        match self.steering.stopping() {
            Stopping::No => {}
            Stopping::FinishLine if self.steering.sounding() == Some(utterance.id) => {}
            Stopping::FinishLine | Stopping::Now => {
                return Err(Stop::With(Outcome::Abandoned, None));
            }
        }
        if let Some(outcome) = self.steering.verdict(utterance.id, &utterance.source) {
            return Err(Stop::With(outcome, None));
        }
        if utterance.lane == Lane::Ordinary && !is_sounding && self.outlet.has_important() {
            return Err(Stop::Suspend);
        }
        Ok(())
    }

    /// What an engine's error means. Where the utterance is to be stopped anyway, that is why it ends: a signal that
    /// ends the daemon may have ended a program that spoke for it first.
    fn failed(&self, error: EngineError, utterance: &Utterance) -> Stop {
        if let Err(stop) = self.check(utterance) {
            return stop;
        }
        match error {
            EngineError::UnknownVoice { .. }
            | EngineError::BadVoice { .. }
            | EngineError::CannotClone { .. }
            | EngineError::Unreachable { .. }
            | EngineError::Declined { .. }
                if utterance.ticket.report().audio.is_zero() =>
            {
                Stop::NoVoice(error)
            }
            _ => Stop::of(&error),
        }
    }
}
