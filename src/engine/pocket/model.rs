//! The whole model in plain candle, and one chunk of speech made with it, codec frame by codec frame.
//!
//! Runs on every device; what is fast on a processor is held against it.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::config::ModelConfig;
use super::ending::{Ending, Verdict};
use super::files::ModelFiles;
use super::flow_lm::FlowLm;
use super::mimi::{DecoderState, MimiDecoder, MimiEncoder};
use super::noise::Noise;
use super::tokenizer::{Tokenizer, TokenizerError};
use super::voice::{VoiceState, VoiceStateError};
use crate::nn::LoadError;
use crate::nn::transformer::TransformerState;
use crate::weights::{Checkpoint, WeightsError};

/// Whatever speaks chunks: the plain model, or the fast one.
pub trait Model {
    /// Its configuration.
    fn config(&self) -> &ModelConfig;

    /// Its tokenizer.
    fn tokenizer(&self) -> &Tokenizer;

    /// Begins to speak a chunk with a voice.
    ///
    /// # Errors
    /// Where a token is not the model's, the voice another model's, or something cannot be had.
    fn begin<'m>(
        &'m self,
        voice: &VoiceState,
        ids: &[u32],
        ending: Ending,
        noise: Noise,
    ) -> Result<Box<dyn Chunk + 'm>, StreamError>;
}

/// One chunk of speech in the making. Dropping it leaves the model and the voice as they were.
pub trait Chunk {
    /// The samples of the next codec frame; `None` at the end.
    ///
    /// # Errors
    /// Where the model fails; the chunk is over then.
    fn next_frame(&mut self) -> Result<Option<Vec<f32>>, StreamError>;
}

/// A text that could not be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// It could not be taken apart.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The voice does not fit.
    #[error(transparent)]
    Voice(#[from] VoiceStateError),
    /// The tokenizer has tokens that the model does not have.
    #[error("the tokenizer belongs to another model: it gave a token that the model does not have")]
    UnknownToken,
    /// The device failed.
    #[error("the model failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// There is no thread for the codec.
    #[error("the codec has no thread")]
    NoThread(#[source] std::io::Error),
    /// The codec's thread has panicked.
    #[error("the codec's thread is lost")]
    CodecLost,
}

/// How many steps a latent takes where the network takes steps; one is what the models were distilled for.
pub const DECODE_STEPS: usize = 1;

/// The samples over which a chunk fades in: 5 ms.
const FADE_SAMPLES: usize = 120;

/// A model that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The weights are wrong.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The weights' file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer is wrong.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A model that is loaded.
#[derive(Debug)]
pub struct PlainModel {
    /// Its configuration.
    pub config: ModelConfig,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its language model.
    pub flow_lm: FlowLm,
    /// Its voice encoder; `None` where the weights come without.
    pub encoder: Option<MimiEncoder>,
    /// What makes audio.
    pub decoder: MimiDecoder,
    device: Device,
}

impl PlainModel {
    /// Loads a model for the processor.
    ///
    /// # Errors
    /// Where a file is damaged, or belongs to another model.
    pub fn on_processor(files: ModelFiles) -> Result<Self, ModelError> {
        Self::load(files.config, &files.weights, &files.tokenizer, &Device::Cpu)
    }

    /// Loads a model.
    ///
    /// # Errors
    /// Where a file is missing, damaged, or belongs to another model.
    pub fn load(
        config: ModelConfig,
        weights: &Path,
        tokenizer: &Path,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let kind = config.tokenizer_kind;
        let tokenizer = Tokenizer::read(tokenizer, kind, config.flow_lm.n_bins)?;
        let checkpoint = Checkpoint::open(weights)?;
        let root = checkpoint.root();
        let mimi = root.pp("mimi");
        let flow_lm = FlowLm::load(&root.pp("flow_lm"), &config.flow_lm, &config.mimi, device)?;
        let decoder = MimiDecoder::load(&mimi, &config.mimi, device)?;
        let encoder = if flow_lm.can_clone() {
            Some(MimiEncoder::load(&mimi, &config.mimi, device)?)
        } else {
            for part in ["encoder", "encoder_transformer", "downsample"] {
                mimi.pp(part).pass_over();
            }
            None
        };
        checkpoint.finish()?;
        Ok(Self { config, tokenizer, flow_lm, encoder, decoder, device: device.clone() })
    }

    /// What the language model sees of a recording, [T, D]: mono samples at the model's rate, as a voice prompt should
    /// be. `None` where the weights cannot clone.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn voice_conditioning(&self, samples: &[f32]) -> candle_core::Result<Option<Tensor>> {
        let Some(encoder) = &self.encoder else { return Ok(None) };
        let mut audio = samples.to_vec();
        audio.resize(samples.len().next_multiple_of(self.config.mimi.frame_samples), 0.0);
        let audio = Tensor::from_vec(audio, (1, 1, ()), &self.device)?;
        let x = encoder.transform(&encoder.seanet(&audio)?)?;
        self.flow_lm.voice_conditioning(&encoder.downsample(&x)?)
    }

    /// A voice of a recording: mono samples at the model's rate, as a voice prompt should be. `None` where the weights
    /// cannot clone.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn clone_voice(&self, samples: &[f32]) -> candle_core::Result<Option<VoiceState>> {
        let Some(conditioning) = self.voice_conditioning(samples)? else { return Ok(None) };
        let mut state = TransformerState::default();
        self.flow_lm.prefill(&conditioning, &mut state)?;
        VoiceState::of_tensors(&state).map(Some)
    }
}

