//! Resampling of a whole recording by a fixed ratio, with the filter that the reference of the voice prompts uses.
//!
//! For recordings, where agreeing with the reference counts; sound on its way to a card is resampled elsewhere.
//! Reference: scipy 1.16, `scipy.signal.resample_poly` with its defaults.

use std::f64::consts::PI;

/// Zero crossings of the filter on each side.
const HALF_LENGTH: usize = 10;

/// Of the Kaiser window.
const BETA: f64 = 5.0;

/// Changes the rate of a whole recording. Zeros are taken to stand before and behind it; the result has as many samples as
/// its duration takes, rounded up.
///
/// # Panics
/// Where a rate is 0.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    assert!(from_hz > 0 && to_hz > 0, "a rate is above 0");
    if from_hz == to_hz {
        return samples.to_vec();
    }
    let divisor = greatest_common_divisor(from_hz, to_hz);
    let (up, down) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
    let filter = filter(up, down);
    let half = filter.len() / 2;
    let n_out = (samples.len() * up).div_ceil(down);
    (0..n_out)
        .map(|idx| {
            // The tap in the middle stands over this place among the samples with zeros between them.
            let middle = idx * down;
            let first = (middle + half + 1).saturating_sub(filter.len()).div_ceil(up);
            let last = ((middle + half) / up).min(samples.len().saturating_sub(1));
            let sum: f64 = (first..=last)
                .filter_map(|at| Some((samples.get(at)?, filter.get(middle + half - at * up)?)))
                .map(|(sample, tap)| f64::from(*sample) * tap)
                .sum();
            #[expect(clippy::cast_possible_truncation, reason = "samples are f32")]
            let sample = sum as f32;
            sample
        })
        .collect()
}

fn greatest_common_divisor(mut one: u32, mut other: u32) -> u32 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// A windowed sinc that cuts off at the lower of the two rates, with a gain of `up`.
fn filter(up: usize, down: usize) -> Vec<f64> {
    let slower = up.max(down);
    let half = HALF_LENGTH * slower;
    let taps: Vec<f64> = (0..=2 * half)
        .map(|idx| {
            let at = idx as f64 - half as f64;
            let edge = at / half as f64;
            sinc(at / slower as f64) * bessel_i0(BETA * (1.0 - edge * edge).max(0.0).sqrt())
        })
        .collect();
    let gain = up as f64 / taps.iter().sum::<f64>();
    taps.into_iter().map(|tap| tap * gain).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of order zero, by its series; for the small arguments of a window it ends soon.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..100 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}
