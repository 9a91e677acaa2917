//! The codec, Mimi without its codes: audio to a voice's latents, latents to audio.
//!
//! Mirrors `mimi`. Reference: `pocket-tts` 4.0.1, `pocket_tts/models/mimi.py` and `pocket_tts/modules/seanet.py`;
//! arXiv:2410.00037, section 3.3.
//! Letters: B = 1, C channels, T inner steps (200 a second), F codec frames, L width of a latent, I of a voice's.

mod seanet;

use candle_core::{Device, Result, Tensor};

use self::seanet::{SeaNetDecoder, SeaNetEncoder, SeaNetMemory};
use super::config::MimiConfig;
use crate::nn::LoadError;
use crate::nn::conv::{CausalConv, CausalConvTransposed, ConvShape, Memory, Padding};
use crate::nn::transformer::{LayerScale, Transformer, TransformerState};
use crate::weights::Scope;

/// Audio to a voice's latents.
#[derive(Debug, Clone)]
pub struct MimiEncoder {
    seanet: SeaNetEncoder,
    transformer: Transformer,
    downsample: CausalConv,
}

impl MimiEncoder {
    /// Loads it.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &MimiConfig,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let side = &config.encoder;
        let stride = config.steps_per_latent;
        let down = ConvShape::new(side.seanet.dimension, config.voice_dim, 2 * stride);
        Ok(Self {
            seanet: SeaNetEncoder::load(&scope.pp("encoder.model"), &side.seanet, device)?,
            transformer: Transformer::load(
                &scope.pp("encoder_transformer.transformer"),
                &side.transformer,
                LayerScale::Learnt,
                device,
            )?,
            downsample: CausalConv::without_bias(
                &scope.pp("downsample.conv.conv"),
                down.with_stride(stride),
                Padding::First,
                device,
            )?,
        })
    }

    /// The convolutions: [1, 1, samples] → [1, C, T].
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn seanet(&self, audio: &Tensor) -> Result<Tensor> {
        self.seanet.forward(audio)
    }

    /// The transformer: [1, C, T] → [1, C, T].
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn transform(&self, x: &Tensor) -> Result<Tensor> {
        over_time(&self.transformer, x, &mut TransformerState::default())
    }

    /// The last step down: [1, C, T] → [F, I].
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn downsample(&self, x: &Tensor) -> Result<Tensor> {
        self.downsample.forward(x, &mut None)?.squeeze(0)?.t()?.contiguous()
    }
}

/// What the decoder remembers of a chunk's audio so far.
#[derive(Debug, Clone, Default)]
pub struct DecoderState {
    upsample: Memory,
    transformer: TransformerState,
    seanet: SeaNetMemory,
}

/// Latents to audio.
#[derive(Debug, Clone)]
pub struct MimiDecoder {
    output_proj: CausalConv,
    upsample: CausalConvTransposed,
    transformer: Transformer,
    seanet: SeaNetDecoder,
}

impl MimiDecoder {
    /// Loads it.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &MimiConfig,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let side = &config.decoder;
        let (dim, stride) = (side.seanet.dimension, config.steps_per_latent);
        Ok(Self {
            output_proj: CausalConv::without_bias(
                &scope.pp("quantizer.output_proj"),
                ConvShape::new(config.latent_dim, dim, 1),
                Padding::Zeros,
                device,
            )?,
            upsample: CausalConvTransposed::depthwise(
                &scope.pp("upsample.convtr.convtr"),
                dim,
                2 * stride,
                stride,
                device,
            )?,
            transformer: Transformer::load(
                &scope.pp("decoder_transformer.transformer"),
                &side.transformer,
                LayerScale::Learnt,
                device,
            )?,
            seanet: SeaNetDecoder::load(&scope.pp("decoder.model"), &side.seanet, device)?,
        })
    }

    /// [F, L] → the samples of F codec frames.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn decode(&self, latents: &Tensor, state: &mut DecoderState) -> Result<Vec<f32>> {
        let x = self.project(latents)?;
        let x = self.upsample(&x, state)?;
        let x = self.transform(&x, state)?;
        self.seanet.forward(&x, &mut state.seanet)?.flatten_all()?.to_vec1()
    }

    /// [F, L] → [1, C, F]
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn project(&self, latents: &Tensor) -> Result<Tensor> {
        self.output_proj.forward(&latents.t()?.unsqueeze(0)?.contiguous()?, &mut None)
    }

    /// [1, C, F] → [1, C, T]
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn upsample(&self, x: &Tensor, state: &mut DecoderState) -> Result<Tensor> {
        self.upsample.forward(x, &mut state.upsample)
    }

    /// [1, C, T] → [1, C, T]
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn transform(&self, x: &Tensor, state: &mut DecoderState) -> Result<Tensor> {
        over_time(&self.transformer, x, &mut state.transformer)
    }
}

fn over_time(
    transformer: &Transformer,
    x: &Tensor,
    state: &mut TransformerState,
) -> Result<Tensor> {
    let x = x.squeeze(0)?.t()?.contiguous()?; // [T, C]
    transformer.forward(&x, state)?.t()?.unsqueeze(0)?.contiguous()
}
