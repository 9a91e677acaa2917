//! Which directories tell of the watched files, and what is done where none does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use tracing::warn;

use super::super::hints::Wanted;
use super::super::places::{self, Pattern};
use super::Roster;

impl Roster {
    /// Watches the directories that tell of the files. Returns whether events may have been missed.
    pub(super) fn arm(&mut self) -> bool {
        self.by_path.clear(); // a link may have led elsewhere
        for (key, file) in &self.files {
            for path in places::telling_paths(file.path()) {
                self.by_path.insert(path, *key);
            }
        }
        let mut directories = places::parents(self.by_path.keys());
        directories.extend(self.pattern_directories.keys().cloned());
        let has_missed = self.hints.arm(Wanted {
            directories,
            files: self.by_path.keys().cloned().collect(),
            pattern_directories: self.pattern_directories.keys().cloned().collect(),
            patterns: self.configs.iter().filter_map(|config| Pattern::of(&config.path)).collect(),
        });
        self.note_polled();
        has_missed
    }

    /// Finds out of which files no events tell, and says so once.
    fn note_polled(&mut self) {
        let mut because = None;
        for file in self.files.values_mut() {
            // A link is told of in several directories, and all of them must.
            let paths = places::telling_paths(file.path());
            let why = paths
                .iter()
                .filter_map(|path| path.parent())
                .find_map(|directory| self.hints.polled_because(directory));
            file.set_polled(why.is_some());
            because = because.or(why.map(str::to_owned));
        }
        let polling =
            because.map(|why| format!("{why}: files are looked at twice a second instead"));
        if polling != self.polling {
            if let Some(polling) = &polling {
                warn!("{polling}");
            }
            self.polling = polling;
        }
    }

    pub(super) fn pattern_directories_now(&self) -> BTreeMap<PathBuf, Option<SystemTime>> {
        let directories = self
            .configs
            .iter()
            .flat_map(|config| places::pattern_directories(&config.path, self.max_files));
        let changed_at = |path: &PathBuf| path.metadata().and_then(|it| it.modified()).ok();
        directories.map(|path| (path.clone(), changed_at(&path))).collect()
    }

    /// Whether files may have come that match a pattern, or directories that tell of files, and no event has told.
    pub fn is_outdated(&self) -> bool {
        self.find_again
            || self.hints.is_outdated()
            || self.pattern_directories.iter().any(|(path, known)| {
                let changed_at = path.metadata().and_then(|it| it.modified()).ok();
                changed_at != *known
            })
    }
}
