//! The few engines that may be loaded at once: loaded when a voice of theirs is first asked for, unloaded when idle.
//!
//! Knows nothing of the queue or of audio's way.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::EngineSettings;
use super::limits;
use crate::clock;
use crate::config::Fallback;
use crate::engine::registry::{BUILTIN_VOICE, Cast, Choice, EngineId, Registry};
use crate::engine::{Engine, EngineError};
use crate::status::StatusBoard;

/// How many engines are loaded at once at most; another one takes the place of the one unused longest.
const MAX_LOADED: usize = 2;

/// Where engines come from. Handed in, so that tests bring engines of their own.
pub trait EngineSource: Send {
    /// Who speaks where that voice is asked for.
    ///
    /// # Errors
    /// Where nobody does, and what to do about it.
    fn cast(&self, voice: &str) -> Result<Cast, EngineError>;

    /// Loads an engine.
    ///
    /// # Errors
    /// Whatever keeps it from loading.
    fn load(&mut self, id: &EngineId) -> Result<Box<dyn Engine>, EngineError>;

    /// Goes by another choice of engines.
    fn choose(&mut self, choice: &Choice);

    /// The voice that speaks where another one cannot.
    fn fallback_voice(&self) -> &str;

    /// Gives memory back to the operating system after something was unloaded.
    fn trim_memory(&self);
}

/// The engines of this build.
#[derive(Debug)]
pub struct BuiltEngines {
    /// What there is.
    pub registry: Registry,
    /// Called after an unload.
    pub trim_memory: fn(),
}

impl EngineSource for BuiltEngines {
    fn cast(&self, voice: &str) -> Result<Cast, EngineError> {
        self.registry.cast(voice)
    }

    fn load(&mut self, id: &EngineId) -> Result<Box<dyn Engine>, EngineError> {
        self.registry.load(id)
    }

    fn choose(&mut self, choice: &Choice) {
        self.registry.choose(choice);
    }

    fn fallback_voice(&self) -> &str {
        BUILTIN_VOICE
    }

    fn trim_memory(&self) {
        (self.trim_memory)();
    }
}

/// The loaded engines.
pub struct Engines {
    source: Box<dyn EngineSource>,
    loaded: BTreeMap<EngineId, Loaded>,
    fallback: Fallback,
    idle_unload: Option<Duration>,
    choice: Choice,
    board: StatusBoard,
}

struct Loaded {
    engine: Box<dyn Engine>,
    last_used: Instant,
}

/// An engine that can speak a voice.
pub struct Found<'a> {
    /// The engine.
    pub engine: &'a mut dyn Engine,
    /// Which, to drop it after a panic.
    pub id: EngineId,
    /// The voice that will speak: the one asked for, or the fallback.
    pub voice: String,
    /// Why it is another one than was asked for.
    pub degraded: Option<String>,
}

impl Engines {
    /// None loaded yet.
    pub fn new(
        source: Box<dyn EngineSource>,
        settings: &EngineSettings,
        board: StatusBoard,
    ) -> Self {
        let (fallback, idle_unload) = (settings.fallback, settings.idle_unload);
        let (loaded, choice) = (BTreeMap::new(), settings.choice.clone());
        Self { source, loaded, fallback, idle_unload, choice, board }
    }

    /// Goes by other settings. What is loaded stays, unless other models were chosen, or another way to keep them.
    pub fn configure(&mut self, settings: &EngineSettings) {
        (self.fallback, self.idle_unload) = (settings.fallback, settings.idle_unload);
        if self.choice != settings.choice {
            self.choice.clone_from(&settings.choice);
            self.source.choose(&self.choice);
            let of_models = self.loaded.keys().filter(|id| id.model.is_some());
            for id in of_models.cloned().collect::<Vec<_>>() {
                self.unload(&id, "another choice");
            }
        }
    }

    /// Who would speak where that voice is asked for: where nobody does, the fallback.
    ///
    /// # Errors
    /// Where there is no fallback either.
    pub fn cast(&self, voice: &str) -> Result<Cast, EngineError> {
        self.source.cast(voice).or_else(|error| self.source.cast(self.instead(voice, error)?))
    }

    /// The voice that speaks in the place of one that cannot.
    fn instead(&self, voice: &str, error: EngineError) -> Result<&str, EngineError> {
        let instead = self.source.fallback_voice();
        if self.fallback == Fallback::None || instead == voice { Err(error) } else { Ok(instead) }
    }

