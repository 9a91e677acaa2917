//! The socket itself: made without a race, taken over when stale, refused when another daemon lives.
//!
//! Knows nothing of what is said on it. A lock file that is held for life decides who is the daemon; only its holder
//! replaces the socket, by binding beside it and renaming, so that nobody ever meets one that is open to others.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::paths::private_dir;

/// What a socket's path may hold (unix(7); macOS has four bytes less).
const MAX_PATH_BYTES: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// Why the daemon cannot have the socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another daemon has it.
    #[error("speakerd is already running{}; stop it with `speakerd shutdown`", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// Its process, where it can be told.
        pid: Option<u32>,
    },
    /// The path cannot be a socket's.
    #[error("the socket path `{}` is longer than {MAX_PATH_BYTES} bytes; set XDG_RUNTIME_DIR to a shorter one", .0.display())]
    PathTooLong(PathBuf),
    /// Something in the way.
    #[error("cannot listen on `{}`: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The socket and the right to it. Dropping it removes the socket and gives up the right.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Taken by the server.
    listener: Option<UnixListener>,
    /// What the socket is on disk: only that is removed. `None` where the service manager owns it.
    inode: Option<(u64, u64)>,
    /// Held for life; the lock goes with it.
    _lock: File,
}

impl ControlSocket {
    /// Binds the socket, or takes the one that the service manager has bound.
    ///
    /// # Errors
    /// Where another daemon runs, the path is too long, or the directory cannot be made private.
    pub fn bind(path: &Path, activated: Option<UnixListener>) -> Result<Self, ListenError> {
        let named = |source| ListenError::Io { path: path.to_path_buf(), source };
        if path.as_os_str().len() > MAX_PATH_BYTES {
            return Err(ListenError::PathTooLong(path.to_path_buf()));
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        private_dir(directory).map_err(named)?;
        let lock = lock(&directory.join("lock")).map_err(|error| match error {
            LockError::Taken(pid) => ListenError::AlreadyRunning { pid },
            LockError::Io(source) => named(source),
        })?;
        if let Some(listener) = activated {
            return Ok(Self {
                path: path.to_path_buf(),
                listener: Some(listener),
                inode: None,
                _lock: lock,
            });
        }
        // Bound beside, closed to others, then renamed: nobody can connect before it is private, and a stale one is
        // replaced in one step.
        let beside = directory.join(".control.new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&beside).map_err(named)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).map_err(named)?;
        std::fs::rename(&beside, path).map_err(named)?;
        let metadata = std::fs::symlink_metadata(path).map_err(named)?;
        let inode = Some((metadata.dev(), metadata.ino()));
        Ok(Self { path: path.to_path_buf(), listener: Some(listener), inode, _lock: lock })
    }

    /// Takes the listener out, ready for an event loop.
    ///
    /// # Errors
    /// Where it cannot be made non-blocking.
    pub fn take_listener(&mut self) -> io::Result<UnixListener> {
        let listener = self
            .listener
            .take()
            .ok_or_else(|| io::Error::other("the listener was taken before"))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        if self.inode.is_some() && ours == self.inode {
            drop(std::fs::remove_file(&self.path)); // a stale one is taken over anyway
        }
    }
}

enum LockError {
    Taken(Option<u32>),
    Io(io::Error),
}

/// Takes the lock, or tells who has it. The file stays: removing it would let two starters each lock one of two.
fn lock(path: &Path) -> Result<File, LockError> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path).map_err(LockError::Io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            written.and_then(|()| file.rewind()).map_err(LockError::Io)?;
            Ok(file)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let read = file.take(20).read_to_string(&mut pid);
            Err(LockError::Taken(read.ok().and_then(|_| pid.trim().parse().ok())))
        }
        Err(error) => Err(LockError::Io(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/control.sock");
        (home, path)
    }

    #[test]
    fn the_socket_is_private_and_goes_with_the_daemon() {
        let (_home, path) = home();
        let socket = ControlSocket::bind(&path, None).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
        let (_home, path) = home();
        let _first = ControlSocket::bind(&path, None).unwrap();
        let error = ControlSocket::bind(&path, None).unwrap_err();
        let ListenError::AlreadyRunning { pid } = error else { panic!("{error}") };
        assert_eq!(pid, Some(std::process::id()));
        assert!(UnixStream::connect(&path).is_ok(), "the first is not disturbed");
    }

    #[test]
    fn a_stale_socket_is_taken_over() {
        let (_home, path) = home();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err(), "stale");
        let _socket = ControlSocket::bind(&path, None).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn many_starters_at_once_leave_one_daemon() {
        for _ in 0..20 {
            let (_home, path) = home();
            let barrier = std::sync::Barrier::new(4);
            let bound = std::thread::scope(|scope| {
                let starters: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            ControlSocket::bind(&path, None)
                        })
                    })
                    .collect();
                starters
                    .into_iter()
                    .filter_map(|starter| starter.join().unwrap().ok())
                    .collect::<Vec<_>>()
            });
            assert_eq!(bound.len(), 1);
            assert!(UnixStream::connect(&path).is_ok());
        }
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_before_anything_is_made() {
        let path = PathBuf::from(format!("/tmp/{}/control.sock", "x".repeat(120)));
        assert!(matches!(ControlSocket::bind(&path, None), Err(ListenError::PathTooLong(_))));
    }
}
