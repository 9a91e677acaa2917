//! The bounded queue between the sources and inference: two lanes, another one for streams, ids, and the list of what waits.
//!
//! Knows neither who sends nor who receives. A full lane is the sender's business: a file is not read further, a
//! request is refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::speech::stream::Destination;
use crate::speech::{
    Deliver, Lane, Manner, Outcome, Report, Source, Ticket, Utterance, UtteranceId,
};
use crate::status::StatusBoard;

/// One thing that waits, for `speakerd queue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Waiting {
    /// Which utterance.
    pub id: u64,
    /// Whose.
    pub source: String,
    /// In which lane.
    pub lane: Lane,
    /// The voice asked for.
    pub voice: String,
    /// The text, at most [`Waiting::MAX_CHARS`] characters of it.
    pub text: String,
}

impl Waiting {
    /// Enough to recognise a line by; the list of a full queue stays under 100 KiB.
    pub const MAX_CHARS: usize = 200;

    fn of(utterance: &Utterance) -> Self {
        Self {
            id: utterance.id.get(),
            source: utterance.source.name().to_owned(),
            lane: utterance.lane,
            voice: utterance.manner.voice.to_string(),
            text: utterance.text.chars().take(Self::MAX_CHARS).collect(),
        }
    }
}

/// What a source asks for.
#[derive(Debug)]
pub struct Order {
    /// Whose.
    pub source: Source,
    /// The text as it stands in the file or the request.
    pub text: Arc<str>,
    /// What to say, where that is something else.
    pub words: Option<Arc<str>>,
    /// How.
    pub manner: Manner,
    /// In which lane.
    pub lane: Lane,
    /// When it is no longer worth saying.
    pub expires_at: Option<Instant>,
    /// Where the audio goes.
    pub destination: Destination,
}

/// The list of what waits is shared by the two ends of the queue, for a push or a removal at a time.
type WaitingList = Arc<Mutex<VecDeque<Waiting>>>;

/// What is open, and since when. Contended by whoever makes an utterance and whoever ends it, for one of them at a time.
type OpenList = Arc<Mutex<BTreeMap<u64, Instant>>>;

/// Reads the queue without touching it. Holding one keeps no lane open.
#[derive(Debug, Clone)]
pub struct QueueView {
    waiting: WaitingList,
    open: OpenList,
    issued: Arc<AtomicU64>,
}

impl QueueView {
    /// What waits, in the order in which it will be spoken.
    pub fn waiting(&self) -> Vec<Waiting> {
        let list = self.waiting.lock();
        let (important, ordinary): (Vec<_>, Vec<_>) =
            list.iter().cloned().partition(|waiting| waiting.lane == Lane::Important);
        important.into_iter().chain(ordinary).collect()
    }

    /// How many wait in the ordinary and in the important lane.
    pub fn lengths(&self) -> (usize, usize) {
        let list = self.waiting.lock();
        let n_important = list.iter().filter(|waiting| waiting.lane == Lane::Important).count();
        (list.len() - n_important, n_important)
    }

    /// Since when the oldest utterance waits to be heard, wherever it is: here, with an engine or with playback. The one
    /// that sounds does not wait.
    pub fn waits_since(&self, sounding: Option<u64>) -> Option<Instant> {
        // Ids ascend with time.
        self.open.lock().iter().find(|(id, _)| Some(**id) != sounding).map(|(_, since)| *since)
    }

    /// Whether something that was issued before that id has no outcome yet.
    pub fn has_open_before(&self, id: UtteranceId) -> bool {
        self.open.lock().keys().next().is_some_and(|first| *first < id.get())
    }

    /// The highest id issued so far: what `clear` clears through.
    pub fn last_issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }
}

/// The sources' end. The queue closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Intake {
    ordinary: Sender<Utterance>,
    important: Sender<Utterance>,
    streams: Sender<Utterance>,
    view: QueueView,
    board: StatusBoard,
}

/// Inference's end.
#[derive(Debug)]
pub struct Outlet {
    /// Closed, and then empty, when nobody will send any more.
    pub ordinary: Receiver<Utterance>,
    /// To be asked first.
    pub important: Receiver<Utterance>,
    /// What goes to no card, and takes turns with what does.
    pub streams: Receiver<Utterance>,
    waiting: WaitingList,
}

