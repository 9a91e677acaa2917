//! What is too much: pure decisions, with the time as an argument.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How much audio a text may become before it counts as runaway speech.
///
/// English is spoken at about 15 characters a second (0.07 s each); a digit or a symbol can become a word or two. Half
/// a second for each character, and five for good measure, is far beyond any speech and still an end.
pub fn audio_budget(n_chars: usize, rate: f32) -> Duration {
    let slowest = rate.clamp(0.25, 1.0);
    Duration::from_secs(5) + Duration::from_millis(500).mul_f32(n_chars as f32 / slowest)
}

/// Runs only while the engine computes: not while a full pipe or a pause is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    limit: Duration,
    used: Duration,
}

impl Stopwatch {
    /// A stopwatch at zero.
    pub fn new(limit: Duration) -> Self {
        Self { limit, used: Duration::ZERO }
    }

    /// Adds computing time. Returns whether the limit is passed.
    pub fn add(&mut self, time: Duration) -> bool {
        self.used += time;
        self.used > self.limit
    }

    /// The computing time so far.
    pub fn used(&self) -> Duration {
        self.used
    }
}

/// What is done between chunks, and takes too long to be done between any two of them.
#[derive(Debug, Clone)]
pub struct Pace {
    every: Duration,
    last: Cell<Option<Instant>>,
}

impl Pace {
    /// Once in so long.
    pub fn new(every: Duration) -> Self {
        Self { every, last: Cell::new(None) }
    }

    /// Whether it is time; the first time it is.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_due = self.last.get().is_none_or(|last| now.duration_since(last) >= self.every);
        if is_due {
            self.last.set(Some(now));
        }
        is_due
    }
}

/// When an engine that was last used at that time is to be unloaded; `None` for never.
pub fn unload_at(last_used: Instant, idle_unload: Option<Duration>) -> Option<Instant> {
    last_used.checked_add(idle_unload?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_grows_with_the_text_and_with_slowness() {
        assert_eq!(audio_budget(0, 1.0), Duration::from_secs(5));
        assert_eq!(audio_budget(10, 1.0), Duration::from_secs(10));
        assert_eq!(audio_budget(10, 0.5), Duration::from_secs(15));
        assert_eq!(audio_budget(10, 4.0), audio_budget(10, 1.0), "speed does not take it away");
    }

    #[test]
    fn the_stopwatch_counts_only_what_it_is_given() {
        let mut stopwatch = Stopwatch::new(Duration::from_secs(1));
        assert!(!stopwatch.add(Duration::from_secs(1)));
        assert!(stopwatch.add(Duration::from_millis(1)));
        assert_eq!(stopwatch.used(), Duration::from_millis(1_001));
    }

    #[test]
    fn a_pace_is_kept_however_often_one_asks() {
        let (pace, begun) = (Pace::new(Duration::from_millis(100)), crate::clock::now());
        let asked = (0..250).step_by(10);
        let due = asked.filter(|ms| pace.is_due(begun + Duration::from_millis(*ms)));
        assert_eq!(due.collect::<Vec<_>>(), [0, 100, 200]);
    }

    #[test]
    fn an_idle_time_that_never_comes_is_never() {
        let now = crate::clock::now();
        assert_eq!(unload_at(now, None), None);
        assert_eq!(
            unload_at(now, Some(Duration::from_secs(1))),
            Some(now + Duration::from_secs(1))
        );
        assert_eq!(unload_at(now, Some(Duration::MAX)), None);
    }
}
