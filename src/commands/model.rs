//! `speakerd model`: the models that cloned voices are spoken with.
//!
//! `pull` is the only part of speakerd that ever goes out to the network.

pub mod answer;
pub mod checksum;
pub mod download;
pub mod error;
pub mod info;
pub mod list;
pub mod manifest;
pub mod order;
pub mod place;
pub mod progress;
pub mod pull;
pub mod remove;
pub mod token;
pub mod verify;

use crate::cli::Model as Command;
use crate::config::{Config, address};
use crate::paths::Paths;

/// Runs `speakerd model …`.
///
/// # Errors
/// Where it cannot be done; the message says why.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<()> {
    match command {
        Command::Pull(arguments) => pull::run(arguments, hub(paths)?, paths),
        Command::List(arguments) => list::run(arguments, paths),
        Command::Info(arguments) => info::run(arguments, paths),
        Command::Verify(arguments) => verify::run(arguments, paths),
        Command::Remove(arguments) => remove::run(arguments, paths),
    }
}

/// Where models are got from: as Hugging Face's own tools are told, or as configured.
fn hub(paths: &Paths) -> anyhow::Result<String> {
    if let Ok(address) = std::env::var("HF_ENDPOINT")
        && !address.is_empty()
    {
        return address::hub(&address).map_err(|why| anyhow::anyhow!("HF_ENDPOINT: {why}"));
    }
    Ok(Config::load(None, paths, super::environment())?.models.hub)
}
