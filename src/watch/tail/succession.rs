//! What has become of the text that was at a path: does it go on, was it rotated away, or written anew?
//!
//! The order of the questions matters. A text that is still there under another name was rotated, whatever the new one
//! says; else the content decides, because editors save under new inodes and log programs reuse old ones.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::super::continuity::{FileId, Mark};
use super::super::regular::open_regular;
use super::super::siblings::{self, Sibling, Whereabouts};
use super::super::text::{Suspicion, Text};
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

impl Tail {
    /// Looks at the path: is it the same text, a continuation of it, or another one?
    ///
    /// # Errors
    /// Where something is at the path that cannot be read or is no regular file.
    pub fn look(&mut self, look: &Look<'_>) -> io::Result<()> {
        self.polled_at = Some(look.now);
        for held in &mut self.texts {
            held.note_size(look.now);
        }
        let Some(file) = open_regular(&self.path)? else {
            self.gone_since.get_or_insert(look.now);
            self.candidate = None;
            return Ok(());
        };
        let was_gone = self.gone_since.take().is_some();
        let Some(held) = self.texts.back_mut() else {
            // A text that was let go and is back, or a new one: never one rewritten in place.
            self.adopt(file, look)?;
            return Ok(());
        };
        if FileId::of(&file)? == held.text.id() {
            self.candidate = None;
            held.text.refresh(file);
            held.text.verify(look.now)?;
            if held.text.is_rewritten(look.now) {
                self.rewritten_in_place(look)?;
            }
            return Ok(());
        }
        match self.succession(&file, was_gone || look.was_removed, look.now)? {
            Succession::SameText => self.reopen(file)?,
            Succession::Undecided => {}
            Succession::Rotated => {
                self.retire_current(look);
                let text = self.at_start(file)?;
                self.hold(text, None, look.now);
            }
            Succession::Rewritten => {
                self.retire_current(look);
                let text = self.rewritten(file)?;
                self.hold(text, None, look.now);
            }
        }
        Ok(())
    }

    fn succession(
        &mut self,
        file: &File,
        mut was_gone: bool,
        now: Instant,
    ) -> io::Result<Succession> {
        let previous = self.candidate.take();
        let Some(held) = self.texts.back() else { return Ok(Succession::Rotated) };
        let whereabouts = if held.text.has_a_name()? {
            Some(siblings::whereabouts(&self.path, held.text.id()))
        } else {
            None
        };
        if matches!(whereabouts, Some(Whereabouts::Moved(_))) {
            return Ok(Succession::Rotated);
        }
        if held.text.goes_on_in(file)? {
            return Ok(Succession::SameText);
        }
        if held.text.begins_in(file)? {
            let (id, size) = (FileId::of(file)?, file.metadata()?.len());
            let mut candidate = previous
                .filter(|previous| previous.id == id)
                .unwrap_or(Candidate { id, suspicion: Suspicion::new(size, now), was_gone });
            candidate.suspicion.note(size, now);
            was_gone |= candidate.was_gone;
            if !candidate.suspicion.is_certain(now) {
                self.candidate = Some(candidate);
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
            self.jumps.push(Jump { generation: held.generation, mark: held.text.mark() });
        }
        Ok(())
    }

    /// The text at the path was moved or replaced: it is read to its end. What was rotated away after it, before
    /// anybody looked, comes next.
    fn retire_current(&mut self, look: &Look<'_>) {
        let Some(held) = self.texts.back_mut() else { return };
        held.retired_until = Some(look.now + RETIRED_FOR);
        let mark = held.text.mark();
        if let Some(moved) = siblings::find_moved(&self.path, &mark) {
            self.hold_rotated_after(&moved.path, &mark, look);
        }
    }

    /// Another text stands in the same file. Where a copy of the old one is beside it, it was rotated by copying, and
    /// the copy may hold lines that nobody has read.
    fn rewritten_in_place(&mut self, look: &Look<'_>) -> io::Result<()> {
        let Some(held) = self.texts.pop_back() else { return Ok(()) };
        let file = held.text.file().try_clone()?;
        let mark = held.text.mark();
        let text = match siblings::find_copy(&self.path, &mark) {
            Some(copy) => {
                self.hold_sibling(copy, &mark, look)?;
                self.at_start(file)
            }
            None => self.rewritten(file),
        }?;
        self.hold(text, None, look.now);
        Ok(())
    }

    /// Takes over a file that is at the path while no text is held: at the start, or when it appears.
    pub(super) fn adopt(&mut self, file: File, look: &Look<'_>) -> io::Result<()> {
        let was_let_go = self.next_generation > 0;
        let mut marks = std::mem::take(&mut self.resume);
        let Some(newest) = marks.pop() else {
            let text = self.at_start(file)?;
            self.hold(text, None, look.now);
            return Ok(());
        };
        // Texts that were rotated away before: whatever was written to them since is read first.
        for mark in marks {
            if let Some(sibling) = siblings::find(&self.path, &mark) {
                self.hold_found(sibling.file, &sibling.path, mark.offset, look)?;
            }
        }
        let is_same_file = FileId::of(&file)? == newest.id;
        let is_same_text = newest.is_in(&file)?;
        // At offset 0 nothing tells one text from another but the inode and the name.
        let goes_on = is_same_text
            && (is_same_file
                || (newest.offset > 0 && siblings::find_moved(&self.path, &newest).is_none()));
        let text = if goes_on {
            Text::open_at(file, newest.offset, self.settings.max_line_bytes)
        } else if let Some(sibling) = siblings::find(&self.path, &newest) {
            self.hold_sibling(sibling, &newest, look)?;
            self.at_start(file)
        } else if newest.offset == 0 || was_let_go {
            self.at_start(file)
        } else {
            self.rewritten(file)
        }?;
        self.hold(text, None, look.now);
        Ok(())
    }

    /// Holds a text that was found under another name, and those that were rotated away after it.
    fn hold_sibling(&mut self, sibling: Sibling, mark: &Mark, look: &Look<'_>) -> io::Result<()> {
        let Sibling { file, path } = sibling;
        self.hold_found(file, &path, mark.offset, look)?;
        self.hold_rotated_after(&path, mark, look);
        Ok(())
    }

    fn hold_rotated_after(&mut self, path: &Path, mark: &Mark, look: &Look<'_>) {
        let between = siblings::rotated_after(&self.path, path, mark);
        let n_too_many = between.len().saturating_sub(MAX_RETIRED);
        for Sibling { file, path } in between.into_iter().skip(n_too_many) {
            let is_known = FileId::of(&file).is_ok_and(|id| self.known.contains(&id));
            if !is_known {
                // What cannot be read now cannot be read later either: nobody looks at it again.
                drop(self.hold_found(file, &path, 0, look));
            }
        }
    }

    fn hold_found(
        &mut self,
        file: File,
        path: &Path,
        offset: u64,
        look: &Look<'_>,
    ) -> io::Result<()> {
        if (look.is_taken)(path) {
            return Ok(());
        }
        let text = Text::open_at(file, offset, self.settings.max_line_bytes)?;
        // Two marks may lead to the same text: a copy, and what it is a copy of.
        if let Some(held) = self.texts.iter_mut().find(|held| held.text.id() == text.id()) {
            if held.text.offset() < offset {
                held.text = text;
            }
            return Ok(());
        }
        self.hold(text, Some(look.now + RETIRED_FOR), look.now);
        Ok(())
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
}
