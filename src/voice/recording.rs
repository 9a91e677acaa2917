//! Recordings of every usual kind, as mono samples.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::clock;

/// What is read of a recording at most: ten minutes at 48 kHz, where a voice takes half a minute.
const MAX_SAMPLES: usize = 600 * 48_000;

/// Rates that recordings have.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// No usual recording has more channels.
const MAX_CHANNELS: usize = 32;

/// A damaged file is given up after so many packets that cannot be decoded.
const MAX_DAMAGED_PACKETS: usize = 64;

/// Reading takes no longer: ten minutes of MP3 take some two seconds, and a file may be made to take for ever.
const DEADLINE: Duration = Duration::from_secs(30);

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The operating system refused it.
    #[error("cannot read the recording `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not audio of a kind that is understood, or damaged.
    #[error("`{}` is no recording that can be read ({reason}); WAV, FLAC, MP3, Ogg Vorbis and M4A can", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Its channels' mean, -1 to 1.
    pub samples: Vec<f32>,
    /// Its rate.
    pub rate_hz: u32,
}

impl Recording {
    /// Reads a recording, or as much of it as a voice can want.
    ///
    /// # Errors
    /// Where it cannot be read, is of another kind, or has nothing in it.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let unreadable = |source| RecordingError::Unreadable { path: path.to_owned(), source };
        let unusable = |reason: String| RecordingError::Unusable { path: path.to_owned(), reason };
        // Before it is opened: opening a pipe waits for whoever writes into it.
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(unusable("it is no file".to_owned()));
        }
        let file = File::open(path).map_err(unreadable)?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        // A header whose numbers are too large for a decoder's sums is no reason to end.
        let by = clock::now() + DEADLINE;
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(stream, &hint, by)));
        decoded.unwrap_or_else(|_panic| Err("it is damaged".to_owned())).map_err(unusable)
    }

    /// How long it is.
    pub fn secs(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate_hz)
    }
}

fn decode(
    stream: MediaSourceStream<'static>,
    hint: &Hint,
    by: Instant,
) -> Result<Recording, String> {
    let text = |error: Error| error.to_string();
    let mut format = symphonia::default::get_probe()
        .probe(hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(text)?;
    let track = format.default_track(TrackType::Audio).ok_or("there is no sound in it")?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|it| it.audio());
    let parameters = parameters.ok_or("its sound is of no known kind")?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(text)?;
    let mut recording = Recording { samples: Vec::new(), rate_hz: 0 };
    let mut interleaved: Vec<f32> = Vec::new();
    let mut n_damaged = 0;
    loop {
        if clock::now() >= by {
            return Err(format!("it takes longer than {} s to read", DEADLINE.as_secs()));
        }
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // What was read before a file was cut short is as good as ever.
            Err(_) if !recording.samples.is_empty() => break,
            Err(error) => return Err(error.to_string()),
        };
        if packet.track_id != track_id {
            continue;
        }
        let audio = match decoder.decode(&packet) {
            Ok(audio) => audio,
            Err(Error::DecodeError(reason)) => {
                n_damaged += 1;
                if n_damaged > MAX_DAMAGED_PACKETS {
                    return Err(format!("it is damaged: {reason}"));
                }
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let (rate_hz, n_channels) = (audio.spec().rate(), audio.spec().channels().count());
        if !RATES_HZ.contains(&rate_hz) || !(1..=MAX_CHANNELS).contains(&n_channels) {
            return Err(format!("it has {n_channels} channels at {rate_hz} Hz"));
        }
        if recording.rate_hz != 0 && recording.rate_hz != rate_hz {
            return Err("its rate changes in the middle".to_owned());
        }
        recording.rate_hz = rate_hz;
        interleaved.resize(audio.samples_interleaved(), 0.0);
        audio.copy_to_slice_interleaved(&mut interleaved);
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / n_channels as f32;
        recording.samples.extend(interleaved.chunks_exact(n_channels).map(mean));
        if recording.samples.len() >= MAX_SAMPLES {
            recording.samples.truncate(MAX_SAMPLES);
            break;
        }
    }
    if recording.samples.is_empty() {
        return Err("there is no sound in it".to_owned());
    }
    for sample in &mut recording.samples {
        *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    }
    Ok(recording)
}
