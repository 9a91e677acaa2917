//! A running program: text goes in, bytes come out, and it never outlives its owner.
//!
//! Knows nothing of speech. It waits on the program's three pipes at once, on the thread that reads,
//! and for no longer than it was given.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};

use super::{failed, missing_program};
use crate::engine::EngineError;

/// How much of what the program complains about is kept for the error, and how much is borne.
const KEPT_COMPLAINT_BYTES: usize = 500;
const MAX_COMPLAINT_BYTES: usize = 64 * 1_024;

/// A program that runs. Dropping it, also in a panic, kills and reaps it.
///
/// Should this process die without dropping anything, the program's next write meets a closed pipe
/// and ends it.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    patience: Duration,
    /// `None` once all text is sent.
    input: Option<OwnedFd>,
    text: Vec<u8>,
    n_sent: usize,
    /// `None` once the program closed it.
    output: Option<OwnedFd>,
    /// `None` once the program closed it.
    complaints: Option<OwnedFd>,
    complaint: Vec<u8>,
    n_complaint_bytes: usize,
}

impl Child {
    /// Starts a program that is to get this text, and may be silent for so long.
    ///
    /// # Errors
    /// [`EngineError::MissingProgram`], or what kept the system from starting it.
    pub(super) fn start(
        program: &Path,
        args: &[&str],
        text: Vec<u8>,
        patience: Duration,
    ) -> Result<Self, EngineError> {
        let mut command = Command::new(program);
        // A group of its own: a signal to the daemon's, from a terminal say, lets it finish its sentence.
        command.process_group(0);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => missing_program(),
            _ => io_error("start `espeak-ng`", source),
        })?;
        let input = process.stdin.take().map(OwnedFd::from);
        let output = process.stdout.take().map(OwnedFd::from);
        let complaints = process.stderr.take().map(OwnedFd::from);
        // From here on the program has an owner that ends it.
        let child = Self {
            process,
            patience,
            input,
            text,
            n_sent: 0,
            output,
            complaints,
            complaint: Vec::new(),
            n_complaint_bytes: 0,
        };
        for pipe in [&child.input, &child.output, &child.complaints].into_iter().flatten() {
            ioctl_fionbio(pipe, true).map_err(|error| io_error(READING, error.into()))?;
        }
        Ok(child)
    }

    /// Reads what the program has written, waiting for it if need be. 0 is the end of it.
    ///
    /// # Errors
    /// [`EngineError::Hung`] where the program was silent for too long.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        while self.output.is_some() || self.complaints.is_some() {
            self.wait()?;
            self.send()?;
            self.listen()?;
            let n_bytes = take(&mut self.output, buffer)?;
            if n_bytes > 0 {
                return Ok(n_bytes);
            }
        }
        Ok(0)
    }

    /// Ends the program, after [`Child::read`] came to the end, and says how it ended.
    ///
    /// # Errors
    /// [`EngineError::ProgramFailed`] with what the program complained about.
    pub(super) fn end(mut self) -> Result<(), EngineError> {
        // It closed its pipes, so it is ending: the signal comes too late then, and finds only a
        // program that meant to stay.
        self.process.kill().ok();
        let status = self.process.wait().map_err(|source| io_error(READING, source))?;
        if status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&self.complaint);
        let complaint = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(failed(if complaint.is_empty() { status.to_string() } else { complaint }))
    }

    /// Waits until one of the pipes can be used.
    fn wait(&self) -> Result<(), EngineError> {
        let reading = [&self.output, &self.complaints].into_iter().flatten();
        let reading = reading.map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let writing = self.input.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT));
        let mut pipes: Vec<_> = reading.chain(writing).collect();
        let limit = Timespec::try_from(self.patience).ok();
        loop {
            match poll(&mut pipes, limit.as_ref()) {
                Ok(0) => return Err(EngineError::Hung { waited_secs: self.patience.as_secs() }),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(io_error(READING, error.into())),
            }
        }
    }

    /// Sends as much of the text as the pipe takes.
    fn send(&mut self) -> Result<(), EngineError> {
        let Some(pipe) = &self.input else { return Ok(()) };
        let rest = self.text.get(self.n_sent..).unwrap_or_default();
        match rustix::io::write(pipe, rest) {
            Ok(n_bytes) => self.n_sent += n_bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            // It does not want to read; what it says about that is worth more than this error.
            Err(Errno::PIPE) => self.n_sent = self.text.len(),
            Err(error) => return Err(io_error("send text to `espeak-ng`", error.into())),
        }
        if self.n_sent == self.text.len() {
            self.input = None;
        }
        Ok(())
    }

    /// Takes in what the program complains about. A bound on it ends a program that does nothing
    /// else, and which would never be silent.
    fn listen(&mut self) -> Result<(), EngineError> {
        let mut buffer = [0; 1_024];
        let n_bytes = take(&mut self.complaints, &mut buffer)?;
        let n_keep = n_bytes.min(KEPT_COMPLAINT_BYTES.saturating_sub(self.complaint.len()));
        self.complaint.extend_from_slice(&buffer[..n_keep]);
        self.n_complaint_bytes += n_bytes;
        if self.n_complaint_bytes > MAX_COMPLAINT_BYTES {
            return Err(failed(format!(
                "it complains without end: {}",
                String::from_utf8_lossy(&self.complaint)
            )));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both are harmless after `end`: the process is then known to have been reaped.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What the program is asked for most of the time, in errors.
const READING: &str = "read from `espeak-ng`";

/// Reads what is there, without waiting; closes the pipe at its end. 0 where there is nothing.
fn take(pipe: &mut Option<OwnedFd>, buffer: &mut [u8]) -> Result<usize, EngineError> {
    let Some(open) = pipe else { return Ok(0) };
    match rustix::io::read(open.as_fd(), buffer) {
        Ok(0) => *pipe = None,
        Ok(n_bytes) => return Ok(n_bytes),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => return Err(io_error(READING, error.into())),
    }
    Ok(0)
}

fn io_error(action: &'static str, source: io::Error) -> EngineError {
    EngineError::Io { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, test_kill_process};

    fn shell(script: &str) -> Child {
        Child::start(Path::new("/bin/sh"), &["-c", script], Vec::new(), Duration::from_secs(10))
            .unwrap()
    }

    fn pid(child: &Child) -> Pid {
        Pid::from_child(&child.process)
    }

    #[test]
    fn a_dropped_program_is_gone_and_reaped_even_in_a_panic() {
        let child = shell("exec sleep 1000");
        let first = pid(&child);
        assert!(test_kill_process(first).is_ok());
        drop(child);
        // A zombie could still be signalled.
        assert_eq!(test_kill_process(first), Err(Errno::SRCH));

        let child = shell("exec sleep 1000");
        let second = pid(&child);
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _child = child;
            panic!("on purpose");
        }));
        assert!(attempt.is_err());
        assert_eq!(test_kill_process(second), Err(Errno::SRCH));
    }

    #[test]
    fn a_program_that_closes_its_pipes_and_stays_is_ended() {
        let mut child = shell("exec >&- 2>&-; exec sleep 1000");
        assert_eq!(child.read(&mut [0; 8]).unwrap(), 0);
        let error = child.end().unwrap_err();
        assert!(matches!(error, EngineError::ProgramFailed { .. }), "{error}");
    }

    #[test]
    fn the_status_of_a_program_that_just_ends_is_its_own() {
        for _ in 0..50 {
            let mut child = shell("echo word; exit 0");
            let mut buffer = [0; 8];
            assert_eq!(child.read(&mut buffer).unwrap(), 5);
            assert_eq!(child.read(&mut buffer).unwrap(), 0);
            child.end().unwrap();
        }
    }

    #[test]
    fn a_program_writing_to_nobody_ends_by_itself() {
        let mut child = shell("exec yes");
        assert!(child.read(&mut [0; 8]).unwrap() > 0);
        child.output = None; // as if this process had died
        assert!(child.process.wait().unwrap().code().is_none());
    }
}
