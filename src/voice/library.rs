//! The voices on this machine: one safetensors file for each, private, written whole or not at all.
//!
//! A file has what a model made of the voice (the tensors that other programs export as well), the recording it was made
//! of, and the card in its header. A file without a card is an exported voice that was put there by hand.

mod notes;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use self::notes::{card_of, notes_of};
use super::card::{Visibility, VoiceCard, VoiceStatus};
use super::{MAX_NAME_BYTES, is_name};
use crate::paths::private_dir;
use crate::weights::writing::{NamedTensor, Values, to_bytes};
use crate::weights::{Checkpoint, WeightsError};

/// How many voices there may be: a few hundred are a lot for a person, and each is megabytes.
const MAX_VOICES: usize = 256;

/// The largest file: half a minute of voice in a model with 24 layers has 75 MB.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// The tensor with the recording, mono at [`super::prompt::RATE_HZ`].
const RECORDING: &str = "recording";

/// The longest recording in a file: two minutes, where half a minute is used.
const MAX_RECORDING_SAMPLES: usize = 120 * 24_000;

/// A tensor that every voice has that can speak.
const STATE: &str = "transformer.layers.0.self_attn/cache";

/// Something that cannot be done with a voice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// It cannot be called so.
    #[error("a voice cannot be called `{name}`: {why}")]
    BadName {
        /// What was wished.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is none of that name.
    #[error("there is no voice `{name}` in the library; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    Unknown {
        /// What was asked for.
        name: String,
        /// What could have been.
        known: Vec<String>,
    },
    /// There is one of that name already.
    #[error("there is a voice `{0}` already; remove it first, or say --replace")]
    Exists(String),
    /// There are too many.
    #[error("there are {MAX_VOICES} voices, and there is no room for more; remove one")]
    TooMany,
    /// It is larger than any voice.
    #[error("`{}` has {n_bytes} bytes, more than any voice; is it one?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        n_bytes: u64,
    },
    /// Its file is damaged, or none.
    #[error(transparent)]
    File(#[from] WeightsError),
    /// There is nothing in it to speak with.
    #[error("`{}` is no voice: it has neither a model's state nor a recording", .0.display())]
    Empty(PathBuf),
    /// The disk refused it.
    #[error("cannot write `{}`: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A voice with all that is in its file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Voice {
    /// What is known of it.
    pub card: VoiceCard,
    /// The recording; mono, at [`super::prompt::RATE_HZ`].
    pub recording: Option<Vec<f32>>,
    /// What a model made of it.
    pub state: Vec<NamedTensor>,
}

/// The directory of the voices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    dir: PathBuf,
}

