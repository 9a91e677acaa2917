//! A model's configuration: the YAML file that names its weights and its tokenizer and gives its sizes.
//!
//! Reference: the package `pocket-tts` 4.0.1 of Kyutai, `pocket_tts/utils/config.py`.

mod codec;
mod raw;

use std::path::{Path, PathBuf};

pub use codec::{CodecSideConfig, MimiConfig, SeaNetConfig};
use raw::{RawFlowLm, RawModel};

use super::prompt::TextRules;
use crate::nn::transformer::TransformerConfig;

/// The largest configuration that is read: the shipped ones have 2 KB.
const MAX_BYTES: u64 = 1 << 20;

/// No size in a configuration is larger: the largest model that there is has 4,096. What is beyond is a mistake, and its
/// product with another could overflow.
const MAX_SIZE: usize = 1 << 16;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelConfigError {
    /// The operating system refused it.
    #[error("cannot read the model's configuration `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no configuration, or says something that cannot be.
    #[error("the model's configuration `{}` cannot be used: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key.
        reason: String,
    },
}

/// How a latent is made from noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// Lagrangian self-distillation: from one time to another, in any number of steps.
    Lsd,
    /// Euler steps along the flow.
    FlowMatching,
    /// One look at the noise.
    Drifting,
    /// One look at the noise, added to it.
    Pointwise,
}

impl FlowKind {
    /// How many times it is told at each look.
    pub fn n_times(self) -> usize {
        match self {
            Self::Lsd => 2,
            Self::FlowMatching => 1,
            Self::Drifting | Self::Pointwise => 0,
        }
    }
}

/// The small network that makes latents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowConfig {
    /// Its width.
    pub dim: usize,
    /// How many residual blocks it has.
    pub depth: usize,
    /// How it is used.
    pub kind: FlowKind,
}

/// The language model over voice, text and latents.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowLmConfig {
    /// The backbone.
    pub transformer: TransformerConfig,
    /// The width of what the flow sees, where it is another than the backbone's.
    pub z_dim: Option<usize>,
    /// What makes the latents.
    pub flow: FlowConfig,
    /// How many text tokens there are.
    pub n_bins: usize,
    /// The rank of the table of text tokens, where it is limited.
    pub rank: Option<usize>,
    /// Whether a learnt vector stands before the voice.
    pub bos_before_voice: bool,
}

/// Which kind of file holds the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// The `tokenizer.json` of Hugging Face.
    Json,
    /// `SentencePiece`'s own `.model`.
    SentencePiece,
}

/// A model's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Where it was read.
    pub path: PathBuf,
    /// The weights, as the file names them: a path, or a place in a hub.
    pub weights: Option<String>,
    /// The same without the voice encoder.
    pub weights_without_cloning: Option<String>,
    /// The tokenizer's file, as the configuration names it.
    pub tokenizer: String,
    /// Which kind it is.
    pub tokenizer_kind: TokenizerKind,
    /// How text is prepared.
    pub text: TextRules,
    /// Variance of the noise.
    pub temperature: f32,
    /// Above this, the model means that the speech has ended.
    pub eos_threshold: f32,
    /// Codec frames that follow the end.
    pub frames_after_eos: Option<usize>,
    /// The language model.
    pub flow_lm: FlowLmConfig,
    /// The codec.
    pub mimi: MimiConfig,
}

