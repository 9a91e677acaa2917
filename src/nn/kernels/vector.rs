//! What is done to each value, or to each row, by itself.

/// So many values are handled together: enough for the widest registers, several of them.
const LANES: usize = 32;

/// `e` to the power of `x`, to about one part in ten million; what is below -87 is 0 there, and above 88 it stays.
///
/// Cephes' polynomial (`expf.c`): `2^n` times a polynomial in what is left.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away this number rounds to the next whole one.
    const ROUNDER: f32 = 12_582_912.0;
    const ONE_BITS: u32 = 0x3f80_0000;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * LOG2_E + ROUNDER;
    let n = rounded - ROUNDER;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    // The whole number is in the low bits of the rounded one: no conversion, which would ask for what is too large.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(ONE_BITS));
    value * power
}

#[inline(always)]
fn sum(x: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += of(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| of(*value)).sum::<f32>()
}

/// Normalises each row of `dim` values, and scales and shifts it.
#[inline(always)]
pub(super) fn layer_norm(
    x: &[f32],
    scale_and_shift: Option<(&[f32], &[f32])>,
    eps: f32,
    y: &mut [f32],
    dim: usize,
) {
    for (x, y) in x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
        let mean = sum(x, |value| value) / dim as f32;
        let variance = sum(x, |value| (value - mean) * (value - mean)) / dim as f32;
        let factor = 1.0 / (variance + eps).sqrt();
        match scale_and_shift {
            Some((scale, shift)) => {
                for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                    *y = (x - mean) * factor * scale + shift;
                }
            }
            None => {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = (x - mean) * factor;
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn gelu(x: &mut [f32]) {
    const FACTOR: f32 = 0.797_884_6; // sqrt(2 / pi)
    for x in x {
        let inner = FACTOR * (*x + 0.044_715 * *x * *x * *x);
        // x (1 + tanh(u)) / 2 is x / (1 + e^(-2u)).
        *x /= 1.0 + exp(-2.0 * inner);
    }
}

#[inline(always)]
pub(super) fn silu(x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x / (1.0 + exp(-x));
    }
}

#[inline(always)]
pub(super) fn elu(x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        // Near 0 the difference would lose digits, but none that a sum with other values keeps.
        *y = if *x > 0.0 { *x } else { exp(*x) - 1.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_seven_digits() {
        for step in -8_700..=8_800 {
            let x = step as f32 / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found}, {expected}");
        }
        assert!(exp(-1_000.0) < 1e-37);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn activations_are_what_they_should_be() {
        let x: Vec<f32> = (-100..=100).map(|step| step as f32 / 10.0).collect();
        let mut y = x.clone();
        gelu(&mut y);
        for (x, y) in x.iter().zip(&y) {
            let x = f64::from(*x);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            assert!((f64::from(*y) - 0.5 * x * (1.0 + u.tanh())).abs() < 2e-6, "{x}");
        }
        silu(&x, &mut y);
        for (x, y) in x.iter().zip(&y) {
            let x = f64::from(*x);
            assert!((f64::from(*y) - x / (1.0 + (-x).exp())).abs() < 2e-6, "{x}");
        }
        elu(&x, &mut y);
        for (x, y) in x.iter().zip(&y) {
            let x = f64::from(*x);
            let expected = if x > 0.0 { x } else { x.exp_m1() };
            assert!((f64::from(*y) - expected).abs() < 2e-7, "{x}");
        }
    }
}
