//! The product by AVX-512: two panels at once, so that a row's value that was loaded serves two products.

use std::arch::x86_64::{
    __m256, __m512, _mm512_castps256_ps512, _mm512_castps512_ps256, _mm512_extractf32x8_ps,
    _mm512_fmadd_ps, _mm512_insertf32x8, _mm512_set1_ps, _mm512_setzero_ps,
};

use super::{GROUP, Out, PANEL, Rows};
use crate::nn::kernels::tiling::{tiles, with_rows};

/// Rows that are multiplied together: each wants an address of its own, of which there are 16.
const ROWS: usize = 8;

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(in super::super) fn multiply(panels: &[f32], x: &Rows<'_>, y: &mut Out<'_>) {
    let n_panel = x.n_in * PANEL;
    for begin in (0..x.n_rows).step_by(GROUP) {
        let n_rows = GROUP.min(x.n_rows - begin);
        for (idx, pair) in panels.chunks(2 * n_panel).enumerate() {
            let (one, other) = pair.split_at(n_panel);
            let (one, other) = (one.as_chunks::<PANEL>().0, other.as_chunks::<PANEL>().0);
            for (first, n) in tiles::<ROWS>(n_rows) {
                let first = begin + first;
                if other.is_empty() {
                    with_rows!(n, [1 2 3 4 5 6 7 8], rows::<R, 1>([one], 2 * idx, x, first, y));
                } else {
                    let both = [one, other];
                    with_rows!(n, [1 2 3 4 5 6 7 8], rows::<R, 2>(both, 2 * idx, x, first, y));
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn rows<const R: usize, const P: usize>(
    panels: [&[[f32; PANEL]]; P],
    idx: usize,
    x: &Rows<'_>,
    first: usize,
    y: &mut Out<'_>,
) {
    let sums = products::<R, P>(panels, x, first);
    for (r, sums) in sums.iter().enumerate() {
        for (p, sums) in sums.iter().enumerate() {
            y.take(first + r, idx + p, &floats(*sums));
        }
    }
}

/// Of some rows with one or two panels.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn products<const R: usize, const P: usize>(
    mut panels: [&[[f32; PANEL]]; P],
    x: &Rows<'_>,
    first: usize,
) -> [[__m512; P]; R] {
    // All of one length that is known, so that the inner loop need not ask.
    let n_in = x.n_in;
    for panel in &mut panels {
        *panel = &panel[..n_in];
    }
    let mut rows: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &x.row(first + r)[..n_in];
    }
    let mut sums = [[_mm512_setzero_ps(); P]; R];
    for k in 0..n_in {
        let mut weights = [_mm512_setzero_ps(); P];
        for p in 0..P {
            weights[p] = register(&panels[p][k]);
        }
        for r in 0..R {
            let x = _mm512_set1_ps(rows[r][k]);
            for p in 0..P {
                sums[r][p] = _mm512_fmadd_ps(x, weights[p], sums[r][p]);
            }
        }
    }
    sums
}

/// By halves, which the compiler puts together: a whole one cannot be cast.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn register(floats: &[f32; PANEL]) -> __m512 {
    let [low, high]: [__m256; 2] = bytemuck::cast(*floats);
    _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
}

/// The way back.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(in super::super) fn floats(register: __m512) -> [f32; PANEL] {
    bytemuck::cast([_mm512_castps512_ps256(register), _mm512_extractf32x8_ps::<1>(register)])
}
