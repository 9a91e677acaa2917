//! Is this still the text that was read? Compares the bytes before a position with those that were there.
//!
//! Standard library and a hash only: no clock, no events, no bookmarks. An inode is not an identity: editors replace
//! it, and a deleted file's number is used again at once.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes before a position are compared: enough that equal lines in a row do not look like each other's
/// place, few enough to be read at every look.
pub const WINDOW: usize = 4_096;

/// A file as the kernel numbers it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// Device.
    pub dev: u64,
    /// Inode, which is used again after a file was deleted.
    pub ino: u64,
}

impl FileId {
    /// The id of an open file.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::of_metadata(&file.metadata()?))
    }

    /// The id in what the kernel tells of a file.
    pub fn of_metadata(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// When a file was last written, in nanoseconds since 1970; the clock of its file system.
pub fn modified_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// A position in a text, with enough about what stands before it to know it again. Holds no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The file it was in.
    #[serde(flatten)]
    pub id: FileId,
    /// Bytes before the position.
    pub offset: u64,
    /// How many of them were hashed: at most [`WINDOW`].
    pub n_hashed: u32,
    /// Their XXH3.
    pub hash: u64,
    /// When the file was last written at the time it was read; unknown to older versions. A copy of the text is at
    /// least as young, and whatever was rotated away before it is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_ns: Option<i64>,
}

impl Mark {
    /// The mark of a position, given the bytes that stand right before it, and when the file was last written.
    ///
    /// # Panics
    /// Never: a window fits its count.
    pub fn new(id: FileId, offset: u64, before: &[u8], modified_ns: i64) -> Self {
        let window = last(before, WINDOW);
        let n_hashed = u32::try_from(window.len()).expect("a window is a few kilobytes");
        Self { id, offset, n_hashed, hash: xxh3_64(window), modified_ns: Some(modified_ns) }
    }

    /// Whether the same bytes stand before the position in that file. At offset 0 there are none, and any file will do.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn is_in(&self, file: &File) -> io::Result<bool> {
        let before = window_before(file, self.offset, self.n_hashed as usize)?;
        Ok(before.len() == self.n_hashed as usize && xxh3_64(&before) == self.hash)
    }
}

/// The bytes right before a position, at most `n_bytes`; fewer where the file is shorter.
///
/// # Errors
/// Where the file cannot be read.
pub fn window_before(file: &File, offset: u64, n_bytes: usize) -> io::Result<Vec<u8>> {
    let n_bytes = n_bytes.min(WINDOW).min(usize::try_from(offset).unwrap_or(WINDOW));
    let mut window = vec![0; n_bytes];
    let n_read = read_at(file, &mut window, offset - n_bytes as u64)?;
    window.truncate(n_read);
    Ok(window)
}

/// Reads until the buffer is full or the file ends.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < buffer.len() {
        match file.read_at(&mut buffer[n_read..], offset + n_read as u64) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}

/// The last `n` bytes, or all where there are fewer.
pub fn last(bytes: &[u8], n: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(n)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(content: &[u8]) -> (tempfile::TempDir, File) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("text");
        std::fs::write(&path, content).unwrap();
        (home, File::open(path).unwrap())
    }

    fn mark(content: &[u8], offset: usize) -> Mark {
        Mark::new(FileId { dev: 1, ino: 1 }, offset as u64, &content[..offset], 0)
    }

    #[test]
    fn a_text_is_known_again_by_what_stands_before_the_position() {
        let text: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        let mut edited = text.clone();
        edited[14_999] ^= 1;
        let mut longer = text.clone();
        longer.extend_from_slice(b"more");
        for (content, offset, same) in [
            (&text, 15_000, true),
            (&longer, 15_000, true),
            (&edited, 15_000, false),
            (&edited, 14_000, true),
            (&text[..10_000].to_vec(), 15_000, false),
            (&Vec::new(), 0, true),
            (&Vec::new(), 5, false),
        ] {
            let (_home, file) = file_with(content);
            assert_eq!(
                mark(&text, offset).is_in(&file).unwrap(),
                same,
                "{} at {offset}",
                content.len()
            );
        }
    }
}
