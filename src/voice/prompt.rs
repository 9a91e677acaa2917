//! What a voice is made of: recordings, brought to one rate and level, cut to what is speech, and joined.

use super::card::Quality;
use super::quality::{self, Found, MIN_SPEECH_SECS, WINDOW_SAMPLES};
use super::recording::Recording;
use crate::dsp::polyphase;

/// The rate that voices are kept at; the models' own.
pub const RATE_HZ: u32 = 24_000;

/// What is used of recordings, as the reference does.
pub const MAX_SECS: f64 = 30.0;

const MAX_SAMPLES: usize = 30 * RATE_HZ as usize;

/// Silence that is left in front of the first word, and behind the last one where another recording follows.
const MARGIN_WINDOWS: usize = 5;

/// What lies between two recordings: 0.3 s.
const GAP_SAMPLES: usize = 3 * RATE_HZ as usize / 10;

/// The level of speech that voices are brought to, in dB below full scale: that of most recordings of readers.
const LEVEL_DB: f64 = -23.0;

/// What is so near to it is left as it is: levelling is no improvement by itself.
const TOLERANCE_DB: f64 = 6.0;

/// How loud a sample may become.
const PEAK: f32 = 0.98;

/// Recordings of which no voice can be made.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// There is hardly anything in them.
    #[error(
        "there is only {speech_secs:.1} s of speech in it, and a voice takes at least {MIN_SPEECH_SECS:.0} s; 10 to 30 s are best"
    )]
    TooShort {
        /// How much speech there is.
        speech_secs: f64,
    },
    /// There is nothing in them.
    #[error("there is no recording to make a voice of")]
    Nothing,
}

/// Makes one recording of several, fit to make a voice of: mono at [`RATE_HZ`], at most [`MAX_SECS`] long.
#[derive(Debug, Default)]
pub struct PromptMaker {
    joined: Vec<f32>,
    found: Found,
}

impl PromptMaker {
    /// Takes what is of use of another recording.
    pub fn push(&mut self, recording: &Recording) {
        let samples = polyphase::resample(&recording.samples, recording.rate_hz, RATE_HZ);
        self.found.look(&samples);
        let speech = levelled(trimmed(&samples));
        if !self.joined.is_empty() && !speech.is_empty() {
            self.joined.resize(self.joined.len() + GAP_SAMPLES, 0.0);
        }
        self.joined.extend(speech);
        self.joined.truncate(MAX_SAMPLES);
    }

    /// Whether more would not be used.
    pub fn is_full(&self) -> bool {
        self.joined.len() >= MAX_SAMPLES
    }

    /// The one recording, and what was found.
    ///
    /// # Errors
    /// Where there is too little speech in it.
    pub fn finish(self) -> Result<(Vec<f32>, Quality), Unfit> {
        let Self { joined, found } = self;
        if found.is_nothing() {
            return Err(Unfit::Nothing);
        }
        let levels = quality::levels(&joined);
        let threshold = quality::threshold(&levels);
        let n_speech = levels.iter().filter(|level| **level > threshold).count();
        let speech_secs = (n_speech * WINDOW_SAMPLES) as f64 / f64::from(RATE_HZ);
        if speech_secs < MIN_SPEECH_SECS {
            return Err(Unfit::TooShort { speech_secs });
        }
        let used_secs = joined.len() as f64 / f64::from(RATE_HZ);
        Ok((joined, found.judge(used_secs)))
    }
}

/// What is between the first and the last word.
fn trimmed(samples: &[f32]) -> &[f32] {
    let levels = quality::levels(samples);
    let threshold = quality::threshold(&levels);
    let is_speech = |level: &f64| *level > threshold;
    let (Some(first), Some(last)) =
        (levels.iter().position(is_speech), levels.iter().rposition(is_speech))
    else {
        return &[];
    };
    let begin = first.saturating_sub(MARGIN_WINDOWS) * WINDOW_SAMPLES;
    let end = ((last + 1 + MARGIN_WINDOWS) * WINDOW_SAMPLES).min(samples.len());
    &samples[begin..end]
}

