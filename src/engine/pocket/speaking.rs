//! Pocket TTS as an engine: a model that is loaded, and the few voices of it that were spoken last.

use std::path::PathBuf;

use tracing::info;

use super::fast::cloning::{Cloning, CloningError};
use super::fast::{Codec, FastModel};
use super::files::ModelFiles;
use super::fingerprint;
use super::model::{ModelError, StreamError};
use super::recording::ended_on_a_pause;
use super::stream::{Sampling, TextInTheMaking};
use super::voices::{Found, VoiceCache, VoiceStore};
use crate::dsp::stretch::Stretch;
use crate::engine::registry::{POCKET, Quantisation};
use crate::engine::{Embedding, Engine, EngineError, EngineInfo, Progress, Speech, SpeechStream};
use crate::nn::kernels::Processor;
use crate::nn::kernels::matrix::Precision;
use crate::nn::transformer::TransformerConfig;
use crate::pcm::{PcmChunk, PcmSpec};
use crate::voice::library::Library;
use crate::weights::Checkpoint;

/// Where a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSeat {
    /// What it is called.
    pub name: String,
    /// The directory of its predefined voices, which need not exist.
    pub voices: PathBuf,
    /// Its files.
    pub files: ModelFiles,
}

/// A model that is loaded, and the library that it speaks from.
#[derive(Debug)]
pub struct PocketEngine {
    info: EngineInfo,
    model: FastModel,
    voices: VoiceCache,
}

impl PocketEngine {
    /// Loads a model.
    ///
    /// # Errors
    /// Where a file is damaged, or belongs to another model.
    pub fn load(
        seat: ModelSeat,
        library: Library,
        quantisation: Quantisation,
    ) -> Result<Self, EngineError> {
        let ModelSeat { name, voices, files } = seat;
        let bad =
            |error: ModelError| EngineError::BadModel { model: name.clone(), reason: told(&error) };
        let hash = Checkpoint::open(&files.weights).and_then(|it| fingerprint::of_weights(&it));
        let hash = hash.map_err(|error| bad(error.into()))?;
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let codec = if n_threads > 1 { Codec::Threaded } else { Codec::Inline };
        let processor = Processor::of_this_machine();
        let model = FastModel::load(files, precision(quantisation), processor, codec);
        let model = model.map_err(bad)?;
        let spec = PcmSpec::new(model.config.mimi.sample_rate_hz);
        let info = EngineInfo { name: POCKET, spec, voices: library.names() };
        let voices = VoiceCache::new(VoiceStore::new(name, hash, voices, library));
        Ok(Self { info, model, voices })
    }
}

/// How weights are kept.
pub fn precision(quantisation: Quantisation) -> Precision {
    match quantisation {
        Quantisation::Q8 => Precision::EightBits,
        Quantisation::None => Precision::Full,
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Engine for PocketEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let is_nothing = |c: char| c.is_whitespace() || c.is_control();
        if speech.text.chars().all(is_nothing) {
            return Err(EngineError::EmptyText);
        }
        let spec = self.info.spec;
        let config = &self.model.config.flow_lm.transformer;
        let stage = match self.voices.find(speech.voice, config)? {
            Found::Ready => Stage::Ready(self),
            Found::Recording(recording) => {
                let making = self.begin_making(speech.voice, &recording)?;
                Stage::Making(self, Box::new(making))
            }
        };
        let (text, voice) = (speech.text.to_owned(), speech.voice.to_owned());
        let rate = speech.prosody.rate;
        // NaN is no wish.
        let is_usual = rate.is_nan() || (rate - 1.0).abs() < 0.01;
        let stretch = (!is_usual).then(|| Stretch::new(spec.sample_rate_hz.get(), rate));
        let (sampling, made) = (Sampling::new(speech.seed), Vec::new());
        Ok(Box::new(PocketStream { stage, spec, text, voice, sampling, stretch, made }))
    }

    fn embed(&mut self, voice: &str) -> Result<Box<dyn Embedding>, EngineError> {
        let recording = self.voices.store().recording(voice)?;
        Ok(Box::new(self.begin_making(voice, &recording)?))
    }
}

impl PocketEngine {
    fn begin_making(&self, voice: &str, recording: &[f32]) -> Result<Making, EngineError> {
        info!(voice, model = self.voices.store().model(), "makes a voice of its recording");
        let cloning = self.model.begin_cloning(&ended_on_a_pause(recording));
        let cloning =
            cloning.map_err(|error| not_made(voice, self.voices.store().model(), &error))?;
        Ok(Making {
            cloning,
            voice: voice.to_owned(),
            store: self.voices.store().clone(),
            config: self.model.config.flow_lm.transformer.clone(),
        })
    }
}

