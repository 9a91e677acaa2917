//! The product by AVX-512 and VNNI, which multiplies four unsigned bytes with four signed ones and adds all of it to a sum.

use std::arch::x86_64::{
    __m256i, __m512, _mm512_castsi256_si512, _mm512_cvtepi32_ps, _mm512_cvtph_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_inserti64x4, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};

use super::avx2::{prefetch, scales_bits};
use super::{Activations, Out, PANEL, QUAD, Quantised, Rows, TILE, quantise_tiles};
use crate::nn::kernels::panels::avx512::floats;
use crate::nn::kernels::tiling::{tiles, with_rows};

/// Rows that are multiplied together: two registers for each of 32, one of whole numbers and one of floats.
const ROWS: usize = 12;

/// Brings rows to 8 bits for [`multiply`].
#[inline(always)]
pub(in super::super) fn quantise(x: &Rows<'_>, activations: &mut Activations) {
    quantise_tiles::<ROWS>(x, activations);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(in super::super) fn multiply(matrix: &Quantised, x: &Activations, y: &mut Out<'_>) {
    let n_panels = matrix.tiles.len() / (matrix.n_blocks * TILE);
    for panel in 0..n_panels {
        for (first, n) in tiles::<ROWS>(x.n_rows) {
            with_rows!(n, [1 2 3 4 5 6 7 8 9 10 11 12], rows::<R>(matrix, x, panel, first, y));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn rows<const R: usize>(
    matrix: &Quantised,
    x: &Activations,
    panel: usize,
    first: usize,
    y: &mut Out<'_>,
) {
    let sums = products::<R>(matrix, x, panel, first);
    for (r, sums) in sums.iter().enumerate() {
        y.take(first + r, panel, &floats(*sums));
    }
}

/// By value, and by itself: beside whatever takes them, the sums would be kept in memory and not in registers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn products<const R: usize>(
    matrix: &Quantised,
    x: &Activations,
    panel: usize,
    first: usize,
) -> [__m512; R] {
    let n_blocks = matrix.n_blocks;
    let begin = panel * n_blocks;
    let tiles = &matrix.tiles[begin * TILE..(begin + n_blocks) * TILE];
    // All of one length that is known, so that the loop need not ask.
    let tiles = &tiles.as_chunks::<TILE>().0[..n_blocks];
    let scales = &matrix.scales[begin..][..n_blocks];
    let rows = x.tile::<R>(first, n_blocks);
    let mut sums = [_mm512_setzero_ps(); R];
    for idx in 0..n_blocks {
        if R == 1 {
            prefetch(&matrix.tiles, (begin + idx) * TILE);
        }
        let mut whole = [_mm512_setzero_si512(); R];
        for r in 0..R {
            whole[r] = _mm512_set1_epi32(rows.starts[idx][r]);
        }
        for (quad, weights) in tiles[idx].as_chunks::<{ PANEL * QUAD }>().0.iter().enumerate() {
            let [low, high]: [__m256i; 2] = bytemuck::pod_read_unaligned(weights);
            let weights = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
            for r in 0..R {
                let four = _mm512_set1_epi32(rows.blocks[idx][r][quad]);
                whole[r] = _mm512_dpbusd_epi32(whole[r], weights, four);
            }
        }
        let scales = _mm512_cvtph_ps(bytemuck::cast(*scales_bits(&scales[idx])));
        for r in 0..R {
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(rows.scales[idx][r]));
            sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[r]), scale, sums[r]);
        }
    }
    sums
}
