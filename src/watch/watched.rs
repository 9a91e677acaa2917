//! One watched file: its tail, the lines of it that are on their way, and how they are to be spoken.
//!
//! Knows nothing of the queue, of events or of the other files.

mod catch_up;
mod lines;
mod stamp;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::continuity::{FileId, Mark};
use super::fold::Fold;
use super::overflow::Overflow;
use super::rate::Rate;
use super::run::{LineNumber, Run};
use super::tail::{Begin, Likeness, Look, Tail, TailSettings};
use crate::config::{Config, Start, WatchConfig};
use crate::speech::{Lane, Source};
use crate::status::WatchedFile;
pub use lines::{Spoken, Taken};
use stamp::Stamp;

/// What every watched file has in common.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// The voice where none is named.
    pub voice: Arc<str>,
    /// Speed of everything.
    pub rate: f32,
    /// Pitch of everything.
    pub pitch: f32,
    /// How long a line may wait.
    pub max_age: Option<Duration>,
    /// A longer line is cut.
    pub max_line_bytes: usize,
}

impl Defaults {
    /// As they are configured.
    pub fn of(config: &Config) -> Self {
        Self {
            voice: config.engine.voice.clone(),
            rate: config.engine.rate,
            pitch: config.engine.pitch,
            max_age: config.queue.max_age,
            max_line_bytes: config.limits.max_line_bytes,
        }
    }
}

/// Whether a file was there when watching began. One that comes later is read from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appearance {
    /// It was, or is not there yet.
    AtStart,
    /// It matched a pattern later.
    Later,
}

/// A file that a pattern found, and that is gone for so long, is forgotten.
const GONE_FOR: Duration = Duration::from_secs(5);

/// One watched file.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    /// `None` while something is at the path that cannot be read.
    tail: Option<Tail>,
    run: Run,
    source: Source,
    config: WatchConfig,
    defaults: Defaults,
    begin: Begin,
    /// Where an earlier run of the daemon left it.
    resume: Vec<Mark>,
    problem: Option<String>,
    n_cut_lines: u64,
    /// Lines that were given out to be said and have no outcome yet.
    n_under_way: usize,
    overflow: Overflow,
    rate: Option<Rate>,
    fold: Option<Fold>,
    /// Said before anything else is read: an announcement, or what was held back under other settings.
    first: VecDeque<Spoken>,
    /// Why the last read failed.
    unreadable: Option<String>,
    /// Looked at again and again because the system does not tell of its changes.
    is_polled: bool,
    /// What the kernel told of the path at the last look, while it still holds that nothing has changed.
    stamp: Option<Stamp>,
}

impl Watched {
    /// Begins to watch a file, with a first look at it; `known` is where an earlier life left it.
    pub fn begin(
        path: PathBuf,
        config: WatchConfig,
        defaults: Defaults,
        known: Vec<Mark>,
        appearance: Appearance,
        look: &Look<'_>,
    ) -> Self {
        // What comes later is read on where it was left, wherever it was meanwhile.
        let passes_over = config.start == Start::End && appearance == Appearance::AtStart;
        let resume = if passes_over && path.exists() { Vec::new() } else { known };
        let begin = match (appearance, config.start) {
            (Appearance::AtStart, Start::Resume | Start::End) => Begin::AtEnd,
            (Appearance::AtStart, Start::Beginning) | (Appearance::Later, _) => Begin::AtBeginning,
        };
        let source = Source::new(&*path.to_string_lossy());
        let mut watched = Self {
            path,
            tail: None,
            run: Run::default(),
            source,
            begin,
            resume,
            problem: None,
            n_cut_lines: 0,
            n_under_way: 0,
            overflow: Overflow::new(config.overflow, config.max_waiting),
            rate: config.max_lines_per_minute.map(Rate::new),
            fold: config.fold.then(Fold::default),
            first: VecDeque::new(),
            unreadable: None,
            is_polled: false,
            stamp: None,
            config,
            defaults,
        };
        watched.look(look);
        if appearance == Appearance::AtStart {
            watched.catch_up(look.now);
        }
        watched
    }

