//! When the bytes of a text appeared, for limits on age and rate.
//!
//! Pure: no files, no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many moments are told apart: what waits for an hour is known to within two minutes.
const MAX_MOMENTS: usize = 64;

/// Up to which offset the text had grown at which time.
#[derive(Debug, Default)]
pub struct Ages {
    /// In ascending order.
    moments: VecDeque<(u64, Instant)>,
    /// Moments closer than this are one. Doubled when there are too many of them.
    gap: Duration,
}

impl Ages {
    /// Notes that the text reaches to that offset now.
    pub fn note(&mut self, size: u64, now: Instant) {
        if self.moments.back().is_some_and(|(until, _)| *until >= size) {
            return;
        }
        if self.moments.is_empty() {
            self.gap = Duration::ZERO;
        }
        self.push(size, now);
        while self.moments.len() > MAX_MOMENTS {
            self.gap = (2 * self.gap).max(Duration::from_millis(1));
            for (until, at) in std::mem::take(&mut self.moments) {
                self.push(until, at);
            }
        }
    }

    /// The later of two moments stays: a line is rather thought too young than too old.
    fn push(&mut self, until: u64, at: Instant) {
        let before_last = self.moments.len().checked_sub(2).and_then(|idx| self.moments.get(idx));
        if before_last.is_some_and(|(_, before)| at.duration_since(*before) < self.gap) {
            self.moments.pop_back();
        }
        self.moments.push_back((until, at));
    }

    /// When the line that ends at that offset was there; forgets what only concerns lines before it.
    pub fn of(&mut self, end: u64) -> Option<Instant> {
        while self.moments.front().is_some_and(|(until, _)| *until < end) {
            self.moments.pop_front();
        }
        self.moments.front().map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_old_as_the_look_that_found_it() {
        let begun = crate::clock::now();
        let at = |secs| begun + Duration::from_secs(secs);
        let mut ages = Ages::default();
        ages.note(10, at(1));
        ages.note(10, at(2)); // nothing new
        ages.note(30, at(3));
        assert_eq!(
            [ages.of(5), ages.of(10), ages.of(11), ages.of(30)],
            [1, 1, 3, 3].map(|it| Some(at(it)))
        );
        assert_eq!(ages.of(31), None, "nobody has seen it");
    }

    #[test]
    fn a_million_appends_take_little_room_and_no_line_is_thought_too_old() {
        let begun = crate::clock::now();
        let mut ages = Ages::default();
        for n in 1..=1_000_000_u64 {
            ages.note(n, begun + Duration::from_millis(n));
        }
        assert!(ages.moments.len() <= MAX_MOMENTS);
        for end in [1, 1_000, 500_000, 999_999] {
            let found = ages.of(end).unwrap();
            let true_time = begun + Duration::from_millis(end);
            assert!(found >= true_time, "{end}");
            assert!(found <= true_time + Duration::from_secs(32), "{end}");
        }
    }
}
