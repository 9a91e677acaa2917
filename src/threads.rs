//! The only place that starts a thread: each has a name, and its end can be waited for with a limit.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use parking_lot::Mutex;

/// A named thread whose end can be waited for. Dropping the handle lets it run on.
#[derive(Debug)]
pub struct Thread<T> {
    name: &'static str,
    handle: JoinHandle<T>,
    /// Closed by the thread's end, a panic included.
    ended: Receiver<()>,
}

/// Tells from outside whether a thread gets on: it beats while it works, and rests while it waits for something to do.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    /// The last beat, and how long the step may take that began there, where that is known to be long; `None` at rest.
    /// Contended by the thread and whoever asks once in a few seconds, for a copy.
    beat_at: Arc<Mutex<Option<(Instant, Duration)>>>,
}

impl Pulse {
    /// The thread works, and has got on.
    pub fn beat(&self, now: Instant) {
        self.beat_for(now, Duration::ZERO);
    }

    /// The thread works, has got on, and takes a step now that may take so long.
    pub fn beat_for(&self, now: Instant, allowance: Duration) {
        *self.beat_at.lock() = Some((now, allowance));
    }

    /// The thread waits, and would be woken.
    pub fn rest(&self) {
        *self.beat_at.lock() = None;
    }

    /// Whether the thread has worked for so long without getting on.
    pub fn is_stuck(&self, now: Instant, limit: Duration) -> bool {
        self.beat_at
            .lock()
            .is_some_and(|(at, allowance)| now.saturating_duration_since(at) > limit.max(allowance))
    }
}

/// Why a thread could not be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is still running; it is left to itself.
    #[error("thread {0} did not end within {1:?}")]
    StillRunning(&'static str, Duration),
    /// It panicked; the panic hook has logged where.
    #[error("thread {0} panicked")]
    Panicked(&'static str),
}

/// Starts a thread. The kernel shows the first 15 bytes of the name.
///
/// # Errors
/// Where the operating system refuses a thread.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn_named<T: Send + 'static>(
    name: &'static str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Thread<T>> {
    let (alive, ended) = bounded::<()>(0);
    let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _alive = alive; // dropped last, on unwinding too
        body()
    })?;
    Ok(Thread { name, handle, ended })
}

/// Does two things at once: the first here, the second on a thread of its own, or here as well where none can be had.
/// Starting one takes some 50 µs.
pub fn both(here: impl FnOnce(), there: impl FnOnce() + Send) {
    let there = Mutex::new(Some(there)); // contended by nobody: taken by whoever runs it
    let run = || {
        let there = there.lock().take();
        if let Some(there) = there {
            there();
        }
    };
    std::thread::scope(|scope| {
        let _or_here = std::thread::Builder::new().name("both".to_owned()).spawn_scoped(scope, run);
        here();
    });
    run();
}

impl<T> Thread<T> {
    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the end, however long it takes.
    ///
    /// # Errors
    /// Where the thread panicked.
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join().map_err(|_| JoinError::Panicked(self.name))
    }

    /// Waits for the end, up to a limit.
    ///
    /// # Errors
    /// Where the thread panicked or is still running.
    pub fn join_within(self, limit: Duration) -> Result<T, JoinError> {
        match self.ended.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => Err(JoinError::StillRunning(self.name, limit)),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => self.join(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_end_is_not_waited_for() {
        let (release, wait) = bounded::<()>(0);
        let thread = spawn_named("sleeper", move || wait.recv().is_err()).unwrap();
        let error = thread.join_within(Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, JoinError::StillRunning("sleeper", _)));
        drop(release);
    }

    #[test]
    fn a_result_and_a_panic_reach_the_one_who_joins() {
        assert_eq!(spawn_named("seven", || 7).unwrap().join().unwrap(), 7);
        let thread = spawn_named("unlucky", || assert!(std::hint::black_box(false))).unwrap();
        assert!(matches!(thread.join(), Err(JoinError::Panicked("unlucky"))));
    }
}
