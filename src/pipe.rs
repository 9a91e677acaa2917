//! The pipe from inference to playback: ordered messages, and how far inference may run ahead, counted in time.
//!
//! Knows neither engines nor cards. Engines' chunks differ in length, so the bound is not a number of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::pcm::PcmChunk;
use crate::speech::{Lane, Outcome, Source, Ticket, UtteranceId};

/// What playback must know of an utterance before its audio comes.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Which.
    pub id: UtteranceId,
    /// Whose.
    pub source: Source,
    /// In which voice, for the status.
    pub voice: Arc<str>,
    /// What, for the status.
    pub text: Arc<str>,
    /// An important one overtakes what has not begun to sound.
    pub lane: Lane,
    /// Loudness, as a factor.
    pub volume: f32,
    /// When it was made, for the latency.
    pub enqueued_at: Instant,
}

/// The ordered messages.
#[derive(Debug)]
pub enum AudioMessage {
    /// An utterance begins. Everything up to its end is about it.
    Begin(Opening),
    /// Another voice speaks it than its opening says.
    Voice(UtteranceId, Arc<str>),
    /// A piece of its audio, and in which lane it is.
    Chunk(UtteranceId, Lane, PcmChunk),
    /// It is complete; playback resolves the ticket when its turn is over.
    End {
        /// The way back.
        ticket: Ticket,
        /// What becomes of it if nothing happens to it on the way.
        outcome: Outcome,
    },
    /// It is forgotten and will begin anew later: something important goes first.
    Retract(UtteranceId),
}

/// Inference's end.
#[derive(Debug)]
pub struct AudioSender {
    messages: Sender<AudioMessage>,
    ahead: Arc<Ahead>,
    freed: Receiver<()>,
    limit: Duration,
}

/// Nobody takes audio any more.
#[derive(Debug, thiserror::Error)]
#[error("playback is gone")]
pub struct PlaybackGone;

/// Playback's end.
#[derive(Debug)]
pub struct AudioReceiver {
    /// The messages, in order. Closed when inference has ended.
    pub messages: Receiver<AudioMessage>,
    ahead: Arc<Ahead>,
    free: Sender<()>,
}

/// What is on its way to the card.
#[derive(Debug, Default)]
struct Ahead {
    /// Audio that was made and not yet handed to the card, in nanoseconds: in these, sums of durations are exact. That of each
    /// lane by itself, so that what is important has room however much that is ordinary waits behind it.
    ordinary_nanos: AtomicU64,
    important_nanos: AtomicU64,
    /// Utterances that have begun and are not over.
    n_utterances: AtomicUsize,
}

impl Ahead {
    fn nanos(&self, lane: Lane) -> &AtomicU64 {
        match lane {
            Lane::Ordinary => &self.ordinary_nanos,
            Lane::Important => &self.important_nanos,
        }
    }

    /// How much audio of a lane is under way.
    fn audio(&self, lane: Lane) -> Duration {
        Duration::from_nanos(self.nanos(lane).load(Ordering::Relaxed))
    }
}

/// How many utterances may be ahead, whatever their audio: some have none.
const MAX_UTTERANCES: usize = 256;

/// The messages' bound. Playback takes them at once, the bound on time is what counts: this many chunks of 20 ms are
/// five seconds.
const MAX_MESSAGES: usize = 256;

/// Makes a pipe with `limit` of audio in it.
pub fn pipe(limit: Duration) -> (AudioSender, AudioReceiver) {
    let (to_messages, messages) = bounded(MAX_MESSAGES);
    let (free, freed) = bounded(1); // a second wake-up would say nothing new
    let ahead = Arc::new(Ahead::default());
    (
        AudioSender { messages: to_messages, ahead: Arc::clone(&ahead), freed, limit },
        AudioReceiver { messages, ahead, free },
    )
}

impl AudioSender {
    /// Whether inference may begin another utterance.
    pub fn may_begin(&self, lane: Lane) -> bool {
        let limit = match lane {
            Lane::Ordinary => MAX_UTTERANCES,
            Lane::Important => 2 * MAX_UTTERANCES,
        };
        self.ahead.n_utterances.load(Ordering::Relaxed) < limit
    }

    /// Whether inference may send more audio. Something important has a look-ahead of its own, so that it never waits for the
    /// ordinary audio in front of it, or behind it.
    pub fn has_room(&self, lane: Lane) -> bool {
        match lane {
            Lane::Ordinary => self.ahead() < self.limit,
            Lane::Important => self.ahead.audio(Lane::Important) < self.limit,
        }
    }

    /// Whether so little audio is under way that the card may soon have none.
    pub fn is_short(&self) -> bool {
        self.ahead() < self.limit / 2
    }

