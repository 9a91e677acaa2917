//! Turns notify's events into "this path may have changed".
//!
//! A hint is only a reason to look. The set coalesces, so it is bounded by the files watched and nothing is lost;
//! notify's thread never waits for us.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tracing::debug;

use super::continuity::FileId;
use super::filesystem;
use super::places::Pattern;

/// What may have changed since the last call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths, in the order in which they were first mentioned.
    pub paths: Vec<Changed>,
    /// Something was missed, or files may have come or gone: everything is to be looked at.
    pub everything: bool,
}

/// A path that was mentioned.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it is watched.
    pub path: PathBuf,
    /// Its file was deleted in the meantime, whatever is there now.
    pub was_removed: bool,
}

/// What is to be told of.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The directories that tell of it.
    pub directories: BTreeSet<PathBuf>,
    /// Only these paths are hints: a directory may be full of others.
    pub files: HashSet<PathBuf>,
    /// In these directories any new name may match a pattern.
    pub pattern_directories: HashSet<PathBuf>,
    /// The patterns.
    pub patterns: Vec<Pattern>,
}

/// Watches directories. Files come and go; the directory stays.
pub struct Hints {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    /// Directories that are watched, each with its inode: one that was made again is another one.
    armed: BTreeMap<PathBuf, FileId>,
    /// Directories whose files are to be looked at again and again, and why.
    polled: BTreeMap<PathBuf, String>,
    /// Why all of them are, where notify did not start.
    broken: Option<String>,
    shared: Arc<Shared>,
    wake: Receiver<()>,
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
    /// Where a path stands in `changes.paths`.
    mentioned: HashMap<PathBuf, usize>,
    wanted: Wanted,
    /// Directories that are not there: whatever comes on the way to them is of interest.
    missing: Vec<PathBuf>,
}

impl Hints {
    /// Starts notify. Where it cannot be started, the hints stay silent and [`Hints::polled_because`] says why.
    pub fn start() -> Self {
        let (wake, woken) = bounded(1);
        let shared = Arc::new(Shared { state: Mutex::default(), wake });
        let for_events = Arc::clone(&shared);
        let watcher = notify::recommended_watcher(move |event| for_events.note(event));
        let (watcher, broken) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(because(&error))),
        };
        let (directories, armed, polled) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { watcher, directories, armed, polled, broken, shared, wake: woken }
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

    /// Why the files in a directory must be looked at again and again; `None` where events tell of them.
    pub fn polled_because(&self, directory: &Path) -> Option<&str> {
        self.polled.get(directory).or(self.broken.as_ref()).map(String::as_str)
    }

    /// Whether a directory has come, gone or been made again since it was armed.
    pub fn is_outdated(&self) -> bool {
        let is_outdated = |directory: &PathBuf| match id_of(directory) {
            Some(id) => self.armed.get(directory) != Some(&id),
            None => nearest(directory).is_some_and(|nearest| !self.armed.contains_key(nearest)),
        };
        self.watcher.is_some() && self.directories.iter().any(is_outdated)
    }

    /// Whether one of these directories is not wanted yet.
    pub fn lacks<'a>(&self, mut directories: impl Iterator<Item = &'a PathBuf>) -> bool {
        directories.any(|directory| !self.directories.contains(directory))
    }

    /// Watches exactly what is wanted. Called again and again: a directory that was made anew is armed anew. Returns
    /// whether one was, which means that events were missed.
    pub fn arm(&mut self, wanted: Wanted) -> bool {
        self.directories.clone_from(&wanted.directories);
        let missing: Vec<_> =
            wanted.directories.iter().filter(|it| id_of(it).is_none()).cloned().collect();
        let mut directories = wanted.directories.clone();
        // A directory that is not there is waited for where the way to it ends.
        directories.extend(missing.iter().filter_map(|it| nearest(it)).map(Path::to_path_buf));
        {
            let mut state = self.shared.state.lock();
            state.wanted = wanted;
            state.missing = missing;
        }
        self.polled.retain(|path, _| directories.contains(path));
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.armed.keys().filter(|path| !directories.contains(*path)) {
            if let Err(error) = watcher.unwatch(gone) {
                debug!(path = %gone.display(), %error, "a directory is no longer watched");
            }
        }
        self.armed.retain(|path, _| directories.contains(path));
        let mut missed = false;
        for directory in &directories {
            let Some(id) = id_of(directory) else {
                if self.armed.remove(directory).is_some() {
                    // It may live on under another name, and would be told of under this one.
                    let _gone_with_it = watcher.unwatch(directory);
                }
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
            self.polled.remove(directory);
            if let Some(name) = filesystem::silent(directory) {
                let why =
                    format!("{} is on {name}, which tells of no changes", directory.display());
                self.polled.insert(directory.clone(), why);
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => missed = true,
                Err(error) => {
                    self.polled.insert(directory.clone(), because(&error));
                }
            }
            // One that cannot be armed is not tried again at every look.
            self.armed.insert(directory.clone(), id);
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
                for path in &event.paths {
                    state.mention(path, event.kind);
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
    fn mention(&mut self, path: &Path, kind: EventKind) {
        // A rename leaves the file where it can be found; only a deletion must be remembered.
        let was_removed = matches!(kind, EventKind::Remove(_));
        // In a directory of a pattern only names that come and go are of interest.
        let is_naming = was_removed
            || matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)));
        if self.wanted.files.contains(path) {
            let paths = &mut self.changes.paths;
            let idx = *self.mentioned.entry(path.to_path_buf()).or_insert(paths.len());
            if idx == paths.len() {
                paths.push(Changed { path: path.to_path_buf(), was_removed: false });
            }
            paths[idx].was_removed |= was_removed;
        }
        self.changes.everything |= is_naming && self.is_concerned(path);
    }

    /// Whether a name that comes or goes may change what is watched.
    fn is_concerned(&self, path: &Path) -> bool {
        let may_match = || self.wanted.patterns.iter().any(|pattern| pattern.is_concerned(path));
        let is_in_pattern =
            path.parent().is_some_and(|parent| self.wanted.pattern_directories.contains(parent));
        self.wanted.directories.contains(path)
            || self.missing.iter().any(|directory| directory.starts_with(path))
            || (is_in_pattern && !self.wanted.files.contains(path) && may_match())
    }
}

/// The nearest directory on the way to a missing one.
fn nearest(missing: &Path) -> Option<&Path> {
    missing.ancestors().skip(1).find(|it| id_of(it).is_some())
}

fn id_of(path: &Path) -> Option<FileId> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_dir)?;
    Some(FileId::of_metadata(&metadata))
}

fn because(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the limit of watched directories is reached; raise fs.inotify.max_user_watches"
                .to_owned()
        }
        // What Linux says where the user has too many watchers; it sounds like another limit.
        notify::ErrorKind::Io(error)
            if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MFILE) =>
        {
            "the limit of programs that watch is reached; raise fs.inotify.max_user_instances"
                .to_owned()
        }
        _ => format!("the system does not report changes ({error})"),
    }
}

#[cfg(test)]
mod tests;
