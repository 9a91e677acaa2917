//! MP3 by LAME: frames of a constant bit rate and nothing before them, so that a player knows the length from the size.
//!
//! Knows only rates that MP3 has.

use std::num::NonZeroU32;

use mp3lame_encoder::{
    Bitrate, Builder, Encoder, FlushGap, Mode, MonoPcm, Quality, max_required_buffer_size,
};

use super::{Codec, CodecError};

/// What MPEG-2.5, MPEG-2 and MPEG-1 layer III have.
pub(super) const RATES_HZ: [u32; 9] =
    [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// Some 200 times faster than it is listened to. Three steps better is half as fast, and of speech neither spectrum nor
/// waveform comes out nearer to the original.
const QUALITY: Quality = Quality::Good;

/// What `lame_encode_flush` may write, by LAME's own documentation.
const MAX_REST_BYTES: usize = 7_200;

pub(super) struct Mp3 {
    encoder: Encoder,
}

impl Mp3 {
    pub(super) fn new(rate_hz: u32) -> Result<Self, CodecError> {
        let mut builder = Builder::new().ok_or("out of memory")?;
        builder.set_num_channels(1)?;
        builder.set_mode(Mode::Mono)?;
        builder.set_sample_rate(rate_hz)?;
        // Else LAME takes a lower one where it finds the bit rate low.
        builder.set_output_sample_rate(NonZeroU32::new(rate_hz))?;
        builder.set_brate(bit_rate(rate_hz))?;
        builder.set_quality(QUALITY)?;
        // The tag in the first frame is only right when it is written last.
        builder.set_to_write_vbr_tag(false)?;
        Ok(Self { encoder: builder.build()? })
    }
}

impl Codec for Mp3 {
    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.reserve(max_required_buffer_size(samples.len()));
        self.encoder.encode_to_vec(MonoPcm(samples), out)?;
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.reserve(MAX_REST_BYTES);
        // Not `FlushNoGap`, which leaves out what is still in the filters: the last 65 ms.
        self.encoder.flush_to_vec::<FlushGap>(out)?;
        Ok(())
    }
}

/// About 4 bits for each sample, which speech cannot be told from the original with. MPEG-2.5 ends at 64 kbit/s.
fn bit_rate(rate_hz: u32) -> Bitrate {
    match rate_hz {
        48_000 | 44_100 => Bitrate::Kbps128,
        32_000 | 24_000 | 22_050 => Bitrate::Kbps96,
        16_000 => Bitrate::Kbps64,
        12_000 | 11_025 => Bitrate::Kbps48,
        _ => Bitrate::Kbps32,
    }
}
