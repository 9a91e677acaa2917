//! One path: which text is there now, which one was there before, and where reading goes on.
//!
//! Synchronous: no threads, no events; the time is an argument. An event is only a reason to look; this file decides
//! by looking at the disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::continuity::{FileId, Mark};
use super::text::{Found, RawLine, Text};
use crate::config::OnRewrite;

/// How long a text that was rotated away is still read for late writers: a program that was told to reopen its log
/// takes a moment.
const RETIRED_FOR: Duration = Duration::from_secs(5);

/// How many rotated texts are held open at once, unread ones included: more rotations than this while nobody listens
/// are a program gone wild.
const MAX_RETIRED: usize = 32;

/// Counts the texts that one path has had.
pub type Generation = u64;

/// A complete line, and which text it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub raw: RawLine,
    /// The text.
    pub generation: Generation,
}

/// A place where reading was put by something else than reading: the start, a rotation, a rewrite.
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
#[derive(Debug, Clone, Copy)]
pub struct TailSettings {
    /// What happens to a text that is no longer the one that was read.
    pub on_rewrite: OnRewrite,
    /// A longer line is cut.
    pub max_line_bytes: usize,
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
    /// Nothing was at the path at the last look.
    is_gone: bool,
    jumps: Vec<Jump>,
}

#[derive(Debug)]
struct Held {
    text: Text,
    generation: Generation,
    /// When it is let go, if it is read to its end by then; `None` for the one at the path.
    retired_until: Option<Instant>,
    /// The size at which reading last met its end.
    ended_at: Option<u64>,
}

impl Held {
    /// Whether everything in it was read, but for a last line without an end.
    fn is_drained(&self) -> bool {
        let met_its_end = self.ended_at.is_some() && self.text.size().ok() == self.ended_at;
        met_its_end || self.text.n_unread().is_ok_and(|n_unread| n_unread == 0)
    }
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
        now: Instant,
    ) -> io::Result<Self> {
        let mut tail = Self {
            path,
            settings,
            texts: VecDeque::new(),
            next_generation: 0,
            resume,
            is_gone: false,
            jumps: Vec::new(),
        };
        match open_regular(&tail.path)? {
            Some(file) if tail.resume.is_empty() && begin == Begin::AtEnd => {
                let text = Text::open_at_end(file, settings.max_line_bytes)?;
                tail.hold(text, None);
            }
            Some(file) => tail.adopt(file, now)?,
            None => tail.is_gone = true,
        }
        Ok(tail)
    }

    /// Looks at the path: is it the same text, a continuation of it, or another one?
    ///
    /// # Errors
    /// Where something is at the path that cannot be read or is no regular file.
    pub fn look(&mut self, now: Instant) -> io::Result<()> {
        let Some(file) = open_regular(&self.path)? else {
            self.is_gone = true;
            return Ok(());
        };
        let was_gone = std::mem::replace(&mut self.is_gone, false);
        let Some(held) = self.texts.back_mut() else { return self.adopt(file, now) };
        if FileId::of(&file)? == held.text.id() {
            return held.text.verify(now);
        }
        if held.text.goes_on_in(&file)? {
            let offset = held.text.offset();
            held.text = Text::open_at(file, offset, self.settings.max_line_bytes)?;
            return Ok(());
        }
        // A file that was moved away, or was gone for a while, makes room for a new one; a file that was replaced
        // under its name is the old one rewritten.
        let is_rotation = was_gone || held.text.has_a_name()?;
        held.retired_until = Some(now + RETIRED_FOR);
        let text = if is_rotation { self.at_start(file) } else { self.rewritten(file) }?;
        self.hold(text, None);
        Ok(())
    }

    /// Takes the next line: of the oldest text first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn next_line(&mut self, block: &mut Vec<u8>, now: Instant) -> io::Result<Next> {
        let mut idx = 0;
        while let Some(held) = self.texts.get_mut(idx) {
            match held.text.next_line(block, now)? {
                Found::Line(raw) => {
                    return Ok(Next::Line(Line { raw, generation: held.generation }));
                }
                Found::More => return Ok(Next::More),
                Found::End => {
                    held.ended_at = held.text.size().ok();
                    idx += 1;
                }
                Found::Rewritten if held.retired_until.is_some() => {
                    self.texts.remove(idx);
                }
                Found::Rewritten => {
                    let file = held.text.file().try_clone()?;
                    let text = self.rewritten(file)?;
                    self.texts.pop_back();
                    self.hold(text, None);
                }
            }
        }
        Ok(Next::Nothing)
    }

    /// Passes over everything that was not read, in all texts. A line that is being written is read when it is complete.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn skip_to_end(&mut self) -> io::Result<()> {
        let Some(current) = self.texts.back() else { return Ok(()) };
        let file = current.text.file().try_clone()?;
        let text = Text::open_at_end(file, self.settings.max_line_bytes)?;
        // A text that was rotated away has late writers at most: it is let go.
        self.texts.clear();
        self.hold(text, None);
        Ok(())
    }

    /// Lets go of texts that were rotated away long enough ago and are read to their ends. Returns where reading of
    /// them ended.
    pub fn retire(&mut self, now: Instant) -> Vec<Mark> {
        let is_over =
            |held: &Held| held.retired_until.is_some_and(|until| until <= now) && held.is_drained();
        let ended = self.texts.iter().filter(|held| is_over(held)).map(|held| held.text.mark());
        let ended = ended.collect();
        self.texts.retain(|held| !is_over(held));
        ended
    }

    /// When what looks like another text is to be looked at again.
    pub fn decided_at(&self) -> Option<Instant> {
        self.texts.iter().filter_map(|held| held.text.decided_at()).min()
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

    /// Whether something is at the path.
    pub fn exists(&self) -> bool {
        !self.is_gone
    }

    /// Bytes that were not read yet, in all texts.
    pub fn n_unread(&self) -> u64 {
        self.texts.iter().map(|held| held.text.n_unread().unwrap_or(0)).sum()
    }

    /// Takes over a file that is at the path while no text is held: at the start, or when it appears.
    fn adopt(&mut self, file: File, now: Instant) -> io::Result<()> {
        let mut marks = std::mem::take(&mut self.resume);
        let Some(newest) = marks.pop() else {
            let text = self.at_start(file)?;
            self.hold(text, None);
            return Ok(());
        };
        // Texts that were rotated away before: whatever was written to them since is read first.
        for mark in marks {
            self.hold_sibling(&mark, now)?;
        }
        let is_same_file = FileId::of(&file)? == newest.id;
        // At offset 0 nothing tells one text from another but the inode and the name.
        let goes_on = newest.is_in(&file)? && (newest.offset > 0 || is_same_file);
        let text = if goes_on {
            Text::open_at(file, newest.offset, self.settings.max_line_bytes)
        } else if self.hold_sibling(&newest, now)? || newest.offset == 0 {
            self.at_start(file)
        } else {
            self.rewritten(file)
        }?;
        self.hold(text, None);
        Ok(())
    }

    /// Looks for a text that was rotated away while nobody watched, and holds it where it is found.
    fn hold_sibling(&mut self, mark: &Mark, now: Instant) -> io::Result<bool> {
        let Some(file) = find_sibling(&self.path, mark) else { return Ok(false) };
        let text = Text::open_at(file, mark.offset, self.settings.max_line_bytes)?;
        self.hold(text, Some(now + RETIRED_FOR));
        Ok(true)
    }

    fn at_start(&self, file: File) -> io::Result<Text> {
        Text::open_at(file, 0, self.settings.max_line_bytes)
    }

    fn rewritten(&self, file: File) -> io::Result<Text> {
        match self.settings.on_rewrite {
            OnRewrite::Beginning => self.at_start(file),
            OnRewrite::End => Text::open_at_end(file, self.settings.max_line_bytes),
        }
    }

    fn hold(&mut self, text: Text, retired_until: Option<Instant>) {
        let generation = self.next_generation;
        self.next_generation += 1;
        self.jumps.push(Jump { generation, mark: text.mark() });
        self.texts.push_back(Held { text, generation, retired_until, ended_at: None });
        if self.texts.len() > MAX_RETIRED + 1 {
            let drained = self.texts.iter().position(Held::is_drained);
            self.texts.remove(drained.unwrap_or(0));
        }
    }
}