    /// Looks at the path. What is wrong with it is kept for the status, and logged by the caller through
    /// [`Watched::problem`].
    pub fn look(&mut self, look: &Look<'_>) {
        // Before everything that is read: what is written in between makes it outdated.
        self.stamp = Stamp::of(&self.path).filter(|stamp| stamp.is_proof(SystemTime::now()));
        let looked = match &mut self.tail {
            Some(tail) => tail.look(look),
            None => self.begin_tail(look),
        };
        self.problem = looked.err().map(|error| error.to_string());
        self.overflow.note_look();
        self.note_jumps();
        if self.problem.is_some() || self.due_at().is_some() {
            self.stamp = None;
        }
    }

    /// Whether nothing can have changed since the last look, as far as the kernel tells.
    pub fn is_unchanged(&self) -> bool {
        self.stamp.is_some_and(|stamp| Stamp::of(&self.path) == Some(stamp))
    }

    fn begin_tail(&mut self, look: &Look<'_>) -> io::Result<()> {
        let (path, settings) = (self.path.clone(), self.tail_settings());
        self.tail = Some(Tail::begin(path, settings, self.resume.clone(), self.begin, look)?);
        Ok(())
    }

    fn tail_settings(&self) -> TailSettings {
        TailSettings {
            on_rewrite: self.config.on_rewrite,
            max_line_bytes: self.defaults.max_line_bytes,
            hold_partial: self.config.hold_partial,
            filter: Arc::clone(&self.config.filter),
        }
    }

    /// A text that was rotated away is let go after a while. Returns where reading of it ended.
    pub fn retire(&mut self, now: Instant) -> Vec<Mark> {
        let Some(tail) = &mut self.tail else { return Vec::new() };
        let ended = tail.retire(now);
        if let Some(oldest) = tail.oldest_generation() {
            self.run.forget_before(oldest);
        }
        ended
    }

    /// Passes over everything that was not read. Returns how many bytes that was.
    pub fn skip_to_end(&mut self, now: Instant) -> u64 {
        let (_, n_unread) = self.progress();
        let skipped = self.tail.as_mut().map_or(Ok(()), |tail| tail.skip_to_end(now));
        self.overflow = Overflow::new(self.config.overflow, self.config.max_waiting);
        self.note_jumps();
        match skipped {
            Ok(()) => n_unread - self.progress().1.min(n_unread),
            Err(error) => {
                self.problem = Some(error.to_string());
                0
            }
        }
    }

    /// Takes what was read and not given out yet.
    pub fn take_held_back(&mut self) -> Vec<Spoken> {
        let held_back = self.fold.as_mut().and_then(Fold::release);
        self.first.drain(..).chain(held_back).collect()
    }

    /// Gives out what was read and not given out yet: nothing more will be read.
    pub fn give_out_held_back(&mut self) -> Vec<Spoken> {
        let held_back = self.take_held_back();
        self.n_under_way += held_back.len();
        held_back
    }

    /// Takes other settings. What was read and what is on its way stay as they are.
    pub fn reconfigure(&mut self, config: WatchConfig, defaults: Defaults) {
        if (config.overflow, config.max_waiting) != (self.config.overflow, self.config.max_waiting)
        {
            self.overflow = Overflow::new(config.overflow, config.max_waiting);
        }
        if config.max_lines_per_minute != self.config.max_lines_per_minute {
            self.rate = config.max_lines_per_minute.map(Rate::new);
        }
        if config.fold != self.config.fold {
            let fold = config.fold.then(Fold::default);
            let before = std::mem::replace(&mut self.fold, fold);
            self.first.extend(before.and_then(|mut fold| fold.release()));
        }
        (self.config, self.defaults) = (config, defaults);
        let settings = self.tail_settings();
        if let Some(tail) = &mut self.tail {
            tail.set_settings(settings);
        }
    }

