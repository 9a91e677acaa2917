//! The codec's decoder on slices; its twin is [`super::super::mimi::MimiDecoder`].
//!
//! Time-major: a stream of rows, `[T, C]`. A causal convolution is a product then, whose rows are the last K rows of its
//! input and overlap; a transposed one with K = 2 S is a product with the last two rows, whose S outputs for each row lie
//! where they belong.

use super::super::config::{MimiConfig, SeaNetConfig};
use crate::nn::kernels::matrix::{Matrix, Precision, Scratch, Threads};
use crate::nn::kernels::transformer::{SliceState, SliceTransformer};
use crate::nn::kernels::{Processor, elu};
use crate::nn::transformer::LayerScale;
use crate::weights::{Scope, WeightsError};

/// A window and this many codec frames fit into the transformer's state before it is tidied up.
const FRAMES_OF_ROOM: usize = 48;

/// A convolution, transposed or not.
#[derive(Debug, Clone)]
struct Conv {
    matrix: Matrix,
    /// Once for each output row, even where one row of the product is several.
    bias: Vec<f32>,
    n_in: usize,
    /// Rows of the past that it needs.
    n_past: usize,
    /// From one row that a tap stands on to the next.
    dilation: usize,
    kernel: usize,
}

impl Conv {
    fn load(
        scope: &Scope<'_>,
        n_in: usize,
        n_out: usize,
        kernel: usize,
        dilation: usize,
        precision: Precision,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let weight = scope.get("weight", &[n_out, n_in, kernel])?;
        // [n_out, n_in, K] → [n_out, K, n_in]
        let mut rows = vec![0.0; weight.len()];
        for (row, weight) in
            rows.chunks_exact_mut(n_in * kernel).zip(weight.chunks_exact(n_in * kernel))
        {
            for (at, value) in row.iter_mut().enumerate() {
                *value = weight[at % n_in * kernel + at / n_in];
            }
        }
        let bias = if scope.has("bias") { scope.get("bias", &[n_out])? } else { vec![0.0; n_out] };
        Ok(Self {
            matrix: Matrix::new(&rows, n_out, n_in * kernel, precision, processor),
            bias,
            n_in,
            n_past: (kernel - 1) * dilation,
            dilation,
            kernel,
        })
    }

    /// One whose kernel is twice its stride: each row out is made of two rows in.
    fn transposed(
        scope: &Scope<'_>,
        n_in: usize,
        n_out: usize,
        stride: usize,
        precision: Precision,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let kernel = 2 * stride;
        let weight = scope.get("weight", &[n_in, n_out, kernel])?;
        let bias = scope.get("bias", &[n_out])?;
        let mut rows = vec![0.0; weight.len()];
        for (idx, row) in rows.chunks_exact_mut(2 * n_in).enumerate() {
            let (step, out) = (idx / n_out, idx % n_out);
            let (before, now) = row.split_at_mut(n_in);
            for (channel, (before, now)) in before.iter_mut().zip(now).enumerate() {
                let taps = &weight[(channel * n_out + out) * kernel..][..kernel];
                (*before, *now) = (taps[step + stride], taps[step]);
            }
        }
        Ok(Self {
            matrix: Matrix::new(&rows, stride * n_out, 2 * n_in, precision, processor),
            bias: bias.repeat(stride),
            n_in,
            n_past: 1,
            dilation: 1,
            kernel: 2,
        })
    }
}

/// A convolution's input: rows of the past, and behind them room for new ones.
#[derive(Debug, Clone, Default)]
struct Input {
    rows: Vec<f32>,
    /// Where taps do not stand on neighbours: the rows that they stand on.
    gathered: Vec<f32>,
}

impl Input {
    /// The rows of the past stay; returns the room for `n_new` new ones.
    fn room(&mut self, conv: &Conv, n_new: usize) -> &mut [f32] {
        self.rows.resize((conv.n_past + n_new) * conv.n_in, 0.0);
        &mut self.rows[conv.n_past * conv.n_in..]
    }

