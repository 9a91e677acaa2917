//! The codec's decoder on slices; its twin is [`super::super::mimi::MimiDecoder`].
//!
//! Time-major: a stream of rows, `[T, C]`.

use super::super::config::MimiConfig;
use super::seanet::{SeaNet, SeaNetState};
use crate::nn::kernels::keeping::{Keeping, SMALL};
use crate::nn::kernels::matrix::{Matrix, Scratch, Threads};
use crate::nn::kernels::transformer::{SliceState, SliceTransformer};
use crate::nn::transformer::LayerScale;
use crate::weights::{Scope, WeightsError};

/// A window and this many codec frames fit into the transformer's state before it is tidied up.
const FRAMES_OF_ROOM: usize = 48;

/// Latents to audio.
#[derive(Debug, Clone)]
pub struct FastDecoder {
    /// `[C, L]`
    output_proj: Matrix,
    /// `[2 S, C]`: each channel's taps.
    upsample: Vec<f32>,
    transformer: SliceTransformer,
    seanet: SeaNet,
    dim: usize,
    latent_dim: usize,
    steps: usize,
    window: usize,
}

/// What the decoder remembers of a chunk's audio so far, and room to work in.
#[derive(Debug, Clone)]
pub struct FastDecoderState {
    /// The last projected latent.
    before: Vec<f32>,
    transformer: SliceState,
    seanet: SeaNetState,
    projected: Vec<f32>,
    x: Vec<f32>,
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
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let side = &config.decoder;
        let (dim, latent_dim) = (side.seanet.dimension, config.latent_dim);
        let steps = config.steps_per_latent;
        let projection = scope.pp("quantizer.output_proj");
        let output_proj = projection.get("weight", &[dim, latent_dim, 1])?;
        let taps = scope.pp("upsample.convtr.convtr").get("weight", &[dim, 1, 2 * steps])?;
        let upsample = (0..2 * steps)
            .flat_map(|tap| (0..dim).map(move |channel| (channel, tap)))
            .map(|(channel, tap)| taps[channel * 2 * steps + tap])
            .collect();
        Ok(Self {
            output_proj: keeping.matrix(
                [projection.name("weight")],
                &output_proj,
                dim,
                latent_dim,
                SMALL,
            ),
            upsample,
            transformer: SliceTransformer::load(
                &scope.pp("decoder_transformer.transformer"),
                &side.transformer,
                LayerScale::Learnt,
                keeping,
            )?,
            seanet: SeaNet::decoder(&scope.pp("decoder.model"), &side.seanet, keeping)?,
            dim,
            latent_dim,
            steps,
            window: side.transformer.window.unwrap_or(0),
        })
    }

    /// A state at the beginning of a chunk.
    pub fn state(&self) -> FastDecoderState {
        FastDecoderState {
            before: vec![0.0; self.dim],
            transformer: self
                .transformer
                .state(self.window + FRAMES_OF_ROOM * self.steps, Threads::One),
            seanet: self.seanet.state(Threads::One),
            projected: Vec::new(),
            x: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Latents, `[F, L]`, to the samples of F codec frames.
    pub fn decode(&self, latents: &[f32], state: &mut FastDecoderState) -> Vec<f32> {
        let n_frames = latents.len() / self.latent_dim;
        self.upsample(latents, n_frames, state);
        self.transformer.forward(&mut state.x, &mut state.transformer);
        let mut samples = Vec::new();
        self.seanet.run(&state.x, &mut samples, &mut state.seanet);
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
