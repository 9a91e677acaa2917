//! The keys that let programs in: a file of digests, never of keys.
//!
//! Knows nothing of requests. A key is 32 random bytes, so that one round of SHA-256 is enough to keep it: there is nothing to
//! guess. Whoever adds or removes one is the command line; the server looks at the file again when it has changed.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::http::Scope;
use crate::paths::private_dir;
use crate::voice::is_name;

/// What every key begins with, so that one that got somewhere it should not be is recognised.
const PREFIX: &str = "spk_";

/// More keys than this are no keys of persons and programs any more, and each is compared with each request.
const MAX_KEYS: usize = 256;

/// A file beyond this is not ours.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose it is.
    pub name: Arc<str>,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// When it was made, RFC 3339.
    pub created: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct KeyFile {
    keys: Vec<Key>,
}

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is taken.
    #[error("there is a key `{0}` already; remove it first, or choose another name")]
    Exists(String),
    /// Nobody has that name.
    #[error("there is no key `{0}`; `speakerd key list` shows them")]
    Unknown(String),
    /// It cannot be called so.
    #[error("`{0}` is no name for a key: lower-case letters, digits, `-`, `_` and `.`")]
    BadName(String),
    /// Too many.
    #[error("{MAX_KEYS} keys are enough; remove one that is no longer used")]
    TooMany,
    /// The file cannot be read or written.
    #[error("cannot use the keys in `{}`", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandom(getrandom::Error),
}

/// Where the keys are.
pub fn file_below(data_dir: &Path) -> PathBuf {
    data_dir.join("keys.json")
}

/// All keys; none where there is no file.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), source };
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(failed(io::Error::other("it is too large to be a file of keys")));
        }
        Ok(_) => {}
    }
    let text = std::fs::read(path).map_err(failed)?;
    let file: KeyFile =
        serde_json::from_slice(&text).map_err(|error| failed(io::Error::other(error)))?;
    Ok(file.keys)
}

/// Makes a key and writes its digest down. Returns the key itself, which nobody can read again.
///
/// # Errors
/// Where the name is taken or no name, or the file cannot be written.
pub fn add(path: &Path, name: &str, scopes: &[Scope], created: String) -> Result<String, KeyError> {
    let _lock = lock(path)?;
    let mut keys = read(path)?;
    if !is_name(name) {
        return Err(KeyError::BadName(name.to_owned()));
    }
    if keys.iter().any(|key| *key.name == *name) {
        return Err(KeyError::Exists(name.to_owned()));
    }
    if keys.len() >= MAX_KEYS {
        return Err(KeyError::TooMany);
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(KeyError::NoRandom)?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let sha256 = hex(&digest(&key));
    keys.push(Key { name: name.into(), scopes: scopes.to_vec(), sha256, created });
    write(path, keys)?;
    Ok(key)
}

/// Forgets a key.
///
/// # Errors
/// Where there is none of that name, or the file cannot be written.
pub fn remove(path: &Path, name: &str) -> Result<(), KeyError> {
    let _lock = lock(path)?;
    let mut keys = read(path)?;
    let n_before = keys.len();
    keys.retain(|key| *key.name != *name);
    if keys.len() == n_before {
        return Err(KeyError::Unknown(name.to_owned()));
    }
    write(path, keys)
}

/// Keeps others from changing the file until it is dropped.
fn lock(path: &Path) -> Result<std::fs::File, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), source };
    private_dir(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    let mut options = std::fs::OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(0o600);
    let lock = options.open(path.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

fn write(path: &Path, keys: Vec<Key>) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), source };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let text = serde_json::to_vec_pretty(&KeyFile { keys })
        .map_err(|error| failed(io::Error::other(error)))?;
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The keys as they are in the file now.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    /// Contended by the requests, for a look at the file's time.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the file was written, how long it is, and which file it is.
    stamp: Option<(SystemTime, u64, u64)>,
    keys: Arc<Vec<Key>>,
    /// The file could not be read.
    is_unread: bool,
}

impl Keyring {
    /// The keys in that file, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    /// Whose key that is. Takes the same time whichever it is, and where it is none.
    pub fn find(&self, key: &str) -> Option<Key> {
        let keys = self.keys();
        let asked = hex(&digest(key));
        keys.iter().fold(None, |found, known| {
            let is_it: bool = known.sha256.as_bytes().ct_eq(asked.as_bytes()).into();
            if is_it { Some(known.clone()) } else { found }
        })
    }

    /// The keys, read again where the file has changed. Where it cannot be read nobody is let in.
    fn keys(&self) -> Arc<Vec<Key>> {
        let metadata = self.path.metadata().ok();
        let stamp = metadata.and_then(|it| Some((it.modified().ok()?, it.len(), it.ino())));
        let mut seen = self.seen.lock();
        if seen.stamp != stamp || seen.is_unread {
            let is_told = seen.is_unread && seen.stamp == stamp;
            match read(&self.path) {
                Ok(keys) => *seen = Seen { stamp, keys: Arc::new(keys), is_unread: false },
                Err(error) => {
                    // It is tried again at the next request: descriptors may have been short.
                    if !is_told {
                        tracing::warn!("{error}; nobody is let in");
                    }
                    *seen = Seen { stamp, keys: Arc::default(), is_unread: true };
                }
            }
        }
        Arc::clone(&seen.keys)
    }

    /// Whether somebody of that name has a key.
    pub fn has(&self, name: &str) -> bool {
        self.keys().iter().any(|key| *key.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_digest_alone_and_forgotten_when_it_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = file_below(&home.path().join("data"));
        let ring = Keyring::new(path.clone());
        assert_eq!(ring.find("spk_none"), None);
        let key = add(&path, "webui", &[Scope::Speak], "now".to_owned()).unwrap();
        let found = ring.find(&key).unwrap();
        assert_eq!((&*found.name, found.scopes.as_slice()), ("webui", &[Scope::Speak][..]));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key) && key.len() == PREFIX.len() + 43, "{text}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ring.find(key.strip_suffix(|_| true).unwrap()), None);
        assert!(matches!(
            add(&path, "webui", &[], String::new()),
            Err(KeyError::Exists(name)) if name == "webui"
        ));
        assert!(matches!(add(&path, "a/b", &[], String::new()), Err(KeyError::BadName(_))));
        let other = add(&path, "phone", &[Scope::Admin], "now".to_owned()).unwrap();
        assert_eq!(&*ring.find(&other).unwrap().name, "phone");
        remove(&path, "webui").unwrap();
        assert_eq!(ring.find(&key), None);
        assert!(matches!(remove(&path, "webui"), Err(KeyError::Unknown(_))));
    }

    #[test]
    fn a_damaged_file_lets_nobody_in() {
        let home = tempfile::tempdir().unwrap();
        let path = file_below(home.path());
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).is_err());
        assert_eq!(Keyring::new(path).find("spk_x"), None);
    }
}
