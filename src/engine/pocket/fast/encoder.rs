//! The codec's encoder on slices, for voices; its twin is [`super::super::mimi::MimiEncoder`].
//!
//! Mirrors `mimi`. In floats only: it runs once for a voice, and what it gets wrong is in all that is spoken with it.
//! Time-major, and fed piece by piece. Letters: C channels, T inner steps, F codec frames, I width of a voice's latent.

use super::super::config::MimiConfig;
use super::conv::{Conv, Input, Room};
use super::seanet::{SeaNet, SeaNetState};
use crate::nn::conv::ConvShape;
use crate::nn::kernels::Processor;
use crate::nn::kernels::keeping::Keeping;
use crate::nn::kernels::matrix::{Precision, Threads};
use crate::nn::kernels::transformer::{SliceState, SliceTransformer};
use crate::nn::transformer::LayerScale;
use crate::weights::{Scope, WeightsError};

/// A window and this many codec frames fit into the transformer's state before it is tidied up.
const FRAMES_OF_ROOM: usize = 24;

/// The convolutions of the encoder, which are a good part of it, loaded by themselves.
#[derive(Debug, Clone)]
pub struct EncoderConvs {
    seanet: SeaNet,
    downsample: Conv,
}

impl EncoderConvs {
    /// Loads them.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &MimiConfig,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let keeping = Keeping::new(Precision::Full, processor);
        let (seanet, stride) = (&config.encoder.seanet, config.steps_per_latent);
        let down = ConvShape::new(seanet.dimension, config.voice_dim, 2 * stride);
        Ok(Self {
            seanet: SeaNet::encoder(&scope.pp("encoder.model"), seanet, &keeping)?,
            downsample: Conv::load(
                &scope.pp("downsample.conv.conv"),
                down.with_stride(stride),
                &keeping,
            )?,
        })
    }
}

/// Audio to a voice's latents.
#[derive(Debug, Clone)]
pub struct FastEncoder {
    convs: EncoderConvs,
    transformer: SliceTransformer,
    steps: usize,
    window: usize,
}

/// What the encoder remembers of a recording so far, and room to work in.
#[derive(Debug, Clone)]
pub struct FastEncoderState {
    seanet: SeaNetState,
    transformer: SliceState,
    downsample: Input,
    /// Before the first piece: it says what stands in front of it.
    is_new: bool,
    x: Vec<f32>,
    room: Room,
}

impl FastEncoder {
    /// Loads what is missing to convolutions.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &MimiConfig,
        convs: EncoderConvs,
        processor: Processor,
    ) -> Result<Self, WeightsError> {
        let side = &config.encoder;
        let transformer = SliceTransformer::load(
            &scope.pp("encoder_transformer.transformer"),
            &side.transformer,
            LayerScale::Learnt,
            &Keeping::new(Precision::Full, processor),
        )?;
        let window = side.transformer.window.unwrap_or(0);
        Ok(Self { convs, transformer, steps: config.steps_per_latent, window })
    }

    /// A state at the beginning of a recording.
    pub fn state(&self, threads: Threads) -> FastEncoderState {
        FastEncoderState {
            seanet: self.convs.seanet.state(threads),
            transformer: self.transformer.state(self.window + FRAMES_OF_ROOM * self.steps, threads),
            downsample: Input::default(),
            is_new: true,
            x: Vec::new(),
            room: Room::default(),
        }
    }

    /// The samples of F codec frames to their latents, `[F, I]`.
    pub fn encode(&self, samples: &[f32], state: &mut FastEncoderState) -> Vec<f32> {
        let FastEncoderState { seanet, transformer, downsample, is_new, x, room } = state;
        self.convs.seanet.run(samples, x, seanet); // [T, C]
        self.transformer.forward(x, transformer);
        let conv = &self.convs.downsample;
        let n_steps = x.len() / conv.n_in();
        downsample.room(conv, n_steps).copy_from_slice(x);
        if std::mem::take(is_new) {
            downsample.repeat_first(conv);
        }
        let mut latents = vec![0.0; conv.n_products(n_steps) * conv.n_out()];
        downsample.multiply(conv, 0, &mut latents, room);
        downsample.advance(conv);
        latents
    }
}
