//! What happens when more lines of a file wait than may: the oldest or the newest of them are passed over.
//!
//! Nothing is held in memory: lines are counted where they stand, and those to be passed over are known by their
//! places.

use std::collections::VecDeque;
use std::io;

use super::tail::{Generation, Line, Segment, Tail};
use crate::config::Overflow as Policy;

/// The limit, and which lines are beyond it.
#[derive(Debug)]
pub struct Overflow {
    policy: Policy,
    max_waiting: u64,
    /// Lines may have come that were not counted.
    is_behind: bool,
    /// So many of the next lines are passed over.
    n_oldest: u64,
    /// Lines in these places are passed over. Each stands behind a line that is kept, so there are at most `max_waiting`
    /// of them and one.
    newest: VecDeque<Segment>,
}

impl Overflow {
    /// A limit that nothing is beyond yet.
    pub fn new(policy: Policy, max_waiting: usize) -> Self {
        Self {
            policy,
            max_waiting: max_waiting as u64,
            is_behind: true,
            n_oldest: 0,
            newest: VecDeque::new(),
        }
    }

    /// How many lines may be on their way at the same time: what is to be passed over must still be in the file. One
    /// sounds; the next is made ready meanwhile.
    pub fn max_under_way(&self) -> Option<usize> {
        match self.policy {
            Policy::Wait => None,
            Policy::DropOldest | Policy::DropNewest => {
                Some(if self.max_waiting > 1 { 2 } else { 1 })
            }
        }
    }

    /// Lines may have come.
    pub fn note_look(&mut self) {
        self.is_behind = true;
    }

    /// Counts what has come. Returns whether others should have their turn before it goes on.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn assess(
        &mut self,
        tail: &mut Tail,
        n_under_way: usize,
        block: &mut Vec<u8>,
    ) -> io::Result<bool> {
        if self.policy == Policy::Wait || !self.is_behind {
            return Ok(false);
        }
        // The one that sounds waits no longer.
        let n_ahead = n_under_way.saturating_sub(1) as u64;
        let has_more = match self.policy {
            Policy::Wait => false,
            Policy::DropOldest => {
                let has_more = tail.scout(block, u64::MAX)?.1;
                self.n_oldest = (tail.n_scouted() + n_ahead).saturating_sub(self.max_waiting);
                has_more
            }
            Policy::DropNewest => self.mark_newest(tail, n_ahead, block)?,
        };
        self.is_behind = has_more;
        Ok(has_more)
    }

    fn mark_newest(
        &mut self,
        tail: &mut Tail,
        n_ahead: u64,
        block: &mut Vec<u8>,
    ) -> io::Result<bool> {
        self.newest.retain(|segment| tail.has(segment.generation));
        let n_marked: u64 = self.newest.iter().map(|segment| segment.n_lines).sum();
        let n_waiting = tail.n_scouted().saturating_sub(n_marked) + n_ahead;
        let room = self.max_waiting.saturating_sub(n_waiting);
        if room > 0 {
            let (segments, has_more) = tail.scout(block, room)?;
            let n_found: u64 = segments.iter().map(|segment| segment.n_lines).sum();
            if !has_more || n_found < room {
                return Ok(has_more);
            }
        }
        let (segments, has_more) = tail.scout(block, u64::MAX)?;
        for segment in segments.into_iter().filter(|segment| segment.n_lines > 0) {
            match self.newest.back_mut() {
                Some(last) if last.generation == segment.generation && last.to == segment.from => {
                    last.to = segment.to;
                    last.n_lines += segment.n_lines;
                }
                Some(_) | None => self.newest.push_back(segment),
            }
        }
        Ok(has_more)
    }

    /// Whether a line that was taken is to be passed over.
    pub fn passes_over(&mut self, line: &Line) -> bool {
        match self.policy {
            Policy::Wait => false,
            Policy::DropOldest => {
                let is_over = self.n_oldest > 0;
                self.n_oldest = self.n_oldest.saturating_sub(1);
                is_over
            }
            Policy::DropNewest => {
                let is_before = |segment: &Segment| {
                    let its: (Generation, u64) = (segment.generation, segment.to);
                    its < (line.generation, line.raw.mark.offset)
                };
                while self.newest.front().is_some_and(is_before) {
                    self.newest.pop_front();
                }
                let Some(segment) = self.newest.front_mut() else { return false };
                let is_in =
                    segment.generation == line.generation && segment.from < line.raw.mark.offset;
                if is_in {
                    segment.n_lines = segment.n_lines.saturating_sub(1);
                }
                is_in
            }
        }
    }

    /// Why.
    pub fn reason(&self) -> String {
        let which = match self.policy {
            Policy::Wait | Policy::DropOldest => "newer ones came",
            Policy::DropNewest => "it came last",
        };
        format!("more than {} lines waited, and {which}", self.max_waiting)
    }
}
