//! What comes back, as samples: raw 16-bit sound or a WAV file, in pieces of any length, at any rate.
//!
//! Knows nothing of connections. What is neither is refused by its name, before any of it is heard as noise.

use crate::dsp::resample::Resampler;
use crate::engine::wav_header::{WavHeader, WavSound};
use crate::pcm::{self, PcmSpec};

/// The rate of both APIs' raw sound.
pub(super) const SPEC: PcmSpec = PcmSpec::new(24_000);

/// So many bytes tell what a file is.
const MAGIC_BYTES: usize = 4;

/// What sound that is no raw sound begins with. Speech does not: these would be loud noise.
const FILES: [(&[u8], &str); 3] = [(b"ID3", "MP3"), (b"OggS", "Ogg"), (b"fLaC", "FLAC")];

/// What raw sound and WAV files are called, and what nobody has given a name.
const LABELS: [&str; 10] = [
    "audio/pcm",
    "audio/x-pcm",
    "audio/raw",
    "audio/x-raw",
    "audio/wav",
    "audio/x-wav",
    "audio/wave",
    "audio/vnd.wave",
    "application/octet-stream",
    "binary/octet-stream",
];

/// Sound in the making.
pub(super) struct Sound {
    stage: Stage,
    rate: PcmSpec,
    /// `None` where the rate is ours.
    resampler: Option<Box<Resampler>>,
    /// The first half of a sample that was cut in two.
    odd_byte: Option<u8>,
    /// Bytes of sound that are still to come, where that was said: behind them is something else.
    n_left: Option<usize>,
}

/// How much is known of what comes.
enum Stage {
    /// It is not known what it is.
    Magic(Vec<u8>),
    Header(WavHeader),
    Samples,
}

impl Sound {
    /// Sound that is labelled so.
    ///
    /// # Errors
    /// What it is instead, where it is no sound that can be read here.
    pub(super) fn labelled(content_type: Option<&str>) -> Result<Self, String> {
        let rate = rate_of(content_type.unwrap_or_default())?;
        let stage = Stage::Magic(Vec::new());
        let resampler = resampler(rate);
        Ok(Self { stage, rate, resampler, odd_byte: None, n_left: None })
    }

    /// Takes bytes and appends the samples in them.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn push(&mut self, bytes: &[u8], samples: &mut Vec<f32>) -> Result<(), String> {
        let sound = match &mut self.stage {
            Stage::Samples => {
                self.convert(bytes, samples);
                return Ok(());
            }
            Stage::Magic(begun) => {
                begun.extend_from_slice(bytes);
                if begun.len() < MAGIC_BYTES {
                    return Ok(());
                }
                let begun = std::mem::take(begun);
                if let Some((_, name)) = FILES.iter().find(|(magic, _)| begun.starts_with(magic)) {
                    return Err(format!("it sent {name}, and was asked for raw sound (pcm)"));
                }
                if !begun.starts_with(b"RIFF") {
                    self.stage = Stage::Samples;
                    self.convert(&begun, samples);
                    return Ok(());
                }
                let mut header = WavHeader::default();
                let sound = header.push(&begun)?;
                self.stage = Stage::Header(header);
                sound
            }
            Stage::Header(header) => header.push(bytes)?,
        };
        let Some(WavSound { spec, n_bytes, begun }) = sound else { return Ok(()) };
        (self.rate, self.resampler) = (spec, resampler(spec));
        (self.n_left, self.stage) = (n_bytes, Stage::Samples);
        self.convert(&begun, samples);
        Ok(())
    }

    /// Appends what is left when no more comes.
    pub(super) fn finish(&mut self, samples: &mut Vec<f32>) {
        if let Stage::Magic(begun) = &mut self.stage {
            let begun = std::mem::take(begun);
            self.convert(&begun, samples);
        }
        if let Some(resampler) = &mut self.resampler {
            let mut rest = Vec::new();
            resampler.finish(&mut rest);
            samples.extend(rest.into_iter().map(within));
        }
    }

    fn convert(&mut self, bytes: &[u8], samples: &mut Vec<f32>) {
        let n_sound = self.n_left.map_or(bytes.len(), |n_left| n_left.min(bytes.len()));
        if let Some(n_left) = &mut self.n_left {
            *n_left -= n_sound;
        }
        let mut sound = Vec::with_capacity(n_sound + 1);
        sound.extend(self.odd_byte.take());
        sound.extend_from_slice(&bytes[..n_sound]);
        let (pairs, odd) = sound.as_chunks::<2>();
        self.odd_byte = odd.first().copied();
        let read = pairs.iter().map(|&pair| pcm::from_i16(i16::from_le_bytes(pair)));
        match &mut self.resampler {
            None => samples.extend(read),
            Some(resampler) => {
                let mut converted = Vec::new();
                resampler.push(&read.collect::<Vec<_>>(), &mut converted);
                samples.extend(converted.into_iter().map(within));
            }
        }
    }
}

