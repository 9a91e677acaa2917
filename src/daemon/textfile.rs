//! The file that Prometheus's node-exporter reads: written anew as a whole, so that nobody ever sees half of it.
//!
//! On a thread of its own: a disk that hangs must not keep the daemon from answering. It waits to be told to write, and
//! ends when nobody can tell it any more.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{info, warn};

use crate::telemetry::Exposition;
use crate::threads::{Thread, spawn_named};

/// Others read it: node-exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// How long an end is waited for: a disk that hangs does not keep the daemon.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Writes the file whenever it is told to.
#[derive(Debug)]
pub(super) struct Textfile {
    path: PathBuf,
    /// Capacity 2: one to write, as whoever is still at it need not be told twice, and one to take the file away.
    tasks: Sender<Task>,
    thread: Thread<()>,
}

#[derive(Debug)]
enum Task {
    Write,
    Remove,
}

impl Textfile {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub(super) fn begin(path: PathBuf, exposition: Exposition) -> io::Result<Self> {
        let (tasks, asked) = bounded(2);
        let file = path.clone();
        let thread = spawn_named("textfile", move || run(&file, &exposition, &asked))?;
        Ok(Self { path, tasks, thread })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has it written.
    pub(super) fn write(&self) {
        if self.tasks.is_empty() {
            let _never_full = self.tasks.try_send(Task::Write);
        }
    }

    /// Has it taken away, so that nobody goes on reading old figures.
    pub(super) fn remove(self) {
        let _never_full = self.tasks.try_send(Task::Remove);
    }

    /// Ends when it was written for the last time. Blocks for that long, up to a limit.
    pub(super) fn end(self) {
        drop(self.tasks);
        if let Err(error) = self.thread.join_within(END_LIMIT) {
            warn!("the last metrics may be missing: {error}");
        }
    }
}

fn run(path: &Path, exposition: &Exposition, asked: &Receiver<Task>) {
    let mut problem = None;
    for task in asked {
        let found = match task {
            Task::Write => write(path, &exposition.text()),
            Task::Remove => remove(path),
        };
        let found = found.err().map(|error| error.to_string());
        match &found {
            Some(why) if found != problem => {
                warn!("the metrics cannot be written to `{}`: {why}", path.display());
            }
            None if problem.is_some() => {
                info!("the metrics are written to `{}` again", path.display());
            }
            Some(_) | None => {}
        }
        problem = found;
    }
}

/// It need not survive a power cut: it is written again in a moment.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // Not a name that node-exporter would read; always the same one, so that what a kill left behind is the only one.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    remove(&beside)?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| {
        // Whatever the umask says.
        file.set_permissions(std::fs::Permissions::from_mode(MODE))?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        remove(&beside)?;
    }
    written
}

/// Takes a file away, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let names = std::fs::read_dir(directory).unwrap();
        names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_others_may_read_it() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("speakerd.prom");
        write(&file, "one 1\n").unwrap();
        let reader = std::fs::File::open(&file).unwrap();
        write(&file, "two 2\n").unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "one 1\n", "whoever reads has all of it");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two 2\n");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(names(home.path()), ["speakerd.prom"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let in_the_way = home.path().join("speakerd.prom");
        std::fs::create_dir(&in_the_way).unwrap();
        std::fs::write(in_the_way.join("kept"), "").unwrap();
        assert!(write(&in_the_way, "one 1\n").is_err());
        assert!(write(&home.path().join("gone/speakerd.prom"), "one 1\n").is_err());
        assert_eq!(names(home.path()), ["speakerd.prom"]);
    }
}
