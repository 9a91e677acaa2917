//! How good recordings are, and which part of them is speech.

use super::card::Quality;
use super::prompt::RATE_HZ;

/// What is looked at as one: 20 ms.
pub(super) const WINDOW_SAMPLES: usize = RATE_HZ as usize / 50;

/// How far below the loudest window speech ends, as where a voice's end is looked for.
const SPEECH_DB: f64 = 35.0;

/// What is quieter is no speech, however quiet the rest is.
const SILENCE_DB: f64 = -65.0;

/// Below so many seconds of speech there is no voice to be found.
pub(super) const MIN_SPEECH_SECS: f64 = 1.0;

/// Below so many, a voice is recognised, but no more.
const SHORT_SECS: f64 = 5.0;

/// A sample at full scale.
const FULL_SCALE: f32 = 0.999;

/// More clipped samples than so many percent can be heard.
const CLIPPED_PERCENT: f64 = 0.1;

/// Noise so near to the speech becomes a part of the voice.
const NEAR_NOISE_DB: f64 = 20.0;

/// Speech so quiet has lost something.
const QUIET_DB: f64 = -40.0;

/// The level of each window, in dB below full scale.
pub(super) fn levels(samples: &[f32]) -> Vec<f64> {
    let level = |window: &[f32; WINDOW_SAMPLES]| {
        let power: f64 = window.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        10.0 * (power / WINDOW_SAMPLES as f64 + 1e-12).log10()
    };
    samples.as_chunks().0.iter().map(level).collect()
}

/// From which level on a window is speech.
pub(super) fn threshold(levels: &[f64]) -> f64 {
    let loudest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (loudest - SPEECH_DB).max(SILENCE_DB)
}

/// The mean level of what is speech; `None` where nothing is.
pub(super) fn speech_level(levels: &[f64]) -> Option<f64> {
    let threshold = threshold(levels);
    let speech: Vec<f64> = levels.iter().copied().filter(|level| *level > threshold).collect();
    let power: f64 = speech.iter().map(|level| 10_f64.powf(level / 10.0)).sum();
    (!speech.is_empty()).then(|| 10.0 * (power / speech.len() as f64).log10())
}

/// What was found in recordings, before they were changed.
#[derive(Debug, Default)]
pub(super) struct Found {
    levels: Vec<f64>,
    n_samples: usize,
    n_clipped: usize,
}

impl Found {
    /// Looks at another recording.
    pub(super) fn look(&mut self, samples: &[f32]) {
        self.levels.extend(levels(samples));
        self.n_samples += samples.len();
        self.n_clipped += samples.iter().filter(|sample| sample.abs() >= FULL_SCALE).count();
    }

    /// Whether there was none.
    pub(super) fn is_nothing(&self) -> bool {
        self.n_samples == 0
    }

    /// What is to be said of them.
    pub(super) fn judge(&self, used_secs: f64) -> Quality {
        judge(&self.levels, self.n_samples, self.n_clipped, used_secs)
    }
}

fn judge(levels: &[f64], n_samples: usize, n_clipped: usize, used_secs: f64) -> Quality {
    let level_db = speech_level(levels).unwrap_or(SILENCE_DB);
    let threshold = threshold(levels);
    let n_speech = levels.iter().filter(|level| **level > threshold).count();
    let percent = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
    let mut quality = Quality {
        recorded_secs: n_samples as f64 / f64::from(RATE_HZ),
        used_secs,
        level_db,
        noise_distance_db: level_db - noise(levels),
        clipped_percent: percent(n_clipped, n_samples),
        silence_percent: percent(levels.len() - n_speech, levels.len()),
        remarks: Vec::new(),
    };
    let speech_secs = (n_speech * WINDOW_SAMPLES) as f64 / f64::from(RATE_HZ);
    let remarks = [
        (
            speech_secs < SHORT_SECS,
            format!("only {speech_secs:.1} s of speech: 10 to 30 s give a better likeness"),
        ),
        (
            quality.clipped_percent > CLIPPED_PERCENT,
            format!(
                "{:.1} % of it is clipped: record it at a lower level",
                quality.clipped_percent
            ),
        ),
        (
            quality.noise_distance_db < NEAR_NOISE_DB,
            format!(
                "the noise is only {:.0} dB below the speech, and becomes a part of the voice: record it in a quiet room, near the microphone",
                quality.noise_distance_db
            ),
        ),
        (
            level_db < QUIET_DB,
            format!("it is quiet, {level_db:.0} dB below full scale: record it at a higher level"),
        ),
    ];
    quality.remarks =
        remarks.into_iter().filter(|(applies, _)| *applies).map(|(_, it)| it).collect();
    quality
}

/// The level below which a twentieth of the windows are: what is between the words.
fn noise(levels: &[f64]) -> f64 {
    let mut levels: Vec<f64> = levels.iter().map(|level| level.max(-100.0)).collect();
    levels.sort_unstable_by(f64::total_cmp);
    levels.get(levels.len() / 20).copied().unwrap_or(-100.0)
}
