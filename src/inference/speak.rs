//! One utterance, a piece at a time: begin it, have an engine say the next piece, hand it on.
//!
//! Knows nothing of where audio goes or who asked for it. Between two pieces somebody else may have a turn.

mod piece;
mod script;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use super::EngineSettings;
use super::engines::Engines;
use super::limits::Pace;
use super::past::Past;
use super::stop::Stop;
use super::voices::VoiceJobs;
use crate::clock;
use crate::engine::EngineError;
use crate::pipe::{AudioMessage, AudioSender, Opening};
use crate::queue::Outlet;
use crate::speech::custody::Custody;
use crate::speech::stream::Destination;
use crate::speech::{FailureClass, Lane, Outcome, Utterance};
use crate::steering::{Steering, Stopping};
use crate::text::dictionary::Dictionary;
use crate::threads::Pulse;
pub use script::Job;

/// What speaking needs besides the engines.
pub struct Speaker<'a> {
    /// Where audio goes.
    pub audio: &'a AudioSender,
    /// What to stop.
    pub steering: &'a Steering,
    /// Whether somebody else waits.
    pub outlet: &'a Outlet,
    /// Whether a stream is at work, and could go on.
    pub has_stream: bool,
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

/// How a turn ended.
pub enum Turn {
    /// There is more to say.
    More(Job),
    /// There is more to say, and no room for it: a stream can have the engine meanwhile.
    Blocked(Job),
    /// The utterance is over: whoever takes its audio has its ticket.
    Done,
    /// Something important goes first; it begins anew afterwards.
    Suspended(Utterance),
}

/// How far a step came.
enum Step {
    More,
    Blocked,
    Done,
}

