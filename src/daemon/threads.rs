//! The threads of the pipe: how their ends are told, and how they are ended in order.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::Sender;
use tokio::sync::mpsc;

use super::CUT_RESERVE;
use super::rescue::STUCK;
use crate::clock;
use crate::control::handler::Handler;
use crate::engine::worker::{Confinement, Isolation};
use crate::memory;
use crate::speech::FailureClass;
use crate::steering::{Steering, Stopping};
use crate::threads::{Pulse, Thread, spawn_named};

/// A thread that has not got on for so long is in the middle of one step.
const AWAY: Duration = Duration::from_secs(2);

/// What is added where somebody else is to find out first.
const MARGIN: Duration = Duration::from_secs(10);

/// Why the daemon cannot go on as it is.
pub(super) struct Trouble {
    /// In words.
    pub(super) why: String,
    /// What it is for the line that an engine works on, where that has to do with it.
    pub(super) class: Option<FailureClass>,
}

/// The three threads and what ends them.
pub(super) struct Threads {
    pub(super) watch: Thread<()>,
    pub(super) inference: Thread<()>,
    pub(super) playback: Thread<()>,
    /// Gets the name of each thread that has ended.
    pub(super) ended: mpsc::Receiver<&'static str>,
    /// Whether each of them gets on.
    pub(super) pulses: [(Pulse, &'static str); 3],
    pub(super) steering: Steering,
    /// Dropped to have the watch thread read no further.
    pub(super) reading: Option<Sender<Infallible>>,
}

impl Threads {
    /// The thread that has worked for so long without getting on.
    pub(super) fn stuck(&self, limit: Duration) -> Option<&'static str> {
        self.stuck_within(|_| limit)
    }

    /// The thread that has worked for longer than it may without getting on.
    pub(super) fn stuck_within(&self, limit: impl Fn(&str) -> Duration) -> Option<&'static str> {
        let now = clock::now();
        let mut stuck = self.pulses.iter().filter(|(pulse, name)| pulse.is_stuck(now, limit(name)));
        stuck.next().map(|(_, name)| *name)
    }

    /// What keeps the daemon from going on: a thread that hangs, or that memory runs out while one works.
    pub(super) fn trouble(&self, confinement: &Confinement) -> Option<Trouble> {
        let hang = confinement.hang;
        let of_inference = match confinement.isolation.resolved() {
            Isolation::Thread | Isolation::Auto => hang,
            // Whoever waits for a process has a patience of its own, and is to come first.
            Isolation::Process => hang + 2 * confinement.load + MARGIN,
        };
        // A file system that does not answer would keep the next life from even starting; what else is asked for is said
        // meanwhile.
        let limit = |name: &str| match name {
            "inference" => of_inference,
            "watch" => Duration::MAX,
            _ => STUCK.max(hang),
        };
        if let Some(name) = self.stuck_within(limit) {
            let secs = limit(name).as_secs_f64();
            let why = format!("the thread {name} hangs, for more than {secs} s");
            let class = (name == "inference").then_some(FailureClass::Hang);
            return Some(Trouble { why, class });
        }
        // Between two chunks the thread looks itself; this is for an engine that does not come back.
        let most = confinement.limit_within()?;
        let is_away = self
            .pulses
            .iter()
            .any(|(pulse, name)| *name == "inference" && pulse.is_stuck(clock::now(), AWAY));
        let is_over = is_away && memory::resident_bytes() > most.saturating_add(most / 8);
        is_over.then(|| Trouble {
            why: format!("the engine took more than {} MB of memory", most >> 20),
            class: Some(FailureClass::Memory),
        })
    }

    /// Ends the threads front to back: the queue closes, inference ends, playback drains, the last ticket ends watch.
    /// Returns the names of those that did not end in time.
    pub(super) async fn stop(&mut self, limit: Duration, handler: &Handler) -> Vec<&'static str> {
        // What is held would never be finished.
        let how = if self.steering.is_paused() { Stopping::Now } else { Stopping::FinishLine };
        self.steering.stop(how);
        self.reading = None;
        handler.board().modify(|status| status.daemon.stopping = true);
        let cut_at = clock::now() + limit;
        let give_up_at = cut_at + CUT_RESERVE / 2;
        loop {
            let alive = self.alive();
            let now = clock::now();
            if alive.is_empty() || now >= give_up_at {
                return alive;
            }
            if now >= cut_at {
                self.steering.stop(Stopping::Now);
            }
            // Whichever comes first: a thread's end, or the time to look at the clock.
            let _ended = tokio::time::timeout(Duration::from_millis(20), self.ended.recv()).await;
        }
    }

    fn alive(&self) -> Vec<&'static str> {
        let threads =
            [(&self.watch, "watch"), (&self.inference, "inference"), (&self.playback, "playback")];
        threads.iter().filter(|(thread, _)| !thread.is_finished()).map(|(_, name)| *name).collect()
    }
}

/// Starts a thread whose end is told, a panic included.
pub(super) fn spawn(
    name: &'static str,
    has_ended: &mpsc::Sender<&'static str>,
    body: impl FnOnce() + Send + 'static,
) -> anyhow::Result<Thread<()>> {
    struct TellsAtTheEnd(&'static str, mpsc::Sender<&'static str>);
    impl Drop for TellsAtTheEnd {
        fn drop(&mut self) {
            let _nobody_listens = self.1.try_send(self.0);
        }
    }
    let guard = TellsAtTheEnd(name, has_ended.clone());
    spawn_named(name, move || {
        let _guard = guard;
        body();
    })
    .with_context(|| format!("cannot start the thread {name}"))
}
