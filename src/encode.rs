//! Turns samples into the bytes of an audio format while they are made: without files, without going back to what was
//! written, without another program.
//!
//! Knows nothing of engines, requests or where the bytes go.
//!
//! The codecs are those that others play with: LAME and libopus are built from the sources that their crates carry, FLAC is
//! Rust. For MP3 there is an encoder in Rust as well, `shine-rs`; at 64 kbit/s of 24 kHz speech its spectrum is 10.8 dB off
//! and LAME's 6.5, because it has no model of hearing. For Opus there is `unsafe-libopus`, a machine's translation of
//! libopus 1.3; it takes half as long again as libopus 1.6. `flacenc` refuses a last block below 32 samples. There is no
//! free encoder for AAC.

mod flac;
mod linear;
mod mp3;
mod opus;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use self::flac::Flac;
use self::linear::Linear;
use self::mp3::Mp3;
use self::opus::Opus;
use crate::dsp::resample::Resampler;
use crate::pcm::PcmSpec;

/// The rates that can be asked for.
pub const RATES_HZ: RangeInclusive<u32> = 8_000..=48_000;

/// What a listener can be sent. All are mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// MPEG layer III at a constant bit rate, 4 bits a sample (96 kbit/s at 24 kHz).
    Mp3,
    /// Opus in Ogg, some 32 kbit/s.
    Opus,
    /// FLAC of 16 bits whose length and checksum are left open.
    Flac,
    /// WAV of 16 bits whose length is left open.
    Wav,
    /// 16-bit signed little-endian samples and nothing else.
    Pcm,
}

impl Format {
    /// All of them, the commonest first.
    pub const ALL: [Self; 5] = [Self::Mp3, Self::Opus, Self::Flac, Self::Wav, Self::Pcm];

    /// The name that it is asked for by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }

    /// The media type. That of `pcm` does not tell the rate.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }

    /// The rate that comes out where that one is asked for: MP3 and Opus know some rates only, and take the next higher one,
    /// which their files tell the player.
    pub fn sample_rate_hz(self, wanted_hz: u32) -> u32 {
        let known: &[u32] = match self {
            Self::Mp3 => &mp3::RATES_HZ,
            Self::Opus => &opus::RATES_HZ,
            Self::Flac | Self::Wav | Self::Pcm => return wanted_hz,
        };
        known.iter().copied().find(|known_hz| *known_hz >= wanted_hz).unwrap_or(wanted_hz)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kept samples from becoming bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Asked for too little or too much.
    #[error(
        "cannot make {wanted_hz} samples a second: ask for {} to {}",
        RATES_HZ.start(),
        RATES_HZ.end()
    )]
    SampleRate {
        /// What was asked for.
        wanted_hz: u32,
    },
    /// The codec failed, which it does where memory is short; nothing more comes of this encoder.
    #[error("cannot encode {format}; ask for another format")]
    Codec {
        /// What it should have become.
        format: Format,
        /// What the codec says.
        #[source]
        source: CodecError,
    },
}

/// What a codec's library says.
pub type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// One of the formats in the making, at a rate that it knows. What it has to say before the first sample it has said when
/// it was made.
trait Codec: Send {
    /// Takes samples in −1..=1 and appends the bytes that are ready.
    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Appends the rest.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// Makes one file of one stream of samples.
///
/// The resampler, where the rates differ, keeps up to
/// [`LATENCY_SAMPLES`](crate::dsp::resample::LATENCY_SAMPLES) of the engine's samples back (9 ms at 16 kHz). On top of that
/// the first sound leaves `pcm` and `wav` at once, Opus after 20 ms, MP3 after some 40 ms, FLAC after 100 ms.
pub struct Encoder {
    format: Format,
    resampler: Resampler,
    /// What the resampler made of a piece; kept for its room.
    converted: Vec<f32>,
    codec: Box<dyn Codec>,
    /// What stands before the first sample, until it is fetched.
    head: Vec<u8>,
}

impl Encoder {
    /// An encoder of samples that come as `from` says, for a file of `sample_rate_hz`, or more (see
    /// [`Format::sample_rate_hz`]).
    ///
    /// # Errors
    /// [`EncodeError::SampleRate`] where the rate is not in [`RATES_HZ`]; [`EncodeError::Codec`] where the codec cannot be
    /// set up.
    pub fn new(format: Format, from: PcmSpec, sample_rate_hz: u32) -> Result<Self, EncodeError> {
        if !RATES_HZ.contains(&sample_rate_hz) {
            return Err(EncodeError::SampleRate { wanted_hz: sample_rate_hz });
        }
        let sample_rate_hz = format.sample_rate_hz(sample_rate_hz);
        let mut head = Vec::new();
        let codec = codec(format, sample_rate_hz, &mut head)
            .map_err(|source| EncodeError::Codec { format, source })?;
        let resampler = Resampler::new(from, PcmSpec::new(sample_rate_hz));
        Ok(Self { format, resampler, converted: Vec::new(), codec, head })
    }

    /// Encodes samples and appends the bytes that are ready, perhaps none. Samples beyond −1..=1 are clipped.
    ///
    /// # Errors
    /// [`EncodeError::Codec`].
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.append(&mut self.head);
        self.converted.clear();
        self.resampler.push(samples, &mut self.converted);
        self.encode(out)
    }

    /// Appends the rest and the end of the file. Nothing may be pushed after that.
    ///
    /// # Errors
    /// [`EncodeError::Codec`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.append(&mut self.head);
        self.converted.clear();
        self.resampler.finish(&mut self.converted);
        self.encode(out)?;
        let format = self.format;
        self.codec.finish(out).map_err(|source| EncodeError::Codec { format, source })
    }

    fn encode(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // After the resampler, which swings beyond what it is given at a steep edge.
        for sample in &mut self.converted {
            *sample = sample.clamp(-1.0, 1.0);
        }
        let format = self.format;
        self.codec
            .push(&self.converted, out)
            .map_err(|source| EncodeError::Codec { format, source })
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("format", &self.format).finish_non_exhaustive()
    }
}

fn codec(format: Format, rate_hz: u32, head: &mut Vec<u8>) -> Result<Box<dyn Codec>, CodecError> {
    Ok(match format {
        Format::Mp3 => Box::new(Mp3::new(rate_hz)?),
        Format::Opus => Box::new(Opus::new(rate_hz, head)?),
        Format::Flac => Box::new(Flac::new(rate_hz, head)?),
        Format::Wav => {
            linear::begin_wav(rate_hz, head);
            Box::new(Linear)
        }
        Format::Pcm => Box::new(Linear),
    })
}
