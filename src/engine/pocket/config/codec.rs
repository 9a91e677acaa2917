//! The codec's sizes.

use super::raw::{RawCodecTransformer, RawMimi, RawSeaNet};
use super::{check_type, size, within};
use crate::nn::transformer::TransformerConfig;

/// What shapes a convolution is no larger; the largest that there is is 12.
const MAX_SMALL: usize = 64;

/// One half of the codec.
#[derive(Debug, Clone, PartialEq)]
pub struct CodecSideConfig {
    /// Its convolutions.
    pub seanet: SeaNetConfig,
    /// Its transformer.
    pub transformer: TransformerConfig,
}

/// A stack of convolutions that changes the rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeaNetConfig {
    /// Channels on the slow side.
    pub dimension: usize,
    /// Channels on the audio's side.
    pub n_filters: usize,
    /// Residual blocks at each rate.
    pub n_residual_layers: usize,
    /// By how much each step changes the rate, from the slow side on.
    pub ratios: Vec<usize>,
    /// Of the first convolution.
    pub kernel_size: usize,
    /// Of the residual blocks.
    pub residual_kernel_size: usize,
    /// Of the last convolution.
    pub last_kernel_size: usize,
    /// How the residual blocks widen.
    pub dilation_base: usize,
    /// By how much the residual blocks are narrower within.
    pub compress: usize,
}

impl SeaNetConfig {
    /// Audio samples for each step on the slow side.
    pub fn hop_samples(&self) -> usize {
        self.ratios.iter().product()
    }
}

/// The codec, Mimi without its codes.
#[derive(Debug, Clone, PartialEq)]
pub struct MimiConfig {
    /// Of the audio.
    pub sample_rate_hz: u32,
    /// Audio samples for each latent: a codec frame.
    pub frame_samples: usize,
    /// Inner steps for each latent.
    pub steps_per_latent: usize,
    /// The width of a latent.
    pub latent_dim: usize,
    /// The width of what the encoder makes of a voice.
    pub voice_dim: usize,
    /// From audio.
    pub encoder: CodecSideConfig,
    /// To audio.
    pub decoder: CodecSideConfig,
}

pub(super) fn mimi(raw: &RawMimi) -> Result<MimiConfig, String> {
    check_type("mimi.dtype", raw.dtype.as_deref())?;
    if raw.channels != 1 {
        return Err(format!("mimi.channels: {} is not 1", raw.channels));
    }
    if !(8_000..=192_000).contains(&raw.sample_rate) {
        return Err(format!(
            "mimi.sample_rate: {} is not between 8000 and 192000",
            raw.sample_rate
        ));
    }
    let encoder = side("mimi.seanet", &raw.seanet, "mimi.transformer", &raw.transformer)?;
    let decoder = side(
        "mimi.decoder_seanet",
        raw.decoder_seanet.as_ref().unwrap_or(&raw.seanet),
        "mimi.decoder_transformer",
        raw.decoder_transformer.as_ref().unwrap_or(&raw.transformer),
    )?;
    let hop = encoder.seanet.hop_samples();
    if decoder.seanet.hop_samples() != hop {
        return Err("mimi.decoder_seanet.ratios: their product is not the encoder's".to_owned());
    }
    let steps = f64::from(raw.sample_rate) / hop as f64 / raw.frame_rate;
    if steps.fract() != 0.0 || !(1.0..=1_024.0).contains(&steps) {
        return Err(format!("mimi.frame_rate: {} does not divide the inner rate", raw.frame_rate));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
    let steps_per_latent = steps as usize;
    let output_dim = size("mimi.quantizer.output_dimension", raw.quantizer.output_dimension)?;
    let is_straight = raw.outer_dim.unwrap_or(output_dim) == output_dim
        && decoder.seanet.dimension == output_dim
        && decoder.transformer.d_model == output_dim;
    if !is_straight {
        return Err("mimi: the decoder's widths (outer_dim, quantizer.output_dimension, \
                    seanet.dimension, transformer.d_model) differ, which is not supported"
            .to_owned());
    }
    if encoder.transformer.d_model != encoder.seanet.dimension {
        return Err("mimi.transformer.d_model: is not seanet.dimension".to_owned());
    }
    Ok(MimiConfig {
        sample_rate_hz: raw.sample_rate,
        frame_samples: hop * steps_per_latent,
        steps_per_latent,
        latent_dim: size("mimi.quantizer.dimension", raw.quantizer.dimension)?,
        voice_dim: size("mimi.inner_dim", raw.inner_dim.unwrap_or(raw.seanet.dimension))?,
        encoder,
        decoder,
    })
}

fn side(
    seanet_key: &str,
    seanet: &RawSeaNet,
    transformer_key: &str,
    transformer: &RawCodecTransformer,
) -> Result<CodecSideConfig, String> {
    let in_seanet = |name: &str, value| size(&format!("{seanet_key}.{name}"), value);
    let small = |name: &str, value| within(&format!("{seanet_key}.{name}"), value, MAX_SMALL);
    if seanet.channels != 1 {
        return Err(format!("{seanet_key}.channels: {} is not 1", seanet.channels));
    }
    if seanet.pad_mode != "constant" {
        return Err(format!("{seanet_key}.pad_mode: `{}` is not supported", seanet.pad_mode));
    }
    for ratio in &seanet.ratios {
        if !(1..=64).contains(ratio) {
            return Err(format!("{seanet_key}.ratios: {ratio} is not between 1 and 64"));
        }
    }
    if !(1..=8).contains(&seanet.ratios.len()) {
        return Err(format!("{seanet_key}.ratios: there are not between 1 and 8"));
    }
    let in_transformer = |name: &str, value| size(&format!("{transformer_key}.{name}"), value);
    let d_model = in_transformer("d_model", transformer.d_model)?;
    if transformer.input_dimension != d_model || transformer.output_dimensions != [d_model] {
        return Err(format!(
            "{transformer_key}: input_dimension or output_dimensions differ from d_model, which is not supported"
        ));
    }
    let n_heads = in_transformer("num_heads", transformer.num_heads)?;
    let config = TransformerConfig::new(
        d_model,
        d_model,
        n_heads,
        n_heads,
        in_transformer("dim_feedforward", transformer.dim_feedforward)?,
        in_transformer("num_layers", transformer.num_layers)?,
        transformer.max_period.unwrap_or(10_000.0),
    )
    .map_err(|why| format!("{transformer_key}: {why}"))?
    .with_window(in_transformer("context", transformer.context)?);
    Ok(CodecSideConfig {
        seanet: SeaNetConfig {
            dimension: in_seanet("dimension", seanet.dimension)?,
            n_filters: in_seanet("n_filters", seanet.n_filters)?,
            n_residual_layers: small("n_residual_layers", seanet.n_residual_layers)?,
            ratios: seanet.ratios.clone(),
            kernel_size: small("kernel_size", seanet.kernel_size)?,
            residual_kernel_size: small("residual_kernel_size", seanet.residual_kernel_size)?,
            last_kernel_size: small("last_kernel_size", seanet.last_kernel_size)?,
            dilation_base: small("dilation_base", seanet.dilation_base)?,
            compress: small("compress", seanet.compress)?,
        },
        transformer: config,
    })
}