/// The same at the usual level, where it is far from it.
fn levelled(samples: &[f32]) -> Vec<f32> {
    let level_db = quality::speech_level(&quality::levels(samples));
    let missing_db = level_db.map_or(0.0, |level_db| LEVEL_DB - level_db);
    if missing_db.abs() <= TOLERANCE_DB {
        return samples.to_vec();
    }
    let peak = samples.iter().fold(f32::MIN_POSITIVE, |peak, sample| peak.max(sample.abs()));
    #[expect(clippy::cast_possible_truncation, reason = "a factor")]
    let gain = (10_f64.powf(missing_db / 20.0) as f32).min(PEAK / peak);
    samples.iter().map(|sample| gain * sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a tone that comes and goes four times a second, at a level in dB, between half-second silences.
    fn recording(secs: usize, level_db: f32, rate_hz: u32) -> Recording {
        let n = secs * rate_hz as usize;
        let amplitude = 10_f32.powf(level_db / 20.0) * 2_f32.sqrt();
        let sample = |idx: usize| {
            let at = idx as f32 / rate_hz as f32;
            let syllable = if (at * 8.0).rem_euclid(2.0) < 1.0 { 1.0 } else { 0.2 };
            amplitude * syllable * (at * 220.0 * std::f32::consts::TAU).sin()
        };
        let silence = vec![0.0; rate_hz as usize / 2];
        let samples = [silence.clone(), (0..n).map(sample).collect(), silence].concat();
        Recording { samples, rate_hz }
    }

    fn of_recordings(recordings: &[Recording]) -> Result<(Vec<f32>, Quality), Unfit> {
        let mut maker = PromptMaker::default();
        for recording in recordings {
            maker.push(recording);
        }
        maker.finish()
    }

    #[test]
    fn recordings_are_trimmed_levelled_and_joined() {
        let recordings = [recording(4, -50.0, 48_000), recording(6, -20.0, 24_000)];
        let (samples, quality) = of_recordings(&recordings).unwrap();
        let secs = samples.len() as f64 / f64::from(RATE_HZ);
        assert!((secs - 10.7).abs() < 0.1, "{secs}: 10 s, a gap of 0.3 s, margins of 0.1 s");
        assert!((quality.recorded_secs - 12.0).abs() < 0.01, "{quality:?}");
        let (first, second) = samples.split_at(samples.len() * 4 / 10);
        for part in [first, second] {
            let level = quality::speech_level(&quality::levels(part)).unwrap();
            assert!((level - LEVEL_DB).abs() < TOLERANCE_DB, "{level}");
        }
    }

    #[test]
    fn a_good_recording_is_left_as_it_is() {
        let recording = recording(8, -21.0, RATE_HZ);
        let (samples, quality) = of_recordings(std::slice::from_ref(&recording)).unwrap();
        assert!(recording.samples.windows(samples.len()).any(|window| window == samples));
        assert!(quality.remarks.is_empty(), "{quality:?}");
    }

    #[test]
    fn what_is_longer_than_a_voice_takes_is_cut() {
        let (samples, quality) = of_recordings(&[recording(40, -20.0, RATE_HZ)]).unwrap();
        assert_eq!(samples.len(), MAX_SAMPLES);
        assert!((quality.used_secs - MAX_SECS).abs() < 1e-9);
    }

    #[test]
    fn what_is_wrong_with_a_recording_is_said() {
        let mut loud = recording(8, -3.0, RATE_HZ);
        loud.samples.iter_mut().for_each(|it| *it = (3.0 * *it).clamp(-1.0, 1.0));
        let mut noisy = recording(8, -25.0, RATE_HZ);
        let mut seed = 1_u32;
        for sample in &mut noisy.samples {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += 0.02 * (seed as f32 / u32::MAX as f32 - 0.5);
        }
        for (recording, word) in
            [(loud, "clipped"), (noisy, "noise"), (recording(3, -20.0, RATE_HZ), "only")]
        {
            let (_, quality) = of_recordings(&[recording]).unwrap();
            assert!(quality.remarks.iter().any(|it| it.contains(word)), "{word}: {quality:?}");
        }
    }

    #[test]
    fn silence_and_a_moment_of_speech_are_no_voice() {
        let silence = Recording { samples: vec![0.0; 240_000], rate_hz: RATE_HZ };
        let mut moment = recording(1, -20.0, RATE_HZ);
        moment.samples.truncate(24_000);
        for recording in [silence, moment] {
            assert!(matches!(of_recordings(&[recording]), Err(Unfit::TooShort { .. })));
        }
        assert!(matches!(of_recordings(&[]), Err(Unfit::Nothing)));
    }
}