fn not_made(voice: &str, model: &str, error: &CloningError) -> EngineError {
    match error {
        CloningError::CannotClone => EngineError::CannotClone {
            reason: format!(
                "the weights of `{model}` that are installed come without the voice encoder. Those with it are gated: \
                 accept their terms on the model's page, log in, and run: speakerd model pull {model}. \
                 Without them, predefined and imported voices speak"
            ),
        },
        _ => EngineError::BadVoice { voice: voice.to_owned(), reason: told(error) },
    }
}

/// A voice in the making; its state is written into its file at the end.
struct Making {
    cloning: Cloning,
    voice: String,
    store: VoiceStore,
    config: TransformerConfig,
}

impl Embedding for Making {
    fn step(&mut self) -> Result<Progress, EngineError> {
        let made = self.cloning.step();
        let made = made.map_err(|error| not_made(&self.voice, self.store.model(), &error))?;
        let Some(state) = made else { return Ok(Progress::Working(self.cloning.progress())) };
        self.store.write(&self.voice, state.to_named(&self.config))?;
        Ok(Progress::Done)
    }
}

/// What is said, and how far it is.
struct PocketStream<'e> {
    stage: Stage<'e>,
    spec: PcmSpec,
    text: String,
    voice: String,
    sampling: Sampling,
    /// Where it is to be faster or slower than the voice speaks.
    stretch: Option<Stretch>,
    /// Audio that was made and not yet given away.
    made: Vec<f32>,
}

enum Stage<'e> {
    /// The voice is made first.
    Making(&'e mut PocketEngine, Box<Making>),
    /// The voice is in the cache.
    Ready(&'e PocketEngine),
    Speaking(Box<TextInTheMaking<'e>>),
    Over,
}

impl SpeechStream for PocketStream<'_> {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        loop {
            if !self.made.is_empty() {
                let n_most = self.spec.samples_in(PcmChunk::MAX).min(self.made.len());
                let samples = self.made.drain(..n_most).collect();
                return Ok(Some(PcmChunk { spec: self.spec, samples }));
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Making(engine, mut making) => {
                    self.stage = match making.step()? {
                        Progress::Working(_) => Stage::Making(engine, making),
                        Progress::Done => {
                            let config = &engine.model.config.flow_lm.transformer;
                            match engine.voices.find(&self.voice, config)? {
                                Found::Ready => Stage::Ready(engine),
                                Found::Recording(_) => return Err(self.lost()),
                            }
                        }
                    };
                    // Whoever pulls can see whether it is still wanted.
                    return Ok(Some(PcmChunk { spec: self.spec, samples: Vec::new() }));
                }
                Stage::Ready(engine) => {
                    let Some(state) = engine.voices.state(&self.voice) else {
                        return Err(self.lost());
                    };
                    let (model, sampling) = (&engine.model, self.sampling);
                    let text = TextInTheMaking::new(model, state, &self.text, sampling);
                    self.stage = Stage::Speaking(Box::new(text.map_err(|error| failed(&error))?));
                }
                Stage::Speaking(mut text) => {
                    if let Some(samples) = text.next_frame().map_err(|error| failed(&error))? {
                        self.stage = Stage::Speaking(text);
                        self.take(samples);
                    } else if let Some(stretch) = self.stretch.take() {
                        stretch.finish(&mut self.made);
                    }
                }
                Stage::Over => return Ok(None),
            }
        }
    }

    fn is_preparing(&self) -> bool {
        matches!(self.stage, Stage::Making(..))
    }
}

impl PocketStream<'_> {
    /// Takes a codec frame over.
    fn take(&mut self, mut samples: Vec<f32>) {
        for sample in &mut samples {
            *sample = sample.clamp(-1.0, 1.0);
        }
        match &mut self.stretch {
            Some(stretch) => stretch.push(&samples, &mut self.made),
            None => self.made.extend(samples),
        }
    }

    fn lost(&self) -> EngineError {
        let reason = "its file was changed while it was made; try again".to_owned();
        EngineError::BadVoice { voice: self.voice.clone(), reason }
    }
}

fn failed(error: &StreamError) -> EngineError {
    EngineError::Failed(told(error))
}
