//! What has become of the text that was at a path: does it go on, was it rotated away, or written anew?
//!
//! The order of the questions matters. A text that is still there under another name was rotated, whatever the new one
//! says; else the content decides, because editors save under new inodes and log programs reuse old ones.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use tracing::warn;

use super::super::continuity::{FileId, Mark};
use super::super::regular::open_regular;
use super::super::siblings::{self, Sibling, Unstable, Whereabouts};
use super::super::text::{Seen, Suspicion, Text};
use super::{Jump, Look, MAX_RETIRED, RETIRED_FOR, Tail};
use crate::config::OnRewrite;

/// A file that has taken the path and may still become the text that was there: an editor is writing it.
#[derive(Debug)]
pub(super) struct Candidate {
    id: FileId,
    suspicion: Suspicion,
    /// Nothing was at the path before it.
    was_gone: bool,
}

impl Candidate {
    pub(super) fn decided_at(&self) -> Instant {
        self.suspicion.certain_at()
    }
}

/// What another file at the path is.
enum Succession {
    /// The same text.
    SameText,
    /// It may become the same text in a moment.
    Undecided,
    /// A new text; the old one went away as a whole.
    Rotated,
    /// The old text with changes, or something else under its name.
    Rewritten,
}

/// Why a look came to no end.
enum Interrupted {
    /// Something was renamed meanwhile: another look may do.
    Unstable,
    Io(io::Error),
}

