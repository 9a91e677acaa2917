//! One open text: reads it in blocks, cuts it into lines, and notices when it is no longer the same text.
//!
//! Knows nothing of paths, rotation or what a line is for; the time is an argument.

mod cutting;
mod scout;
mod suspicion;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use memchr::memrchr;

use super::continuity::{FileId, Mark, WINDOW, last, modified_ns, read_at, window_before};
use crate::config::Filter;
use scout::Scout;
pub use suspicion::{Seen, Suspicion};

/// How much is read at once. A backlog is read block by block as its lines are taken, so this bounds its memory.
const BLOCK: usize = 64 * 1_024;

/// How much is read for one line at most before others have their turn: a few megabytes without a wanted line.
const BLOCKS_PER_TURN: usize = 32;

/// A complete line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// The bytes, without the newline and without NULs in front.
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
    /// Much was passed over; there is more.
    More,
}

/// The text of a line: the marks that other systems put around it are none of it, and what is no UTF-8 is shown as such.
pub fn text_of(bytes: &[u8]) -> Arc<str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into()
}

/// Whether nobody waits to hear a line: there is nothing in it. NULs in front of a line are none of it.
pub fn is_blank(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    // Most lines begin with a letter.
    !bytes.first().is_some_and(u8::is_ascii_graphic)
        && text_of(&bytes[cutting::n_nuls(bytes)..]).trim().is_empty()
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
    /// When the file was last written, as of the last read.
    modified_ns: i64,
    suspicion: Option<Suspicion>,
    /// Up to where an unfinished last line reached, and since when.
    unfinished: Option<(u64, Instant)>,
    /// The position moved over something that nobody wants since the last line was taken.
    has_passed: bool,
    scout: Scout,
}

impl Text {
    /// Begins at a position of a file.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_at(file: File, offset: u64, max_line_bytes: usize) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let bytes = window_before(&file, offset, WINDOW)?;
        let position = bytes.len();
        Ok(Self {
            file,
            id: FileId::of_metadata(&metadata),
            base: offset - position as u64,
            bytes,
            position,
            scanned: position,
            head: None,
            max_line_bytes,
            modified_ns: modified_ns(&metadata),
            suspicion: None,
            unfinished: None,
            has_passed: false,
            scout: Scout::default(),
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
        let offset = match memrchr(b'\n', &rest) {
            Some(newline) => from + newline as u64 + 1,
            None if from == 0 => 0,
            None => size,
        };
        Self::open_at(file, offset, max_line_bytes)
    }

    /// Goes on in another file that has the same text.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn go_on_in(&mut self, file: File) -> io::Result<()> {
        let other = Self::open_at(file, self.offset(), self.max_line_bytes)?;
        let before = std::mem::replace(self, other);
        (self.scout, self.head) = (before.scout, before.head);
        Ok(())
    }

    /// Whether the position is within a line that is too long, and not between two.
    pub fn is_within_line(&self) -> bool {
        self.head.is_some()
    }

    /// Up to where it was read, if it still holds what was read.
    pub fn read_to(&self) -> Option<u64> {
        self.suspicion.is_none().then_some(self.base + self.bytes.len() as u64)
    }

    /// Takes a fresh handle of the same file: on layered and on network file systems an old one may not see what is
    /// written by others.
    pub fn refresh(&mut self, file: File) {
        self.file = file;
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
        Mark::new(self.id, self.offset(), &self.bytes[..self.position], self.modified_ns)
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
        let n_beyond = self.size()?.saturating_sub(self.offset());
        Ok(n_beyond.max(u64::from(self.suspicion.is_some())))
    }

