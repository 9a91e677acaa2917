//! What is asked of the voices, done in this process: no daemon runs.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::clock;
use crate::config::Config;
use crate::engine::pocket::studio::ModelStudio;
use crate::engine::registry::{Choice, EngineId, Places, Registry};
use crate::engine::{Engine, Progress};
use crate::paths::Paths;
use crate::voice::NotMade;
use crate::voice::desk::{self, Answer};
use crate::voice::request::VoiceRequest;

use super::show::Bar;

/// Carries out a request.
pub(super) fn carry_out(request: VoiceRequest, paths: &Paths) -> anyhow::Result<Answer> {
    // A configuration that names a voice that is not there yet must not keep one from adding it.
    let registry = Config::load(None, paths, super::super::environment()).map_or_else(
        |_wrong| Registry::new(Places::below(&paths.data_dir), Choice::default()),
        |config| config.registry(paths),
    );
    let casting = registry.casting();
    // Several voices are made with one model, which is loaded once.
    let mut loaded = BTreeMap::new();
    let embed = |voice: &str| embed(voice, &registry, &mut loaded);
    let mut studio = ModelStudio { casting, embed };
    let now = clock::rfc3339(SystemTime::now());
    Ok(desk::carry_out(casting.library(), &mut studio, request, now)?)
}

fn embed(
    voice: &str,
    registry: &Registry,
    loaded: &mut BTreeMap<EngineId, Box<dyn Engine>>,
) -> Result<(), NotMade> {
    let failed = |error: crate::engine::EngineError| NotMade::Failed(error.to_string());
    let id = registry.cast(voice).map_err(failed)?.engine;
    let bar = Bar::begin();
    bar.show(voice, 0.0);
    let engine = match loaded.remove(&id) {
        Some(engine) => engine,
        None => registry.load(&id).map_err(failed)?,
    };
    let engine = loaded.entry(id).or_insert(engine);
    let mut embedding = engine.embed(voice).map_err(failed)?;
    while let Progress::Working(progress) = embedding.step().map_err(failed)? {
        bar.show(voice, progress);
    }
    Ok(())
}
