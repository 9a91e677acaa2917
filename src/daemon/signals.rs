//! The signals that the daemon heeds, as requests.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// What is asked of the daemon from outside its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// End.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// Listens from the moment it is made: a signal that comes before [`Signals::next`] is waited for is not lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    has_terminal: bool,
}

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// Where the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            has_terminal: io::stderr().is_terminal(),
        })
    }

    /// What the next signal asks.
    pub async fn next(&mut self) -> Ask {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        };
        // A terminal that was closed tells of it by the same signal, and is none any more.
        let is_closed = self.has_terminal && !io::stderr().is_terminal();
        if name == "SIGHUP" && !is_closed {
            return Ask::Reload;
        }
        info!("{name}: stopping");
        Ask::Stop
    }
}