/// How many streams wait. Whoever asks for them has a limit of its own, far below.
const MAX_STREAMS: usize = 256;

/// Makes a queue with two lanes of `capacity` each, and one for the streams.
pub fn queue(capacity: usize, board: &StatusBoard) -> (Intake, Outlet) {
    let (ordinary, from_ordinary) = bounded(capacity);
    let (important, from_important) = bounded(capacity);
    let (streams, from_streams) = bounded(MAX_STREAMS);
    let view = QueueView {
        waiting: WaitingList::default(),
        open: OpenList::default(),
        issued: Arc::default(),
    };
    board.modify(|status| status.queue.capacity = capacity);
    let waiting = Arc::clone(&view.waiting);
    (
        Intake { ordinary, important, streams, view, board: board.clone() },
        Outlet {
            ordinary: from_ordinary,
            important: from_important,
            streams: from_streams,
            waiting,
        },
    )
}

impl Intake {
    /// Makes an utterance, which counts as open until its report is published.
    ///
    /// # Panics
    /// After 2⁶⁴ utterances.
    pub fn utterance(&self, order: Order, now: Instant, deliver: Deliver) -> Utterance {
        let number = self.view.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let id = UtteranceId::from_number(number).expect("counting began at one");
        self.board.modify(|status| status.queue.n_open += 1);
        // A stream has no place in the order of what is heard here.
        if matches!(order.destination, Destination::Card) {
            self.view.open.lock().insert(number, now);
        }
        let open = Arc::clone(&self.view.open);
        let deliver = Box::new(move |report: Report| {
            open.lock().remove(&number);
            deliver(report);
        });
        let report = Report {
            id,
            source: order.source.clone(),
            text: Arc::clone(&order.text),
            voice: Arc::clone(&order.manner.voice),
            spoken_text: None,
            spoken_voice: None,
            engine: None,
            outcome: Outcome::Abandoned,
            reason: None,
            failure: None,
            queued_at: SystemTime::now(),
            started_at: None,
            ended_at: None,
            first_audio: None,
            audio: Duration::ZERO,
            compute: Duration::ZERO,
        };
        Utterance {
            id,
            source: order.source,
            text: order.words.unwrap_or(order.text),
            manner: order.manner,
            lane: order.lane,
            enqueued_at: now,
            expires_at: order.expires_at,
            destination: order.destination,
            ticket: Ticket::new(report, deliver),
        }
    }

    /// Puts an utterance into its lane.
    ///
    /// # Errors
    /// Gives it back where the lane is full or nobody reads it any more.
    pub fn try_send(&self, utterance: Utterance) -> Result<(), Box<Utterance>> {
        if matches!(utterance.destination, Destination::Stream(_)) {
            let sent = self.streams.try_send(utterance);
            return sent.map_err(|error| Box::new(error.into_inner()));
        }
        // Listed first: it must not be taken out of a list that it is not yet in.
        let (id, summary) = (utterance.id.get(), Waiting::of(&utterance));
        self.view.waiting.lock().push_back(summary);
        let sent = self.lane(utterance.lane).try_send(utterance);
        if sent.is_err() {
            self.view.waiting.lock().retain(|waiting| waiting.id != id);
        }
        sent.map_err(|error| Box::new(error.into_inner()))
    }

    /// Takes an utterance back that found no room: nothing is reported of it, it was refused.
    pub fn withdraw(&self, utterance: Utterance) {
        self.view.open.lock().remove(&utterance.id.get());
        utterance.ticket.withdraw();
        self.board.modify(|status| status.queue.n_open = status.queue.n_open.saturating_sub(1));
    }

    /// The channel of a lane, to wait for room in it.
    pub fn lane(&self, lane: Lane) -> &Sender<Utterance> {
        match lane {
            Lane::Ordinary => &self.ordinary,
            Lane::Important => &self.important,
        }
    }

    /// A view that does not keep the queue open.
    pub fn view(&self) -> QueueView {
        self.view.clone()
    }
}

