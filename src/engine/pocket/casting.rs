//! Which model speaks a voice, as far as the disk tells. Nothing is loaded here but by [`Casting::load`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::catalogue::{self, CatalogueModel};
use super::files::{HubCache, ModelFiles};
use super::fingerprint;
use super::shelf::{Shelf, is_name, predefined_in};
use super::speaking::{ModelSeat, PocketEngine};
use super::voices::{Kept, VoiceStore};
use crate::engine::registry::{AUTO, Cast, Choice, EngineId, Kind, POCKET, Places};
use crate::engine::{Engine, EngineError};
use crate::voice::card::{Visibility, VoiceCard, VoiceStatus};
use crate::voice::library::Library;
use crate::weights::{Checkpoint, WeightsError};

/// The models and the voices of this machine.
#[derive(Debug, Clone)]
pub struct Casting {
    shelf: Shelf,
    library: Library,
    choice: Choice,
    /// The library's default voice, and of which state of it that is known. Contended by nobody: each thread that asks has a
    /// casting of its own, but for the moment in which it is copied.
    default: Arc<Mutex<Option<KnownDefault>>>,
}

/// The library's default voice, if any, and when the library was changed last before that was found.
type KnownDefault = (SystemTime, Option<String>);

impl Casting {
    /// What is at these places.
    pub fn new(places: Places, choice: Choice) -> Self {
        Self {
            shelf: Shelf::new(places.models),
            library: Library::new(places.voices),
            choice,
            default: Arc::default(),
        }
    }

    /// Goes by another choice.
    pub fn choose(&mut self, choice: &Choice) {
        self.choice.clone_from(choice);
    }

    /// The library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Who speaks a voice; `None` where it is none of ours, or where it is left open and no model can speak.
    ///
    /// # Errors
    /// Where a voice is known and nobody can speak it.
    pub fn cast(&self, voice: &str) -> Result<Option<Cast>, EngineError> {
        if voice == AUTO {
            return Ok(self.usual());
        }
        if self.library.file(voice).is_some() {
            self.check_allowed(voice)?;
            return self.of_library(voice).map(Some);
        }
        let (model, name) = match voice.split_once('/') {
            Some((model, name)) => (Some(model), name),
            None => (None, voice),
        };
        let models = match model {
            Some(model) => vec![model.to_owned()],
            None => self.models(),
        };
        if let Some(model) = models.into_iter().find(|model| self.has_predefined(model, name)) {
            self.check_allowed(voice)?;
            return Ok(Some(cast(voice, &model)));
        }
        if catalogue::is_predefined_voice(name)
            && model.is_none_or(|model| catalogue::find(model).is_some())
        {
            let model = model.unwrap_or_else(|| self.choice.model.as_deref().unwrap_or("english"));
            return Err(EngineError::NoModel {
                wanted: format!("the voice `{voice}` comes with a model that is not installed"),
                model: model.to_owned(),
            });
        }
        Ok(None)
    }

    fn check_allowed(&self, voice: &str) -> Result<(), EngineError> {
        if self.choice.kind == Kind::Builtin {
            return Err(EngineError::Failed(format!(
                "the voice `{voice}` needs a model, and engine.kind is \"builtin\""
            )));
        }
        Ok(())
    }

    /// Who speaks where it is left open.
    fn usual(&self) -> Option<Cast> {
        if self.choice.kind == Kind::Builtin {
            return None;
        }
        if let Some(cast) = self.default_of_library().and_then(|it| self.of_library(&it).ok()) {
            return Some(cast);
        }
        self.models().iter().find_map(|model| {
            let usual = catalogue::find(model).map(CatalogueModel::default_voice);
            let first = || predefined_in(&self.dir_of(model)?).into_iter().next();
            let usual = usual.filter(|voice| self.has_predefined(model, voice)).map(str::to_owned);
            usual.or_else(first).map(|voice| cast(&voice, model))
        })
    }

    /// Looked for only when a voice was written since.
    fn default_of_library(&self) -> Option<String> {
        let changed_at = self.library.dir().metadata().ok()?.modified().ok()?;
        let mut known = self.default.lock();
        if let Some((at, voice)) = &*known
            && *at == changed_at
        {
            return voice.clone();
        }
        let is_default = |card: &VoiceCard| {
            card.visibility == Visibility::Default && card.status == VoiceStatus::Completed
        };
        // Of several the one that was added last.
        let cards = self.library.cards().into_iter().filter(is_default);
        let newest = cards.max_by(|one, other| one.created.cmp(&other.created));
        let voice = newest.map(|card| card.name);
        *known = Some((changed_at, voice.clone()));
        voice
    }

    fn of_library(&self, voice: &str) -> Result<Cast, EngineError> {
        let bad = |reason: String| EngineError::BadVoice { voice: voice.to_owned(), reason };
        let card = self.library.card(voice).map_err(|error| bad(error.to_string()))?;
        let models = self.models();
        // By the model that it was made for; it can be made for another one where its recording was kept.
        let made_for = card.model.as_ref().filter(|model| models.contains(model));
        let Some(model) = made_for.or(models.first()) else {
            return Err(EngineError::NoModel {
                wanted: format!("the voice `{voice}` needs a model, and none is installed"),
                model: card.model.unwrap_or_else(|| "english".to_owned()),
            });
        };
        let mut cast = cast(voice, model);
        if let Some(language) = card.languages.into_iter().next() {
            cast.language = language;
        }
        Ok(cast)
    }

