//! Carries out what is asked of the voices: the same for the daemon, and for the command line where none runs.
//!
//! Knows no engine and no channel: who makes a state of a recording is handed in.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::NotMade;
use super::card::{VoiceCard, VoiceStatus};
use super::library::{Library, LibraryError, Voice};
use super::prompt::{self, Unfit};
use super::recording::{Recording, RecordingError};
use super::request::{AddVoice, VoiceRequest};

/// More recordings than this are no half minute of voice.
const MAX_RECORDINGS: usize = 32;

/// The largest recording: ten minutes at 48 kHz in two channels of 32 bits.
const MAX_RECORDING_BYTES: u64 = 256 << 20;

/// Who makes voices ready to speak, and knows those that are not in the library.
pub trait Studio {
    /// Whether voices can be made at all.
    ///
    /// # Errors
    /// Why not, and what to do about it.
    fn check(&self) -> Result<(), String>;

    /// Makes a voice of the library ready, from its recording. Returns when its file has the state.
    ///
    /// # Errors
    /// Why it could not be made.
    fn embed(&mut self, voice: &str) -> Result<(), NotMade>;

    /// Whether a voice speaks as it is.
    fn is_ready(&self, card: &VoiceCard) -> bool;

    /// The voices that came with the models.
    fn predefined(&self) -> Vec<VoiceCard>;

    /// Whether a name is another engine's.
    fn is_reserved(&self, name: &str) -> bool;
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// One voice.
    Voice(Box<VoiceCard>),
    /// Several.
    Voices(Vec<VoiceCard>),
}

