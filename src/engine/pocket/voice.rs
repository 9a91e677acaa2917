//! A voice as the language model remembers it: the keys and values of its positions, ready to be spoken after.
//!
//! Only valid for the weights that made it. The file is the one that the reference exports: for each layer
//! `transformer.layers.N.self_attn/cache` `[2, 1, T, G, E]`, 0 keys, 1 values, and `…/offset` `[1]`.
//! Letters: T positions, G key and value heads, E width of a head.

use std::path::Path;

use candle_core::{Device, Tensor};

use crate::nn::transformer::{LayerCache, TransformerConfig, TransformerState};
use crate::weights::writing::{NamedTensor, Values, to_bytes};
use crate::weights::{Checkpoint, WeightsError};

/// A voice has fewer positions: more than 100 s of speech, where 30 s are used.
pub(super) const MAX_POSITIONS: usize = 2_048;

/// One layer's share.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceLayer {
    /// [T, G, E], turned to their positions.
    pub keys: Vec<f32>,
    /// [T, G, E]
    pub values: Vec<f32>,
}

/// A voice as the language model remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceState {
    /// How many positions it takes.
    pub n_positions: usize,
    /// One for each layer.
    pub layers: Vec<VoiceLayer>,
}

/// A voice state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VoiceStateError {
    /// The file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// It was made for another model.
    #[error("the voice `{path}` was made for another model: {reason}")]
    OtherModel {
        /// The file.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// It cannot be turned into tensors, or from them.
    #[error("the voice does not fit onto the device: {0}")]
    Tensor(#[from] candle_core::Error),
    /// It cannot be written.
    #[error("cannot write the voice: {0}")]
    Write(String),
}

impl VoiceState {
    /// Reads an exported state for this model.
    ///
    /// # Errors
    /// Where the file is wrong, or was made for another model.
    pub fn read(path: &Path, config: &TransformerConfig) -> Result<Self, VoiceStateError> {
        let file = Checkpoint::open(path)?;
        let other = |reason: String| VoiceStateError::OtherModel {
            path: path.display().to_string(),
            reason,
        };
        let mut layers = Vec::with_capacity(config.n_layers);
        let mut n_positions = None;
        for idx in 0..config.n_layers {
            let name = |part: &str| format!("transformer.layers.{idx}.self_attn/{part}");
            let shape = file.shape(&name("cache"))?.to_vec();
            let [2, 1, n_cached, n_kv_heads, head_dim] = shape[..] else {
                return Err(other(format!("its layers are {shape:?}")));
            };
            if (n_kv_heads, head_dim) != (config.n_kv_heads, config.head_dim) {
                return Err(other(format!(
                    "it has {n_kv_heads} heads of {head_dim}, and the model {} of {}",
                    config.n_kv_heads, config.head_dim
                )));
            }
            let offset = if file.has(&name("offset")) {
                let offset = file.integers(&name("offset"))?.first().copied().unwrap_or(-1);
                usize::try_from(offset).unwrap_or(usize::MAX)
            } else {
                // Older exports say it by the length of a tensor.
                file.shape(&name("current_end"))?.first().copied().unwrap_or(usize::MAX)
            };
            if offset > n_cached || offset > MAX_POSITIONS || n_cached > 16 * MAX_POSITIONS {
                return Err(other(format!("it has {offset} positions of {n_cached}")));
            }
            if *n_positions.get_or_insert(offset) != offset {
                return Err(other("its layers have different lengths".to_owned()));
            }
            let cache = file.floats(&name("cache"), &shape)?;
            let (keys, values) = cache.split_at(cache.len() / 2);
            let n_values = offset * n_kv_heads * head_dim; // what follows is not a number
            let part = |values: &[f32]| values[..n_values].to_vec();
            let layer = VoiceLayer { keys: part(keys), values: part(values) };
            if !layer.keys.iter().chain(&layer.values).all(|value| value.is_finite()) {
                return Err(other("it has values that are not numbers".to_owned()));
            }
            layers.push(layer);
        }
        let beyond = format!("transformer.layers.{}.self_attn/cache", config.n_layers);
        if file.has(&beyond) {
            return Err(other(format!("it has more than {} layers", config.n_layers)));
        }
        Ok(Self { n_positions: n_positions.unwrap_or(0), layers })
    }

    /// Sees to it that this is a voice for such a transformer.
    ///
    /// # Errors
    /// Where it was made for another model.
    pub fn check(&self, config: &TransformerConfig) -> Result<(), VoiceStateError> {
        let n_values = self.n_positions * config.d_kv();
        let fits =
            |layer: &VoiceLayer| layer.keys.len() == n_values && layer.values.len() == n_values;
        if self.layers.len() == config.n_layers && self.layers.iter().all(fits) {
            return Ok(());
        }
        let reason = format!("it has {} layers of other sizes", self.layers.len());
        Err(VoiceStateError::OtherModel { path: "in memory".to_owned(), reason })
    }

    /// The tensors that [`VoiceState::read`] reads.
    pub fn to_named(&self, config: &TransformerConfig) -> Vec<NamedTensor> {
        let shape = vec![2, 1, self.n_positions, config.n_kv_heads, config.head_dim];
        let mut tensors = Vec::with_capacity(3 * self.layers.len());
        for (idx, layer) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("transformer.layers.{idx}.self_attn/{part}");
            let cache = [layer.keys.as_slice(), &layer.values].concat();
            tensors.push(NamedTensor {
                name: name("cache"),
                shape: shape.clone(),
                values: Values::Floats(cache),
            });
            for (part, value) in [("offset", self.n_positions as u64), ("pad", 0)] {
                let values = Values::Integers(vec![value.cast_signed()]);
                tensors.push(NamedTensor { name: name(part), shape: vec![1], values });
            }
        }
        tensors
    }

    /// The bytes of the file that [`VoiceState::read`] reads.
    ///
    /// # Errors
    /// Where they cannot be put together.
    pub fn to_bytes(&self, config: &TransformerConfig) -> Result<Vec<u8>, VoiceStateError> {
        to_bytes(&self.to_named(config), None).map_err(VoiceStateError::Write)
    }

    /// What a transformer remembers after these positions.
    ///
    /// # Errors
    /// Where a layer has another length than it should.
    pub fn to_tensors(
        &self,
        config: &TransformerConfig,
        device: &Device,
    ) -> candle_core::Result<TransformerState> {
        let shape = (self.n_positions, config.n_kv_heads, config.head_dim);
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, shape, device)?.transpose(0, 1)?.contiguous()
        };
        let layers = self.layers.iter().map(|layer| {
            Ok(LayerCache { keys: tensor(&layer.keys)?, values: tensor(&layer.values)? })
        });
        let layers = layers.collect::<candle_core::Result<_>>()?;
        Ok(TransformerState { layers, offset: self.n_positions })
    }

    /// The state of a transformer that saw nothing but a voice.
    ///
    /// # Errors
    /// Where the device does not give it.
    pub fn of_tensors(state: &TransformerState) -> candle_core::Result<Self> {
        let values = |x: &Tensor| x.transpose(0, 1)?.contiguous()?.flatten_all()?.to_vec1();
        let layers = state.layers.iter().map(|cache| {
            Ok(VoiceLayer { keys: values(&cache.keys)?, values: values(&cache.values)? })
        });
        let layers = layers.collect::<candle_core::Result<_>>()?;
        Ok(Self { n_positions: state.offset, layers })
    }
}