impl Model for PlainModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn begin<'m>(
        &'m self,
        voice: &VoiceState,
        ids: &[u32],
        ending: Ending,
        noise: Noise,
    ) -> Result<Box<dyn Chunk + 'm>, StreamError> {
        let mut state = voice.to_tensors(&self.config.flow_lm.transformer, &self.device)?;
        self.flow_lm.prefill(&self.flow_lm.text_embeddings(ids)?, &mut state)?;
        let decoder_state = DecoderState::default();
        let (latent, n_samples) = (None, 0);
        Ok(Box::new(PlainChunk {
            model: self,
            state,
            decoder_state,
            latent,
            ending,
            noise,
            n_samples,
        }))
    }
}

#[derive(Debug)]
struct PlainChunk<'m> {
    model: &'m PlainModel,
    state: TransformerState,
    decoder_state: DecoderState,
    latent: Option<Tensor>,
    ending: Ending,
    noise: Noise,
    n_samples: usize,
}

impl Chunk for PlainChunk<'_> {
    fn next_frame(&mut self) -> Result<Option<Vec<f32>>, StreamError> {
        if self.ending.is_exhausted() {
            return Ok(None);
        }
        let model = self.model;
        let step = model.flow_lm.step(self.latent.as_ref(), &mut self.state)?;
        if self.ending.judge(step.eos_logit) == Verdict::Over {
            return Ok(None);
        }
        let mut noise = vec![0.0; model.config.mimi.latent_dim];
        self.noise.fill(&mut noise);
        let noise = Tensor::from_vec(noise, (1, model.config.mimi.latent_dim), &model.device)?;
        let latent = model.flow_lm.flow().sample(&step.hidden, &noise, DECODE_STEPS)?;
        let denormalized = model.flow_lm.denormalized(&latent)?;
        let mut samples = model.decoder.decode(&denormalized, &mut self.decoder_state)?;
        fade_in(&mut samples, self.n_samples);
        self.n_samples += samples.len();
        self.latent = Some(latent);
        Ok(Some(samples))
    }
}

/// Fades in the beginning of a chunk; `n_before` samples of it went before these.
pub fn fade_in(samples: &mut [f32], n_before: usize) {
    for (idx, sample) in (n_before..FADE_SAMPLES).zip(samples) {
        *sample *= idx as f32 / (FADE_SAMPLES - 1) as f32;
    }
}
