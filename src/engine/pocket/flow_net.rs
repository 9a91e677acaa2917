//! The small network that makes a latent from noise and from what the language model says.
//!
//! Mirrors `flow_lm.flow_net`. Reference: `pocket-tts` 4.0.1, `pocket_tts/modules/mlp.py`.
//! Letters: N rows, L width of a latent, F width of the network, Z width of the condition.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::silu;

use super::config::{FlowConfig, FlowKind};
use crate::nn::linear::Linear;
use crate::nn::norm::LayerNorm;
use crate::nn::{LoadError, tensor};
use crate::weights::Scope;

/// Half the width of a time's code.
const N_FREQUENCIES: usize = 128;

/// Of the norms in this network.
const EPS: f64 = 1e-6;

/// The network.
#[derive(Debug, Clone)]
pub struct FlowNet {
    kind: FlowKind,
    cond_embed: Linear,
    input_proj: Linear,
    time_embeds: Vec<TimeEmbed>,
    blocks: Vec<Block>,
    /// Shift and scale.
    last_modulation: Linear,
    last_norm: LayerNorm,
    last: Linear,
}

/// Makes a code of a time.
#[derive(Debug, Clone)]
pub(super) struct TimeEmbed {
    freqs: Tensor,
    first: Linear,
    second: Linear,
    alpha: Tensor,
}

#[derive(Debug, Clone)]
struct Block {
    norm: LayerNorm,
    first: Linear,
    second: Linear,
    /// Shift, scale and gate.
    modulation: Linear,
}

impl FlowNet {
    /// Loads it; `cond_dim` is Z, `latent_dim` is L.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &FlowConfig,
        cond_dim: usize,
        latent_dim: usize,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let dim = config.dim;
        let linear = |scope: &Scope<'_>, n_out: usize, n_in: usize| {
            Linear::with_bias(scope, n_out, n_in, device)
        };
        let blocks = (0..config.depth).map(|idx| {
            let scope = scope.pp("res_blocks").pp(idx);
            Ok(Block {
                norm: LayerNorm::learnt(&scope.pp("in_ln"), dim, EPS, device)?,
                first: linear(&scope.pp("mlp.0"), dim, dim)?,
                second: linear(&scope.pp("mlp.2"), dim, dim)?,
                modulation: linear(&scope.pp("adaLN_modulation.1"), 3 * dim, dim)?,
            })
        });
        let time_embeds = TimeEmbed::load_all(scope, config, device)?;
        let last = scope.pp("final_layer");
        Ok(Self {
            kind: config.kind,
            cond_embed: linear(&scope.pp("cond_embed"), dim, cond_dim)?,
            input_proj: linear(&scope.pp("input_proj"), dim, latent_dim)?,
            time_embeds,
            blocks: blocks.collect::<std::result::Result<_, LoadError>>()?,
            last_modulation: linear(&last.pp("adaLN_modulation.1"), 2 * dim, dim)?,
            last_norm: LayerNorm::plain(EPS),
            last: linear(&last.pp("linear"), latent_dim, dim)?,
        })
    }

    /// Makes latents, [N, L], of conditions, [N, Z], and noise, [N, L], in `n_steps` steps where the network takes steps.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn sample(&self, cond: &Tensor, noise: &Tensor, n_steps: usize) -> Result<Tensor> {
        let n_steps = n_steps.max(1);
        match self.kind {
            FlowKind::Drifting => self.velocity(cond, noise, &[]),
            FlowKind::Pointwise => noise + self.velocity(cond, noise, &[])?,
            FlowKind::Lsd | FlowKind::FlowMatching => {
                let mut x = noise.clone();
                for step in 0..n_steps {
                    let time = |step: usize| step as f32 / n_steps as f32;
                    let times = [time(step), time(step + 1)];
                    let times = times.get(..self.kind.n_times()).unwrap_or_default();
                    let velocity = self.velocity(cond, &x, times)?;
                    x = (x + (velocity / n_steps as f64)?)?;
                }
                Ok(x)
            }
        }
    }

    /// The code of a time, [1, F].
    ///
    /// # Errors
    /// Where there is no such time.
    pub fn time_embed(&self, idx: usize, time: f32) -> Result<Tensor> {
        let embed = self.time_embeds.get(idx);
        embed.ok_or_else(|| candle_core::Error::msg("there is no such time"))?.forward(time)
    }

    fn velocity(&self, cond: &Tensor, x: &Tensor, times: &[f32]) -> Result<Tensor> {
        let mut y = self.cond_embed.forward(cond)?;
        if !times.is_empty() {
            let mut sum = self.time_embed(0, times[0])?;
            for (idx, time) in times.iter().enumerate().skip(1) {
                sum = (sum + self.time_embed(idx, *time)?)?;
            }
            y = y.broadcast_add(&(sum / times.len() as f64)?)?;
        }
        let y = silu(&y)?;
        let mut h = self.input_proj.forward(x)?;
        for block in &self.blocks {
            let parts = block.modulation.forward(&y)?.chunk(3, D::Minus1)?;
            let u = modulated(&block.norm.forward(&h)?, &parts[0], &parts[1])?;
            let u = block.second.forward(&silu(&block.first.forward(&u)?)?)?;
            h = (h + (&parts[2] * u)?)?;
        }
        let parts = self.last_modulation.forward(&y)?.chunk(2, D::Minus1)?;
        self.last.forward(&modulated(&self.last_norm.forward(&h)?, &parts[0], &parts[1])?)
    }
}

fn modulated(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    (x * (scale + 1.0)?)? + shift
}

impl TimeEmbed {
    /// Those of all the times that the network is told.
    pub(super) fn load_all(
        scope: &Scope<'_>,
        config: &FlowConfig,
        device: &Device,
    ) -> std::result::Result<Vec<Self>, LoadError> {
        let dim = config.dim;
        let embeds = (0..config.kind.n_times()).map(|idx| {
            let scope = scope.pp("time_embed").pp(idx);
            Ok(Self {
                freqs: tensor(&scope, "freqs", &[N_FREQUENCIES], device)?,
                first: Linear::with_bias(&scope.pp("mlp.0"), dim, 2 * N_FREQUENCIES, device)?,
                second: Linear::with_bias(&scope.pp("mlp.2"), dim, dim, device)?,
                alpha: tensor(&scope.pp("mlp.3"), "alpha", &[dim], device)?,
            })
        });
        embeds.collect()
    }

    /// The code of a time, `[1, F]`.
    pub(super) fn forward(&self, time: f32) -> Result<Tensor> {
        let angles = (&self.freqs * f64::from(time))?;
        let code = Tensor::cat(&[angles.cos()?, angles.sin()?], 0)?.unsqueeze(0)?;
        let x = self.second.forward(&silu(&self.first.forward(&code)?)?)?;
        // Not the norm that its name says: the variance is around the mean and of one less, the values are not centred.
        let n = x.dim(D::Minus1)? as f64;
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = (centred.sqr()?.sum_keepdim(D::Minus1)? / (n - 1.0))?;
        x.broadcast_mul(&self.alpha)?.broadcast_div(&(variance + 1e-5)?.sqrt()?)
    }
}
