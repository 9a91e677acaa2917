//! What was said: a ring in memory of finished utterances, and the one place where a report becomes public.
//!
//! Never on disk: spoken text is private. Knows nothing of sockets; followers read by sequence number.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{debug, info, trace};

use crate::clock;
use crate::speech::stream::is_stream;
use crate::speech::{FailureClass, Outcome, Report};
use crate::status::{QueueStatus, StatusBoard};
use crate::telemetry;

/// One finished utterance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Entry {
    /// Counts the entries of this run of the daemon from 1, without a gap.
    pub seq: u64,
    /// The utterance's id.
    pub id: u64,
    /// The file's path, `control`, or `http` and whoever asked there.
    pub source: String,
    /// The text as it stood in the file or the request.
    pub text: String,
    /// What the engine was given.
    pub spoken_text: Option<String>,
    /// The voice asked for.
    pub voice: String,
    /// The voice that really spoke.
    pub spoken_voice: Option<String>,
    /// The engine that spoke.
    pub engine: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// The kind of reason, where it failed or timed out.
    #[serde(default)]
    pub failure: Option<FailureClass>,
    /// When it was queued, RFC 3339.
    pub queued_at: String,
    /// When its first sample went to the card, RFC 3339.
    pub started_at: Option<String>,
    /// When it was over, RFC 3339.
    pub ended_at: Option<String>,
    /// From queued to first sample, in milliseconds.
    pub first_audio_ms: Option<f64>,
    /// How much audio was made, in seconds.
    pub audio_secs: f64,
}

impl Entry {
    fn of(seq: u64, report: &Report) -> Self {
        Self {
            seq,
            id: report.id.get(),
            source: report.source.name().to_owned(),
            text: report.text.to_string(),
            spoken_text: report.spoken_text.clone(),
            voice: report.voice.to_string(),
            spoken_voice: report.spoken_voice.clone(),
            engine: report.engine.map(str::to_owned),
            outcome: report.outcome,
            reason: report.reason.clone(),
            failure: report.failure,
            queued_at: clock::rfc3339(report.queued_at),
            started_at: report.started_at.map(clock::rfc3339),
            ended_at: report.ended_at.map(clock::rfc3339),
            first_audio_ms: report.first_audio.map(|time| time.as_secs_f64() * 1e3),
            audio_secs: report.audio.as_secs_f64(),
        }
    }

    /// Whether it went to whoever asked for it, and was not heard here.
    pub fn is_stream(&self) -> bool {
        is_stream(&self.source)
    }

    /// About what it takes in memory.
    fn n_bytes(&self) -> usize {
        let spoken = self.spoken_text.as_ref().map_or(0, String::len);
        let reason = self.reason.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.source.len() + self.text.len() + spoken + reason + 128
    }
}

/// The ring. A clone is the same ring.
#[derive(Debug, Clone)]
pub struct History {
    /// Contended by whoever publishes (watch, playback, inference) and whoever reads (control), for one entry at a time.
    ring: Arc<Mutex<Ring>>,
    /// The last sequence number; closed by [`History::close`].
    latest: watch::Sender<Latest>,
    board: StatusBoard,
}

/// What followers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latest {
    /// The last sequence number.
    pub seq: u64,
    /// Nothing will be published any more.
    pub closed: bool,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Arc<Entry>>,
    n_bytes: usize,
    n_streams: usize,
    max_entries: usize,
    max_bytes: usize,
    seq: u64,
    /// The highest number of those that were dropped because there was no more room.
    lost_through: u64,
}

impl Ring {
    fn push(&mut self, entry: Arc<Entry>) {
        self.n_bytes += entry.n_bytes();
        self.n_streams += usize::from(entry.is_stream());
        // What others had spoken for themselves does not push out what was heard here.
        let is_streams_turn = entry.is_stream() && self.n_streams > self.max_entries.div_ceil(2);
        self.entries.push_back(entry);
        if is_streams_turn && let Some(idx) = self.entries.iter().position(|it| it.is_stream()) {
            self.drop_at(idx);
        }
        // The newest entry always stays: `replay` and a follower that keeps up must see it.
        while self.entries.len() > 1
            && (self.entries.len() > self.max_entries || self.n_bytes > self.max_bytes)
        {
            self.lost_through = self.entries.front().map_or(0, |entry| entry.seq);
            self.drop_at(0);
        }
    }

    fn drop_at(&mut self, idx: usize) {
        let Some(dropped) = self.entries.remove(idx) else { return };
        self.n_bytes -= dropped.n_bytes();
        self.n_streams -= usize::from(dropped.is_stream());
    }
}