impl Library {
    /// The voices in a directory, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a voice, if there is one.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let file = self.place(name)?;
        file.is_file().then_some(file)
    }

    fn place(&self, name: &str) -> Option<PathBuf> {
        is_name(name).then(|| self.dir.join(format!("{name}.safetensors")))
    }

    /// The voices' names, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).ok().into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            file.strip_suffix(".safetensors").filter(|name| is_name(name)).map(str::to_owned)
        };
        let mut names: Vec<_> = entries.filter_map(name).take(4 * MAX_VOICES).collect();
        names.sort_unstable();
        names
    }

    /// The cards of all voices; a damaged file has one that says so.
    pub fn cards(&self) -> Vec<VoiceCard> {
        let card = |name: String| {
            self.card(&name).unwrap_or_else(|error| VoiceCard {
                name,
                status: VoiceStatus::Failed,
                problem: Some(error.to_string()),
                ..VoiceCard::default()
            })
        };
        self.names().into_iter().map(card).collect()
    }

    /// What is known of a voice. Reads the file's header only.
    ///
    /// # Errors
    /// Where there is none of that name, or its file is damaged.
    pub fn card(&self, name: &str) -> Result<VoiceCard, LibraryError> {
        card_of(&self.open(name)?, name)
    }

    /// The recording that a voice was made of, if it was kept.
    ///
    /// # Errors
    /// As [`Library::card`].
    pub fn recording(&self, name: &str) -> Result<Option<Vec<f32>>, LibraryError> {
        recording_in(&self.open(name)?)
    }

    /// A voice with all that is in its file.
    ///
    /// # Errors
    /// As [`Library::card`].
    pub fn load(&self, name: &str) -> Result<Voice, LibraryError> {
        whole(&self.open(name)?, name)
    }

    fn open(&self, name: &str) -> Result<Checkpoint, LibraryError> {
        let unknown = || LibraryError::Unknown { name: name.to_owned(), known: self.names() };
        open(&self.file(name).ok_or_else(unknown)?)
    }

    /// Whether a voice may be called so.
    ///
    /// # Errors
    /// Says why not.
    pub fn check_name(name: &str) -> Result<(), LibraryError> {
        if is_name(name) {
            return Ok(());
        }
        let why = format!(
            "a name has up to {MAX_NAME_BYTES} of a-z, 0-9, `_`, `-` and `.`, and begins with a letter or digit"
        );
        Err(LibraryError::BadName { name: name.to_owned(), why })
    }

    /// Whether a new voice may be called so.
    ///
    /// # Errors
    /// Where the name is wrong or taken, or there are too many voices.
    pub fn check_new(&self, name: &str) -> Result<(), LibraryError> {
        Self::check_name(name)?;
        if self.file(name).is_some() {
            return Err(LibraryError::Exists(name.to_owned()));
        }
        if self.names().len() >= MAX_VOICES {
            return Err(LibraryError::TooMany);
        }
        Ok(())
    }

    /// Writes a voice under the name on its card, in the place of what was there.
    ///
    /// # Errors
    /// Where the name is wrong, or the disk refuses it; what was there is still there then.
    pub fn save(&self, voice: &Voice) -> Result<(), LibraryError> {
        let name = &voice.card.name;
        Self::check_name(name)?;
        let path = self.dir.join(format!("{name}.safetensors"));
        let mut tensors = voice.state.clone();
        if let Some(recording) = &voice.recording {
            tensors.push(NamedTensor {
                name: RECORDING.to_owned(),
                shape: vec![recording.len()],
                values: Values::Floats(recording.clone()),
            });
        }
        if tensors.is_empty() {
            return Err(LibraryError::Empty(path));
        }
        let bytes = to_bytes(&tensors, Some(notes_of(&voice.card)));
        self.write(&path, bytes)
    }

    fn write(&self, path: &Path, bytes: Result<Vec<u8>, String>) -> Result<(), LibraryError> {
        let written = bytes.map_err(std::io::Error::other).and_then(|bytes| {
            private_dir(&self.dir)?;
            write_whole(&self.dir, path, &bytes)
        });
        written.map_err(|source| LibraryError::Unwritable { path: path.to_owned(), source })
    }

    /// Calls a voice otherwise.
    ///
    /// # Errors
    /// Where there is none, or the new name is wrong or taken.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), LibraryError> {
        let mut voice = self.load(from)?;
        match self.check_new(to) {
            Ok(()) | Err(LibraryError::TooMany) => {} // there are as many afterwards
            Err(error) => return Err(error),
        }
        to.clone_into(&mut voice.card.name);
        self.save(&voice)?;
        self.remove(from)
    }

    /// Forgets a voice.
    ///
    /// # Errors
    /// Where there is none, or the disk refuses.
    pub fn remove(&self, name: &str) -> Result<(), LibraryError> {
        let unknown = || LibraryError::Unknown { name: name.to_owned(), known: self.names() };
        let path = self.file(name).ok_or_else(unknown)?;
        std::fs::remove_file(&path).map_err(|source| LibraryError::Unwritable { path, source })
    }

    /// Writes a voice's state into a file, as other programs read it: without the recording and the card.
    ///
    /// # Errors
    /// Where there is none, it has no state yet, or something is at that place already.
    pub fn export(&self, name: &str, file: &Path) -> Result<(), LibraryError> {
        let voice = self.load(name)?;
        let unwritable = |source| LibraryError::Unwritable { path: file.to_owned(), source };
        if voice.state.is_empty() {
            let why = "it was not made ready yet; `speakerd voice precompute` does that";
            return Err(unwritable(std::io::Error::other(why)));
        }
        let bytes = to_bytes(&voice.state, None).map_err(std::io::Error::other);
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        bytes
            .and_then(|bytes| {
                let dir = dir.unwrap_or(Path::new("."));
                let part = written(dir, &bytes)?;
                part.persist_noclobber(file).map_err(|error| error.error)?;
                Ok(())
            })
            .map_err(unwritable)
    }

    /// Takes a voice over from a file: one that was exported, or another library's.
    ///
    /// # Errors
    /// Where it is none, or the name is wrong or taken.
    pub fn import(&self, name: &str, file: &Path, now: String) -> Result<VoiceCard, LibraryError> {
        self.check_new(name)?;
        let mut voice = whole(&open(file)?, name)?;
        name.clone_into(&mut voice.card.name);
        if voice.card.created.is_empty() {
            voice.card.created = now;
        }
        // What else is true of it was true elsewhere: it is for this user until he says otherwise.
        voice.card.visibility = Visibility::Private;
        self.save(&voice)?;
        Ok(voice.card)
    }
}

fn open(path: &Path) -> Result<Checkpoint, LibraryError> {
    let n_bytes = path.metadata().map_or(0, |metadata| metadata.len());
    if n_bytes > MAX_FILE_BYTES {
        return Err(LibraryError::TooLarge { path: path.to_owned(), n_bytes });
    }
    Ok(Checkpoint::open(path)?)
}

fn recording_in(file: &Checkpoint) -> Result<Option<Vec<f32>>, LibraryError> {
    if !file.has(RECORDING) {
        return Ok(None);
    }
    let shape = file.shape(RECORDING)?.to_vec();
    let n_samples: usize = shape.iter().product();
    if n_samples > MAX_RECORDING_SAMPLES {
        let n_bytes = 4 * n_samples as u64;
        return Err(LibraryError::TooLarge { path: file.path().to_owned(), n_bytes });
    }
    Ok(Some(file.floats(RECORDING, &shape)?))
}

fn whole(file: &Checkpoint, name: &str) -> Result<Voice, LibraryError> {
    let (card, recording) = (card_of(file, name)?, recording_in(file)?);
    let mut state = Vec::new();
    for name in file.names().into_iter().filter(|name| name != RECORDING) {
        let shape = file.shape(&name)?.to_vec();
        let values = match file.floats(&name, &shape) {
            Err(WeightsError::Type { .. }) => Values::Integers(file.integers(&name)?),
            floats => Values::Floats(floats?),
        };
        state.push(NamedTensor { name, shape, values });
    }
    if state.is_empty() && recording.is_none() {
        return Err(LibraryError::Empty(file.path().to_owned()));
    }
    Ok(Voice { card, recording, state })
}

/// Writes a file whole or not at all, for this user only.
fn write_whole(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    written(dir, bytes)?.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(dir)?.sync_all()
}

/// A file without a name yet, for this user only.
fn written(dir: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".voice-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
