//! The model on slices, for a processor: what is spoken with. Its plain twin is [`super::model`].
//!
//! Two threads where there are two: the language model runs on the caller's, the codec one latent behind it on its own.

pub mod cloning;
pub mod codec;
pub mod encoder;
pub mod inspection;
pub mod language_model;

mod conv;
mod seanet;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use self::cloning::{Cloning, CloningError};
use self::codec::{FastDecoder, FastDecoderState};
use self::language_model::{FastFlowLm, LanguageState};
use super::config::ModelConfig;
use super::ending::{Ending, Verdict};
use super::files::ModelFiles;
use super::model::{Chunk, Model, ModelError, StreamError, fade_in};
use super::noise::Noise;
use super::tokenizer::Tokenizer;
use super::voice::VoiceState;
use crate::nn::kernels::Processor;
use crate::nn::kernels::keeping::Keeping;
use crate::nn::kernels::matrix::{Precision, Threads};
use crate::threads::{both, spawn_named};
use crate::weights::Checkpoint;

/// How far the language model may be ahead of the codec, in codec frames: enough that neither waits for the other, little
/// enough that a skip throws nothing away.
const AHEAD: usize = 4;

/// The voice encoder, below `mimi` …
const ENCODER: [&str; 3] = ["encoder", "encoder_transformer", "downsample"];

/// … and what else only cloning needs, below `flow_lm`.
const OF_CLONING: [&str; 2] = ["speaker_proj_weight", "bos_before_voice"];

/// Who makes audio of latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// The thread that asks for it.
    Inline,
    /// A thread of its own.
    Threaded,
}

/// A model that is loaded for speaking.
#[derive(Debug)]
pub struct FastModel {
    /// Its configuration.
    pub config: ModelConfig,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    flow_lm: Arc<FastFlowLm>,
    decoder: Arc<FastDecoder>,
    codec: Codec,
    processor: Processor,
    /// The voice encoder is loaded from there when a voice is made.
    weights: PathBuf,
    can_clone: bool,
}

impl FastModel {
    /// Loads a model; its voice encoder is passed over until a voice is made.
    ///
    /// # Errors
    /// Where a file is damaged, or belongs to another model.
    pub fn load(
        files: ModelFiles,
        precision: Precision,
        processor: Processor,
        codec: Codec,
    ) -> Result<Self, ModelError> {
        Self::load_keeping(files, &Keeping::new(precision, processor), codec).map(|(it, _)| it)
    }

    /// The same; how each tensor is kept is remembered, and the file they are from comes along.
    fn load_keeping(
        files: ModelFiles,
        keeping: &Keeping,
        codec: Codec,
    ) -> Result<(Self, Checkpoint), ModelError> {
        let ModelFiles { config, weights, tokenizer } = files;
        let n_bins = config.flow_lm.n_bins;
        let tokenizer = Tokenizer::read(&tokenizer, config.tokenizer_kind, n_bins)?;
        let checkpoint = Checkpoint::open(&weights)?;
        let (flow_lm, mimi) = (checkpoint.root().pp("flow_lm"), checkpoint.root().pp("mimi"));
        // Bringing matrices into their layout takes longer than reading them, and twice as long on one thread.
        let mut decoder = None;
        let mut language_model = None;
        both(
            || {
                let (lm, mimi) = (&config.flow_lm, &config.mimi);
                language_model = Some(FastFlowLm::load(&flow_lm, lm, mimi, keeping));
            },
            || decoder = Some(FastDecoder::load(&mimi, &config.mimi, keeping)),
        );
        let (Some(language_model), Some(decoder)) = (language_model, decoder) else {
            unreachable!("both were loaded or failed")
        };
        let (language_model, decoder) =
            (language_model?, decoder.map_err(crate::nn::LoadError::from)?);
        let can_clone = cloning::can_clone(&flow_lm, &mimi, &config)?;
        for part in ENCODER {
            mimi.pp(part).pass_over();
        }
        for name in OF_CLONING {
            flow_lm.pass_over_one(name);
        }
        checkpoint.finish()?;
        let model = Self {
            config,
            tokenizer,
            flow_lm: Arc::new(language_model),
            decoder: Arc::new(decoder),
            codec,
            processor: keeping.processor(),
            weights,
            can_clone,
        };
        Ok((model, checkpoint))
    }

    /// Whether the weights can make a voice of a recording.
    pub fn can_clone(&self) -> bool {
        self.can_clone
    }

    /// Begins to make a voice of a recording: mono samples at the model's rate, as a voice prompt should be. What comes
    /// back holds what it needs of the model.
    ///
    /// # Errors
    /// Where the weights come without the voice encoder, or no voice can be made of such a recording.
    pub fn begin_cloning(&self, prompt: &[f32]) -> Result<Cloning, CloningError> {
        Cloning::begin(self, prompt)
    }

    /// How many threads there may be for what is not the codec's.
    fn threads(&self) -> Threads {
        match self.codec {
            Codec::Inline => Threads::One,
            Codec::Threaded => Threads::Two,
        }
    }

