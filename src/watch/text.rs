//! One open text: reads it in blocks, cuts it into lines, and notices when it is no longer the same text.
//!
//! Knows nothing of paths, rotation or what a line is for; the time is an argument.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::continuity::{FileId, Mark, WINDOW, last, read_at, window_before};

/// How much is read at once. A backlog is read block by block as its lines are taken, so this bounds its memory.
const BLOCK: usize = 32 * 1_024;

/// How much is read for one line at most before others have their turn: a megabyte without a newline.
const BLOCKS_PER_TURN: usize = 32;

/// A program that saves in place truncates the file and writes it again a moment later. What looks like another text
/// is looked at once more after this time, before it counts as one.
const GRACE: Duration = Duration::from_millis(50);

/// A complete line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// The bytes, without the newline.
    pub bytes: Vec<u8>,
    /// The position behind it.
    pub mark: Mark,
    /// It was longer than allowed; the rest was dropped.
    pub was_cut: bool,
}

/// What a look at the rest of a text found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A line.
    Line(RawLine),
    /// No complete line beyond the position.
    End,
    /// What stands before the position has changed: this is another text now.
    Rewritten,
    /// A part of a line that is too long was passed over; there is more.
    More,
}

/// A text and the position in it.
#[derive(Debug)]
pub struct Text {
    file: File,
    id: FileId,
    /// Bytes of the file from `base` on: up to [`WINDOW`] before the position, then what was read beyond it.
    bytes: Vec<u8>,
    base: u64,
    /// The position, as an index into `bytes`.
    position: usize,
    /// Up to where no newline was found.
    scanned: usize,
    /// The beginning of a line that is too long, while the rest of it is passed over.
    head: Option<Vec<u8>>,
    max_line_bytes: usize,
    /// Since when something else stands before the position.
    suspect_since: Option<Instant>,
}

