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
}

impl Suspicion {
    /// Arises now.
    pub fn new(seen: Seen, now: Instant) -> Self {
        Self { seen, changed_at: now, since: now }
    }

    /// Is looked at again. What has changed after it should have been decided is a matter of its own.
    pub fn note(&mut self, seen: Seen, now: Instant) {
        if seen != self.seen {
            let since = if self.is_certain(now) { now } else { self.since };
            *self = Self { seen, changed_at: now, since };
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