    /// The language model.
    pub fn flow_lm(&self) -> &FastFlowLm {
        &self.flow_lm
    }

    /// What makes audio.
    pub fn decoder(&self) -> &FastDecoder {
        &self.decoder
    }
}

impl Model for FastModel {
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
        voice.check(&self.config.flow_lm.transformer)?;
        if ids.iter().any(|id| *id as usize >= self.config.flow_lm.n_bins) {
            return Err(StreamError::UnknownToken);
        }
        // The text is run before the codec has anything to do.
        let n_more = ids.len() + ending.max_frames();
        let mut state = self.flow_lm.begin(voice, n_more, self.threads());
        let decoder = match self.codec {
            Codec::Inline => {
                let (decoder, state) = (Arc::clone(&self.decoder), self.decoder.state());
                Decoding::Inline(Box::new(Inline { decoder, state, made: VecDeque::new() }))
            }
            Codec::Threaded => Decoding::threaded(Arc::clone(&self.decoder))?,
        };
        self.flow_lm.prefill(ids, &mut state);
        Ok(Box::new(FastChunk {
            flow_lm: &self.flow_lm,
            state,
            decoder,
            latent: None,
            latent_dim: self.config.mimi.latent_dim,
            ending,
            noise,
            n_under_way: 0,
            n_samples: 0,
            is_over: false,
        }))
    }
}

#[derive(Debug)]
struct FastChunk<'m> {
    flow_lm: &'m FastFlowLm,
    state: LanguageState,
    decoder: Decoding,
    latent: Option<Vec<f32>>,
    latent_dim: usize,
    ending: Ending,
    noise: Noise,
    /// Latents whose audio has not come yet.
    n_under_way: usize,
    n_samples: usize,
    is_over: bool,
}

impl Chunk for FastChunk<'_> {
    fn next_frame(&mut self) -> Result<Option<Vec<f32>>, StreamError> {
        // The first frame is waited for: nothing is heard before it. Then the codec is kept busy.
        let n_wanted = if self.n_samples == 0 { 1 } else { 2 };
        while !self.is_over && self.n_under_way < n_wanted {
            self.step()?;
        }
        if self.n_under_way == 0 {
            return Ok(None);
        }
        self.n_under_way -= 1;
        let mut samples = self.decoder.take()?;
        fade_in(&mut samples, self.n_samples);
        self.n_samples += samples.len();
        Ok(Some(samples))
    }
}

impl FastChunk<'_> {
    fn step(&mut self) -> Result<(), StreamError> {
        if self.ending.is_exhausted() {
            self.is_over = true;
            return Ok(());
        }
        let eos_logit = self.flow_lm.step(self.latent.as_deref(), &mut self.state);
        if self.ending.judge(eos_logit) == Verdict::Over {
            self.is_over = true;
            return Ok(());
        }
        let mut latent = vec![0.0; self.latent_dim];
        self.noise.fill(&mut latent);
        self.flow_lm.sample(&mut latent, &mut self.state);
        self.decoder.give(self.flow_lm.denormalized(&latent))?;
        self.n_under_way += 1;
        self.latent = Some(latent);
        Ok(())
    }
}

#[derive(Debug)]
enum Decoding {
    Inline(Box<Inline>),
    /// Ends once its latents are dropped.
    Threaded {
        latents: Sender<Vec<f32>>,
        audio: Receiver<Vec<f32>>,
    },
}

#[derive(Debug)]
struct Inline {
    decoder: Arc<FastDecoder>,
    state: FastDecoderState,
    made: VecDeque<Vec<f32>>,
}

impl Decoding {
    fn threaded(decoder: Arc<FastDecoder>) -> Result<Self, StreamError> {
        let (latents, from_latents): (_, Receiver<Vec<f32>>) = bounded(AHEAD);
        let (to_audio, audio) = bounded(AHEAD);
        spawn_named("codec", move || {
            let mut state = decoder.state();
            for latent in from_latents {
                if to_audio.send(decoder.decode(&latent, &mut state)).is_err() {
                    return;
                }
            }
        })
        .map_err(StreamError::NoThread)?;
        Ok(Self::Threaded { latents, audio })
    }

    fn give(&mut self, latent: Vec<f32>) -> Result<(), StreamError> {
        match self {
            Self::Inline(inline) => {
                let samples = inline.decoder.decode(&latent, &mut inline.state);
                inline.made.push_back(samples);
                Ok(())
            }
            Self::Threaded { latents, .. } => {
                latents.send(latent).map_err(|_| StreamError::CodecLost)
            }
        }
    }

    fn take(&mut self) -> Result<Vec<f32>, StreamError> {
        match self {
            Self::Inline(inline) => inline.made.pop_front().ok_or(StreamError::CodecLost),
            Self::Threaded { audio, .. } => audio.recv().map_err(|_| StreamError::CodecLost),
        }
    }
}
