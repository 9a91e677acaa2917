//! Which engines are in this build, which voices belong to them, and how they are loaded.
//!
//! The only file of the engines that asks which features are on. A new engine is one folder and one row here.

mod voices;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::voices::is_reserved;
#[cfg(feature = "pocket")]
use super::pocket::casting::Casting;
use super::speech_server::{self, SpeechServer};
use super::worker::wire::Order;
use super::worker::{Confinement, Isolation, WorkerEngine};
use super::{Engine, EngineError, espeak};

/// The voices in the binary.
#[cfg(feature = "builtin")]
pub const BUILTIN: &str = "builtin";

/// An installed espeak-ng.
pub const ESPEAK: &str = "espeak";

/// Cloned voices.
#[cfg(feature = "pocket")]
pub const POCKET: &str = "pocket";

/// Another speech server.
#[cfg(feature = "http")]
pub const REMOTE: &str = super::remote::NAME;

/// The engines of this build.
pub const ENGINES: &[&str] = &[
    #[cfg(feature = "builtin")]
    BUILTIN,
    ESPEAK,
    #[cfg(feature = "pocket")]
    POCKET,
    #[cfg(feature = "http")]
    REMOTE,
    #[cfg(feature = "faulty")]
    super::faulty::NAME,
];

/// The voice that is always there.
pub const BUILTIN_VOICE: &str = "rms";

/// Whoever speaks best on this machine.
pub const AUTO: &str = "auto";

/// Which engine speaks where no voice is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The best installed model, and where there is none the voice in the binary.
    #[default]
    Auto,
    /// The voice in the binary; models are not loaded.
    Builtin,
    /// A model; where there is none, that is an error.
    Pocket,
    /// Another speech server: what is no name of a voice in the binary or of espeak-ng is one of its voices.
    Remote,
}

/// How a model's weights are kept in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quantisation {
    /// In 8 bits, 32 values with one scale.
    #[default]
    #[serde(rename = "q8_0")]
    Q8,
    /// As they are.
    #[serde(rename = "none")]
    None,
}

/// What the user has chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Which engine.
    pub kind: Kind,
    /// Which model, by name or path; `None` for the best that is installed.
    pub model: Option<String>,
    /// How its weights are kept.
    pub quantisation: Quantisation,
    /// The speech server that can be asked.
    pub server: Option<Arc<SpeechServer>>,
}

/// Where the engines' files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// A directory for each installed model.
    pub models: PathBuf,
    /// A file for each voice.
    pub voices: PathBuf,
}

impl Places {
    /// Below the data directory.
    pub fn below(data_dir: &Path) -> Self {
        Self { models: data_dir.join("models"), voices: data_dir.join("voices") }
    }
}

/// One engine that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineId {
    /// Its name.
    pub engine: &'static str,
    /// The model that it runs, where it has several.
    pub model: Option<String>,
}

impl EngineId {
    /// An engine that has no models.
    pub fn new(engine: &'static str) -> Self {
        Self { engine, model: None }
    }
}

impl EngineId {
    /// The engine that is displayed so; `None` where this build has none of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (engine, model) = match name.split_once(' ') {
            Some((engine, model)) => (engine, Some(model.to_owned())),
            None => (name, None),
        };
        let engine = ENGINES.iter().find(|known| **known == engine)?;
        Some(Self { engine, model })
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{} {model}", self.engine),
            None => f.write_str(self.engine),
        }
    }
}

/// Who speaks where a voice is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// The voice, which is another one than asked for only where that left it open.
    pub voice: String,
    /// The language that it speaks, as `en`.
    pub language: String,
    /// The engine that it belongs to.
    pub engine: EngineId,
}

/// The engines of this build, and the models and voices of this machine. Looks at the disk each time it is asked: what was
/// installed a moment ago speaks the next line.
#[derive(Debug, Clone)]
pub struct Registry {
    places: Places,
    choice: Choice,
    #[cfg(feature = "pocket")]
    casting: Casting,
}

