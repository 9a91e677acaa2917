//! `SEANet` on slices, both ways; its twin is `mimi/seanet.rs`.
//!
//! Mirrors `mimi.encoder.model` and `mimi.decoder.model`. Each convolution but the first stands behind an ELU, so that each
//! layer leaves its rows twice: as they are, for what is added to them, and behind the ELU, as the next one's input.

use super::super::config::SeaNetConfig;
use super::conv::{Conv, Input, Residual, Room};
use crate::nn::conv::ConvShape;
use crate::nn::kernels::keeping::Keeping;
use crate::nn::kernels::matrix::Threads;
use crate::nn::kernels::{Processor, elu};
use crate::threads::both;
use crate::weights::{Scope, WeightsError};

/// Products that are made at once: what they leave is in the cache when the next thing is done to it.
const TILE: usize = 96;

#[derive(Debug, Clone)]
enum Layer {
    Conv(Conv),
    Residual(Residual),
}

impl Layer {
    /// What the layer's input is for.
    fn first(&self) -> &Conv {
        match self {
            Self::Conv(conv) => conv,
            Self::Residual(residual) => &residual.narrow,
        }
    }

    /// Values that a product leaves.
    fn n_out(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.n_out(),
            Self::Residual(residual) => residual.wide.n_out(),
        }
    }
}

/// From audio to the inner rate, or back.
#[derive(Debug, Clone)]
pub(super) struct SeaNet {
    layers: Vec<Layer>,
    processor: Processor,
}

/// What is remembered of a stream, and room to work in.
#[derive(Debug, Clone)]
pub(super) struct SeaNetState {
    inputs: Vec<Input>,
    rooms: [Room; 2],
    threads: Threads,
}

impl SeaNet {
    /// Loads the way from audio to the inner rate.
    pub(super) fn encoder(
        scope: &Scope<'_>,
        config: &SeaNetConfig,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let conv = |idx: usize, shape: ConvShape| {
            Conv::load(&scope.pp(idx).pp("conv"), shape, keeping).map(Layer::Conv)
        };
        let mut width = config.n_filters;
        let mut layers = vec![conv(0, ConvShape::new(1, width, config.kernel_size))?];
        let mut idx = 1;
        for ratio in config.ratios.iter().rev() {
            for block in 0..config.n_residual_layers {
                layers.push(residual(&scope.pp(idx + block), config, width, block, keeping)?);
            }
            idx += config.n_residual_layers + 1;
            let down = ConvShape::new(width, 2 * width, 2 * ratio).with_stride(*ratio);
            layers.push(conv(idx, down)?);
            idx += 1;
            width *= 2;
        }
        let last = ConvShape::new(width, config.dimension, config.last_kernel_size);
        layers.push(conv(idx + 1, last)?);
        Ok(Self { layers, processor: keeping.processor() })
    }

    /// Loads the way from the inner rate to audio.
    pub(super) fn decoder(
        scope: &Scope<'_>,
        config: &SeaNetConfig,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let conv = |idx: usize, shape: ConvShape| {
            Conv::load(&scope.pp(idx).pp("conv"), shape, keeping).map(Layer::Conv)
        };
        let mut width = config.n_filters << config.ratios.len();
        let first = ConvShape::new(config.dimension, width, config.kernel_size);
        let mut layers = vec![conv(0, first)?];
        let mut idx = 2;
        for ratio in &config.ratios {
            let up = scope.pp(idx).pp("convtr");
            let up = Conv::transposed(&up, width, width / 2, *ratio, keeping)?;
            layers.push(Layer::Conv(up));
            width /= 2;
            for block in 0..config.n_residual_layers {
                let scope = scope.pp(idx + 1 + block);
                layers.push(residual(&scope, config, width, block, keeping)?);
            }
            idx += config.n_residual_layers + 2;
        }
        layers.push(conv(idx, ConvShape::new(width, 1, config.last_kernel_size))?);
        Ok(Self { layers, processor: keeping.processor() })
    }

