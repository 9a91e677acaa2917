//! A recording on its way to a voice: it ends on a pause, so that what is spoken after it begins like speech.
//!
//! Reference: `pocket-tts` 4.0.1, `pocket_tts/data/audio.py` and `pocket_tts/models/tts_model.py`.

/// A frame's length: 20 ms at 24 kHz.
const FRAME_SAMPLES: usize = 480;

/// How far below the loudest frame speech ends.
const SILENCE_DB: f64 = 35.0;

/// The silence at the end: 80 ms.
const TAIL_SAMPLES: usize = 1_920;

/// Cuts off what follows the last speech, fades that out, and lets silence follow. Samples at 24 kHz; too few for one frame
/// are left alone.
pub fn ended_on_a_pause(samples: &[f32]) -> Vec<f32> {
    let levels: Vec<f64> = samples
        .as_chunks::<FRAME_SAMPLES>()
        .0
        .iter()
        .map(|frame| {
            let power: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            20.0 * ((power / FRAME_SAMPLES as f64).sqrt() + 1e-12).log10()
        })
        .collect();
    let loudest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let Some(last) = levels.iter().rposition(|level| *level > loudest - SILENCE_DB) else {
        return samples.to_vec();
    };
    let mut kept = samples[..(last + 1) * FRAME_SAMPLES].to_vec();
    let fade = kept.len() - FRAME_SAMPLES;
    for (idx, sample) in kept[fade..].iter_mut().enumerate() {
        *sample *= 1.0 - idx as f32 / (FRAME_SAMPLES - 1) as f32;
    }
    kept.resize(kept.len() + TAIL_SAMPLES, 0.0);
    kept
}
