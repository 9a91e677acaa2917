//! The words of the house: an utterance, its ticket, and what becomes of it.
//!
//! Knows nothing of files, sockets or engines.

pub mod custody;
pub mod stream;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::text::Reading;
use stream::Destination;

/// Names one utterance for the life of the daemon. Ids are issued in ascending order from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtteranceId(NonZeroU64);

impl UtteranceId {
    /// The id as a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The id of that number; `None` for 0, which atomics use for "nobody".
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Display for UtteranceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where text comes from: the path of a watched file, `control`, or `http` and whoever asks there.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    /// Everything of this source up to this id was cleared. Travels with the utterances, so that whoever holds one
    /// can tell without a table of sources.
    cleared_through: Arc<AtomicU64>,
}

impl Source {
    /// A source of its own, with nothing cleared.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), cleared_through: Arc::default() }
    }

    /// The name that users see.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Clears everything of this source that was issued up to and with that id.
    pub fn clear_through(&self, id: u64) {
        self.cleared_through.fetch_max(id, Ordering::Relaxed);
    }

    /// Whether a clear of this source covers that id.
    pub fn has_cleared(&self, id: UtteranceId) -> bool {
        id.get() <= self.cleared_through.load(Ordering::Relaxed)
    }
}

/// Which line an utterance waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// In turn.
    #[default]
    Ordinary,
    /// Before everything ordinary that has not begun to sound.
    Important,
}

/// How an utterance is to be spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Manner {
    /// The voice that was asked for.
    pub voice: Arc<str>,
    /// Speed, as a factor.
    pub rate: f32,
    /// Pitch, as a factor.
    pub pitch: f32,
    /// Loudness, as a factor; at most 2.
    pub volume: f32,
    /// How the text is made ready.
    pub reading: Reading,
    /// How long the voice stays loaded afterwards, where that is more than the usual time.
    pub keep_loaded: Option<Duration>,
}

/// One thing to say.
#[derive(Debug)]
pub struct Utterance {
    /// Its name.
    pub id: UtteranceId,
    /// Who asked for it.
    pub source: Source,
    /// What to say, before it is made ready for speech.
    pub text: Arc<str>,
    /// Voice, rate, pitch, volume.
    pub manner: Manner,
    /// Which line it waits in.
    pub lane: Lane,
    /// When it was made, for latencies.
    pub enqueued_at: Instant,
    /// When it is no longer worth saying.
    pub expires_at: Option<Instant>,
    /// Where its audio goes.
    pub destination: Destination,
    /// Reports what became of it.
    pub ticket: Ticket,
}

/// What became of an utterance. Each has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its last sample went to the card, or to whoever asked for it.
    Spoken,
    /// A `skip` hit it.
    Skipped,
    /// A `clear` covered it.
    Cleared,
    /// It waited longer than its source allows.
    Expired,
    /// It was passed over: nothing in it can be said, or a limit of its source was reached.
    Dropped,
    /// It was told together with an equal neighbour.
    Folded,
    /// The engine took too long, or spoke without end.
    TimedOut,
    /// The engine could not say it.
    Failed,
    /// The daemon ended before it was its turn, or in the middle of it.
    Abandoned,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Spoken,
        Self::Skipped,
        Self::Cleared,
        Self::Expired,
        Self::Dropped,
        Self::Folded,
        Self::TimedOut,
        Self::Failed,
        Self::Abandoned,
    ];

    /// Whether the utterance is done with for good. One that is not is spoken after the next start.
    pub fn settles(self) -> bool {
        match self {
            Self::Spoken
            | Self::Skipped
            | Self::Cleared
            | Self::Expired
            | Self::Dropped
            | Self::Folded
            | Self::TimedOut
            | Self::Failed => true,
            Self::Abandoned => false,
        }
    }

    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spoken => "spoken",
            Self::Skipped => "skipped",
            Self::Cleared => "cleared",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Folded => "folded",
            Self::TimedOut => "timed-out",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why an utterance failed or timed out, in one word, for those who count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The engine computed for longer than it may.
    Deadline,
    /// The engine spoke for longer than the text can take.
    Budget,
    /// The engine made no sound at all for too long.
    Hang,
    /// The engine panicked.
    Panic,
    /// The program in which the engine runs ended, or failed.
    Crash,
    /// The engine took more memory than it may.
    Memory,
    /// What the engine made is no sound.
    Nonsense,
    /// The voice cannot be had.
    Voice,
    /// The engine cannot be had, or refused.
    Engine,
    /// The text could not be made ready.
    Text,
}

impl FailureClass {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Deadline,
        Self::Budget,
        Self::Hang,
        Self::Panic,
        Self::Crash,
        Self::Memory,
        Self::Nonsense,
        Self::Voice,
        Self::Engine,
        Self::Text,
    ];

    /// What becomes of an utterance that fails so.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Deadline | Self::Budget | Self::Hang => Outcome::TimedOut,
            Self::Panic
            | Self::Crash
            | Self::Memory
            | Self::Nonsense
            | Self::Voice
            | Self::Engine
            | Self::Text => Outcome::Failed,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Hang => "hang",
            Self::Panic => "panic",
            Self::Crash => "crash",
            Self::Memory => "memory",
            Self::Nonsense => "nonsense",
            Self::Voice => "voice",
            Self::Engine => "engine",
            Self::Text => "text",
        }
    }
}

