//! How many lines of one minute are said.
//!
//! Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// A sliding window over the last minute of lines that were let through.
#[derive(Debug)]
pub struct Rate {
    max: usize,
    /// When they appeared; at most `max` of them.
    admitted: VecDeque<Instant>,
}

impl Rate {
    /// Lets so many lines through in any minute.
    pub fn new(max: usize) -> Self {
        Self { max, admitted: VecDeque::new() }
    }

    /// Whether a line that appeared then is let through.
    pub fn admits(&mut self, appeared_at: Instant) -> bool {
        let is_over = |at: &Instant| *at + MINUTE <= appeared_at;
        while self.admitted.front().is_some_and(is_over) {
            self.admitted.pop_front();
        }
        let admits = self.admitted.len() < self.max;
        if admits {
            self.admitted.push_back(appeared_at);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_lines_than_are_allowed() {
        let begun = crate::clock::now();
        let mut rate = Rate::new(2);
        let admitted: Vec<_> = [0, 1, 2, 30, 59, 60, 60, 61, 62, 200]
            .into_iter()
            .filter(|secs| rate.admits(begun + Duration::from_secs(*secs)))
            .collect();
        assert_eq!(admitted, [0, 1, 60, 61, 200]);
    }
}
