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
use crate::engine::registry;
use crate::engine::{Engine, EngineError};
use crate::status::StatusBoard;

/// How many engines are loaded at once at most; another one takes the place of the one unused longest.
const MAX_LOADED: usize = 2;

/// Where engines come from. Handed in, so that tests bring engines of their own.
pub trait EngineSource: Send {
    /// The name of the engine that a voice belongs to.
    fn engine_of(&self, voice: &str) -> Option<&'static str>;

    /// Loads an engine.
    ///
    /// # Errors
    /// Whatever keeps it from loading.
    fn load(&mut self, name: &'static str) -> Result<Box<dyn Engine>, EngineError>;

    /// The voice that speaks where another one cannot.
    fn fallback_voice(&self) -> &str;

    /// Gives memory back to the operating system after something was unloaded.
    fn trim_memory(&self);
}

/// The engines of this build.
#[derive(Debug)]
pub struct BuiltEngines {
    /// Called after an unload.
    pub trim_memory: fn(),
}

impl EngineSource for BuiltEngines {
    fn engine_of(&self, voice: &str) -> Option<&'static str> {
        registry::engine_of(voice)
    }

    fn load(&mut self, name: &'static str) -> Result<Box<dyn Engine>, EngineError> {
        registry::load(name)
    }

    fn fallback_voice(&self) -> &str {
        registry::DEFAULT_VOICE
    }

    fn trim_memory(&self) {
        (self.trim_memory)();
    }
}

/// The loaded engines.
pub struct Engines {
    source: Box<dyn EngineSource>,
    loaded: BTreeMap<&'static str, Loaded>,
    fallback: Fallback,
    idle_unload: Option<Duration>,
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
    pub name: &'static str,
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
        Self { source, loaded: BTreeMap::new(), fallback, idle_unload, board }
    }

    /// Goes by other settings; what is loaded stays.
    pub fn configure(&mut self, settings: &EngineSettings) {
        (self.fallback, self.idle_unload) = (settings.fallback, settings.idle_unload);
    }

    /// Finds the engine for a voice, loading it where necessary; where that fails, the fallback's.
    ///
    /// # Errors
    /// Where neither can be had.
    ///
    /// # Panics
    /// Never: what was loaded just now is there.
    pub fn for_voice(&mut self, voice: &str, now: Instant) -> Result<Found<'_>, EngineError> {
        let (name, voice, degraded) = match self.ensure(voice, now) {
            Ok(name) => (name, voice.to_owned(), None),
            Err(error) => {
                let instead = self.source.fallback_voice().to_owned();
                if self.fallback == Fallback::None || instead == voice {
                    return Err(error);
                }
                let degraded = format!("{error}; {instead} speaks instead");
                warn!("{degraded}");
                (self.ensure(&instead, now)?, instead, Some(degraded))
            }
        };
        self.board.modify(|status| status.engine.degraded.clone_from(&degraded));
        let loaded = self.loaded.get_mut(&name).expect("it was loaded just now");
        loaded.last_used = now;
        Ok(Found { engine: &mut *loaded.engine, name, voice, degraded })
    }

    fn ensure(&mut self, voice: &str, now: Instant) -> Result<&'static str, EngineError> {
        let name = self.source.engine_of(voice).ok_or_else(|| EngineError::UnknownVoice {
            name: voice.to_owned(),
            known: registry::known_voices(),
        })?;
        if self.loaded.contains_key(&name) {
            return Ok(name);
        }
        if self.loaded.len() >= MAX_LOADED
            && let Some(oldest) =
                self.loaded.iter().min_by_key(|(_, loaded)| loaded.last_used).map(|(name, _)| *name)
        {
            self.unload(oldest, "to make room");
        }
        let source = &mut self.source;
        let engine = catch_unwind(AssertUnwindSafe(|| source.load(name)))
            .unwrap_or_else(|_| Err(EngineError::Failed("it panicked while loading".to_owned())))?;
        let load_ms = clock::now().duration_since(now).as_secs_f64() * 1e3;
        info!(engine = engine.info().name, load_ms, "loaded");
        self.loaded.insert(name, Loaded { engine, last_used: now });
        self.board.modify(|status| status.engine.n_loads += 1);
        self.publish();
        Ok(name)
    }

    /// Drops an engine whose state is not to be trusted any more.
    pub fn discard(&mut self, name: &'static str) {
        self.unload(name, "after a failure");
    }

    /// Stamps the end of a use.
    pub fn touch(&mut self, name: &'static str, now: Instant) {
        if let Some(loaded) = self.loaded.get_mut(&name) {
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
            .map(|(name, _)| *name)
            .collect();
        for name in due {
            self.unload(name, "idle");
        }
    }

    /// Unloads everything.
    pub fn unload_all(&mut self) {
        for name in self.loaded.keys().copied().collect::<Vec<_>>() {
            self.unload(name, "asked for");
        }
    }

    fn unload(&mut self, name: &'static str, why: &'static str) {
        let Some(loaded) = self.loaded.remove(&name) else { return };
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
        let names: Vec<_> =
            self.loaded.values().map(|loaded| loaded.engine.info().name.to_owned()).collect();
        self.board.modify(|status| status.engine.loaded = names);
    }
}

fn megabytes(n_bytes: u64) -> f64 {
    (n_bytes as f64 / 1e5).round() / 10.0
}