    /// The size of the file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether a name still leads to the file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn has_a_name(&self) -> io::Result<bool> {
        Ok(std::os::unix::fs::MetadataExt::nlink(&self.file.metadata()?) > 0)
    }

    /// Looks whether what was read still stands there: a text may be rewritten at equal size.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn verify(&mut self, now: Instant) -> io::Result<()> {
        let known = last(&self.bytes, WINDOW);
        let read_to = self.base + self.bytes.len() as u64;
        if window_before(&self.file, read_to, known.len())? == known {
            self.suspicion = None;
        } else {
            self.suspect(now)?;
        }
        Ok(())
    }

    /// Whether the suspicion that this is another text has hardened.
    pub fn is_rewritten(&self, now: Instant) -> bool {
        self.suspicion.as_ref().is_some_and(|it| it.is_certain(now))
    }

    /// When a suspicion is to be looked at again; `None` where there is none.
    pub fn decided_at(&self) -> Option<Instant> {
        self.suspicion.as_ref().map(Suspicion::certain_at)
    }

    /// Notes that something else stands before the position.
    fn suspect(&mut self, now: Instant) -> io::Result<()> {
        let seen = Seen::of(&self.file)?;
        self.suspicion.get_or_insert_with(|| Suspicion::new(seen, now)).note(seen, now);
        Ok(())
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
        // A handle that has become stale tells of nothing beyond.
        let n_here = read_at(&self.file, &mut here, self.offset()).unwrap_or(0);
        let n_there = read_at(other, &mut there[..n_here], self.offset())?;
        Ok(here[..n_here] == there[..n_there])
    }

    /// Whether that file may be this text in the making: shorter than what was read, and the same as far as it goes.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn begins_in(&self, other: &File) -> io::Result<bool> {
        let size = other.metadata()?.len();
        if size >= self.offset() {
            return Ok(false);
        }
        let there = window_before(other, size, WINDOW)?;
        Ok(window_before(&self.file, size, WINDOW).is_ok_and(|here| here == there))
    }

    /// Takes the next complete line that the filter wants, reading on where necessary. `block` is scratch space that
    /// callers share.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn next_line(
        &mut self,
        filter: &Filter,
        block: &mut Vec<u8>,
        now: Instant,
    ) -> io::Result<Found> {
        for _ in 0..BLOCKS_PER_TURN {
            if let Some(line) = self.take_line(filter) {
                return Ok(Found::Line(line));
            }
            self.pass_over();
            let n_known = self.bytes.len().min(WINDOW);
            if block.len() < WINDOW + BLOCK {
                block.resize(WINDOW + BLOCK, 0);
            }
            let read_to = self.base + self.bytes.len() as u64;
            // Before the bytes: what is written in between makes the time too old, never too young.
            let modified_ns = modified_ns(&self.file.metadata()?);
            // One call reads what is known and what is new, so that nobody can change the text in between.
            let n_read =
                read_at(&self.file, &mut block[..n_known + BLOCK], read_to - n_known as u64)?;
            if n_read < n_known || block[..n_known] != *last(&self.bytes, n_known) {
                self.suspect(now)?;
                return Ok(if self.is_rewritten(now) { Found::Rewritten } else { Found::End });
            }
            self.suspicion = None;
            self.modified_ns = modified_ns;
            if n_read == n_known {
                self.end(now);
                return Ok(Found::End);
            }
            self.forget();
            self.bytes.extend_from_slice(&block[n_known..n_read]);
        }
        Ok(Found::More)
    }

    /// Whether the position moved over what nobody wants since the last call or the last line; it is between two lines
    /// then.
    pub fn take_passed(&mut self) -> bool {
        self.head.is_none() && std::mem::take(&mut self.has_passed)
    }

    /// Since when the last line stands there without its end.
    pub fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished.map(|(_, since)| since)
    }

    /// Everything was read: notes what is unfinished, and gives the room of a large block back.
    fn end(&mut self, now: Instant) {
        let read_to = self.base + self.bytes.len() as u64;
        let has_more = self.position < self.bytes.len();
        self.unfinished = match self.unfinished {
            _ if !has_more => None,
            Some((end, since)) if end == read_to => Some((end, since)),
            Some(_) | None => Some((read_to, now)),
        };
        if self.bytes.capacity() > 2 * WINDOW {
            self.forget();
            self.bytes.shrink_to(WINDOW);
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
}

#[cfg(test)]
mod tests;
