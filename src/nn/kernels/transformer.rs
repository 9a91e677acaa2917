//! A causal transformer on slices; its twin is [`crate::nn::transformer`].
//!
//! Letters: T new positions, D width, H heads, G key and value heads, E width of a head.

use std::ops::Range;

use super::attention::Heads;
use super::keeping::{Keeping, Use};
use super::matrix::{Matrix, Scratch, Threads};
use super::{Processor, attend, gelu, layer_norm};
use crate::nn::transformer::{LayerScale, TransformerConfig};
use crate::threads::both;
use crate::weights::{Scope, WeightsError};

/// Of the norms.
const EPS: f32 = 1e-5;

/// A learnt norm's scale and shift.
#[derive(Debug, Clone)]
pub struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    /// Loads one over `dim` values.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(scope: &Scope<'_>, dim: usize) -> Result<Self, WeightsError> {
        Ok(Self { scale: scope.get("weight", &[dim])?, shift: scope.get("bias", &[dim])? })
    }

    /// Normalises rows.
    pub fn apply(&self, processor: Processor, x: &[f32], y: &mut [f32], eps: f32) {
        layer_norm(processor, x, Some((&self.scale, &self.shift)), eps, y, self.scale.len());
    }
}

#[derive(Debug, Clone)]
struct Layer {
    norm1: Norm,
    in_proj: Matrix,
    /// With the layer's scale in it.
    out_proj: Matrix,
    norm2: Norm,
    linear1: Matrix,
    /// With the layer's scale in it.
    linear2: Matrix,
}

/// The layers.
#[derive(Debug, Clone)]
pub struct SliceTransformer {
    config: TransformerConfig,
    layers: Vec<Layer>,
    turns: Vec<f32>,
    processor: Processor,
}

/// Keys and values, and room to work in. A copy shares nothing.
#[derive(Debug, Clone)]
pub struct SliceState {
    /// For each layer keys and values, `[G, capacity, E]` each; keys are turned to their positions.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    capacity: usize,
    /// Slots that are taken.
    n_cached: usize,
    /// Positions that there were.
    offset: usize,
    room: Room,
}

#[derive(Debug, Clone, Default)]
struct Room {
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
    scores: Vec<f32>,
    angles: Vec<(f32, f32)>,
    scratch: Scratch,
}

impl SliceState {
    /// How many positions there were.
    pub fn n_positions(&self) -> usize {
        self.offset
    }
}

