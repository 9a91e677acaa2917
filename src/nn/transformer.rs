//! A causal transformer that is fed piece by piece.
//!
//! Letters: T new positions, S all positions, D width, H heads, G key and value heads, E width of a head.

use candle_core::{Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::rotary_emb::rope_i;

use super::linear::Linear;
use super::norm::LayerNorm;
use super::{LoadError, tensor};
use crate::weights::Scope;

/// Of the norms in the layers.
const EPS: f64 = 1e-5;

/// The sizes of a transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformerConfig {
    /// Its width.
    pub d_model: usize,
    /// Heads that ask.
    pub n_heads: usize,
    /// Heads that are asked; each serves as many of the others.
    pub n_kv_heads: usize,
    /// The width of a head.
    pub head_dim: usize,
    /// The width between the two matrices.
    pub d_ff: usize,
    /// How many layers there are.
    pub n_layers: usize,
    /// The slowest turn of the position's code.
    pub max_period: f32,
    /// How many positions are seen, one's own included; `None` for all.
    pub window: Option<usize>,
}

impl TransformerConfig {
    /// A transformer that sees all that was before.
    ///
    /// # Errors
    /// Where the heads do not divide the widths.
    pub fn new(
        d_model: usize,
        d_attention: usize,
        n_heads: usize,
        n_kv_heads: usize,
        d_ff: usize,
        n_layers: usize,
        max_period: f32,
    ) -> std::result::Result<Self, String> {
        if !d_attention.is_multiple_of(2 * n_heads) {
            return Err(format!("{n_heads} heads do not divide {d_attention} into even parts"));
        }
        if !n_heads.is_multiple_of(n_kv_heads) {
            return Err(format!("{n_kv_heads} key and value heads do not divide {n_heads} heads"));
        }
        if !(max_period.is_finite() && max_period > 1.0) {
            return Err(format!("max_period: {max_period} is not above 1"));
        }
        let head_dim = d_attention / n_heads;
        Ok(Self {
            d_model,
            n_heads,
            n_kv_heads,
            head_dim,
            d_ff,
            n_layers,
            max_period,
            window: None,
        })
    }

    /// The same, seeing only the last `window` positions.
    #[must_use]
    pub fn with_window(self, window: usize) -> Self {
        Self { window: Some(window), ..self }
    }

    /// All heads' width together.
    pub fn d_attention(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// The same of the heads that are asked.
    pub fn d_kv(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// By how much each pair of a head's values turns from one position to the next.
    pub fn turns(&self) -> Vec<f32> {
        let half = self.head_dim / 2;
        (0..half).map(|idx| self.max_period.powf(-(idx as f32) / half as f32)).collect()
    }
}

/// Keys and values of the positions so far, of one layer.
#[derive(Debug, Clone)]
pub struct LayerCache {
    /// [G, S, E], turned to their positions.
    pub keys: Tensor,
    /// [G, S, E]
    pub values: Tensor,
}

/// What a transformer remembers. A copy shares its tensors, which nothing changes in place.
#[derive(Debug, Clone, Default)]
pub struct TransformerState {
    /// One for each layer; none before the first position.
    pub layers: Vec<LayerCache>,
    /// How many positions there were.
    pub offset: usize,
}

/// The layers.
#[derive(Debug, Clone)]
pub struct Transformer {
    config: TransformerConfig,
    layers: Vec<Layer>,
    device: Device,
}

#[derive(Debug, Clone)]
struct Layer {
    norm1: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    scale1: Option<Tensor>,
    norm2: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    scale2: Option<Tensor>,
}

/// Whether the layers' outputs are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerScale {
    /// By learnt factors.
    Learnt,
    /// They are not.
    None,
}

impl Transformer {
    /// Loads the layers under `layers`.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &TransformerConfig,
        scale: LayerScale,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let layers = scope.pp("layers");
        let layers = (0..config.n_layers)
            .map(|idx| Layer::load(&layers.pp(idx), config, scale, device))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { config: config.clone(), layers, device: device.clone() })
    }

    /// [T, D] → [T, D]
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward(&self, x: &Tensor, state: &mut TransformerState) -> Result<Tensor> {
        self.forward_observed(x, state, &mut |_, _| {})
    }

    /// The same, showing what each layer makes of it.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward_observed(
        &self,
        x: &Tensor,
        state: &mut TransformerState,
        observe: &mut dyn FnMut(usize, &Tensor),
    ) -> Result<Tensor> {
        let n_new = x.dim(0)?;
        let positions = self.positions(state.offset, n_new)?;
        let mut x = x.clone();
        let mut layers = Vec::with_capacity(self.layers.len());
        for (idx, layer) in self.layers.iter().enumerate() {
            let cache = state.layers.get(idx);
            let (y, cache) = layer.forward(&x, cache, &self.config, &positions)?;
            x = y;
            layers.push(cache);
            observe(idx, &x);
        }
        *state = TransformerState { layers, offset: state.offset + n_new };
        Ok(x)
    }

    fn positions(&self, offset: usize, n_new: usize) -> Result<Positions> {
        let turns = self.config.turns();
        let angles: Vec<f32> = (offset..offset + n_new)
            .flat_map(|position| turns.iter().map(move |turn| position as f32 * turn))
            .collect();
        let angles = Tensor::from_vec(angles, (n_new, turns.len()), &self.device)?;
        let n_kept = match self.config.window {
            Some(window) => offset.min(window - 1),
            None => offset,
        };
        // The key in column k stands at position offset - n_kept + k, the query in row q at offset + q.
        let is_seen = |query: usize, key: usize| {
            let distance = (n_kept + query).checked_sub(key);
            distance.is_some_and(|distance| self.config.window.is_none_or(|it| distance < it))
        };
        let is_all_seen = n_new == 1;
        let mask = (!is_all_seen)
            .then(|| {
                let mask: Vec<f32> = (0..n_new)
                    .flat_map(|query| (0..n_kept + n_new).map(move |key| (query, key)))
                    .map(|(query, key)| if is_seen(query, key) { 0.0 } else { f32::NEG_INFINITY })
                    .collect();
                Tensor::from_vec(mask, (n_new, n_kept + n_new), &self.device)
            })
            .transpose()?;
        Ok(Positions { cos: angles.cos()?, sin: angles.sin()?, n_kept, mask })
    }
}

