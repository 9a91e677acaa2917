//! Writes what a card hears to WAV files, one for each utterance, under names that sort in speaking order.
//!
//! A file appears under its name when it is complete; spoken text is private, so others cannot read it.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::pcm::{self, PcmSpec};

/// The writer of one run of the daemon.
pub struct WavWriter {
    directory: PathBuf,
    spec: PcmSpec,
    run: SystemTime,
    /// Shared with the writers of the same run that a failure replaced.
    n_files: Arc<Mutex<u64>>,
    open: Option<OpenWav>,
}

struct OpenWav {
    id: u64,
    unfinished: PathBuf,
    finished: PathBuf,
    writer: hound::WavWriter<BufWriter<File>>,
}

impl WavWriter {
    /// A writer into that directory, which is made where it is missing; `n_files` counts on over all writers of a run.
    /// What a killed daemon left unfinished there is removed.
    ///
    /// # Errors
    /// Where the directory cannot be made or read.
    pub fn new(
        directory: PathBuf,
        spec: PcmSpec,
        run: SystemTime,
        n_files: Arc<Mutex<u64>>,
    ) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        for entry in std::fs::read_dir(&directory)?.flatten() {
            if is_unfinished(&entry.file_name().to_string_lossy()) {
                drop(std::fs::remove_file(entry.path())); // in nobody's way
            }
        }
        Ok(Self { directory, spec, run, n_files, open: None })
    }

    /// Adds samples to that utterance's file. Another utterance finishes the one before.
    ///
    /// # Errors
    /// Where the disk is full or not writable.
    pub fn write(&mut self, id: u64, samples: &[f32]) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.id != id) {
            self.finish()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None if samples.is_empty() => return Ok(()), // cut before its first sample: no file
            None => {
                let opened = self.begin(id)?;
                self.open.insert(opened)
            }
        };
        for sample in samples {
            open.writer.write_sample(pcm::to_i16(*sample)).map_err(io_error)?;
        }
        Ok(())
    }

    fn begin(&self, id: u64) -> io::Result<OpenWav> {
        let number = {
            let mut n_files = self.n_files.lock();
            *n_files += 1;
            *n_files
        };
        // The run first, then the count: names sort in speaking order over runs, too.
        let run =
            humantime::format_rfc3339_millis(self.run).to_string().replace([':', '-', '.'], "");
        let name = format!("{run}-{number:06}-{id}");
        let unfinished = self.directory.join(format!(".{name}.part"));
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        let format = hound::WavSpec {
            channels: 1,
            sample_rate: self.spec.sample_rate_hz.get(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let writer = hound::WavWriter::new(BufWriter::new(file), format).map_err(io_error)?;
        Ok(OpenWav { id, unfinished, finished: self.directory.join(format!("{name}.wav")), writer })
    }

    /// Completes the open file and gives it its name.
    ///
    /// # Errors
    /// Where the disk is full or not writable.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(OpenWav { unfinished, finished, writer, .. }) = self.open.take() else {
            return Ok(());
        };
        let completed = writer
            .finalize()
            .map_err(io_error)
            .and_then(|()| std::fs::rename(&unfinished, finished));
        if completed.is_err() {
            drop(std::fs::remove_file(unfinished)); // the error that counts is the one above
        }
        completed
    }
}

impl Drop for WavWriter {
    fn drop(&mut self) {
        // Only an utterance that was broken off is open here: it will be spoken again.
        if let Some(open) = self.open.take() {
            drop(std::fs::remove_file(open.unfinished));
        }
    }
}

/// Whether a name is one of ours for a file that is being written: `.20260101T000000000Z-000001-1.part`.
fn is_unfinished(name: &str) -> bool {
    let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")) else {
        return false;
    };
    let parts: Vec<_> = name.split('-').collect();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [run, n, id] if run.ends_with('Z') && run.contains('T') && is_number(n) && is_number(id))
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn names(home: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(home.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn writer(home: &tempfile::TempDir) -> WavWriter {
        WavWriter::new(
            home.path().to_path_buf(),
            PcmSpec::new(24_000),
            SystemTime::UNIX_EPOCH,
            Arc::default(),
        )
        .unwrap()
    }

    #[test]
    fn names_sort_in_speaking_order_and_files_are_private_and_complete() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = writer(&home);
        for id in [9, 3, 10] {
            writer.write(id, &[0.5; 240]).unwrap();
            writer.write(id, &[0.5; 240]).unwrap();
        }
        writer.finish().unwrap();
        let ends: Vec<_> =
            names(&home).iter().map(|name| name.rsplit('-').next().unwrap().to_owned()).collect();
        assert_eq!(ends, ["9.wav", "3.wav", "10.wav"]);
        for name in names(&home) {
            let path = home.path().join(name);
            assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
            assert_eq!(hound::WavReader::open(path).unwrap().duration(), 480);
        }
    }

    #[test]
    fn a_broken_off_utterance_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = writer(&home);
        writer.write(1, &[0.5; 240]).unwrap();
        assert_eq!(names(&home).len(), 1);
        drop(writer);
        assert_eq!(names(&home), Vec::<String>::new());
    }

    #[test]
    fn what_a_killed_daemon_left_is_removed_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        for name in [
            ".19700101T000000000Z-000001-7.part",
            ".other.part",
            "19700101T000000000Z-000001-7.wav",
        ] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        drop(writer(&home));
        assert_eq!(names(&home), [".other.part", "19700101T000000000Z-000001-7.wav"]);
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = writer(&home);
        home.close().unwrap();
        assert!(writer.write(1, &[0.5; 240]).is_err());
    }
}