impl SliceTransformer {
    /// Loads the layers under `layers`.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &TransformerConfig,
        scale: LayerScale,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let load = |layers: Range<usize>| {
            let layer = |idx: usize| {
                let scope = scope.pp("layers").pp(idx);
                Layer::load(&scope, config, scale, keeping)
            };
            layers.map(layer).collect::<Result<Vec<_>, _>>()
        };
        let half = config.n_layers / 2;
        let (mut first, mut second) = (Ok(Vec::new()), Ok(Vec::new()));
        both(|| first = load(0..half), || second = load(half..config.n_layers));
        let mut layers = first?;
        layers.append(&mut second?);
        Ok(Self {
            config: config.clone(),
            layers,
            turns: config.turns(),
            processor: keeping.processor(),
        })
    }

    /// A state with room for so many positions, or for a window and as many new ones.
    pub fn state(&self, n_positions: usize, threads: Threads) -> SliceState {
        let n_values = self.config.d_kv() * n_positions;
        let layers = vec![(vec![0.0; n_values], vec![0.0; n_values]); self.layers.len()];
        let room = Room { scratch: Scratch::new(threads), ..Room::default() };
        SliceState { layers, capacity: n_positions, n_cached: 0, offset: 0, room }
    }

    /// Puts positions in front of all others: for each layer keys and values, `[T, G, E]`.
    ///
    /// # Panics
    /// Where the state is not empty, or has too little room.
    pub fn remember<'a>(
        &self,
        state: &mut SliceState,
        n_positions: usize,
        layers: impl Iterator<Item = (&'a [f32], &'a [f32])>,
    ) {
        assert!(state.n_cached == 0 && n_positions <= state.capacity, "too many positions");
        for ((keys, values), (new_keys, new_values)) in state.layers.iter_mut().zip(layers) {
            for position in 0..n_positions {
                self.store(keys, new_keys, position, position, state.capacity);
                self.store(values, new_values, position, position, state.capacity);
            }
        }
        (state.n_cached, state.offset) = (n_positions, n_positions);
    }

    /// All positions that there are: for each layer keys and values, `[T, G, E]`; the way back to
    /// [`SliceTransformer::remember`].
    pub fn remembered(&self, state: &SliceState) -> Vec<(Vec<f32>, Vec<f32>)> {
        let head_dim = self.config.head_dim;
        let positions = |cache: &[f32]| {
            let slots = (0..state.n_cached).flat_map(|slot| {
                (0..self.config.n_kv_heads)
                    .map(move |head| (head * state.capacity + slot) * head_dim)
            });
            slots.flat_map(|at| &cache[at..at + head_dim]).copied().collect()
        };
        state.layers.iter().map(|(keys, values)| (positions(keys), positions(values))).collect()
    }

    /// Copies a position's heads, `[G, E]`, into their places.
    fn store(&self, cache: &mut [f32], rows: &[f32], row: usize, slot: usize, capacity: usize) {
        let (d_kv, head_dim) = (self.config.d_kv(), self.config.head_dim);
        let row = &rows[row * d_kv..(row + 1) * d_kv];
        for (head, values) in row.chunks_exact(head_dim).enumerate() {
            let at = (head * capacity + slot) * head_dim;
            cache[at..at + head_dim].copy_from_slice(values);
        }
    }

    /// Runs new positions, `[T, D]`, in place.
    ///
    /// # Panics
    /// Where the state has no room for them.
    pub fn forward(&self, x: &mut [f32], state: &mut SliceState) {
        let config = &self.config;
        let n_new = x.len() / config.d_model;
        self.make_room(state, n_new);
        let SliceState { layers, capacity, n_cached, offset, room } = state;
        let n_projected = config.d_attention() + 2 * config.d_kv();
        room.normed.resize(n_new * config.d_model, 0.0);
        room.projected.resize(n_new * n_projected, 0.0);
        room.attended.resize(n_new * config.d_attention(), 0.0);
        room.hidden.resize(n_new * config.d_ff, 0.0);
        room.scores.resize(2 * (*n_cached + n_new), 0.0);
        room.angles.clear();
        room.angles.extend((*offset..*offset + n_new).flat_map(|position| {
            self.turns.iter().map(move |turn| (position as f32 * turn).sin_cos())
        }));
        for (layer, (keys, values)) in self.layers.iter().zip(layers) {
            layer.norm1.apply(self.processor, x, &mut room.normed, EPS);
            layer.in_proj.apply(&room.normed, &mut room.projected, None, &mut room.scratch);
            let rows = room.projected.chunks_exact_mut(n_projected);
            for (idx, row) in rows.enumerate() {
                let angles = &room.angles[idx * self.turns.len()..(idx + 1) * self.turns.len()];
                let (turned, new_values) = row.split_at_mut(config.d_attention() + config.d_kv());
                turn(turned, angles, config.head_dim);
                let slot = *n_cached + idx;
                self.store(keys, &turned[config.d_attention()..], 0, slot, *capacity);
                self.store(values, new_values, 0, slot, *capacity);
            }
            let heads = |first: usize, end: usize| Heads {
                n_heads: config.n_heads,
                n_kv_heads: config.n_kv_heads,
                head_dim: config.head_dim,
                capacity: *capacity,
                seen: (first, end),
            };
            let d_attention = config.d_attention();
            let (projected, n_before) = (&room.projected, *n_cached);
            let (keys, values) = (&keys[..], &values[..]);
            let attend_rows = |first_row: usize, out: &mut [f32], scores: &mut [f32]| {
                for (idx, out) in (first_row..).zip(out.chunks_exact_mut(d_attention)) {
                    let end = n_before + idx + 1;
                    let first = config.window.map_or(0, |window| end.saturating_sub(window));
                    let queries = &projected[idx * n_projected..][..d_attention];
                    attend(self.processor, &heads(first, end), queries, keys, values, scores, out);
                }
            };
            let (scores, more_scores) = room.scores.split_at_mut(n_before + n_new);
            match room.scratch.threads().cut(n_new) {
                None => attend_rows(0, &mut room.attended, scores),
                Some(cut) => {
                    let (here, there) = room.attended.split_at_mut(cut * d_attention);
                    both(|| attend_rows(0, here, scores), || attend_rows(cut, there, more_scores));
                }
            }
            layer.out_proj.add(&room.attended, x, None, &mut room.scratch);
            layer.norm2.apply(self.processor, x, &mut room.normed, EPS);
            layer.linear1.apply(&room.normed, &mut room.hidden, None, &mut room.scratch);
            gelu(self.processor, &mut room.hidden);
            layer.linear2.add(&room.hidden, x, None, &mut room.scratch);
        }
        *n_cached += n_new;
        *offset += n_new;
    }

    /// Where there is a window, what is still seen moves to the front once the room is used up.
    fn make_room(&self, state: &mut SliceState, n_new: usize) {
        if state.n_cached + n_new <= state.capacity {
            return;
        }
        let n_kept = self.config.window.map_or(state.n_cached, |it| (it - 1).min(state.n_cached));
        let begin = state.n_cached - n_kept;
        let (head_dim, capacity) = (self.config.head_dim, state.capacity.max(n_kept + n_new));
        for cache in state.layers.iter_mut().flat_map(|(keys, values)| [keys, values]) {
            let mut moved = vec![0.0; self.config.n_kv_heads * capacity * head_dim];
            for head in 0..self.config.n_kv_heads {
                let from = (head * state.capacity + begin) * head_dim;
                let to = head * capacity * head_dim;
                moved[to..to + n_kept * head_dim]
                    .copy_from_slice(&cache[from..from + n_kept * head_dim]);
            }
            *cache = moved;
        }
        (state.capacity, state.n_cached) = (capacity, n_kept);
    }
}

