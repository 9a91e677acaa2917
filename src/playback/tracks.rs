//! The utterances in playback, in speaking order, and who overtakes whom.
//!
//! Knows nothing of cards or channels.

use std::collections::VecDeque;
use std::time::Duration;

use super::track::Track;
use crate::pcm::PcmChunk;
use crate::pipe::Opening;
use crate::speech::{Lane, Outcome, Ticket, UtteranceId};

/// In speaking order. The first ones are with the tap, at most one of them partly. Bounded by the pipe's look-ahead.
#[derive(Default)]
pub struct Tracks(VecDeque<Track>);

impl Tracks {
    /// Adds an utterance: an important one before everything ordinary that the tap has not seen.
    pub fn begin(&mut self, opening: Opening) {
        let place = match opening.lane {
            Lane::Ordinary => None,
            Lane::Important => self
                .0
                .iter()
                .position(|other| other.is_untouched() && other.opening.lane == Lane::Ordinary),
        };
        self.0.insert(place.unwrap_or(self.0.len()), Track::new(opening));
    }

    /// Adds audio. Returns how much of it is not wanted any more.
    pub fn add(&mut self, id: UtteranceId, chunk: PcmChunk) -> Duration {
        match self.get_mut(id.get()) {
            Some(track) => track.push(chunk),
            None => chunk.duration(),
        }
    }

    /// Notes that an utterance is complete. One that was dropped meanwhile reports itself as abandoned.
    pub fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(track) = self.get_mut(ticket.report().id.get()) {
            track.end = Some((ticket, outcome));
        }
    }

    /// Forgets an utterance that will begin anew. Returns how much of its audio is not wanted any more.
    pub fn retract(&mut self, id: UtteranceId) -> Duration {
        let idx = self.0.iter().position(|track| track.opening.id == id);
        let track = idx.and_then(|idx| self.0.remove(idx));
        track.map_or(Duration::ZERO, |mut track| track.stop())
    }

    /// Drops what has not begun to sound. Returns how many were dropped.
    pub fn keep_started(&mut self) -> usize {
        let n_before = self.0.len();
        self.0.retain(Track::has_started);
        n_before - self.0.len()
    }

    /// Drops everything. Returns how many were dropped.
    pub fn clear(&mut self) -> usize {
        self.0.drain(..).count()
    }

    /// Takes those that are complete and were stopped, wherever they are.
    pub fn take_ended(&mut self) -> Vec<Track> {
        let (ended, others): (Vec<_>, Vec<_>) =
            self.0.drain(..).partition(|track| track.end.is_some() && track.is_stopped());
        self.0 = others.into();
        ended
    }

    /// Takes those at the front whose turn is over, in order.
    pub fn take_over(&mut self) -> Vec<Track> {
        let n_over = self.0.iter().take_while(|track| track.is_over()).count();
        self.0.drain(..n_over).collect()
    }

    /// The one that goes to the tap next, and how many are before it.
    pub fn to_feed(&mut self) -> Option<(usize, &mut Track)> {
        self.0.iter_mut().enumerate().find(|(_, track)| !track.is_fed() && !track.is_over())
    }

    /// The one at the front: it sounds or sounds next.
    pub fn front(&self) -> Option<UtteranceId> {
        self.0.front().map(|track| track.opening.id)
    }

    /// Whether the one at the front sounds.
    pub fn is_sounding(&self) -> bool {
        self.0.front().is_some_and(Track::has_started)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Track> {
        self.0.iter_mut().find(|track| track.id() == id)
    }

    /// Whether it is among them.
    pub fn has(&self, id: u64) -> bool {
        self.0.iter().any(|track| track.id() == id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Track> {
        self.0.iter()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        self.0.iter_mut()
    }
}
