//! Any engine in a process of its own: an [`Engine`] here, whose other end is this very program, run as `engine-worker`.
//!
//! What the process does to itself, be it killed, hung, out of memory or talking nonsense, is an error here within a known
//! time, and what it took goes back to the system with it. It ends with this process, however that ends.

pub mod frames;
pub mod serve;
pub mod wire;

mod complaints;
mod link;
mod scope;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use self::link::Link;
use self::wire::{Answer, Ask, Order, Words};
use super::registry::EngineId;
use super::{Embedding, Engine, EngineError, EngineInfo, Progress, Speech, SpeechStream};
use crate::clock;
use crate::pcm::{PcmChunk, PcmSpec};

/// Where engines run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// On a thread; in a process of its own what computes on a graphics processor, whose memory only a process gives back.
    #[default]
    Auto,
    /// On a thread of the daemon.
    Thread,
    /// In a process of its own.
    Process,
}

impl Isolation {
    /// What it comes to in this build, which computes on the processor alone.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Auto | Self::Thread => Self::Thread,
            Self::Process => Self::Process,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Thread => "thread",
            Self::Process => "process",
        }
    }
}

/// Where engines run, and what they may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confinement {
    /// Where.
    pub isolation: Isolation,
    /// The most resident memory; `None` for no limit.
    pub memory_limit_bytes: Option<u64>,
    /// One that gives no answer for so long hangs.
    pub hang: Duration,
    /// How long loading may take.
    pub load: Duration,
}

impl Confinement {
    /// The limit of the daemon's own memory, where engines run in it.
    pub fn limit_within(&self) -> Option<u64> {
        self.memory_limit_bytes.filter(|_| self.isolation.resolved() == Isolation::Thread)
    }
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            isolation: Isolation::Auto,
            memory_limit_bytes: None,
            hang: Duration::from_secs(20),
            load: Duration::from_secs(120),
        }
    }
}

/// How long an answer is waited for before whoever pulls is asked whether it is still wanted.
const SLICE: Duration = Duration::from_millis(50);

/// What a speech that is no longer wanted may take to its next chunk. Many times what a slow machine needs; beyond it a new
/// process is the quicker way to the next line.
const FAREWELL: Duration = Duration::from_secs(2);

/// An engine in a process of its own. Dropping it ends the process.
#[derive(Debug)]
pub struct WorkerEngine {
    info: EngineInfo,
    /// Shared with the voice in the making, if there is one. Borrowed for one question at a time.
    link: Rc<RefCell<Link>>,
    confinement: Confinement,
}

impl WorkerEngine {
    /// Starts a process and has it load that engine.
    ///
    /// # Errors
    /// Where no process can be had, or the engine cannot be loaded in it.
    pub fn start(
        order: &Order,
        id: &EngineId,
        confinement: &Confinement,
    ) -> Result<Self, EngineError> {
        Self::start_with(&own_program(), order, id, confinement)
    }

    /// Starts a process of that program, which is this one or acts as if it were.
    ///
    /// # Errors
    /// As [`WorkerEngine::start`].
    pub fn start_with(
        program: &Path,
        order: &Order,
        id: &EngineId,
        confinement: &Confinement,
    ) -> Result<Self, EngineError> {
        let (link, info) = load(program, order, id.engine, confinement)?;
        let link = Rc::new(RefCell::new(link));
        Ok(Self { info, link, confinement: *confinement })
    }
}

/// This program, also where its file was replaced since it was started: the new one may speak otherwise.
pub fn own_program() -> PathBuf {
    let running = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if running.exists() {
        return running;
    }
    std::env::current_exe().unwrap_or_else(|_| "speakerd".into())
}

fn load(
    program: &Path,
    order: &Order,
    engine: &'static str,
    confinement: &Confinement,
) -> Result<(Link, EngineInfo), EngineError> {
    let mut link = Link::start(program, &order.engine, confinement)?;
    link.ask(&Ask::Load(order.clone()), confinement.load)?;
    let answer = match link.answer() {
        // A scope of the service manager that cannot be had is no reason to be silent.
        Err(EngineError::Died { .. }) if link.is_scoped() && link.was_refused() => {
            scope::give_up();
            link = Link::start(program, &order.engine, confinement)?;
            link.ask(&Ask::Load(order.clone()), confinement.load)?;
            link.answer()?
        }
        answer => answer?,
    };
    let Answer::Loaded { sample_rate_hz, voices } = answer else {
        return Err(link.nonsense("it was told to load, and said something else"));
    };
    if !(1_000..=384_000).contains(&sample_rate_hz) {
        return Err(link.nonsense(&format!("it speaks at {sample_rate_hz} Hz")));
    }
    let spec = PcmSpec::new(sample_rate_hz);
    Ok((link, EngineInfo { name: engine, spec, voices }))
}