impl Text {
    /// Begins at a position of a file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_at(file: File, offset: u64, max_line_bytes: usize) -> io::Result<Self> {
        let id = FileId::of(&file)?;
        let bytes = window_before(&file, offset, WINDOW)?;
        let position = bytes.len();
        let base = offset - position as u64;
        Ok(Self {
            file,
            id,
            bytes,
            base,
            position,
            scanned: position,
            head: None,
            max_line_bytes,
            suspect_since: None,
        })
    }

    /// Begins behind the last complete line: a line that is being written when watching begins is spoken whole.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_at_end(file: File, max_line_bytes: usize) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let n_bytes = usize::try_from(size).unwrap_or(usize::MAX).min(max_line_bytes);
        let mut rest = vec![0; n_bytes];
        let from = size - n_bytes as u64;
        let n_read = read_at(&file, &mut rest, from)?;
        rest.truncate(n_read);
        let offset = match rest.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => from + newline as u64 + 1,
            None if from == 0 => 0,
            None => size,
        };
        Self::open_at(file, offset, max_line_bytes)
    }

    /// Which file it is.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The position, with what stands before it.
    pub fn mark(&self) -> Mark {
        Mark::new(self.id, self.offset(), &self.bytes[..self.position])
    }

    /// Bytes before the position.
    pub fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// Bytes beyond the position; a text that was rewritten has at least one, whatever its size.
    ///
    /// # Errors
    /// Where the kernel does not tell the size.
    pub fn n_unread(&self) -> io::Result<u64> {
        let n_beyond = self.file.metadata()?.len().saturating_sub(self.offset());
        Ok(n_beyond.max(u64::from(self.suspect_since.is_some())))
    }

    /// Looks whether what was read still stands there: a text may be rewritten at equal size.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn verify(&mut self, now: Instant) -> io::Result<()> {
        let known = last(&self.bytes, WINDOW);
        let read_to = self.base + self.bytes.len() as u64;
        let is_same = window_before(&self.file, read_to, known.len())? == known;
        self.suspect_since = if is_same { None } else { Some(self.suspect_since.unwrap_or(now)) };
        Ok(())
    }

    /// When a suspicion is to be looked at again; `None` where there is none.
    pub fn decided_at(&self) -> Option<Instant> {
        self.suspect_since.map(|since| since + GRACE)
    }

    /// The size of the file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// What a difference means: for a moment nothing, then that this is another text.
    fn suspect(&mut self, now: Instant) -> Found {
        let since = *self.suspect_since.get_or_insert(now);
        if now.duration_since(since) >= GRACE { Found::Rewritten } else { Found::End }
    }

    /// Whether a name still leads to the file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn has_a_name(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() > 0)
    }

    /// Whether that file goes on where this one stands: the same bytes before the position, and nothing beyond it here
    /// that is not there as well.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn goes_on_in(&self, other: &File) -> io::Result<bool> {
        if !self.mark().is_in(other)? {
            return Ok(false);
        }
        let (mut here, mut there) = (vec![0; BLOCK], vec![0; BLOCK]);
        let n_here = read_at(&self.file, &mut here, self.offset())?;
        let n_there = read_at(other, &mut there[..n_here], self.offset())?;
        Ok(here[..n_here] == there[..n_there])
    }

    /// Takes the next complete line, reading on where necessary. `block` is scratch space that callers share.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn next_line(&mut self, block: &mut Vec<u8>, now: Instant) -> io::Result<Found> {
        for _ in 0..BLOCKS_PER_TURN {
            if let Some(line) = self.take_line() {
                return Ok(Found::Line(line));
            }
            self.pass_over_long_line();
            let n_known = self.bytes.len().min(WINDOW);
            block.resize(n_known + BLOCK, 0);
            let read_to = self.base + self.bytes.len() as u64;
            // One call reads what is known and what is new, so that nobody can change the text in between.
            let n_read = read_at(&self.file, block, read_to - n_known as u64)?;
            if n_read < n_known || block[..n_known] != *last(&self.bytes, n_known) {
                return Ok(self.suspect(now));
            }
            self.suspect_since = None;
            if n_read == n_known {
                self.shrink();
                return Ok(Found::End);
            }
            self.forget();
            self.bytes.extend_from_slice(&block[n_known..n_read]);
        }
        Ok(Found::More)
    }

    fn take_line(&mut self) -> Option<RawLine> {
        let Some(newline) = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n')
        else {
            self.scanned = self.bytes.len();
            return None;
        };
        let end = self.scanned + newline;
        let (bytes, was_cut) = if let Some(head) = self.head.take() {
            (head, true)
        } else {
            let whole = &self.bytes[self.position..end];
            let kept = whole.len().min(self.max_line_bytes);
            (whole[..kept].to_vec(), kept < whole.len())
        };
        self.position = end + 1;
        self.scanned = self.position;
        Some(RawLine { bytes, mark: self.mark(), was_cut })
    }

    /// Keeps only the beginning of a line that is too long, however much of it is still to come. The position that
    /// bookmarks see stays in front of the line until its newline is found.
    fn pass_over_long_line(&mut self) {
        let n_partial = self.bytes.len() - self.position;
        if self.head.is_none() && n_partial > self.max_line_bytes {
            let end = self.position + self.max_line_bytes;
            self.head = Some(self.bytes[self.position..end].to_vec());
        }
        if self.head.is_some() {
            self.position = self.bytes.len();
        }
    }

    /// Forgets what stands further before the position than the window.
    fn forget(&mut self) {
        let n_bytes = self.position.saturating_sub(WINDOW);
        self.bytes.drain(..n_bytes);
        self.base += n_bytes as u64;
        self.position -= n_bytes;
        self.scanned -= n_bytes;
    }

    /// Gives the room of a large block back once everything is read.
    fn shrink(&mut self) {
        if self.bytes.capacity() > 4 * WINDOW {
            self.forget();
            self.bytes.shrink_to(2 * WINDOW);
        }
    }
}

#[cfg(test)]
mod tests;
