//! Which files are watched: configured paths and patterns, the files found for them, and the events that tell of them.
//!
//! Knows nothing of the queue or of outcomes.

mod arming;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tracing::{info, warn};

use super::FileKey;
use super::bookmarks::Bookmarks;
use super::continuity::{FileId, Mark};
use super::hints::Hints;
use super::places::{self, Pattern};
use super::tail::Look;
use super::watched::{Appearance, Defaults, Watched};
use crate::config::{Config, WatchConfig};

/// The watched files.
pub struct Roster {
    configs: Vec<WatchConfig>,
    defaults: Defaults,
    max_files: usize,
    files: BTreeMap<FileKey, Watched>,
    /// Every path whose events are about a file: its own, and where it is a link, those it leads over.
    by_path: HashMap<PathBuf, FileKey>,
    next_key: FileKey,
    hints: Hints,
    pattern_problem: Option<String>,
    /// Why some files are looked at again and again.
    polling: Option<String>,
    /// The directories of the patterns, and when something last came or went there.
    pattern_directories: BTreeMap<PathBuf, Option<SystemTime>>,
    /// Files that were there and found no room: should there be room one day, they begin at their ends.
    over_limit: HashSet<PathBuf>,
    /// Where reading of rotated texts ended: a pattern may find them under their new names.
    ended: VecDeque<Mark>,
}

/// How many rotated texts are remembered: as many as files are watched by default.
const MAX_ENDED: usize = 1_024;

impl Roster {
    /// What is configured; nothing is looked at yet.
    pub fn new(config: &Config) -> Self {
        Self {
            configs: config.watch.clone(),
            defaults: Defaults {
                voice: config.engine.voice.clone(),
                rate: config.engine.rate,
                pitch: config.engine.pitch,
                max_age: config.queue.max_age,
                max_line_bytes: config.limits.max_line_bytes,
            },
            max_files: config.limits.max_files,
            files: BTreeMap::new(),
            by_path: HashMap::new(),
            next_key: 0,
            hints: Hints::start(),
            pattern_problem: None,
            polling: None,
            pattern_directories: BTreeMap::new(),
            over_limit: HashSet::new(),
            ended: VecDeque::new(),
        }
    }

    /// Expands the patterns, and begins to watch what is new.
    pub fn find(&mut self, appearance: Appearance, bookmarks: &Bookmarks, now: Instant) {
        /// Each time something came while directories were being armed.
        const MAX_ROUNDS: usize = 4;
        let mut appearance = appearance;
        for _ in 0..MAX_ROUNDS {
            let has_found = self.find_once(appearance, bookmarks, now);
            if !(has_found || self.hints.is_outdated()) || !self.arm() {
                return;
            }
            // Something may have been written, or have come, between the first look and the arming.
            for key in self.keys() {
                self.look(key, false, now);
            }
            appearance = Appearance::Later;
        }
    }

    /// Returns whether there is a file that is new.
    fn find_once(&mut self, appearance: Appearance, bookmarks: &Bookmarks, now: Instant) -> bool {
        // Before the directories are read: what comes in between is found at the next look.
        self.pattern_directories = self.pattern_directories_now();
        let (mut problem, before) = (None, self.next_key);
        for config in self.configs.clone() {
            let expanded = places::expand(&config.path, self.max_files);
            problem = problem.or(expanded.problem);
            for path in expanded.files {
                if self.by_path.contains_key(&path) {
                    continue;
                }
                if self.files.len() >= self.max_files {
                    problem =
                        Some(format!("more than {} files; raise limits.max_files", self.max_files));
                    break;
                }
                let was_there = self.over_limit.remove(&path);
                let appearance = if was_there { Appearance::AtStart } else { appearance };
                self.begin(path, config.clone(), appearance, bookmarks, now);
            }
        }
        if problem != self.pattern_problem {
            if let Some(problem) = &problem {
                warn!("{problem}");
            }
            self.pattern_problem = problem;
        }
        self.next_key > before || self.hints.lacks(self.pattern_directories.keys())
    }

