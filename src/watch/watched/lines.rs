//! From the lines of a file to what is said: what is passed over, what is held back, and how it is worded.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::super::fold::Fold;
use super::super::run::LineNumber;
use super::super::tail::{Line, Next};
use super::super::text::{is_blank, text_of};
use super::super::words;
use super::{Defaults, Watched};
use crate::queue::Order;
use crate::speech::stream::Destination;
use crate::speech::{Manner, Outcome};

/// A line on its way into the queue.
#[derive(Debug)]
pub struct Spoken {
    /// What to say.
    pub order: Order,
    /// Which line it is, for its outcome.
    pub number: LineNumber,
    /// What it takes in the file.
    pub n_bytes: u64,
}

impl Spoken {
    /// What is said.
    pub fn words(&self) -> &str {
        words_of(&self.order)
    }
}

/// What [`Watched::next_line`] found.
#[derive(Debug)]
pub enum Taken {
    /// A line.
    Line(Spoken),
    /// A line that is not to be said: what becomes of it instead, and why.
    PassedOver(Order, Outcome, String),
    /// Nothing now.
    Nothing,
    /// Much was passed over, and there is more: others first.
    More,
    /// As many of its lines are on their way as may be.
    Full,
}

/// How many blank lines are passed over before others have their turn.
const BLANK_LINES_PER_TURN: usize = 1_000;

/// What is to be said of a line where that is not the line itself, and since when it waits.
type Due = (Option<Arc<str>>, Instant);

const EXPIRED: &str = "it waited longer than max_age_secs allows";

impl Watched {
    /// Takes the next line that has something in it.
    pub fn next_line(&mut self, block: &mut Vec<u8>, now: Instant) -> Taken {
        if let Some(spoken) = self.first.pop_front() {
            return self.give_out(spoken);
        }
        let Some(tail) = &mut self.tail else { return Taken::Nothing };
        match self.overflow.assess(tail, self.n_under_way, block) {
            Ok(false) => {}
            Ok(true) => return Taken::More,
            Err(error) => self.note_unreadable(&error),
        }
        let max_under_way = self.overflow.max_under_way().or(self.fold.as_ref().map(|_| 2));
        if max_under_way.is_some_and(|max| self.n_under_way >= max) {
            return Taken::Full;
        }
        for _ in 0..BLANK_LINES_PER_TURN {
            let Some(tail) = &mut self.tail else { return Taken::Nothing };
            let taken = tail.next_line(block, now);
            self.note_jumps();
            let line = match taken {
                Ok(Next::Line(line)) => line,
                Ok(Next::Nothing) => {
                    self.unreadable = None;
                    let held_back = self.fold.as_mut().and_then(Fold::release);
                    return held_back.map_or(Taken::Nothing, |spoken| self.give_out(spoken));
                }
                Ok(Next::More) => return Taken::More,
                Err(error) => {
                    self.note_unreadable(&error);
                    return Taken::Nothing;
                }
            };
            self.n_cut_lines += u64::from(line.raw.was_cut);
            if is_blank(&line.raw.bytes) {
                // Nobody waits to hear a blank line.
                self.run.push_settled(line.generation, line.raw.mark);
                continue;
            }
            let text = text_of(&line.raw.bytes);
            let (words, appeared_at) = match self.verdict(&line, &text, now) {
                Ok(due) => due,
                Err((outcome, reason)) => {
                    let order = self.order(text, None, None);
                    return self.pass_over(&line, order, outcome, reason);
                }
            };
            let order = self.order(text, words, Some(appeared_at));
            if self.fold.as_mut().is_some_and(|fold| fold.takes(words_of(&order))) {
                let reason = "it is told together with an equal neighbour".to_owned();
                return self.pass_over(&line, order, Outcome::Folded, reason);
            }
            let number = self.run.push(line.generation, line.raw.mark);
            let spoken = Spoken { order, number, n_bytes: line.raw.bytes.len() as u64 + 1 };
            let Some(fold) = &mut self.fold else { return self.give_out(spoken) };
            if let Some(before) = fold.hold(spoken) {
                return self.give_out(before);
            }
        }
        Taken::More
    }

    pub(super) fn give_out(&mut self, spoken: Spoken) -> Taken {
        self.n_under_way += 1;
        Taken::Line(spoken)
    }

    /// However many are passed over in a row: they take the room of one.
    fn pass_over(&mut self, line: &Line, order: Order, outcome: Outcome, reason: String) -> Taken {
        self.run.push_settled(line.generation, line.raw.mark);
        Taken::PassedOver(order, outcome, reason)
    }

    /// It is tried again at the next look.
    fn note_unreadable(&mut self, error: &io::Error) {
        self.stamp = None;
        let error = error.to_string();
        if self.unreadable.as_ref() != Some(&error) {
            warn!(path = %self.path.display(), "cannot be read: {error}");
            self.unreadable = Some(error);
        }
    }

    /// What is to be said of a line, and since when it waits; or what becomes of it instead, and why.
    fn verdict(&mut self, line: &Line, text: &str, now: Instant) -> Result<Due, (Outcome, String)> {
        if let Some(tail) = &mut self.tail {
            tail.unscout(line);
        }
        let appeared_at = line.appeared_at.unwrap_or(now);
        if self.overflow.passes_over(line) {
            return Err((Outcome::Dropped, self.overflow.reason()));
        }
        if self.max_age().is_some_and(|max| now.saturating_duration_since(appeared_at) > max) {
            return Err((Outcome::Expired, EXPIRED.to_owned()));
        }
        let words = words::of_line(&self.config.format, &self.config.chat_template, text)
            .map_err(|reason| (Outcome::Dropped, reason))?;
        if self.rate.as_mut().is_some_and(|rate| !rate.admits(appeared_at)) {
            let max = self.config.max_lines_per_minute.unwrap_or_default();
            return Err((Outcome::Dropped, format!("more than {max} lines came within a minute")));
        }
        Ok((words, appeared_at))
    }

    fn max_age(&self) -> Option<Duration> {
        self.config.max_age.unwrap_or(self.defaults.max_age)
    }

    pub(super) fn order(
        &self,
        text: Arc<str>,
        words: Option<Arc<str>>,
        appeared_at: Option<Instant>,
    ) -> Order {
        let Defaults { voice, rate, pitch, .. } = &self.defaults;
        let voice = self.config.voice.as_ref().unwrap_or(voice);
        let manner = Manner {
            voice: Arc::clone(voice),
            rate: rate * self.config.rate,
            pitch: pitch * self.config.pitch,
            volume: self.config.volume,
            reading: self.config.reading,
            keep_loaded: self.config.keep_loaded,
        };
        let expires_at = appeared_at.zip(self.max_age()).map(|(since, max)| since + max);
        let (source, lane) = (self.source.clone(), self.config.priority);
        let destination = Destination::Card;
        Order { source, text, words, manner, lane, expires_at, destination }
    }
}

fn words_of(order: &Order) -> &str {
    order.words.as_ref().unwrap_or(&order.text)
}