/// Turns pairs of neighbours by their position's angles, given as sine and cosine.
fn turn(row: &mut [f32], angles: &[(f32, f32)], head_dim: usize) {
    for head in row.chunks_exact_mut(head_dim) {
        for ([even, odd], (sin, cos)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            (*even, *odd) = (*even * cos - *odd * sin, *even * sin + *odd * cos);
        }
    }
}

impl Layer {
    fn load(
        scope: &Scope<'_>,
        config: &TransformerConfig,
        scale: LayerScale,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let (d, d_ff, d_attention) = (config.d_model, config.d_ff, config.d_attention());
        let matrix = |name: &str, n_out: usize, n_in: usize, scale_name: Option<&str>| {
            let mut weight = scope.pp(name).get("weight", &[n_out, n_in])?;
            let mut tensors = vec![scope.pp(name).name("weight")];
            if let (LayerScale::Learnt, Some(scale)) = (scale, scale_name) {
                tensors.push(scope.pp(scale).name("scale"));
                let scale = scope.pp(scale).get("scale", &[n_out])?;
                for (row, factor) in weight.chunks_exact_mut(n_in).zip(scale) {
                    for value in row {
                        *value *= factor;
                    }
                }
            }
            Ok(keeping.matrix(tensors, &weight, n_out, n_in, Use::EachStep))
        };
        let n_projected = d_attention + 2 * config.d_kv();
        Ok(Self {
            norm1: Norm::load(&scope.pp("norm1"), d)?,
            in_proj: matrix("self_attn.in_proj", n_projected, d, None)?,
            out_proj: matrix("self_attn.out_proj", d, d_attention, Some("layer_scale_1"))?,
            norm2: Norm::load(&scope.pp("norm2"), d)?,
            linear1: matrix("linear1", d_ff, d, None)?,
            linear2: matrix("linear2", d, d_ff, Some("layer_scale_2"))?,
        })
    }
}
