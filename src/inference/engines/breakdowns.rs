//! What becomes of an engine that breaks down, and of one that speaks again.

use tracing::{info, warn};

use super::Engines;
use crate::clock;
use crate::engine::registry::EngineId;
use crate::status::Breakdowns;
use crate::telemetry;

impl Engines {
    /// Drops an engine that broke down, and whose state is not to be trusted any more.
    pub fn discard(&mut self, id: &EngineId, why: &str) {
        if self.loaded.get(id).is_some_and(|loaded| loaded.process.is_some()) {
            self.note_restart(id);
        }
        self.unload(id, "after a failure");
        self.note_failure(id, why);
    }

    /// A process is lost, and another one takes its place now or with the next line.
    pub(super) fn note_restart(&self, id: &EngineId) {
        self.board.modify(|status| status.engine.n_restarts += 1);
        telemetry::child_restarted(id.engine);
    }

    pub(super) fn note_failure(&mut self, id: &EngineId, why: &str) {
        self.health.note_failure(id, why, clock::now());
        let n_in_a_row = self.health.n_in_a_row(id);
        warn!(engine = %id, n_in_a_row, "the engine broke down: {why}");
        self.publish_health(1);
    }

    /// Takes over how often engines broke down in a life before this one.
    pub fn take_over(&mut self, breakdowns: &[Breakdowns]) {
        self.health.take_over(breakdowns, clock::now());
        self.publish_health(0);
    }

    fn publish_health(&self, n_more: u64) {
        let (failing, breakdowns) = (self.health.failing(), self.health.breakdowns());
        self.board.modify(|status| {
            status.engine.n_failures += n_more;
            (status.engine.failing, status.engine.breakdowns) = (failing, breakdowns);
        });
    }

    /// Drops an engine that broke down, unless it was replaced since: it ran in that process then.
    pub fn discard_of(&mut self, id: &EngineId, process: Option<u32>, why: &str) {
        if self.loaded.get(id).is_some_and(|loaded| loaded.process == process) {
            self.discard(id, why);
        }
    }

    /// Notes that an engine spoke to the end.
    pub fn note_success(&mut self, id: &EngineId) {
        let n_before = self.health.n_in_a_row(id);
        if self.health.note_success(id) {
            info!(engine = %id, "the engine speaks again");
        }
        if n_before > 0 {
            self.publish_health(0);
        }
    }
}
