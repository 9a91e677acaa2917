//! A text that no longer looks as it did: for a moment that means nothing, then that it is another one.

use std::time::{Duration, Instant};

/// A program that saves in place truncates the file and writes it again a moment later. What looks like another text
/// is looked at once more when it has not grown for this long.
const GRACE: Duration = Duration::from_millis(50);

/// A new text that never stops growing is not waited for any longer.
const MAX_GRACE: Duration = Duration::from_millis(300);

/// Something is not what it was.
#[derive(Debug, Clone, Copy)]
pub struct Suspicion {
    size: u64,
    changed_at: Instant,
    since: Instant,
}

impl Suspicion {
    /// Arises now, at that size.
    pub fn new(size: u64, now: Instant) -> Self {
        Self { size, changed_at: now, since: now }
    }

    /// Is looked at again.
    pub fn note(&mut self, size: u64, now: Instant) {
        if size != self.size {
            (self.size, self.changed_at) = (size, now);
        }
    }

    /// When it counts.
    pub fn certain_at(&self) -> Instant {
        (self.changed_at + GRACE).min(self.since + MAX_GRACE)
    }

    /// Whether it counts.
    pub fn is_certain(&self, now: Instant) -> bool {
        now >= self.certain_at()
    }
}
