//! Products with matrices in 8 bits: blocks of [`BLOCK`] values share a scale, as in GGML's `Q8_0`.
//!
//! Values lie as `[n_out / 16, n_in / 32, 8, 16, 4]`: what four neighbouring values of a row are multiplied with lies side by
//! side for sixteen outputs. They are stored as unsigned bytes, 128 too large, for the instructions that want one factor
//! so.

use half::f16;

use super::panels::{Out, PANEL, Rows};
use super::{Processor, pack_quantised};

/// Values that share a scale.
pub(super) const BLOCK: usize = 32;

/// Neighbouring values of a row that are multiplied together.
const QUAD: usize = 4;

const QUADS: usize = BLOCK / QUAD;

/// The bytes of one block of one panel.
const TILE: usize = PANEL * BLOCK;

/// What makes a signed byte of an unsigned one.
const OFFSET: i32 = 128;

/// Adding and taking away this number rounds to the next whole one.
const ROUNDER: f32 = 12_582_912.0;

/// A zero as it is stored.
const ZERO: u8 = 128;

/// A matrix in 8 bits.
#[derive(Debug, Clone)]
pub(crate) struct Quantised {
    tiles: Vec<u8>,
    /// `[n_out / 16, n_in / 32, 16]`
    scales: Vec<[f16; PANEL]>,
    n_blocks: usize,
}

/// Rows in 8 bits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activations {
    /// `[n_rows, n_in / 32]`, four bytes in one number, as they lie in memory.
    blocks: Vec<[i32; QUADS]>,
    scales: Vec<f32>,
    n_rows: usize,
}

/// Whether a matrix with rows of `n_in` values can be had in 8 bits.
pub(super) fn fits(n_in: usize) -> bool {
    n_in > 0 && n_in.is_multiple_of(BLOCK)
}

impl Quantised {
    /// Brings a matrix, `[n_out, n_in]`, to 8 bits.
    pub(super) fn new(weight: &[f32], n_out: usize, n_in: usize, processor: Processor) -> Self {
        let (n_panels, n_blocks) = (n_out.div_ceil(PANEL), n_in / BLOCK);
        let mut matrix = Self {
            tiles: vec![ZERO; n_panels * n_blocks * TILE],
            scales: vec![[f16::ZERO; PANEL]; n_panels * n_blocks],
            n_blocks,
        };
        pack_quantised(processor, weight, &mut matrix);
        matrix
    }
}

/// Brings the rows of a matrix to 8 bits and puts them into their tiles.
#[inline(always)]
pub(super) fn pack(weight: &[f32], matrix: &mut Quantised) {
    let n_in = matrix.n_blocks * BLOCK;
    let tiles = matrix.tiles.as_chunks_mut::<TILE>().0.chunks_exact_mut(matrix.n_blocks);
    let scales = matrix.scales.chunks_exact_mut(matrix.n_blocks);
    for (rows, (tiles, scales)) in weight.chunks(PANEL * n_in).zip(tiles.zip(scales)) {
        for (out, row) in rows.chunks_exact(n_in).enumerate() {
            let blocks = row.as_chunks::<BLOCK>().0.iter();
            for ((values, tile), scales) in blocks.zip(tiles.iter_mut()).zip(scales.iter_mut()) {
                let largest = values.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
                // The scale as it is stored, so that rounding it is not one more error.
                let scale = f16::from_f32(largest / 127.0);
                scales[out] = scale;
                let scale = scale.to_f32();
                let factor = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                let mut bytes = [ZERO; BLOCK];
                for (byte, value) in bytes.iter_mut().zip(values) {
                    let rounded = ((value * factor).clamp(-127.0, 127.0) + ROUNDER) - ROUNDER;
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "1 to 255"
                    )]
                    let unsigned = (rounded as i32 + OFFSET) as u8;
                    *byte = unsigned;
                }
                for (quad, bytes) in bytes.as_chunks::<QUAD>().0.iter().enumerate() {
                    tile.as_chunks_mut::<QUAD>().0[quad * PANEL + out] = *bytes;
                }
            }
        }
    }
}

