//! What the service manager is told. Without one, nothing happens.

use sd_notify::NotifyState;
use tracing::debug;

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

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("the service manager was not told: {error}");
    }
}