    /// Finds the engine for a voice, loading it where necessary; where that fails, the fallback's.
    ///
    /// # Errors
    /// Where neither can be had.
    pub fn for_voice(&mut self, voice: &str, now: Instant) -> Result<Found<'_>, EngineError> {
        match self.ensure(voice, now) {
            Ok(cast) => Ok(self.found(cast, None, now)),
            Err(error) => self.for_failed(voice, error, now),
        }
    }

    /// The fallback's engine, for a voice that failed.
    ///
    /// # Errors
    /// The same error where there is no fallback, or the fallback's own.
    pub fn for_failed(
        &mut self,
        voice: &str,
        error: EngineError,
        now: Instant,
    ) -> Result<Found<'_>, EngineError> {
        let why = error.to_string();
        let instead = self.instead(voice, error)?.to_owned();
        let degraded = format!("{why}; {instead} speaks instead");
        warn!("{degraded}");
        let cast = self.ensure(&instead, now)?;
        Ok(self.found(cast, Some(degraded), now))
    }

    fn found(&mut self, cast: Cast, degraded: Option<String>, now: Instant) -> Found<'_> {
        self.board.modify(|status| status.engine.degraded.clone_from(&degraded));
        let Cast { voice, engine: id, .. } = cast;
        let loaded = self.loaded.get_mut(&id).expect("it was loaded just now");
        loaded.last_used = now;
        Found { engine: &mut *loaded.engine, id, voice, degraded }
    }

    /// The engine of exactly that voice, loaded where necessary.
    ///
    /// # Errors
    /// Whatever keeps it from speaking; nobody else takes its place.
    pub fn exactly(
        &mut self,
        voice: &str,
        now: Instant,
    ) -> Result<(&mut dyn Engine, EngineId), EngineError> {
        let id = self.ensure(voice, now)?.engine;
        match self.loaded.get_mut(&id) {
            Some(loaded) => {
                loaded.last_used = now;
                Ok((&mut *loaded.engine, id))
            }
            None => Err(EngineError::Failed("it was unloaded at once".to_owned())),
        }
    }

    fn ensure(&mut self, voice: &str, now: Instant) -> Result<Cast, EngineError> {
        let cast = self.source.cast(voice)?;
        if self.loaded.contains_key(&cast.engine) {
            return Ok(cast);
        }
        let oldest = self.loaded.iter().min_by_key(|(_, loaded)| loaded.last_used);
        if self.loaded.len() >= MAX_LOADED
            && let Some(oldest) = oldest.map(|(id, _)| id.clone())
        {
            self.unload(&oldest, "to make room");
        }
        let (source, id) = (&mut self.source, &cast.engine);
        let engine = catch_unwind(AssertUnwindSafe(|| source.load(id)))
            .unwrap_or_else(|_| Err(EngineError::Failed("it panicked while loading".to_owned())))?;
        let load_ms = clock::now().duration_since(now).as_secs_f64() * 1e3;
        info!(engine = engine.info().name, model = id.model, load_ms, "loaded");
        self.loaded.insert(id.clone(), Loaded { engine, last_used: now });
        self.board.modify(|status| status.engine.n_loads += 1);
        self.publish();
        Ok(cast)
    }

    /// Drops an engine whose state is not to be trusted any more.
    pub fn discard(&mut self, id: &EngineId) {
        self.unload(id, "after a failure");
    }

    /// Stamps the end of a use.
    pub fn touch(&mut self, id: &EngineId, now: Instant) {
        if let Some(loaded) = self.loaded.get_mut(id) {
            loaded.last_used = now;
        }
    }

    /// When the next engine is to be unloaded; `None` where none is loaded or none ever is.
    pub fn next_unload(&self) -> Option<Instant> {
        let times = self
            .loaded
            .values()
            .map(|loaded| limits::unload_at(loaded.last_used, self.idle_unload));
        times.flatten().min()
    }

    /// Unloads what has been idle for long enough.
    pub fn unload_idle(&mut self, now: Instant) {
        let idle_unload = self.idle_unload;
        let is_due = |loaded: &Loaded| {
            limits::unload_at(loaded.last_used, idle_unload).is_some_and(|at| at <= now)
        };
        let due: Vec<_> = self
            .loaded
            .iter()
            .filter(|(_, loaded)| is_due(loaded))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.unload(&id, "idle");
        }
    }

    /// Unloads everything.
    pub fn unload_all(&mut self) {
        for id in self.loaded.keys().cloned().collect::<Vec<_>>() {
            self.unload(&id, "asked for");
        }
    }

    fn unload(&mut self, id: &EngineId, why: &'static str) {
        let Some(loaded) = self.loaded.remove(id) else { return };
        let engine = loaded.engine.info().name;
        let before = crate::memory::resident_bytes();
        if catch_unwind(AssertUnwindSafe(|| drop(loaded))).is_err() {
            warn!(engine, "panicked while unloading");
        }
        self.source.trim_memory();
        info!(
            engine,
            why,
            before_mb = megabytes(before),
            after_mb = megabytes(crate::memory::resident_bytes()),
            "unloaded"
        );
        self.board.modify(|status| status.engine.n_unloads += 1);
        self.publish();
    }

    fn publish(&self) {
        let name = |(id, loaded): (&EngineId, &Loaded)| match &id.model {
            Some(model) => format!("{} {model}", loaded.engine.info().name),
            None => loaded.engine.info().name.to_owned(),
        };
        let names: Vec<_> = self.loaded.iter().map(name).collect();
        self.board.modify(|status| status.engine.loaded = names);
    }
}

fn megabytes(n_bytes: u64) -> f64 {
    (n_bytes as f64 / 1e5).round() / 10.0
}