    /// Is watched again: what came in between is treated as what came while the daemon was down.
    pub fn come_back(&mut self, now: Instant) {
        match self.config.start {
            Start::End => {
                self.skip_to_end(now);
            }
            Start::Resume | Start::Beginning => self.catch_up(now),
        }
    }

    /// What a file beside this one has to do with what is read here.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn likeness(&self, file: &File) -> io::Result<Likeness> {
        self.tail.as_ref().map_or(Ok(Likeness::None), |tail| tail.likeness(file))
    }

    /// When the file is to be looked at again, whatever events say.
    pub fn due_at(&self) -> Option<Instant> {
        self.tail.as_ref()?.due_at()
    }

    /// Whether something is to be said in a moment, without any further event.
    pub fn is_undecided(&self) -> bool {
        self.tail.as_ref().is_some_and(Tail::is_undecided)
    }

    /// Whether this file is one of the texts that are held for the path.
    pub fn holds(&self, id: FileId) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.holds(id))
    }

    /// Whether nothing is at the path.
    pub fn is_gone(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| !tail.exists())
    }

    /// Whether the file is gone for good, and nothing of it is still to be said.
    pub fn is_over(&self, now: Instant) -> bool {
        let gone_since = self.tail.as_ref().and_then(Tail::gone_since);
        gone_since.is_some_and(|since| now.duration_since(since) >= GONE_FOR)
            && self.is_settled()
            && self.tail.as_ref().is_none_or(Tail::is_drained)
    }

    /// Where reading was put by a rotation or a rewrite belongs into the bookmark as well.
    fn note_jumps(&mut self) {
        for jump in self.tail.as_mut().map(Tail::take_jumps).unwrap_or_default() {
            self.run.push_jump(jump);
        }
    }

    /// Notes that a line that was given out to be said has its outcome.
    pub fn end(&mut self) {
        self.n_under_way = self.n_under_way.saturating_sub(1);
    }

    /// Notes a line's outcome. Returns whether the bookmark moved.
    pub fn settle(&mut self, number: LineNumber) -> bool {
        self.run.settle(number)
    }

    /// Whether none of its lines is on its way.
    pub fn is_settled(&self) -> bool {
        self.run.is_settled()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its source, for `clear`.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// In which lane its lines wait.
    pub fn lane(&self) -> Lane {
        self.config.priority
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref().or(self.unreadable.as_deref())
    }

    /// The bookmark; empty while the file has never been there.
    pub fn marks(&self) -> Vec<Mark> {
        let marks = self.run.marks();
        if marks.is_empty() { self.resume.clone() } else { marks }
    }

    /// Bytes that are done with so far, and bytes that wait in the file or are held back.
    pub fn progress(&self) -> (u64, u64) {
        let n_held_back = self.fold.as_ref().map_or(0, Fold::n_bytes)
            + self.first.iter().map(|spoken| spoken.n_bytes).sum::<u64>();
        let (n_passed, n_unread) =
            self.tail.as_ref().map_or((0, 0), |tail| (tail.n_passed(), tail.n_unread()));
        (n_passed.saturating_sub(n_held_back), n_unread + n_held_back)
    }

    /// Says whether the system tells of its changes.
    pub fn set_polled(&mut self, is_polled: bool) {
        self.is_polled = is_polled;
    }

    /// Whether it must be looked at again and again.
    pub fn is_polled(&self) -> bool {
        self.is_polled
    }

    /// For `status`.
    pub fn status(&self) -> WatchedFile {
        let voice = self.config.voice.as_ref().unwrap_or(&self.defaults.voice);
        WatchedFile {
            path: self.path.to_string_lossy().into_owned(),
            exists: self.tail.as_ref().is_some_and(Tail::exists),
            voice: voice.to_string(),
            important: self.config.priority == Lane::Important,
            heard_bytes: self.run.n_heard(),
            unread_bytes: self.progress().1,
            n_cut_lines: self.n_cut_lines,
            polled: self.is_polled,
            problem: self.problem().map(str::to_owned),
        }
    }
}
