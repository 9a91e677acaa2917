//! Causal convolutions on slices, time-major: a stream of rows, `[T, C]`.
//!
//! A causal convolution is a product, whose rows are the last K rows of its input and overlap; a transposed one with
//! K = 2 S is a product with the last two rows, whose S outputs for each row lie where they belong. Knows no model.

use crate::nn::kernels::Processor;
use crate::nn::kernels::matrix::{Matrix, Precision, Scratch};
use crate::weights::{Scope, WeightsError};

/// A convolution, transposed or not.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    pub(super) matrix: Matrix,
    /// Once for each output row, even where one row of the product is several.
    pub(super) bias: Vec<f32>,
    n_in: usize,
    /// Rows of the past that it needs.
    n_past: usize,
    /// From one row that a tap stands on to the next.
    dilation: usize,
    kernel: usize,
}

impl Conv {
    pub(super) fn load(
        scope: &Scope<'_>,
        n_in: usize,
        n_out: usize,
        kernel: usize,
        dilation: usize,
        precision: Precision,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let weight = scope.get("weight", &[n_out, n_in, kernel])?;
        // [n_out, n_in, K] → [n_out, K, n_in]
        let mut rows = vec![0.0; weight.len()];
        for (row, weight) in
            rows.chunks_exact_mut(n_in * kernel).zip(weight.chunks_exact(n_in * kernel))
        {
            for (at, value) in row.iter_mut().enumerate() {
                *value = weight[at % n_in * kernel + at / n_in];
            }
        }
        let bias = if scope.has("bias") { scope.get("bias", &[n_out])? } else { vec![0.0; n_out] };
        Ok(Self {
            matrix: Matrix::new(&rows, n_out, n_in * kernel, precision, processor),
            bias,
            n_in,
            n_past: (kernel - 1) * dilation,
            dilation,
            kernel,
        })
    }

    /// One whose kernel is twice its stride: each row out is made of two rows in.
    pub(super) fn transposed(
        scope: &Scope<'_>,
        n_in: usize,
        n_out: usize,
        stride: usize,
        precision: Precision,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let kernel = 2 * stride;
        let weight = scope.get("weight", &[n_in, n_out, kernel])?;
        let bias = scope.get("bias", &[n_out])?;
        let mut rows = vec![0.0; weight.len()];
        for (idx, row) in rows.chunks_exact_mut(2 * n_in).enumerate() {
            let (step, out) = (idx / n_out, idx % n_out);
            let (before, now) = row.split_at_mut(n_in);
            for (channel, (before, now)) in before.iter_mut().zip(now).enumerate() {
                let taps = &weight[(channel * n_out + out) * kernel..][..kernel];
                (*before, *now) = (taps[step + stride], taps[step]);
            }
        }
        Ok(Self {
            matrix: Matrix::new(&rows, stride * n_out, 2 * n_in, precision, processor),
            bias: bias.repeat(stride),
            n_in,
            n_past: 1,
            dilation: 1,
            kernel: 2,
        })
    }
}

/// A convolution's input: rows of the past, and behind them room for new ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    rows: Vec<f32>,
    /// Where taps do not stand on neighbours: the rows that they stand on.
    gathered: Vec<f32>,
}

impl Input {
    /// The rows of the past stay; returns the room for `n_new` new ones.
    pub(super) fn room(&mut self, conv: &Conv, n_new: usize) -> &mut [f32] {
        self.rows.resize((conv.n_past + n_new) * conv.n_in, 0.0);
        &mut self.rows[conv.n_past * conv.n_in..]
    }

    /// Runs the rows that were put into the room, `[n_new, n_in]`.
    pub(super) fn run(
        &mut self,
        conv: &Conv,
        n_new: usize,
        y: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        y.resize(n_new * conv.matrix.n_out(), 0.0);
        if conv.dilation == 1 {
            conv.matrix.apply_strided(&self.rows, n_new, conv.n_in, y, Some(&conv.bias), scratch);
        } else {
            self.gathered.clear();
            for row in 0..n_new {
                for tap in 0..conv.kernel {
                    let at = (row + tap * conv.dilation) * conv.n_in;
                    self.gathered.extend_from_slice(&self.rows[at..at + conv.n_in]);
                }
            }
            conv.matrix.apply(&self.gathered, y, Some(&conv.bias), scratch);
        }
        let n_past = conv.n_past * conv.n_in;
        let end = self.rows.len();
        self.rows.copy_within(end - n_past.., 0);
    }
}
