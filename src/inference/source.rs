//! Where engines come from: those of this build, or what a test brings.

use crate::engine::registry::{BUILTIN_VOICE, Cast, Choice, EngineId, Registry};
use crate::engine::worker::Confinement;
use crate::engine::{Engine, EngineError};

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

    /// Goes by another choice of engines, and runs those that are loaded from now on elsewhere.
    fn configure(&mut self, choice: &Choice, confinement: &Confinement);

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
    /// Where it runs.
    pub confinement: Confinement,
    /// Called after an unload.
    pub trim_memory: fn(),
}

impl EngineSource for BuiltEngines {
    fn cast(&self, voice: &str) -> Result<Cast, EngineError> {
        self.registry.cast(voice)
    }

    fn load(&mut self, id: &EngineId) -> Result<Box<dyn Engine>, EngineError> {
        self.registry.house(id, &self.confinement)
    }

    fn configure(&mut self, choice: &Choice, confinement: &Confinement) {
        self.registry.choose(choice);
        self.confinement = *confinement;
    }

    fn fallback_voice(&self) -> &str {
        BUILTIN_VOICE
    }

    fn trim_memory(&self) {
        (self.trim_memory)();
    }
}
