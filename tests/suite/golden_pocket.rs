//! Pocket TTS against the reference: what the Python package made of tiny models with random weights.
//!
//! The fixtures come from `$GOLDEN_FIXTURES/pocket-tts`, by default from `tests/golden/pocket-tts`.

mod audio;
mod cloning;
mod codec;
mod fast;
mod language_model;
mod speech;
mod text;
mod voices;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value;
use speakerd::engine::pocket::config::ModelConfig;
use speakerd::engine::pocket::model::PlainModel;
use speakerd::engine::pocket::voice::VoiceState;
use speakerd::weights::Checkpoint;

/// The largest difference where nothing is fed back.
const FORCED: f32 = 1e-5;

/// The largest difference where the model goes on from its own output, unless the weights make more of a rounding.
const FREE: f32 = 2e-4;

/// A few roundings.
const NUDGE: f32 = 1e-6;

/// How much further off the model may be than a voice that was nudged takes it.
const MORE_THAN_NUDGED: f32 = 20.0;

fn fixtures() -> PathBuf {
    let fixtures = std::env::var_os("GOLDEN_FIXTURES").map(PathBuf::from);
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fixtures.unwrap_or_else(default).join("pocket-tts")
}

/// One model with what the reference made of it.
struct Golden {
    dir: PathBuf,
    tensors: Checkpoint,
    facts: Value,
}

impl Golden {
    /// Every model that there is, at least four.
    fn all() -> Vec<Self> {
        let mut dirs: Vec<_> = std::fs::read_dir(fixtures())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|dir| dir.join("config.yaml").exists())
            .collect();
        dirs.sort();
        assert!(dirs.len() >= 4, "{dirs:?}");
        dirs.into_iter()
            .map(|dir| Self {
                tensors: Checkpoint::open(&dir.join("golden.safetensors")).unwrap(),
                facts: json(&dir.join("golden.json")),
                dir,
            })
            .collect()
    }

    /// The voice of the fixture, and one that is off by as much as a few roundings. What a model makes of the second shows
    /// how much these weights make of a rounding when they go on from their own output.
    fn voices(&self) -> [VoiceState; 2] {
        let path = self.dir.join("voice_state.safetensors");
        let voice = VoiceState::read(&path, &self.config().flow_lm.transformer).unwrap();
        let mut nudged = voice.clone();
        let values = nudged
            .layers
            .iter_mut()
            .flat_map(|layer| layer.keys.iter_mut().chain(&mut layer.values));
        for (idx, value) in values.enumerate() {
            *value *= if idx % 2 == 0 { 1.0 + NUDGE } else { 1.0 - NUDGE };
        }
        [voice, nudged]
    }

    fn config(&self) -> ModelConfig {
        ModelConfig::read(&self.dir.join("config.yaml")).unwrap()
    }

    fn tokenizer(&self) -> PathBuf {
        self.dir.join(self.config().tokenizer)
    }

    fn model(&self) -> PlainModel {
        let weights = self.dir.join("model.safetensors");
        PlainModel::load(self.config(), &weights, &self.tokenizer(), &Device::Cpu).unwrap()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let shape = self.tensors.shape(name).unwrap().to_vec();
        self.tensors.floats(name, &shape).unwrap()
    }

    fn tensor(&self, name: &str) -> Tensor {
        let shape = self.tensors.shape(name).unwrap().to_vec();
        Tensor::from_vec(self.floats(name), shape, &Device::Cpu).unwrap()
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        let ids = self.tensors.integers(name).unwrap();
        ids.into_iter().map(|id| u32::try_from(id).unwrap()).collect()
    }

    /// A tensor of 16-bit samples, which no weights have.
    fn sixteen_bits(&self, name: &str) -> Vec<i16> {
        let bytes = std::fs::read(self.dir.join("golden.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let samples = file.tensor(name).unwrap();
        samples.data().as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    fn name(&self) -> String {
        self.dir.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Holds values against the reference's.
    #[track_caller]
    fn check(&self, name: &str, found: &[f32], tolerance: f32) {
        let expected = self.floats(name);
        assert_eq!(found.len(), expected.len(), "{} {name}", self.name());
        let off = largest_difference(found, &expected);
        assert!(off <= tolerance, "{} {name}: off by {off}", self.name());
    }

    /// The same of a tensor, whose shape counts as well, but for ones.
    #[track_caller]
    fn check_tensor(&self, name: &str, found: &Tensor, tolerance: f32) {
        let without_ones =
            |dims: &[usize]| dims.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
        let expected = self.tensors.shape(name).unwrap();
        assert_eq!(without_ones(found.dims()), without_ones(expected), "{} {name}", self.name());
        self.check(name, &values(found), tolerance);
    }
}

fn largest_difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ids_of(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}