impl Outlet {
    /// Takes what is to be spoken next, if anything waits.
    ///
    /// # Errors
    /// `Disconnected` once nobody will send any more and both lanes are empty.
    pub fn try_take(&self) -> Result<Utterance, TryRecvError> {
        let utterance = match self.important.try_recv() {
            Ok(utterance) => utterance,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => self.ordinary.try_recv()?,
        };
        self.waiting.lock().retain(|waiting| waiting.id != utterance.id.get());
        Ok(utterance)
    }

    /// Takes the stream that is to be begun next, if one waits.
    ///
    /// # Errors
    /// `Disconnected` once nobody will send any more and none is left.
    pub fn try_take_stream(&self) -> Result<Utterance, TryRecvError> {
        self.streams.try_recv()
    }

    /// Whether a stream waits.
    pub fn has_stream(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Whether something important waits.
    pub fn has_important(&self) -> bool {
        !self.important.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str, lane: Lane) -> Order {
        let reading = crate::text::Reading::default();
        let manner = Manner {
            voice: "rms".into(),
            rate: 1.0,
            pitch: 1.0,
            volume: 1.0,
            reading,
            keep_loaded: None,
        };
        let source = Source::new("test");
        let destination = Destination::Card;
        Order {
            source,
            text: text.into(),
            words: None,
            manner,
            lane,
            expires_at: None,
            destination,
        }
    }

    fn send(intake: &Intake, text: &str, lane: Lane) -> bool {
        let utterance =
            intake.utterance(order(text, lane), crate::clock::now(), Box::new(|_report| ()));
        intake.try_send(utterance).is_ok()
    }

    #[test]
    fn the_important_lane_is_taken_first_and_the_list_says_so() {
        let (intake, outlet) = queue(4, &StatusBoard::default());
        assert!(send(&intake, "one", Lane::Ordinary));
        assert!(send(&intake, "two", Lane::Ordinary));
        assert!(send(&intake, "now", Lane::Important));
        let listed: Vec<_> =
            intake.view().waiting().into_iter().map(|waiting| waiting.text).collect();
        let taken: Vec<_> = std::iter::from_fn(|| outlet.try_take().ok())
            .map(|taken| taken.text.to_string())
            .collect();
        assert_eq!(taken, ["now", "one", "two"]);
        assert_eq!(listed, taken);
        assert_eq!(intake.view().lengths(), (0, 0));
    }

    #[test]
    fn a_full_lane_gives_the_utterance_back_and_lists_nothing() {
        let (intake, _outlet) = queue(1, &StatusBoard::default());
        assert!(send(&intake, "one", Lane::Ordinary));
        assert!(!send(&intake, "two", Lane::Ordinary));
        assert!(send(&intake, "now", Lane::Important), "each lane has room of its own");
        assert_eq!(intake.view().lengths(), (1, 1));
    }

    #[test]
    fn what_waits_longest_is_known_wherever_it_is_and_what_sounds_does_not_wait() {
        let (intake, outlet) = queue(4, &StatusBoard::default());
        let (view, begun) = (intake.view(), crate::clock::now());
        let after = |secs| begun + Duration::from_secs(secs);
        let ids: Vec<_> = (0..3)
            .map(|n| {
                let order = order("text", Lane::Ordinary);
                let utterance = intake.utterance(order, after(n), Box::new(|_report| ()));
                let id = utterance.id.get();
                intake.try_send(utterance).unwrap();
                id
            })
            .collect();
        let taken = outlet.try_take().unwrap();
        assert_eq!(view.waits_since(None), Some(after(0)), "it was not heard yet");
        assert_eq!(view.waits_since(Some(ids[0])), Some(after(1)), "it sounds");
        taken.ticket.resolve(Outcome::Spoken, SystemTime::UNIX_EPOCH);
        assert_eq!(view.waits_since(Some(ids[0])), Some(after(1)));
        intake.withdraw(outlet.try_take().unwrap());
        assert_eq!(view.waits_since(None), Some(after(2)));
        drop(outlet.try_take());
        assert_eq!(view.waits_since(None), None);
    }

    #[test]
    fn the_queue_closes_with_its_last_sender() {
        let (intake, outlet) = queue(1, &StatusBoard::default());
        assert!(send(&intake, "one", Lane::Ordinary));
        let _view = intake.view();
        drop(intake);
        assert!(outlet.try_take().is_ok());
        assert_eq!(outlet.try_take().unwrap_err(), TryRecvError::Disconnected);
    }
}
