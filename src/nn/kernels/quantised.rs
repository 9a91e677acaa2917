//! Products with matrices in 8 bits: blocks of [`BLOCK`] values share a scale, as in GGML's `Q8_0`.
//!
//! Values lie as `[n_out / 16, n_in / 32, 8, 16, 4]`: what four neighbouring values of a row are multiplied with lies side by
//! side for sixteen outputs. They are stored as unsigned bytes, 128 too large, for the instructions that want one factor
//! so.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx_vnni;

use half::f16;

use super::panels::{Out, PANEL, Rows};
#[cfg(target_arch = "x86_64")]
use super::tiling::tiles;
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
///
/// They lie in tiles, of one row or of as many as the processor multiplies together: `[n_in / 32, rows of the tile]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activations {
    /// Four bytes in one number, as they lie in memory.
    blocks: Vec<[i32; QUADS]>,
    scales: Vec<f32>,
    /// What sums of products with unsigned weights begin with, so that these become signed. Empty where nobody asks.
    starts: Vec<i32>,
    n_rows: usize,
}

/// Rows that are multiplied together: for each block what all of them have.
#[cfg(target_arch = "x86_64")]
struct Tile<'a, const R: usize> {
    blocks: &'a [[[i32; QUADS]; R]],
    scales: &'a [[f32; R]],
    starts: &'a [[i32; R]],
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

impl Activations {
    fn clear(&mut self, n_rows: usize) {
        self.blocks.clear();
        self.scales.clear();
        self.starts.clear();
        self.n_rows = n_rows;
    }

    /// The tile of `R` rows that begins with a row.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn tile<const R: usize>(&self, first: usize, n_blocks: usize) -> Tile<'_, R> {
        let part = first * n_blocks..(first + R) * n_blocks;
        Tile {
            blocks: &self.blocks[part.clone()].as_chunks().0[..n_blocks],
            scales: &self.scales[part.clone()].as_chunks().0[..n_blocks],
            starts: &self.starts[part].as_chunks().0[..n_blocks],
        }
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

/// Brings rows to 8 bits, each by itself.
#[inline(always)]
pub(super) fn quantise(x: &Rows<'_>, activations: &mut Activations) {
    activations.clear(x.n_rows);
    for row in 0..x.n_rows {
        for values in x.row(row).as_chunks::<BLOCK>().0 {
            let (block, scale) = quantise_block(values);
            activations.blocks.push(bytemuck::cast(block));
            activations.scales.push(scale);
        }
    }
}

/// Brings rows to 8 bits, in tiles of up to `LARGEST` and with what their sums begin with.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn quantise_tiles<const LARGEST: usize>(x: &Rows<'_>, activations: &mut Activations) {
    activations.clear(x.n_rows);
    for (first, n) in tiles::<LARGEST>(x.n_rows) {
        for idx in 0..x.n_in / BLOCK {
            for row in first..first + n {
                let (block, scale) = quantise_block(&x.row(row).as_chunks::<BLOCK>().0[idx]);
                activations.blocks.push(bytemuck::cast(block));
                activations.scales.push(scale);
                activations
                    .starts
                    .push(-OFFSET * block.iter().map(|it| i32::from(*it)).sum::<i32>());
            }
        }
    }
}

#[inline(always)]
fn quantise_block(values: &[f32; BLOCK]) -> ([i8; BLOCK], f32) {
    let largest = values.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
    let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let mut block = [0_i8; BLOCK];
    for (byte, value) in block.iter_mut().zip(values) {
        #[expect(clippy::cast_possible_truncation, reason = "-127 to 127")]
        let rounded = ((value * factor + ROUNDER) - ROUNDER) as i32 as i8;
        *byte = rounded;
    }
    (block, largest / 127.0)
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