/// Brings rows to 8 bits.
#[inline(always)]
pub(super) fn quantise(x: &Rows<'_>, activations: &mut Activations) {
    activations.blocks.clear();
    activations.scales.clear();
    activations.n_rows = x.n_rows;
    for row in 0..x.n_rows {
        for values in x.row(row).as_chunks::<BLOCK>().0 {
            let largest = values.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
            let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            let mut block = [0_i8; BLOCK];
            for (byte, value) in block.iter_mut().zip(values) {
                #[expect(clippy::cast_possible_truncation, reason = "-127 to 127")]
                let rounded = ((value * factor + ROUNDER) - ROUNDER) as i32 as i8;
                *byte = rounded;
            }
            activations.blocks.push(bytemuck::cast(block));
            activations.scales.push(largest / 127.0);
        }
    }
}

/// The product in plain Rust.
#[inline(always)]
pub(super) fn multiply(matrix: &Quantised, x: &Activations, y: &mut Out<'_>) {
    let n_blocks = matrix.n_blocks;
    let panels = matrix.tiles.chunks_exact(n_blocks * TILE);
    for (panel, (tiles, scales)) in panels.zip(matrix.scales.chunks_exact(n_blocks)).enumerate() {
        for row in 0..x.n_rows {
            let blocks = &x.blocks[row * n_blocks..(row + 1) * n_blocks];
            let x_scales = &x.scales[row * n_blocks..(row + 1) * n_blocks];
            let mut sums = [0.0; PANEL];
            for (((tile, scales), block), x_scale) in
                tiles.as_chunks::<TILE>().0.iter().zip(scales).zip(blocks).zip(x_scales)
            {
                let mut whole = [0_i32; PANEL];
                for (quad, four) in tile.as_chunks::<{ PANEL * QUAD }>().0.iter().zip(block) {
                    let x: [i8; QUAD] = bytemuck::cast(*four);
                    for (sum, weights) in whole.iter_mut().zip(quad.as_chunks::<QUAD>().0) {
                        for (weight, x) in weights.iter().zip(x) {
                            *sum += (i32::from(*weight) - OFFSET) * i32::from(x);
                        }
                    }
                }
                for ((sum, whole), scale) in sums.iter_mut().zip(&whole).zip(scales) {
                    *sum += *whole as f32 * (scale.to_f32() * x_scale);
                }
            }
            y.take(row, panel, &sums);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use multiply as multiply_avx2;

#[cfg(target_arch = "x86_64")]
pub(super) use by_hand::multiply_avx2;

#[cfg(target_arch = "x86_64")]
mod by_hand {
    use std::arch::x86_64::{
        __m128i, __m256, __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_abs_epi8, _mm256_add_epi32,
        _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_madd_epi16,
        _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16,
        _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
        _mm256_sign_epi8, _mm256_xor_si256,
    };

    use super::{Activations, Out, PANEL, QUAD, QUADS, Quantised, TILE};

    /// Outputs in one register.
    const HALF: usize = PANEL / 2;

    /// How far ahead of the product the weights are fetched: they come from memory once for each step.
    const AHEAD_BYTES: usize = 4_096;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(in super::super) fn multiply_avx2(matrix: &Quantised, x: &Activations, y: &mut Out<'_>) {
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
                prefetch(&matrix.tiles, (begin + idx) * TILE + AHEAD_BYTES);
            }
            let mut values = [&blocks[0][idx]; R];
            for r in 1..R {
                values[r] = &blocks[r][idx];
            }
            for half in 0..2 {
                let whole = block::<R>(tile, half, &values);
                let bytes: &[u8; 32] = bytemuck::cast_ref(scales_bits(scales));
                let eight: __m128i =
                    bytemuck::pod_read_unaligned(&bytes[half * 16..half * 16 + 16]);
                let eight = _mm256_cvtph_ps(eight);
                for r in 0..R {
                    let scale = _mm256_mul_ps(eight, _mm256_set1_ps(x_scales[r][idx]));
                    sums[r][half] =
                        _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[r]), scale, sums[r][half]);
                }
            }
        }
        for (r, halves) in sums.iter().enumerate() {
            let products: [f32; PANEL] = bytemuck::cast::<[__m256; 2], _>(*halves);
            y.take(first + r, panel, &products);
        }
    }

    fn scales_bits(scales: &[half::f16; PANEL]) -> &[u16; PANEL] {
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

    #[inline]
    #[target_feature(enable = "avx2")]
    fn prefetch(bytes: &[u8], at: usize) {
        if let Some(ahead) = bytes.get(at..at + TILE) {
            for line in ahead.as_chunks::<64>().0 {
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
            }
        }
    }
}
