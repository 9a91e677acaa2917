//! `synth`.

use std::path::PathBuf;

use clap::Args;

use super::Quantisation;

/// `synth`
#[derive(Debug, Args)]
pub struct Synth {
    /// The text; `-` reads standard input.
    pub text: String,
    /// The model: its name, a directory with a `config.yaml`, or a YAML file; without it, the voice's or the best one.
    #[arg(long, value_name = "NAME|DIR")]
    pub model: Option<PathBuf>,
    /// The voice: its name, a recording, or the exported state of a voice (`.safetensors`).
    #[arg(long, value_name = "NAME|FILE")]
    pub voice: PathBuf,
    /// Give the text to the model as it is: numbers, links and signs stay what they are.
    #[arg(long)]
    pub raw: bool,
    /// How much chance there is in the speech; 0 is none. The model's own where it is not given.
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f32>,
    /// The same number gives the same samples.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How the weights are kept.
    #[arg(long, value_enum, default_value = "q8_0")]
    pub quant: Quantisation,
    /// Where the sound goes, as a WAV file of 16 bits; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

fn temperature(text: &str) -> Result<f32, String> {
    let temperature: f32 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0..=10.0).contains(&temperature) {
        return Ok(temperature);
    }
    Err("is not between 0 and 10".to_owned())
}
