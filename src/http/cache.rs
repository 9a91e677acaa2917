//! Finished audio that is kept: the same text in the same voice need not be computed twice.
//!
//! Bounded in bytes, in memory and, where that is wanted, on disk. What is found is what was sent, byte for byte.

mod disk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use quick_cache::sync::{Cache as Memory, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::settings::Settings;
use super::speech::request::Wish;
use crate::speech::Manner;
use disk::Disk;

/// No entry takes more of the memory than this share: a long text would push out all the short ones, which come again.
const LARGEST_SHARE: u64 = 4;

/// What an entry takes besides its audio.
const ENTRY_BYTES: u64 = 128;

/// About the size of a short sentence in MP3; from it the number of entries is guessed.
const USUAL_BYTES: u64 = 16 << 10;

/// After so long whoever speaks has read a dictionary that was changed.
const DICTIONARY_SETTLES: Duration = Duration::from_secs(3);

/// Names the audio of one request: whatever changes how it sounds changes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    /// The key of a wish; `None` where it cannot be told how it would sound.
    pub fn of(wish: &Wish, manner: &Manner, settings: &Settings) -> Option<Self> {
        let voice = settings.registry.stamp(&manner.voice)?;
        let dictionary = settings.dictionary.metadata().ok();
        let dictionary = dictionary.map(|it| (it.modified().ok(), it.len()));
        // Whoever speaks looks at the dictionary once a second: until then it may still be the old one.
        let changed_at = dictionary.and_then(|(changed_at, _)| changed_at);
        if changed_at.is_some_and(|at| at.elapsed().is_ok_and(|age| age < DICTIONARY_SETTLES)) {
            return None;
        }
        let mut hash = Sha256::new();
        let how = format!(
            "{VERSION} {voice} {dictionary:?} {manner:?} {} {:?} {} {}",
            settings.max_piece_chars, wish.format, wish.sample_rate_hz, wish.volume
        );
        hash.update(how.as_bytes());
        hash.update([0]);
        hash.update(wish.text.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let (half, _) = digest.split_first_chunk::<16>()?;
        Some(Self(u128::from_be_bytes(*half)))
    }
}

/// What an older version of speakerd kept on disk may sound otherwise.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is kept of a request's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Who spoke.
    pub voice: Arc<str>,
    /// How much audio it is, in milliseconds.
    pub audio_ms: u64,
    /// The encoded audio.
    pub bytes: Bytes,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Kept> for ByBytes {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        kept.bytes.len() as u64 + ENTRY_BYTES
    }
}

/// How the cache does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CacheStats {
    /// Requests that were answered from it.
    pub n_hits: u64,
    /// Requests that were not, though they might have been.
    pub n_misses: u64,
    /// How many answers are in memory.
    pub n_entries: usize,
    /// What they take.
    pub memory_bytes: u64,
    /// What they may take.
    pub max_memory_bytes: u64,
    /// What is on disk.
    pub disk_bytes: u64,
    /// What may be there.
    pub max_disk_bytes: u64,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    memory: Option<Memory<Key, Kept, ByBytes>>,
    disk: Option<Disk>,
    max_bytes: u64,
    n_hits: AtomicU64,
    n_misses: AtomicU64,
}

