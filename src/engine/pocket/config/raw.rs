//! The model's YAML file as it is written. A key that is not listed here is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) flow_lm: RawFlowLm,
    pub(super) mimi: RawMimi,
    pub(super) weights_path: Option<String>,
    pub(super) weights_path_without_voice_cloning: Option<String>,
    pub(super) pad_with_spaces_for_short_inputs: Option<bool>,
    pub(super) remove_semicolons: Option<bool>,
    pub(super) append_terminal_punctuation: Option<bool>,
    pub(super) capitalize_first_letter: Option<bool>,
    pub(super) replace_characters: Option<BTreeMap<String, String>>,
    pub(super) model_recommended_frames_after_eos: Option<usize>,
    pub(super) default_temperature: Option<f32>,
    pub(super) default_eos_threshold: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlowLm {
    pub(super) dtype: Option<String>,
    pub(super) flow: RawFlow,
    pub(super) transformer: RawBackbone,
    pub(super) z_dim: Option<usize>,
    pub(super) lookup_table: RawLookupTable,
    pub(super) weights_path: Option<String>,
    pub(super) insert_bos_before_voice: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlow {
    pub(super) dim: usize,
    pub(super) depth: usize,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackbone {
    pub(super) hidden_scale: f64,
    pub(super) max_period: f32,
    pub(super) d_model: usize,
    pub(super) num_heads: usize,
    pub(super) num_layers: usize,
    pub(super) attn_dim: Option<usize>,
    pub(super) num_kv_heads: Option<usize>,
    pub(super) dim_feedforward: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLookupTable {
    pub(super) dim: usize,
    pub(super) n_bins: usize,
    pub(super) tokenizer: String,
    pub(super) tokenizer_path: String,
    pub(super) rank: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMimi {
    pub(super) dtype: Option<String>,
    pub(super) sample_rate: u32,
    pub(super) channels: usize,
    pub(super) frame_rate: f64,
    pub(super) inner_dim: Option<usize>,
    pub(super) outer_dim: Option<usize>,
    pub(super) seanet: RawSeaNet,
    pub(super) transformer: RawCodecTransformer,
    pub(super) quantizer: RawQuantizer,
    pub(super) decoder_seanet: Option<RawSeaNet>,
    pub(super) decoder_transformer: Option<RawCodecTransformer>,
    pub(super) weights_path: Option<String>,
}

#[derive(Debug, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSeaNet {
    pub(super) dimension: usize,
    pub(super) channels: usize,
    pub(super) n_filters: usize,
    pub(super) n_residual_layers: usize,
    pub(super) ratios: Vec<usize>,
    pub(super) kernel_size: usize,
    pub(super) residual_kernel_size: usize,
    pub(super) last_kernel_size: usize,
    pub(super) dilation_base: usize,
    pub(super) pad_mode: String,
    pub(super) compress: usize,
}

#[derive(Debug, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCodecTransformer {
    pub(super) d_model: usize,
    pub(super) input_dimension: usize,
    pub(super) output_dimensions: Vec<usize>,
    pub(super) num_heads: usize,
    pub(super) num_layers: usize,
    /// What the scales were before training: the weights have their own.
    #[serde(rename = "layer_scale")]
    pub(super) _layer_scale: f64,
    pub(super) context: usize,
    pub(super) max_period: Option<f32>,
    pub(super) dim_feedforward: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuantizer {
    pub(super) dimension: usize,
    pub(super) output_dimension: usize,
}
