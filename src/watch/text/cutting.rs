//! Cuts what was read of a text into lines.

use memchr::{memchr, memrchr};

use super::{RawLine, Text};
use crate::config::Filter;

impl Text {
    /// Takes the last line although it has no end, up to the last complete character. `None` where there is none, or
    /// where it is not wanted as it stands: what is added to it may change that.
    pub fn take_unfinished(&mut self, filter: &Filter) -> Option<RawLine> {
        self.unfinished = None;
        let rest = &self.bytes[self.position..];
        if self.head.is_some() || rest.is_empty() {
            return None;
        }
        let end = self.position + n_complete(rest);
        let bytes = self.bytes[self.position..end].to_vec();
        if !filter.wants(&bytes) {
            return None;
        }
        self.position = end;
        self.scanned = end;
        (!bytes.is_empty()).then(|| RawLine { bytes, mark: self.mark(), was_cut: false })
    }

    /// Passes over the last line, which has no end and will not get one.
    pub fn pass_unfinished(&mut self) {
        (self.position, self.scanned) = (self.bytes.len(), self.bytes.len());
        self.unfinished = None;
    }

    pub(super) fn take_line(&mut self, filter: &Filter) -> Option<RawLine> {
        loop {
            if self.head.is_none() && !filter.is_open() && !self.find_wanted(filter) {
                return None;
            }
            let Some(newline) = memchr(b'\n', &self.bytes[self.scanned..]) else {
                self.scanned = self.bytes.len();
                return None;
            };
            let end = self.scanned + newline;
            let (bytes, was_cut) = match self.head.take() {
                Some(head) => (head, true),
                None => self.line_up_to(end),
            };
            self.position = end + 1;
            self.scanned = self.position;
            // A line that came in several blocks was not seen by the search. Patterns see of a line what would be spoken.
            if !was_cut || filter.wants(&bytes) {
                self.has_passed = false;
                return Some(RawLine { bytes, mark: self.mark(), was_cut });
            }
            self.has_passed = true;
        }
    }

    /// Moves on to the first wanted line among the complete ones that were read. Returns whether there is one.
    fn find_wanted(&mut self, filter: &Filter) -> bool {
        let Some(newline) = memrchr(b'\n', &self.bytes[self.scanned..]) else {
            self.scanned = self.bytes.len();
            return false;
        };
        let end = self.scanned + newline + 1;
        let wanted = filter.next_wanted(&self.bytes[self.position..end], self.max_line_bytes);
        let next = wanted.as_ref().map_or(end, |line| self.position + line.start);
        self.has_passed |= next > self.position;
        self.position = next;
        self.scanned = next;
        wanted.is_some()
    }

    /// The line from the position on. A program that goes on writing where a truncated file once ended leaves NULs in
    /// front of it.
    fn line_up_to(&self, end: usize) -> (Vec<u8>, bool) {
        let whole = &self.bytes[self.position..end];
        let whole = &whole[n_nuls(whole)..];
        let kept = whole.len().min(self.max_line_bytes);
        (whole[..kept].to_vec(), kept < whole.len())
    }

    /// Passes over NULs in front of a line, however many, and keeps only the beginning of a line that is too long. The
    /// position that bookmarks see stays in front of such a line until its newline is found.
    pub(super) fn pass_over(&mut self) {
        if self.head.is_none() {
            let n_passed = n_nuls(&self.bytes[self.position..]);
            self.position += n_passed;
            self.has_passed |= n_passed > 0;
            if self.bytes.len() - self.position > self.max_line_bytes {
                let end = self.position + self.max_line_bytes;
                self.head = Some(self.bytes[self.position..end].to_vec());
            }
        }
        if self.head.is_some() {
            self.position = self.bytes.len();
        }
        self.scanned = self.scanned.max(self.position);
    }
}

pub(super) fn n_nuls(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())
}

/// How many of these bytes come before a character of which only a part is there.
fn n_complete(bytes: &[u8]) -> usize {
    for (n_there, byte) in bytes.iter().rev().take(3).enumerate().map(|(idx, byte)| (idx + 1, byte))
    {
        let n_needed = match byte {
            0x80..=0xbf => continue, // within a character
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x00..=0x7f | 0xf8..=0xff => 1,
        };
        return if n_there < n_needed { bytes.len() - n_there } else { bytes.len() };
    }
    bytes.len()
}
