//! Append to the first sample with a cloned voice, through a whole daemon.

use anyhow::{Context, bail};

use super::trial::Trial;
use super::{Figure, append_in};
use crate::cli::PocketBench;
use crate::control::protocol::{Request, Response};
use crate::voice::request::{AddVoice, VoiceRequest};

/// What the voice is called in the throw-away home.
const VOICE: &str = "bench";

/// Measures, with the voice loaded.
///
/// # Errors
/// Where the model or the voice cannot be used.
pub(super) fn run(arguments: &PocketBench, n_rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let (Some(model), Some(voice)) = (&arguments.model, &arguments.voice) else {
        bail!("`bench append` with a model measures a voice: name a recording with `--voice`");
    };
    let (model, voice) = (std::path::absolute(model)?, std::path::absolute(voice)?);
    let model = model.to_str().context("the path of the model is no text")?;
    let model = toml::Value::String(model.to_owned());
    let settings = format!("null_speed = 0.0\n[engine]\nmodel = {model}\nfallback = \"none\"\n");
    let trial = Trial::start(&settings, &[])?;
    let is_state = voice.extension().is_some_and(|extension| extension == "safetensors");
    let request = if is_state {
        VoiceRequest::Import { name: VOICE.to_owned(), file: voice }
    } else {
        let (name, files) = (VOICE.to_owned(), vec![voice]);
        VoiceRequest::Add(Box::new(AddVoice { name, files, ..AddVoice::default() }))
    };
    trial.client()?.ask(&Request::Voice(request))?;
    trial.watch("a.txt", VOICE)?;
    let figure = append_in(&trial, n_rounds, "append to first sample, cloned voice")?;
    let Response::Status(status) = trial.client()?.ask(&Request::Status)? else {
        bail!("no status came");
    };
    if let Some(degraded) = status.engine.degraded {
        bail!("another voice spoke: {degraded}");
    }
    trial.stop()?;
    Ok(vec![figure])
}
