//! The status as it is at the moment of asking.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Handler;
use crate::clock;
use crate::memory;
use crate::speech::UtteranceId;
use crate::status::{CardState, Status};
use crate::steering::Stopping;

impl Handler {
    /// The status with what only the moment of asking knows.
    pub fn status(&self) -> Status {
        let mut status = self.board.snapshot();
        (status.queue.n_ordinary, status.queue.n_important) = self.queue.lengths();
        // What an output that is lost had begun waits to be heard again.
        let speaking = status.playback.speaking.as_ref().map(|speaking| speaking.id);
        let sounding = speaking.filter(|_| status.playback.card != CardState::Lost);
        let age = self.queue.waits_since(sounding).map(|it| clock::now().duration_since(it));
        status.queue.oldest_age_secs = age.unwrap_or_default().as_secs_f64();
        status.playback.paused = self.steering.is_paused();
        status.playback.muted = self.steering.is_muted();
        status.playback.volume = self.steering.volume();
        status.playback.level = self.steering.level();
        status.daemon.stopping = self.steering.stopping() != Stopping::No;
        status.daemon.resident_bytes = memory::resident_bytes();
        for process in &mut status.engine.processes {
            process.resident_bytes = memory::resident_bytes_of(process.pid);
        }
        status.daemon.children_bytes = self.children_bytes.get();
        status.daemon.disk_free_bytes = self.disk_free_bytes.get();
        let n_free = self.connections.available_permits();
        status.daemon.n_clients = self.max_connections.saturating_sub(n_free);
        status
    }

    /// Whether something that was asked for before that has no outcome yet.
    pub fn has_open_before(&self, id: UtteranceId) -> bool {
        self.queue.has_open_before(id)
    }

    /// Notes what the processes hold that were started: to ask takes longer than an answer may.
    pub fn note_children_bytes(&self, n_bytes: u64) {
        self.children_bytes.set(n_bytes);
    }

    /// Notes the room on the disk of the bookmarks.
    pub fn note_disk_free_bytes(&self, n_bytes: Option<u64>) {
        self.disk_free_bytes.set(n_bytes);
    }

    /// How many connections there may be.
    pub(in crate::control) fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// One permit for each connection that may be there.
    pub(in crate::control) fn connections(&self) -> Arc<Semaphore> {
        Arc::clone(&self.connections)
    }
}