/// All that is known of an utterance once it is over. Each stage fills in its part.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which utterance.
    pub id: UtteranceId,
    /// Its source's name.
    pub source: Source,
    /// The text as it stood in the file or the request.
    pub text: Arc<str>,
    /// The voice that was asked for.
    pub voice: Arc<str>,
    /// What the engine was given, once it was given something.
    pub spoken_text: Option<String>,
    /// The voice that really spoke.
    pub spoken_voice: Option<String>,
    /// The engine that spoke.
    pub engine: Option<&'static str>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where the outcome alone does not say; or why another voice spoke.
    pub reason: Option<String>,
    /// The kind of reason, where it failed or timed out.
    pub failure: Option<FailureClass>,
    /// When it was made.
    pub queued_at: SystemTime,
    /// When its first sample went to the card; that of a stream, when it was made.
    pub started_at: Option<SystemTime>,
    /// When it was over.
    pub ended_at: Option<SystemTime>,
    /// From made to first sample.
    pub first_audio: Option<Duration>,
    /// How much audio the engine made.
    pub audio: Duration,
    /// How long the engine computed.
    pub compute: Duration,
}

impl Report {
    /// Computing time per second of audio; `None` where there is no audio.
    pub fn real_time_factor(&self) -> Option<f64> {
        (!self.audio.is_zero()).then(|| self.compute.as_secs_f64() / self.audio.as_secs_f64())
    }
}

/// The way back: carries the report through the pipe and hands it to whoever made the utterance, exactly once.
/// A ticket that is dropped reports [`Outcome::Abandoned`].
pub struct Ticket {
    /// Boxed: tickets are moved through every channel.
    report: Box<Report>,
    delivery: Delivery,
}

/// What is called with the report. It may run on any thread and must not block.
pub type Deliver = Box<dyn FnOnce(Report) + Send>;

/// A [`Deliver`] that is called once, by whoever has it first: the ticket, or who gives up in its place. Contended by these
/// two.
#[derive(Clone)]
struct Delivery(Arc<Mutex<Option<Deliver>>>);

impl Delivery {
    /// Delivers, unless that was done; tells whether it was done now.
    fn deliver(&self, report: &Report) -> bool {
        let deliver = self.0.lock().take(); // called outside of the lock
        let is_first = deliver.is_some();
        if let Some(deliver) = deliver {
            deliver(report.clone());
        }
        is_first
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery")
    }
}

impl Ticket {
    /// A ticket that delivers `report`, with its outcome set, when it is resolved or dropped.
    pub fn new(report: Report, deliver: Deliver) -> Self {
        let delivery = Delivery(Arc::new(Mutex::new(Some(deliver))));
        Self { report: Box::new(report), delivery }
    }

    /// The report so far, to be filled in.
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// The report so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the utterance.
    pub fn resolve(mut self, outcome: Outcome, now: SystemTime) {
        self.report.outcome = outcome;
        self.report.ended_at = Some(now);
        // the drop at the end of this function delivers
    }
}

impl Ticket {
    /// Ends a ticket without a report: the utterance was refused before it counted.
    pub fn withdraw(self) {
        drop(self.delivery.0.lock().take());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // What was made before it failed may have been skipped, or cut by a stop, while it was played.
        if !matches!(self.report.outcome, Outcome::Failed | Outcome::TimedOut) {
            self.report.failure = None;
        }
        self.delivery.deliver(&self.report);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.report.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn report() -> Report {
        Report {
            id: UtteranceId::from_number(1).unwrap(),
            source: Source::new("test"),
            text: "text".into(),
            voice: "rms".into(),
            spoken_text: None,
            spoken_voice: None,
            engine: None,
            outcome: Outcome::Abandoned,
            reason: None,
            failure: None,
            queued_at: SystemTime::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            first_audio: None,
            audio: Duration::ZERO,
            compute: Duration::ZERO,
        }
    }

    fn outcomes(use_it: impl FnOnce(Ticket)) -> Vec<Outcome> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        use_it(Ticket::new(report(), Box::new(move |report| sink.lock().push(report.outcome))));
        let seen = seen.lock();
        seen.clone()
    }

    #[test]
    fn a_ticket_reports_exactly_once_and_abandoned_when_dropped() {
        assert_eq!(outcomes(drop), [Outcome::Abandoned]);
        assert_eq!(
            outcomes(|ticket| ticket.resolve(Outcome::Skipped, SystemTime::UNIX_EPOCH)),
            [Outcome::Skipped]
        );
    }

    #[test]
    fn only_an_abandoned_line_is_spoken_again() {
        let every = Outcome::ALL;
        let unsettled: Vec<_> = every.iter().filter(|outcome| !outcome.settles()).collect();
        assert_eq!(unsettled, [&Outcome::Abandoned]);
        for outcome in every {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        for class in FailureClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }
}
