//! The product by AVX2, which multiplies unsigned bytes with signed ones into pairs.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_xor_si256,
};

use super::{Activations, Out, PANEL, QUAD, QUADS, Quantised, TILE};

/// Outputs in one register.
const HALF: usize = PANEL / 2;

/// How far ahead of the product the weights are fetched: they come from memory once for each step.
const AHEAD_BYTES: usize = 4_096;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) fn multiply(matrix: &Quantised, x: &Activations, y: &mut Out<'_>) {
    let n_panels = matrix.tiles.len() / (matrix.n_blocks * TILE);
    for panel in 0..n_panels {
        let mut row = 0;
        while row + 4 <= x.n_rows {
            rows::<4>(matrix, x, panel, row, y);
            row += 4;
        }
        if row + 2 <= x.n_rows {
            rows::<2>(matrix, x, panel, row, y);
            row += 2;
        }
        if row < x.n_rows {
            rows::<1>(matrix, x, panel, row, y);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn rows<const R: usize>(
    matrix: &Quantised,
    x: &Activations,
    panel: usize,
    first: usize,
    y: &mut Out<'_>,
) {
    let n_blocks = matrix.n_blocks;
    let begin = panel * n_blocks;
    let tiles = &matrix.tiles[begin * TILE..(begin + n_blocks) * TILE];
    let scales = &matrix.scales[begin..begin + n_blocks];
    let part = |r: usize| (first + r) * n_blocks..(first + r + 1) * n_blocks;
    let mut blocks: [&[[i32; QUADS]]; R] = [&[]; R];
    let mut x_scales: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        blocks[r] = &x.blocks[part(r)];
        x_scales[r] = &x.scales[part(r)];
    }
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for (idx, (tile, scales)) in tiles.as_chunks::<TILE>().0.iter().zip(scales).enumerate() {
        if R == 1 {
            prefetch(&matrix.tiles, (begin + idx) * TILE);
        }
        let mut values = [&blocks[0][idx]; R];
        for r in 1..R {
            values[r] = &blocks[r][idx];
        }
        for half in 0..2 {
            let whole = block::<R>(tile, half, &values);
            let bytes: &[u8; 32] = bytemuck::cast_ref(scales_bits(scales));
            let eight: __m128i = bytemuck::pod_read_unaligned(&bytes[half * 16..half * 16 + 16]);
            let eight = _mm256_cvtph_ps(eight);
            for r in 0..R {
                let scale = _mm256_mul_ps(eight, _mm256_set1_ps(x_scales[r][idx]));
                sums[r][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[r]), scale, sums[r][half]);
            }
        }
    }
    for (r, halves) in sums.iter().enumerate() {
        let products: [f32; PANEL] = bytemuck::cast::<[__m256; 2], _>(*halves);
        y.take(first + r, panel, &products);
    }
}

pub(super) fn scales_bits(scales: &[half::f16; PANEL]) -> &[u16; PANEL] {
    bytemuck::cast_ref(scales)
}

/// Whole products of one block with one half of a panel.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn block<const R: usize>(
    tile: &[u8; TILE],
    half: usize,
    values: &[&[i32; QUADS]; R],
) -> [__m256i; R] {
    let (sign_bit, ones) = (_mm256_set1_epi8(-128), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_si256(); R];
    for quad in 0..QUADS {
        let at = quad * PANEL * QUAD + half * HALF * QUAD;
        let weights: __m256i = bytemuck::pod_read_unaligned(&tile[at..at + HALF * QUAD]);
        let weights = _mm256_xor_si256(weights, sign_bit);
        for r in 0..R {
            let four = _mm256_set1_epi32(values[r][quad]);
            let unsigned = _mm256_abs_epi8(four);
            // The one factor has to be unsigned: the other one takes its sign. Two products of 127 fit into 16 bits.
            let pairs = _mm256_maddubs_epi16(unsigned, _mm256_sign_epi8(weights, four));
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, ones));
        }
    }
    sums
}

/// Fetches what the product will come to.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn prefetch(tiles: &[u8], at: usize) {
    if let Some(ahead) = tiles.get(at + AHEAD_BYTES..at + AHEAD_BYTES + TILE) {
        for line in ahead.as_chunks::<64>().0 {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
}
