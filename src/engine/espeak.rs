//! The engine for other languages: an installed `espeak-ng`, run once per piece of text.
//!
//! Knows nothing of threads: whoever pulls waits on the program's pipes. A program of its own keeps
//! its licence, its voices and its crashes out of this one. Rate and pitch work with every voice, the
//! rate down to 0.46, below which the program does not go.

mod child;

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Access, access};

use self::child::Child;
use super::wav_header::{WavHeader, WavSound};
use super::{Engine, EngineError, EngineInfo, Prosody, Speech, SpeechStream};
use crate::pcm::{self, PcmChunk, PcmSpec};

/// The program's name, in `PATH` and in messages.
pub const PROGRAM: &str = "espeak-ng";

/// What every voice of this engine begins with.
const PREFIX: &str = "espeak:";

/// The rate of espeak-ng's own voices.
const SPEC: PcmSpec = PcmSpec::new(22_050);

/// The program speaks its first words within 10 ms; one that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one pull takes from the pipe: 4,096 samples, or 186 ms, below [`PcmChunk::MAX`].
const READ_BYTES: usize = 8_192;

/// The list of voices is 10 kB long; what is far longer is no list of voices.
const MAX_LIST_BYTES: usize = 256 * 1_024;

/// The program's own rate, in words a minute, and the range that it speaks at.
const WORDS_A_MINUTE: f32 = 175.0;
const WORDS_RANGE: (f32, f32) = (80.0, 700.0);

/// The engine: a program that was found, and the languages it knows.
#[derive(Debug)]
pub struct Espeak {
    program: PathBuf,
    patience: Duration,
    info: EngineInfo,
    /// First parts of the languages: `de` of `de-at`. The program finds the nearest by itself.
    known: BTreeSet<String>,
}

/// The language in a voice of this engine: `de` in `espeak:de`, `fr+f3` in `espeak:fr+f3`.
///
/// It is 1 to 32 letters, digits, `+`, `_` or `-`, and begins with a letter or a digit: it becomes
/// an argument of a program, and there part of a file name.
pub fn language_of(voice: &str) -> Option<&str> {
    let language = voice.strip_prefix(PREFIX)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+_-".contains(&byte);
    let begins_well = language.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    (begins_well && language.len() <= 32 && language.bytes().all(is_plain)).then_some(language)
}

/// Whether the program is there. Looks only; it does not run it.
pub fn installed() -> bool {
    find_program(PROGRAM).is_some()
}

/// Loads the engine: finds the program and asks it for its voices.
///
/// # Errors
/// [`EngineError::MissingProgram`], or what went wrong when it was asked.
pub fn load() -> Result<Box<dyn Engine>, EngineError> {
    let program = find_program(PROGRAM).ok_or_else(missing_program)?;
    Ok(Box::new(Espeak::with_program(program)?))
}

impl Espeak {
    /// An engine that runs this very program.
    ///
    /// # Errors
    /// As [`load`].
    pub fn with_program(program: PathBuf) -> Result<Self, EngineError> {
        let list = ask_for_voices(&program)?;
        let languages = languages_in(&list);
        let main = languages.iter().filter(|language| !language.is_alias);
        let mut voices: Vec<_> = main.map(|main| format!("{PREFIX}{}", main.name)).collect();
        voices.sort();
        voices.dedup();
        let known = languages.iter().map(|language| first_part(language.name)).collect();
        let info = EngineInfo { name: "espeak", spec: SPEC, voices };
        Ok(Self { program, patience: PATIENCE, info, known })
    }

    /// The same engine, which gives up on a silent program after so long.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn unknown(&self, voice: &str) -> EngineError {
        EngineError::UnknownVoice { name: voice.to_owned(), known: self.info.voices.clone() }
    }
}

impl Engine for Espeak {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let text = plain_text(speech.text)?;
        let language = language_of(speech.voice).ok_or_else(|| self.unknown(speech.voice))?;
        if !self.known.contains(&first_part(language)) {
            return Err(self.unknown(speech.voice));
        }
        let rate = words_a_minute(speech.prosody.rate).to_string();
        let pitch = pitch_number(speech.prosody.pitch).to_string();
        let args = ["-v", language, "-s", &rate, "-p", &pitch, "-b", "1", "--stdin", "--stdout"];
        let child = Child::start(&self.program, &args, text.into_bytes(), self.patience)?;
        let voice = speech.voice.to_owned();
        let head = Some(WavHeader::default());
        Ok(Box::new(Stream { engine: self, voice, child: Some(child), head, odd_byte: None }))
    }
}

/// Speech in the making. Dropping it ends the program.
struct Stream<'e> {
    engine: &'e Espeak,
    voice: String,
    /// `None` when the speech is over.
    child: Option<Child>,
    /// `None` once the header was read.
    head: Option<WavHeader>,
    /// The first half of a sample that the pipe cut in two.
    odd_byte: Option<u8>,
}

