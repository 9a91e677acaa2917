//! A voice in the making, of a recording: pulled step by step, each of some ten milliseconds, so that whoever pulls can do
//! other things in between. Dropping it leaves the model as it was.
//!
//! The encoder is loaded for it and dropped as soon as the language model's part begins.
//! Letters: T positions, D width of the language model, F codec frames, I width of a voice's latent.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::config::ModelConfig;
use super::super::voice::{MAX_POSITIONS, VoiceState};
use super::FastModel;
use super::encoder::{EncoderConvs, FastEncoder, FastEncoderState};
use super::language_model::{FastFlowLm, LanguageState};
use crate::nn::kernels::Processor;
use crate::nn::kernels::matrix::{Matrix, Precision, Scratch, Threads};
use crate::weights::{Checkpoint, Scope, WeightsError};

/// Codec frames that are encoded in one step: about half a second of the recording.
const FRAMES_AT_ONCE: usize = 6;

/// Positions that the language model sees in one step.
const POSITIONS_AT_ONCE: usize = 32;

/// Steps that load: the convolutions, and the rest.
const LOADING_STEPS: usize = 2;

/// A voice that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloningError {
    /// The weights speak, but cannot listen.
    #[error(
        "the model's weights come without the voice encoder, so no voice can be made of a recording; \
         take the weights with voice cloning, or the exported state of a voice (.safetensors)"
    )]
    CannotClone,
    /// There is no sample in the recording.
    #[error("the voice prompt is empty")]
    Empty,
    /// It has more than a voice can have.
    #[error(
        "the voice prompt is {secs:.0} s long, and a voice has room for {max_secs:.0} s; cut it"
    )]
    TooLong {
        /// Its length.
        secs: f64,
        /// The longest.
        max_secs: f64,
    },
    /// Its samples are not all numbers.
    #[error("the voice prompt has samples that are not numbers")]
    NotFinite,
    /// The weights are wrong: they were replaced while the model was loaded.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// It is made, or has failed before.
    #[error("the voice was made already, or could not be made")]
    Over,
}

/// A voice in the making.
#[derive(Debug)]
pub struct Cloning {
    weights: PathBuf,
    config: ModelConfig,
    processor: Processor,
    threads: Threads,
    flow_lm: Arc<FastFlowLm>,
    /// Whole codec frames.
    prompt: Vec<f32>,
    /// What the language model sees of the prompt so far, `[T, D]`.
    conditioning: Vec<f32>,
    stage: Stage,
    n_done: usize,
    n_steps: usize,
}

#[derive(Debug)]
enum Stage {
    Begun,
    ConvsLoaded(EncoderConvs),
    Encoding(Box<Encoding>),
    Prefilling(Box<LanguageState>),
    Over,
}

/// How far the encoder is.
#[derive(Debug)]
struct Encoding {
    encoder: FastEncoder,
    state: FastEncoderState,
    projection: Matrix,
    n_samples: usize,
}

impl Cloning {
    pub(super) fn begin(model: &FastModel, prompt: &[f32]) -> Result<Self, CloningError> {
        let config = &model.config;
        if !model.can_clone() {
            return Err(CloningError::CannotClone);
        }
        let n_bos = usize::from(config.flow_lm.bos_before_voice);
        let n_frames = prompt.len().div_ceil(config.mimi.frame_samples);
        let n_positions = n_bos + n_frames;
        if n_frames == 0 {
            return Err(CloningError::Empty);
        }
        if n_positions > MAX_POSITIONS {
            let secs = |n_samples: usize| n_samples as f64 / f64::from(config.mimi.sample_rate_hz);
            let max_secs = secs((MAX_POSITIONS - n_bos) * config.mimi.frame_samples);
            return Err(CloningError::TooLong { secs: secs(prompt.len()), max_secs });
        }
        if !prompt.iter().all(|sample| sample.is_finite()) {
            return Err(CloningError::NotFinite);
        }
        let mut prompt = prompt.to_vec();
        prompt.resize(n_frames * config.mimi.frame_samples, 0.0);
        let n_steps = LOADING_STEPS
            + n_frames.div_ceil(FRAMES_AT_ONCE)
            + n_positions.div_ceil(POSITIONS_AT_ONCE);
        Ok(Self {
            weights: model.weights.clone(),
            config: config.clone(),
            processor: model.processor,
            threads: model.threads(),
            flow_lm: Arc::clone(&model.flow_lm),
            prompt,
            conditioning: Vec::with_capacity(n_positions * config.flow_lm.transformer.d_model),
            stage: Stage::Begun,
            n_done: 0,
            n_steps,
        })
    }