impl Cache {
    /// A cache of so many bytes in memory, and so many in that directory.
    pub fn new(max_bytes: u64, directory: PathBuf, max_disk_bytes: u64) -> Self {
        let n_entries = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).max(16);
        // One shard: each has its share of the bytes, and one thread uses them all.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(n_entries)
            .weight_capacity(max_bytes)
            .shards(1)
            .build();
        let memory = options.ok().filter(|_| max_bytes > 0).map(|options| {
            Memory::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            )
        });
        let disk = match max_disk_bytes {
            // What was kept while it was wished is nobody's any more.
            0 => {
                drop(std::fs::remove_dir_all(directory));
                None
            }
            max_bytes => Some(Disk::new(directory, max_bytes)),
        };
        Self { memory, disk, max_bytes, n_hits: AtomicU64::new(0), n_misses: AtomicU64::new(0) }
    }

    /// The largest answer that is kept, in bytes.
    pub fn largest(&self) -> usize {
        let on_disk = self.disk.as_ref().map_or(0, Disk::max_bytes);
        usize::try_from(self.max_bytes.max(on_disk) / LARGEST_SHARE).unwrap_or(usize::MAX)
    }

    /// What is kept under that key.
    pub async fn get(&self, key: Key) -> Option<Kept> {
        let in_memory = self.memory.as_ref().and_then(|memory| memory.get(&key));
        let found = match (in_memory, &self.disk) {
            (Some(kept), _) => Some(kept),
            (None, Some(disk)) => {
                let found = disk.get(key).await;
                if let Some(kept) = &found {
                    self.remember(key, kept);
                }
                found
            }
            (None, None) => None,
        };
        let counter = if found.is_some() { &self.n_hits } else { &self.n_misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps an answer.
    pub async fn put(&self, key: Key, kept: Kept) {
        if kept.bytes.len() > self.largest() {
            return;
        }
        self.remember(key, &kept);
        if let Some(disk) = &self.disk {
            disk.put(key, kept).await;
        }
    }

    fn remember(&self, key: Key, kept: &Kept) {
        if let Some(memory) = &self.memory {
            memory.insert(key, kept.clone());
        }
    }

    /// Forgets everything.
    pub async fn clear(&self) {
        if let Some(memory) = &self.memory {
            memory.clear();
        }
        if let Some(disk) = &self.disk {
            disk.clear().await;
        }
    }

    /// How it does.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            n_hits: self.n_hits.load(Ordering::Relaxed),
            n_misses: self.n_misses.load(Ordering::Relaxed),
            n_entries: self.memory.as_ref().map_or(0, Memory::len),
            memory_bytes: self.memory.as_ref().map_or(0, Memory::weight),
            max_memory_bytes: self.max_bytes,
            disk_bytes: self.disk.as_ref().map_or(0, Disk::n_bytes),
            max_disk_bytes: self.disk.as_ref().map_or(0, Disk::max_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(n_bytes: usize) -> Kept {
        Kept { voice: "rms".into(), audio_ms: 7, bytes: vec![1; n_bytes].into() }
    }

    #[tokio::test]
    async fn what_is_kept_is_found_and_stays_within_its_bounds() {
        let home = tempfile::tempdir().unwrap();
        for (memory, disk) in [(1 << 20, 0), (0, 1 << 20), (1 << 20, 1 << 20)] {
            let place = home.path().join(format!("{memory}-{disk}"));
            let cache = Cache::new(memory, place, disk);
            assert_eq!(cache.get(Key(0)).await, None);
            for n in 0..100 {
                cache.put(Key(n), kept(50_000)).await;
            }
            let stats = cache.stats();
            assert!(stats.memory_bytes <= memory && stats.disk_bytes <= disk, "{stats:?}");
            assert_eq!(cache.get(Key(99)).await, Some(kept(50_000)), "{stats:?}");
            cache.put(Key(1_000), kept(900_000)).await;
            assert_eq!(cache.get(Key(1_000)).await, None, "it would push out all others");
            let stats = cache.stats();
            assert_eq!((stats.n_hits, stats.n_misses), (1, 2));
        }
    }

    #[tokio::test]
    async fn what_is_on_disk_outlives_the_daemon_and_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("audio");
        let cache = Cache::new(0, place.clone(), 1 << 20);
        cache.put(Key(1), kept(10)).await;
        cache.put(Key(2), kept(20)).await;
        for entry in std::fs::read_dir(&place).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let again = Cache::new(0, place.clone(), 1 << 20);
        assert_eq!(again.get(Key(1)).await, Some(kept(10)));
        assert_eq!(again.stats().disk_bytes, cache.stats().disk_bytes);
        // A damaged file is no answer.
        for entry in std::fs::read_dir(&place).unwrap() {
            std::fs::write(entry.unwrap().path(), "no").unwrap();
        }
        assert_eq!(Cache::new(0, place, 1 << 20).get(Key(2)).await, None);
    }
}