    /// How much audio is under way.
    fn ahead(&self) -> Duration {
        self.ahead.audio(Lane::Ordinary) + self.ahead.audio(Lane::Important)
    }

    /// Becomes ready when there may be room again, or the marks have changed.
    pub fn freed(&self) -> &Receiver<()> {
        &self.freed
    }

    /// Sends one message.
    ///
    /// # Errors
    /// Where playback is gone. A ticket in the message then reports its utterance as abandoned.
    pub fn send(&self, message: AudioMessage) -> Result<(), PlaybackGone> {
        match &message {
            AudioMessage::Begin(_) => {
                self.ahead.n_utterances.fetch_add(1, Ordering::Relaxed);
            }
            AudioMessage::Chunk(_, lane, chunk) => {
                self.ahead.nanos(*lane).fetch_add(nanos(chunk.duration()), Ordering::Relaxed);
            }
            AudioMessage::Voice(..) | AudioMessage::End { .. } | AudioMessage::Retract(_) => {}
        }
        self.messages.send(message).map_err(|_| PlaybackGone)
    }
}

impl AudioReceiver {
    /// Notes that so much audio of a lane is no longer under way.
    pub fn release(&self, lane: Lane, audio: Duration) {
        if audio.is_zero() {
            return;
        }
        let audio = nanos(audio);
        let take = |ahead: u64| Some(ahead.saturating_sub(audio));
        let nanos = self.ahead.nanos(lane);
        let before = nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        debug_assert!(
            before.is_ok_and(|ahead| ahead >= audio),
            "more audio is released than was sent"
        );
        self.wake_sender();
    }

    /// Notes that so many utterances are over.
    pub fn finish(&self, n_utterances: usize) {
        if n_utterances > 0 {
            let left = |n: usize| Some(n.saturating_sub(n_utterances));
            let counted = &self.ahead.n_utterances;
            let _before = counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
            self.wake_sender();
        }
    }

    /// Has inference look at the marks again.
    pub fn wake_sender(&self) {
        let _already_woken = self.free.try_send(());
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::PcmSpec;

    /// Chunks of espeak-ng last 185,759.637… µs: counted in microseconds, their sum was more than they were.
    #[test]
    fn a_sum_of_odd_chunks_released_at_once_leaves_nothing() {
        let (sender, receiver) = pipe(Duration::from_secs(60));
        let id = UtteranceId::from_number(1).unwrap();
        let chunk = PcmChunk { spec: PcmSpec::new(22_050), samples: vec![0.0; 4_096] };
        let mut sum = Duration::ZERO;
        for _ in 0..26 {
            sum += chunk.duration();
            sender.send(AudioMessage::Chunk(id, Lane::Ordinary, chunk.clone())).unwrap();
        }
        receiver.release(Lane::Ordinary, sum);
        assert_eq!(sender.ahead(), Duration::ZERO);
    }

    #[test]
    fn the_bound_is_on_time_whatever_the_size_of_the_chunks() {
        for n_samples in [160, 3_200] {
            let (sender, receiver) = pipe(Duration::from_secs(1));
            let id = UtteranceId::from_number(1).unwrap();
            let chunk = PcmChunk { spec: PcmSpec::new(16_000), samples: vec![0.0; n_samples] };
            let mut audio = Duration::ZERO;
            while sender.has_room(Lane::Ordinary) {
                audio += chunk.duration();
                sender.send(AudioMessage::Chunk(id, Lane::Ordinary, chunk.clone())).unwrap();
            }
            assert_eq!(audio, Duration::from_secs(1));
            assert!(sender.has_room(Lane::Important));
            receiver.release(Lane::Ordinary, chunk.duration());
            assert!(sender.has_room(Lane::Ordinary));
            assert!(sender.freed().try_recv().is_ok());
        }
    }

    #[test]
    fn what_is_important_has_room_however_much_that_is_ordinary_is_under_way() {
        let (sender, receiver) = pipe(Duration::from_secs(1));
        let id = UtteranceId::from_number(1).unwrap();
        let chunk = PcmChunk { spec: PcmSpec::new(16_000), samples: vec![0.0; 3_200] };
        for _ in 0..60 {
            sender.send(AudioMessage::Chunk(id, Lane::Ordinary, chunk.clone())).unwrap();
        }
        assert!(!sender.has_room(Lane::Ordinary) && sender.has_room(Lane::Important));
        for _ in 0..5 {
            sender.send(AudioMessage::Chunk(id, Lane::Important, chunk.clone())).unwrap();
        }
        assert!(!sender.has_room(Lane::Important));
        receiver.release(Lane::Important, chunk.duration());
        assert!(sender.has_room(Lane::Important) && !sender.has_room(Lane::Ordinary));
    }
}
