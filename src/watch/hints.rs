//! Turns notify's events into "this path may have changed".
//!
//! A hint is only a reason to look. The set coalesces, so it is bounded by the files watched and nothing is lost;
//! notify's thread never waits for us.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tracing::debug;

use super::continuity::FileId;

/// What may have changed since the last call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths, in the order in which they were first mentioned.
    pub paths: Vec<PathBuf>,
    /// Something was missed, or files may have come or gone: everything is to be looked at.
    pub everything: bool,
}

/// Watches directories. Files come and go; the directory stays.
pub struct Hints {
    watcher: Option<RecommendedWatcher>,
    /// Directories that are watched, each with its inode: one that was made again is another one.
    armed: BTreeMap<PathBuf, FileId>,
    shared: Arc<Shared>,
    wake: Receiver<()>,
    problem: Option<String>,
}

struct Shared {
    /// Contended by notify's thread and the watch thread, for an insertion or a removal.
    state: Mutex<State>,
    /// Capacity 1: a second wake-up would say nothing new.
    wake: Sender<()>,
}

#[derive(Default)]
struct State {
    changes: Changes,
    mentioned: HashSet<PathBuf>,
    /// Only these paths are hints: the directory may be full of others.
    files: HashSet<PathBuf>,
    /// In these directories any new name may match a pattern.
    pattern_dirs: HashSet<PathBuf>,
}

impl Hints {
    /// Starts notify. Where it cannot be started, the hints stay silent and [`Hints::problem`] says why.
    pub fn start() -> Self {
        let (wake, woken) = bounded(1);
        let shared = Arc::new(Shared { state: Mutex::default(), wake });
        let for_events = Arc::clone(&shared);
        let watcher = notify::recommended_watcher(move |event| for_events.note(event));
        let (watcher, problem) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(polling_instead(&error))),
        };
        Self { watcher, armed: BTreeMap::new(), shared, wake: woken, problem }
    }

    /// Becomes ready when there is something for [`Hints::take`].
    pub fn wake(&self) -> &Receiver<()> {
        &self.wake
    }

    /// Takes what may have changed.
    pub fn take(&self) -> Changes {
        // Emptied first: an event that comes in between wakes again.
        while self.wake.try_recv().is_ok() {}
        let mut state = self.shared.state.lock();
        state.mentioned.clear();
        std::mem::take(&mut state.changes)
    }

    /// What keeps events from coming, and what is done instead.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Watches exactly these directories, for exactly these files, and for any name in the pattern directories.
    /// Called again and again: a directory that was made anew is armed anew. Returns whether one was, which means that
    /// events were missed.
    pub fn arm(
        &mut self,
        directories: &BTreeSet<PathBuf>,
        files: HashSet<PathBuf>,
        pattern_dirs: HashSet<PathBuf>,
    ) -> bool {
        {
            let mut state = self.shared.state.lock();
            state.files = files;
            state.pattern_dirs = pattern_dirs;
        }
        let Some(watcher) = &mut self.watcher else { return false };
        let mut missed = false;
        for gone in self.armed.keys().filter(|path| !directories.contains(*path)) {
            if let Err(error) = watcher.unwatch(gone) {
                debug!(path = %gone.display(), %error, "a directory is no longer watched");
            }
        }
        self.armed.retain(|path, _| directories.contains(path));
        self.problem = None;
        for directory in directories {
            let Some(id) = id_of(directory) else {
                self.armed.remove(directory);
                continue;
            };
            match self.armed.get(directory) {
                Some(armed) if *armed == id => continue,
                Some(_) => {
                    if let Err(error) = watcher.unwatch(directory) {
                        debug!(path = %directory.display(), %error, "a directory was made again");
                    }
                }
                None => {}
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.armed.insert(directory.clone(), id);
                    missed = true;
                }
                Err(error) => self.problem = Some(polling_instead(&error)),
            }
        }
        missed
    }
}

impl Shared {
    fn note(&self, event: notify::Result<notify::Event>) {
        let mut state = self.state.lock();
        match event {
            Ok(event) => {
                // A rescan can come without any path: asked first.
                if event.need_rescan() {
                    state.changes.everything = true;
                }
                // Our own reads are reported as Access: whoever reacts to them wakes himself for ever.
                if matches!(event.kind, EventKind::Access(_)) && !event.need_rescan() {
                    return;
                }
                // In a directory of a pattern only names that come and go are of interest.
                let is_naming = matches!(
                    event.kind,
                    EventKind::Create(_)
                        | EventKind::Remove(_)
                        | EventKind::Modify(ModifyKind::Name(_))
                );
                for path in event.paths {
                    state.mention(path, is_naming);
                }
            }
            Err(error) => {
                debug!(%error, "notify reports an error");
                state.changes.everything = true;
            }
        }
        if state.changes != Changes::default() {
            // Full: it is woken already.
            let _already_woken = self.wake.try_send(());
        }
    }
}

impl State {
    fn mention(&mut self, path: PathBuf, is_naming: bool) {
        if self.files.contains(&path) {
            if self.mentioned.insert(path.clone()) {
                self.changes.paths.push(path);
            }
        } else if is_naming
            && (path.parent().is_some_and(|parent| self.pattern_dirs.contains(parent))
                || self.pattern_dirs.contains(&path))
        {
            self.changes.everything = true;
        }
    }
}

fn id_of(path: &Path) -> Option<FileId> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    Some(FileId { dev: metadata.dev(), ino: metadata.ino() })
}

fn polling_instead(error: &notify::Error) -> String {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the limit of watched directories is reached, files are looked at every \
             two seconds instead; raise fs.inotify.max_user_watches"
                .to_owned()
        }
        _ => format!(
            "the system does not report changes ({error}), files are looked at every two seconds instead"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn armed(directory: &Path, files: &[&str]) -> Hints {
        let mut hints = Hints::start();
        let files = files.iter().map(|name| directory.join(name)).collect();
        assert!(hints.arm(&BTreeSet::from([directory.to_path_buf()]), files, HashSet::new()));
        hints
    }

    #[test]
    fn an_append_is_hinted_and_our_own_reading_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.log");
        std::fs::write(&path, "one\n").unwrap();
        let hints = armed(home.path(), &["a.log"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
        std::fs::write(home.path().join("other.log"), "not watched\n").unwrap();
        assert!(hints.wake().recv_timeout(Duration::from_millis(100)).is_err());
        std::fs::write(&path, "two\n").unwrap();
        hints.wake().recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(hints.take(), Changes { paths: vec![path], everything: false });
    }

    #[test]
    fn a_directory_that_was_made_again_is_armed_again() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("logs");
        std::fs::create_dir(&directory).unwrap();
        let mut hints = armed(&directory, &["a.log"]);
        let directories = BTreeSet::from([directory.clone()]);
        let files = HashSet::from([directory.join("a.log")]);
        assert!(!hints.arm(&directories, files.clone(), HashSet::new()), "still the same");
        std::fs::rename(&directory, home.path().join("old")).unwrap();
        std::fs::create_dir(&directory).unwrap();
        assert!(hints.arm(&directories, files, HashSet::new()), "made again");
    }

    #[test]
    fn an_overflow_without_paths_means_everything() {
        let hints = Hints::start();
        let overflow = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        hints.shared.note(Ok(overflow));
        assert_eq!(hints.take(), Changes { paths: Vec::new(), everything: true });
    }
}
