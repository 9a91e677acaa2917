//! A text that no longer looks as it did: for a moment that means nothing, then that it is another one.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::super::continuity::modified_ns;

/// A program that saves in place truncates the file and writes it again a moment later. What looks like another text
/// is looked at once more when it has not grown for this long.
const GRACE: Duration = Duration::from_millis(50);

/// A new text that never stops growing is not waited for any longer.
const MAX_GRACE: Duration = Duration::from_millis(300);

/// How often it is waited for anew, where looks are rare.
const MAX_RENEWED: u32 = 2;

/// What is seen of a file at a look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its size.
    pub size: u64,
    /// When it was last written.
    pub modified_ns: i64,
}

impl Seen {
    /// What is seen of an open file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { size: metadata.len(), modified_ns: modified_ns(&metadata) })
    }
}

/// Something is not what it was.
#[derive(Debug, Clone, Copy)]
pub struct Suspicion {
    seen: Seen,
    changed_at: Instant,
    since: Instant,
    noted_at: Instant,
    n_renewed: u32,
}

impl Suspicion {
    /// Arises now.
    pub fn new(seen: Seen, now: Instant) -> Self {
        Self { seen, changed_at: now, since: now, noted_at: now, n_renewed: 0 }
    }

    /// Is looked at again. What has changed while nobody looked, after it should have been decided, is a matter of its
    /// own; but not again and again, or a file that is written all the time would never be decided.
    pub fn note(&mut self, seen: Seen, now: Instant) {
        if seen != self.seen {
            let lay_unseen = now.duration_since(self.noted_at) > GRACE && self.is_certain(now);
            if lay_unseen && self.n_renewed < MAX_RENEWED {
                self.since = now;
                self.n_renewed += 1;
            }
            (self.seen, self.changed_at) = (seen, now);
        }
        self.noted_at = now;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn decided_after(step: Duration) -> Duration {
        let begun = clock::now();
        let mut suspicion = Suspicion::new(Seen::default(), begun);
        for n in 1.. {
            let now = begun + step * n;
            suspicion.note(Seen { size: u64::from(n), modified_ns: 0 }, now);
            if suspicion.is_certain(now) {
                return now - begun;
            }
        }
        unreachable!("the loop has no end")
    }

    #[test]
    fn a_text_that_never_stops_growing_is_decided_all_the_same() {
        assert_eq!(decided_after(Duration::from_millis(1)), MAX_GRACE);
        for step in [20, 50, 51, 100, 500] {
            let step = Duration::from_millis(step);
            assert!(decided_after(step) <= 4 * MAX_GRACE.max(step), "{step:?}");
        }
    }

    #[test]
    fn what_stands_still_is_decided_soon() {
        let begun = clock::now();
        let mut suspicion = Suspicion::new(Seen::default(), begun);
        let seen = Seen { size: 1, modified_ns: 1 };
        suspicion.note(seen, begun + GRACE / 2);
        suspicion.note(seen, begun + GRACE);
        assert!(!suspicion.is_certain(begun + GRACE));
        assert!(suspicion.is_certain(begun + GRACE + GRACE / 2));
    }

    #[test]
    fn a_change_while_nobody_looked_is_waited_for() {
        let begun = clock::now();
        let mut suspicion = Suspicion::new(Seen::default(), begun);
        let late = begun + Duration::from_secs(10);
        suspicion.note(Seen { size: 1, modified_ns: 1 }, late);
        assert!(!suspicion.is_certain(late));
        assert!(suspicion.is_certain(late + GRACE));
    }
}
