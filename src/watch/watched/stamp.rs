//! What the kernel tells of a path at the price of one call: enough to know that nothing has changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::continuity::FileId;

/// A change within the same tick of the file system's clock would leave the stamp as it is: only an older file has one.
const RACY: Duration = Duration::from_millis(100);

/// The file at a path, its size and its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    id: FileId,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a path; `None` where nothing is there, or it was changed a moment ago.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let age = |at: SystemTime| at.elapsed().unwrap_or_default();
        let changed_at = SystemTime::UNIX_EPOCH
            + Duration::new(
                metadata.ctime().try_into().ok()?,
                metadata.ctime_nsec().try_into().ok()?,
            );
        (age(changed_at) > RACY && age(metadata.modified().ok()?) > RACY).then(|| Self {
            id: FileId::of_metadata(&metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