/// What a follower gets next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The entry after the one it had.
    Entry(Arc<Entry>),
    /// There is none yet.
    None,
    /// The ring went past it: it read too slowly.
    Lost,
}

impl History {
    /// A ring of at most so many entries and bytes.
    pub fn new(max_entries: usize, max_bytes: usize, board: StatusBoard) -> Self {
        let ring = Ring {
            entries: VecDeque::new(),
            n_bytes: 0,
            n_streams: 0,
            max_entries,
            max_bytes,
            seq: 0,
            lost_through: 0,
        };
        Self {
            ring: Arc::new(Mutex::new(ring)),
            latest: watch::Sender::new(Latest::default()),
            board,
        }
    }

    /// Makes a report public: the ring, its followers, the log and the counts. The utterance is no longer open.
    pub fn publish(&self, report: &Report) {
        let seq = {
            let mut ring = self.ring.lock();
            ring.seq += 1;
            let entry = Arc::new(Entry::of(ring.seq, report));
            ring.push(entry);
            ring.seq
        };
        self.latest.send_modify(|latest| latest.seq = seq);
        log(report);
        measure(report);
        self.board.modify(|status| count(report, &mut status.queue));
    }

    /// The entry that follows that sequence number.
    pub fn after(&self, seq: u64) -> Next {
        let ring = self.ring.lock();
        if seq < ring.lost_through {
            return Next::Lost;
        }
        let idx = ring.entries.partition_point(|entry| entry.seq <= seq);
        ring.entries.get(idx).map_or(Next::None, |entry| Next::Entry(Arc::clone(entry)))
    }

    /// The sequence number before the oldest entry that is kept: where a follower begins.
    pub fn start(&self) -> u64 {
        let ring = self.ring.lock();
        ring.entries.front().map_or(ring.seq, |entry| entry.seq - 1)
    }

    /// The last `n` entries that were heard to their end, oldest first.
    pub fn last_heard(&self, n: usize) -> Vec<Arc<Entry>> {
        let ring = self.ring.lock();
        let is_heard = |entry: &&Arc<Entry>| entry.outcome == Outcome::Spoken && !entry.is_stream();
        let newest = ring.entries.iter().rev().filter(is_heard);
        let mut last: Vec<_> = newest.take(n).cloned().collect();
        last.reverse();
        last
    }

    /// The last `n` entries, whatever became of them, oldest first.
    pub fn newest(&self, n: usize) -> Vec<Arc<Entry>> {
        let ring = self.ring.lock();
        ring.entries.iter().skip(ring.entries.len().saturating_sub(n)).cloned().collect()
    }

    /// Follows the sequence numbers.
    pub fn subscribe(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }

    /// Says that nothing will be published any more, so that followers end.
    pub fn close(&self) {
        self.latest.send_modify(|latest| latest.closed = true);
    }
}

/// Counts an utterance that is over.
fn count(report: &Report, queue: &mut QueueStatus) {
    queue.n_open = queue.n_open.saturating_sub(1);
    let counts = &mut queue.outcomes;
    let of_its_kind = match report.outcome {
        Outcome::Spoken => &mut counts.n_spoken,
        Outcome::Skipped => &mut counts.n_skipped,
        Outcome::Cleared => &mut counts.n_cleared,
        Outcome::Expired => &mut counts.n_expired,
        Outcome::Dropped => &mut counts.n_dropped,
        Outcome::Folded => &mut counts.n_folded,
        Outcome::TimedOut => &mut counts.n_timed_out,
        Outcome::Failed => &mut counts.n_failed,
        Outcome::Abandoned => &mut counts.n_abandoned,
    };
    *of_its_kind += 1;
    match report.outcome {
        Outcome::Spoken => {
            queue.n_spoken += 1;
            queue.first_audio_secs = report.first_audio.map(|time| time.as_secs_f64());
            queue.real_time_factor = report.real_time_factor();
        }
        Outcome::Failed | Outcome::TimedOut => {
            queue.n_not_spoken += 1;
            queue.n_failed += 1;
        }
        Outcome::Skipped
        | Outcome::Cleared
        | Outcome::Expired
        | Outcome::Dropped
        | Outcome::Folded
        | Outcome::Abandoned => queue.n_not_spoken += 1,
    }
}

/// The same for those who watch from outside. Times are those of lines that were spoken to their end: what was cut off
/// is not comparable.
fn measure(report: &Report) {
    telemetry::utterance_over(report.outcome.as_str());
    if let Some(class) = report.failure {
        telemetry::utterance_failed(class.as_str());
    }
    if let (Outcome::Spoken, Some(engine)) = (report.outcome, report.engine) {
        telemetry::utterance_spoken(engine, report.first_audio, report.real_time_factor());
    }
}

