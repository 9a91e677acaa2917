//! Attention to keys and values in a cache.

use super::{MulAdd, vector};

/// The shape of a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Heads that ask.
    pub(crate) n_heads: usize,
    /// Heads that are asked.
    pub(crate) n_kv_heads: usize,
    /// Their width.
    pub(crate) head_dim: usize,
    /// Positions for which a head's cache has room.
    pub(crate) capacity: usize,
    /// The first and, behind the last, position in the cache that is seen.
    pub(crate) seen: (usize, usize),
}

/// Eight sums side by side.
const LANES: usize = 8;

/// As many as are kept in registers while rows are added up.
const WIDE: usize = 4 * LANES;

#[inline(always)]
fn dot<A: MulAdd>(one: &[f32], other: &[f32]) -> f32 {
    let mut lanes = [[0.0; LANES]; 2];
    let (ones, one_rest) = one.as_chunks::<{ 2 * LANES }>();
    let (others, other_rest) = other.as_chunks::<{ 2 * LANES }>();
    for (one, other) in ones.iter().zip(others) {
        for half in 0..2 {
            for lane in 0..LANES {
                let at = half * LANES + lane;
                lanes[half][lane] = A::mul_add(one[at], other[at], lanes[half][lane]);
            }
        }
    }
    // By halves: one after the other they would wait for each other.
    let mut sums = [0.0; LANES];
    for lane in 0..LANES {
        sums[lane] = lanes[0][lane] + lanes[1][lane];
    }
    for width in [LANES / 2, LANES / 4, LANES / 8] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    let sum = sums[0];
    one_rest.iter().zip(other_rest).fold(sum, |sum, (one, other)| A::mul_add(*one, *other, sum))
}

/// One position's question, `[H, E]`, to a cache, `[G, capacity, E]`; the answer is `[H, E]`.
#[inline(always)]
pub(super) fn attend<A: MulAdd>(
    heads: &Heads,
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let Heads { n_heads, n_kv_heads, head_dim, capacity, seen: (first, end) } = *heads;
    let scale = (head_dim as f32).powf(-0.5);
    let scores = &mut scores[..end - first];
    let n_together = n_heads / n_kv_heads;
    let of_heads = queries.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim));
    for (head, (query, out)) in of_heads.enumerate() {
        let begin = head / n_together * capacity * head_dim;
        let part = begin + first * head_dim..begin + end * head_dim;
        let mut largest = f32::NEG_INFINITY;
        for (score, key) in scores.iter_mut().zip(keys[part.clone()].chunks_exact(head_dim)) {
            *score = dot::<A>(query, key) * scale;
            largest = largest.max(*score);
        }
        for score in scores.iter_mut() {
            *score = vector::exp(*score - largest);
        }
        let sum: f32 = sum(scores);
        weigh::<A>(scores, &values[part], head_dim, out);
        for out in out.iter_mut() {
            *out /= sum;
        }
    }
}

/// The sum of rows of values, `[T, E]`, each with its weight.
#[inline(always)]
fn weigh<A: MulAdd>(weights: &[f32], values: &[f32], head_dim: usize, out: &mut [f32]) {
    let (chunks, rest) = out.as_chunks_mut::<WIDE>();
    for (idx, out) in chunks.iter_mut().enumerate() {
        let part = idx * WIDE..(idx + 1) * WIDE;
        // In registers all the way: in memory each sum would wait for the one before to be stored.
        let mut sums = [0.0; WIDE];
        for (weight, row) in weights.iter().zip(values.chunks_exact(head_dim)) {
            for (sum, value) in sums.iter_mut().zip(&row[part.clone()]) {
                *sum = A::mul_add(*weight, *value, *sum);
            }
        }
        *out = sums;
    }
    let begin = head_dim - rest.len();
    rest.fill(0.0);
    for (weight, row) in weights.iter().zip(values.chunks_exact(head_dim)) {
        for (out, value) in rest.iter_mut().zip(&row[begin..]) {
            *out = A::mul_add(*weight, *value, *out);
        }
    }
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; 4 * LANES];
    let (chunks, rest) = values.as_chunks::<{ 4 * LANES }>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}
