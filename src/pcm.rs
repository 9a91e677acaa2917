//! Mono floating-point audio in memory, and how long it lasts.
//!
//! Knows nothing of engines, files or cards.

use std::num::NonZeroU32;
use std::time::Duration;

/// How the samples of a stream are to be read. Everything inside speakerd is mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PcmSpec {
    /// Samples per second.
    pub sample_rate_hz: NonZeroU32,
}

impl PcmSpec {
    /// A mono stream of so many samples a second.
    ///
    /// # Panics
    /// Where the rate is zero: rates come from constants or from checked input.
    pub const fn new(sample_rate_hz: u32) -> Self {
        Self { sample_rate_hz: NonZeroU32::new(sample_rate_hz).expect("a sample rate above zero") }
    }

    /// How long so many samples last.
    pub fn duration_of(self, n_samples: usize) -> Duration {
        let nanos = n_samples as u128 * 1_000_000_000 / u128::from(self.sample_rate_hz.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many whole samples fit into a time.
    pub fn samples_in(self, time: Duration) -> usize {
        let samples = time.as_nanos() * u128::from(self.sample_rate_hz.get()) / 1_000_000_000;
        usize::try_from(samples).unwrap_or(usize::MAX)
    }
}

/// A piece of audio: at most [`PcmChunk::MAX`] long, each sample finite and in −1..=1.
#[derive(Debug, Clone, PartialEq)]
pub struct PcmChunk {
    /// Rate of the samples.
    pub spec: PcmSpec,
    /// Mono samples.
    pub samples: Vec<f32>,
}

impl PcmChunk {
    /// The longest chunk an engine may hand over, so that a skip is never waited for.
    pub const MAX: Duration = Duration::from_millis(200);

    /// How long the chunk lasts.
    pub fn duration(&self) -> Duration {
        self.spec.duration_of(self.samples.len())
    }
}

/// Converts a 16-bit sample to −1..1.
pub fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// Converts a sample to 16 bits; what lies outside −1..1 is clipped, NaN is silence.
pub fn to_i16(sample: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16 just before")]
    let value = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_samples_agree() {
        let spec = PcmSpec::new(24_000);
        assert_eq!(spec.duration_of(1_920), Duration::from_millis(80));
        assert_eq!(spec.samples_in(Duration::from_millis(80)), 1_920);
    }

    #[test]
    fn sixteen_bits_survive_a_round_trip_and_excess_is_clipped() {
        for sample in [i16::MIN, -32_767, -1, 0, 1, 32_766, i16::MAX] {
            assert_eq!(to_i16(from_i16(sample)), sample);
        }
        assert_eq!(to_i16(7.0), i16::MAX);
        assert_eq!(to_i16(f32::NAN), 0);
    }
}