    fn begin(
        &mut self,
        path: PathBuf,
        config: WatchConfig,
        appearance: Appearance,
        bookmarks: &Bookmarks,
        now: Instant,
    ) {
        let Some(known) = self.known_marks(&path, bookmarks) else { return };
        let defaults = self.defaults.clone();
        let by_path = &self.by_path;
        let is_taken = |other: &Path| by_path.contains_key(other);
        let look = Look { now, was_removed: false, is_taken: &is_taken };
        let file = Watched::begin(path.clone(), config, defaults, known, appearance, &look);
        if let Some(problem) = file.problem() {
            warn!(path = %path.display(), "cannot be watched: {problem}");
        } else {
            info!(path = %path.display(), "watching");
        }
        let key = self.next_key;
        self.next_key += 1;
        self.by_path.insert(path, key);
        self.files.insert(key, file);
    }

    /// Where a file was left, under this name or under another one that it had before. `None` while it is still read
    /// under the other one.
    fn known_marks(&self, path: &Path, bookmarks: &Bookmarks) -> Option<Vec<Mark>> {
        let own = bookmarks.of(path);
        let Ok(metadata) = std::fs::metadata(path) else { return Some(own) };
        let id = FileId::of_metadata(&metadata);
        if self.files().any(|file| file.holds(id)) {
            return None;
        }
        let is_it = |mark: &Mark| {
            let holds = || File::open(path).and_then(|file| mark.is_in(&file)).unwrap_or(false);
            mark.offset > 0 && holds()
        };
        if own.last().is_some_and(is_it) {
            return Some(own);
        }
        let elsewhere = self.ended.iter().rev().chain(bookmarks.marks_in(id));
        let moved = elsewhere.filter(|mark| mark.id == id).find(|mark| is_it(mark)).copied();
        Some(moved.map_or(own, |mark| vec![mark]))
    }

