//! Voices in the making: one step between two utterances, so that lines go on being spoken.
//!
//! Knows nothing of recordings, files or sockets: an engine does the work, whoever asked is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use tracing::info;

use super::engines::Engines;
use crate::clock;
use crate::engine::registry::EngineId;
use crate::engine::{Embedding, EngineError, Progress};
use crate::status::StatusBoard;
use crate::voice::NotMade;

/// How many voices may wait: whoever asks for many asks for one after the other.
const MAX_WAITING: usize = 4;

/// A voice that is to be made ready.
#[derive(Debug, Clone)]
pub struct VoiceJob {
    /// Which; its recording is in the library.
    pub voice: String,
    /// Set to give it up.
    pub give_up: Arc<AtomicBool>,
    /// Gets one message: what became of it. Has room for it.
    pub done: Sender<Result<(), NotMade>>,
}

impl VoiceJob {
    fn end(self, made: Result<(), NotMade>) {
        let _nobody_waits = self.done.try_send(made);
    }
}

/// The voices that are to be made ready.
pub struct VoiceJobs {
    waiting: VecDeque<VoiceJob>,
    current: Option<(VoiceJob, EngineId, Box<dyn Embedding>)>,
    board: StatusBoard,
}

impl VoiceJobs {
    /// None yet.
    pub fn new(board: StatusBoard) -> Self {
        Self { waiting: VecDeque::new(), current: None, board }
    }

    /// Takes one on.
    pub fn push(&mut self, job: VoiceJob) {
        if self.waiting.len() >= MAX_WAITING {
            job.end(Err(NotMade::Failed("other voices are being made; try again".to_owned())));
            return;
        }
        self.waiting.push_back(job);
    }

    /// Takes the next step, or begins the next voice; `false` where there is none.
    pub fn step(&mut self, engines: &mut Engines) -> bool {
        if let Some((_, id, _)) = &self.current {
            engines.touch(id, clock::now());
        }
        if self.advance() {
            return true;
        }
        let Some(job) = self.waiting.pop_front() else { return false };
        self.begin(job, engines);
        true
    }

    /// Takes the next step of the voice that is being made, while an engine is at rest in the middle of a line; `false` where
    /// none is.
    pub fn advance(&mut self) -> bool {
        let Some((job, id, mut embedding)) = self.current.take() else { return false };
        if job.give_up.load(Ordering::Relaxed) {
            drop(embedding);
            self.end(job, Err(NotMade::Cancelled));
            return true;
        }
        let stepped = catch_unwind(AssertUnwindSafe(|| embedding.step()))
            .unwrap_or_else(|_| Err(EngineError::Failed("it panicked; that is a bug".to_owned())));
        match stepped {
            Ok(Progress::Working(progress)) => {
                self.board.modify(|status| status.voices.progress = progress);
                self.current = Some((job, id, embedding));
            }
            Ok(Progress::Done) => {
                info!(voice = job.voice, "the voice is made");
                self.end(job, Ok(()));
            }
            Err(error) => self.end(job, Err(NotMade::Failed(error.to_string()))),
        }
        true
    }

    fn begin(&mut self, job: VoiceJob, engines: &mut Engines) {
        self.board.modify(|status| {
            status.voices.making = Some(job.voice.clone());
            (status.voices.progress, status.voices.n_waiting) = (0.0, self.waiting.len());
        });
        let begun = engines.exactly(&job.voice, clock::now()).and_then(|(engine, id)| {
            let embed = || engine.embed(&job.voice);
            let embedding = catch_unwind(AssertUnwindSafe(embed)).unwrap_or_else(|_| {
                Err(EngineError::Failed("it panicked; that is a bug".to_owned()))
            });
            Ok((id, embedding?))
        });
        match begun {
            Ok((id, embedding)) => self.current = Some((job, id, embedding)),
            Err(error) => self.end(job, Err(NotMade::Failed(error.to_string()))),
        }
    }

    fn end(&mut self, job: VoiceJob, made: Result<(), NotMade>) {
        self.board.modify(|status| {
            status.voices.making = None;
            (status.voices.progress, status.voices.n_waiting) = (0.0, self.waiting.len());
        });
        job.end(made);
    }
}
