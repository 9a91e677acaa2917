//! The silence between two utterances.

use std::time::{Duration, Instant};

use super::tap::{BLOCK_SAMPLES, Block};
use crate::pcm::PcmSpec;

/// How much silence goes before the next utterance.
#[derive(Debug)]
pub struct Gap {
    length: Duration,
    /// Silence before the first sound of an output that was opened just now.
    preroll: Duration,
    is_fresh: bool,
    /// When the last sound ended; `None` before the first.
    silent_since: Option<Instant>,
    /// Samples still to be sent; `None` while no utterance is about to begin.
    left: Option<usize>,
}

impl Gap {
    /// Gaps of that length.
    pub fn new(length: Duration, preroll: Duration) -> Self {
        Self { length, preroll, is_fresh: false, silent_since: None, left: None }
    }

    /// Gaps of another length, from the next one on.
    pub fn set_lengths(&mut self, length: Duration, preroll: Duration) {
        (self.length, self.preroll) = (length, preroll);
    }

    /// The output was opened just now.
    pub fn begin_with_preroll(&mut self) {
        self.end();
        self.is_fresh = true;
    }

    /// Notes the end of a sound.
    pub fn note_silence(&mut self, at: Instant) {
        self.silent_since = Some(at);
    }

    /// When the last sound ended.
    pub fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// The next block of silence before an utterance that is about to begin, if it has to wait still. One that follows
    /// another at once waits the whole gap; after a silence, what is left of it.
    pub fn next_block(
        &mut self,
        follows_at_once: bool,
        spec: PcmSpec,
        now: Instant,
    ) -> Option<Block> {
        let left = self.left.get_or_insert_with(|| {
            let wait = match self.silent_since {
                _ if follows_at_once => self.length,
                Some(since) => self.length.saturating_sub(now.duration_since(since)),
                None => Duration::ZERO,
            };
            let wait =
                if std::mem::take(&mut self.is_fresh) { wait.max(self.preroll) } else { wait };
            spec.samples_in(wait)
        });
        let n_samples = (*left).min(BLOCK_SAMPLES);
        *left -= n_samples;
        (n_samples > 0).then(|| Block::new(0, &[0.0; BLOCK_SAMPLES][..n_samples], false))
    }

    /// The utterance has begun; the next one has a gap of its own.
    pub fn end(&mut self) {
        self.left = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: PcmSpec = PcmSpec::new(48_000);

    fn n_samples(gap: &mut Gap, follows_at_once: bool, now: Instant) -> usize {
        let blocks = std::iter::from_fn(|| gap.next_block(follows_at_once, SPEC, now));
        let sum = blocks.map(|block| block.len).sum();
        gap.end();
        sum
    }

    #[test]
    fn the_gap_is_what_is_left_of_it() {
        let now = crate::clock::now();
        let mut gap = Gap::new(Duration::from_millis(100), Duration::ZERO);
        assert_eq!(n_samples(&mut gap, false, now), 0, "nothing sounded before");
        assert_eq!(n_samples(&mut gap, true, now), 4_800);
        gap.note_silence(now);
        assert_eq!(n_samples(&mut gap, false, now + Duration::from_millis(75)), 1_200);
        assert_eq!(n_samples(&mut gap, false, now + Duration::from_secs(1)), 0);
    }

    #[test]
    fn a_fresh_output_gets_its_preroll_once() {
        let (now, spec) = (crate::clock::now(), PcmSpec::new(16_000));
        let mut gap = Gap::new(Duration::from_millis(100), Duration::from_millis(300));
        let n_silent = |gap: &mut Gap, follows: bool| {
            let mut n = 0;
            while let Some(block) = gap.next_block(follows, spec, now) {
                n += block.len;
            }
            gap.end();
            n
        };
        gap.begin_with_preroll();
        assert_eq!(n_silent(&mut gap, false), spec.samples_in(Duration::from_millis(300)));
        assert_eq!(n_silent(&mut gap, true), spec.samples_in(Duration::from_millis(100)));
    }
}
