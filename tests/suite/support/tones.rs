//! Letters as tones: 40 ms of its own sine for each letter, and a reader that turns a recording back into text.
//!
//! So that a test says what was heard, not what was called.

use std::f32::consts::TAU;

/// How long a letter sounds.
pub(crate) const LETTER_MS: usize = 40;

/// What the letters are made of.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// The pitch of a letter; `None` for what is silent.
pub(crate) fn pitch_hz(letter: u8) -> Option<f32> {
    let idx = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
    Some(400.0 + 100.0 * idx as f32)
}

/// The samples of a letter.
pub(crate) fn sound(letter: u8, rate_hz: usize) -> Vec<f32> {
    let n_samples = rate_hz * LETTER_MS / 1_000;
    let Some(hz) = pitch_hz(letter) else { return vec![0.0; n_samples] };
    (0..n_samples).map(|n| 0.5 * (TAU * hz * n as f32 / rate_hz as f32).sin()).collect()
}

/// The power of one frequency (Goertzel's algorithm).
fn power(samples: &[f32], hz: f32, rate_hz: usize) -> f32 {
    let coefficient = 2.0 * (TAU * hz / rate_hz as f32).cos();
    let (mut before, mut before_that) = (0.0, 0.0);
    for sample in samples {
        (before, before_that) = (sample + coefficient * before - before_that, before);
    }
    (before * before + before_that * before_that - coefficient * before * before_that)
        / (samples.len() * samples.len()) as f32
}

/// The texts in a recording, separated by silence of more than a letter.
pub(crate) fn read(recording: &[f32], rate_hz: usize) -> Vec<String> {
    let n_letter = rate_hz * LETTER_MS / 1_000;
    let mut texts = Vec::new();
    let mut rest = recording;
    while let Some(start) = rest.iter().position(|sample| sample.abs() > 0.02) {
        rest = &rest[start..];
        if rest.len() < n_letter * 3 / 4 {
            break; // the recording ends within a letter
        }
        let mut text = String::new();
        // The middle of each letter: its edges may be ramps.
        while rest.len() >= n_letter * 3 / 4 {
            let middle = &rest[n_letter / 4..n_letter * 3 / 4];
            let loudest = LETTERS
                .iter()
                .map(|letter| (power(middle, pitch_hz(*letter).unwrap(), rate_hz), *letter))
                .max_by(|one, other| one.0.total_cmp(&other.0))
                .unwrap();
            let is_silent = loudest.0 < 1e-4;
            if is_silent && text.ends_with(' ') {
                break;
            }
            text.push(if is_silent { ' ' } else { char::from(loudest.1) });
            rest = &rest[n_letter.min(rest.len())..];
        }
        texts.push(text.trim_end().to_owned());
    }
    texts
}

#[test]
fn what_is_sounded_can_be_read() {
    let text = "the quick brown fox jumps over the lazy dog 0123456789";
    let sound: Vec<f32> = text.bytes().flat_map(|letter| sound(letter, 24_000)).collect();
    assert_eq!(read(&sound, 24_000), [text]);
    let twice = [&sound[..], &vec![0.0; 24_000], &sound].concat();
    assert_eq!(read(&twice, 24_000), [text, text]);
    assert_eq!(read(&sound[..100], 24_000), Vec::<String>::new());
}
