//! Which files are watched: configured paths and patterns, the files found for them, and the events that tell of them.
//!
//! Knows nothing of the queue or of outcomes.

mod arming;
mod finding;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tracing::warn;

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
    /// Those of them that were added while the daemon ran.
    added: HashSet<PathBuf>,
    defaults: Defaults,
    max_files: usize,
    files: BTreeMap<FileKey, Watched>,
    /// Removed files with lines on their way: their bookmarks are kept until the last outcome.
    leaving: BTreeMap<FileKey, Watched>,
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
    /// Files that were found and cannot be begun yet may be begun now, or soon.
    find_again: bool,
}

/// How many rotated texts are remembered: as many as files are watched by default.
const MAX_ENDED: usize = 1_024;

impl Roster {
    /// What is configured; nothing is looked at yet.
    pub fn new(config: &Config) -> Self {
        Self {
            configs: config.watch.clone(),
            added: HashSet::new(),
            defaults: Defaults::of(config),
            max_files: config.limits.max_files,
            files: BTreeMap::new(),
            leaving: BTreeMap::new(),
            by_path: HashMap::new(),
            next_key: 0,
            hints: Hints::start(),
            pattern_problem: None,
            polling: None,
            pattern_directories: BTreeMap::new(),
            over_limit: HashSet::new(),
            ended: VecDeque::new(),
            find_again: false,
        }
    }

    /// Looks at one file, and lets go of what was rotated away from it long ago.
    pub fn look(&mut self, key: FileKey, was_removed: bool, now: Instant) {
        if self.is_read_elsewhere(key) {
            return;
        }
        let Some(file) = self.files.get_mut(&key) else { return };
        let before = file.problem().map(str::to_owned);
        let (by_path, ended) = (&self.by_path, &self.ended);
        file.look(&Look {
            now,
            was_removed,
            is_taken: &|other| by_path.get(other).is_some_and(|other| *other != key),
            read_elsewhere: &|file| read_up_to(ended, file),
        });
        if let Some(problem) = file.problem().filter(|problem| Some(*problem) != before.as_deref())
        {
            warn!(path = %file.path().display(), "cannot be read: {problem}");
        }
        let ended = file.retire(now);
        let path = file.path();
        // A link may lead somewhere else now, of which nobody tells yet.
        let leads_elsewhere = path.is_symlink()
            && places::telling_paths(path).iter().any(|path| by_path.get(path) != Some(&key));
        self.find_again |= !ended.is_empty();
        self.remember(ended);
        if leads_elsewhere && self.arm() {
            self.look(key, false, now);
        }
    }

    /// Whether what is at a path now is read under another name, as when names of a pattern are shifted: who reads it
    /// reads it to its end, and then it is looked at here.
    fn is_read_elsewhere(&self, key: FileKey) -> bool {
        let Some(file) = self.files.get(&key) else { return false };
        let Ok(metadata) = std::fs::metadata(file.path()) else { return false };
        let id = FileId::of_metadata(&metadata);
        !file.holds(id) && self.files.iter().any(|(other, it)| *other != key && it.holds(id))
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
        self.added.insert(path.clone());
        self.configs.push(config);
        let found = self.find(Appearance::AtStart, bookmarks, now);
        // A pattern wants its directory to be watched, whether there are files or not.
        self.arm();
        let is_plain = Pattern::of(&path).is_none();
        if is_plain {
            let problem = match self.key_of(&path).and_then(|key| self.get(key)) {
                Some(file) => file.problem().map(|it| format!("cannot be watched: {it}")),
                None if self.files.len() >= self.max_files => {
                    Some(format!("is one file too many: limits.max_files is {}", self.max_files))
                }
                None => Some("is watched already, under another name".to_owned()),
            };
            if let Some(problem) = problem {
                self.forget(&path);
                return Err(format!("`{}` {problem}", path.display()));
            }
        }
        Ok(found)
    }

    /// Goes by another configuration: files that stay watched go on where they are. Returns those that do not.
    pub fn configure(
        &mut self,
        config: &Config,
        bookmarks: &Bookmarks,
        now: Instant,
    ) -> Vec<FileKey> {
        let is_kept = |known: &WatchConfig| {
            self.added.contains(&known.path)
                && config.watch.iter().all(|watch| watch.path != known.path)
        };
        let added: Vec<_> = self.configs.drain(..).filter(is_kept).collect();
        self.added.retain(|path| added.iter().any(|known| known.path == *path));
        self.configs = config.watch.iter().cloned().chain(added).collect();
        self.defaults = Defaults::of(config);
        self.max_files = config.limits.max_files;
        let removed = self.leave_unwanted();
        for file in self.files.values_mut() {
            let about = |known: &&WatchConfig| places::is_about(&known.path, file.path());
            if let Some(config) = self.configs.iter().find(about) {
                file.reconfigure(config.clone(), self.defaults.clone());
            }
        }
        self.find(Appearance::AtStart, bookmarks, now);
        self.arm();
        removed
    }

    /// Removes a path or a pattern as it was added. Returns its files, which are leaving.
    ///
    /// # Errors
    /// Where it is not watched; says what is.
    pub fn remove(&mut self, path: &Path) -> Result<Vec<FileKey>, String> {
        if self.configs.iter().any(|known| known.path == path) {
            return Ok(self.forget(path));
        }
        let known: Vec<_> =
            self.configs.iter().map(|known| known.path.display().to_string()).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        Err(format!("`{}` is not watched; watched: {known}", path.display()))
    }

    /// Drops a configured path, with the files that no other one is about. Returns them.
    pub fn forget(&mut self, path: &Path) -> Vec<FileKey> {
        self.added.remove(path);
        self.configs.retain(|known| known.path != path);
        self.leave_unwanted()
    }

    /// Has the files leave that no configured path is about. Returns them.
    fn leave_unwanted(&mut self) -> Vec<FileKey> {
        let configs = &self.configs;
        let is_wanted = |file: &Watched| {
            configs.iter().any(|config| places::is_about(&config.path, file.path()))
        };
        let files = std::mem::take(&mut self.files);
        let (wanted, removed): (_, BTreeMap<_, _>) =
            files.into_iter().partition(|(_, file)| is_wanted(file));
        self.files = wanted;
        let keys = removed.keys().copied().collect();
        self.leaving.extend(removed);
        self.pattern_directories = self.pattern_directories_now();
        self.arm();
        keys
    }

    /// A file, leaving or not, of which a line has its outcome.
    pub fn settling(&mut self, key: FileKey) -> Option<&mut Watched> {
        self.files.get_mut(&key).or_else(|| self.leaving.get_mut(&key))
    }

    /// Lets go of removed files of which no line is on its way any more.
    pub fn forget_settled(&mut self) {
        self.leaving.retain(|_, file| !file.is_settled());
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

    /// A file that is watched.
    pub fn get(&self, key: FileKey) -> Option<&Watched> {
        self.files.get(&key)
    }

    /// A file that is watched.
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

/// How far a file was read under a name that it had before.
fn read_up_to(ended: &VecDeque<Mark>, file: &File) -> u64 {
    let Ok(id) = FileId::of(file) else { return 0 };
    let mut its = ended.iter().rev().filter(|mark| mark.id == id && mark.offset > 0);
    its.find(|mark| mark.is_in(file).unwrap_or(false)).map_or(0, |mark| mark.offset)
}
