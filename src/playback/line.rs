//! The open output: its card, its tap's feed, and whether it still lives.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::card::Card;
use super::tap::TapFeed;
use super::track::Track;

/// A card that pulls nothing for so long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(1);

/// The open output.
pub struct Line {
    /// Dropped before the feed: the device closes while its tap is still there.
    pub card: Box<dyn Card>,
    /// What it is fed with.
    pub feed: TapFeed,
    n_pulled: u64,
    pulled_at: Instant,
}

impl Line {
    /// An output that was opened just now.
    pub fn new(card: Box<dyn Card>, feed: TapFeed, now: Instant) -> Self {
        Self { card, feed, n_pulled: 0, pulled_at: now }
    }

    /// Why the card is to be given up, if it is.
    pub fn failure(&mut self, now: Instant, tracks: &VecDeque<Track>) -> Option<String> {
        if let Some(failure) = self.card.failure() {
            return Some(failure);
        }
        let n_pulled = self.feed.n_pulled.load(Ordering::Relaxed);
        if n_pulled != self.n_pulled || tracks.is_empty() || !self.card.pulls_always() {
            (self.n_pulled, self.pulled_at) = (n_pulled, now);
        }
        (now.duration_since(self.pulled_at) > DEAD_AFTER)
            .then(|| "the sound device takes no more audio".to_owned())
    }
}
