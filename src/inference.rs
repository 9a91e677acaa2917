//! The inference thread: takes utterances from the queue and has engines speak them, in order.
//!
//! Knows nothing of candle, rodio, watched files or sockets. Waits on the queue, on commands and on the idle alarm;
//! ends when the queue has no senders and is empty.

pub mod engines;
pub mod failures;
pub mod health;
pub mod limits;
pub mod past;
pub mod source;
pub mod speak;
mod stop;
mod streams;
mod turns;
pub mod voices;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, Select, TryRecvError, never};
use tracing::{info, warn};

use crate::clock;
use crate::config::{Config, Fallback};
use crate::engine::registry::Choice;
use crate::engine::worker::Confinement;
use crate::pipe::AudioSender;
use crate::queue::Outlet;
use crate::speech::custody::Custody;
use crate::speech::{Lane, Utterance};
use crate::status::StatusBoard;
use crate::steering::{Steering, Stopping};
use crate::text::dictionary::DictionaryFile;
use crate::threads::Pulse;
use engines::Engines;
use limits::Pace;
use past::Past;
use speak::{Job, Speaker, Turn};
use streams::Streams;
use turns::{Need, Turns, Whose};
use voices::{VoiceJob, VoiceJobs};

/// How often the daemon's own memory is looked at while an engine computes in it: to ask the system takes some 15 µs, and the
/// built-in voice makes a chunk in a few hundred.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// How often streams are looked at whose audio is not taken as fast as it is made. Nobody is kept waiting by that: there is
/// nothing else to do then.
const UNREAD_POLL: Duration = Duration::from_millis(20);

/// What can be asked of the thread.
#[derive(Debug, Clone)]
pub enum EngineCommand {
    /// Load the engine of that voice, so that the next utterance need not wait for it.
    Load(String),
    /// Unload every engine.
    Unload,
    /// Make a voice ready, step by step, between pieces of what is said.
    Embed(VoiceJob),
    /// Go by other settings from the next piece on.
    Configure(EngineSettings),
}

/// What can change while the thread runs.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// What speaks where the engine asked for cannot be loaded.
    pub fallback: Fallback,
    /// Which engine and model speak.
    pub choice: Choice,
    /// After how much idleness an engine is unloaded; `None` for never.
    pub idle_unload: Option<Duration>,
    /// Where engines run, and what they may take.
    pub confinement: Confinement,
    /// Engine time for one piece.
    pub piece_deadline: Duration,
    /// Engine time for making a voice of its recording.
    pub voice_deadline: Duration,
    /// Longer texts are split.
    pub max_piece_chars: usize,
    /// The user's own words for words.
    pub dictionary: PathBuf,
}

impl EngineSettings {
    /// As they are configured.
    pub fn of(config: &Config) -> Self {
        Self {
            fallback: config.engine.fallback,
            choice: config.engine.choice.clone(),
            idle_unload: config.engine.idle_unload,
            confinement: config.engine.confinement,
            piece_deadline: config.limits.piece_deadline,
            voice_deadline: config.limits.voice_deadline,
            max_piece_chars: config.text.max_piece_chars,
            dictionary: config.text.dictionary.clone(),
        }
    }
}

/// The thread's state.
pub struct Inference {
    outlet: Outlet,
    /// Capacity 4: someone who asks more often than it can answer is refused.
    commands: Receiver<EngineCommand>,
    /// Every engine is to be unloaded once nothing is being said.
    is_unload_wished: bool,
    /// The line that is being said.
    line: Option<Job>,
    /// It begins anew when what is important was said.
    suspended: Option<Utterance>,
    streams: Streams,
    turns: Turns,
    audio: AudioSender,
    steering: Steering,
    engines: Engines,
    settings: EngineSettings,
    dictionary: DictionaryFile,
    /// Borrowed by whoever makes a step, which nobody does inside of another one.
    voices: RefCell<VoiceJobs>,
    board: StatusBoard,
    /// What was told of the dictionary last.
    told: Option<String>,
    pulse: Pulse,
    custody: Custody,
    past: RefCell<Past>,
    memory_pace: Pace,
}

impl Inference {
    /// A thread that has nothing to do yet.
    pub fn new(
        outlet: Outlet,
        commands: Receiver<EngineCommand>,
        audio: AudioSender,
        steering: Steering,
        engines: Engines,
        board: StatusBoard,
        settings: EngineSettings,
    ) -> Self {
        let dictionary = DictionaryFile::new(settings.dictionary.clone());
        let voices = VoiceJobs::new(board.clone(), settings.voice_deadline).into();
        Self {
            outlet,
            commands,
            is_unload_wished: false,
            line: None,
            suspended: None,
            streams: Streams::default(),
            turns: Turns::default(),
            audio,
            steering,
            engines,
            settings,
            dictionary,
            voices,
            board,
            told: None,
            pulse: Pulse::default(),
            custody: Custody::default(),
            past: RefCell::default(),
            memory_pace: Pace::new(MEMORY_LOOK),
        }
    }

    /// Beats that pulse.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Goes on where a life before this one ended.
    #[must_use]
    pub fn with_past(mut self, past: Past) -> Self {
        self.engines.take_over(&past.breakdowns);
        Self { past: past.into(), ..self }
    }

    /// Puts what it works on there.
    #[must_use]
    pub fn with_custody(self, custody: Custody) -> Self {
        Self { custody, ..self }
    }

