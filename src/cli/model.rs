//! `model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Json;

/// `model`
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Show which models are installed, and which could be.
    List(Json),
    /// Get a model: its weights, its tokenizer and its predefined voices. Nothing else ever goes out to the network.
    Pull(Pull),
    /// Remove an installed model.
    Remove(Remove),
    /// Show what a model is made of.
    Info(Info),
    /// Check the files of an installed model.
    Verify(Verify),
}

/// `model pull`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  speakerd model pull english
  speakerd model pull german --voices juergen
  speakerd model pull english --without-cloning    no login needed; speaks with the predefined voices

The weights with voice cloning are behind terms: accept them on the model's page, then log in with
`hf auth login` or set HF_TOKEN. What was interrupted goes on where it was.")]
pub struct Pull {
    /// The model, as `speakerd model list` has it, or a YAML file that names weights and a tokenizer.
    #[arg(value_name = "NAME|FILE.yaml")]
    pub model: String,
    /// The weights without the voice encoder, which are open to everyone: no voice can be made of a recording with them.
    #[arg(long)]
    pub without_cloning: bool,
    /// Which predefined voices: `all`, `none`, or names with commas between; all where it is not given.
    #[arg(long, value_name = "VOICES")]
    pub voices: Option<Voices>,
    /// What the model of a YAML file is called; as the file where it is not given.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print JSON: one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Which predefined voices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voices {
    /// All of them.
    All,
    /// None.
    None,
    /// These.
    Named(Vec<String>),
}

impl std::str::FromStr for Voices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => {
                let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
                if names.iter().any(String::is_empty) {
                    return Err("is neither `all` nor `none` nor names with commas".to_owned());
                }
                Ok(Self::Named(names))
            }
        }
    }
}

/// `model remove`
#[derive(Debug, Args)]
pub struct Remove {
    /// The model.
    pub name: String,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// `model info`
#[derive(Debug, Args)]
pub struct Info {
    /// The model: the name of an installed one, or a directory with a `config.yaml`.
    #[arg(value_name = "NAME|DIR")]
    pub model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `model verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The model.
    pub name: String,
}
