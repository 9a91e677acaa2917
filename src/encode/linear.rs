//! 16-bit samples as they are, with the header of a WAV file before them or without.
//!
//! Knows nothing of rates but what the header says.

use super::{Codec, CodecError};
use crate::pcm;

/// Signed, little-endian.
pub(super) struct Linear;

/// The header of a file that goes on for ever: both lengths are 0xFFFFFFFF, which players read as "until it ends".
pub(super) fn begin_wav(rate_hz: u32, head: &mut Vec<u8>) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    head.append(&mut spec.into_header_for_infinite_file());
}

impl Codec for Linear {
    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(samples.iter().flat_map(|sample| pcm::to_i16(*sample).to_le_bytes()));
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }
}
