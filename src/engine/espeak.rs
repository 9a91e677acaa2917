//! The engine for other languages: an installed `espeak-ng`, run once per piece of text.
//!
//! Knows nothing of threads: whoever pulls waits on the program's pipes. A program of its own keeps
//! its licence, its voices and its crashes out of this one. Rate and pitch work with every voice, the
//! rate down to 0.46, below which the program does not go.

mod child;
mod wav_header;

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Access, access};

use self::child::Child;
use self::wav_header::WavHeader;
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
    find_program().is_some()
}

/// Loads the engine: finds the program and asks it for its voices.
///
/// # Errors
/// [`EngineError::MissingProgram`], or what went wrong when it was asked.
pub fn load() -> Result<Box<dyn Engine>, EngineError> {
    let program = find_program().ok_or_else(missing_program)?;
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
            Some(mut head) => match head.push(bytes, SPEC).map_err(failed)? {
                Some(after) => sound.extend(after),
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

fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let places = env::split_paths(&path).map(|dir| dir.join(PROGRAM));
    places.into_iter().find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}

fn missing_program() -> EngineError {
    EngineError::MissingProgram { program: PROGRAM, package: PROGRAM }
}

fn failed(reason: impl Into<String>) -> EngineError {
    EngineError::ProgramFailed { program: PROGRAM, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine with a program of our own, which lists German and then does this.
    fn engine(dir: &tempfile::TempDir, body: &str) -> Espeak {
        let program = dir.path().join("espeak-ng");
        let script = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = --voices ]; then\n\
             echo 'Pty Language Age/Gender VoiceName File Other Languages'\n\
             echo ' 5  de  --/M  German  gmw/de  (de-at 5)(gsw 7)'\n\
             echo ' 5  ../x  --/M  Path  x/x'\n\
             exit 0; fi\n{body}\n"
        );
        // Written by another process: a program that this one has open for writing cannot be
        // started, and a thread that forks meanwhile keeps it open.
        let write = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", write, program.to_str().unwrap(), &script])
            .status();
        assert!(status.unwrap().success());
        Espeak::with_program(program).unwrap()
    }

    fn german(text: &str) -> Speech<'_> {
        Speech { text, voice: "espeak:de", prosody: Prosody::default(), seed: 0 }
    }

    /// A header of 44 bytes, for `printf`.
    const HEADER: &str = "RIFF\\044\\360\\377\\177WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\
                          \\042\\126\\0\\0\\104\\254\\0\\0\\002\\0\\020\\0data\\0\\360\\377\\177";

    fn all_of(engine: &mut Espeak, text: &str) -> Result<Vec<f32>, EngineError> {
        let mut stream = engine.begin(&german(text))?;
        let mut samples = Vec::new();
        while let Some(chunk) = stream.next_chunk()? {
            samples.extend(chunk.samples);
        }
        Ok(samples)
    }

    #[test]
    fn only_plain_languages_are_languages() {
        for (voice, language) in [
            ("espeak:de", Some("de")),
            ("espeak:en-gb", Some("en-gb")),
            ("espeak:fr+f3", Some("fr+f3")),
            ("espeak:en-gb-x-rp", Some("en-gb-x-rp")),
            ("espeak:12345678901234567890123456789012", Some("12345678901234567890123456789012")),
            ("espeak:123456789012345678901234567890123", None),
            ("espeak:", None),
            ("espeak:-v", None),
            ("espeak:../de", None),
            ("espeak:de en", None),
            ("espeak:de\n", None),
            ("espeak:dé", None),
            ("Espeak:de", None),
            ("de", None),
        ] {
            assert_eq!(language_of(voice), language, "{voice:?}");
        }
    }

    #[test]
    fn voices_and_their_other_names_come_from_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = engine(&dir, "exit 0");
        assert_eq!(engine.info().voices, ["espeak:de"]);
        let mut is_known = |voice| engine.begin(&Speech { voice, ..german("a") }).is_ok();
        assert!(is_known("espeak:gsw") && is_known("espeak:de-at") && is_known("espeak:DE+f2"));
        assert!(!is_known("espeak:fr") && !is_known("espeak:../x"));
    }

    #[test]
    fn samples_survive_a_pipe_that_cuts_them_in_two() {
        let dir = tempfile::tempdir().unwrap();
        let body =
            format!("printf '{HEADER}\\001'; read line; printf '\\0\\002'; printf '\\0\\003'");
        let samples = all_of(&mut engine(&dir, &body), "a\n").unwrap();
        assert_eq!(samples, [pcm::from_i16(1), pcm::from_i16(2)]);
    }

    #[test]
    fn a_text_reaches_the_program_whole_and_the_prosody_as_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let body = format!("echo \"$@\" > {0}; cat >> {0}; printf '{HEADER}'", seen.display());
        let mut engine = engine(&dir, &body);
        let text = "ä ".repeat(100_000); // more than a pipe holds
        let prosody = Prosody { rate: 2.0, pitch: 0.5 };
        let mut stream = engine.begin(&Speech { prosody, ..german(&text) }).unwrap();
        assert!(matches!(stream.next_chunk(), Ok(None)));
        let seen = std::fs::read_to_string(seen).unwrap();
        let (args, rest) = seen.split_once('\n').unwrap();
        assert_eq!(args, "-v de -s 350 -p 0 -b 1 --stdin --stdout");
        assert_eq!(rest, text);
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        for (body, want) in [
            ("echo out of  luck >&2; exit 1", "out of luck"),
            ("exit 3", "exit status: 3"),
            ("kill -11 $$", "signal: 11"),
            ("echo this is no sound", "something else"),
        ] {
            let error = all_of(&mut engine(&dir, body), "a").unwrap_err();
            let EngineError::ProgramFailed { reason, .. } = &error else { panic!("{error}") };
            assert!(reason.contains(want), "{body}: {reason}");
        }
        let body = "echo 'Error: The specified espeak-ng voice does not exist.' >&2; exit 1";
        let error = all_of(&mut engine(&dir, body), "a").unwrap_err();
        assert!(matches!(error, EngineError::UnknownVoice { .. }), "{error}");
    }

    #[test]
    fn a_silent_program_is_given_up_on() {
        let dir = tempfile::tempdir().unwrap();
        let silent = format!("exec 3<&0; printf '{HEADER}aa'; exec tail -f /dev/null");
        let mut engine = engine(&dir, &silent).with_patience(Duration::from_millis(50));
        let mut stream = engine.begin(&german("a")).unwrap();
        assert!(matches!(stream.next_chunk(), Ok(Some(_))));
        assert!(matches!(stream.next_chunk(), Err(EngineError::Hung { .. })));
        assert!(matches!(stream.next_chunk(), Ok(None)));
    }

    #[test]
    fn a_program_that_only_complains_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = engine(&dir, "exec yes trouble >&2");
        let error = all_of(&mut engine, "a").unwrap_err();
        assert!(matches!(error, EngineError::ProgramFailed { .. }), "{error}");
    }

    #[test]
    fn a_flood_comes_in_short_chunks_and_ends_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = engine(&dir, &format!("printf '{HEADER}'; exec yes"));
        let mut stream = engine.begin(&german("a")).unwrap();
        for _ in 0..100 {
            let chunk = stream.next_chunk().unwrap().unwrap();
            assert!(chunk.duration() <= PcmChunk::MAX);
        }
        drop(stream);
        assert!(engine.begin(&german("a")).is_ok());
    }

    #[test]
    fn a_program_that_is_not_there_names_its_package() {
        let error = Espeak::with_program(PathBuf::from("/nowhere/espeak-ng")).unwrap_err();
        assert!(matches!(error, EngineError::MissingProgram { package: "espeak-ng", .. }));
    }

    #[test]
    fn prosody_turns_into_the_programs_numbers() {
        let rates = [0.25, 0.5, 1.0, 2.0, 4.0, f32::NAN, f32::INFINITY].map(words_a_minute);
        assert_eq!(rates, [80, 88, 175, 350, 700, 175, 700]);
        let pitches = [0.5, 1.0, 1.5, 2.0, f32::NAN, f32::NEG_INFINITY].map(pitch_number);
        assert_eq!(pitches, [0, 50, 79, 99, 50, 0]);
    }
}
