//! The language model: a causal transformer over one row of voice, text and latents, and the network that makes the next
//! latent.
//!
//! Mirrors `flow_lm`. Reference: `pocket-tts` 4.0.1, `pocket_tts/models/flow_lm.py`; arXiv:2509.06926.
//! Letters: T positions, D width, L width of a latent, I width of a voice's latents, Z width of what the flow sees.

use candle_core::{Device, Result, Tensor};

use super::config::{FlowLmConfig, MimiConfig};
use super::flow_net::FlowNet;
use crate::nn::linear::Linear;
use crate::nn::norm::LayerNorm;
use crate::nn::transformer::{LayerScale, Transformer, TransformerState};
use crate::nn::{LoadError, tensor};
use crate::weights::Scope;

/// Of the last norm.
const EPS: f64 = 1e-5;

/// The language model.
#[derive(Debug, Clone)]
pub struct FlowLm {
    /// `[n_bins + 1, R]`; the last row is never used.
    embed: Tensor,
    embed_proj: Option<Linear>,
    /// `None` where the weights cannot clone.
    speaker_proj: Option<Linear>,
    /// [1, D]
    bos_before_voice: Option<Tensor>,
    /// [1, L]
    bos_emb: Tensor,
    emb_std: Tensor,
    emb_mean: Tensor,
    input_linear: Linear,
    transformer: Transformer,
    out_norm: LayerNorm,
    z_proj: Option<Linear>,
    out_eos: Linear,
    flow: FlowNet,
    device: Device,
}

/// What one step says.
#[derive(Debug, Clone)]
pub struct Step {
    /// [1, Z]: what the next latent is made from.
    pub hidden: Tensor,
    /// The speech has ended where this is above the threshold.
    pub eos_logit: f32,
}

impl FlowLm {
    /// Loads it.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &FlowLmConfig,
        mimi: &MimiConfig,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let (d, latent) = (config.transformer.d_model, mimi.latent_dim);
        let rank = config.rank.unwrap_or(d);
        let z_dim = config.z_dim.unwrap_or(d);
        let conditioner = scope.pp("conditioner");
        let embed_proj = config
            .rank
            .map(|rank| Linear::without_bias(&conditioner.pp("proj"), d, rank, device))
            .transpose()?;
        let z_proj = config
            .z_dim
            .map(|z_dim| Linear::without_bias(&scope.pp("z_proj"), z_dim, d, device))
            .transpose()?;
        let bos_before_voice = config
            .bos_before_voice
            .then(|| {
                Ok::<_, LoadError>(
                    tensor(scope, "bos_before_voice", &[1, 1, d], device)?.squeeze(0)?,
                )
            })
            .transpose()?;
        let speaker_proj = Self::speaker_proj(scope, d, mimi.voice_dim, device)?;
        Ok(Self {
            embed: tensor(&conditioner.pp("embed"), "weight", &[config.n_bins + 1, rank], device)?,
            embed_proj,
            speaker_proj,
            bos_before_voice,
            bos_emb: tensor(scope, "bos_emb", &[latent], device)?.unsqueeze(0)?,
            emb_std: tensor(scope, "emb_std", &[latent], device)?,
            emb_mean: tensor(scope, "emb_mean", &[latent], device)?,
            input_linear: Linear::without_bias(&scope.pp("input_linear"), d, latent, device)?,
            transformer: Transformer::load(
                &scope.pp("transformer"),
                &config.transformer,
                LayerScale::None,
                device,
            )?,
            out_norm: LayerNorm::learnt(&scope.pp("out_norm"), d, EPS, device)?,
            z_proj,
            out_eos: Linear::with_bias(&scope.pp("out_eos"), 1, z_dim, device)?,
            flow: FlowNet::load(&scope.pp("flow_net"), &config.flow, z_dim, latent, device)?,
            device: device.clone(),
        })
    }

    fn speaker_proj(
        scope: &Scope<'_>,
        d: usize,
        voice_dim: usize,
        device: &Device,
    ) -> std::result::Result<Option<Linear>, LoadError> {
        let Some(weight) = scope.get_unless_blank("speaker_proj_weight", &[d, voice_dim])? else {
            return Ok(None);
        };
        Ok(Some(Linear::of(&Tensor::from_vec(weight, (d, voice_dim), device)?)?))
    }

    /// Whether the weights can make a voice of a recording.
    pub fn can_clone(&self) -> bool {
        self.speaker_proj.is_some()
    }

    /// What the model sees of text tokens: [T, D].
    ///
    /// # Errors
    /// Where a token is not one of the model's.
    pub fn text_embeddings(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let embeddings = self.embed.index_select(&ids, 0)?;
        match &self.embed_proj {
            Some(proj) => proj.forward(&embeddings),
            None => Ok(embeddings),
        }
    }

    /// What the model sees of a voice's latents, [T, I]: [T, D] with the vector that stands before the voice, if there is
    /// one. `None` where the weights cannot clone.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn voice_conditioning(&self, latents: &Tensor) -> Result<Option<Tensor>> {
        let Some(proj) = &self.speaker_proj else { return Ok(None) };
        let voice = proj.forward(latents)?;
        match &self.bos_before_voice {
            Some(bos) => Tensor::cat(&[bos, &voice], 0).map(Some),
            None => Ok(Some(voice)),
        }
    }

    /// Runs positions from which nothing is made: voice and text, [T, D].
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn prefill(&self, x: &Tensor, state: &mut TransformerState) -> Result<()> {
        self.transformer.forward(x, state).map(drop)
    }

    /// Runs one latent, [1, L], or what stands in front of the first.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn step(&self, latent: Option<&Tensor>, state: &mut TransformerState) -> Result<Step> {
        self.step_observed(latent, state, &mut |_, _| {})
    }

    /// The same, showing what each layer makes of it.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn step_observed(
        &self,
        latent: Option<&Tensor>,
        state: &mut TransformerState,
        observe: &mut dyn FnMut(usize, &Tensor),
    ) -> Result<Step> {
        let x = self.input_linear.forward(latent.unwrap_or(&self.bos_emb))?;
        let x = self.out_norm.forward(&self.transformer.forward_observed(&x, state, observe)?)?;
        let hidden = match &self.z_proj {
            Some(proj) => proj.forward(&x)?,
            None => x,
        };
        let eos_logit = self.out_eos.forward(&hidden)?.flatten_all()?.get(0)?.to_scalar()?;
        Ok(Step { hidden, eos_logit })
    }

    /// The network that makes latents.
    pub fn flow(&self) -> &FlowNet {
        &self.flow
    }

    /// Latents, [T, L], as the codec wants them.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn denormalized(&self, latents: &Tensor) -> Result<Tensor> {
        latents.broadcast_mul(&self.emb_std)?.broadcast_add(&self.emb_mean)
    }
}
