//! The part of the cache that is on disk: one file for each answer, the oldest of which go first.
//!
//! A file has a head in one line of JSON, and the audio behind it. All work is done on threads that may wait for the disk.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::debug;

use super::{Kept, Key};
use crate::paths::private_dir;

/// The directory and what is in it.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    directory: Arc<Path>,
    max_bytes: u64,
    /// Contended by the requests, for an entry at a time.
    index: Arc<Mutex<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    /// What is there, by its name: when it was written, as a number that grows, and how long it is.
    entries: BTreeMap<u128, (u64, u64)>,
    /// The same by age.
    ages: BTreeMap<u64, u128>,
    next_age: u64,
    n_bytes: u64,
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    voice: String,
    audio_ms: u64,
    n_bytes: usize,
}

impl Index {
    fn insert(&mut self, name: u128, n_bytes: u64) {
        self.remove(name);
        self.entries.insert(name, (self.next_age, n_bytes));
        self.ages.insert(self.next_age, name);
        self.next_age += 1;
        self.n_bytes += n_bytes;
    }

    fn remove(&mut self, name: u128) {
        if let Some((age, n_bytes)) = self.entries.remove(&name) {
            self.ages.remove(&age);
            self.n_bytes -= n_bytes;
        }
    }

    fn oldest(&self) -> Option<u128> {
        self.ages.values().next().copied()
    }
}

impl Disk {
    /// What is in that directory, which need not be there.
    pub(super) fn new(directory: PathBuf, max_bytes: u64) -> Self {
        let mut found: Vec<(SystemTime, u128, u64)> = Vec::new();
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_str().and_then(number_of);
            let Ok(metadata) = entry.metadata() else { continue };
            match (name, metadata.modified()) {
                (Some(name), Ok(at)) => found.push((at, name, metadata.len())),
                // What was being written when a daemon was killed.
                _ => drop(std::fs::remove_file(entry.path())),
            }
        }
        found.sort_unstable();
        let mut index = Index::default();
        for (_, name, n_bytes) in found {
            index.insert(name, n_bytes);
        }
        let disk =
            Self { directory: directory.into(), max_bytes, index: Arc::new(Mutex::new(index)) };
        disk.make_room(0);
        disk
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.index.lock().n_bytes
    }

    fn file(&self, name: u128) -> PathBuf {
        self.directory.join(format!("{name:032x}"))
    }

    /// What is kept under that key; a file that cannot be read is forgotten.
    pub(super) async fn get(&self, Key(name): Key) -> Option<Kept> {
        if !self.index.lock().entries.contains_key(&name) {
            return None;
        }
        let disk = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let kept = read(&disk.file(name));
            if kept.is_none() {
                disk.forget(name);
            }
            kept
        });
        read.await.ok().flatten()
    }

    /// Keeps it. Where the disk does not let us, it is not kept.
    pub(super) async fn put(&self, Key(name): Key, kept: Kept) {
        let disk = self.clone();
        let written = tokio::task::spawn_blocking(move || disk.write(name, &kept));
        if let Ok(Err(error)) = written.await {
            debug!("audio is not kept on disk: {error}");
        }
    }

    /// Forgets everything.
    pub(super) async fn clear(&self) {
        let disk = self.clone();
        let cleared = tokio::task::spawn_blocking(move || {
            let names: Vec<_> = disk.index.lock().entries.keys().copied().collect();
            for name in names {
                disk.forget(name);
            }
        });
        drop(cleared.await);
    }

    fn write(&self, name: u128, kept: &Kept) -> io::Result<()> {
        let (voice, n_bytes) = (kept.voice.to_string(), kept.bytes.len());
        let mut head = serde_json::to_vec(&Head { voice, audio_ms: kept.audio_ms, n_bytes })?;
        head.push(b'\n');
        let n_bytes = (head.len() + n_bytes) as u64;
        private_dir(&self.directory)?;
        self.make_room(n_bytes);
        let mut file = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.directory)?;
        file.write_all(&head)?;
        file.write_all(&kept.bytes)?;
        file.persist(self.file(name)).map_err(|error| error.error)?;
        self.index.lock().insert(name, n_bytes);
        Ok(())
    }

    fn make_room(&self, n_bytes: u64) {
        loop {
            let index = self.index.lock();
            let oldest = index.oldest();
            if index.n_bytes + n_bytes <= self.max_bytes {
                return;
            }
            drop(index); // not held while the disk is at work
            let Some(oldest) = oldest else { return };
            self.forget(oldest);
        }
    }

    fn forget(&self, name: u128) {
        drop(std::fs::remove_file(self.file(name))); // it may be gone already
        self.index.lock().remove(name);
    }
}

/// The number that a file is named by.
fn number_of(name: &str) -> Option<u128> {
    let number = u128::from_str_radix(name, 16).ok()?;
    (format!("{number:032x}") == name).then_some(number)
}

fn read(file: &Path) -> Option<Kept> {
    let mut bytes = std::fs::read(file).ok()?;
    let end = memchr::memchr(b'\n', &bytes)?;
    let head: Head = serde_json::from_slice(bytes.get(..end)?).ok()?;
    bytes.drain(..=end);
    let is_whole = bytes.len() == head.n_bytes;
    is_whole.then(|| Kept {
        voice: head.voice.into(),
        audio_ms: head.audio_ms,
        bytes: bytes.into(),
    })
}
