//! The streams that are being made, and which of them has the next turn. Knows nothing of who asked for them.

use std::collections::{BTreeSet, VecDeque};

use super::engines::{Engines, MAX_LOADED};
use super::speak::Job;
use crate::engine::registry::EngineId;

/// How often a stream is passed over because its engine would take the place of another one that is at work: no longer than
/// it takes those to say a few sentences.
const MAX_PASSED_OVER: u32 = 16;

/// The streams, the one that has waited longest for its turn first. Bounded by whoever asks for them.
#[derive(Debug, Default)]
pub(super) struct Streams(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    job: Job,
    n_passed_over: u32,
}

impl Streams {
    /// Adds one. One that has made no sound yet goes before those that have.
    pub(super) fn push_new(&mut self, job: Job) {
        let place = self.0.iter().position(|waiting| waiting.job.has_begun());
        self.0.insert(place.unwrap_or(self.0.len()), Waiting { job, n_passed_over: 0 });
    }

    /// Puts one back that has more to say: whoever has much to say does not keep the others waiting.
    pub(super) fn push_back(&mut self, job: Job) {
        self.0.push_back(Waiting { job, n_passed_over: 0 });
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one can use a turn: what has been made for the others was not taken yet.
    pub(super) fn is_any_ready(&self) -> bool {
        self.0.iter().any(|waiting| waiting.job.is_ready())
    }

    /// Takes the one that has the next turn.
    pub(super) fn take_next(&mut self, engines: &Engines, line: Option<&Job>) -> Option<Job> {
        let idx = self.next(engines, line)?;
        for passed_over in self.0.iter_mut().take(idx) {
            passed_over.n_passed_over += 1;
        }
        self.0.remove(idx).map(|waiting| waiting.job)
    }

    /// Engines are loaded a few at a time: as long as others are at work, none is loaded in their place for each sentence.
    fn next(&self, engines: &Engines, line: Option<&Job>) -> Option<usize> {
        let jobs = self.0.iter().map(|waiting| &waiting.job).chain(line);
        let in_use: BTreeSet<&EngineId> = jobs.filter_map(Job::engine_id).collect();
        let fits = |job: &Job| match engines.engine_of(job) {
            Some(engine) => {
                let n_in_use = in_use.len() + usize::from(!in_use.contains(&engine));
                n_in_use <= MAX_LOADED || engines.is_loaded(&engine)
            }
            None => true, // it fails by itself
        };
        let ready = || self.0.iter().enumerate().filter(|(_, waiting)| waiting.job.is_ready());
        let fitting = ready()
            .find(|(_, waiting)| waiting.n_passed_over >= MAX_PASSED_OVER || fits(&waiting.job));
        fitting.or_else(|| ready().next()).map(|(idx, _)| idx)
    }
}