    /// Runs until the queue is closed and empty.
    pub fn run(mut self) {
        loop {
            self.pulse.beat(clock::now());
            self.take_commands();
            self.engines.unload_idle(clock::now());
            if !self.take_jobs() {
                break;
            }
            // One step for each piece that is said: whoever has much to say does not keep a voice from being made.
            let has_stepped = if self.is_stopping() {
                self.voices.get_mut().end_all();
                false
            } else {
                if self.voices.get_mut().begins_next() {
                    self.pulse.beat_for(clock::now(), self.settings.confinement.load);
                }
                self.voices.get_mut().step(&mut self.engines)
            };
            let need = self.line.as_ref().map(|line| self.need_of(line));
            match self.turns.next(need, self.streams.is_any_ready()) {
                Some(turn) => self.take_turn(turn),
                None if !has_stepped => self.wait(),
                None => {}
            }
        }
        self.engines.unload_all();
    }

    /// Takes what waits; `false` once that was all for good.
    fn take_jobs(&mut self) -> bool {
        let streams = loop {
            match self.outlet.try_take_stream() {
                Ok(utterance) => self.streams.push_new(Job::new(utterance)),
                Err(error) => break error,
            }
        };
        if self.line.is_some() {
            return true;
        }
        let (waiting, is_closed) = match self.suspended.take() {
            Some(waiting) if !self.outlet.has_important() => (Some(waiting), false),
            waiting => {
                self.suspended = waiting;
                match self.outlet.try_take() {
                    Ok(utterance) => (Some(utterance), false),
                    Err(error) => (None, error == TryRecvError::Disconnected),
                }
            }
        };
        self.line = waiting.map(Job::new);
        !(is_closed && streams == TryRecvError::Disconnected && self.streams.is_empty())
    }

    /// How much a line needs its turn.
    fn need_of(&self, line: &Job) -> Need {
        let utterance = &line.utterance;
        let is_to_end =
            self.is_stopping() || self.steering.verdict(utterance.id, &utterance.source).is_some();
        if utterance.lane == Lane::Important || self.outlet.has_important() || is_to_end {
            Need::Urgent
        } else if self.audio.is_short() {
            Need::Short
        } else {
            Need::Usual
        }
    }

    /// Has a line, or the next stream, say its next piece.
    fn take_turn(&mut self, turn: Whose) {
        let job = match turn {
            Whose::Line => self.line.take(),
            Whose::Stream => self.streams.take_next(&self.engines, self.line.as_ref()),
        };
        let Some(job) = job else { return };
        self.dictionary.look(clock::now());
        self.tell_of_dictionary();
        let speaker = Speaker {
            audio: &self.audio,
            steering: &self.steering,
            outlet: &self.outlet,
            has_stream: self.streams.is_any_ready(),
            voices: &self.voices,
            settings: &self.settings,
            dictionary: self.dictionary.current(),
            custody: &self.custody,
            memory_pace: &self.memory_pace,
            past: &self.past,
            pulse: &self.pulse,
        };
        match speaker.advance(&mut self.engines, job) {
            Turn::More(job) if job.is_stream() => self.streams.push_back(job),
            Turn::More(job) => self.line = Some(job),
            Turn::Blocked(job) => {
                self.line = Some(job);
                self.turns.pass();
            }
            Turn::Done => {}
            Turn::Suspended(utterance) => {
                debug_assert_eq!(utterance.lane, Lane::Ordinary, "only the ordinary waits");
                self.suspended = Some(utterance);
            }
        }
    }

    /// Nothing is loaded any more then.
    fn is_stopping(&self) -> bool {
        self.steering.stopping() != Stopping::No
    }

    fn configure(&mut self, settings: EngineSettings) {
        self.engines.configure(&settings);
        self.voices.get_mut().set_deadline(settings.voice_deadline);
        if settings.dictionary != self.settings.dictionary {
            self.dictionary = DictionaryFile::new(settings.dictionary.clone());
        }
        self.settings = settings;
    }

    /// What is wrong with the dictionary is told once.
    fn tell_of_dictionary(&mut self) {
        let problem = self.dictionary.problem();
        if self.told.as_deref() == problem {
            return;
        }
        self.told = problem.map(str::to_owned);
        if let Some(problem) = problem {
            warn!("{problem}");
        }
        self.board.modify(|status| status.text.problem = problem.map(str::to_owned));
    }

    fn wait(&mut self) {
        let mut select = Select::new();
        select.recv(&self.outlet.important);
        select.recv(&self.outlet.ordinary);
        select.recv(&self.outlet.streams);
        select.recv(&self.commands);
        self.pulse.rest();
        let unread = (!self.streams.is_empty()).then(|| clock::now() + UNREAD_POLL);
        match self.engines.next_unload().into_iter().chain(unread).min() {
            Some(at) => drop(select.ready_deadline(at)), // the loop looks at everything either way
            None => {
                select.ready();
            }
        }
    }

    /// Carries out what was asked of the engines, between two pieces of whatever is being said.
    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(EngineCommand::Load(_)) if self.is_stopping() => {}
                Ok(EngineCommand::Load(voice)) => {
                    let pulse = &self.pulse;
                    pulse.beat_for(clock::now(), self.settings.confinement.load);
                    match self.engines.warm(&voice, &|| pulse.beat(clock::now())) {
                        Ok(voice) => info!(voice, "ready"),
                        Err(error) => warn!("cannot load: {error}"),
                    }
                }
                Ok(EngineCommand::Unload) => self.is_unload_wished = true,
                Ok(EngineCommand::Embed(job)) => self.voices.get_mut().push(job),
                Ok(EngineCommand::Configure(settings)) => self.configure(settings),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.commands = never(); // a closed channel is always ready
                    break;
                }
            }
        }
        if self.is_unload_wished && self.line.is_none() && self.streams.is_empty() {
            self.is_unload_wished = false;
            self.engines.unload_all();
        }
    }
}