impl SpeechStream for Stream<'_> {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        // Taken out, so that an error of any kind ends the program and the speech.
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let mut buffer = [0; READ_BYTES];
        loop {
            let n_bytes = child.read(&mut buffer)?;
            if n_bytes == 0 {
                return child.end().map(|()| None).map_err(|error| self.explain(error));
            }
            let samples = self.samples_in(&buffer[..n_bytes])?;
            if !samples.is_empty() {
                self.child = Some(child);
                return Ok(Some(PcmChunk { spec: SPEC, samples }));
            }
        }
    }
}

impl Stream<'_> {
    /// Reads past the header, and puts samples together over the seams of the pipe.
    fn samples_in(&mut self, bytes: &[u8]) -> Result<Vec<f32>, EngineError> {
        let mut sound = Vec::with_capacity(bytes.len() + 1);
        sound.extend(self.odd_byte.take());
        match self.head.take() {
            None => sound.extend_from_slice(bytes),
            Some(mut head) => match head.push(bytes).map_err(failed)? {
                Some(WavSound { spec, begun, .. }) if spec == SPEC => sound.extend(begun),
                Some(WavSound { spec, .. }) => {
                    let (has, wanted) = (spec.sample_rate_hz, SPEC.sample_rate_hz);
                    let reason = format!("this voice speaks at {has} Hz, not {wanted}");
                    return Err(failed(format!("{reason}; choose another one")));
                }
                None => self.head = Some(head),
            },
        }
        let (pairs, odd) = sound.as_chunks::<2>();
        self.odd_byte = odd.first().copied();
        Ok(pairs.iter().map(|&pair| pcm::from_i16(i16::from_le_bytes(pair))).collect())
    }

    /// A voice whose language is known and which is not, such as `espeak:de-nowhere`.
    fn explain(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::ProgramFailed { reason, .. }
                if reason.contains("voice does not exist") =>
            {
                self.engine.unknown(&self.voice)
            }
            other => other,
        }
    }
}

/// A language that the program lists.
struct Language<'a> {
    name: &'a str,
    /// Whether it is another name for a voice, such as `en` for `en-gb`.
    is_alias: bool,
}

fn ask_for_voices(program: &std::path::Path) -> Result<String, EngineError> {
    let mut child = Child::start(program, &["--voices"], Vec::new(), PATIENCE)?;
    let mut list = Vec::new();
    let mut buffer = [0; READ_BYTES];
    loop {
        let n_bytes = child.read(&mut buffer)?;
        if n_bytes == 0 {
            break;
        }
        list.extend_from_slice(&buffer[..n_bytes]);
        if list.len() > MAX_LIST_BYTES {
            return Err(failed("its list of voices has no end"));
        }
    }
    child.end()?;
    Ok(String::from_utf8_lossy(&list).into_owned())
}

/// Reads lines such as ` 2  en-gb  --/M  English_(Great_Britain)  gmw/en  (en 2)`.
fn languages_in(list: &str) -> Vec<Language<'_>> {
    let mut languages = Vec::new();
    for line in list.lines().skip(1) {
        let main = line.split_whitespace().nth(1);
        languages.extend(main.map(|name| Language { name, is_alias: false }));
        let aliases = line.split(" (").skip(1).chain(line.split(")(").skip(1));
        let names = aliases.filter_map(|alias| alias.split_whitespace().next());
        languages.extend(names.map(|name| Language { name, is_alias: true }));
    }
    // A list can hold anything; a voice that nobody could ask for is no voice.
    languages.retain(|language| language_of(&format!("{PREFIX}{}", language.name)).is_some());
    languages
}

/// `de` of `de-at`, of `DE+f3` and of `de`.
fn first_part(language: &str) -> String {
    language.split(['-', '+', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The text as the program wants it: a NUL would end it, and `[[` begin phoneme codes.
fn plain_text(text: &str) -> Result<String, EngineError> {
    let text = text.replace('\0', " ").replace("[[", "[ [");
    if text.trim().is_empty() { Err(EngineError::EmptyText) } else { Ok(text) }
}

fn words_a_minute(rate: f32) -> u32 {
    let rate = if rate.is_nan() { 1.0 } else { rate };
    whole((WORDS_A_MINUTE * rate).clamp(WORDS_RANGE.0, WORDS_RANGE.1))
}

/// The program's pitch: 50 is the voice's own, and 50 more or less an octave.
fn pitch_number(pitch: f32) -> u32 {
    let pitch = if pitch.is_nan() { 1.0 } else { pitch };
    let octaves = pitch.clamp(*Prosody::PITCH.start(), *Prosody::PITCH.end()).log2();
    whole((50.0 + 50.0 * octaves).clamp(0.0, 99.0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped by callers")]
fn whole(number: f32) -> u32 {
    number.round() as u32
}

/// A program that can be run, by its name.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let places = env::split_paths(&path).map(|dir| dir.join(name));
    places.into_iter().find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}

fn missing_program() -> EngineError {
    EngineError::MissingProgram { program: PROGRAM, package: PROGRAM }
}

fn failed(reason: impl Into<String>) -> EngineError {
    EngineError::ProgramFailed { program: PROGRAM, reason: reason.into() }
}

#[cfg(test)]
mod tests;
