//! What the kernel tells of a path at the price of one call: enough to know that nothing has changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::continuity::FileId;

/// A change within the same tick of the file system's clock would leave the stamp as it is: only one that is older than
/// this proves something.
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
    /// The stamp of a path; `None` where nothing is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            id: FileId::of_metadata(&metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether the next change will show.
    pub(super) fn is_proof(&self, now: SystemTime) -> bool {
        [self.modified, self.changed].into_iter().all(|(secs, nanos)| {
            let (Ok(secs), Ok(nanos)) = (u64::try_from(secs), u32::try_from(nanos)) else {
                return false;
            };
            let at = SystemTime::UNIX_EPOCH + Duration::new(secs, nanos);
            now.duration_since(at).is_ok_and(|age| age > RACY)
        })
    }
}