impl From<Unstable> for Interrupted {
    fn from(Unstable: Unstable) -> Self {
        Self::Unstable
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Tail {
    /// Looks at the path: is it the same text, a continuation of it, or another one?
    ///
    /// # Errors
    /// Where something is at the path that cannot be read or is no regular file.
    pub fn look(&mut self, look: &Look<'_>) -> io::Result<()> {
        /// Each time something was renamed while we looked.
        const MAX_LOOKS: usize = 8;
        self.polled_at = Some(look.now);
        for held in &mut self.texts {
            held.note_size(look.now);
        }
        for _ in 0..MAX_LOOKS {
            match self.look_once(look) {
                Err(Interrupted::Unstable) => {}
                Err(Interrupted::Io(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        // Files are being rotated faster than we can look: we look again when the next event comes, or soon.
        let was_gone = self.gone_since.is_some();
        let suspicion = Suspicion::new(Seen::default(), look.now);
        self.candidate = Some(Candidate { id: FileId::default(), suspicion, was_gone });
        Ok(())
    }

    fn look_once(&mut self, look: &Look<'_>) -> Result<(), Interrupted> {
        let Some(file) = open_regular(&self.path)? else {
            self.gone_since.get_or_insert(look.now);
            self.candidate = None;
            return Ok(());
        };
        let Some(held) = self.texts.back_mut() else {
            // A text that was let go and is back, or a new one: never one rewritten in place.
            self.gone_since = None;
            return self.adopt(file, look);
        };
        let was_gone = self.gone_since.is_some() || look.was_removed;
        let id = FileId::of(&file)?;
        if id == held.text.id() {
            self.gone_since = None;
            self.candidate = None;
            held.text.refresh(file);
            held.text.verify(look.now)?;
            if held.text.is_rewritten(look.now) {
                return self.rewritten_in_place(look);
            }
            return Ok(());
        }
        self.follow_rewritten(look)?;
        match self.succession(&file, was_gone, look.now)? {
            Succession::SameText => self.reopen(file)?,
            Succession::Undecided => {}
            Succession::Rotated => {
                let copy = self.moved_copy();
                let text = self.at_start(file, look)?;
                return self.succeed(text, copy, look);
            }
            Succession::Rewritten => {
                // A text that was saved once more and then rotated away is beside the path with all that it had.
                let copy = self.moved_copy();
                let was_rotated = copy.is_some();
                let text = if was_rotated {
                    self.at_start(file, look)
                } else {
                    self.rewritten(file, look)
                }?;
                return self.succeed(text, copy, look);
            }
        }
        self.gone_since = None;
        Ok(())
    }

    /// Puts another text at the path. The one that was there is read to its end, in its copy where it has one, and what
    /// came in between.
    fn succeed(
        &mut self,
        text: Text,
        copy: Option<Sibling>,
        look: &Look<'_>,
    ) -> Result<(), Interrupted> {
        let place = self.place();
        let Some(held) = self.texts.back_mut() else { return Ok(()) };
        let mark = held.text.mark();
        let old = copy.as_ref().map_or(Ok(held.text.id()), |copy| FileId::of(&copy.file))?;
        let between = siblings::rotated_between(&place, &mark, old, text.id())?;
        if let Some(copy) = copy {
            self.reopen(copy.file)?;
        }
        if let Some(held) = self.texts.back_mut() {
            held.retired_until = Some(look.now + RETIRED_FOR);
        }
        self.hold_between(between, look);
        self.hold(text, None, look.now);
        self.gone_since = None;
        Ok(())
    }

    /// A file that was written anew and then moved away, all before anybody looked, holds a text of its own between the
    /// one that was read and the one at the path.
    fn follow_rewritten(&mut self, look: &Look<'_>) -> io::Result<()> {
        let Some(held) = self.texts.back() else { return Ok(()) };
        let mark = held.text.mark();
        // What cannot be read any more is as good as deleted.
        if held.is_deleted() || mark.is_in(held.text.file()).unwrap_or(true) {
            return Ok(());
        }
        let text = self.rewritten(held.text.file().try_clone()?, look)?;
        self.texts.pop_back();
        if let Some(copy) = siblings::find_copy(&self.place(), &mark) {
            self.hold_found(copy, mark.offset, look);
        }
        self.hold(text, None, look.now);
        Ok(())
    }

    /// Where the current text goes on beside the path, if its own file is deleted.
    fn moved_copy(&self) -> Option<Sibling> {
        let held = self.texts.back().filter(|held| held.is_deleted())?;
        if held.text.size().unwrap_or(0) == 0 {
            return None; // nothing would be proof
        }
        let goes_on = |file: &File| held.text.goes_on_in(file).unwrap_or(false);
        siblings::find_younger(&self.place(), &held.text.mark(), goes_on)
    }

    fn succession(
        &mut self,
        file: &File,
        mut was_gone: bool,
        now: Instant,
    ) -> io::Result<Succession> {
        let previous = self.candidate.take();
        let Some(held) = self.texts.back() else { return Ok(Succession::Rotated) };
        let whereabouts = if held.text.has_a_name().unwrap_or(false) {
            Some(siblings::whereabouts(&self.place(), held.text.id()))
        } else {
            None
        };
        if matches!(whereabouts, Some(Whereabouts::Moved(_))) {
            return Ok(Succession::Rotated);
        }
        if held.text.goes_on_in(file)? {
            return Ok(Succession::SameText);
        }
        was_gone |= previous.as_ref().is_some_and(|previous| previous.was_gone);
        // That a file was deleted may be told a moment after the new one is seen.
        let is_unclear = held.text.begins_in(file)? || (whereabouts.is_none() && !was_gone);
        if is_unclear {
            let (id, seen) = (FileId::of(file)?, Seen::of(file)?);
            let suspicion = previous.filter(|previous| previous.id == id);
            let mut suspicion = suspicion.map_or(Suspicion::new(seen, now), |it| it.suspicion);
            suspicion.note(seen, now);
            if !suspicion.is_certain(now) {
                self.candidate = Some(Candidate { id, suspicion, was_gone });
                return Ok(Succession::Undecided);
            }
        }
        // What was moved out of the directory, or deleted before a new one was made, was not rewritten.
        let is_rotation = match whereabouts {
            Some(Whereabouts::Moved(_) | Whereabouts::Elsewhere) => true,
            Some(Whereabouts::Backup) => false,
            None => was_gone,
        };
        Ok(if is_rotation { Succession::Rotated } else { Succession::Rewritten })
    }

    fn reopen(&mut self, file: File) -> io::Result<()> {
        if let Some(held) = self.texts.back_mut() {
            held.text.go_on_in(file)?;
            held.ended_at = None;
            if !held.text.is_within_line() {
                self.jumps.push(Jump { generation: held.generation, mark: held.text.mark() });
            }
        }
        Ok(())
    }

    /// Another text stands in the same file. Where a copy of the old one is beside it, it was rotated by copying, and
    /// the copy may hold lines that nobody has read.
    fn rewritten_in_place(&mut self, look: &Look<'_>) -> Result<(), Interrupted> {
        let place = self.place();
        let Some(held) = self.texts.back() else { return Ok(()) };
        let (file, mark) = (held.text.file().try_clone()?, held.text.mark());
        let text = if let Some(copy) = siblings::find_copy(&place, &mark) {
            let (old, current) = (FileId::of(&copy.file)?, held.text.id());
            let between = siblings::rotated_between(&place, &mark, old, current)?;
            let text = self.at_start(file, look)?;
            self.texts.pop_back();
            self.hold_found(copy, mark.offset, look);
            self.hold_between(between, look);
            text
        } else {
            let text = self.rewritten(file, look)?;
            self.texts.pop_back();
            text
        };
        self.hold(text, None, look.now);
        Ok(())
    }

    /// Takes over a file that is at the path while no text is held: at the start, or when it appears.
    fn adopt(&mut self, file: File, look: &Look<'_>) -> Result<(), Interrupted> {
        let was_let_go = self.next_generation > 0;
        let Some(newest) = self.resume.last().copied() else {
            let text = self.at_start(file, look)?;
            self.hold(text, None, look.now);
            return Ok(());
        };
        let (current, place) = (FileId::of(&file)?, self.place());
        // At offset 0 nothing tells one text from another but the inode and the name.
        let is_same_file = current == newest.id
            && (newest.offset > 0 || !siblings::was_created_after(&file, &newest));
        let goes_on = newest.is_in(&file)?
            && (is_same_file
                || (newest.offset > 0 && siblings::find_moved(&place, &newest).is_none()));
        let mut marks = self.resume.clone();
        if goes_on {
            marks.pop();
        }
        // Texts that were rotated away: whatever was written to them since is read first.
        let mut found: Vec<_> = marks
            .into_iter()
            .filter_map(|mark| Some((siblings::find(&place, &mark)?, mark.offset, mark)))
            .collect();
        if !goes_on && let Some(moved) = siblings::find_reused(&place, &newest) {
            found.push((moved, 0, newest));
        }
        // The newest of them was at the path once; what is younger came after it.
        let between = match found.last().filter(|_| !goes_on) {
            Some((last, _, mark)) => {
                siblings::rotated_between(&place, mark, FileId::of(&last.file)?, current)
            }
            None => Ok(Vec::new()),
        }?;
        let is_rotation = !found.is_empty() || newest.offset == 0 || was_let_go;
        let text = if goes_on {
            Text::open_at(file, newest.offset, self.settings.max_line_bytes)
        } else if is_rotation {
            self.at_start(file, look)
        } else {
            self.rewritten(file, look)
        }?;
        self.resume.clear(); // nothing fails from here on
        for (sibling, offset, _) in found {
            if !(look.is_taken)(&sibling.path) {
                self.hold_found(sibling, offset, look);
            }
        }
        self.hold_between(between, look);
        self.hold(text, None, look.now);
        Ok(())
    }

    /// Holds texts that nobody has seen while they were at the path.
    fn hold_between(&mut self, between: Vec<Sibling>, look: &Look<'_>) {
        let n_too_many = between.len().saturating_sub(MAX_RETIRED);
        for sibling in between.into_iter().skip(n_too_many) {
            // The inode alone says little: it may have been used again.
            let is_known = FileId::of(&sibling.file).is_ok_and(|id| {
                let holds = |mark: &Mark| mark.is_in(&sibling.file).unwrap_or(false);
                self.known.iter().any(|mark| mark.id == id && mark.offset > 0 && holds(mark))
            });
            if !is_known && !(look.is_taken)(&sibling.path) {
                self.hold_found(sibling, 0, look);
            }
        }
    }

    /// Holds a text that was found under another name; a copy also where it is watched there, which is from its end on. One that cannot be read is passed over with a word: nobody looks
    /// for it again.
    fn hold_found(&mut self, sibling: Sibling, offset: u64, look: &Look<'_>) {
        let text = match Text::open_at(sibling.file, offset, self.settings.max_line_bytes) {
            Ok(text) => text,
            Err(error) => {
                warn!(path = %sibling.path.display(), "what was rotated away cannot be read: {error}");
                return;
            }
        };
        // Two marks may lead to the same text: a copy, and what it is a copy of.
        if let Some(idx) = self.texts.iter().position(|held| held.text.id() == text.id()) {
            let held = &mut self.texts[idx];
            if held.text.mark().is_in(held.text.file()).unwrap_or(false) {
                if held.text.offset() < offset {
                    held.text = text;
                    self.jumps.push(Jump { generation: held.generation, mark: held.text.mark() });
                }
                return;
            }
            // The place of an old copy was used again.
            self.texts.remove(idx);
        }
        self.hold(text, Some(look.now + RETIRED_FOR), look.now);
    }

    /// Where the file really is: behind a link, its old texts are beside the target.
    fn place(&self) -> PathBuf {
        let is_link = self.path.is_symlink();
        let target = is_link.then(|| self.path.canonicalize().ok()).flatten();
        target.unwrap_or_else(|| self.path.clone())
    }

    /// A text that begins here, but for what was read of it under another name.
    fn at_start(&self, file: File, look: &Look<'_>) -> io::Result<Text> {
        let offset = (look.read_elsewhere)(&file);
        Text::open_at(file, offset, self.settings.max_line_bytes)
    }

    fn rewritten(&self, file: File, look: &Look<'_>) -> io::Result<Text> {
        match self.settings.on_rewrite {
            OnRewrite::Beginning => self.at_start(file, look),
            OnRewrite::End => Text::open_at_end(file, self.settings.max_line_bytes),
        }
    }
}
