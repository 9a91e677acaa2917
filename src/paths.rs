//! Where speakerd keeps its files: the XDG places, or the platform's own.
//!
//! Knows nothing of what is in the files. Only [`private_dir`] touches the disk.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};

/// The places of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// For `~` in configured paths.
    pub home: PathBuf,
    /// `speakerd.toml` and `pronunciation.toml`.
    pub config_dir: PathBuf,
    /// Models and voices.
    pub data_dir: PathBuf,
    /// Bookmarks.
    pub state_dir: PathBuf,
    /// What can be made again.
    pub cache_dir: PathBuf,
    /// The control socket and the lock.
    pub runtime_dir: PathBuf,
}

/// No home directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell where your files belong; set HOME to your home directory")]
pub struct NoHome;

impl Paths {
    /// The places of the user who runs this process; values in the environment that are not absolute are ignored.
    ///
    /// # Errors
    /// Where there is no home directory.
    pub fn of_this_user() -> Result<Self, NoHome> {
        let base = BaseDirs::new().ok_or(NoHome)?;
        let project = ProjectDirs::from("", "", "speakerd").ok_or(NoHome)?;
        let state = project.state_dir().unwrap_or_else(|| project.data_local_dir());
        let runtime = project.runtime_dir().map_or_else(fallback_runtime_dir, Path::to_path_buf);
        Ok(Self {
            home: base.home_dir().to_path_buf(),
            config_dir: project.config_dir().to_path_buf(),
            data_dir: project.data_dir().to_path_buf(),
            state_dir: state.to_path_buf(),
            cache_dir: project.cache_dir().to_path_buf(),
            runtime_dir: runtime,
        })
    }

    /// The user's own words for words.
    pub fn dictionary_file(&self) -> PathBuf {
        self.config_dir.join("pronunciation.toml")
    }

    /// The installed models.
    pub fn models_dir(&self) -> PathBuf {
        self.data_dir.join("models")
    }

    /// The configuration file that is read when none is named.
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("speakerd.toml")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir.join("control.sock")
    }

    /// Finished audio.
    pub fn audio_cache(&self) -> PathBuf {
        self.cache_dir.join("audio")
    }

    /// The positions in watched files.
    pub fn bookmarks(&self) -> PathBuf {
        self.state_dir.join("bookmarks.json")
    }

    /// Replaces a leading `~/` by the home directory, and makes a relative path absolute below `base`.
    pub fn absolute(&self, path: &Path, base: &Path) -> PathBuf {
        match path.strip_prefix("~") {
            Ok(rest) => self.home.join(rest),
            Err(_) => base.join(path),
        }
    }
}

/// Where there is no `XDG_RUNTIME_DIR`: a directory of the user's own, checked by [`private_dir`].
fn fallback_runtime_dir() -> PathBuf {
    std::env::temp_dir().join(format!("speakerd-{}", rustix::process::geteuid().as_raw()))
}

/// Makes sure that a directory exists, belongs to this user, is no link, and is closed to everyone else.
///
/// # Errors
/// Where it cannot be made, or is not what it must be; the message names it.
pub fn private_dir(path: &Path) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot use the directory `{}`: {error}", path.display()),
        )
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(named)?;
    let metadata = path.symlink_metadata().map_err(named)?;
    if !metadata.is_dir() {
        return Err(named(io::Error::other("it is not a directory; remove it")));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(named(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user; remove it, or set XDG_RUNTIME_DIR",
        )));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(named)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_directory_is_closed_to_others_even_if_it_was_open() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("a/b");
        std::fs::create_dir_all(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        private_dir(&open).unwrap();
        private_dir(&home.path().join("c/d")).unwrap();
        for name in ["a/b", "c/d"] {
            let mode = home.path().join(name).metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o700, "{name}");
        }
    }

    #[test]
    fn a_link_or_a_file_in_its_place_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let (link, file) = (home.path().join("link"), home.path().join("file"));
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        std::fs::write(&file, "").unwrap();
        for path in [link, file] {
            let error = private_dir(&path).unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        let paths = Paths {
            home: "/home/ann".into(),
            config_dir: "/c".into(),
            data_dir: "/d".into(),
            state_dir: "/s".into(),
            cache_dir: "/k".into(),
            runtime_dir: "/r".into(),
        };
        let absolute = |path: &str| paths.absolute(Path::new(path), Path::new("/here"));
        assert_eq!(absolute("~/chat.log"), Path::new("/home/ann/chat.log"));
        assert_eq!(absolute("chat.log"), Path::new("/here/chat.log"));
        assert_eq!(absolute("/var/chat.log"), Path::new("/var/chat.log"));
        assert_eq!(absolute("~ann/x"), Path::new("/here/~ann/x"));
    }
}
