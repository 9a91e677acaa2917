//! Products with matrices of floats, in panels of [`PANEL`] outputs.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use super::MulAdd;

/// Outputs that lie side by side.
pub(super) const PANEL: usize = 16;

/// Rows of a product that are handled together; what is left over is handled one by one, and by twos.
const ROWS: usize = 4;

/// Rows for which a panel is read once: they stay in a core's cache beside it, and the matrix comes from further away only
/// once for all of them.
const GROUP: usize = 24;

/// Rows that are multiplied: each of `n_in` values, the next one `stride` values further on. They may overlap, as those of a
/// convolution do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) n_rows: usize,
    pub(super) n_in: usize,
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// `n_rows` rows.
    pub(crate) fn new(values: &'a [f32], n_rows: usize, n_in: usize, stride: usize) -> Self {
        assert!(n_rows == 0 || (n_rows - 1) * stride + n_in <= values.len(), "rows beyond the end");
        Self { values, n_rows, n_in, stride }
    }

    #[inline(always)]
    pub(super) fn row(&self, idx: usize) -> &'a [f32] {
        &self.values[idx * self.stride..idx * self.stride + self.n_in]
    }
}

/// Where a product goes: rows of `n_out` values, one after the other.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) n_out: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) is_added: bool,
}

impl<'a> Out<'a> {
    /// Replaces what is there.
    pub(crate) fn replacing(values: &'a mut [f32], n_out: usize, bias: Option<&'a [f32]>) -> Self {
        Self { values, n_out, bias, is_added: false }
    }

    /// Is added to what is there.
    pub(crate) fn adding(values: &'a mut [f32], n_out: usize, bias: Option<&'a [f32]>) -> Self {
        Self { values, n_out, bias, is_added: true }
    }

    /// Takes the products of one row with one panel.
    #[inline(always)]
    pub(super) fn take(&mut self, row: usize, panel: usize, products: &[f32; PANEL]) {
        let first = panel * PANEL;
        let n = PANEL.min(self.n_out - first);
        let at = row * self.n_out + first;
        let out = &mut self.values[at..at + n];
        let bias = self.bias.map(|bias| &bias[first..first + n]);
        // Of a length that is known, but for the last panel: it takes longer to ask than to copy.
        if let Ok(out) = <&mut [f32; PANEL]>::try_from(&mut *out) {
            let mut sums = *products;
            if let Some(bias) = bias.and_then(|bias| bias.first_chunk::<PANEL>()) {
                for (sum, bias) in sums.iter_mut().zip(bias) {
                    *sum += bias;
                }
            }
            if self.is_added {
                for (sum, out) in sums.iter_mut().zip(&*out) {
                    *sum += out;
                }
            }
            *out = sums;
            return;
        }
        for (idx, (out, sum)) in out.iter_mut().zip(products).enumerate() {
            let sum = sum + bias.map_or(0.0, |bias| bias[idx]);
            *out = if self.is_added { *out + sum } else { sum };
        }
    }
}

/// Puts a matrix, `[n_out, n_in]`, into panels: `[n_out / PANEL, n_in, PANEL]`, with zeros where there is no output.
pub(super) fn pack(weight: &[f32], n_out: usize, n_in: usize) -> Vec<f32> {
    let mut panels = vec![0.0; n_out.div_ceil(PANEL) * n_in * PANEL];
    let rows = weight.chunks(PANEL * n_in);
    for (rows, panel) in rows.zip(panels.chunks_exact_mut(n_in * PANEL)) {
        // From all rows at once: from one after the other the panel would come out of memory for each.
        for (k, outs) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            for (out, row) in outs.iter_mut().zip(rows.chunks_exact(n_in)) {
                *out = row[k];
            }
        }
    }
    panels
}

#[inline(always)]
pub(super) fn multiply<A: MulAdd>(panels: &[f32], x: &Rows<'_>, y: &mut Out<'_>) {
    for first in (0..x.n_rows).step_by(GROUP) {
        let end = x.n_rows.min(first + GROUP);
        for (idx, panel) in panels.chunks_exact(x.n_in * PANEL).enumerate() {
            let mut row = first;
            while row + ROWS <= end {
                several::<A, ROWS>(panel, idx, x, row, y);
                row += ROWS;
            }
            if row + 2 <= end {
                several::<A, 2>(panel, idx, x, row, y);
                row += 2;
            }
            if row < end {
                one::<A>(panel, idx, x.row(row), row, y);
            }
        }
    }
}

#[inline(always)]
fn several<A: MulAdd, const R: usize>(
    panel: &[f32],
    idx: usize,
    x: &Rows<'_>,
    first: usize,
    y: &mut Out<'_>,
) {
    let sums = products::<A, R>(panel, x, first);
    for (r, sums) in sums.iter().enumerate() {
        y.take(first + r, idx, sums);
    }
}

/// By value, and by itself: beside whatever takes them, the sums would be kept in memory and not in registers.
#[inline(always)]
fn products<A: MulAdd, const R: usize>(
    panel: &[f32],
    x: &Rows<'_>,
    first: usize,
) -> [[f32; PANEL]; R] {
    let panel = panel.as_chunks::<PANEL>().0;
    // All of one length that is known to be the panel's, so that the inner loop need not ask.
    let mut rows: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &x.row(first + r)[..panel.len()];
    }
    let mut sums = [[0.0; PANEL]; R];
    for (k, weights) in panel.iter().enumerate() {
        for r in 0..R {
            let x = rows[r][k];
            for (sum, weight) in sums[r].iter_mut().zip(weights) {
                *sum = A::mul_add(x, *weight, *sum);
            }
        }
    }
    sums
}

#[inline(always)]
fn one<A: MulAdd>(panel: &[f32], idx: usize, x: &[f32], row: usize, y: &mut Out<'_>) {
    // Even and odd positions by themselves: else each sum would wait for the one before.
    let mut sums = [[0.0; PANEL]; 2];
    let (pairs, last) = panel.as_chunks::<{ 2 * PANEL }>();
    let (x_pairs, x_last) = x.as_chunks::<2>();
    for (weights, x) in pairs.iter().zip(x_pairs) {
        for half in 0..2 {
            for (sum, weight) in sums[half].iter_mut().zip(&weights[half * PANEL..]) {
                *sum = A::mul_add(x[half], *weight, *sum);
            }
        }
    }
    for (weights, x) in last.as_chunks::<PANEL>().0.iter().zip(x_last) {
        for (sum, weight) in sums[0].iter_mut().zip(weights) {
            *sum = A::mul_add(*x, *weight, *sum);
        }
    }
    let mut total = [0.0; PANEL];
    for (total, (even, odd)) in total.iter_mut().zip(sums[0].iter().zip(&sums[1])) {
        *total = even + odd;
    }
    y.take(row, idx, &total);
}
