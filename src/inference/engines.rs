//! The few engines that may be loaded at once: loaded when a voice of theirs is first asked for, unloaded when idle.
//!
//! Knows nothing of the queue or of audio's way.

mod breakdowns;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::EngineSettings;
use super::health::Health;
use super::limits;
use super::source::EngineSource;
use super::speak::Job;
use crate::clock;
use crate::config::Fallback;
use crate::engine::registry::{Cast, Choice, EngineId};
use crate::engine::worker::Confinement;
use crate::engine::{Engine, EngineError, Prosody, Speech};
use crate::status::{EngineProcess, StatusBoard};
use crate::telemetry;

/// How many engines are loaded at once at most; another one takes the place of the one unused longest.
pub(super) const MAX_LOADED: usize = 2;

/// The loaded engines.
pub struct Engines {
    source: Box<dyn EngineSource>,
    loaded: BTreeMap<EngineId, Loaded>,
    fallback: Fallback,
    idle_unload: Option<Duration>,
    choice: Choice,
    confinement: Confinement,
    health: Health,
    board: StatusBoard,
}

struct Loaded {
    engine: Box<dyn Engine>,
    last_used: Instant,
    /// It stays until then, where somebody asked for more than the usual time.
    keep_until: Option<Instant>,
    /// The process that it ran in last.
    process: Option<u32>,
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
        let (confinement, health) = (settings.confinement, Health::default());
        board.modify(|status| {
            confinement.isolation.resolved().as_str().clone_into(&mut status.engine.isolation);
        });
        Self { source, loaded, fallback, idle_unload, choice, confinement, health, board }
    }

    /// Goes by other settings. What is loaded stays, unless other models were chosen, another way to keep them, or another
    /// place to run them.
    pub fn configure(&mut self, settings: &EngineSettings) {
        (self.fallback, self.idle_unload) = (settings.fallback, settings.idle_unload);
        let is_moved = self.confinement != settings.confinement;
        if self.choice == settings.choice && !is_moved {
            return;
        }
        self.choice.clone_from(&settings.choice);
        self.confinement = settings.confinement;
        self.source.configure(&self.choice, &self.confinement);
        let concerned = self.loaded.keys().filter(|id| is_moved || id.model.is_some());
        for id in concerned.cloned().collect::<Vec<_>>() {
            self.unload(&id, "another choice");
        }
        let isolation = self.confinement.isolation.resolved().as_str();
        self.board.modify(|status| isolation.clone_into(&mut status.engine.isolation));
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

    /// The engine that said the piece before; loaded anew where it was unloaded meanwhile. What happened to it while it spoke
    /// for others is no reason not to go on.
    ///
    /// # Errors
    /// Whatever keeps it from going on.
    pub fn again(&mut self, id: &EngineId, now: Instant) -> Result<&mut dyn Engine, EngineError> {
        self.ensure_engine(id, now)?;
        match self.loaded.get_mut(id) {
            Some(loaded) => {
                loaded.last_used = now;
                Ok(&mut *loaded.engine)
            }
            None => Err(EngineError::Failed("it was unloaded at once".to_owned())),
        }
    }

    /// The engine that says a job's next piece, as far as that can be told.
    pub(super) fn engine_of(&self, job: &Job) -> Option<EngineId> {
        let known = job.engine_id().cloned();
        known.or_else(|| Some(self.source.cast(&job.utterance.manner.voice).ok()?.engine))
    }

    /// Whether that engine is loaded.
    pub(super) fn is_loaded(&self, id: &EngineId) -> bool {
        self.loaded.contains_key(id)
    }

    fn ensure(&mut self, voice: &str, now: Instant) -> Result<Cast, EngineError> {
        let cast = self.source.cast(voice)?;
        // Only where somebody else can speak: a voice that fails now and then is better than none.
        let is_loaded = self.loaded.get_mut(&cast.engine).is_some_and(|it| it.engine.is_fit());
        if !is_loaded
            && self.fallback != Fallback::None
            && self.source.fallback_voice() != cast.voice
        {
            self.health.check(&cast.engine, now)?;
        }
        self.ensure_engine(&cast.engine, now)?;
        Ok(cast)
    }

    fn ensure_engine(&mut self, id: &EngineId, now: Instant) -> Result<(), EngineError> {
        if let Some(loaded) = self.loaded.get_mut(id) {
            if loaded.engine.is_fit() {
                return Ok(());
            }
            self.note_restart(id);
            self.unload(id, "its process is of no use any more");
        }
        let oldest = self.loaded.iter().min_by_key(|(_, loaded)| loaded.last_used);
        if self.loaded.len() >= MAX_LOADED
            && let Some(oldest) = oldest.map(|(id, _)| id.clone())
        {
            self.unload(&oldest, "to make room");
        }
        let source = &mut self.source;
        let engine = catch_unwind(AssertUnwindSafe(|| source.load(id)))
            .unwrap_or_else(|_| Err(EngineError::Panicked));
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => {
                if error.is_breakdown() {
                    self.note_failure(id, &error.to_string());
                }
                return Err(error);
            }
        };
        let load_ms = clock::now().duration_since(now).as_secs_f64() * 1e3;
        let (engine_name, process) = (engine.info().name, engine.process());
        info!(engine = engine_name, model = id.model, pid = process, load_ms, "loaded");
        let loaded = Loaded { engine, last_used: now, keep_until: None, process };
        self.loaded.insert(id.clone(), loaded);
        self.board.modify(|status| status.engine.n_loads += 1);
        telemetry::engine_loaded(engine_name);
        self.publish();
        Ok(())
    }

    /// Stamps the end of a use, after which it is kept for so long where that is more than the usual time.
    pub fn touch(&mut self, id: &EngineId, keep: Option<Duration>, now: Instant) {
        let Some(loaded) = self.loaded.get_mut(id) else { return };
        loaded.last_used = now;
        let wished = keep.and_then(|keep| now.checked_add(keep));
        loaded.keep_until = loaded.keep_until.max(wished);
    }

    /// Loads the engine of a voice and has it speak a word that nobody hears: what is needed for the first chunk is in memory
    /// then.
    ///
    /// # Errors
    /// Where nobody can be had for that voice.
    pub fn warm(&mut self, voice: &str, beat: &dyn Fn()) -> Result<String, EngineError> {
        let Found { engine, id, voice, .. } = self.for_voice(voice, clock::now())?;
        let words = Speech { text: "Ready.", voice: &voice, prosody: Prosody::default(), seed: 0 };
        let warmed = catch_unwind(AssertUnwindSafe(|| {
            let mut stream = engine.begin(&words)?;
            while stream.next_chunk()?.is_some_and(|chunk| chunk.samples.is_empty()) {
                beat();
            }
            Ok(())
        }));
        match warmed.unwrap_or(Err(EngineError::Panicked)) {
            Ok(()) => {}
            Err(error) if error.is_breakdown() => {
                self.discard(&id, &error.to_string());
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        self.touch(&id, None, clock::now());
        Ok(voice)
    }

    /// When the next engine is to be unloaded; `None` where none is loaded or none ever is.
    pub fn next_unload(&self) -> Option<Instant> {
        self.loaded.values().filter_map(|loaded| loaded.unload_at(self.idle_unload)).min()
    }

    /// Unloads what has been idle for long enough.
    pub fn unload_idle(&mut self, now: Instant) {
        let idle_unload = self.idle_unload;
        let is_due = |loaded: &Loaded| loaded.unload_at(idle_unload).is_some_and(|at| at <= now);
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
        telemetry::engine_unloaded(engine);
        self.publish();
    }

    fn publish(&self) {
        let name = |(id, loaded): (&EngineId, &Loaded)| match &id.model {
            Some(model) => format!("{} {model}", loaded.engine.info().name),
            None => loaded.engine.info().name.to_owned(),
        };
        let names: Vec<_> = self.loaded.iter().map(name).collect();
        let processes = self.loaded.iter().filter_map(|(id, loaded)| {
            let pid = loaded.process?;
            Some(EngineProcess { engine: id.to_string(), pid, resident_bytes: 0 })
        });
        let processes: Vec<_> = processes.collect();
        self.board.modify(|status| {
            status.engine.loaded = names;
            status.engine.processes = processes;
        });
    }
}

impl Loaded {
    fn unload_at(&self, idle_unload: Option<Duration>) -> Option<Instant> {
        let usual = limits::unload_at(self.last_used, idle_unload)?;
        Some(self.keep_until.map_or(usual, |keep| keep.max(usual)))
    }
}

fn megabytes(n_bytes: u64) -> f64 {
    (n_bytes as f64 / 1e5).round() / 10.0
}
