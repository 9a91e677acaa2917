//! How far each file was heard, on disk.
//!
//! Written whole as lines settle, beside and then renamed over, so that a killed daemon finds the old or the new
//! state; made durable against a power cut by a thread of its own, at most once a second, because waiting for a disk
//! must not hold up the next line. Knows nothing of how positions come about.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::continuity::{FileId, Mark};
use crate::threads::{Thread, spawn_named};

/// The file's format. Old versions stay readable.
#[derive(Debug, Deserialize)]
#[serde(tag = "version")]
enum State {
    /// For each path, the marks of its texts; the newest, which is the one at the path, last.
    #[serde(rename = "1")]
    V1 { files: BTreeMap<String, Vec<Mark>> },
}

/// The same, to be written without copying it.
#[derive(Serialize)]
#[serde(tag = "version")]
enum StateRef<'a> {
    #[serde(rename = "1")]
    V1 { files: &'a BTreeMap<String, Vec<Mark>> },
}

/// Of more paths than this, those that are gone are forgotten: all of them are written for each line, a few hundred
/// kilobytes for so many.
const MAX_FILES: usize = 2_048;

/// How often the file is made durable at most.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// The bookmarks of all files.
#[derive(Debug)]
pub struct Bookmarks {
    file: PathBuf,
    files: BTreeMap<String, Vec<Mark>>,
    /// With so many paths it is time to forget some.
    prune_at: usize,
    is_changed: bool,
    syncer: Option<Syncer>,
}

#[derive(Debug)]
struct Syncer {
    /// Dropped first: that is what ends the thread.
    written: Sender<()>,
    thread: Thread<()>,
}

impl Bookmarks {
    /// Reads the file. One that cannot be read or understood is set aside under another name, and said: the daemon
    /// begins anew rather than not at all.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn load(file: PathBuf) -> io::Result<Self> {
        let read = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(State::V1 { files: BTreeMap::new() })
            }
            Err(error) => Err(error),
        };
        let files = match read {
            Ok(State::V1 { files }) => files,
            Err(error) => {
                set_aside(&file, &error);
                BTreeMap::new()
            }
        };
        let (written, to_sync) = bounded(1); // a second note would say nothing new
        let path = file.clone();
        let thread = spawn_named("bookmark-sync", move || sync_when_written(&path, &to_sync))?;
        let syncer = Some(Syncer { written, thread });
        let mut bookmarks = Self { file, files, prune_at: MAX_FILES, is_changed: false, syncer };
        bookmarks.prune();
        Ok(bookmarks)
    }

    /// Forgets paths that are gone where there are too many. Those that are there stay, however many.
    fn prune(&mut self) {
        if self.files.len() > self.prune_at {
            self.files.retain(|path, _| Path::new(path).exists());
            self.prune_at = MAX_FILES.max(2 * self.files.len());
        }
    }

    /// The marks of a path, the newest last.
    pub fn of(&self, path: &Path) -> Vec<Mark> {
        self.files.get(&key(path)).cloned().unwrap_or_default()
    }

    /// Marks in that file, whatever its name was.
    pub fn marks_in(&self, id: FileId) -> impl Iterator<Item = &Mark> {
        self.files.values().filter_map(|marks| marks.last()).filter(move |mark| mark.id == id)
    }

    /// Sets the marks of a path, to be saved.
    pub fn set(&mut self, path: &Path, marks: Vec<Mark>) {
        let key = key(path);
        if self.files.get(&key) != Some(&marks) {
            self.files.insert(key, marks);
            self.is_changed = true;
            self.prune();
        }
    }

    /// Writes what has changed. After a failure the next call tries again.
    ///
    /// # Errors
    /// Where the disk is full or not writable; the file is as it was then.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let beside = self.file.with_extension("new");
        let written = self.write(&beside).and_then(|()| std::fs::rename(&beside, &self.file));
        if written.is_err() {
            drop(std::fs::remove_file(&beside)); // the error that counts is the one above
            return written;
        }
        self.is_changed = false;
        if let Some(syncer) = &self.syncer {
            let _already_noted = syncer.written.try_send(());
        }
        Ok(())
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut out = match options.open(file) {
            // It could not be made at the start, or somebody has tidied up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = file.parent().unwrap_or(Path::new("/"));
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                options.open(file)
            }
            opened => opened,
        }?;
        out.write_all(&serde_json::to_vec(&StateRef::V1 { files: &self.files })?)
    }

    /// Writes what has changed and makes it durable.
    ///
    /// # Errors
    /// Where the disk is full or not writable.
    pub fn close(mut self) -> io::Result<()> {
        self.save()?;
        if let Some(Syncer { written, thread }) = self.syncer.take() {
            drop(written);
            thread.join().map_err(io::Error::other)?;
        }
        sync(&self.file)
    }
}

/// A path as a key. One that is no UTF-8 gets its bytes escaped, behind a character that no path begins with.
fn key(path: &Path) -> String {
    match path.to_str() {
        Some(path) => path.to_owned(),
        None => format!("\\{}", path.as_os_str().as_encoded_bytes().escape_ascii()),
    }
}

