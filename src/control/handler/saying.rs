//! What is asked to be said: `say` and `replay`, and what of it a daemon takes along that starts itself anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Handler, refuse};
use crate::clock;
use crate::control::protocol::{Refusal, RefusalCode, Replay, Reply, Response, Say};
use crate::engine::Prosody;
use crate::queue::Order;
use crate::speech::stream::Destination;
use crate::speech::{Lane, Manner, Outcome, Report};

/// How many utterances are said again at most at one request: more than the queue holds are refused anyway.
const MAX_REPLAY: usize = 64;

/// What was asked for on the socket, and is not said yet. A file keeps its lines itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarriedSay {
    /// As it was asked for.
    pub text: Arc<str>,
    /// What to say, where that is something else.
    pub words: Option<Arc<str>>,
    /// Who.
    pub voice: Arc<str>,
    /// Speed, as a factor.
    pub rate: f32,
    /// In which lane.
    pub lane: Lane,
}

/// Each of them, by its utterance. Bounded by the queue and the look-ahead. Contended by who asks and whoever has the outcome,
/// for an entry at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsaid(Arc<Mutex<BTreeMap<u64, CarriedSay>>>);

impl Handler {
    /// What has no outcome yet, in the order in which it was asked for.
    pub fn unsaid(&self) -> Vec<CarriedSay> {
        let unsaid = self.unsaid.0.lock();
        unsaid.values().cloned().chain(self.late.borrow().iter().cloned()).collect()
    }

    /// Says what was asked of a daemon before this one, as soon as there is room for it.
    pub fn say_carried(&self, carried: Vec<CarriedSay>) {
        self.late.borrow_mut().extend(carried);
        self.say_late();
    }

    /// Says what has found no room yet, in order.
    pub fn say_late(&self) {
        loop {
            let Some(next) = self.late.borrow().front().cloned() else { return };
            let CarriedSay { text, words, voice, rate, lane } = next;
            let usual = self.manner.borrow().clone();
            let said = self.enqueue(text, words, Manner { voice, rate, ..usual }, lane, None);
            if said.is_err() {
                return;
            }
            self.late.borrow_mut().pop_front();
        }
    }

    pub(super) async fn say(&self, say: Say) -> Reply {
        if say.text.trim().is_empty() {
            return refuse(RefusalCode::BadRequest, "text is empty");
        }
        let rate = say.rate.unwrap_or(1.0);
        if !Prosody::RATE.contains(&rate) {
            let (min, max) = (Prosody::RATE.start(), Prosody::RATE.end());
            return refuse(
                RefusalCode::BadRequest,
                format!("rate {rate} is not between {min} and {max}"),
            );
        }
        let voice = match say.voice {
            Some(voice) => {
                self.check_voice(&voice)?;
                voice.into()
            }
            None => Arc::clone(&self.manner.borrow().voice),
        };
        let usual = self.manner.borrow().clone();
        let manner = Manner { voice, rate: usual.rate * rate, ..usual };
        let lane = if say.interrupt { Lane::Important } else { say.priority };
        let interrupted = self.steering.current().filter(|_| say.interrupt);
        let (told, outcome) = oneshot::channel();
        let id = self.enqueue(say.text.into(), None, manner, lane, Some(told))?;
        if let Some(interrupted) = interrupted {
            self.steering.skip(interrupted);
        }
        if !say.wait {
            return Ok(Response::Queued { id });
        }
        let Ok((outcome, reason)) = outcome.await else {
            return refuse(RefusalCode::Stopping, "the daemon ended before it was said");
        };
        Ok(Response::Ended { id, outcome, reason })
    }

    fn enqueue(
        &self,
        text: Arc<str>,
        words: Option<Arc<str>>,
        manner: Manner,
        lane: Lane,
        tell: Option<oneshot::Sender<(Outcome, Option<String>)>>,
    ) -> Result<u64, Refusal> {
        let intake = self.intake.borrow();
        let Some(intake) = intake.as_ref() else {
            return refuse(RefusalCode::Stopping, "the daemon is stopping");
        };
        let now = clock::now();
        let expires_at = self.max_age.get().map(|age| now + age);
        let what = CarriedSay {
            text: Arc::clone(&text),
            words: words.clone(),
            voice: Arc::clone(&manner.voice),
            rate: manner.rate,
            lane,
        };
        let (source, destination) = (self.source.clone(), Destination::Card);
        let order = Order { source, text, words, manner, lane, expires_at, destination };
        let (history, unsaid) = (self.history.clone(), self.unsaid.clone());
        let deliver = Box::new(move |report: Report| {
            unsaid.0.lock().remove(&report.id.get());
            history.publish(&report);
            if let Some(tell) = tell {
                let _nobody_waits = tell.send((report.outcome, report.reason));
            }
        });
        let utterance = intake.utterance(order, now, deliver);
        let id = utterance.id.get();
        // Noted first: its outcome may come at once.
        self.unsaid.0.lock().insert(id, what);
        match intake.try_send(utterance) {
            Ok(()) => Ok(id),
            Err(full) => {
                self.unsaid.0.lock().remove(&id);
                intake.withdraw(*full);
                refuse(
                    RefusalCode::QueueFull,
                    "the queue is full; try again when something was said, or `speakerd clear`",
                )
            }
        }
    }

    pub(super) fn replay(&self, replay: &Replay) -> Reply {
        if !(1..=MAX_REPLAY).contains(&replay.n) {
            let message = format!("{} is not between 1 and {MAX_REPLAY}", replay.n);
            return refuse(RefusalCode::BadRequest, message);
        }
        let entries = self.history.last_heard(replay.n);
        if entries.is_empty() {
            return refuse(RefusalCode::NothingToReplay, "nothing was said yet");
        }
        let mut ids = Vec::new();
        for entry in entries {
            let usual = self.manner.borrow().clone();
            let manner = Manner { voice: entry.voice.as_str().into(), ..usual };
            let words = entry.spoken_text.as_deref().map(Into::into);
            match self.enqueue(entry.text.as_str().into(), words, manner, Lane::Ordinary, None) {
                Ok(id) => ids.push(id),
                Err(refusal) if ids.is_empty() => return Err(refusal),
                Err(_) => break, // what fits is said
            }
        }
        Ok(Response::Replayed { ids })
    }
}
