//! In which order files are read: as their bytes appeared, over all files of one lane.
//!
//! Holds numbers only; the lines stay in the files.

use std::collections::VecDeque;

use super::FileKey;
use crate::speech::Utterance;

/// More changes between files than this while nothing is read: their order among each other is given up, no line is.
const MAX_STRETCHES: usize = 1_024;

/// What is to be read, and the line that waits for room in the queue.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Lines that were taken out of their files and do not fit into the queue yet: one, and what was held back of files
    /// that are watched no longer.
    pub outgoing: VecDeque<Utterance>,
    stretches: VecDeque<Stretch>,
}

/// Bytes that appeared in one file while no other grew.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    file: FileKey,
    /// In bytes taken from that file since watching began.
    until: u64,
}

impl Backlog {
    /// Notes how much a file has that was not read.
    pub fn note(&mut self, file: FileKey, n_taken: u64, n_unread: u64) {
        let until = n_taken + n_unread;
        let last_of_file = self.stretches.iter().rposition(|stretch| stretch.file == file);
        let known_until = last_of_file.map_or(n_taken, |idx| self.stretches[idx].until);
        if n_unread == 0 || (last_of_file.is_some() && until <= known_until) {
            return;
        }
        match last_of_file {
            Some(idx)
                if idx + 1 == self.stretches.len() || self.stretches.len() >= MAX_STRETCHES =>
            {
                self.stretches[idx].until = until;
            }
            Some(_) | None => self.stretches.push_back(Stretch { file, until }),
        }
    }

    /// The file to read from.
    pub fn front(&self) -> Option<FileKey> {
        self.stretches.front().map(|stretch| stretch.file)
    }

    /// Notes that so much was taken from the file at the front.
    pub fn advance(&mut self, file: FileKey, n_taken: u64) {
        if self
            .stretches
            .front()
            .is_some_and(|stretch| stretch.file == file && stretch.until <= n_taken)
        {
            self.stretches.pop_front();
        }
    }

    /// The file at the front has no complete line left.
    pub fn finish_front(&mut self) {
        self.stretches.pop_front();
    }

    /// How many stretches are still to be read, the line that waits included.
    pub fn n_files(&self) -> usize {
        self.stretches.len() + self.outgoing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(backlog: &mut Backlog) -> Vec<FileKey> {
        std::iter::from_fn(|| {
            let front = backlog.front();
            backlog.finish_front();
            front
        })
        .collect()
    }

    #[test]
    fn files_are_read_as_their_bytes_appeared() {
        let mut backlog = Backlog::default();
        backlog.note(1, 0, 10);
        backlog.note(1, 0, 10); // nothing new
        backlog.note(2, 0, 5);
        backlog.note(2, 0, 7); // still the last
        backlog.note(1, 0, 20);
        backlog.note(3, 0, 0); // nothing in it
        assert_eq!(order(&mut backlog), [1, 2, 1]);
    }

    #[test]
    fn a_stretch_ends_where_its_bytes_do() {
        let mut backlog = Backlog::default();
        backlog.note(1, 0, 10);
        backlog.note(2, 0, 5);
        backlog.note(1, 0, 20);
        backlog.advance(1, 5);
        assert_eq!(backlog.front(), Some(1));
        backlog.advance(1, 10);
        assert_eq!(backlog.front(), Some(2));
    }

    #[test]
    fn a_thousand_changes_between_files_stay_bounded() {
        let mut backlog = Backlog::default();
        for n in 0..10_000 {
            backlog.note(n % 2, 0, n + 1);
        }
        assert!(backlog.n_files() <= MAX_STRETCHES);
    }
}
