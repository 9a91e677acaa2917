//! Equal neighbours are told in one: "disk full, twelve times".
//!
//! Pure. A line is held back until the next one differs or none is there; what is folded into it is settled at once, but
//! the bookmark stays in front of all of them until the one was heard.

use super::watched::Spoken;
use super::words;

/// The line that is held back, and how often it was there.
#[derive(Debug, Default)]
pub struct Fold {
    held: Option<(Spoken, u64)>,
}

impl Fold {
    /// Whether these words are told with the line that is held back; it counts them then.
    pub fn takes(&mut self, words: &str) -> bool {
        let Some((held, n_times)) = &mut self.held else { return false };
        let is_equal = held.words() == words;
        *n_times += u64::from(is_equal);
        is_equal
    }

    /// Holds the next line back. Returns the one before it, which is to be said now.
    pub fn hold(&mut self, spoken: Spoken) -> Option<Spoken> {
        let before = self.release();
        self.held = Some((spoken, 1));
        before
    }

    /// Gives the line out that is held back, as it is to be told.
    pub fn release(&mut self) -> Option<Spoken> {
        let (mut spoken, n_times) = self.held.take()?;
        if n_times > 1 {
            spoken.order.words = Some(words::repeated(spoken.words(), n_times).into());
        }
        Some(spoken)
    }

    /// The bytes of the line that is held back.
    pub fn n_bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |(spoken, _)| spoken.n_bytes)
    }
}
