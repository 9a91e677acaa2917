//! Whether a file beside the path is a copy of what is read: its lines are then no new ones.

use std::fs::File;
use std::io;

use super::Tail;

/// What another file has to do with a text that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Nothing.
    None,
    /// It is the beginning of it: a copy that is being made, or nothing yet.
    Beginning,
    /// All that was read is in it.
    Copy,
}

impl Tail {
    /// What a file beside the path has to do with the text at the path.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn likeness(&self, file: &File) -> io::Result<Likeness> {
        let Some(held) = self.texts.back() else { return Ok(Likeness::None) };
        let (size, whole) = (file.metadata()?.len(), held.text.size().unwrap_or(0));
        let has_all = held.text.offset() > 0 && held.text.mark().is_in(file)?;
        Ok(match has_all {
            true if size >= whole => Likeness::Copy,
            true => Likeness::Beginning,
            false if held.text.begins_in(file)? => Likeness::Beginning,
            false => Likeness::None,
        })
    }
}
