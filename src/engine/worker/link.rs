//! The daemon's end: a process, its pipes, and the patience with it.
//!
//! Waits on the thread that asks, and never for longer than it was given. Between two looks at the pipe it looks at the
//! process's memory.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use tracing::info;

use super::frames::{Frames, frame};
use super::wire::{Answer, Ask, Reply, Request};
use super::{Confinement, complaints, scope};
use crate::clock;
use crate::engine::EngineError;
use crate::memory;

/// How often the memory is looked at while an answer is waited for. Memory can be taken at some gigabytes a second: so much
/// of it may be taken beyond the limit.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a process that closed its pipe may take to end by itself, so that its own status is what is told.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is read at once: a chunk of audio in three.
const READ_BYTES: usize = 16 * 1_024;

/// A process that is asked one thing at a time. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Link {
    process: Child,
    input: OwnedFd,
    output: OwnedFd,
    received: Frames,
    confinement: Confinement,
    is_scoped: bool,
    /// The number of the last request, and of the last one that has an answer.
    number: u32,
    awaited: u32,
    /// The number of the last answer.
    answered: u32,
    /// When the request that it works on was begun, and how long it may take.
    begun_at: Instant,
    patience: Duration,
    looked_at: Instant,
}

impl Link {
    /// Starts a process for that engine.
    ///
    /// # Errors
    /// What kept the system from starting it.
    pub(super) fn start(
        program: &Path,
        engine: &str,
        confinement: &Confinement,
    ) -> Result<Self, EngineError> {
        let limit = confinement.memory_limit_bytes;
        let scope = limit.and_then(|limit| scope::command(program, limit));
        let is_scoped = scope.is_some();
        let mut command = scope.unwrap_or_else(|| {
            let mut command = Command::new(program);
            command.arg0("speakerd"); // what `ps` shows
            command
        });
        command.args(["engine-worker", "--parent", &std::process::id().to_string()]);
        command.args(["--log-level", &complaints::level()]).arg(engine);
        // A group of its own: a signal to the daemon's, from a terminal say, lets it finish its sentence.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |action| move |source| EngineError::Io { action, source };
        let mut process = command.spawn().map_err(failed("start a process for the engine"))?;
        let pid = process.id();
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(EngineError::Told("the engine's process has no pipes".to_owned()));
        };
        let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
        let now = clock::now();
        let link = Self {
            process,
            input,
            output,
            received: Frames::default(),
            confinement: *confinement,
            is_scoped,
            number: 0,
            awaited: 0,
            answered: 0,
            begun_at: now,
            patience: confinement.load,
            looked_at: now,
        };
        let set_up = failed("set up the pipes of the engine's process");
        for pipe in [&link.input, &link.output] {
            ioctl_fionbio(pipe, true).map_err(|error| set_up(error.into()))?;
        }
        complaints::pass_on(errors, pid).map_err(failed("start the thread `engine-log`"))?;
        info!(pid, engine, "the engine runs in a process of its own");
        Ok(link)
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether the service manager holds it to its memory.
    pub(super) fn is_scoped(&self) -> bool {
        self.is_scoped
    }

