//! When a chunk's speech ends, and what of it is kept. Pure.
//!
//! Reference: `pocket-tts` 4.0.1, `pocket_tts/models/tts_model.py` (`_generate`).

/// An end that the model means before this step is not believed.
const FIRST_STEP: usize = 6;

/// Added to what the text suggests for the codec frames after the end.
const MORE_FRAMES: usize = 2;

/// The most codec frames that a text of so many tokens takes, if the model never ends: it speaks at least three tokens a
/// second.
pub fn max_frames(n_tokens: usize) -> usize {
    const FRAMES_PER_SEC: f64 = 12.5;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    let frames = ((n_tokens as f64 / 3.0 + 2.0) * FRAMES_PER_SEC).ceil() as usize;
    frames
}

/// The codec frames after the end: as the model's configuration has them, else by what the text suggests.
pub fn frames_after_eos(configured: Option<usize>, suggested: usize) -> usize {
    configured.unwrap_or(suggested + MORE_FRAMES)
}

/// How a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The latent is spoken and the next one is wanted.
    GoOn,
    /// The latent is dropped; the speech is over.
    Over,
}

/// Watches for the end of one chunk.
#[derive(Debug, Clone)]
pub struct Ending {
    threshold: f32,
    frames_after_eos: usize,
    max_frames: usize,
    step: usize,
    eos_step: Option<usize>,
}

impl Ending {
    /// For a chunk of so many frames at most. A threshold that is infinite is never reached.
    pub fn new(threshold: f32, frames_after_eos: usize, max_frames: usize) -> Self {
        Self { threshold, frames_after_eos, max_frames, step: 0, eos_step: None }
    }

    /// What becomes of the next step's latent.
    pub fn judge(&mut self, eos_logit: f32) -> Verdict {
        if self.eos_step.is_none() && eos_logit > self.threshold && self.step >= FIRST_STEP {
            self.eos_step = Some(self.step);
        }
        let is_over = self.eos_step.is_some_and(|at| self.step >= at + self.frames_after_eos);
        self.step += 1;
        if is_over { Verdict::Over } else { Verdict::GoOn }
    }

    /// The most codec frames that may come.
    pub fn max_frames(&self) -> usize {
        self.max_frames
    }

    /// Whether as many steps were made as there may be.
    pub fn is_exhausted(&self) -> bool {
        self.step >= self.max_frames
    }
}
