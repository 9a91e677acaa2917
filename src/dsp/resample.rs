//! Band-limited conversion of the sample rate, piece by piece.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, WindowFunction,
};

use crate::pcm::PcmSpec;

/// Taps of the filter. With this window the images of 24 kHz speech at 48 kHz are more than 80 dB down, and the delay
/// is 64 samples: 4 ms at 16 kHz.
const SINC_LEN: usize = 128;

/// Input samples per step: 5 ms at 16 kHz, so that the first sound does not wait.
const STEP: usize = 80;

/// How many of its input samples it keeps back at most: half the filter, and what does not fill a step yet.
pub const LATENCY_SAMPLES: usize = SINC_LEN / 2 + STEP - 1;

/// Converts one utterance from an engine's rate to a card's or a file's. A new utterance takes a new one.
pub struct Resampler {
    /// `None` where the rates are equal.
    inner: Option<Async<f32>>,
    ratio: f64,
    /// Input that does not fill a step yet.
    waiting: Vec<f32>,
    /// Output room for one step.
    step: Vec<f32>,
    /// Output samples still to be dropped: the filter's delay.
    to_drop: usize,
    n_in: usize,
    n_out: usize,
}

impl Resampler {
    /// A converter between two rates.
    ///
    /// # Panics
    /// Where the library refuses a ratio of two audio rates, which it does not.
    pub fn new(from: PcmSpec, to: PcmSpec) -> Self {
        let ratio = f64::from(to.sample_rate_hz.get()) / f64::from(from.sample_rate_hz.get());
        let inner = (from != to).then(|| {
            let filter =
                SincInterpolationParameters::new(SINC_LEN, WindowFunction::BlackmanHarris2);
            Async::<f32>::new_sinc(ratio, 1.0, &filter, STEP, 1, FixedAsync::Input)
                .expect("a fixed ratio of two audio rates is valid")
        });
        let step = vec![0.0; inner.as_ref().map_or(0, rubato::Resampler::output_frames_max)];
        let to_drop = inner.as_ref().map_or(0, rubato::Resampler::output_delay);
        Self { inner, ratio, waiting: Vec::new(), step, to_drop, n_in: 0, n_out: 0 }
    }

    /// Converts a piece and appends what comes out of it.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        if self.inner.is_none() {
            out.extend_from_slice(samples);
            return;
        }
        self.n_in += samples.len();
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut steps = waiting.chunks_exact(STEP);
        for step in steps.by_ref() {
            self.convert(step, out);
        }
        self.waiting = steps.remainder().to_vec();
    }

    /// Ends the utterance: appends what is still in the filter, so that as much comes out as went in.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if self.inner.is_none() {
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of samples"
        )]
        let n_expected = (self.n_in as f64 * self.ratio).round() as usize;
        let rest = std::mem::take(&mut self.waiting);
        self.convert(&rest, out);
        while self.n_out < n_expected {
            self.convert(&[], out);
        }
        out.truncate(out.len() - (self.n_out - n_expected));
        self.n_out = n_expected;
    }

    /// One step; a short one is filled up with silence.
    fn convert(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let Some(inner) = &mut self.inner else { return };
        let mut padded = [0.0; STEP];
        padded[..samples.len()].copy_from_slice(samples);
        let input =
            InterleavedSlice::new(&padded, 1, STEP).expect("one channel of a step's length");
        let n_room = self.step.len();
        let mut output = InterleavedSlice::new_mut(&mut self.step, 1, n_room)
            .expect("one channel of the step's length");
        let (_, n_made) = inner
            .process_into_buffer(&input, &mut output, Some(&Indexing::new()))
            .expect("buffers of the sizes that it asks for");
        let n_dropped = self.to_drop.min(n_made);
        self.to_drop -= n_dropped;
        out.extend_from_slice(&self.step[n_dropped..n_made]);
        self.n_out += n_made - n_dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[expect(clippy::cast_possible_truncation, reason = "test signal")]
    fn tone(hz: f64, rate: f64, n_samples: usize) -> Vec<f32> {
        (0..n_samples).map(|n| (0.5 * (TAU * hz * n as f64 / rate).sin()) as f32).collect()
    }

    fn convert(from: u32, to: u32, samples: &[f32], piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(PcmSpec::new(from), PcmSpec::new(to));
        let mut out = Vec::new();
        for piece in samples.chunks(piece) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    /// The level of one frequency, in dB below full scale.
    fn level_db(samples: &[f32], hz: f64, rate: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            // a window, so that one tone does not leak into the other's measurement
            let window = 1.0 - (TAU * n as f64 / samples.len() as f64).cos();
            let phase = TAU * hz * n as f64 / rate;
            re += f64::from(*sample) * window * phase.cos();
            im += f64::from(*sample) * window * phase.sin();
        }
        20.0 * (2.0 * re.hypot(im) / samples.len() as f64).log10()
    }

    #[test]
    fn a_tone_keeps_its_level_its_length_and_its_place_and_has_no_image() {
        for (from, to) in [(16_000, 48_000), (16_000, 24_000), (22_050, 48_000), (24_000, 44_100)] {
            let input = tone(1_000.0, f64::from(from), from as usize);
            let output = convert(from, to, &input, 320);
            assert_eq!(output.len(), to as usize, "{from} to {to}");
            let middle = &output[to as usize / 4..3 * to as usize / 4];
            let level = level_db(middle, 1_000.0, f64::from(to));
            assert!((level + 6.02).abs() < 0.1, "{from} to {to}: {level} dB");
            if to > from {
                let image = level_db(middle, f64::from(from) - 1_000.0, f64::from(to));
                assert!(image < level - 60.0, "{from} to {to}: image at {image} dB");
            }
            let expected = tone(1_000.0, f64::from(to), to as usize);
            let far = |range: std::ops::Range<usize>| {
                range.map(|n| (output[n] - expected[n]).abs()).fold(0.0, f32::max)
            };
            let one_sample = 0.5 * TAU * 1_000.0 / f64::from(to);
            let shift = f64::from(far(to as usize / 4..3 * to as usize / 4)) / one_sample;
            assert!(shift < 1.5, "{from} to {to}: shifted by {shift} samples");
        }
    }

    #[test]
    fn the_size_of_the_pieces_does_not_matter() {
        let input = tone(700.0, 16_000.0, 5_000);
        let whole = convert(16_000, 48_000, &input, 5_000);
        for piece in [1, 79, 80, 81, 320] {
            assert_eq!(convert(16_000, 48_000, &input, piece), whole, "{piece}");
        }
        assert_eq!(convert(16_000, 16_000, &input, 7), input);
    }

    #[test]
    fn a_very_short_utterance_keeps_its_length() {
        for n_samples in [0, 1, 10, 100] {
            assert_eq!(
                convert(16_000, 48_000, &tone(700.0, 16_000.0, n_samples), 80).len(),
                n_samples * 3
            );
        }
    }
}