/// A filter goes beyond what is full scale before it.
fn within(sample: f32) -> f32 {
    sample.clamp(-1.0, 1.0)
}

fn resampler(rate: PcmSpec) -> Option<Box<Resampler>> {
    (rate != SPEC).then(|| Box::new(Resampler::new(rate, SPEC)))
}

/// The rate of raw sound with that label: `audio/pcm;rate=24000`. Servers that do not know say nothing, or "bytes".
fn rate_of(content_type: &str) -> Result<PcmSpec, String> {
    let mut parts = content_type.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    if !name.is_empty() && !LABELS.contains(&name.as_str()) {
        return Err(format!("it sent {name}, and was asked for raw sound (pcm)"));
    }
    let Some(rate) = parts.find_map(|part| part.strip_prefix("rate=")) else { return Ok(SPEC) };
    let rate_hz = rate.trim_matches('"').parse().ok().filter(|it| (4_000..=192_000).contains(it));
    rate_hz.map(PcmSpec::new).ok_or_else(|| format!("it sent {name} at the rate {rate}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of a stream that comes in pieces of that length.
    fn samples(content_type: &str, bytes: &[u8], piece: usize) -> Result<Vec<f32>, String> {
        let mut sound = Sound::labelled(Some(content_type))?;
        let mut samples = Vec::new();
        for piece in bytes.chunks(piece) {
            sound.push(piece, &mut samples)?;
        }
        sound.finish(&mut samples);
        Ok(samples)
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    /// A WAV file with a list behind its sound, as many programs write it.
    fn wav(rate_hz: u32, sound: &[u8]) -> Vec<u8> {
        let mut wav = b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(rate_hz.to_le_bytes());
        wav.extend((rate_hz * 2).to_le_bytes());
        wav.extend_from_slice(b"\x02\0\x10\0data");
        wav.extend(u32::try_from(sound.len()).unwrap().to_le_bytes());
        wav.extend_from_slice(sound);
        wav.extend_from_slice(b"LIST\x04\0\0\0\xff\x7f\xff\x7f");
        wav
    }

    #[test]
    fn sound_is_the_same_however_it_is_cut() {
        let sound: Vec<i16> = (0..400).map(|idx| idx * 50 - 10_000).collect();
        let wanted: Vec<f32> = sound.iter().map(|&sample| pcm::from_i16(sample)).collect();
        let raw = bytes(&sound);
        for piece in [1, 2, 3, 7, 45, 999] {
            assert_eq!(samples("audio/pcm", &raw, piece).unwrap(), wanted, "in {piece}");
            let wav = wav(24_000, &raw);
            assert_eq!(samples("audio/wav", &wav, piece).unwrap(), wanted, "WAV in {piece}");
            assert_eq!(samples("audio/pcm", &wav, piece).unwrap(), wanted, "WAV as pcm in {piece}");
        }
        assert_eq!(samples("", &bytes(&[7]), 1).unwrap(), [pcm::from_i16(7)], "one sample");
        assert_eq!(samples("", b"", 1).unwrap(), [0.0; 0]);
    }

    #[test]
    fn another_rate_is_brought_to_ours() {
        let sound = bytes(&vec![8_000; 16_000]);
        for (content_type, sound) in
            [("audio/wav", wav(16_000, &sound)), ("audio/pcm;rate=16000", sound)]
        {
            let samples = samples(content_type, &sound, 100).unwrap();
            assert!(samples.len().abs_diff(24_000) < 10, "{content_type}: {}", samples.len());
            let middle = samples[12_000];
            assert!((middle - pcm::from_i16(8_000)).abs() < 1e-3, "{content_type}: {middle}");
        }
    }

    #[test]
    fn what_is_no_sound_is_refused_by_its_name() {
        for (content_type, bytes, name) in [
            ("audio/mpeg", &b"\xff\xfb\x90"[..], "audio/mpeg"),
            ("application/json", b"{}", "application/json"),
            ("text/html; charset=utf-8", b"<html>", "text/html"),
            ("audio/pcm;rate=7", b"abcd", "rate 7"),
            ("application/octet-stream", b"ID3\x04....", "MP3"),
            ("", b"OggS....", "Ogg"),
            ("audio/pcm", b"fLaC....", "FLAC"),
            ("audio/wav", b"RIFF....AVI ....", "something else"),
        ] {
            for piece in [1, 100] {
                let error = samples(content_type, bytes, piece).unwrap_err();
                assert!(error.contains(name), "{content_type}: {error}");
            }
        }
    }
}
