//! A text that a tail holds open, and what it knows of it.

use std::time::{Duration, Instant};

use super::super::ages::Ages;
use super::super::text::{RawLine, Text};
use super::{Generation, Line};

/// One of the texts that a path has, or had until a moment ago.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) text: Text,
    pub(super) generation: Generation,
    /// When it is let go, if it is read to its end by then; `None` for the one at the path.
    pub(super) retired_until: Option<Instant>,
    /// The size at which reading last met its end.
    pub(super) ended_at: Option<u64>,
    /// Lines that were counted and not taken.
    pub(super) n_scouted: u64,
    pub(super) ages: Ages,
}

impl Held {
    pub(super) fn new(
        text: Text,
        generation: Generation,
        retired_until: Option<Instant>,
        now: Instant,
    ) -> Self {
        let mut ages = Ages::default();
        // What is there already was there when the file was last written.
        if let Ok(metadata) = text.file().metadata() {
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            ages.note(metadata.len(), now.checked_sub(age).unwrap_or(now));
        }
        Self { text, generation, retired_until, ended_at: None, n_scouted: 0, ages }
    }

    pub(super) fn line(&mut self, raw: RawLine) -> Line {
        let appeared_at = self.ages.of(raw.mark.offset);
        Line { raw, generation: self.generation, appeared_at }
    }

    /// Notes how far it reaches now.
    pub(super) fn note_size(&mut self, now: Instant) {
        if let Ok(size) = self.text.size() {
            self.ages.note(size, now);
        }
    }

    /// Whether everything in it was read, but for a last line without an end.
    pub(super) fn is_drained(&self) -> bool {
        let met_its_end = self.ended_at.is_some() && self.text.size().ok() == self.ended_at;
        // What cannot be asked any more has nothing left.
        met_its_end
            || self.text.n_unread().is_ok_and(|n_unread| n_unread == 0)
            || self.text.size().is_err()
    }

    /// Whether no name leads to it any more.
    pub(super) fn is_deleted(&self) -> bool {
        self.text.has_a_name().is_ok_and(|has_one| !has_one)
    }

    /// Whether a last line without an end has waited long enough: as long as the settings say, or until a text that
    /// was moved away is let go. One that was replaced or deleted keeps its unfinished line for itself: most likely it
    /// is finished in the text that replaced it.
    pub(super) fn is_unfinished_due(&self, hold: Option<Duration>, now: Instant) -> bool {
        let Some(since) = self.text.unfinished_since() else { return false };
        let has_stood = hold.is_some_and(|hold| now.duration_since(since) >= hold);
        has_stood || (self.is_let_go(now) && !self.is_deleted())
    }

    /// Whether late writers are waited for no longer.
    pub(super) fn is_let_go(&self, now: Instant) -> bool {
        self.retired_until.is_some_and(|until| until <= now)
    }
}