    /// The files that a voice's sound comes from.
    pub fn files_of(&self, cast: &Cast) -> Vec<PathBuf> {
        let Some(model) = &cast.engine.model else { return Vec::new() };
        let own = self.library.file(&cast.voice);
        let voice = own.or_else(|| self.predefined_file(model, &cast.voice));
        self.dir_of(model).into_iter().chain(voice).collect()
    }

    /// The models that can be asked, the best first.
    pub fn models(&self) -> Vec<String> {
        let mut models = self.shelf.installed();
        let rank = |name: &str| {
            catalogue::models().iter().position(|it| it.name() == name).unwrap_or(usize::MAX)
        };
        models.sort_by_key(|name| rank(name)); // stable: those that nobody knows go by name, at the end
        if let Some(chosen) = &self.choice.model {
            models.retain(|model| model != chosen);
            models.insert(0, chosen.clone());
        }
        models
    }

    /// Where a model is: below the data directory by its name, or wherever its path leads.
    fn dir_of(&self, model: &str) -> Option<PathBuf> {
        if model.contains('/') { Some(PathBuf::from(model)) } else { self.shelf.dir_of(model) }
    }

    fn has_predefined(&self, model: &str, voice: &str) -> bool {
        is_name(voice) && self.predefined_file(model, voice).is_some()
    }

    fn predefined_file(&self, model: &str, voice: &str) -> Option<PathBuf> {
        let file = self.dir_of(model)?.join("voices").join(format!("{voice}.safetensors"));
        file.is_file().then_some(file)
    }

    /// The voices that can be named.
    pub fn voices(&self) -> Vec<String> {
        let mut voices = self.library.names();
        voices.extend(self.predefined().into_iter().map(|card| card.name));
        voices.sort_unstable();
        voices.dedup();
        voices
    }

    /// The voices that came with the models; of those of one name the best model's.
    pub fn predefined(&self) -> Vec<VoiceCard> {
        let mut cards: Vec<VoiceCard> = Vec::new();
        for model in self.models() {
            let Some(dir) = self.dir_of(&model) else { continue };
            for name in predefined_in(&dir) {
                if cards.iter().any(|card| card.name == name) {
                    continue;
                }
                cards.push(VoiceCard {
                    name,
                    languages: vec![catalogue::language_of(&model).to_owned()],
                    visibility: Visibility::Public,
                    model: Some(model.clone()),
                    ..VoiceCard::default()
                });
            }
        }
        cards
    }

    /// Where a model is, with its files.
    ///
    /// # Errors
    /// Where it is not installed, or not whole.
    pub fn seat(&self, model: &str) -> Result<ModelSeat, EngineError> {
        let bad = |reason: String| EngineError::BadModel { model: model.to_owned(), reason };
        let dir = self.dir_of(model).ok_or_else(|| bad("that is no name".to_owned()))?;
        let is_path = model.contains('/');
        if !is_path && !self.shelf.is_installed(model) {
            let known = catalogue::find(model).map_or("english", CatalogueModel::name);
            return Err(EngineError::NoModel {
                wanted: format!("the model `{model}` is not installed"),
                model: known.to_owned(),
            });
        }
        let files = ModelFiles::find(&dir, &HubCache::of_this_user());
        let files = files.map_err(|error| bad(error.to_string()))?;
        let voices = if dir.is_file() { dir.parent().unwrap_or(Path::new("")) } else { &dir };
        Ok(ModelSeat { name: model.to_owned(), voices: voices.join("voices"), files })
    }

    /// A voice for a model, as it is on the disk.
    ///
    /// # Errors
    /// Where there is none of that name, or it cannot be used with that model.
    pub fn voice(&self, seat: &ModelSeat, voice: &str) -> Result<Kept, EngineError> {
        let (name, library) = (seat.name.clone(), self.library.clone());
        let bad = |error: WeightsError| EngineError::BadModel {
            model: seat.name.clone(),
            reason: error.to_string(),
        };
        let weights = Checkpoint::open(&seat.files.weights).map_err(bad)?;
        let hash = fingerprint::of_weights(&weights).map_err(bad)?;
        let store = VoiceStore::new(name, hash, seat.voices.clone(), library);
        store.get(voice, &seat.files.config.flow_lm.transformer)
    }

    /// Loads a model.
    ///
    /// # Errors
    /// Where it is not installed, not whole, or damaged.
    pub fn load(&self, model: &str) -> Result<Box<dyn Engine>, EngineError> {
        let seat = self.seat(model)?;
        let library = self.library.clone();
        Ok(Box::new(PocketEngine::load(seat, library, self.choice.quantisation)?))
    }
}

fn cast(voice: &str, model: &str) -> Cast {
    Cast {
        voice: voice.to_owned(),
        language: catalogue::language_of(model).to_owned(),
        engine: EngineId { engine: POCKET, model: Some(model.to_owned()) },
    }
}
