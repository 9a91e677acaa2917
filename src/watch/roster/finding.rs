//! From configured paths and patterns to watched files: which are new, and what is known of each.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{info, warn};

use super::super::FileKey;
use super::super::bookmarks::Bookmarks;
use super::super::continuity::{FileId, Mark};
use super::super::places;
use super::super::regular::open_regular;
use super::super::siblings;
use super::super::tail::{Likeness, Look};
use super::super::watched::{Appearance, Watched};
use super::{Roster, read_up_to};
use crate::config::WatchConfig;

/// What is known of a file before it is watched.
enum Known {
    /// Where it was left; empty where it never was read.
    Marks(Vec<Mark>),
    /// Another name of it is watched: this one.
    ReadBy(PathBuf),
    /// It is a copy of what is being read, which has been or will be read there.
    Copy,
    /// It is nothing yet, or a copy that is being made.
    Beginning,
}

/// Whether a file was begun.
enum Begun {
    Now(FileKey),
    NotYet,
    /// It is read under this name.
    Never(PathBuf),
}

impl Roster {
    /// Expands the patterns, and begins to watch what is new. Returns that.
    pub fn find(
        &mut self,
        appearance: Appearance,
        bookmarks: &Bookmarks,
        now: Instant,
    ) -> Vec<FileKey> {
        /// Each time something came while directories were being armed.
        const MAX_ROUNDS: usize = 4;
        let (mut appearance, mut all) = (appearance, Vec::new());
        for _ in 0..MAX_ROUNDS {
            let found = self.find_once(appearance, bookmarks, now);
            let is_new = !found.is_empty() || self.hints.lacks(self.pattern_directories.keys());
            all.extend(found);
            if !(is_new || self.hints.is_outdated()) || !self.arm() {
                break;
            }
            // Something may have been written, or have come, between the first look and the arming.
            for key in self.keys() {
                self.look(key, false, now);
            }
            appearance = Appearance::Later;
        }
        all
    }

    fn find_once(
        &mut self,
        appearance: Appearance,
        bookmarks: &Bookmarks,
        now: Instant,
    ) -> Vec<FileKey> {
        // Before the directories are read: what comes in between is found at the next look.
        self.pattern_directories = self.pattern_directories_now();
        self.find_again = false;
        let (mut problem, mut found) = (None, Vec::new());
        for config in self.configs.clone() {
            let expanded = places::expand(&config.path, self.max_files);
            problem = problem.or(expanded.problem);
            let mut has_room = true;
            for path in expanded.files {
                if self.by_path.contains_key(&path) {
                    continue;
                }
                has_room &= self.files.len() < self.max_files;
                if !has_room {
                    let limit = self.max_files;
                    problem = Some(format!("more than {limit} files; raise limits.max_files"));
                    if appearance == Appearance::Later {
                        break;
                    }
                    self.over_limit.insert(path);
                    continue;
                }
                let was_there = self.over_limit.remove(&path);
                let appearance = if was_there { Appearance::AtStart } else { appearance };
                match self.begin(path.clone(), &config, appearance, bookmarks, now) {
                    Begun::Now(key) => found.push(key),
                    Begun::NotYet => self.find_again = true,
                    Begun::Never(reader) if path == config.path => {
                        let (path, reader) = (path.display(), reader.display());
                        let reason =
                            format!("`{path}` is the same file as `{reader}`, and is read there");
                        problem = problem.or(Some(reason));
                    }
                    Begun::Never(_) => {}
                }
            }
            if appearance == Appearance::AtStart {
                self.over_limit.extend(expanded.beyond);
            }
        }
        if problem != self.pattern_problem {
            if let Some(problem) = &problem {
                warn!("{problem}");
            }
            self.pattern_problem = problem;
        }
        found
    }

    fn begin(
        &mut self,
        path: PathBuf,
        config: &WatchConfig,
        appearance: Appearance,
        bookmarks: &Bookmarks,
        now: Instant,
    ) -> Begun {
        let left = self.leaving.iter().find(|(_, file)| file.path() == path).map(|(key, _)| *key);
        if let Some((key, file)) = left.and_then(|key| self.leaving.remove_entry(&key)) {
            return self.take_back(key, file, config, now);
        }
        let (known, appearance) = match self.known_of(&path, appearance, bookmarks) {
            Known::Marks(marks) => (marks, appearance),
            Known::Copy => (Vec::new(), Appearance::AtStart),
            Known::Beginning => return Begun::NotYet,
            Known::ReadBy(reader) => return Begun::Never(reader),
        };
        let (config, defaults) = (config.clone(), self.defaults.clone());
        let (by_path, ended) = (&self.by_path, &self.ended);
        let look = Look {
            now,
            was_removed: false,
            is_taken: &|other| by_path.contains_key(other),
            read_elsewhere: &|file| read_up_to(ended, file),
        };
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
        Begun::Now(key)
    }

    /// Watches a file again that was removed while lines of it are on their way.
    fn take_back(
        &mut self,
        key: FileKey,
        mut file: Watched,
        config: &WatchConfig,
        now: Instant,
    ) -> Begun {
        file.reconfigure(config.clone(), self.defaults.clone());
        self.by_path.insert(file.path().to_path_buf(), key);
        self.files.insert(key, file);
        self.look(key, false, now);
        if let Some(file) = self.files.get_mut(&key) {
            file.come_back(now);
        }
        Begun::Now(key)
    }

    /// What is known of a file: where it was left, under this name or under another one that it had before; whether it is
    /// still read under another one, or is a copy of what is.
    fn known_of(&self, path: &Path, appearance: Appearance, bookmarks: &Bookmarks) -> Known {
        let own = bookmarks.of(path);
        let Ok(Some(file)) = open_regular(path) else { return Known::Marks(own) };
        let Ok(id) = FileId::of(&file) else { return Known::Marks(own) };
        if let Some(reader) = self.files().find(|other| other.holds(id)) {
            return Known::ReadBy(reader.path().to_path_buf());
        }
        if own.last().is_some_and(|mark| mark.offset > 0 && mark.is_in(&file).unwrap_or(false)) {
            return Known::Marks(own);
        }
        let mut elsewhere = self.ended.iter().rev().chain(bookmarks.marks_in(id));
        let is_it =
            |mark: &&Mark| mark.id == id && mark.offset > 0 && mark.is_in(&file).unwrap_or(false);
        if let Some(moved) = elsewhere.find(is_it).copied() {
            return Known::Marks(vec![moved]);
        }
        if appearance == Appearance::Later && own.is_empty() {
            let beside = self.files().filter(|other| siblings::is_made_of(other.path(), path));
            for other in beside {
                match other.likeness(&file) {
                    Ok(Likeness::Copy) => return Known::Copy,
                    Ok(Likeness::Beginning) => return Known::Beginning,
                    Ok(Likeness::None) | Err(_) => {}
                }
            }
        }
        Known::Marks(own)
    }
}