    /// A state at the beginning of a stream.
    pub(super) fn state(&self, threads: Threads) -> SeaNetState {
        SeaNetState {
            inputs: vec![Input::default(); self.layers.len()],
            rooms: <[Room; 2]>::default(),
            threads,
        }
    }

    /// Runs new rows, `[T, C]`: as many as one row on the slow side takes, or a multiple of it.
    pub(super) fn run(&self, rows: &[f32], out: &mut Vec<f32>, state: &mut SeaNetState) {
        let SeaNetState { inputs, rooms, threads } = state;
        let (first, n_in) = (self.layers[0].first(), self.layers[0].first().n_in());
        let mut n_rows = rows.len() / n_in;
        inputs[0].room(first, n_rows).copy_from_slice(rows);
        for (idx, layer) in self.layers.iter().enumerate() {
            let (inputs, more) = inputs.split_at_mut(idx + 1);
            let input = &mut inputs[idx];
            let n_products = layer.first().n_products(n_rows);
            let n_values = n_products * layer.n_out();
            out.resize(n_values, 0.0);
            let next = match (self.layers.get(idx + 1), more.first_mut()) {
                (Some(next), Some(input)) => {
                    n_rows = n_values / next.first().n_in();
                    input.room(next.first(), n_rows)
                }
                _ => &mut [],
            };
            let made = Made { first: 0, out, next };
            self.make(layer, input, made, n_products, rooms, *threads);
            input.advance(layer.first());
        }
    }

    fn make(
        &self,
        layer: &Layer,
        input: &Input,
        made: Made<'_>,
        n_products: usize,
        [here, there]: &mut [Room; 2],
        threads: Threads,
    ) {
        let Some(cut) = threads.cut(n_products) else {
            return self.make_here(layer, input, made, here);
        };
        let (first, second) = made.split(cut, layer.n_out());
        both(
            || self.make_here(layer, input, first, here),
            || self.make_here(layer, input, second, there),
        );
    }

    fn make_here(&self, layer: &Layer, input: &Input, mut made: Made<'_>, room: &mut Room) {
        while !made.out.is_empty() {
            let (tile, rest) = made.split(TILE, layer.n_out());
            match layer {
                Layer::Conv(conv) => input.multiply(conv, tile.first, tile.out, room),
                Layer::Residual(it) => it.add(input, tile.first, tile.out, room, self.processor),
            }
            // Nothing is done where nothing is next.
            elu(self.processor, tile.out, tile.next);
            made = rest;
        }
    }
}

/// What a layer leaves.
struct Made<'a> {
    /// The product that it begins with.
    first: usize,
    out: &'a mut [f32],
    /// Behind the ELU; empty at the end.
    next: &'a mut [f32],
}

impl Made<'_> {
    /// The part of so many products, if there are as many, and the rest.
    fn split(self, n_products: usize, n_out: usize) -> (Self, Self) {
        let n_values = (n_products * n_out).min(self.out.len());
        let (out, more) = self.out.split_at_mut(n_values);
        let (next, more_next) = self.next.split_at_mut(n_values.min(self.next.len()));
        let rest = Self { first: self.first + n_products, out: more, next: more_next };
        (Self { first: self.first, out, next }, rest)
    }
}

fn residual(
    scope: &Scope<'_>,
    config: &SeaNetConfig,
    width: usize,
    idx: usize,
    keeping: &Keeping,
) -> Result<Layer, WeightsError> {
    let narrow = (width / config.compress).max(1);
    let dilation = (0..idx).fold(1, |dilation, _| dilation * config.dilation_base);
    let first = ConvShape::new(width, narrow, config.residual_kernel_size).with_dilation(dilation);
    let second = ConvShape::new(narrow, width, 1);
    let load = |name: &str, shape: ConvShape| Conv::load(&scope.pp(name), shape, keeping);
    let (narrow, wide) = (load("block.1.conv", first)?, load("block.3.conv", second)?);
    Ok(Layer::Residual(Residual { narrow, wide }))
}