/// What the layers need to know of where they are.
struct Positions {
    /// [T, E / 2]
    cos: Tensor,
    sin: Tensor,
    /// How many of the positions so far are still seen.
    n_kept: usize,
    /// [T, S]
    mask: Option<Tensor>,
}

impl Layer {
    fn load(
        scope: &Scope<'_>,
        config: &TransformerConfig,
        scale: LayerScale,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let (d, d_ff) = (config.d_model, config.d_ff);
        let attention = scope.pp("self_attn");
        let n_rows = config.d_attention() + 2 * config.d_kv();
        let scale = |name: &str| match scale {
            LayerScale::Learnt => tensor(&scope.pp(name), "scale", &[d], device).map(Some),
            LayerScale::None => Ok(None),
        };
        Ok(Self {
            norm1: LayerNorm::learnt(&scope.pp("norm1"), d, EPS, device)?,
            in_proj: Linear::without_bias(&attention.pp("in_proj"), n_rows, d, device)?,
            out_proj: Linear::without_bias(
                &attention.pp("out_proj"),
                d,
                config.d_attention(),
                device,
            )?,
            scale1: scale("layer_scale_1")?,
            norm2: LayerNorm::learnt(&scope.pp("norm2"), d, EPS, device)?,
            linear1: Linear::without_bias(&scope.pp("linear1"), d_ff, d, device)?,
            linear2: Linear::without_bias(&scope.pp("linear2"), d, d_ff, device)?,
            scale2: scale("layer_scale_2")?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        cache: Option<&LayerCache>,
        config: &TransformerConfig,
        positions: &Positions,
    ) -> Result<(Tensor, LayerCache)> {
        let (attended, cache) = self.attend(&self.norm1.forward(x)?, cache, config, positions)?;
        let x = (x + scaled(attended, self.scale1.as_ref())?)?;
        // The tanh approximation of GELU, as the reference has it.
        let hidden = self.linear1.forward(&self.norm2.forward(&x)?)?.gelu()?;
        let y = scaled(self.linear2.forward(&hidden)?, self.scale2.as_ref())?;
        Ok(((x + y)?, cache))
    }

    fn attend(
        &self,
        x: &Tensor,
        cache: Option<&LayerCache>,
        config: &TransformerConfig,
        positions: &Positions,
    ) -> Result<(Tensor, LayerCache)> {
        let n_new = x.dim(0)?;
        let projected = self.in_proj.forward(x)?; // [T, (H + 2 G) E]
        let (n_heads, n_kv_heads, head_dim) = (config.n_heads, config.n_kv_heads, config.head_dim);
        let heads = |begin: usize, n_heads: usize| {
            let part = projected.narrow(1, begin, n_heads * head_dim)?;
            part.reshape((n_new, n_heads, head_dim))?.transpose(0, 1)?.contiguous()
        };
        let turned =
            |x: Tensor| rope_i(&x.unsqueeze(0)?, &positions.cos, &positions.sin)?.squeeze(0);
        let queries = turned(heads(0, n_heads)?)?; // [H, T, E]
        let keys = turned(heads(config.d_attention(), n_kv_heads)?)?; // [G, T, E]
        let values = heads(config.d_attention() + config.d_kv(), n_kv_heads)?;
        let cache = match cache {
            Some(cache) if positions.n_kept > 0 => {
                let n_old = cache.keys.dim(1)?;
                let kept = |x: &Tensor| x.narrow(1, n_old - positions.n_kept, positions.n_kept);
                LayerCache {
                    keys: Tensor::cat(&[&kept(&cache.keys)?, &keys], 1)?,
                    values: Tensor::cat(&[&kept(&cache.values)?, &values], 1)?,
                }
            }
            Some(_) | None => LayerCache { keys, values },
        };
        let n_seen = cache.keys.dim(1)?;
        // Each of the heads that are asked serves as many of the others: they are asked together.
        let n_together = n_heads / n_kv_heads * n_new;
        let queries = queries.reshape((n_kv_heads, n_together, head_dim))?;
        let scale = (head_dim as f64).powf(-0.5);
        let scores = (queries.matmul(&cache.keys.transpose(1, 2)?)? * scale)?; // [G, H / G T, S]
        let scores = scores.reshape((n_heads, n_new, n_seen))?;
        let scores = match &positions.mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        let weights = softmax_last_dim(&scores)?.reshape((n_kv_heads, n_together, n_seen))?;
        let attended = weights.matmul(&cache.values)?.reshape((n_heads, n_new, head_dim))?;
        let attended = attended.transpose(0, 1)?.reshape((n_new, n_heads * head_dim))?;
        Ok((self.out_proj.forward(&attended)?, cache))
    }
}

fn scaled(x: Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
    match scale {
        Some(scale) => x.broadcast_mul(scale),
        None => Ok(x),
    }
}
