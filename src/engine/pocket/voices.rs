//! The voices of one loaded model: the states that were spoken last, and where the others are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::shelf::is_name;
use super::voice::{VoiceState, VoiceStateError};
use crate::engine::EngineError;
use crate::nn::transformer::TransformerConfig;
use crate::voice::card::VoiceStatus;
use crate::voice::library::Library;
use crate::weights::writing::NamedTensor;

/// How many states are in memory: one of a voice of half a minute has 18 MB, and few files have voices of their own.
const MAX_STATES: usize = 4;

/// What there is of a voice on the disk.
#[derive(Debug)]
pub enum Kept {
    /// What this model made of it.
    State(VoiceState),
    /// Only its recording: the state has to be made first.
    Recording(Vec<f32>),
}

/// Where the voices of a model are.
#[derive(Debug, Clone)]
pub(super) struct VoiceStore {
    model: String,
    hash: String,
    predefined: PathBuf,
    library: Library,
}

/// The states that were spoken last.
#[derive(Debug)]
pub(super) struct VoiceCache {
    store: VoiceStore,
    /// The newest last.
    states: Vec<Cached>,
}

#[derive(Debug)]
struct Cached {
    voice: String,
    stamp: Stamp,
    state: VoiceState,
}

/// What tells one version of a file from another.
type Stamp = (u64, i64, i64, u64);

/// What there is of a voice.
#[derive(Debug)]
pub(super) enum Found {
    /// Its state is in the cache.
    Ready,
    /// Only its recording.
    Recording(Vec<f32>),
}

impl VoiceStore {
    /// The voices for a model of that name and fingerprint; those that came with it are in a directory.
    pub(super) fn new(model: String, hash: String, predefined: PathBuf, library: Library) -> Self {
        Self { model, hash, predefined, library }
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// A voice as it is on the disk.
    pub(super) fn get(&self, voice: &str, config: &TransformerConfig) -> Result<Kept, EngineError> {
        let (file, origin) = self.file(voice)?;
        match self.read(voice, &file, origin, config)? {
            Some(state) => Ok(Kept::State(state)),
            None => Ok(Kept::Recording(self.recording(voice)?)),
        }
    }

    /// Where a voice is: the user's own go before those that came with the model.
    fn file(&self, voice: &str) -> Result<(PathBuf, Origin), EngineError> {
        if let Some(file) = self.library.file(voice) {
            return Ok((file, Origin::Library));
        }
        let name = voice.rsplit('/').next().filter(|name| is_name(name));
        let file = name.map(|name| self.predefined.join(format!("{name}.safetensors")));
        if let Some(file) = file.filter(|file| file.is_file()) {
            return Ok((file, Origin::Model));
        }
        let known = self.library.names();
        Err(EngineError::UnknownVoice { name: voice.to_owned(), known })
    }

    /// The recording of a voice of the library.
    pub(super) fn recording(&self, voice: &str) -> Result<Vec<f32>, EngineError> {
        let recording = self.library.recording(voice).map_err(|error| bad(voice, &error))?;
        recording.ok_or_else(|| EngineError::BadVoice {
            voice: voice.to_owned(),
            reason: "its recording was not kept; add it anew".to_owned(),
        })
    }

    /// Writes what was made of a voice into its file.
    pub(super) fn write(&self, voice: &str, state: Vec<NamedTensor>) -> Result<(), EngineError> {
        let written = self.library.load(voice).and_then(|mut file| {
            file.state = state;
            let card = &mut file.card;
            (card.status, card.problem) = (VoiceStatus::Completed, None);
            if card.forget_recording {
                (file.recording, card.has_recording) = (None, false);
            }
            card.model = Some(self.model.clone());
            card.model_hash = Some(self.hash.clone());
            self.library.save(&file)
        });
        written.map_err(|error| bad(voice, &error))
    }

    /// Reads a voice; `None` where its state is another model's or not there, and its recording is.
    fn read(
        &self,
        voice: &str,
        file: &Path,
        origin: Origin,
        config: &TransformerConfig,
    ) -> Result<Option<VoiceState>, EngineError> {
        if origin == Origin::Model {
            return VoiceState::read(file, config).map(Some).map_err(|error| bad(voice, &error));
        }
        let card = self.library.card(voice).map_err(|error| bad(voice, &error))?;
        let is_made = card.status == VoiceStatus::Completed || card.model_hash.is_some();
        let is_ours = card.model_hash.as_ref().is_none_or(|hash| *hash == self.hash);
        if !is_made || !is_ours {
            if card.has_recording {
                return Ok(None);
            }
            let made_for = card.model.unwrap_or_else(|| "another model".to_owned());
            let reason = format!(
                "it was made for {made_for} and not for the weights of {}, and its recording was not kept; add it anew",
                self.model
            );
            return Err(EngineError::BadVoice { voice: voice.to_owned(), reason });
        }
        match VoiceState::read(file, config) {
            Ok(state) => Ok(Some(state)),
            Err(VoiceStateError::OtherModel { .. }) if card.has_recording => Ok(None),
            Err(error) => Err(bad(voice, &error)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Library,
    Model,
}

impl VoiceCache {
    /// Nothing is in it yet.
    pub(super) fn new(store: VoiceStore) -> Self {
        Self { store, states: Vec::new() }
    }

    /// Where the voices are.
    pub(super) fn store(&self) -> &VoiceStore {
        &self.store
    }

    /// Sees to it that a voice's state is in the cache, as its file is now.
    pub(super) fn find(
        &mut self,
        voice: &str,
        config: &TransformerConfig,
    ) -> Result<Found, EngineError> {
        let stamp = stamp(&self.store.file(voice)?.0);
        if let Some(idx) = self.states.iter().position(|it| it.voice == voice) {
            let cached = self.states.remove(idx);
            if Some(cached.stamp) == stamp {
                self.states.push(cached);
                return Ok(Found::Ready);
            }
        }
        let state = match self.store.get(voice, config)? {
            Kept::State(state) => state,
            Kept::Recording(recording) => return Ok(Found::Recording(recording)),
        };
        if self.states.len() >= MAX_STATES {
            self.states.remove(0);
        }
        let stamp = stamp.unwrap_or_default();
        self.states.push(Cached { voice: voice.to_owned(), stamp, state });
        Ok(Found::Ready)
    }

    /// The state of a voice that is in the cache.
    pub(super) fn state(&self, voice: &str) -> Option<&VoiceState> {
        self.states.iter().find(|it| it.voice == voice).map(|it| &it.state)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = file.metadata().ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

fn bad(voice: &str, error: &dyn std::error::Error) -> EngineError {
    let reason = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    EngineError::BadVoice { voice: voice.to_owned(), reason }
}