impl Engine for WorkerEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let words = Words {
            text: speech.text.to_owned(),
            voice: speech.voice.to_owned(),
            rate: speech.prosody.rate,
            pitch: speech.prosody.pitch,
            seed: speech.seed,
        };
        self.link.borrow_mut().ask(&Ask::Begin(words), self.confinement.hang)?;
        Ok(Box::new(WorkerStream {
            link: Rc::clone(&self.link),
            spec: self.info.spec,
            hang: self.confinement.hang,
            state: State::Beginning,
            is_preparing: false,
            _engine: PhantomData,
        }))
    }

    fn embed(&mut self, voice: &str) -> Result<Box<dyn Embedding>, EngineError> {
        let mut link = self.link.borrow_mut();
        link.ask(&Ask::Embed { voice: voice.to_owned() }, self.confinement.hang)?;
        let answer = link.answer()?;
        if !matches!(answer, Answer::Embedding) {
            return Err(link.nonsense("it was told to make a voice, and said something else"));
        }
        drop(link);
        let (link, hang) = (Rc::clone(&self.link), self.confinement.hang);
        Ok(Box::new(WorkerEmbedding { link, hang, is_over: false }))
    }

    fn is_fit(&mut self) -> bool {
        let mut link = self.link.borrow_mut();
        let pid = link.pid();
        if link.has_ended() {
            warn!(pid, "the engine's process ended while nothing was asked of it");
            return false;
        }
        let is_back = link.is_settled_within(FAREWELL);
        if !is_back {
            warn!(pid, "the engine does not come back from a line that was given up");
        }
        is_back
    }

    fn process(&self) -> Option<u32> {
        Some(self.link.borrow().pid())
    }
}

impl Drop for WorkerEngine {
    fn drop(&mut self) {
        // A voice in the making may hold on to the link.
        self.link.borrow_mut().kill();
    }
}

/// Where a speech is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its beginning is asked for: an engine may take long for it.
    Beginning,
    /// Nothing is asked for.
    Ready,
    /// A chunk is asked for.
    Asked,
    Over,
}

/// Speech that is made in the process.
#[derive(Debug)]
struct WorkerStream<'e> {
    link: Rc<RefCell<Link>>,
    spec: PcmSpec,
    hang: Duration,
    state: State,
    is_preparing: bool,
    /// One stream at a time.
    _engine: PhantomData<&'e mut WorkerEngine>,
}

impl SpeechStream for WorkerStream<'_> {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        let mut link = self.link.borrow_mut();
        // Over also where an error ends it.
        let state = std::mem::replace(&mut self.state, State::Over);
        match state {
            State::Over => return Ok(None),
            State::Ready => link.ask(&Ask::Next, self.hang)?,
            State::Beginning | State::Asked => {}
        }
        let samples = match link.answer_by(clock::now() + SLICE)? {
            None => {
                let is_begun = state != State::Beginning;
                self.state = if is_begun { State::Asked } else { State::Beginning };
                Vec::new()
            }
            Some(Answer::Begun) if state == State::Beginning => {
                self.state = State::Ready;
                Vec::new()
            }
            Some(Answer::Chunk { samples, is_preparing }) => {
                self.state = State::Ready;
                self.is_preparing = is_preparing;
                samples
            }
            Some(Answer::End) => return Ok(None),
            Some(_) => return Err(link.nonsense("it was asked for sound, and said something else")),
        };
        Ok(Some(PcmChunk { spec: self.spec, samples }))
    }

    fn is_preparing(&self) -> bool {
        self.is_preparing
    }
}

impl Drop for WorkerStream<'_> {
    fn drop(&mut self) {
        if self.state != State::Over {
            self.link.borrow_mut().tell(&Ask::Stop);
        }
    }
}

/// A voice that is made in the process.
#[derive(Debug)]
struct WorkerEmbedding {
    link: Rc<RefCell<Link>>,
    hang: Duration,
    is_over: bool,
}

impl Embedding for WorkerEmbedding {
    fn step(&mut self) -> Result<Progress, EngineError> {
        let mut link = self.link.borrow_mut();
        self.is_over = true; // also where an error ends it
        link.ask(&Ask::Step, self.hang)?;
        match link.answer()? {
            Answer::Working(progress) => {
                self.is_over = false;
                Ok(Progress::Working(progress.clamp(0.0, 1.0)))
            }
            Answer::Made => Ok(Progress::Done),
            _ => Err(link.nonsense("it was making a voice, and said something else")),
        }
    }
}

impl Drop for WorkerEmbedding {
    fn drop(&mut self) {
        if !self.is_over {
            self.link.borrow_mut().tell(&Ask::GiveUp);
        }
    }
}

#[cfg(test)]
mod tests;
