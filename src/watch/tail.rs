//! One path: which text is there now, which one was there before, and where reading goes on.
//!
//! Synchronous: no threads, no events; the time is an argument. An event is only a reason to look; this file decides
//! by looking at the disk.

mod held;
mod likeness;
mod scouting;
mod succession;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::continuity::{FileId, Mark};
use super::regular::open_regular;
use super::text::{Found, RawLine, Text};
use crate::config::{Filter, OnRewrite};
use held::Held;
pub use likeness::Likeness;
pub use scouting::Segment;
use succession::Candidate;

/// How long a text that was rotated away is still read for late writers: a program that was told to reopen its log
/// takes a moment.
const RETIRED_FOR: Duration = Duration::from_secs(5);

/// How often such a text is looked at: nothing tells of it under its new name.
const POLL_RETIRED: Duration = Duration::from_millis(250);

/// How many rotated texts are held open at once, unread ones included: a week of hourly rotations while nobody listens.
const MAX_RETIRED: usize = 168;

/// Counts the texts that one path has had.
pub type Generation = u64;

/// A complete line, and which text it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub raw: RawLine,
    /// The text.
    pub generation: Generation,
    /// When it was there at the latest; `None` where it was written since the last look.
    pub appeared_at: Option<Instant>,
}

/// A place where reading was put by something else than a line: the start, a rotation, a rewrite, lines that nobody
/// wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// The text.
    pub generation: Generation,
    /// The place.
    pub mark: Mark,
}

/// Where a file is begun that has no bookmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Behind its last line.
    AtEnd,
    /// At its first line.
    AtBeginning,
}

/// What a tail must know besides its path.
#[derive(Debug, Clone)]
pub struct TailSettings {
    /// What happens to a text that is no longer the one that was read.
    pub on_rewrite: OnRewrite,
    /// A longer line is cut.
    pub max_line_bytes: usize,
    /// A last line without its end is taken when it has stood there for this long; `None` for never.
    pub hold_partial: Option<Duration>,
    /// Which lines are wanted.
    pub filter: Arc<Filter>,
}

/// What a look must know.
pub struct Look<'a> {
    /// The time.
    pub now: Instant,
    /// The system told that the file at the path was removed since the last look.
    pub was_removed: bool,
    /// Whether a file is watched under that name by somebody else, who reads it then.
    pub is_taken: &'a dyn Fn(&Path) -> bool,
    /// How far a file was read under another name, in bytes.
    pub read_elsewhere: &'a dyn Fn(&File) -> u64,
}

/// The reader of one path.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    settings: TailSettings,
    /// The oldest first. All but the last were rotated away; the last is, or was, at the path.
    texts: VecDeque<Held>,
    next_generation: Generation,
    /// Where to go on when the file is there again: marks of an earlier run of the daemon, the newest last.
    resume: Vec<Mark>,
    /// Since when nothing is at the path.
    gone_since: Option<Instant>,
    /// A file that has taken the path, while it is not clear yet what it is.
    candidate: Option<Candidate>,
    /// Where reading of the last texts ended that were let go: what was read once is no rotated text that nobody has
    /// seen.
    known: VecDeque<Mark>,
    polled_at: Option<Instant>,
    jumps: Vec<Jump>,
    /// Bytes that reading has moved over, in all texts.
    n_passed: u64,
}

/// What [`Tail::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line.
    Line(Line),
    /// Nothing now.
    Nothing,
    /// Much was passed over, and there is more: others first.
    More,
}

impl Tail {
    /// A tail that goes on at `resume` (the newest mark last), or without marks begins as `begin` says. Takes a first
    /// look.
    ///
    /// # Errors
    /// Where something is at the path that cannot be read or is no regular file. A file that is not there is no error.
    pub fn begin(
        path: PathBuf,
        settings: TailSettings,
        resume: Vec<Mark>,
        begin: Begin,
        look: &Look<'_>,
    ) -> io::Result<Self> {
        let mut tail = Self {
            path,
            settings,
            texts: VecDeque::new(),
            next_generation: 0,
            resume,
            gone_since: None,
            candidate: None,
            known: VecDeque::new(),
            polled_at: None,
            jumps: Vec::new(),
            n_passed: 0,
        };
        match open_regular(&tail.path)? {
            Some(file) if tail.resume.is_empty() && begin == Begin::AtEnd => {
                let text = Text::open_at_end(file, tail.settings.max_line_bytes)?;
                tail.hold(text, None, look.now);
            }
            Some(_) => tail.look(look)?,
            None => tail.gone_since = Some(look.now),
        }
        Ok(tail)
    }