/// Opens a regular file without ever waiting for it; `None` where nothing is there.
fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // O_NONBLOCK: a FIFO without a writer would be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).expect("flags are small numbers");
    match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file; only files that can be read again can be watched",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds the text of a mark under another name in the same directory: by inode and content, or by content under a
/// name that begins like the file's (`chat.log.1`).
fn find_sibling(path: &Path, mark: &Mark) -> Option<File> {
    /// A directory with more entries than this is not a place where one file is rotated.
    const MAX_ENTRIES: usize = 4_096;
    let (directory, name) = (path.parent()?, path.file_name()?);
    let mut by_content = None;
    for entry in std::fs::read_dir(directory).ok()?.take(MAX_ENTRIES).flatten() {
        let other = entry.file_name();
        let is_related =
            other.as_encoded_bytes().starts_with(name.as_encoded_bytes()) && other != name;
        let Ok(metadata) = entry.metadata() else { continue };
        let is_same_file = FileId { dev: metadata.dev(), ino: metadata.ino() } == mark.id;
        if other == name || !(is_same_file || is_related) || metadata.len() < mark.offset {
            continue;
        }
        // Without any content to compare, a number alone proves nothing: it may have been used again.
        if mark.offset == 0 && !(is_same_file && is_related) {
            continue;
        }
        let Ok(Some(file)) = open_regular(&entry.path()) else { continue };
        if mark.is_in(&file).unwrap_or(false) {
            if is_same_file {
                return Some(file);
            }
            by_content = Some(file);
        }
    }
    by_content
}

#[cfg(test)]
mod tests;
