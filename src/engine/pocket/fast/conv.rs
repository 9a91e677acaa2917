//! Causal convolutions on slices, time-major: a stream of rows, `[T, C]`. Knows no whole codec.
//!
//! A causal convolution is a product, whose rows are the last K rows of its input and overlap: the next one begins S rows
//! further on. A transposed one with K = 2 S is a product with the last two rows, whose S outputs for each row lie where they
//! belong.

use crate::nn::conv::ConvShape;
use crate::nn::kernels::keeping::{CONVOLUTION, Keeping};
use crate::nn::kernels::matrix::{Matrix, Scratch};
use crate::nn::kernels::{Processor, elu};
use crate::weights::{Scope, WeightsError};

/// A convolution, transposed or not.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    matrix: Matrix,
    /// Once for each value of a product's row, even where that is several rows.
    bias: Option<Vec<f32>>,
    n_in: usize,
    /// Rows of the past that it needs.
    n_past: usize,
    /// Rows from one product to the next.
    stride: usize,
    /// From one row that a tap stands on to the next.
    dilation: usize,
    kernel: usize,
}

impl Conv {
    /// Loads one, with its bias if it has one.
    pub(super) fn load(
        scope: &Scope<'_>,
        shape: ConvShape,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let ConvShape { n_in, n_out, kernel, stride, dilation } = shape;
        let weight = scope.get("weight", &[n_out, n_in, kernel])?;
        // [n_out, n_in, K] → [n_out, K, n_in]
        let mut rows = vec![0.0; weight.len()];
        let n_row = n_in * kernel;
        for (row, weight) in rows.chunks_exact_mut(n_row).zip(weight.chunks_exact(n_row)) {
            for (tap, row) in row.chunks_exact_mut(n_in).enumerate() {
                for (value, taps) in row.iter_mut().zip(weight.chunks_exact(kernel)) {
                    *value = taps[tap];
                }
            }
        }
        let bias = scope.has("bias").then(|| scope.get("bias", &[n_out])).transpose()?;
        Ok(Self {
            matrix: keeping.matrix([scope.name("weight")], &rows, n_out, n_row, CONVOLUTION),
            bias,
            n_in,
            n_past: (kernel - 1) * dilation + 1 - stride,
            stride,
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
        keeping: &Keeping,
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
            matrix: keeping.matrix(
                [scope.name("weight")],
                &rows,
                stride * n_out,
                2 * n_in,
                CONVOLUTION,
            ),
            bias: Some(bias.repeat(stride)),
            n_in,
            n_past: 1,
            stride: 1,
            dilation: 1,
            kernel: 2,
        })
    }

    /// Values of a row of its input.
    pub(super) fn n_in(&self) -> usize {
        self.n_in
    }

    /// Values of a row of the product, which is several rows where the convolution is transposed.
    pub(super) fn n_out(&self) -> usize {
        self.matrix.n_out()
    }

    /// Products for so many new rows.
    pub(super) fn n_products(&self, n_new: usize) -> usize {
        n_new / self.stride
    }
}

/// `x + wide(ELU(narrow(ELU(x))))`
#[derive(Debug, Clone)]
pub(super) struct Residual {
    pub(super) narrow: Conv,
    /// With one tap.
    pub(super) wide: Conv,
}

impl Residual {
    /// Adds to rows what is made of them: the first is the product `first`, and the input has them behind their ELU.
    pub(super) fn add(
        &self,
        input: &Input,
        first: usize,
        x: &mut [f32],
        room: &mut Room,
        processor: Processor,
    ) {
        let n_narrow = x.len() / self.wide.n_out() * self.narrow.n_out();
        let (mut narrowed, mut bent) =
            (std::mem::take(&mut room.narrowed), std::mem::take(&mut room.bent));
        narrowed.resize(n_narrow, 0.0);
        bent.resize(n_narrow, 0.0);
        input.multiply(&self.narrow, first, &mut narrowed, room);
        elu(processor, &narrowed, &mut bent);
        self.wide.matrix.add(&bent, x, self.wide.bias.as_deref(), &mut room.scratch);
        (room.narrowed, room.bent) = (narrowed, bent);
    }
}

/// Room that one thread works in.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// Where taps do not stand on neighbours: the rows that they stand on.
    gathered: Vec<f32>,
    narrowed: Vec<f32>,
    bent: Vec<f32>,
    scratch: Scratch,
}

/// A convolution's input: rows of the past, and behind them room for new ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    rows: Vec<f32>,
}

impl Input {
    /// The rows of the past stay; returns the room for `n_new` new ones. There is silence before the first.
    pub(super) fn room(&mut self, conv: &Conv, n_new: usize) -> &mut [f32] {
        self.rows.resize((conv.n_past + n_new) * conv.n_in, 0.0);
        &mut self.rows[conv.n_past * conv.n_in..]
    }

    /// The first new row becomes all of the past.
    pub(super) fn repeat_first(&mut self, conv: &Conv) {
        let (past, new) = self.rows.split_at_mut(conv.n_past * conv.n_in);
        for row in past.chunks_exact_mut(conv.n_in) {
            row.copy_from_slice(&new[..conv.n_in]);
        }
    }

    /// Makes as many products, `[n_products, n_out]`, as `y` has room for, from the product `first` on.
    pub(super) fn multiply(&self, conv: &Conv, first: usize, y: &mut [f32], room: &mut Room) {
        let n_products = y.len() / conv.n_out();
        let (n_row, bias) = (conv.stride * conv.n_in, conv.bias.as_deref());
        let rows = &self.rows[first * n_row..];
        if conv.dilation == 1 {
            conv.matrix.apply_strided(rows, n_products, n_row, y, bias, &mut room.scratch);
            return;
        }
        room.gathered.clear();
        for product in 0..n_products {
            for tap in 0..conv.kernel {
                let at = product * n_row + tap * conv.dilation * conv.n_in;
                room.gathered.extend_from_slice(&rows[at..at + conv.n_in]);
            }
        }
        conv.matrix.apply(&room.gathered, y, bias, &mut room.scratch);
    }

    /// What is new becomes the past, as far as it is needed.
    pub(super) fn advance(&mut self, conv: &Conv) {
        let n_past = conv.n_past * conv.n_in;
        let end = self.rows.len();
        self.rows.copy_within(end - n_past.., 0);
    }
}
