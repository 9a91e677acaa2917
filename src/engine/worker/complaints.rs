//! What a process of an engine writes to its standard error, in the daemon's log.
//!
//! The thread `engine-log` waits on the pipe and ends with it.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use crate::clock;
use crate::threads::spawn_named;

/// The rest of a longer line is a line of its own.
const MAX_LINE_BYTES: u64 = 2_048;

/// So many lines in so long: a process that raves does not fill the disk with its log.
const MAX_LINES: usize = 100;
const WINDOW: Duration = Duration::from_secs(10);

/// What of the process's log is wanted.
pub(super) fn level() -> String {
    LevelFilter::current().to_string().to_ascii_lowercase()
}

/// Logs what the process complains about, until it ends.
pub(super) fn pass_on(errors: ChildStderr, pid: u32) -> std::io::Result<()> {
    spawn_named("engine-log", move || {
        let (mut errors, mut line) = (BufReader::new(errors), Vec::new());
        let mut window = Window::new(clock::now());
        loop {
            line.clear();
            match errors.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match window.admits(clock::now()) {
                Admission::Yes => log(text, pid),
                Admission::After(n_lost) => {
                    warn!(pid, "the engine's process wrote {n_lost} more lines");
                    log(text, pid);
                }
                Admission::No => {}
            }
        }
    })
    .map(drop)
}

/// Our own lines begin with their level; what else comes, from a panic say, is a warning.
fn log(line: &str, pid: u32) {
    let (level, rest) = line.split_once(' ').unwrap_or((line, ""));
    match level {
        "ERROR" => error!(pid, "{rest}"),
        "WARN" => warn!(pid, "{rest}"),
        "INFO" => info!(pid, "{rest}"),
        "DEBUG" | "TRACE" => debug!(pid, "{rest}"),
        _ => warn!(pid, "{line}"),
    }
}

/// Counts the lines of a while.
struct Window {
    begun_at: Instant,
    n_lines: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Yes,
    /// It is the first of a new window, after so many were lost in the one before.
    After(usize),
    No,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { begun_at: now, n_lines: 0 }
    }

    fn admits(&mut self, now: Instant) -> Admission {
        let mut n_lost = 0;
        if now.duration_since(self.begun_at) >= WINDOW {
            n_lost = self.n_lines.saturating_sub(MAX_LINES);
            *self = Self::new(now);
        }
        self.n_lines += 1;
        match (self.n_lines <= MAX_LINES, n_lost) {
            (true, 0) => Admission::Yes,
            (true, n_lost) => Admission::After(n_lost),
            (false, _) => Admission::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_raves_is_cut_short_and_that_is_said() {
        let now = clock::now();
        let mut window = Window::new(now);
        for _ in 0..MAX_LINES {
            assert_eq!(window.admits(now), Admission::Yes);
        }
        assert_eq!(window.admits(now), Admission::No);
        assert_eq!(window.admits(now), Admission::No);
        assert_eq!(window.admits(now + WINDOW), Admission::After(2));
        assert_eq!(window.admits(now + WINDOW), Admission::Yes);
    }
}