    /// Takes one more step; the voice comes with the last one.
    ///
    /// # Errors
    /// Where the weights are no longer what they were, or there is nothing left to do.
    pub fn step(&mut self) -> Result<Option<VoiceState>, CloningError> {
        let (stage, voice) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun => (Stage::ConvsLoaded(self.load_convs()?), None),
            Stage::ConvsLoaded(convs) => (Stage::Encoding(self.load_rest(convs)?), None),
            Stage::Encoding(encoding) => (self.encode(encoding), None),
            Stage::Prefilling(state) => self.prefill(state),
            Stage::Over => return Err(CloningError::Over),
        };
        self.stage = stage;
        self.n_done += 1;
        Ok(voice)
    }

    /// How much is done, from 0 to 1.
    pub fn progress(&self) -> f32 {
        self.n_done as f32 / self.n_steps as f32
    }

    /// What the language model sees of the recording, `[T, D]`, as far as it is encoded.
    pub fn conditioning(&self) -> &[f32] {
        &self.conditioning
    }

    fn load_convs(&self) -> Result<EncoderConvs, WeightsError> {
        let checkpoint = Checkpoint::open(&self.weights)?;
        EncoderConvs::load(&checkpoint.root().pp("mimi"), &self.config.mimi, self.processor)
    }

    fn load_rest(&mut self, convs: EncoderConvs) -> Result<Box<Encoding>, WeightsError> {
        let checkpoint = Checkpoint::open(&self.weights)?;
        let (flow_lm, mimi) = (checkpoint.root().pp("flow_lm"), checkpoint.root().pp("mimi"));
        let d = self.config.flow_lm.transformer.d_model;
        if self.config.flow_lm.bos_before_voice {
            self.conditioning.extend(flow_lm.get("bos_before_voice", &[1, 1, d])?);
        }
        let projection = speaker_projection(&flow_lm, &self.config, self.processor)?;
        let encoder = FastEncoder::load(&mimi, &self.config.mimi, convs, self.processor)?;
        let state = encoder.state(self.threads);
        Ok(Box::new(Encoding { encoder, state, projection, n_samples: 0 }))
    }

    fn encode(&mut self, mut encoding: Box<Encoding>) -> Stage {
        let Encoding { encoder, state, projection, n_samples } = &mut *encoding;
        let rest = &self.prompt[*n_samples..];
        let samples = &rest[..rest.len().min(FRAMES_AT_ONCE * self.config.mimi.frame_samples)];
        let latents = encoder.encode(samples, state); // [F, I]
        let n_frames = samples.len() / self.config.mimi.frame_samples;
        let mut rows = vec![0.0; n_frames * projection.n_out()];
        projection.apply(&latents, &mut rows, None, &mut Scratch::default());
        self.conditioning.extend(rows);
        *n_samples += samples.len();
        if *n_samples < self.prompt.len() {
            return Stage::Encoding(encoding);
        }
        let n_positions = self.conditioning.len() / projection.n_out();
        Stage::Prefilling(Box::new(self.flow_lm.begin_voice(n_positions, self.threads)))
    }

    fn prefill(&self, mut state: Box<LanguageState>) -> (Stage, Option<VoiceState>) {
        let d = self.config.flow_lm.transformer.d_model;
        let rest = &self.conditioning[state.n_positions() * d..];
        let rows = &rest[..rest.len().min(POSITIONS_AT_ONCE * d)];
        self.flow_lm.listen(rows, &mut state);
        if rows.len() < rest.len() {
            return (Stage::Prefilling(state), None);
        }
        (Stage::Over, Some(self.flow_lm.voice(&state)))
    }
}

/// Whether weights can make voices. Those that cannot come without the encoder and what leads from it to the language model,
/// or with zeros there; its first convolution stands for all of it.
pub(super) fn can_clone(
    flow_lm: &Scope<'_>,
    mimi: &Scope<'_>,
    config: &ModelConfig,
) -> Result<bool, WeightsError> {
    let (d, n_filters) = (config.flow_lm.transformer.d_model, config.mimi.encoder.seanet.n_filters);
    let shape = [d, config.mimi.voice_dim];
    let has_projection = flow_lm.get_unless_blank("speaker_proj_weight", &shape)?.is_some();
    let kernel = config.mimi.encoder.seanet.kernel_size;
    let first = mimi.pp("encoder.model.0.conv");
    Ok(has_projection && first.get_unless_blank("weight", &[n_filters, 1, kernel])?.is_some())
}

fn speaker_projection(
    flow_lm: &Scope<'_>,
    config: &ModelConfig,
    processor: Processor,
) -> Result<Matrix, WeightsError> {
    let (d, voice_dim) = (config.flow_lm.transformer.d_model, config.mimi.voice_dim);
    let weight = flow_lm.get("speaker_proj_weight", &[d, voice_dim])?;
    Ok(Matrix::new(&weight, d, voice_dim, Precision::Full, processor))
}
