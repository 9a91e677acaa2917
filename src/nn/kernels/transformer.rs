//! A causal transformer on slices; its twin is [`crate::nn::transformer`].
//!
//! Letters: T new positions, D width, H heads, G key and value heads, E width of a head.

use std::ops::Range;

use crossbeam_channel::bounded;

use super::attention::Heads;
use super::keeping::{Keeping, Use};
use super::matrix::{Matrix, ROWS_FOR_TWO, Scratch, Threads};
use super::{Processor, attend, gelu, layer_norm};
use crate::nn::transformer::{LayerScale, TransformerConfig};
use crate::threads::both;
use crate::weights::{Scope, WeightsError};

/// Of the norms.
const EPS: f32 = 1e-5;

/// Rows that products take at once.
const TILE_ROWS: usize = 4;

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
    threads: Threads,
    /// One for each thread.
    rooms: [Room; 2],
}

/// Where new positions belong.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Slots that a head's cache has.
    capacity: usize,
    /// The first of theirs.
    slot: usize,
    /// The first of them, in all that there were.
    position: usize,
}

impl Place {
    /// The place of those that come so many behind.
    fn behind(self, n: usize) -> Self {
        Self { slot: self.slot + n, position: self.position + n, ..self }
    }
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
        let rooms = Default::default();
        SliceState { layers, capacity: n_positions, n_cached: 0, offset: 0, threads, rooms }
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
        let n_new = x.len() / self.config.d_model;
        self.make_room(state, n_new);
        let SliceState { layers, capacity, n_cached, offset, threads, rooms: [room, more_room] } =
            state;
        let place = Place { capacity: *capacity, slot: *n_cached, position: *offset };
        match self.cut(*threads, n_new) {
            None => {
                self.prepare(room, place, n_new);
                for (layer, cache) in self.layers.iter().zip(layers) {
                    self.run(layer, x, cache, place, room);
                }
            }
            Some(cut) => {
                let (first, second) = x.split_at_mut(cut * self.config.d_model);
                let behind = place.behind(cut);
                self.prepare(room, place, cut);
                self.prepare(more_room, behind, n_new - cut);
                // Whoever has run a layer's first positions hands its cache on to who runs the others.
                let (hand_on, handed) = bounded(self.layers.len());
                both(
                    move || {
                        for (layer, cache) in self.layers.iter().zip(layers) {
                            self.run(layer, first, cache, place, room);
                            let _nobody_is_left = hand_on.send(cache);
                        }
                    },
                    || {
                        for (layer, cache) in self.layers.iter().zip(handed) {
                            self.run(layer, second, cache, behind, more_room);
                        }
                    },
                );
            }
        }
        *n_cached += n_new;
        *offset += n_new;
    }

    /// Where to cut new positions in two for two threads; `None` where that is not worth it. The second thread begins one
    /// layer later, so that it gets fewer. Whole tiles of rows: single ones cost as much as four.
    fn cut(&self, threads: Threads, n_new: usize) -> Option<usize> {
        let n_layers = self.layers.len();
        if threads == Threads::One || n_new < ROWS_FOR_TWO || n_layers < 2 {
            return None;
        }
        let n_first = n_new * n_layers / (2 * n_layers - 1);
        Some((n_first + TILE_ROWS / 2) / TILE_ROWS * TILE_ROWS)
    }

    /// Makes room for new positions, and their angles.
    fn prepare(&self, room: &mut Room, place: Place, n_new: usize) {
        let config = &self.config;
        room.normed.resize(n_new * config.d_model, 0.0);
        room.projected.resize(n_new * (config.d_attention() + 2 * config.d_kv()), 0.0);
        room.attended.resize(n_new * config.d_attention(), 0.0);
        room.hidden.resize(n_new * config.d_ff, 0.0);
        room.scores.resize(place.slot + n_new, 0.0);
        room.angles.clear();
        room.angles.extend((place.position..place.position + n_new).flat_map(|position| {
            self.turns.iter().map(move |turn| (position as f32 * turn).sin_cos())
        }));
    }

    /// Runs positions through one layer, in place; its cache has all that were before them.
    fn run(
        &self,
        layer: &Layer,
        x: &mut [f32],
        (keys, values): &mut (Vec<f32>, Vec<f32>),
        place: Place,
        room: &mut Room,
    ) {
        let config = &self.config;
        let (d_attention, d_kv) = (config.d_attention(), config.d_kv());
        let n_projected = d_attention + 2 * d_kv;
        layer.norm1.apply(self.processor, x, &mut room.normed, EPS);
        layer.in_proj.apply(&room.normed, &mut room.projected, None, &mut room.scratch);
        for (idx, row) in room.projected.chunks_exact_mut(n_projected).enumerate() {
            let angles = &room.angles[idx * self.turns.len()..(idx + 1) * self.turns.len()];
            let (turned, new_values) = row.split_at_mut(d_attention + d_kv);
            turn(turned, angles, config.head_dim);
            let slot = place.slot + idx;
            self.store(keys, &turned[d_attention..], 0, slot, place.capacity);
            self.store(values, new_values, 0, slot, place.capacity);
        }
        let rows = room.projected.chunks_exact(n_projected);
        for (idx, (row, out)) in rows.zip(room.attended.chunks_exact_mut(d_attention)).enumerate() {
            let end = place.slot + idx + 1;
            let first = config.window.map_or(0, |window| end.saturating_sub(window));
            let heads = Heads {
                n_heads: config.n_heads,
                n_kv_heads: config.n_kv_heads,
                head_dim: config.head_dim,
                capacity: place.capacity,
                seen: (first, end),
            };
            let queries = &row[..d_attention];
            attend(self.processor, &heads, queries, keys, values, &mut room.scores, out);
        }
        layer.out_proj.add(&room.attended, x, None, &mut room.scratch);
        layer.norm2.apply(self.processor, x, &mut room.normed, EPS);
        layer.linear1.apply(&room.normed, &mut room.hidden, None, &mut room.scratch);
        gelu(self.processor, &mut room.hidden);
        layer.linear2.add(&room.hidden, x, None, &mut room.scratch);
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
