//! Counts what waits in a text without taking it, for limits on how much may wait.

use std::io;

use memchr::{memchr, memrchr};

use super::super::continuity::read_at;
use super::{BLOCK, BLOCKS_PER_TURN, Text, is_blank};
use crate::config::Filter;

/// How far the text was counted.
#[derive(Debug, Default)]
pub(super) struct Scout {
    /// Up to this offset, which is the beginning of a line unless one is too long for a block.
    to: u64,
    /// It stands within a line that was counted.
    is_in_line: bool,
}

/// What was counted in one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scouted {
    /// Complete lines that are wanted and not blank, beyond those counted before.
    pub n_lines: u64,
    /// Where counting stands.
    pub to: u64,
    /// There is more to count.
    pub has_more: bool,
}

impl Text {
    /// How far was counted.
    pub fn scouted_to(&self) -> u64 {
        self.scout.to
    }

    /// Where counting goes on.
    pub fn scouting_from(&self) -> u64 {
        self.scout.to.max(self.offset())
    }

    /// Counts on from where it stands, or from the position, up to `max` lines.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn scout(&mut self, filter: &Filter, block: &mut Vec<u8>, max: u64) -> io::Result<Scouted> {
        if self.scout.to < self.offset() {
            self.scout = Scout { to: self.offset(), is_in_line: self.head.is_some() };
        }
        block.resize(block.len().max(BLOCK), 0);
        let mut n_lines = 0;
        for _ in 0..BLOCKS_PER_TURN {
            let n_read = read_at(&self.file, &mut block[..BLOCK], self.scout.to)?;
            let is_last = n_read < BLOCK;
            let mut bytes = &block[..n_read];
            if self.scout.is_in_line {
                let n_rest = memchr(b'\n', bytes).map_or(n_read, |newline| newline + 1);
                self.scout.is_in_line = n_rest == n_read && bytes.last() != Some(&b'\n');
                self.scout.to += n_rest as u64;
                bytes = &bytes[n_rest..];
            }
            if n_lines >= max {
                return Ok(Scouted { n_lines, to: self.scout.to, has_more: true });
            }
            if let Some(newline) = memrchr(b'\n', bytes) {
                let max = max - n_lines;
                let (n, n_bytes) = count(filter, &bytes[..=newline], self.max_line_bytes, max);
                n_lines += n;
                self.scout.to += n_bytes as u64;
            } else if !is_last && bytes.len() == BLOCK {
                // A line longer than a block counts by its beginning.
                n_lines += u64::from(filter.wants(&bytes[..self.max_line_bytes.min(BLOCK)]));
                self.scout.is_in_line = true;
                self.scout.to += bytes.len() as u64;
            }
            if is_last && n_lines < max {
                return Ok(Scouted { n_lines, to: self.scout.to, has_more: false });
            }
        }
        Ok(Scouted { n_lines, to: self.scout.to, has_more: true })
    }
}

/// Counts at most `max` wanted lines among complete ones. Returns how many, and how many bytes they and the unwanted
/// ones before them take.
fn count(filter: &Filter, lines: &[u8], max_line_bytes: usize, max: u64) -> (u64, usize) {
    let (mut n_lines, mut from) = (0, 0);
    while n_lines < max {
        let Some(line) = filter.next_wanted(&lines[from..], max_line_bytes) else {
            return (n_lines, lines.len());
        };
        n_lines += u64::from(!is_blank(&lines[from..][line.clone()]));
        from += line.end + 1;
    }
    (n_lines, from.min(lines.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn scouted(content: &[u8], include: &[&str], max: u64) -> (Vec<u64>, u64) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("text");
        std::fs::write(&path, content).unwrap();
        let include = include.iter().map(|it| (*it).to_owned()).collect();
        let filter = Filter::new(include, Vec::new()).unwrap();
        let mut text = Text::open_at(File::open(&path).unwrap(), 0, 1_000).unwrap();
        let mut counts = Vec::new();
        loop {
            let scouted = text.scout(&filter, &mut Vec::new(), max).unwrap();
            counts.push(scouted.n_lines);
            if !scouted.has_more {
                return (counts, scouted.to);
            }
        }
    }

    #[test]
    fn what_waits_is_counted_without_what_is_blank_unwanted_or_unfinished() {
        let content = b"one\n\n  \ntwo\nthree\nunfin";
        assert_eq!(scouted(content, &[], 100), (vec![3], 18));
        assert_eq!(scouted(content, &[], 2), (vec![2, 1], 18));
        assert_eq!(scouted(content, &["^t"], 100), (vec![2], 18));
        assert_eq!(scouted(b"", &[], 100), (vec![0], 0));
    }

    #[test]
    fn lines_longer_than_a_block_and_many_blocks_are_counted_right() {
        let mut content = vec![b'x'; 3 * BLOCK];
        content.extend_from_slice(b"\nshort\n");
        content.extend(vec![b'y'; 2 * BLOCK]);
        content.push(b'\n');
        let (counts, to) = scouted(&content, &[], u64::MAX);
        assert_eq!((counts.iter().sum::<u64>(), to), (3, content.len() as u64));
        let many = b"a line of some length\n".repeat(200_000);
        let (counts, to) = scouted(&many, &[], u64::MAX);
        assert_eq!((counts.iter().sum::<u64>(), to), (200_000, many.len() as u64));
        assert!(counts.len() > 1, "others have their turn");
    }
}