    /// Runs the rows that were put into the room, `[n_new, n_in]`.
    fn run(&mut self, conv: &Conv, n_new: usize, y: &mut Vec<f32>, scratch: &mut Scratch) {
        y.resize(n_new * conv.matrix.n_out(), 0.0);
        if conv.dilation == 1 {
            conv.matrix.apply_strided(&self.rows, n_new, conv.n_in, y, Some(&conv.bias), scratch);
        } else {
            self.gathered.clear();
            for row in 0..n_new {
                for tap in 0..conv.kernel {
                    let at = (row + tap * conv.dilation) * conv.n_in;
                    self.gathered.extend_from_slice(&self.rows[at..at + conv.n_in]);
                }
            }
            conv.matrix.apply(&self.gathered, y, Some(&conv.bias), scratch);
        }
        let n_past = conv.n_past * conv.n_in;
        let end = self.rows.len();
        self.rows.copy_within(end - n_past.., 0);
    }
}

/// A step up in rate, and the residual blocks behind it.
#[derive(Debug, Clone)]
struct Stage {
    up: Conv,
    residuals: Vec<(Conv, Conv)>,
    width: usize,
}

/// Latents to audio.
#[derive(Debug, Clone)]
pub struct FastDecoder {
    /// `[C, L]`
    output_proj: Matrix,
    /// `[2 S, C]`: each channel's taps.
    upsample: Vec<f32>,
    transformer: SliceTransformer,
    first: Conv,
    stages: Vec<Stage>,
    last: Conv,
    dim: usize,
    latent_dim: usize,
    steps: usize,
    window: usize,
    processor: Processor,
}

/// What the decoder remembers of a chunk's audio so far, and room to work in.
#[derive(Debug, Clone)]
pub struct FastDecoderState {
    /// The last projected latent.
    before: Vec<f32>,
    transformer: SliceState,
    inputs: Vec<Input>,
    projected: Vec<f32>,
    x: Vec<f32>,
    y: Vec<f32>,
    z: Vec<f32>,
    scratch: Scratch,
}