    /// Looks at one file, and lets go of what was rotated away from it long ago.
    pub fn look(&mut self, key: FileKey, was_removed: bool, now: Instant) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let before = file.problem().map(str::to_owned);
        let by_path = &self.by_path;
        let is_taken = |other: &Path| by_path.get(other).is_some_and(|other| *other != key);
        file.look(&Look { now, was_removed, is_taken: &is_taken });
        if let Some(problem) = file.problem().filter(|problem| Some(*problem) != before.as_deref())
        {
            warn!(path = %file.path().display(), "cannot be read: {problem}");
        }
        let ended = file.retire(now);
        let path = file.path();
        // A link may lead somewhere else now, of which nobody tells yet.
        let leads_elsewhere = path.is_symlink()
            && places::telling_paths(path).iter().any(|path| by_path.get(path) != Some(&key));
        self.remember(ended);
        if leads_elsewhere && self.arm() {
            self.look(key, false, now);
        }
    }

    fn remember(&mut self, ended: Vec<Mark>) {
        self.ended.extend(ended);
        while self.ended.len() > MAX_ENDED {
            self.ended.pop_front();
        }
    }

    /// Forgets the files of patterns that are gone for good: each keeps a descriptor open and counts.
    pub fn forget_gone(&mut self, now: Instant) -> bool {
        let mut ended = Vec::new();
        let configs = &self.configs;
        self.files.retain(|_, file| {
            let is_over = file.is_gone()
                && file.is_over(now)
                && !configs.iter().any(|config| config.path == file.path());
            if is_over {
                ended.extend(file.marks().last().copied());
            }
            !is_over
        });
        let has_forgotten = !ended.is_empty();
        if has_forgotten {
            self.remember(ended);
            self.arm();
        }
        has_forgotten
    }

    /// Adds a path or a pattern. Returns the files that are new with it.
    ///
    /// # Errors
    /// Where it is watched already, or cannot be.
    pub fn add(
        &mut self,
        config: WatchConfig,
        bookmarks: &Bookmarks,
        now: Instant,
    ) -> Result<Vec<FileKey>, String> {
        let path = config.path.clone();
        if self.configs.iter().any(|known| known.path == path) {
            return Err(format!("`{}` is watched already", path.display()));
        }
        // What another pattern finds at this very moment is new all the same.
        self.find(Appearance::Later, bookmarks, now);
        self.configs.push(config);
        let before = self.next_key;
        self.find(Appearance::AtStart, bookmarks, now);
        // A pattern wants its directory to be watched, whether there are files or not.
        self.arm();
        let is_plain = Pattern::of(&path).is_none();
        let problem =
            self.files.range(before..).find_map(|(_, file)| file.problem().map(str::to_owned));
        if is_plain && let Some(problem) = problem {
            self.forget(&path);
            return Err(format!("`{}` cannot be watched: {problem}", path.display()));
        }
        if is_plain && !self.by_path.contains_key(&path) {
            self.forget(&path);
            let limit = self.max_files;
            return Err(format!(
                "`{}` is one file too many: limits.max_files is {limit}",
                path.display()
            ));
        }
        Ok(self.files.range(before..).map(|(key, _)| *key).collect())
    }

    /// Removes a path or a pattern as it was added. Returns its files.
    ///
    /// # Errors
    /// Where it is not watched; says what is.
    pub fn remove(&mut self, path: &Path) -> Result<BTreeMap<FileKey, Watched>, String> {
        if self.configs.iter().any(|known| known.path == path) {
            return Ok(self.forget(path));
        }
        let known: Vec<_> =
            self.configs.iter().map(|known| known.path.display().to_string()).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        Err(format!("`{}` is not watched; watched: {known}", path.display()))
    }

    /// Drops a configured path, with the files that no other one is about.
    pub fn forget(&mut self, path: &Path) -> BTreeMap<FileKey, Watched> {
        self.configs.retain(|known| known.path != path);
        let configs = &self.configs;
        let is_wanted = |file: &Watched| {
            configs.iter().any(|config| places::is_about(&config.path, file.path()))
        };
        let files = std::mem::take(&mut self.files);
        let (wanted, removed) = files.into_iter().partition(|(_, file)| is_wanted(file));
        self.files = wanted;
        self.pattern_directories = self.pattern_directories_now();
        self.arm();
        removed
    }

    /// Watches a file again that was removed while lines of it are on their way.
    pub fn take_back(&mut self, key: FileKey, file: Watched, config: WatchConfig) {
        let path = file.path().to_path_buf();
        self.configs.push(config);
        self.files.insert(key, file);
        self.by_path.insert(path, key);
        self.pattern_directories = self.pattern_directories_now();
        self.arm();
    }

    /// The events.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// What keeps files from being watched as they should be.
    pub fn problem(&self) -> Option<&str> {
        self.pattern_problem.as_deref()
    }

    /// Why files are looked at again and again.
    pub fn polling(&self) -> Option<&str> {
        self.polling.as_deref()
    }

    /// Patterns that no file matches yet.
    pub fn unmatched(&self) -> Vec<String> {
        let patterns = self.configs.iter().filter(|config| Pattern::of(&config.path).is_some());
        let is_unmatched = |config: &&WatchConfig| {
            !self.files().any(|file| places::is_about(&config.path, file.path()))
        };
        patterns.filter(is_unmatched).map(|config| config.path.display().to_string()).collect()
    }

    /// One file.
    pub fn get(&self, key: FileKey) -> Option<&Watched> {
        self.files.get(&key)
    }

    /// One file.
    pub fn get_mut(&mut self, key: FileKey) -> Option<&mut Watched> {
        self.files.get_mut(&key)
    }

    /// The file that a path tells of.
    pub fn key_of(&self, path: &Path) -> Option<FileKey> {
        self.by_path.get(path).copied()
    }

    /// All files, in the order in which they were found.
    pub fn files(&self) -> impl Iterator<Item = &Watched> {
        self.files.values()
    }

    /// The keys of the files of that source, or of all.
    pub fn keys_named(&self, name: Option<&str>) -> Vec<FileKey> {
        let is_meant = |file: &Watched| name.is_none_or(|name| file.source().name() == name);
        self.files.iter().filter(|(_, file)| is_meant(file)).map(|(key, _)| *key).collect()
    }

    /// The keys of the files of which that holds.
    pub fn keys_where(&self, is_meant: impl Fn(&Watched) -> bool) -> Vec<FileKey> {
        self.files.iter().filter(|(_, file)| is_meant(file)).map(|(key, _)| *key).collect()
    }

    /// The keys of the next `n` files after that one, in a circle.
    pub fn keys_after(&self, key: Option<FileKey>, n: usize) -> Vec<FileKey> {
        let after = key.map_or(0, |key| key + 1);
        let (next, first) = (self.files.range(after..), self.files.range(..after));
        next.chain(first).map(|(key, _)| *key).take(n).collect()
    }

    /// The keys of all files.
    pub fn keys(&self) -> Vec<FileKey> {
        self.files.keys().copied().collect()
    }
}
