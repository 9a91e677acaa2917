//! The product by AVX-VNNI, which multiplies four unsigned bytes with four signed ones and adds all of it to a sum.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_dpbusd_avx_epi32,
    _mm256_fmadd_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256,
};

use super::avx2::{prefetch, scales_bits};
use super::{Activations, Out, PANEL, QUAD, QUADS, Quantised, Rows, TILE, quantise_tiles};
use crate::nn::kernels::tiling::{tiles, with_rows};

/// Rows that are multiplied together: of 16 registers two for each row's sums, and one for its whole numbers.
const ROWS: usize = 4;

/// Bytes of a panel's quad that fit into one register.
const HALF: usize = PANEL * QUAD / 2;

/// Brings rows to 8 bits for [`multiply`].
#[inline(always)]
pub(in super::super) fn quantise(x: &Rows<'_>, activations: &mut Activations) {
    quantise_tiles::<ROWS>(x, activations);
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
pub(in super::super) fn multiply(matrix: &Quantised, x: &Activations, y: &mut Out<'_>) {
    let n_panels = matrix.tiles.len() / (matrix.n_blocks * TILE);
    for panel in 0..n_panels {
        for (first, n) in tiles::<ROWS>(x.n_rows) {
            with_rows!(n, [1 2 3 4], rows::<R>(matrix, x, panel, first, y));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn rows<const R: usize>(
    matrix: &Quantised,
    x: &Activations,
    panel: usize,
    first: usize,
    y: &mut Out<'_>,
) {
    let sums = products::<R>(matrix, x, panel, first);
    for (r, halves) in sums.iter().enumerate() {
        let products: [f32; PANEL] = bytemuck::cast(*halves);
        y.take(first + r, panel, &products);
    }
}

/// By value, and by itself: beside whatever takes them, the sums would be kept in memory and not in registers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn products<const R: usize>(
    matrix: &Quantised,
    x: &Activations,
    panel: usize,
    first: usize,
) -> [[__m256; 2]; R] {
    let n_blocks = matrix.n_blocks;
    let begin = panel * n_blocks;
    let tiles = &matrix.tiles[begin * TILE..(begin + n_blocks) * TILE];
    // All of one length that is known, so that the loop need not ask.
    let tiles = &tiles.as_chunks::<TILE>().0[..n_blocks];
    let scales = &matrix.scales[begin..][..n_blocks];
    let rows = x.tile::<R>(first, n_blocks);
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for idx in 0..n_blocks {
        if R == 1 {
            prefetch(&matrix.tiles, (begin + idx) * TILE);
        }
        let eights: [__m128i; 2] = bytemuck::cast(*scales_bits(&scales[idx]));
        for half in 0..2 {
            let whole = block::<R>(&tiles[idx], half, &rows.blocks[idx], &rows.starts[idx]);
            let eight = _mm256_cvtph_ps(eights[half]);
            for r in 0..R {
                let scale = _mm256_mul_ps(eight, _mm256_set1_ps(rows.scales[idx][r]));
                sums[r][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[r]), scale, sums[r][half]);
            }
        }
    }
    sums
}

/// Whole products of one block with one half of a panel.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn block<const R: usize>(
    tile: &[u8; TILE],
    half: usize,
    blocks: &[[i32; QUADS]; R],
    starts: &[i32; R],
) -> [__m256i; R] {
    let mut sums = [_mm256_setzero_si256(); R];
    for r in 0..R {
        sums[r] = _mm256_set1_epi32(starts[r]);
    }
    for quad in 0..QUADS {
        let weights: &[u8; HALF] = &tile.as_chunks::<HALF>().0[2 * quad + half];
        let weights: __m256i = bytemuck::pod_read_unaligned(weights);
        for r in 0..R {
            sums[r] = _mm256_dpbusd_avx_epi32(sums[r], weights, _mm256_set1_epi32(blocks[r][quad]));
        }
    }
    sums
}