impl FastDecoder {
    /// Loads it.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &MimiConfig,
        precision: Precision,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let side = &config.decoder;
        let (dim, latent_dim) = (side.seanet.dimension, config.latent_dim);
        let steps = config.steps_per_latent;
        let output_proj = scope.pp("quantizer.output_proj").get("weight", &[dim, latent_dim, 1])?;
        let taps = scope.pp("upsample.convtr.convtr").get("weight", &[dim, 1, 2 * steps])?;
        let upsample = (0..2 * steps)
            .flat_map(|tap| (0..dim).map(move |channel| (channel, tap)))
            .map(|(channel, tap)| taps[channel * 2 * steps + tap])
            .collect();
        let (first, stages, last) =
            seanet(&scope.pp("decoder.model"), &side.seanet, Precision::Full, processor)?;
        Ok(Self {
            output_proj: Matrix::new(&output_proj, dim, latent_dim, Precision::Full, processor),
            upsample,
            transformer: SliceTransformer::load(
                &scope.pp("decoder_transformer.transformer"),
                &side.transformer,
                LayerScale::Learnt,
                precision,
                processor,
            )?,
            first,
            stages,
            last,
            dim,
            latent_dim,
            steps,
            window: side.transformer.window.unwrap_or(0),
            processor,
        })
    }

    /// A state at the beginning of a chunk.
    pub fn state(&self) -> FastDecoderState {
        let n_convs = 2 + self.stages.iter().map(|it| 1 + it.residuals.len()).sum::<usize>();
        FastDecoderState {
            before: vec![0.0; self.dim],
            transformer: self
                .transformer
                .state(self.window + FRAMES_OF_ROOM * self.steps, Threads::One),
            inputs: vec![Input::default(); n_convs],
            projected: Vec::new(),
            x: Vec::new(),
            y: Vec::new(),
            z: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Latents, `[F, L]`, to the samples of F codec frames.
    pub fn decode(&self, latents: &[f32], state: &mut FastDecoderState) -> Vec<f32> {
        let n_frames = latents.len() / self.latent_dim;
        self.upsample(latents, n_frames, state);
        self.transformer.forward(&mut state.x, &mut state.transformer);
        let FastDecoderState { inputs, x, y, z, scratch, .. } = state;
        let mut inputs = inputs.iter_mut();
        let mut next = || inputs.next().unwrap_or_else(|| unreachable!("one for each convolution"));
        let mut n_rows = n_frames * self.steps;
        let input = next();
        input.room(&self.first, n_rows).copy_from_slice(x);
        input.run(&self.first, n_rows, x, scratch);
        for stage in &self.stages {
            let input = next();
            elu(self.processor, x, input.room(&stage.up, n_rows));
            input.run(&stage.up, n_rows, y, scratch);
            std::mem::swap(x, y);
            n_rows = x.len() / stage.width;
            for (narrow, wide) in &stage.residuals {
                let input = next();
                elu(self.processor, x, input.room(narrow, n_rows));
                input.run(narrow, n_rows, y, scratch);
                z.resize(y.len(), 0.0);
                elu(self.processor, y, z);
                wide.matrix.add(z, x, Some(&wide.bias), scratch);
            }
        }
        let input = next();
        elu(self.processor, x, input.room(&self.last, n_rows));
        let mut samples = Vec::new();
        input.run(&self.last, n_rows, &mut samples, scratch);
        samples
    }

    /// Each latent becomes as many rows as there are inner steps, made of it and of the one before.
    fn upsample(&self, latents: &[f32], n_frames: usize, state: &mut FastDecoderState) {
        let FastDecoderState { before, projected, x, scratch, .. } = state;
        projected.resize(n_frames * self.dim, 0.0);
        self.output_proj.apply(latents, projected, None, scratch);
        x.resize(n_frames * self.steps * self.dim, 0.0);
        let (now_taps, before_taps) = self.upsample.split_at(self.steps * self.dim);
        let taps = |taps: &[f32], step: usize, channel: usize| taps[step * self.dim + channel];
        for (frame, rows) in x.chunks_exact_mut(self.steps * self.dim).enumerate() {
            let now = &projected[frame * self.dim..(frame + 1) * self.dim];
            for (step, row) in rows.chunks_exact_mut(self.dim).enumerate() {
                for (channel, value) in row.iter_mut().enumerate() {
                    *value = taps(now_taps, step, channel) * now[channel]
                        + taps(before_taps, step, channel) * before[channel];
                }
            }
            before.copy_from_slice(now);
        }
    }
}

type SeaNet = (Conv, Vec<Stage>, Conv);

fn seanet(
    scope: &Scope<'_>,
    config: &SeaNetConfig,
    precision: Precision,
    processor: Processor,
) -> Result<SeaNet, WeightsError> {
    let conv = |scope: Scope<'_>, n_in: usize, n_out: usize, kernel: usize, dilation: usize| {
        Conv::load(&scope, n_in, n_out, kernel, dilation, precision, processor)
    };
    let mut width = config.n_filters << config.ratios.len();
    let first = conv(scope.pp("0.conv"), config.dimension, width, config.kernel_size, 1)?;
    let mut idx = 2;
    let mut stages = Vec::new();
    for ratio in &config.ratios {
        let up = scope.pp(idx).pp("convtr");
        let up = Conv::transposed(&up, width, width / 2, *ratio, precision, processor)?;
        width /= 2;
        let narrow = (width / config.compress).max(1);
        let residuals = (0..config.n_residual_layers).map(|block| {
            let scope = scope.pp(idx + 1 + block);
            let dilation = (0..block).fold(1, |dilation, _| dilation * config.dilation_base);
            let kernel = config.residual_kernel_size;
            Ok((
                conv(scope.pp("block.1.conv"), width, narrow, kernel, dilation)?,
                conv(scope.pp("block.3.conv"), narrow, width, 1, 1)?,
            ))
        });
        let residuals = residuals.collect::<Result<_, WeightsError>>()?;
        stages.push(Stage { up, residuals, width });
        idx += config.n_residual_layers + 2;
    }
    let last = conv(scope.pp(idx).pp("conv"), width, 1, config.last_kernel_size, 1)?;
    Ok((first, stages, last))
}