/// Something that was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The library does not have it, or does not take it.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A recording cannot be read.
    #[error("{}", with_source(.0))]
    Recording(#[from] RecordingError),
    /// There is no voice in the recordings.
    #[error("no voice can be made of `{}`: {why}", file.display())]
    Unfit {
        /// The first of them.
        file: PathBuf,
        /// Why.
        why: Unfit,
    },
    /// The name is another engine's.
    #[error("`{0}` is the name of another voice; choose another one")]
    Reserved(String),
    /// Too much was given at once.
    #[error("{0}")]
    TooMuch(String),
    /// Voices cannot be made here.
    #[error("{0}")]
    NotReady(String),
    /// The voice could not be made.
    #[error("the voice `{name}` could not be made: {why}")]
    NotMade {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// It was given up.
    #[error("the voice `{0}` was given up")]
    Cancelled(String),
}

fn with_source(error: &RecordingError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Carries out a request; takes as long as it takes. `now` is the time in RFC 3339.
///
/// # Errors
/// What kept it from being carried out; nothing is half done then.
pub fn carry_out(
    library: &Library,
    studio: &mut dyn Studio,
    request: VoiceRequest,
    now: String,
) -> Result<Answer, DeskError> {
    match request {
        VoiceRequest::Add(voice) => add(library, studio, &voice, now),
        VoiceRequest::List => {
            let mut cards = library.cards();
            let predefined = studio.predefined();
            let is_own = |card: &VoiceCard| library.file(&card.name).is_some();
            cards.extend(predefined.into_iter().filter(|card| !is_own(card)));
            Ok(Answer::Voices(cards))
        }
        VoiceRequest::Show { name } => {
            let predefined = studio.predefined().into_iter().find(|card| card.name == name);
            let card = match (library.card(&name), predefined) {
                (Err(LibraryError::Unknown { .. }), Some(card)) => card,
                (card, _) => card?,
            };
            Ok(Answer::Voice(Box::new(card)))
        }
        VoiceRequest::Rename { from, to } => {
            check_free(studio, &to)?;
            library.rename(&from, &to)?;
            Ok(Answer::Done)
        }
        VoiceRequest::Remove { name } => {
            library.remove(&name)?;
            Ok(Answer::Done)
        }
        VoiceRequest::Export { name, file } => {
            library.export(&name, &file)?;
            Ok(Answer::Done)
        }
        VoiceRequest::Import { name, file } => {
            check_free(studio, &name)?;
            Ok(Answer::Voice(Box::new(library.import(&name, &file, now)?)))
        }
        VoiceRequest::Precompute { all } => precompute(library, studio, all),
        // Nothing is being made while this is carried out.
        VoiceRequest::Cancel => Ok(Answer::Done),
    }
}

fn check_free(studio: &dyn Studio, name: &str) -> Result<(), DeskError> {
    if studio.is_reserved(name) {
        return Err(DeskError::Reserved(name.to_owned()));
    }
    Ok(())
}

fn add(
    library: &Library,
    studio: &mut dyn Studio,
    wished: &AddVoice,
    now: String,
) -> Result<Answer, DeskError> {
    let name = &wished.name;
    check_free(studio, name)?;
    let before = match library.check_new(name) {
        Ok(()) => None,
        Err(LibraryError::Exists(_)) => replaced(library, wished)?,
        Err(error) => return Err(error.into()),
    };
    studio.check().map_err(DeskError::NotReady)?;
    let (recordings, source_digest) = read_all(&wished.files)?;
    let (recording, quality) = prompt::of_recordings(&recordings).map_err(|why| {
        let file = wished.files.first().cloned().unwrap_or_default();
        DeskError::Unfit { file, why }
    })?;
    drop(recordings);
    let card = VoiceCard {
        name: name.clone(),
        languages: wished.languages.clone(),
        status: VoiceStatus::Processing,
        visibility: wished.visibility,
        consent: wished.consent.clone(),
        created: now,
        source_digest: Some(source_digest),
        has_recording: true,
        quality: Some(quality),
        ..VoiceCard::default()
    };
    library.save(&Voice { card, recording: Some(recording), state: Vec::new() })?;
    let made = make(library, studio, name);
    match (&made, before) {
        (Err(_), Some(before)) => library.save(&before)?,
        (Err(DeskError::Cancelled(_)), None) => library.remove(name)?,
        (Ok(()), _) if wished.forget_recording => {
            let mut voice = library.load(name)?;
            (voice.recording, voice.card.has_recording) = (None, false);
            library.save(&voice)?;
        }
        (Err(_), None) | (Ok(()), _) => {}
    }
    made?;
    Ok(Answer::Voice(Box::new(library.card(name)?)))
}

/// The voice that makes room for the new one, unless it is to stay. One that could not be made is in nobody's way, and one
/// whose file is damaged cannot be brought back.
fn replaced(library: &Library, wished: &AddVoice) -> Result<Option<Voice>, DeskError> {
    let before = library.load(&wished.name).ok();
    let is_of_use = before.as_ref().is_some_and(|it| it.card.status != VoiceStatus::Failed);
    if is_of_use && !wished.replace {
        return Err(LibraryError::Exists(wished.name.clone()).into());
    }
    Ok(before)
}

/// Makes a voice ready; where that fails, its card says so.
fn make(library: &Library, studio: &mut dyn Studio, name: &str) -> Result<(), DeskError> {
    match studio.embed(name) {
        Ok(()) => Ok(()),
        Err(NotMade::Cancelled) => Err(DeskError::Cancelled(name.to_owned())),
        Err(NotMade::Failed(why)) => {
            let mut voice = library.load(name)?;
            // One that speaks with another model still does.
            if voice.state.is_empty() {
                voice.card.status = VoiceStatus::Failed;
            }
            voice.card.problem = Some(why.clone());
            library.save(&voice)?;
            Err(DeskError::NotMade { name: name.to_owned(), why })
        }
    }
}

fn precompute(library: &Library, studio: &mut dyn Studio, all: bool) -> Result<Answer, DeskError> {
    studio.check().map_err(DeskError::NotReady)?;
    let mut cards = library.cards();
    for card in &mut cards {
        if !card.has_recording || (studio.is_ready(card) && !all) {
            continue;
        }
        match make(library, studio, &card.name) {
            Ok(()) => *card = library.card(&card.name)?,
            Err(error @ DeskError::Cancelled(_)) => return Err(error),
            // The others are made nevertheless.
            Err(error) => {
                *card = library.card(&card.name).unwrap_or_default();
                card.problem = Some(error.to_string());
            }
        }
    }
    Ok(Answer::Voices(cards))
}

/// The recordings, and the digest of their bytes.
fn read_all(files: &[PathBuf]) -> Result<(Vec<Recording>, String), DeskError> {
    if files.len() > MAX_RECORDINGS {
        return Err(DeskError::TooMuch(format!(
            "{} recordings are too many; choose the best {MAX_RECORDINGS} or fewer",
            files.len()
        )));
    }
    let mut digest = Sha256::new();
    let mut recordings = Vec::with_capacity(files.len());
    for file in files {
        recordings.push(read(file, &mut digest)?);
    }
    let digest =
        digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok((recordings, digest))
}

fn read(file: &Path, digest: &mut Sha256) -> Result<Recording, DeskError> {
    let n_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    if n_bytes > MAX_RECORDING_BYTES {
        return Err(DeskError::TooMuch(format!(
            "`{}` has {} MB, and a recording may have {}; cut half a minute out of it",
            file.display(),
            n_bytes >> 20,
            MAX_RECORDING_BYTES >> 20
        )));
    }
    let recording = Recording::read(file)?;
    let unreadable = |source| RecordingError::Unreadable { path: file.to_owned(), source };
    let mut bytes = BufReader::new(std::fs::File::open(file).map_err(unreadable)?);
    loop {
        let read = bytes.fill_buf().map_err(unreadable)?;
        if read.is_empty() {
            return Ok(recording);
        }
        digest.update(read);
        let n_bytes = read.len();
        bytes.consume(n_bytes);
    }
}
