//! One watched file: its tail, the lines of it that are on their way, and how they are to be spoken.
//!
//! Knows nothing of the queue, of events or of the other files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::continuity::{FileId, Mark};
use super::run::{LineNumber, Run};
use super::tail::{Begin, Next, Tail, TailSettings};
use crate::config::{Start, WatchConfig};
use crate::queue::Order;
use crate::speech::{Lane, Manner, Source};
use crate::status::WatchedFile;

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

/// Whether a file was there when watching began. One that comes later is read from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appearance {
    /// It was, or is not there yet.
    AtStart,
    /// It matched a pattern later.
    Later,
}

/// A line on its way into the queue.
#[derive(Debug)]
pub struct Spoken {
    /// What to say.
    pub order: Order,
    /// Which line it is, for its outcome.
    pub number: LineNumber,
}

/// What [`Watched::next_line`] found.
#[derive(Debug)]
pub enum Taken {
    /// A line.
    Line(Spoken),
    /// Nothing now.
    Nothing,
    /// Much was passed over, and there is more: others first.
    More,
}

/// How many blank lines are passed over before others have their turn.
const BLANK_LINES_PER_TURN: usize = 1_000;

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
    /// Bytes taken from the tail so far, for the backlog's order.
    n_taken: u64,
    n_cut_lines: u64,
    gone_since: Option<Instant>,
}

impl Watched {
    /// Begins to watch a file, with a first look at it; `known` is where an earlier life left it.
    pub fn begin(
        path: PathBuf,
        config: WatchConfig,
        defaults: Defaults,
        known: Vec<Mark>,
        appearance: Appearance,
        now: Instant,
    ) -> Self {
        let resume = match config.start {
            Start::Resume | Start::Beginning => known,
            Start::End => Vec::new(),
        };
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
            config,
            defaults,
            begin,
            resume,
            problem: None,
            n_taken: 0,
            n_cut_lines: 0,
            gone_since: None,
        };
        watched.look(now);
        watched
    }

    /// Looks at the path. What is wrong with it is kept for the status, and logged by the caller through
    /// [`Watched::problem`].
    pub fn look(&mut self, now: Instant) {
        let looked = match &mut self.tail {
            Some(tail) => tail.look(now),
            None => self.begin_tail(now),
        };
        self.problem = looked.err().map(|error| error.to_string());
        let exists = self.tail.as_ref().is_none_or(Tail::exists);
        self.gone_since = if exists { None } else { Some(self.gone_since.unwrap_or(now)) };
        self.note_jumps();
    }

    fn begin_tail(&mut self, now: Instant) -> io::Result<()> {
        let settings = TailSettings {
            on_rewrite: self.config.on_rewrite,
            max_line_bytes: self.defaults.max_line_bytes,
        };
        let tail = Tail::begin(self.path.clone(), settings, self.resume.clone(), self.begin, now)?;
        self.tail = Some(tail);
        Ok(())
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
    pub fn skip_to_end(&mut self) -> u64 {
        let (_, n_unread) = self.progress();
        if n_unread == 0 {
            return 0;
        }
        let skipped = self.tail.as_mut().map_or(Ok(()), Tail::skip_to_end);
        self.note_jumps();
        match skipped {
            Ok(()) => n_unread - self.progress().1.min(n_unread),
            Err(error) => {
                self.problem = Some(error.to_string());
                0
            }
        }
    }

    /// When what looks like another text is to be looked at again.
    pub fn decided_at(&self) -> Option<Instant> {
        self.tail.as_ref()?.decided_at()
    }

    /// Whether this file is one of the texts that are held for the path.
    pub fn holds(&self, id: FileId) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.holds(id))
    }

    /// Whether the file is gone for good, and nothing of it is still to be said.
    pub fn is_over(&self, now: Instant) -> bool {
        self.gone_since.is_some_and(|since| now.duration_since(since) >= GONE_FOR)
            && self.is_settled()
            && self.tail.as_ref().is_none_or(Tail::is_drained)
    }

    /// Takes the next line that has something in it.
    pub fn next_line(&mut self, block: &mut Vec<u8>, now: Instant) -> Taken {
        for _ in 0..BLANK_LINES_PER_TURN {
            let Some(tail) = &mut self.tail else { return Taken::Nothing };
            let taken = tail.next_line(block, now);
            self.note_jumps();
            let line = match taken {
                Ok(Next::Line(line)) => line,
                Ok(Next::Nothing) => return Taken::Nothing,
                Ok(Next::More) => return Taken::More,
                Err(error) => {
                    self.problem = Some(error.to_string());
                    return Taken::Nothing;
                }
            };
            self.n_taken += line.raw.bytes.len() as u64 + 1;
            self.n_cut_lines += u64::from(line.raw.was_cut);
            let text = text_of(&line.raw.bytes);
            if text.trim().is_empty() {
                // Nobody waits to hear a blank line.
                self.run.push_settled(line.generation, line.raw.mark);
                continue;
            }
            let number = self.run.push(line.generation, line.raw.mark);
            return Taken::Line(Spoken { order: self.order(text), number });
        }
        Taken::More
    }

    fn order(&self, text: Arc<str>) -> Order {
        let Defaults { voice, rate, pitch, max_age, .. } = &self.defaults;
        let voice = self.config.voice.as_ref().unwrap_or(voice);
        let manner = Manner {
            voice: Arc::clone(voice),
            rate: rate * self.config.rate,
            pitch: pitch * self.config.pitch,
            volume: self.config.volume,
        };
        Order {
            source: self.source.clone(),
            text,
            manner,
            lane: self.config.priority,
            max_age: *max_age,
        }
    }

    /// Where reading was put by a rotation or a rewrite belongs into the bookmark as well.
    fn note_jumps(&mut self) {
        for jump in self.tail.as_mut().map(Tail::take_jumps).unwrap_or_default() {
            self.run.push_jump(jump);
        }
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
        self.problem.as_deref()
    }

    /// The bookmark; empty while the file has never been there.
    pub fn marks(&self) -> Vec<Mark> {
        let marks = self.run.marks();
        if marks.is_empty() { self.resume.clone() } else { marks }
    }

    /// Bytes taken so far, and bytes that wait in the file.
    pub fn progress(&self) -> (u64, u64) {
        (self.n_taken, self.tail.as_ref().map_or(0, Tail::n_unread))
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
            problem: self.problem.clone(),
        }
    }
}

/// A line as text: a byte order mark and a carriage return are not part of it, and what is no UTF-8 is replaced.
fn text_of(bytes: &[u8]) -> Arc<str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_whatever_its_bytes_are() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"windows\r", "windows"),
            (b"\xef\xbb\xbfmarked", "marked"),
            (b"broken \xff byte", "broken \u{fffd} byte"),
            (b"", ""),
        ] {
            assert_eq!(&*text_of(bytes), text);
        }
    }
}
