//! Matrices that rows are multiplied with, in floats or in 8 bits.

use super::panels::{self, Out, Rows};
use super::quantised::{self, Activations, Quantised};
use super::{Processor, panels_times_rows, quantise_rows, quantised_times_rows};

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they are, 32 bits each.
    Full,
    /// In 8 bits, with a scale for 32 of them; what cannot be kept so is kept as it is.
    EightBits,
}

/// A matrix, `[n_out, n_in]`.
#[derive(Debug, Clone)]
pub struct Matrix {
    kind: Kind,
    n_out: usize,
    n_in: usize,
    processor: Processor,
}

#[derive(Debug, Clone)]
enum Kind {
    Panels(Vec<f32>),
    Quantised(Quantised),
}

/// So many rows are worth a second thread.
pub(super) const ROWS_FOR_TWO: usize = 8;

/// How many threads may share the work on many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// The caller's.
    #[default]
    One,
    /// A second one besides.
    Two,
}

impl Threads {
    /// Where to cut so many rows in two; `None` where that is not worth it.
    pub(crate) fn cut(self, n_rows: usize) -> Option<usize> {
        (self == Self::Two && n_rows >= ROWS_FOR_TWO).then_some(n_rows / 2)
    }
}

/// Room that products need.
#[derive(Debug, Clone, Default)]
pub struct Scratch(Activations);

impl Matrix {
    /// A matrix, `[n_out, n_in]`.
    ///
    /// # Panics
    /// Where there are not as many values.
    pub fn new(
        weight: &[f32],
        n_out: usize,
        n_in: usize,
        precision: Precision,
        processor: Processor,
    ) -> Self {
        assert_eq!(weight.len(), n_out * n_in, "a matrix of other sizes");
        let kind = match precision {
            Precision::EightBits if quantised::fits(n_in) => {
                Kind::Quantised(Quantised::new(weight, n_out, n_in, processor))
            }
            Precision::EightBits | Precision::Full => {
                Kind::Panels(panels::pack(weight, n_out, n_in))
            }
        };
        Self { kind, n_out, n_in, processor }
    }

    /// Why one with such rows is not in 8 bits though that was asked for.
    pub(super) fn why_not_in_eight_bits(n_in: usize) -> String {
        format!("its rows have {n_in} values, which is no multiple of {}", quantised::BLOCK)
    }

    /// How it is kept.
    pub fn precision(&self) -> Precision {
        match self.kind {
            Kind::Panels(_) => Precision::Full,
            Kind::Quantised(_) => Precision::EightBits,
        }
    }

    /// Values of a row of the product.
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// `y = x W^T + bias`; `x` is `[n_rows, n_in]`, `y` `[n_rows, n_out]`.
    pub fn apply(&self, x: &[f32], y: &mut [f32], bias: Option<&[f32]>, scratch: &mut Scratch) {
        self.product(&self.rows(x), &mut Out::replacing(y, self.n_out, bias), scratch);
    }

    /// `y += x W^T + bias`
    pub fn add(&self, x: &[f32], y: &mut [f32], bias: Option<&[f32]>, scratch: &mut Scratch) {
        self.product(&self.rows(x), &mut Out::adding(y, self.n_out, bias), scratch);
    }

