//! The life of the output: opened with the first audio, closed after a silence, opened anew after a loss.

use std::time::Instant;

use tracing::{info, warn};

use super::Playback;
use super::line::{Line, Retry};
use super::tap::tap;
use super::track::{Played, Track};
use crate::clock;
use crate::status::CardState;

impl Playback {
    /// Opens, closes and reopens the output.
    pub(super) fn keep_line(&mut self, now: Instant) {
        if let Some(reason) =
            self.line.as_mut().and_then(|line| line.failure(now, self.tracks.is_empty()))
        {
            self.lose(&reason, now);
        }
        let has_audio = self.tracks.iter().any(Track::has_audio);
        match &self.line {
            None if has_audio && self.retry.is_due(now) => self.open(now),
            None => {
                if self.tracks.is_empty() {
                    self.retry.forget(); // nothing to open it for
                }
            }
            Some(_) if self.tracks.is_empty() && self.gap.silent_since().is_none() => {
                self.gap.note_silence(now); // opened for something that was never heard
            }
            Some(line) => {
                let quiet = self.gap.silent_since().map(|since| now.duration_since(since));
                let is_released = self.release.is_some_and(|release| quiet >= Some(release));
                if is_released && self.tracks.is_empty() && line.card.pulls_always() {
                    info!("output closed until there is something to say");
                    self.line = None;
                    self.tell_card(CardState::Closed, None);
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        let mut feed = None;
        let opened = self.output.open(&mut |spec| {
            let (to_tap, tap) = tap(spec, &self.steering);
            feed = Some(to_tap);
            tap
        });
        match (opened, feed) {
            (Ok(card), Some(feed)) => {
                // Opening may have taken a while.
                self.line = Some(Line::new(card, feed, clock::now()));
                self.retry = Retry::default();
                self.gap.begin_with_preroll();
                self.tell_card(CardState::Open, None);
            }
            (Ok(_), None) => self.try_later("the output made no use of its tap", now),
            (Err(error), _) => self.try_later(&error.to_string(), now),
        }
    }

    /// Gives an output up that does not work any more; what it did not finish is spoken again from its start.
    pub(super) fn lose(&mut self, reason: &str, now: Instant) {
        self.line = None;
        self.staged = None;
        self.steering.set_level(0.0);
        self.steering.set_fed(0);
        for track in self.tracks.iter_mut() {
            // The tap has it and will not tell any more: what was stopped there is over.
            if self.steering.verdict(track.opening.id, &track.opening.source).is_some() {
                track.played = Some(Played::Cut);
            }
            track.rewind();
        }
        self.try_later(reason, now);
    }

    fn try_later(&mut self, reason: &str, now: Instant) {
        if self.retry.put_off(now) {
            warn!("{reason}; lines are kept until it can be heard");
        }
        self.tell_card(CardState::Lost, Some(reason.to_owned()));
    }

    fn tell_card(&self, card: CardState, problem: Option<String>) {
        self.board
            .modify(|status| (status.playback.card, status.playback.problem) = (card, problem));
    }
}
