//! Opens files that can be watched, and nothing else.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a regular file without ever waiting for it; `None` where nothing is there.
///
/// # Errors
/// Where it cannot be opened, or is something else; says what.
///
/// # Panics
/// Never: the flags are small numbers.
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
    // O_NONBLOCK: a FIFO without a writer would be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).expect("flags are small numbers");
    match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => {
            let kind = file.metadata()?.file_type();
            if kind.is_file() { Ok(Some(file)) } else { Err(not_a_file(kind, path)) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A socket cannot be opened at all.
        Err(error) => match std::fs::metadata(path).map(|it| it.file_type()) {
            Ok(kind) if !kind.is_file() => Err(not_a_file(kind, path)),
            Ok(_) | Err(_) => Err(error),
        },
    }
}

fn not_a_file(kind: std::fs::FileType, path: &Path) -> io::Error {
    let reason = if kind.is_dir() {
        format!(
            "it is a directory, not a regular file; watch the files in it with the pattern `{}`",
            path.join("*").display()
        )
    } else {
        let kind = if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else if kind.is_char_device() || kind.is_block_device() {
            "a device"
        } else {
            "something else"
        };
        format!(
            "it is {kind}, not a regular file; only files that can be read again can be watched (a pipe: `… | speakerd say -`)"
        )
    };
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
