//! One utterance in playback: its audio as it comes, how much of it went to the tap, and how it ends.
//!
//! Knows nothing of cards, channels or the other utterances.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use super::tap::{BLOCK_SAMPLES, Block};
use crate::clock;
use crate::dsp::resample::Resampler;
use crate::pcm::{PcmChunk, PcmSpec};
use crate::pipe::Opening;
use crate::speech::{Outcome, Ticket};

/// Whether audio is kept until it was heard, to be spoken again after a card was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until the utterance is over.
    UntilHeard,
    /// Not at all: the output cannot be lost.
    Nothing,
}

/// How much of an utterance the tap has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fed {
    Nothing,
    Begun,
    Everything,
}

/// What the tap made of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// Its last sample was pulled.
    Whole,
    /// It was silenced.
    Cut,
}

/// One utterance.
pub struct Track {
    /// What is known of it.
    pub opening: Opening,
    /// Audio that has not gone to the tap, and how many of the chunks before it are kept for a second time.
    chunks: VecDeque<PcmChunk>,
    n_fed_chunks: usize,
    /// Chunks that the pipe no longer counts: what is played a second time is not counted again.
    n_freed_chunks: usize,
    /// Converted audio that does not fill a block yet.
    converted: Vec<f32>,
    resampler: Option<Resampler>,
    is_flushed: bool,
    /// How much of it the tap has.
    fed: Fed,
    /// What the tap made of it; `None` while it is not done with it.
    pub played: Option<Played>,
    /// It was stopped: no more of its audio goes to the tap.
    is_stopped: bool,
    started: Option<(Instant, SystemTime)>,
    /// All its audio is here.
    pub end: Option<(Ticket, Outcome)>,
}

impl Track {
    /// An utterance whose audio is still to come.
    pub fn new(opening: Opening) -> Self {
        Self {
            opening,
            chunks: VecDeque::new(),
            n_fed_chunks: 0,
            n_freed_chunks: 0,
            converted: Vec::new(),
            resampler: None,
            is_flushed: false,
            fed: Fed::Nothing,
            played: None,
            is_stopped: false,
            started: None,
            end: None,
        }
    }

    /// Its id as a number.
    pub fn id(&self) -> u64 {
        self.opening.id.get()
    }

    /// Adds audio. Returns how much of it is not wanted any more.
    pub fn push(&mut self, chunk: PcmChunk) -> Duration {
        if self.is_stopped {
            return chunk.duration();
        }
        self.chunks.push_back(chunk);
        Duration::ZERO
    }

    /// The next block for the tap, if one is complete; how much of the pipe's audio it freed.
    pub fn next_block(&mut self, spec: PcmSpec, keep: Keep) -> (Option<Block>, Duration) {
        let mut freed = Duration::ZERO;
        if self.is_fed() {
            return (None, freed);
        }
        while self.converted.len() < BLOCK_SAMPLES && self.n_fed_chunks < self.chunks.len() {
            let chunk = match keep {
                Keep::UntilHeard => {
                    self.n_fed_chunks += 1;
                    &self.chunks[self.n_fed_chunks - 1]
                }
                Keep::Nothing => match self.chunks.pop_front() {
                    Some(chunk) => &{ chunk },
                    None => break,
                },
            };
            // With nothing kept, the fed chunks are gone and both counts stay at zero.
            if keep == Keep::Nothing || self.n_fed_chunks > self.n_freed_chunks {
                freed += chunk.duration();
                self.n_freed_chunks = self.n_fed_chunks;
            }
            let resampler = self.resampler.get_or_insert_with(|| Resampler::new(chunk.spec, spec));
            resampler.push(&chunk.samples, &mut self.converted);
        }
        let is_complete = self.end.is_some() && self.n_fed_chunks == self.chunks.len();
        if is_complete && !self.is_flushed {
            self.is_flushed = true;
            if let Some(resampler) = &mut self.resampler {
                resampler.finish(&mut self.converted);
            }
        }
        if self.converted.len() < BLOCK_SAMPLES && !is_complete {
            return (None, freed);
        }
        let n_samples = self.converted.len().min(BLOCK_SAMPLES);
        let is_last = is_complete && n_samples == self.converted.len();
        for sample in &mut self.converted[..n_samples] {
            *sample = (*sample * self.opening.volume).clamp(-1.0, 1.0);
        }
        let block = Block::new(self.id(), &self.converted[..n_samples], is_last);
        self.converted.drain(..n_samples);
        self.fed = if is_last { Fed::Everything } else { Fed::Begun };
        (Some(block), freed)
    }

    /// Stops it: what did not go to the tap never will. Returns how much audio that was.
    pub fn stop(&mut self) -> Duration {
        self.is_stopped = true;
        self.converted.clear();
        self.resampler = None;
        let rest = self.chunks.iter().skip(self.n_freed_chunks).map(PcmChunk::duration).sum();
        self.chunks.clear();
        (self.n_fed_chunks, self.n_freed_chunks) = (0, 0);
        rest
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Forgets what it still has when its turn is over. Returns how much audio that was.
    pub fn stop_at_end(&mut self) -> Duration {
        let was_stopped = self.is_stopped;
        let rest = self.stop();
        self.is_stopped = was_stopped;
        rest
    }

    /// Begins anew on another card.
    pub fn rewind(&mut self) {
        self.n_fed_chunks = 0;
        self.converted.clear();
        self.resampler = None;
        (self.is_flushed, self.fed) = (false, Fed::Nothing);
    }

    /// Whether nothing of it went to the tap yet.
    pub fn is_untouched(&self) -> bool {
        self.fed == Fed::Nothing
    }

    /// Whether the last block went to the tap.
    pub fn is_fed(&self) -> bool {
        self.fed == Fed::Everything
    }

    /// Whether there is something to send to the tap, as far as is known without converting it.
    pub fn has_audio(&self) -> bool {
        let has_end_to_send = self.end.is_some() && !self.is_untouched();
        let has_samples = self.n_fed_chunks < self.chunks.len() || !self.converted.is_empty();
        !self.is_fed() && (has_samples || has_end_to_send)
    }

    /// Whether its turn is over.
    pub fn is_over(&self) -> bool {
        let has_nothing_to_play = self.is_untouched() && self.chunks.is_empty();
        self.end.is_some() && (self.played.is_some() || has_nothing_to_play)
    }

    /// Notes when its first sample was pulled; a second start after a lost card does not count.
    pub fn note_start(&mut self, at: Instant, now: Instant, wall_now: SystemTime) {
        self.started.get_or_insert((at, clock::wall_clock_at(at, now, wall_now)));
    }

    /// Whether it sounds, or has sounded.
    pub fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// Fills in the report and resolves the ticket. `stopped` is what a skip or a clear made of it.
    pub fn resolve(self, stopped: Option<Outcome>, wall_now: SystemTime) {
        let Some((mut ticket, outcome)) = self.end else { return };
        if let Some((at, wall)) = self.started {
            let report = ticket.report_mut();
            report.started_at = Some(wall);
            report.first_audio = Some(at.duration_since(self.opening.enqueued_at));
        }
        match stopped.filter(|_| self.played == Some(Played::Cut) || self.is_stopped) {
            Some(stopped) => ticket.resolve(stopped, wall_now),
            None => ticket.resolve(outcome, wall_now),
        }
    }
}
