//! An engine that fails when it is told to: its voices are `faulty:KIND@N`, and what KIND says happens at the Nth chunk.
//!
//! Part of the program only where the tests build it. Each letter of a text is one chunk, 40 ms of a hum.

use std::time::Duration;

use super::registry::EngineId;
use super::{Engine, EngineError, EngineInfo, Speech, SpeechStream};
use crate::pcm::{PcmChunk, PcmSpec};

/// Its name.
pub const NAME: &str = "faulty";

const SPEC: PcmSpec = PcmSpec::new(24_000);

/// What is not a fault of a speech, but keeps the engine from loading.
const AT_LOAD: [&str; 3] = ["load-hang", "load-exit", "load-panic"];

struct Faulty(EngineInfo);

struct Hum {
    kind: String,
    at: usize,
    n_left: usize,
    n_made: usize,
}

/// The engine of that voice, if it is one of these.
pub fn engine_of(voice: &str) -> Option<EngineId> {
    let kind = voice.strip_prefix("faulty:")?;
    let model = AT_LOAD.contains(&kind).then(|| kind.to_owned());
    Some(EngineId { engine: NAME, model })
}

/// Loads it, or fails to.
///
/// # Errors
/// Never.
///
/// # Panics
/// Where it is told to.
pub fn load(model: Option<&str>) -> Result<Box<dyn Engine>, EngineError> {
    match model {
        Some("load-hang") => hang(),
        Some("load-exit") => leave(),
        Some("load-panic") => panic!("it was told to panic while loading"),
        _ => {}
    }
    let info = EngineInfo { name: NAME, spec: SPEC, voices: vec!["faulty:fine".to_owned()] };
    Ok(Box::new(Faulty(info)))
}

impl Engine for Faulty {
    fn info(&self) -> &EngineInfo {
        &self.0
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let name = speech.voice.to_owned();
        let unknown = || EngineError::UnknownVoice { name, known: self.0.voices.clone() };
        let fault = speech.voice.strip_prefix("faulty:").ok_or_else(unknown)?;
        if speech.text.replace('\0', "").trim().is_empty() {
            return Err(EngineError::EmptyText);
        }
        let (kind, at) = fault.split_once('@').unwrap_or((fault, "1"));
        let (kind, at) = (kind.to_owned(), at.parse().unwrap_or(1));
        if at == 0 && kind == "hang" {
            hang();
        }
        Ok(Box::new(Hum { kind, at, n_left: speech.text.chars().count(), n_made: 0 }))
    }
}

impl SpeechStream for Hum {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        self.n_made += 1;
        let n_samples = SPEC.samples_in(Duration::from_millis(40));
        let hum = |idx: usize| 0.3 * (idx as f32 * std::f32::consts::TAU * 440.0 / 24_000.0).sin();
        let mut samples: Vec<f32> = (0..n_samples).map(hum).collect();
        if self.n_made >= self.at {
            match self.kind.as_str() {
                "crawl" => sleep(Duration::from_millis(300)),
                "babble" => self.n_left += 1,
                _ => {}
            }
        }
        if self.n_made == self.at {
            match self.kind.as_str() {
                "hang" => hang(),
                "panic" => panic!("it was told to panic"),
                "exit" => leave(),
                "bloat" => bloat(),
                "nan" => samples[7] = f32::NAN,
                "long" => samples = vec![0.0; SPEC.samples_in(PcmChunk::MAX) + 1],
                "error" => return Err(EngineError::Failed("it was told to fail".to_owned())),
                _ => {}
            }
        }
        if self.n_left == 0 {
            return Ok(None);
        }
        self.n_left -= 1;
        Ok(Some(PcmChunk { spec: SPEC, samples }))
    }
}

fn sleep(time: Duration) {
    let _waited = crossbeam_channel::after(time).recv();
}

/// For ever, as far as a test is concerned; not longer, so that a thread that was left behind ends some day.
fn hang() {
    sleep(Duration::from_secs(600));
}

#[expect(clippy::exit, reason = "that is what it was told to do")]
fn leave() -> ! {
    std::process::exit(7)
}

/// Takes memory until somebody ends it; up to 4 GB, so that no machine is brought down by it.
fn bloat() {
    let mut taken = Vec::new();
    for _ in 0..256 {
        taken.push(vec![1_u8; 16 << 20]);
        sleep(Duration::from_millis(10));
    }
    hang();
    drop(taken);
}
