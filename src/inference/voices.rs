//! Voices in the making: one step between two pieces, so that lines go on being spoken.
//!
//! Knows nothing of recordings, files or sockets: an engine does the work, whoever asked is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use tracing::{info, warn};

use super::engines::Engines;
use super::limits::Stopwatch;
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
    current: Option<Current>,
    deadline: Duration,
    /// The engine that broke down while no hand was free to drop it.
    broken: Option<Broken>,
    board: StatusBoard,
}

/// An engine that broke down, and the process that it ran in.
struct Broken {
    engine: EngineId,
    process: Option<u32>,
    why: String,
}

/// The voice that is being made.
struct Current {
    job: VoiceJob,
    engine: EngineId,
    process: Option<u32>,
    embedding: Box<dyn Embedding>,
    stopwatch: Stopwatch,
}

impl VoiceJobs {
    /// None yet.
    pub fn new(board: StatusBoard, deadline: Duration) -> Self {
        Self { waiting: VecDeque::new(), current: None, deadline, broken: None, board }
    }

    /// Gives those that are begun from now on so much engine time.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Takes one on.
    pub fn push(&mut self, job: VoiceJob) {
        if self.waiting.len() >= MAX_WAITING {
            job.end(Err(NotMade::Failed("other voices are being made; try again".to_owned())));
            return;
        }
        self.waiting.push_back(job);
    }

    /// Whether the next step begins a voice, whose engine may have to be loaded for it.
    pub fn begins_next(&self) -> bool {
        self.current.is_none() && !self.waiting.is_empty()
    }

    /// Gives everything up: the daemon is stopping.
    pub fn end_all(&mut self) {
        let current = self.current.take().map(|current| current.job);
        for job in current.into_iter().chain(std::mem::take(&mut self.waiting)) {
            self.end(job, Err(NotMade::Failed("the daemon is stopping".to_owned())));
        }
    }

    /// Takes the next step, or begins the next voice; `false` where there is none.
    pub fn step(&mut self, engines: &mut Engines) -> bool {
        if let Some(current) = &self.current {
            engines.touch(&current.engine, None, clock::now());
        }
        let has_stepped = self.advance();
        if let Some(Broken { engine, process, why }) = self.broken.take() {
            engines.discard_of(&engine, process, &why);
        }
        if has_stepped {
            return true;
        }
        let Some(job) = self.waiting.pop_front() else { return false };
        self.begin(job, engines);
        true
    }

    /// Takes the next step of the voice that is being made, while an engine is at rest in the middle of a line; `false` where
    /// none is.
    pub fn advance(&mut self) -> bool {
        let Some(mut current) = self.current.take() else { return false };
        if current.job.give_up.load(Ordering::Relaxed) {
            drop(current.embedding);
            self.end(current.job, Err(NotMade::Cancelled));
            return true;
        }
        let began = clock::now();
        let stepped = catch_unwind(AssertUnwindSafe(|| current.embedding.step()))
            .unwrap_or(Err(EngineError::Panicked));
        let is_late = current.stopwatch.add(clock::now().duration_since(began));
        match stepped {
            Ok(Progress::Working(_)) if is_late => {
                drop(current.embedding);
                let why = too_late(self.deadline);
                warn!(voice = current.job.voice, "{why}");
                self.end(current.job, Err(NotMade::Failed(why)));
            }
            Ok(Progress::Working(progress)) => {
                self.board.modify(|status| status.voices.progress = progress);
                self.current = Some(current);
            }
            Ok(Progress::Done) => {
                info!(voice = current.job.voice, "the voice is made");
                self.end(current.job, Ok(()));
            }
            Err(error) => {
                if error.is_breakdown() {
                    let Current { engine, process, .. } = current;
                    self.broken = Some(Broken { engine, process, why: error.to_string() });
                    self.end(current.job, Err(NotMade::Failed(error.to_string())));
                    return true;
                }
                self.end(current.job, Err(NotMade::Failed(error.to_string())));
            }
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
            let embedding = catch_unwind(AssertUnwindSafe(embed));
            match embedding.unwrap_or(Err(EngineError::Panicked)) {
                Err(error) if error.is_breakdown() => {
                    let process = engine.process();
                    self.broken = Some(Broken { engine: id, process, why: error.to_string() });
                    Err(error)
                }
                embedding => Ok((id, engine.process(), embedding?)),
            }
        });
        match begun {
            Ok((engine, process, embedding)) => {
                let stopwatch = Stopwatch::new(self.deadline);
                self.current = Some(Current { job, engine, process, embedding, stopwatch });
            }
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

/// Why a voice was given up that took too long.
pub(super) fn too_late(deadline: Duration) -> String {
    let secs = deadline.as_secs_f64();
    format!(
        "making the voice took more than {secs} s of engine time (limits.voice_deadline_secs); a shorter recording may do"
    )
}