impl ModelConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Where it cannot be read, or says something that cannot be; the key is named.
    pub fn read(path: &Path) -> Result<Self, ModelConfigError> {
        let unreadable = |source| ModelConfigError::Unreadable { path: path.to_owned(), source };
        let invalid = |reason| ModelConfigError::Invalid { path: path.to_owned(), reason };
        let n_bytes = path.metadata().map_err(unreadable)?.len();
        if n_bytes > MAX_BYTES {
            return Err(invalid(format!("it has {n_bytes} bytes")));
        }
        Self::parse(path, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// The configuration that a text is, which is at that place, or will be.
    ///
    /// # Errors
    /// As [`ModelConfig::read`], for what it says.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ModelConfigError> {
        let invalid = |reason| ModelConfigError::Invalid { path: path.to_owned(), reason };
        let raw: RawModel =
            serde_saphyr::from_str(text).map_err(|error| invalid(error.to_string()))?;
        Self::from_raw(path, raw).map_err(invalid)
    }

    fn from_raw(path: &Path, raw: RawModel) -> Result<Self, String> {
        let table = &raw.flow_lm.lookup_table;
        let is_json = matches!(table.tokenizer.as_str(), "tokenizers" | "json")
            || Path::new(&table.tokenizer_path).extension().is_some_and(|it| it == "json");
        if raw.flow_lm.weights_path.is_some() || raw.mimi.weights_path.is_some() {
            return Err(
                "weights in two files are not supported; name one `weights_path`".to_owned()
            );
        }
        let mut replacements = Vec::new();
        for (from, to) in raw.replace_characters.unwrap_or_default() {
            let mut chars = from.chars();
            match (chars.next(), chars.next()) {
                (Some(from), None) => replacements.push((from, to)),
                _ => return Err(format!("replace_characters: `{from}` is not one character")),
            }
        }
        let text = TextRules {
            pads_short_texts: raw.pad_with_spaces_for_short_inputs.unwrap_or(false),
            removes_semicolons: raw.remove_semicolons.unwrap_or(false),
            appends_punctuation: raw.append_terminal_punctuation.unwrap_or(true),
            capitalizes: raw.capitalize_first_letter.unwrap_or(true),
            replacements,
        };
        let (temperature, eos_threshold) =
            (raw.default_temperature.unwrap_or(0.3), raw.default_eos_threshold.unwrap_or(-4.0));
        if !(0.0..=10.0).contains(&temperature) {
            return Err(format!("default_temperature: {temperature} is not between 0 and 10"));
        }
        if !eos_threshold.is_finite() {
            return Err("default_eos_threshold: not a number".to_owned());
        }
        Ok(Self {
            path: path.to_owned(),
            weights: raw.weights_path,
            weights_without_cloning: raw.weights_path_without_voice_cloning,
            tokenizer: table.tokenizer_path.clone(),
            tokenizer_kind: if is_json {
                TokenizerKind::Json
            } else {
                TokenizerKind::SentencePiece
            },
            text,
            temperature,
            eos_threshold,
            frames_after_eos: raw.model_recommended_frames_after_eos,
            flow_lm: flow_lm(&raw.flow_lm)?,
            mimi: codec::mimi(&raw.mimi)?,
        })
    }
}

fn flow_lm(raw: &RawFlowLm) -> Result<FlowLmConfig, String> {
    check_type("flow_lm.dtype", raw.dtype.as_deref())?;
    let backbone = &raw.transformer;
    let d_model = size("flow_lm.transformer.d_model", backbone.d_model)?;
    if raw.lookup_table.dim != d_model {
        return Err(format!("flow_lm.lookup_table.dim: is not d_model, {d_model}"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked below")]
    let d_ff = backbone
        .dim_feedforward
        .unwrap_or_else(|| (d_model as f64 * backbone.hidden_scale).max(0.0) as usize);
    let transformer = TransformerConfig::new(
        d_model,
        backbone.attn_dim.unwrap_or(d_model),
        size("flow_lm.transformer.num_heads", backbone.num_heads)?,
        size(
            "flow_lm.transformer.num_kv_heads",
            backbone.num_kv_heads.unwrap_or(backbone.num_heads),
        )?,
        size("flow_lm.transformer.dim_feedforward", d_ff)?,
        size("flow_lm.transformer.num_layers", backbone.num_layers)?,
        backbone.max_period,
    )
    .map_err(|why| format!("flow_lm.transformer: {why}"))?;
    let kind = match raw.flow.kind.as_deref() {
        None | Some("lsd") => FlowKind::Lsd,
        Some("flow_matching") => FlowKind::FlowMatching,
        Some("drifting") => FlowKind::Drifting,
        Some("pointwise") => FlowKind::Pointwise,
        Some(other) => return Err(format!("flow_lm.flow.type: `{other}` is not known")),
    };
    Ok(FlowLmConfig {
        transformer,
        z_dim: raw.z_dim.map(|z_dim| size("flow_lm.z_dim", z_dim)).transpose()?,
        flow: FlowConfig {
            dim: size("flow_lm.flow.dim", raw.flow.dim)?,
            depth: size("flow_lm.flow.depth", raw.flow.depth)?,
            kind,
        },
        n_bins: size("flow_lm.lookup_table.n_bins", raw.lookup_table.n_bins)?,
        rank: raw.lookup_table.rank.map(|it| size("flow_lm.lookup_table.rank", it)).transpose()?,
        bos_before_voice: raw.insert_bos_before_voice.unwrap_or(false),
    })
}

fn check_type(key: &str, dtype: Option<&str>) -> Result<(), String> {
    match dtype {
        None | Some("float32") => Ok(()),
        Some(other) => Err(format!("{key}: `{other}` is not float32")),
    }
}

fn size(key: &str, value: usize) -> Result<usize, String> {
    within(key, value, MAX_SIZE)
}

fn within(key: &str, value: usize, max: usize) -> Result<usize, String> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(format!("{key}: {value} is not between 1 and {max}"))
}