/// One line per utterance. Its text is private: only at `trace`.
fn log(report: &Report) {
    if matches!(report.outcome, Outcome::Dropped | Outcome::Folded | Outcome::Expired) {
        // A flood that is passed over must not flood the log; who passes it over says how much it was.
        debug!(
            id = report.id.get(),
            source = report.source.name(),
            reason = report.reason.as_deref(),
            "{}",
            report.outcome.as_str()
        );
        return;
    }
    info!(
        id = report.id.get(),
        source = report.source.name(),
        voice = report.spoken_voice.as_deref().unwrap_or(&report.voice),
        ttfa_ms = report.first_audio.map(|time| time.as_secs_f64() * 1e3),
        rtf = report.real_time_factor(),
        reason = report.reason.as_deref(),
        "{}",
        report.outcome.as_str()
    );
    trace!(id = report.id.get(), text = &*report.text, "text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Order, queue};
    use crate::speech::stream::Destination;
    use crate::speech::{Lane, Manner, Source};

    fn publish(history: &History, source: &str, text: &str) {
        let (intake, _outlet) = queue(1, &history.board);
        let reading = crate::text::Reading::default();
        let manner = Manner {
            voice: "rms".into(),
            rate: 1.0,
            pitch: 1.0,
            volume: 1.0,
            reading,
            keep_loaded: None,
        };
        let order = Order {
            source: Source::new(source),
            text: text.into(),
            manner,
            lane: Lane::Ordinary,
            words: None,
            expires_at: None,
            destination: Destination::Card,
        };
        let publish = history.clone();
        let deliver = Box::new(move |report: Report| publish.publish(&report));
        let utterance = intake.utterance(order, clock::now(), deliver);
        utterance.ticket.resolve(Outcome::Spoken, std::time::SystemTime::UNIX_EPOCH);
    }

    fn filled(max_entries: usize, max_bytes: usize, texts: &[&str]) -> History {
        let history = History::new(max_entries, max_bytes, StatusBoard::default());
        for text in texts {
            publish(&history, "test", text);
        }
        history
    }

    fn filled_from(max_entries: usize, lines: &[(&str, &str)]) -> History {
        let history = filled(max_entries, 1 << 20, &[]);
        for (source, text) in lines {
            publish(&history, source, text);
        }
        history
    }

    fn texts(history: &History) -> Vec<String> {
        let mut seq = history.start();
        std::iter::from_fn(|| match history.after(seq) {
            Next::Entry(entry) => {
                seq = entry.seq;
                Some(entry.text.clone())
            }
            Next::None | Next::Lost => None,
        })
        .collect()
    }

    #[test]
    fn the_ring_keeps_the_newest_within_its_bounds() {
        assert_eq!(texts(&filled(2, 1 << 20, &["a", "b", "c"])), ["b", "c"]);
        assert_eq!(texts(&filled(9, 1, &["a", "b", "c"])), ["c"], "bounded in bytes, too");
        assert_eq!(texts(&filled(2, 1 << 20, &[])), Vec::<String>::new());
    }

    #[test]
    fn what_others_had_spoken_takes_half_of_the_ring_and_is_not_replayed() {
        let history = filled_from(4, &[("/a", "1"), ("http:x", "2"), ("/a", "3")]);
        for (source, text) in [("http", "4"), ("http:y", "5"), ("http:z", "6")] {
            publish(&history, source, text);
        }
        assert_eq!(texts(&history), ["1", "3", "5", "6"]);
        let heard: Vec<_> = history.last_heard(9).iter().map(|entry| entry.text.clone()).collect();
        assert_eq!(heard, ["1", "3"]);
        assert!(matches!(history.after(1), Next::Entry(entry) if entry.text == "3"));
    }

    #[test]
    fn a_follower_that_the_ring_went_past_is_told() {
        let history = filled(2, 1 << 20, &["a", "b", "c"]);
        assert_eq!(history.after(0), Next::Lost);
        assert_eq!(history.after(3), Next::None);
    }

    #[test]
    fn a_published_utterance_is_no_longer_open() {
        let history = filled(2, 1 << 20, &["a", "b", "c"]);
        let status = history.board.snapshot();
        assert_eq!((status.queue.n_open, status.queue.n_spoken), (0, 3));
        assert_eq!(status.queue.outcomes.n_spoken, 3);
    }
}