    /// Takes the next line: of the oldest text first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn next_line(&mut self, block: &mut Vec<u8>, now: Instant) -> io::Result<Next> {
        let filter = &self.settings.filter;
        let mut idx = 0;
        while let Some(held) = self.texts.get_mut(idx) {
            let before = held.text.offset();
            let found = match held.text.next_line(filter, block, now) {
                // On a network a file that others have deleted cannot be read any more.
                Err(error) if held.retired_until.is_some() => {
                    let path = self.path.display();
                    warn!(%path, "what was rotated away cannot be read to its end: {error}");
                    self.texts.remove(idx);
                    continue;
                }
                found => found?,
            };
            self.n_passed += held.text.offset().saturating_sub(before);
            if !matches!(found, Found::Line(_)) && held.text.take_passed() {
                self.jumps.push(Jump { generation: held.generation, mark: held.text.mark() });
            }
            match found {
                Found::Line(raw) => return Ok(Next::Line(held.line(raw))),
                Found::More => return Ok(Next::More),
                Found::End => {
                    held.ended_at = held.text.read_to();
                    if held.is_unfinished_due(self.settings.hold_partial, now) {
                        let before = held.text.offset();
                        let taken = held.text.take_unfinished(filter);
                        if taken.is_none() && held.is_let_go(now) {
                            held.text.pass_unfinished();
                        }
                        self.n_passed += held.text.offset() - before;
                        if let Some(raw) = taken {
                            return Ok(Next::Line(held.line(raw)));
                        }
                    }
                }
                Found::Rewritten if held.retired_until.is_some() => {
                    self.texts.remove(idx);
                    continue;
                }
                // The next look decides what it is now.
                Found::Rewritten => {}
            }
            idx += 1;
        }
        Ok(Next::Nothing)
    }

    /// Passes over everything that was not read, in all texts. A line that is being written is read when it is complete.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn skip_to_end(&mut self, now: Instant) -> io::Result<()> {
        let Some(current) = self.texts.back() else { return Ok(()) };
        let (file, offset) = (current.text.file().try_clone()?, current.text.offset());
        let max_line_bytes = self.settings.max_line_bytes;
        let mut text = Text::open_at_end(file, max_line_bytes)?;
        // What was taken of an unfinished line is not taken again.
        if text.offset() < offset && offset <= text.size()? {
            text = Text::open_at(text.file().try_clone()?, offset, max_line_bytes)?;
        }
        // A text that was rotated away has late writers at most: it is let go.
        let ended: Vec<_> = self.texts.drain(..).map(|held| held.text.mark()).collect();
        self.remember(ended);
        self.hold(text, None, now);
        Ok(())
    }

    /// Lets go of texts that were rotated away long enough ago and are read to their ends, and of one whose path is
    /// empty: deleted, it would keep its room on the disk, and moved, it may be watched under its new name. Returns where
    /// reading of them ended.
    pub fn retire(&mut self, now: Instant) -> Vec<Mark> {
        let mut ended = Vec::new();
        self.texts.retain(|held| {
            let is_over = held.retired_until.is_some_and(|until| until <= now)
                && held.is_drained()
                && !held.is_unfinished_due(None, now);
            if is_over {
                ended.push(held.text.mark());
            }
            !is_over
        });
        let is_gone = self.gone_since.is_some_and(|since| now.duration_since(since) >= RETIRED_FOR);
        if is_gone && self.texts.len() == 1 && self.texts[0].is_drained() {
            self.resume = self.texts.drain(..).map(|held| held.text.mark()).collect();
            ended.extend_from_slice(&self.resume);
        }
        self.remember(ended.iter().copied());
        ended
    }

    /// When the path is to be looked at again, whatever events say; it may be past.
    pub fn due_at(&self) -> Option<Instant> {
        let retired = self.texts.iter().any(|held| held.retired_until.is_some());
        let poll = self.polled_at.filter(|_| retired).map(|at| at + POLL_RETIRED);
        let unfinished = self.settings.hold_partial.and_then(|hold| {
            self.texts.iter().filter_map(|held| Some(held.text.unfinished_since()? + hold)).min()
        });
        [self.decided_at(), poll, unfinished].into_iter().flatten().min()
    }

    /// When it is known what a text has become that is not what it was; `None` where all is clear.
    pub fn decided_at(&self) -> Option<Instant> {
        let suspected = self.texts.iter().filter_map(|held| held.text.decided_at());
        suspected.chain(self.candidate.as_ref().map(Candidate::decided_at)).min()
    }

    /// Whether something is to be spoken in a moment, without any further event.
    pub fn is_undecided(&self) -> bool {
        let holds_back = self.settings.hold_partial.is_some();
        self.decided_at().is_some()
            || (holds_back && self.texts.iter().any(|held| held.text.unfinished_since().is_some()))
    }

    /// Whether the text is held.
    pub fn has(&self, generation: Generation) -> bool {
        self.texts.iter().any(|held| held.generation == generation)
    }

    /// Whether this file is one of the texts that are held.
    pub fn holds(&self, id: FileId) -> bool {
        self.texts.iter().any(|held| held.text.id() == id)
    }

    /// Whether everything in every text was read.
    pub fn is_drained(&self) -> bool {
        self.texts.iter().all(Held::is_drained)
    }

    /// The places where reading was put since the last call, in order.
    pub fn take_jumps(&mut self) -> Vec<Jump> {
        std::mem::take(&mut self.jumps)
    }

    /// The oldest text that is still held: bookmarks of older ones are no longer of use.
    pub fn oldest_generation(&self) -> Option<Generation> {
        self.texts.front().map(|held| held.generation)
    }

    /// Takes other settings; what was read stays read.
    pub fn set_settings(&mut self, settings: TailSettings) {
        self.settings = settings;
    }

    /// Where reading stands in the oldest text that is still held.
    pub fn oldest_mark(&self) -> Option<(Generation, Mark)> {
        self.texts.front().map(|held| (held.generation, held.text.mark()))
    }

    /// Whether something is at the path.
    pub fn exists(&self) -> bool {
        self.gone_since.is_none()
    }

    /// Since when nothing is at the path.
    pub fn gone_since(&self) -> Option<Instant> {
        self.gone_since
    }

    /// Bytes that reading has moved over, in all texts.
    pub fn n_passed(&self) -> u64 {
        self.n_passed
    }

    /// Bytes that were not read yet, in all texts.
    pub fn n_unread(&self) -> u64 {
        let n_undecided = u64::from(self.candidate.is_some());
        let n_unread = self.texts.iter().map(|held| held.text.n_unread().unwrap_or(0)).sum::<u64>();
        n_unread.max(n_undecided)
    }

    fn hold(&mut self, text: Text, retired_until: Option<Instant>, now: Instant) {
        let generation = self.next_generation;
        self.next_generation += 1;
        self.jumps.push(Jump { generation, mark: text.mark() });
        if retired_until.is_some() {
            self.polled_at = Some(now);
        }
        self.texts.push_back(Held::new(text, generation, retired_until, now));
        if self.texts.len() > MAX_RETIRED + 1 {
            let is_done = |held: &Held| held.retired_until.is_some() && held.is_drained();
            let done = self.texts.iter().position(is_done);
            let removed = self.texts.remove(done.unwrap_or(0));
            if let Some(n_bytes) = removed.as_ref().and_then(|held| held.text.n_unread().ok())
                && done.is_none()
            {
                let path = self.path.display();
                warn!(%path, n_bytes, "more than {MAX_RETIRED} rotations wait to be read: the oldest is given up");
            }
            self.remember(removed.map(|held| held.text.mark()));
        }
    }

    fn remember(&mut self, ended: impl IntoIterator<Item = Mark>) {
        self.known.extend(ended);
        let n_too_many = self.known.len().saturating_sub(2 * MAX_RETIRED);
        self.known.drain(..n_too_many);
    }
}

#[cfg(test)]
mod tests;
