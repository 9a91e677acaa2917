//! Text of any length, spoken chunk by chunk.

use std::collections::VecDeque;

use super::ending::{self, Ending};
use super::model::{Chunk, Model, StreamError};
use super::noise::Noise;
use super::prompt;
use super::voice::VoiceState;

/// How a text is to be spoken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Variance of the noise; `None` for the model's own.
    pub temperature: Option<f32>,
    /// The same seed gives the same samples.
    pub seed: u64,
    /// How many text tokens a chunk has at most.
    pub max_tokens: usize,
}

impl Sampling {
    /// As the model would have it.
    pub fn new(seed: u64) -> Self {
        Self { temperature: None, seed, max_tokens: prompt::MAX_TOKENS }
    }
}

/// A text in the making. Dropping it leaves the model and the voice as they were.
pub struct TextInTheMaking<'m> {
    model: &'m dyn Model,
    voice: &'m VoiceState,
    sampling: Sampling,
    waiting: VecDeque<String>,
    chunk: Option<Box<dyn Chunk + 'm>>,
    n_begun: u64,
}

impl<'m> TextInTheMaking<'m> {
    /// Cuts the text into chunks; nothing is spoken yet.
    ///
    /// # Errors
    /// Where the text cannot be taken apart.
    pub fn new(
        model: &'m dyn Model,
        voice: &'m VoiceState,
        text: &str,
        sampling: Sampling,
    ) -> Result<Self, StreamError> {
        let rules = &model.config().text;
        let waiting = rules.chunks(text, model.tokenizer(), sampling.max_tokens)?.into();
        Ok(Self { model, voice, sampling, waiting, chunk: None, n_begun: 0 })
    }

    /// The samples of the next codec frame; `None` at the end of the text.
    ///
    /// # Errors
    /// Where the model fails; the text is over then.
    pub fn next_frame(&mut self) -> Result<Option<Vec<f32>>, StreamError> {
        loop {
            if let Some(chunk) = &mut self.chunk {
                if let Some(frame) = chunk.next_frame()? {
                    return Ok(Some(frame));
                }
                self.chunk = None;
            }
            let Some(text) = self.waiting.pop_front() else { return Ok(None) };
            self.begin(&text)?;
        }
    }

    fn begin(&mut self, text: &str) -> Result<(), StreamError> {
        let (model, config) = (self.model, self.model.config());
        let Some(prepared) = config.text.prepare(text) else { return Ok(()) };
        let ids = model.tokenizer().encode(&prepared.text)?;
        if ids.is_empty() {
            return Ok(());
        }
        let after = ending::frames_after_eos(config.frames_after_eos, prepared.frames_after_eos);
        let ending = Ending::new(config.eos_threshold, after, ending::max_frames(ids.len()));
        let temperature = self.sampling.temperature.unwrap_or(config.temperature);
        let noise = Noise::new(self.sampling.seed, self.n_begun, temperature);
        self.n_begun += 1;
        self.chunk = Some(model.begin(self.voice, &ids, ending, noise)?);
        Ok(())
    }
}
