//! Who speaks: a model, and a voice of the library, of the model, of a recording or of a file.

use std::path::Path;

use anyhow::Context;

use super::precision_of;
use crate::cli::{Quantisation, Synth};
use crate::config::Config;
use crate::dsp::polyphase;
use crate::engine::EngineError;
use crate::engine::pocket::casting::Casting;
use crate::engine::pocket::catalogue;
use crate::engine::pocket::fast::cloning::CloningError;
use crate::engine::pocket::fast::{Codec, FastModel};
use crate::engine::pocket::recording::ended_on_a_pause;
use crate::engine::pocket::speaking::ModelSeat;
use crate::engine::pocket::voice::VoiceState;
use crate::engine::pocket::voices::Kept;
use crate::engine::registry::POCKET;
use crate::nn::kernels::Processor;
use crate::paths::Paths;
use crate::voice::recording::Recording;

/// What is used of a recording, as the reference does.
const MAX_PROMPT_SECS: f64 = 30.0;

/// Who speaks.
pub(super) struct Speaker {
    /// The voice's name, for the dictionary.
    pub(super) name: String,
    /// What is spoken.
    pub(super) language: String,
    seat: ModelSeat,
    voice: Prompt,
}

/// Where a voice comes from.
enum Prompt {
    Exported(VoiceState),
    /// Ended on a pause, at the model's rate.
    Recorded(Vec<f32>),
}

impl Speaker {
    /// Finds the model and the voice; neither is loaded yet.
    pub(super) fn find(arguments: &Synth, config: &Config, paths: &Paths) -> anyhow::Result<Self> {
        let registry = config.registry(paths);
        let casting = registry.casting();
        let given = arguments.voice.as_path();
        let is_kept = |name: &&str| casting.library().file(name).is_some();
        let is_name = |name: &&str| is_kept(name) || given.extension().is_none();
        let name = given.to_str().filter(|_| !given.is_file()).filter(is_name);
        let cast = match (name, &arguments.model) {
            (Some(name), None) => Some(registry.cast(name)?),
            (None, _) | (_, Some(_)) => None,
        };
        if let Some(cast) = cast.as_ref().filter(|cast| cast.engine.engine != POCKET) {
            anyhow::bail!(
                "the voice `{}` needs no model, and `synth` speaks with one; `speakerd say` has it",
                cast.voice
            );
        }
        let model = cast.as_ref().and_then(|cast| cast.engine.model.clone());
        let seat = seat(arguments.model.as_deref(), model, casting)?;
        let voice = match (&cast, name) {
            (Some(cast), _) => kept(casting.voice(&seat, &cast.voice)?),
            (None, Some(name)) => kept(casting.voice(&seat, name)?),
            (None, None) => prompt_of(given, &seat)?,
        };
        let language = match cast {
            Some(cast) => cast.language,
            None => catalogue::language_of(&seat.name).to_owned(),
        };
        Ok(Self { name: name.unwrap_or_default().to_owned(), language, seat, voice })
    }

    /// Loads the model, and makes the voice where it is a recording.
    pub(super) fn load(self, quant: Quantisation) -> anyhow::Result<(FastModel, VoiceState)> {
        let (precision, processor) = (precision_of(quant), Processor::of_this_machine());
        let model = FastModel::load(self.seat.files, precision, processor, Codec::Threaded)?;
        let voice = match self.voice {
            Prompt::Exported(voice) => voice,
            Prompt::Recorded(samples) => voice_of(&model, &samples)?,
        };
        Ok((model, voice))
    }
}

/// The model that is named, by name or by path; else the voice's, else the best.
fn seat(
    named: Option<&Path>,
    of_voice: Option<String>,
    casting: &Casting,
) -> anyhow::Result<ModelSeat> {
    let model = match named {
        Some(path) if path.exists() => std::path::absolute(path)?.into_os_string().into_string(),
        Some(name) => name.as_os_str().to_owned().into_string(),
        None => Ok(of_voice.or_else(|| casting.models().into_iter().next()).unwrap_or_default()),
    };
    let model = model.ok().context("the path of the model is no text")?;
    if model.is_empty() {
        let wanted = "no model is installed".to_owned();
        return Err(EngineError::NoModel { wanted, model: "english".to_owned() }.into());
    }
    Ok(casting.seat(&model)?)
}

fn kept(kept: Kept) -> Prompt {
    match kept {
        Kept::State(state) => Prompt::Exported(state),
        Kept::Recording(samples) => Prompt::Recorded(ended_on_a_pause(&samples)),
    }
}

fn prompt_of(path: &Path, seat: &ModelSeat) -> anyhow::Result<Prompt> {
    let config = &seat.files.config;
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return Ok(Prompt::Exported(VoiceState::read(path, &config.flow_lm.transformer)?));
    }
    let recording = Recording::read(path)?;
    let mut samples = recording.samples;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few millions")]
    let max_samples = (MAX_PROMPT_SECS * f64::from(recording.rate_hz)) as usize;
    samples.truncate(max_samples);
    let samples = polyphase::resample(&samples, recording.rate_hz, config.mimi.sample_rate_hz);
    Ok(Prompt::Recorded(ended_on_a_pause(&samples)))
}

/// A voice of a prompt.
pub(in crate::commands) fn voice_of(
    model: &FastModel,
    prompt: &[f32],
) -> Result<VoiceState, CloningError> {
    let mut cloning = model.begin_cloning(prompt)?;
    loop {
        if let Some(voice) = cloning.step()? {
            return Ok(voice);
        }
    }
}
