//! The open output: its card, its tap's feed, and whether it still lives.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::card::Card;
use super::tap::TapFeed;

/// A card that pulls nothing for so long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(1);

/// The open output.
pub struct Line {
    /// What the card is fed with. Dropped first: a card of our own sees that and ends.
    pub feed: TapFeed,
    /// What pulls it.
    pub card: Box<dyn Card>,
    n_pulled: u64,
    pulled_at: Instant,
}

impl Line {
    /// An output that was opened just now.
    pub fn new(card: Box<dyn Card>, feed: TapFeed, now: Instant) -> Self {
        Self { feed, card, n_pulled: 0, pulled_at: now }
    }

    /// Why the card is to be given up, if it is.
    pub fn failure(&mut self, now: Instant, is_idle: bool) -> Option<String> {
        if let Some(failure) = self.card.failure() {
            return Some(failure);
        }
        let n_pulled = self.feed.n_pulled.load(Ordering::Relaxed);
        if n_pulled != self.n_pulled || is_idle || !self.card.pulls_always() {
            (self.n_pulled, self.pulled_at) = (n_pulled, now);
        }
        (now.duration_since(self.pulled_at) > DEAD_AFTER)
            .then(|| "the sound device takes no more audio".to_owned())
    }
}

/// When the output is tried again.
#[derive(Debug)]
pub struct Retry {
    at: Option<Instant>,
    pause: Duration,
}

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

impl Default for Retry {
    fn default() -> Self {
        Self { at: None, pause: PAUSES.0 }
    }
}

impl Retry {
    /// Puts the next attempt off, for longer each time. Returns whether it is the first time.
    pub fn put_off(&mut self, now: Instant) -> bool {
        let is_first = self.pause == PAUSES.0;
        self.at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
        is_first
    }

    /// Whether it may be tried now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// When it is to be tried; `None` where nothing was put off.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Nobody needs it any more: the next one who does need not wait.
    pub fn forget(&mut self) {
        self.at = None;
    }
}
