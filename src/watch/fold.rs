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

/// What becomes of a line that was offered.
#[derive(Debug)]
pub enum Offered {
    /// It is held back.
    Held,
    /// It is told with the one that is held back.
    Folded(Spoken),
    /// It is held back in place of this one, which is to be said now.
    Replaced(Spoken),
}

impl Fold {
    /// Offers the next line.
    pub fn offer(&mut self, spoken: Spoken) -> Offered {
        match &mut self.held {
            Some((held, n_times)) if held.words() == spoken.words() => {
                *n_times += 1;
                Offered::Folded(spoken)
            }
            Some(_) | None => {
                let before = self.release();
                self.held = Some((spoken, 1));
                before.map_or(Offered::Held, Offered::Replaced)
            }
        }
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
