//! What the service manager is told. Without one, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::{debug, error};

/// The daemon answers: the socket is bound and every file's position is written down.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] follows. A manager that asked for it by a signal waits for both.
pub fn reloading() {
    let Ok(since_boot) = NotifyState::monotonic_usec_now() else { return };
    tell(&[NotifyState::Reloading, since_boot]);
}

/// The daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The service manager's watchdog, which kills a daemon that it does not hear of. It is fed only while every thread gets
/// on: a thread that hangs is mended by starting anew.
#[derive(Debug)]
pub struct Watchdog {
    period: Option<Duration>,
    ticks: tokio::time::Interval,
    is_starved: bool,
}

impl Watchdog {
    /// The watchdog that the manager has asked to be fed, or one that is never hungry.
    pub fn of_the_manager() -> Self {
        let period = sd_notify::watchdog_enabled();
        // A third: one late turn of a busy machine is not the end.
        let pace = period.map_or(Duration::from_secs(3_600), |period| period / 3);
        let mut ticks = tokio::time::interval(pace.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { period, ticks, is_starved: false }
    }

    /// Waits until it is to be fed. Returns how long a thread may take for one step.
    pub async fn due(&mut self) -> Duration {
        loop {
            self.ticks.tick().await;
            if let Some(period) = self.period {
                return period;
            }
        }
    }

    /// Feeds it, unless a thread hangs.
    pub fn feed(&mut self, stuck: Option<&'static str>) {
        match stuck {
            Some(name) if !self.is_starved => {
                error!("the thread {name} hangs; the service manager will start the daemon anew");
            }
            Some(_) => {}
            None => tell(&[NotifyState::Watchdog]),
        }
        self.is_starved = stuck.is_some();
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("the service manager was not told: {error}");
    }
}
