//! What is done before the threads are there.

use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use tracing::warn;

use crate::clock;
use crate::config::Config;
use crate::paths::private_dir;
use crate::status::StatusBoard;

/// Says who this is.
pub(super) fn introduce(config: &Config, board: &StatusBoard) {
    board.modify(|status| {
        env!("CARGO_PKG_VERSION").clone_into(&mut status.daemon.version);
        status.daemon.pid = std::process::id();
        status.daemon.started_at = clock::rfc3339(SystemTime::now());
        status.daemon.config = config.file.as_ref().map(|file| file.display().to_string());
    });
}

/// Makes the place for the bookmarks. Where the disk does not let us, speech goes on and the positions are saved once it
/// does; a place that is not ours is another matter.
pub(super) fn make_state_dir(path: &Path) -> std::io::Result<()> {
    let Err(error) = private_dir(path) else { return Ok(()) };
    let is_the_disk = matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    );
    if path.symlink_metadata().is_ok() && !is_the_disk {
        return Err(error);
    }
    warn!("{error}; positions are not saved until that is mended");
    Ok(())
}
