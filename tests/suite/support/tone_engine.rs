//! Engines for tests: one that sounds letters, and the same one misbehaving, by voice name.

use std::time::Duration;

use speakerd::engine::registry::{Cast, Choice, EngineId};
use speakerd::engine::worker::Confinement;
use speakerd::engine::{Engine, EngineError, EngineInfo, Speech, SpeechStream};
use speakerd::inference::source::EngineSource;
use speakerd::pcm::{PcmChunk, PcmSpec};

use super::tones;

const SPEC: PcmSpec = PcmSpec::new(24_000);

/// What a voice of the test engine does besides sounding letters.
const VOICES: [&str; 6] = ["tone", "crawl", "panic", "fail", "endless", "missing"];

/// Sounds letters.
pub(crate) struct ToneEngine {
    info: EngineInfo,
}

impl ToneEngine {
    pub(crate) fn new() -> Self {
        let voices = VOICES.map(str::to_owned).to_vec();
        Self { info: EngineInfo { name: "tone", spec: SPEC, voices } }
    }
}

struct Tones {
    letters: std::vec::IntoIter<u8>,
    voice: &'static str,
    repeat: usize,
    n_chunks: usize,
}

impl Engine for ToneEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let Some(voice) = VOICES.into_iter().find(|voice| *voice == speech.voice) else {
            let known = self.info.voices.clone();
            return Err(EngineError::UnknownVoice { name: speech.voice.to_owned(), known });
        };
        if speech.text.replace('\0', "").trim().is_empty() {
            return Err(EngineError::EmptyText);
        }
        let letters = speech.text.bytes().filter(|b| b.is_ascii_alphanumeric() || *b == b' ');
        let letters = letters.collect::<Vec<_>>().into_iter();
        let repeat = if speech.prosody.rate < 1.0 { 3 } else { 1 };
        Ok(Box::new(Tones { letters, voice, repeat, n_chunks: 0 }))
    }
}

impl SpeechStream for Tones {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        self.n_chunks += 1;
        match (self.voice, self.n_chunks) {
            ("crawl", _) => drop(crossbeam_channel::after(Duration::from_millis(20)).recv()),
            ("panic", 3) => panic!("the test engine panics as it was told to"),
            ("fail", 3) => return Err(EngineError::Failed("as it was told to".to_owned())),
            ("endless", _) => {
                return Ok(Some(PcmChunk { spec: SPEC, samples: tones::sound(b'e', 24_000) }));
            }
            _ => {}
        }
        let Some(letter) = self.letters.next() else { return Ok(None) };
        let samples = tones::sound(letter, 24_000).repeat(self.repeat);
        Ok(Some(PcmChunk { spec: SPEC, samples }))
    }
}

/// Brings the test engine into the daemon; the voice `missing` cannot be loaded.
pub(crate) struct TestEngines;

impl EngineSource for TestEngines {
    fn cast(&self, voice: &str) -> Result<Cast, EngineError> {
        let engine = if voice == "missing" { "missing" } else { "tone" };
        let (voice, language) = (voice.to_owned(), "en".to_owned());
        Ok(Cast { voice, language, engine: EngineId::new(engine) })
    }

    fn configure(&mut self, _choice: &Choice, _confinement: &Confinement) {}

    fn load(&mut self, id: &EngineId) -> Result<Box<dyn Engine>, EngineError> {
        match id.engine {
            "missing" => Err(EngineError::MissingProgram { program: "voice", package: "voices" }),
            _ => Ok(Box::new(ToneEngine::new())),
        }
    }

    fn fallback_voice(&self) -> &'static str {
        "tone"
    }

    fn trim_memory(&self) {}
}

#[test]
fn the_test_engine_keeps_the_contract() {
    super::contract::check_engine(&mut ToneEngine::new(), "tone");
}