    fn rows<'a>(&self, x: &'a [f32]) -> Rows<'a> {
        Rows::new(x, x.len() / self.n_in, self.n_in, self.n_in)
    }

    /// As [`Matrix::apply`], for rows that begin `stride` values after each other and may overlap.
    pub fn apply_strided(
        &self,
        x: &[f32],
        n_rows: usize,
        stride: usize,
        y: &mut [f32],
        bias: Option<&[f32]>,
        scratch: &mut Scratch,
    ) {
        let x = Rows::new(x, n_rows, self.n_in, stride);
        self.product(&x, &mut Out::replacing(y, self.n_out, bias), scratch);
    }

    fn product(&self, x: &Rows<'_>, y: &mut Out<'_>, Scratch(activations): &mut Scratch) {
        match &self.kind {
            Kind::Panels(values) => panels_times_rows(self.processor, values, x, y),
            Kind::Quantised(matrix) => {
                quantise_rows(self.processor, x, activations);
                quantised_times_rows(self.processor, matrix, activations, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance, from -1 to 1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).max(1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn expected(weight: &[f32], x: &[f32], n_in: usize, n_rows: usize, stride: usize) -> Vec<f32> {
        let dot = |one: &[f32], other: &[f32]| {
            one.iter()
                .zip(other)
                .map(|(one, other)| f64::from(*one) * f64::from(*other))
                .sum::<f64>()
        };
        let rows = (0..n_rows).map(|row| &x[row * stride..row * stride + n_in]);
        #[expect(clippy::cast_possible_truncation, reason = "the products are f32")]
        let products = rows.flat_map(|row| weight.chunks_exact(n_in).map(|it| dot(it, row) as f32));
        products.collect()
    }

    /// Every kind of processor, shapes that fill the tiles and shapes that do not.
    #[test]
    fn products_are_what_they_should_be_on_every_processor() {
        for processor in Processor::all_here() {
            for precision in [Precision::Full, Precision::EightBits] {
                for (n_out, n_in) in [(16, 32), (1, 7), (33, 64), (48, 96), (100, 33), (512, 320)] {
                    // Tiles of rows of every size that there is, and several of them.
                    for n_rows in (1..14).chain([24, 25, 31]) {
                        for stride in [n_in, n_in / 2 + 1] {
                            check(processor, precision, n_out, n_in, n_rows, stride);
                        }
                    }
                }
            }
        }
    }

    fn check(
        processor: Processor,
        precision: Precision,
        n_out: usize,
        n_in: usize,
        n_rows: usize,
        stride: usize,
    ) {
        let weight = noise(n_out * n_in, 1);
        let x = noise((n_rows - 1) * stride + n_in, 2);
        let bias = noise(n_out, 3);
        let matrix = Matrix::new(&weight, n_out, n_in, precision, processor);
        let is_eight = precision == Precision::EightBits && n_in.is_multiple_of(32);
        assert_eq!(matrix.precision() == Precision::EightBits, is_eight);
        let mut y = vec![7.0; n_rows * n_out];
        let mut scratch = Scratch::default();
        matrix.apply_strided(&x, n_rows, stride, &mut y, Some(&bias), &mut scratch);
        let expected = expected(&weight, &x, n_in, n_rows, stride);
        // In 8 bits each factor is off by up to half a step of 127, at random.
        let size = (n_in as f32).sqrt();
        let tolerance = if is_eight { 0.012 * size } else { 1e-6 * size };
        for (idx, (y, expected)) in y.iter().zip(&expected).enumerate() {
            let off = (y - bias[idx % n_out] - expected).abs();
            assert!(off < tolerance, "{processor:?} {precision:?} {n_out}x{n_in} {n_rows}: {off}");
        }
    }

    /// The same whole products, whatever adds them up.
    #[test]
    fn eight_bits_are_the_same_on_every_processor() {
        for (n_out, n_in) in [(64, 256), (17, 32), (40, 1_024), (1, 96)] {
            for n_rows in (1..14).chain([24, 25, 31]) {
                let (weight, x) = (noise(n_out * n_in, 4), noise(n_rows * n_in, 5));
                let mut scratch = Scratch::default();
                let results = Processor::all_here().into_iter().map(|processor| {
                    let matrix = Matrix::new(&weight, n_out, n_in, Precision::EightBits, processor);
                    let mut y = vec![0.0; n_rows * n_out];
                    matrix.add(&x, &mut y, None, &mut scratch);
                    y
                });
                let results: Vec<_> = results.collect();
                for result in &results[1..] {
                    for (one, other) in result.iter().zip(&results[0]) {
                        assert!(
                            (one - other).abs() < 1e-4,
                            "{n_out}x{n_in} {n_rows}: {one}, {other}"
                        );
                    }
                    // Those that add in one step do so in the same order.
                    assert_eq!(result, &results[1], "{n_out}x{n_in} {n_rows}");
                }
            }
        }
    }

    /// Whole numbers of up to 127, in blocks of which each has a scale of its own, a power of two: nothing is rounded. The
    /// largest ones come together, of either sign, and some blocks are all zeros.
    fn whole_numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut values: Vec<f32> = noise(n, seed).iter().map(|it| (it * 127.0).round()).collect();
        for (values, kind) in values.chunks_exact_mut(32).zip(noise(n / 32, seed + 100)) {
            match kind {
                ..-0.8 => values.fill(0.0),
                ..-0.6 => values.fill(127.0),
                ..-0.4 => values.fill(-127.0),
                _ => values[seed as usize % 32] = 127.0_f32.copysign(kind),
            }
            let scale = if kind.fract() * 1_000.0 % 2.0 < 1.0 { 1.0 } else { 0.5 };
            for value in values {
                *value *= scale;
            }
        }
        values
    }

    #[test]
    fn whole_numbers_in_eight_bits_are_exact_on_every_processor() {
        for processor in Processor::all_here() {
            let mut scratch = Scratch::default();
            for (n_out, n_in) in [(16, 32), (1, 64), (33, 96), (47, 256), (80, 224)] {
                for (seed, n_rows) in (1..).zip(1..40) {
                    let weight = whole_numbers(n_out * n_in, seed);
                    let x = whole_numbers(n_rows * n_in, seed + 1);
                    let matrix = Matrix::new(&weight, n_out, n_in, Precision::EightBits, processor);
                    let mut y = vec![0.0; n_rows * n_out];
                    matrix.apply(&x, &mut y, None, &mut scratch);
                    let expected = expected(&weight, &x, n_in, n_rows, n_in);
                    assert_eq!(y, expected, "{processor:?} {n_out}x{n_in} {n_rows}");
                }
            }
        }
    }
}