impl Registry {
    /// The engines, with what is installed at these places.
    pub fn new(places: Places, choice: Choice) -> Self {
        Self {
            #[cfg(feature = "pocket")]
            casting: Casting::new(places.clone(), choice.clone()),
            places,
            choice,
        }
    }

    /// Goes by another choice.
    pub fn choose(&mut self, choice: &Choice) {
        self.choice.clone_from(choice);
        #[cfg(feature = "pocket")]
        self.casting.choose(choice);
    }

    /// Who speaks where that voice is asked for.
    ///
    /// # Errors
    /// [`EngineError::UnknownVoice`], or what is missing for a voice that is known.
    pub fn cast(&self, voice: &str) -> Result<Cast, EngineError> {
        let of = |engine, language: &str| Cast {
            voice: voice.to_owned(),
            language: language.to_owned(),
            engine: EngineId::new(engine),
        };
        if voice.starts_with(speech_server::PREFIX) {
            return self.cast_remote(voice);
        }
        #[cfg(feature = "builtin")]
        if super::builtin::VOICES.contains(&voice) {
            return Ok(of(BUILTIN, "en"));
        }
        if let Some(language) = espeak::language_of(voice) {
            return Ok(of(ESPEAK, language));
        }
        #[cfg(feature = "faulty")]
        if let Some(engine) = super::faulty::engine_of(voice) {
            return Ok(Cast { engine, ..of(super::faulty::NAME, "en") });
        }
        if self.choice.kind == Kind::Remote {
            return self.cast_remote(voice);
        }
        #[cfg(feature = "pocket")]
        if let Some(cast) = self.casting.cast(voice)? {
            return Ok(cast);
        }
        match (voice, self.choice.kind) {
            (AUTO, Kind::Pocket) => Err(EngineError::NoModel {
                wanted: "engine.kind is \"pocket\"".to_owned(),
                model: "english".to_owned(),
            }),
            (AUTO, Kind::Auto | Kind::Builtin) => self.cast(BUILTIN_VOICE),
            // A speech server's voices are cast above.
            _ => Err(self.unknown(voice)),
        }
    }

    /// One of the speech server's voices. Whether it has that voice is found out when it is to speak.
    #[cfg(feature = "http")]
    fn cast_remote(&self, voice: &str) -> Result<Cast, EngineError> {
        let Some(server) = &self.choice.server else {
            let reason = format!("the voice `{voice}` is a speech server's; name it in remote.url");
            return Err(EngineError::Failed(reason));
        };
        let voice = match voice {
            AUTO => format!("{}{}", speech_server::PREFIX, server.voice),
            voice => voice.to_owned(),
        };
        if server.voice_named(&voice).is_none() {
            return Err(self.unknown(&voice));
        }
        // By the model: another one is another engine.
        let engine = EngineId { engine: REMOTE, model: Some(server.model.clone()) };
        Ok(Cast { voice, language: server.language.clone(), engine })
    }

    #[cfg(not(feature = "http"))]
    #[expect(clippy::unused_self, reason = "as in the builds that can")]
    fn cast_remote(&self, voice: &str) -> Result<Cast, EngineError> {
        let reason = "this build asks no speech server; build it with the feature http";
        Err(EngineError::Failed(format!("the voice `{voice}` cannot be had: {reason}")))
    }

    fn unknown(&self, voice: &str) -> EngineError {
        EngineError::UnknownVoice { name: voice.to_owned(), known: self.known_voices() }
    }

    /// The models and the voices of this machine.
    #[cfg(feature = "pocket")]
    pub fn casting(&self) -> &Casting {
        &self.casting
    }