impl Speaker<'_> {
    /// Says the next piece of an utterance, as far as it may be said.
    pub fn advance(&self, engines: &mut Engines, mut job: Job) -> Turn {
        if !job.is_stream() {
            self.steering.set_synthesizing(Some(job.utterance.id));
        }
        self.custody.hold(&job.utterance.ticket, job.engine());
        let step = self.step(engines, &mut job);
        self.custody.release();
        let failed = |class: FailureClass, why| (class.outcome(), Some(why), Some(class));
        let (outcome, reason, failure) = match step {
            Ok(Step::More) => return Turn::More(job),
            Ok(Step::Blocked) => return Turn::Blocked(job),
            Ok(Step::Done) => (Outcome::Spoken, None, None),
            Err(Stop::With(outcome, reason)) => (outcome, reason, None),
            Err(Stop::Failing(class, reason)) => failed(class, reason),
            Err(Stop::Broken(class, reason)) => {
                failed(class, format!("{reason}; it is loaded anew for the next utterance"))
            }
            Err(Stop::NoVoice(error)) => failed(FailureClass::Voice, error.to_string()),
            Err(Stop::Suspend) => {
                self.steering.set_synthesizing(None);
                if job.is_announced {
                    // Playback gone means shutdown: the next attempt notices.
                    drop(self.audio.send(AudioMessage::Retract(job.utterance.id)));
                }
                return Turn::Suspended(job.utterance);
            }
        };
        let report = job.utterance.ticket.report_mut();
        report.failure = failure;
        if reason.is_some() {
            report.reason = reason;
        }
        self.end(job, outcome);
        Turn::Done
    }

    fn end(&self, job: Job, outcome: Outcome) {
        let Utterance { ticket, destination, .. } = job.utterance;
        match destination {
            // Playback knows nothing of it.
            Destination::Card if !job.is_announced => {
                self.steering.set_synthesizing(None);
                ticket.resolve(outcome, SystemTime::now());
            }
            Destination::Card => {
                self.steering.set_synthesizing(None);
                // Where playback is gone, the ticket is dropped with the message and reports it as abandoned.
                drop(self.audio.send(AudioMessage::End { ticket, outcome }));
            }
            Destination::Stream(sender) => {
                drop(sender); // whoever has read to the end asks for the outcome next
                ticket.resolve(outcome, SystemTime::now());
            }
        }
    }

    fn step(&self, engines: &mut Engines, job: &mut Job) -> Result<Step, Stop> {
        self.check(job)?;
        if !job.is_stream() && !self.has_place(job) {
            if self.is_shared() {
                return Ok(Step::Blocked);
            }
            // Once there is audio, waiting is for when there is more of it.
            if !job.is_announced {
                self.wait(&job.utterance);
                return Ok(Step::More);
            }
        }
        if job.script.is_none() {
            self.begin(engines, job)?;
        }
        let said = self.say_piece(engines, job);
        match Self::settle(engines, job, said) {
            Ok(()) => Ok(if job.is_said() { Step::Done } else { Step::More }),
            Err(Stop::NoVoice(error)) => {
                self.speak_instead(engines, job, error)?;
                Ok(Step::More)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Whether playback would take something of a line now.
    fn has_place(&self, job: &Job) -> bool {
        let lane = job.utterance.lane;
        if job.is_announced { self.audio.has_room(lane) } else { self.audio.may_begin(lane) }
    }

    /// Whether a stream waits for its turn.
    fn is_shared(&self) -> bool {
        self.has_stream || self.outlet.has_stream()
    }

    /// Makes an utterance ready to be said, and its engine with it.
    fn begin(&self, engines: &mut Engines, job: &mut Job) -> Result<(), Stop> {
        if !job.is_stream() {
            self.send(AudioMessage::Begin(opening(&job.utterance)))?;
            job.is_announced = true;
        }
        if job.utterance.expires_at.is_some_and(|at| at <= clock::now()) {
            let limit = if job.is_stream() { "http.deadline_secs" } else { "max_age_secs" };
            let why = format!("it waited longer than {limit} allows");
            return Err(Stop::because(Outcome::Expired, why));
        }
        if !job.is_stream() && self.past.borrow_mut().has_given_up(&job.utterance) {
            let why = "the daemon hung in it before, and started itself anew".to_owned();
            return Err(Stop::Failing(FailureClass::Hang, why));
        }
        self.find_speaker(engines, job)?;
        self.check(job)
    }

    /// What becomes of the engine that said a piece, or did not.
    fn settle(engines: &mut Engines, job: &Job, said: Result<(), Stop>) -> Result<(), Stop> {
        let Some(script) = &job.script else { return said };
        match &said {
            Ok(()) if job.is_said() => engines.note_success(&script.engine),
            // It costs this utterance and the engine, whose state is not to be trusted any more.
            Err(Stop::Broken(_, why)) => engines.discard(&script.engine, why),
            Err(Stop::NoVoice(error)) if error.is_breakdown() => {
                engines.discard(&script.engine, &error.to_string());
            }
            Ok(()) | Err(Stop::With(..) | Stop::Failing(..) | Stop::NoVoice(_) | Stop::Suspend) => {
            }
        }
        engines.touch(&script.engine, job.utterance.manner.keep_loaded, clock::now());
        said
    }

    fn send(&self, message: AudioMessage) -> Result<(), Stop> {
        self.audio.send(message).map_err(|_gone| Stop::With(Outcome::Abandoned, None))
    }

    /// Whether the utterance may go on.
    fn check(&self, job: &Job) -> Result<(), Stop> {
        let utterance = &job.utterance;
        if let Destination::Stream(sender) = &utterance.destination {
            return match self.steering.stopping() {
                Stopping::Now => Err(Stop::With(Outcome::Abandoned, None)),
                // What has begun is finished, as long as there is time.
                Stopping::FinishLine if job.script.is_none() => {
                    Err(Stop::With(Outcome::Abandoned, None))
                }
                _ if sender.is_gone() => Err(Stop::because(Outcome::Skipped, sender.why_gone())),
                Stopping::FinishLine | Stopping::No => Ok(()),
            };
        }
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
    fn failed(&self, error: EngineError, job: &Job) -> Stop {
        if let Err(stop) = self.check(job) {
            return stop;
        }
        match error {
            EngineError::UnknownVoice { .. }
            | EngineError::BadVoice { .. }
            | EngineError::CannotClone { .. }
            | EngineError::Unreachable { .. }
            | EngineError::Declined { .. }
                if job.utterance.ticket.report().audio.is_zero() =>
            {
                Stop::NoVoice(error)
            }
            _ => Stop::of(&error),
        }
    }
}

/// What playback is told first.
fn opening(utterance: &Utterance) -> Opening {
    Opening {
        id: utterance.id,
        source: utterance.source.clone(),
        voice: utterance.manner.voice.clone(),
        text: Arc::clone(&utterance.ticket.report().text),
        lane: utterance.lane,
        volume: utterance.manner.volume,
        enqueued_at: utterance.enqueued_at,
    }
}