fn set_aside(file: &Path, error: &io::Error) {
    let aside = file.with_extension("broken.json");
    match std::fs::rename(file, &aside) {
        Ok(()) => warn!(
            "the bookmarks could not be understood ({error}) and were set aside as `{}`; reading goes on at the ends \
             of the files",
            aside.display()
        ),
        Err(aside_error) => {
            warn!("the bookmarks could not be understood ({error}) nor set aside ({aside_error})");
        }
    }
}

fn sync_when_written(file: &Path, to_sync: &Receiver<()>) {
    let mut is_written = false;
    while is_written || to_sync.recv().is_ok() {
        if let Err(error) = sync(file) {
            warn!("the bookmarks could not be made durable: {error}");
        }
        is_written = false;
        let pause = after(SYNC_INTERVAL);
        loop {
            select! {
                recv(to_sync) -> written => match written {
                    Ok(()) => is_written = true,
                    Err(_) => return, // whoever closes the bookmarks syncs them himself
                },
                recv(pause) -> _ => break,
            }
        }
    }
}

/// Makes the file's content and its name durable.
fn sync(file: &Path) -> io::Result<()> {
    match File::open(file) {
        Ok(opened) => opened.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::super::continuity::FileId;
    use super::*;

    fn mark(offset: u64) -> Mark {
        Mark { id: FileId { dev: 1, ino: 2 }, offset, n_hashed: 3, hash: 4, modified_ns: Some(5) }
    }

    #[test]
    fn marks_survive_and_the_format_is_a_promise() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bookmarks.json");
        let mut bookmarks = Bookmarks::load(file.clone()).unwrap();
        bookmarks.set(Path::new("/a.log"), vec![mark(7), mark(9)]);
        bookmarks.close().unwrap();
        let golden = r#"{"version":"1","files":{"/a.log":[{"dev":1,"ino":2,"offset":7,"n_hashed":3,"hash":4,"modified_ns":5},{"dev":1,"ino":2,"offset":9,"n_hashed":3,"hash":4,"modified_ns":5}]}}"#;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), golden);
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Bookmarks::load(file).unwrap().of(Path::new("/a.log")), [mark(7), mark(9)]);
    }

    #[test]
    fn what_cannot_be_understood_is_set_aside() {
        for content in
            ["", "{", r#"{"version":"9"}"#, "[]", r#"{"version":"1","files":{"/a":[7]}}"#]
        {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("bookmarks.json");
            std::fs::write(&file, content).unwrap();
            let bookmarks = Bookmarks::load(file.clone()).unwrap();
            assert_eq!(bookmarks.of(Path::new("/a.log")), []);
            assert_eq!(
                std::fs::read_to_string(file.with_extension("broken.json")).unwrap(),
                content
            );
        }
    }

    #[test]
    fn a_failed_save_leaves_the_old_state_and_is_tried_again() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("state");
        std::fs::create_dir(&directory).unwrap();
        let mut bookmarks = Bookmarks::load(directory.join("bookmarks.json")).unwrap();
        std::fs::remove_dir(&directory).unwrap();
        std::fs::write(&directory, "something else is in the way").unwrap();
        bookmarks.set(Path::new("/a.log"), vec![mark(7)]);
        assert!(bookmarks.save().is_err());
        std::fs::remove_file(&directory).unwrap();
        bookmarks.save().unwrap();
        assert!(directory.join("bookmarks.json").exists(), "the directory is made again");
    }

    #[test]
    fn what_older_versions_wrote_is_still_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bookmarks.json");
        let old = r#"{"version":"1","files":{"/a.log":[{"dev":1,"ino":2,"offset":7,"n_hashed":3,"hash":4}]}}"#;
        std::fs::write(&file, old).unwrap();
        let bookmarks = Bookmarks::load(file).unwrap();
        assert_eq!(bookmarks.of(Path::new("/a.log")), [Mark { modified_ns: None, ..mark(7) }]);
    }

    #[test]
    fn two_names_that_are_no_utf_8_have_bookmarks_of_their_own() {
        use std::os::unix::ffi::OsStrExt;
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bookmarks.json");
        let names = [&b"/a\xff"[..], b"/a\xfe"];
        let path = |name: &'static [u8]| Path::new(std::ffi::OsStr::from_bytes(name));
        let mut bookmarks = Bookmarks::load(file.clone()).unwrap();
        for (name, offset) in names.into_iter().zip([1, 2]) {
            bookmarks.set(path(name), vec![mark(offset)]);
        }
        bookmarks.close().unwrap();
        let bookmarks = Bookmarks::load(file).unwrap();
        let found = names.map(|name| bookmarks.of(path(name))[0].offset);
        assert_eq!(found, [1, 2]);
    }

    #[test]
    fn a_file_that_cannot_be_read_at_all_is_no_reason_to_end() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bookmarks.json");
        std::fs::create_dir(&file).unwrap();
        let mut bookmarks = Bookmarks::load(file.clone()).unwrap();
        bookmarks.set(Path::new("/a.log"), vec![mark(7)]);
        bookmarks.close().unwrap();
        assert!(file.is_file());
    }
}
