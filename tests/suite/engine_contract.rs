//! The contract of `support::contract`, held against every engine there is.

#[cfg(feature = "http")]
use speakerd::engine::remote;
use speakerd::engine::{Engine, EngineError, EngineInfo, Speech, SpeechStream, espeak};
#[cfg(feature = "builtin")]
use speakerd::engine::{Prosody, builtin};
use speakerd::pcm::{PcmChunk, PcmSpec};

use crate::support::contract::check_engine;
#[cfg(feature = "builtin")]
use crate::support::contract::{LINE, check_equal_length, speak};
#[cfg(feature = "http")]
use crate::support::speech_server::ScriptedServer;

#[cfg(feature = "builtin")]
#[test]
fn the_builtin_engine_keeps_the_contract() {
    for voice in builtin::VOICES {
        let mut engine = builtin::load().unwrap();
        check_engine(engine.as_mut(), voice);
        check_equal_length(engine.as_mut(), voice);
    }
}

#[cfg(feature = "builtin")]
#[test]
fn two_builtin_engines_speak_at_the_same_time() {
    let [mut one, mut other] = [(); 2].map(|()| builtin::load().unwrap());
    let speech = Speech { text: LINE, voice: "rms", prosody: Prosody::default(), seed: 1 };
    // A stream that is held and not pulled must not keep the other engine waiting.
    let mut held = one.begin(&speech).unwrap();
    assert!(held.next_chunk().unwrap().is_some());
    let length = speak(other.as_mut(), "rms", LINE, Prosody::default()).len();
    drop(other);
    let mut rest = 0;
    while let Some(chunk) = held.next_chunk().unwrap() {
        rest += chunk.samples.len();
    }
    assert!(rest < length && rest > length / 2, "{rest} of {length} samples");
}

#[test]
fn the_espeak_engine_keeps_the_contract() {
    for voice in ["espeak:de", "espeak:en-gb", "espeak:fr+f3", "espeak:en"] {
        let mut engine = espeak::load().unwrap();
        check_engine(engine.as_mut(), voice);
    }
}

#[cfg(feature = "http")]
#[test]
fn the_remote_engine_keeps_the_contract() {
    let server = ScriptedServer::start();
    let mut engine = remote::load(&server.settings()).unwrap();
    check_engine(engine.as_mut(), "alloy");
    check_engine(engine.as_mut(), "remote:nova");
}

/// An engine that breaks one promise, to show that the contract notices.
struct Broken {
    info: EngineInfo,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Silent,
    TooLoud,
    NotANumber,
    LongChunk,
    OtherRate,
    OneRate,
    SpeaksNothing,
    AnyVoice,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let voices = vec!["hum".to_owned()];
        Self { info: EngineInfo { name: "broken", spec: PcmSpec::new(8_000), voices }, fault }
    }
}

struct Hum {
    spec: PcmSpec,
    fault: Fault,
    n_chunks_left: usize,
}

impl Engine for Broken {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        if self.fault != Fault::SpeaksNothing && speech.text.replace('\0', "").trim().is_empty() {
            return Err(EngineError::EmptyText);
        }
        if self.fault != Fault::AnyVoice && speech.voice != "hum" {
            return Err(EngineError::UnknownVoice {
                name: speech.voice.to_owned(),
                known: self.info.voices.clone(),
            });
        }
        let n_chunks_left = match (self.fault, speech.prosody.rate) {
            (Fault::OneRate, _) => 20,
            (_, rate) if rate > 1.0 => 10,
            (_, rate) if rate < 1.0 => 30,
            _ => 20,
        };
        Ok(Box::new(Hum { spec: self.info.spec, fault: self.fault, n_chunks_left }))
    }
}

impl SpeechStream for Hum {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        if self.n_chunks_left == 0 {
            return Ok(None);
        }
        self.n_chunks_left -= 1;
        let sample = match self.fault {
            Fault::Silent => 0.0,
            Fault::TooLoud => 1.5,
            Fault::NotANumber => f32::NAN,
            _ => 0.5,
        };
        let n_samples = if self.fault == Fault::LongChunk { 1_601 } else { 800 };
        let rate_hz = if self.fault == Fault::OtherRate { 16_000 } else { 8_000 };
        let spec = if rate_hz == 8_000 { self.spec } else { PcmSpec::new(rate_hz) };
        Ok(Some(PcmChunk { spec, samples: vec![sample; n_samples] }))
    }
}

#[test]
fn the_contract_notices_each_fault() {
    let keeps =
        |fault| std::panic::catch_unwind(|| check_engine(&mut Broken::new(fault), "hum")).is_ok();
    assert!(keeps(Fault::None));
    for fault in [
        Fault::Silent,
        Fault::TooLoud,
        Fault::NotANumber,
        Fault::LongChunk,
        Fault::OtherRate,
        Fault::OneRate,
        Fault::SpeaksNothing,
        Fault::AnyVoice,
    ] {
        assert!(!keeps(fault), "fault {} went unnoticed", fault as usize);
    }
}
