//! Counts what waits in all texts of a path, for limits on how much may wait.

use std::io;

use super::{Generation, Line, Tail};

/// A part of a text in which lines were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The text.
    pub generation: Generation,
    /// Its lines end behind this offset.
    pub from: u64,
    /// And not behind this one.
    pub to: u64,
    /// How many there are.
    pub n_lines: u64,
}

impl Tail {
    /// Counts what waits, beyond what was counted before, up to `max` lines. Returns where lines were found, and
    /// whether there is more.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn scout(&mut self, block: &mut Vec<u8>, max: u64) -> io::Result<(Vec<Segment>, bool)> {
        let (mut segments, mut left) = (Vec::new(), max);
        for held in &mut self.texts {
            let from = held.text.scouting_from();
            let scouted = held.text.scout(&self.settings.filter, block, left)?;
            let n_lines = scouted.n_lines;
            held.n_scouted += n_lines;
            left -= n_lines;
            segments.push(Segment { generation: held.generation, from, to: scouted.to, n_lines });
            if scouted.has_more {
                return Ok((segments, true));
            }
        }
        Ok((segments, false))
    }

    /// How many counted lines wait.
    pub fn n_scouted(&self) -> u64 {
        // Where everything that was counted was taken, none does, whatever was thought of single ones.
        let waiting = self.texts.iter().filter(|held| held.text.offset() < held.text.scouted_to());
        waiting.map(|held| held.n_scouted).sum()
    }

    /// A counted line is counted no longer: it was taken, or will not be.
    pub fn unscout(&mut self, line: &Line) {
        let mut texts = self.texts.iter_mut();
        if let Some(held) = texts.find(|held| held.generation == line.generation)
            && line.raw.mark.offset <= held.text.scouted_to()
        {
            let is_last = held.text.offset() >= held.text.scouted_to();
            held.n_scouted = if is_last { 0 } else { held.n_scouted.saturating_sub(1) };
        }
    }
}
