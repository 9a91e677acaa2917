//! Carries out what is asked of the voices: the same for the daemon, and for the command line where none runs.
//!
//! Knows no engine and no channel: who makes a state of a recording is handed in.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::NotMade;
use super::card::{VoiceCard, VoiceStatus};
use super::library::{Library, LibraryError, Voice};
use super::prompt::{PromptMaker, Unfit};
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
    // One that is replaced speaks until the new one can.
    let making = match library.check_new(name) {
        Ok(()) => name.clone(),
        Err(LibraryError::Exists(_)) if !is_of_use(library, name) => name.clone(),
        Err(LibraryError::Exists(_)) if wished.replace => format!("{name}.new"),
        Err(error) => return Err(error.into()),
    };
    Library::check_name(&making)?;
    studio.check().map_err(DeskError::NotReady)?;
    let (maker, source_digest) = read_all(&wished.files)?;
    let (recording, quality) = maker.finish().map_err(|why| {
        let file = wished.files.first().cloned().unwrap_or_default();
        DeskError::Unfit { file, why }
    })?;
    let card = VoiceCard {
        name: making.clone(),
        languages: wished.languages.clone(),
        status: VoiceStatus::Processing,
        visibility: wished.visibility,
        consent: wished.consent.clone(),
        created: now,
        source_digest: Some(source_digest),
        has_recording: true,
        forget_recording: wished.forget_recording,
        quality: Some(quality),
        ..VoiceCard::default()
    };
    library.save(&Voice { card, recording: Some(recording), state: Vec::new() })?;
    let made = make(library, studio, &making);
    // What is not to be kept, and what would only be in the way of the one that was to be replaced, goes.
    let is_kept = matches!(made, Err(DeskError::NotMade { .. }))
        && making == *name
        && !wished.forget_recording;
    if made.is_err() && !is_kept {
        library.remove(&making)?;
    }
    made?;
    if making != *name {
        let mut voice = library.load(&making)?;
        voice.card.name.clone_from(name);
        library.save(&voice)?;
        library.remove(&making)?;
    }
    Ok(Answer::Voice(Box::new(library.card(name)?)))
}

/// Whether a voice is worth keeping: one that could not be made, or whose file is damaged, is in nobody's way.
fn is_of_use(library: &Library, name: &str) -> bool {
    library.card(name).is_ok_and(|card| card.status != VoiceStatus::Failed)
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

/// What is needed of the recordings, and the digest of their bytes. One after the other: together they may be large.
fn read_all(files: &[PathBuf]) -> Result<(PromptMaker, String), DeskError> {
    if files.len() > MAX_RECORDINGS {
        return Err(DeskError::TooMuch(format!(
            "{} recordings are too many; choose the best {MAX_RECORDINGS} or fewer",
            files.len()
        )));
    }
    let (mut maker, mut digest) = (PromptMaker::default(), Sha256::new());
    for file in files {
        if maker.is_full() {
            break;
        }
        maker.push(&read(file, &mut digest)?);
    }
    let digest = digest.finalize();
    let digest = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    Ok((maker, digest))
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
