//! The silence before the first word, cut short while it streams.
//!
//! Knows nothing of voices or chunks.

/// Below this a sample is silence: −50 dB of full scale. The silence of `rms` reaches 10, that of
/// `slt` 80; the first sound of a word gets above it within a few milliseconds.
const FLOOR: i16 = 104;

/// Takes the samples of one utterance in order and gives them back without most of the leading
/// silence. Costs no delay: it waits for nothing but the first sound.
#[derive(Debug)]
pub(super) struct LeadIn {
    /// The last silent samples, kept to let the first sound swell as it was spoken.
    kept: Vec<i16>,
    n_keep: usize,
    /// How much may still be dropped. An end to it, so that a voice that whispers below the floor
    /// is not swallowed.
    n_may_drop: usize,
    is_over: bool,
}

impl LeadIn {
    /// Keeps so many samples of the silence, and drops at most so many.
    pub(super) fn new(n_keep: usize, n_may_drop: usize) -> Self {
        Self { kept: Vec::with_capacity(n_keep), n_keep, n_may_drop, is_over: false }
    }

    /// Passes samples on, or nothing while it is still silent.
    pub(super) fn pass(&mut self, samples: &[i16]) -> Vec<i16> {
        if self.is_over {
            return samples.to_vec();
        }
        let mut all = std::mem::take(&mut self.kept);
        all.extend_from_slice(samples);
        let first_loud = all.iter().position(|sample| sample.unsigned_abs() > FLOOR.unsigned_abs());
        let n_silent = first_loud.unwrap_or(all.len());
        let n_drop = n_silent.saturating_sub(self.n_keep).min(self.n_may_drop);
        self.n_may_drop -= n_drop;
        all.drain(..n_drop);
        self.is_over = first_loud.is_some() || self.n_may_drop == 0;
        if self.is_over {
            return all;
        }
        self.kept = all;
        Vec::new()
    }

    /// What is left where the whole utterance was silent.
    pub(super) fn finish(self) -> Vec<i16> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trimmed(samples: &[i16], chunk: usize, n_keep: usize, n_may_drop: usize) -> Vec<i16> {
        let mut lead_in = LeadIn::new(n_keep, n_may_drop);
        let mut out = Vec::new();
        for piece in samples.chunks(chunk) {
            out.extend(lead_in.pass(piece));
        }
        out.extend(lead_in.finish());
        out
    }

    #[test]
    fn silence_goes_up_to_the_limits_and_sound_stays() {
        let silent_then_loud = |n_silent: usize| {
            let mut samples = vec![5_i16; n_silent];
            samples.extend([9_000, 5, 5, 5, -9_000, 5, 5]);
            samples
        };
        for (n_silent, want_silent) in [(0, 0), (3, 3), (10, 10), (11, 10), (60, 10), (75, 25)] {
            let out = trimmed(&silent_then_loud(n_silent), 4, 10, 50);
            assert_eq!(out, silent_then_loud(want_silent), "{n_silent} silent samples");
        }
    }

    #[test]
    fn an_utterance_of_silence_leaves_what_is_kept() {
        assert_eq!(trimmed(&[0; 40], 7, 10, 50).len(), 10);
        assert_eq!(trimmed(&[], 7, 10, 50).len(), 0);
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            samples in prop::collection::vec(-300_i16..300, 0..200), chunk in 1_usize..50
        ) {
            prop_assert_eq!(trimmed(&samples, chunk, 8, 40), trimmed(&samples, 1_000, 8, 40));
        }
    }
}
