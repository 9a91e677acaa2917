//! Which lines of one file are on their way, and up to where everything is settled.
//!
//! Pure bookkeeping: no files, no time.

use std::collections::{BTreeMap, VecDeque};

use super::continuity::Mark;
use super::tail::{Generation, Jump};

/// Names a line of one file while it is on its way.
pub type LineNumber = u64;

/// The lines of one file in reading order, and the bookmark: the end of the longest settled run of them.
#[derive(Debug, Default)]
pub struct Run {
    /// Bounded by the queue and the look-ahead behind it.
    under_way: VecDeque<Step>,
    /// The number of the first line under way.
    first: LineNumber,
    /// For each text that still counts, how far it was heard.
    heard: BTreeMap<Generation, Mark>,
}

#[derive(Debug)]
struct Step {
    generation: Generation,
    mark: Mark,
    is_settled: bool,
}

impl Run {
    /// Adds a line that is on its way.
    pub fn push(&mut self, generation: Generation, mark: Mark) -> LineNumber {
        self.under_way.push_back(Step { generation, mark, is_settled: false });
        self.first + self.under_way.len() as u64 - 1
    }

    /// Adds a line that nobody waits for. Millions of them in a row take no more room than one.
    pub fn push_settled(&mut self, generation: Generation, mark: Mark) {
        match self.under_way.back_mut() {
            Some(last) if last.is_settled && last.generation == generation => last.mark = mark,
            Some(_) | None => {
                let number = self.push(generation, mark);
                self.settle(number);
            }
        }
    }

    /// Adds a place where reading was put: settled at once, but not before the lines ahead of it.
    pub fn push_jump(&mut self, jump: Jump) {
        self.push_settled(jump.generation, jump.mark);
    }

    /// Notes that a line is done with. Returns whether the bookmark moved.
    pub fn settle(&mut self, number: LineNumber) -> bool {
        let idx = number.checked_sub(self.first).and_then(|idx| usize::try_from(idx).ok());
        let Some(step) = idx.and_then(|idx| self.under_way.get_mut(idx)) else { return false };
        step.is_settled = true;
        let mut has_moved = false;
        while self.under_way.front().is_some_and(|step| step.is_settled) {
            let Some(step) = self.under_way.pop_front() else { break };
            self.first += 1;
            self.heard.insert(step.generation, step.mark);
            has_moved = true;
        }
        has_moved
    }

    /// Forgets texts that are no longer held, unless lines of theirs are still on their way, and never the newest.
    /// Returns whether one was forgotten.
    pub fn forget_before(&mut self, oldest: Generation) -> bool {
        let under_way = self.under_way.front().map_or(oldest, |step| step.generation.min(oldest));
        let newest = self.heard.last_key_value().map_or(0, |(generation, _)| *generation);
        let n_before = self.heard.len();
        self.heard.retain(|generation, _| *generation >= under_way || *generation == newest);
        self.heard.len() < n_before
    }

    /// The bookmark: how far each text was heard, the newest last.
    pub fn marks(&self) -> Vec<Mark> {
        self.heard.values().copied().collect()
    }

    /// Whether no line is on its way.
    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How far the newest text was heard, in bytes.
    pub fn n_heard(&self) -> u64 {
        self.heard.last_key_value().map_or(0, |(_, mark)| mark.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::super::continuity::FileId;
    use super::*;

    fn mark(offset: u64) -> Mark {
        Mark { id: FileId { dev: 1, ino: 1 }, offset, n_hashed: 0, hash: 0, modified_ns: None }
    }

    fn heard(run: &Run) -> Vec<u64> {
        run.marks().iter().map(|mark| mark.offset).collect()
    }

    #[test]
    fn the_bookmark_never_passes_a_line_that_is_still_to_come() {
        let mut run = Run::default();
        let numbers: Vec<_> = (1..=4).map(|n| run.push(0, mark(n * 10))).collect();
        assert!(!run.settle(numbers[1]), "the first is still to come");
        assert_eq!(heard(&run), Vec::<u64>::new());
        assert!(run.settle(numbers[0]));
        assert_eq!(heard(&run), [20]);
        assert!(!run.settle(numbers[3]));
        assert!(run.settle(numbers[2]));
        assert_eq!((heard(&run), run.under_way.len()), (vec![40], 0));
        assert!(!run.settle(numbers[2]), "settled once and for all");
    }

    #[test]
    fn millions_of_settled_lines_take_the_room_of_one() {
        let mut run = Run::default();
        let first = run.push(0, mark(10));
        for n in 0..1_000 {
            run.push_settled(0, mark(11 + n));
        }
        assert_eq!(run.under_way.len(), 2);
        run.settle(first);
        assert_eq!(heard(&run), [1_010]);
    }

    #[test]
    fn a_jump_waits_for_the_lines_before_it() {
        let mut run = Run::default();
        let line = run.push(0, mark(10));
        run.push_jump(Jump { generation: 1, mark: mark(0) });
        assert_eq!(heard(&run), Vec::<u64>::new());
        run.settle(line);
        assert_eq!(heard(&run), [10, 0]);
    }

    #[test]
    fn a_text_is_forgotten_only_when_none_of_its_lines_is_under_way() {
        let mut run = Run::default();
        run.push_jump(Jump { generation: 0, mark: mark(0) });
        let late = run.push(0, mark(10));
        run.push_jump(Jump { generation: 1, mark: mark(0) });
        assert!(!run.forget_before(1));
        run.settle(late);
        assert!(run.forget_before(1));
        assert_eq!(heard(&run), [0]);
        assert!(!run.forget_before(9), "the newest stays");
    }
}