    /// Sends a request that has an answer, which may take so long.
    ///
    /// # Errors
    /// Where the process is gone, or takes nothing.
    pub(super) fn ask(&mut self, ask: &Ask, patience: Duration) -> Result<(), EngineError> {
        if self.answered == self.awaited {
            self.begun_at = clock::now();
        }
        self.patience = patience;
        self.number = self.number.wrapping_add(1);
        self.awaited = self.number;
        let request = Request { number: self.number, ask: ask.clone() };
        let bytes = frame(&request).map_err(|error| EngineError::Told(error.to_string()))?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&self.input, rest) {
                Ok(n_bytes) => rest = &rest[n_bytes..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.look()?;
                    wait(&self.input, PollFlags::OUT, LOOK_EVERY)?;
                }
                Err(_) => return Err(self.died()),
            }
        }
        Ok(())
    }

    /// Sends a request that has no answer, as far as the process takes it: one that does not is found out by the next one.
    pub(super) fn tell(&mut self, ask: &Ask) {
        self.number = self.number.wrapping_add(1);
        if let Ok(bytes) = frame(&Request { number: self.number, ask: ask.clone() }) {
            // A few bytes, which the pipe takes whole or not at all.
            let _hung_or_gone = rustix::io::write(&self.input, &bytes);
        }
    }

    /// The answer to the last request, however long it takes.
    ///
    /// # Errors
    /// Where there is none, or it is an error.
    pub(super) fn answer(&mut self) -> Result<Answer, EngineError> {
        loop {
            if let Some(answer) = self.answer_by(clock::now() + LOOK_EVERY)? {
                return Ok(answer);
            }
        }
    }

    /// The answer to the last request; `None` where it has not come by then.
    ///
    /// # Errors
    /// Where there is none, or it is an error.
    pub(super) fn answer_by(&mut self, by: Instant) -> Result<Option<Answer>, EngineError> {
        loop {
            let reply: Option<Reply> = match self.received.take() {
                Ok(reply) => reply,
                Err(error) => return Err(self.nonsense(&error.to_string())),
            };
            if let Some(Reply { number, answer }) = reply {
                if number <= self.answered || number > self.awaited {
                    return Err(self.nonsense("it answers what nobody asked"));
                }
                (self.answered, self.begun_at) = (number, clock::now());
                match answer {
                    _ if number < self.awaited => {}
                    Answer::Failed(fault) => return Err(fault.into()),
                    answer => return Ok(Some(answer)),
                }
                continue;
            }
            self.look()?;
            let now = clock::now();
            if now >= by {
                return Ok(None);
            }
            wait(&self.output, PollFlags::IN, LOOK_EVERY.min(by - now))?;
            self.read()?;
        }
    }

    /// Whether everything that was asked is answered, waiting for it for so long.
    pub(super) fn is_settled_within(&mut self, limit: Duration) -> bool {
        if self.answered == self.awaited {
            return true;
        }
        // What it says does not matter; what it comes to shows.
        let _answer = self.answer_by(clock::now() + limit);
        self.answered == self.awaited && !self.has_ended()
    }

    /// Whether it ended as a service manager's helper ends that cannot do what it was asked for.
    pub(super) fn was_refused(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(status)) if status.code() == Some(1))
    }

    /// Whether the process is gone.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    fn read(&mut self) -> Result<(), EngineError> {
        let mut buffer = [0; READ_BYTES];
        match rustix::io::read(&self.output, &mut buffer) {
            Ok(0) => Err(self.died()),
            Ok(n_bytes) => {
                self.received.push(&buffer[..n_bytes]);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(self.died()),
        }
    }

    /// Looks whether it hangs, and how much memory it has.
    fn look(&mut self) -> Result<(), EngineError> {
        let now = clock::now();
        if self.answered != self.awaited && now.duration_since(self.begun_at) > self.patience {
            let waited_secs = self.patience.as_secs();
            self.kill();
            return Err(EngineError::Hung { waited_secs });
        }
        if now.duration_since(self.looked_at) < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = now;
        let Some(limit) = self.confinement.memory_limit_bytes else { return Ok(()) };
        let taken = memory::resident_bytes_of(self.pid());
        if taken > limit {
            self.kill();
            return Err(EngineError::TooMuchMemory { limit_mb: limit >> 20 });
        }
        Ok(())
    }

    /// Ends a process that says what means nothing.
    pub(super) fn nonsense(&mut self, what: &str) -> EngineError {
        self.kill();
        EngineError::Nonsense { what: what.to_owned() }
    }

    /// Ends the process at once.
    pub(super) fn kill(&mut self) {
        self.process.kill().ok(); // harmless where it has ended
        self.wait_for_end();
    }

    /// Waits until the process is gone. One that the kernel does not let go, in a driver say, is left to itself.
    fn wait_for_end(&mut self) {
        let until = clock::now() + LAST_WORDS;
        while clock::now() < until {
            if self.has_ended() {
                return;
            }
            let _waited = crossbeam_channel::after(Duration::from_millis(2)).recv();
        }
    }

    /// Says how a process ended that closed its pipes.
    fn died(&mut self) -> EngineError {
        let pid = self.pid();
        self.wait_for_end();
        self.kill();
        let how = match self.process.try_wait() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it closed its pipe, and cannot be ended".to_owned(),
            Err(error) => error.to_string(),
        };
        let broken_off =
            if self.received.is_broken_off() { ", in the middle of an answer" } else { "" };
        EngineError::Died { pid, how: format!("{how}{broken_off}") }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a pipe can be used, or for so long.
fn wait(pipe: &OwnedFd, flags: PollFlags, limit: Duration) -> Result<(), EngineError> {
    let limit = Timespec::try_from(limit).ok();
    match poll(&mut [PollFd::new(pipe, flags)], limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => {
            Err(EngineError::Io { action: "wait for the engine's process", source: error.into() })
        }
    }
}
