//! The codec's decoder on slices; its twin is [`super::super::mimi::MimiDecoder`].
//!
//! Time-major: a stream of rows, `[T, C]`.

use super::super::config::{MimiConfig, SeaNetConfig};
use super::conv::{Conv, Input};
use crate::nn::kernels::matrix::{Matrix, Precision, Scratch, Threads};
use crate::nn::kernels::transformer::{SliceState, SliceTransformer};
use crate::nn::kernels::{Processor, elu};
use crate::nn::transformer::LayerScale;
use crate::weights::{Scope, WeightsError};

/// A window and this many codec frames fit into the transformer's state before it is tidied up.
const FRAMES_OF_ROOM: usize = 48;

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