    /// Loads an engine.
    ///
    /// # Errors
    /// Whatever keeps it from loading.
    pub fn load(&self, id: &EngineId) -> Result<Box<dyn Engine>, EngineError> {
        match id.engine {
            #[cfg(feature = "builtin")]
            BUILTIN => super::builtin::load(),
            ESPEAK => espeak::load(),
            #[cfg(feature = "pocket")]
            POCKET => self.casting.load(id.model.as_deref().unwrap_or_default()),
            #[cfg(feature = "http")]
            REMOTE => match &self.choice.server {
                Some(server) => super::remote::load(server),
                None => Err(EngineError::Failed("remote.url names no speech server".to_owned())),
            },
            #[cfg(feature = "faulty")]
            super::faulty::NAME => super::faulty::load(id.model.as_deref()),
            _ => Err(EngineError::Failed(format!("this build has no engine `{id}`"))),
        }
    }
}

impl Registry {
    /// Loads an engine where it is to run.
    ///
    /// # Errors
    /// Whatever keeps it from loading.
    pub fn house(
        &self,
        id: &EngineId,
        confinement: &Confinement,
    ) -> Result<Box<dyn Engine>, EngineError> {
        if confinement.isolation.resolved() == Isolation::Thread {
            return self.load(id);
        }
        let order = Order {
            places: self.places.clone(),
            choice: self.choice.clone(),
            engine: id.engine.to_owned(),
            model: id.model.clone(),
        };
        Ok(Box::new(WorkerEngine::start(&order, id, confinement)?))
    }

    /// Loads what another process of this program was ordered to load.
    ///
    /// # Errors
    /// Whatever keeps it from loading.
    pub fn obey(order: &Order) -> Result<Box<dyn Engine>, EngineError> {
        let Some(engine) = ENGINES.iter().find(|name| **name == order.engine) else {
            return Err(EngineError::Failed(format!("this build has no `{}`", order.engine)));
        };
        let registry = Self::new(order.places.clone(), order.choice.clone());
        registry.load(&EngineId { engine, model: order.model.clone() })
    }
}

#[cfg(test)]
#[cfg(all(feature = "http", feature = "builtin"))]
mod tests {
    use super::super::speech_server::Api;
    use super::*;

    /// The voice and the engine that are cast for a name.
    fn cast(
        kind: Kind,
        server: Option<SpeechServer>,
        voice: &str,
    ) -> Result<(String, String), EngineError> {
        let choice = Choice { kind, server: server.map(Arc::new), ..Choice::default() };
        let registry = Registry::new(Places::below(Path::new("/nowhere")), choice);
        registry.cast(voice).map(|cast| (cast.voice, cast.engine.to_string()))
    }

    #[test]
    fn a_speech_server_has_every_voice_that_is_not_of_this_machine() {
        let server = || Some(SpeechServer::example(Api::OpenAi));
        for (kind, voice, wanted) in [
            (Kind::Remote, AUTO, ("remote:alloy", "remote tts-1")),
            (Kind::Remote, "nova", ("nova", "remote tts-1")),
            (Kind::Remote, "remote:rms", ("remote:rms", "remote tts-1")),
            (Kind::Remote, "rms", ("rms", "builtin")),
            (Kind::Remote, "espeak:de", ("espeak:de", "espeak")),
            (Kind::Auto, AUTO, ("rms", "builtin")),
            (Kind::Builtin, "remote:nova", ("remote:nova", "remote tts-1")),
        ] {
            let (voice_cast, engine) = cast(kind, server(), voice).unwrap();
            assert_eq!((voice_cast.as_str(), engine.as_str()), wanted, "{kind:?} {voice}");
        }
        for (kind, voice) in [(Kind::Auto, "nova"), (Kind::Remote, ""), (Kind::Auto, "remote:")] {
            let error = cast(kind, server(), voice).unwrap_err();
            assert!(matches!(error, EngineError::UnknownVoice { .. }), "{kind:?} {voice}: {error}");
        }
        let error = cast(Kind::Auto, None, "remote:nova").unwrap_err();
        assert!(error.to_string().contains("remote.url"), "{error}");
    }
}
