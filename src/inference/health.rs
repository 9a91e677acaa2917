//! Which engines keep failing: left alone for a while, so that the lines go on in another voice. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::engine::EngineError;
use crate::engine::registry::EngineId;
use crate::status::Breakdowns;

/// After so many failures in a row an engine is left alone.
const MAX_IN_A_ROW: u32 = 3;

/// For how long at first; twice as long each time it fails again, up to the longest: a model that was mended speaks again
/// within some minutes.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Engines that are remembered: more than there are models on a machine.
const MAX_RECORDS: usize = 64;

/// What is known of the engines.
#[derive(Debug, Default)]
pub struct Health(BTreeMap<EngineId, Record>);

#[derive(Debug, Clone, PartialEq)]
struct Record {
    n_in_a_row: u32,
    last: String,
    rests_until: Option<Instant>,
}

impl Health {
    /// It failed once more.
    pub fn note_failure(&mut self, id: &EngineId, why: &str, now: Instant) {
        if self.0.len() >= MAX_RECORDS && !self.0.contains_key(id) {
            self.0.pop_first();
        }
        let fresh = Record { n_in_a_row: 0, last: String::new(), rests_until: None };
        let record = self.0.entry(id.clone()).or_insert(fresh);
        record.n_in_a_row = record.n_in_a_row.saturating_add(1);
        why.clone_into(&mut record.last);
        let n_in_a_row = record.n_in_a_row;
        self.set(id, n_in_a_row, now);
    }

    /// It spoke. Returns whether it had been left alone before.
    pub fn note_success(&mut self, id: &EngineId) -> bool {
        self.0.remove(id).is_some_and(|record| record.rests_until.is_some())
    }

    /// Takes over what another life has found.
    pub fn take_over(&mut self, breakdowns: &[Breakdowns], now: Instant) {
        for Breakdowns { engine, n_in_a_row, last } in breakdowns {
            let Some(id) = EngineId::named(engine) else { continue };
            if *n_in_a_row > 0 {
                self.note_failure(&id, last, now);
                self.set(&id, *n_in_a_row, now);
            }
        }
    }

    fn set(&mut self, id: &EngineId, n_in_a_row: u32, now: Instant) {
        if let Some(record) = self.0.get_mut(id) {
            record.n_in_a_row = n_in_a_row;
            let rest = n_in_a_row.checked_sub(MAX_IN_A_ROW).map(rest_after);
            record.rests_until = rest.map(|rest| now + rest);
        }
    }

    /// Each that failed and has not spoken since.
    pub fn breakdowns(&self) -> Vec<Breakdowns> {
        let of = |(id, record): (&EngineId, &Record)| Breakdowns {
            engine: id.to_string(),
            n_in_a_row: record.n_in_a_row,
            last: record.last.clone(),
        };
        self.0.iter().map(of).collect()
    }

    /// How often it failed in a row.
    pub fn n_in_a_row(&self, id: &EngineId) -> u32 {
        self.0.get(id).map_or(0, |record| record.n_in_a_row)
    }

    /// Whether it is to be left alone now.
    ///
    /// # Errors
    /// [`EngineError::Resting`]
    pub fn check(&self, id: &EngineId, now: Instant) -> Result<(), EngineError> {
        let Some(record) = self.0.get(id) else { return Ok(()) };
        let Some(until) = record.rests_until.filter(|until| *until > now) else { return Ok(()) };
        Err(EngineError::Resting {
            engine: id.to_string(),
            n_failures: record.n_in_a_row,
            last: record.last.clone(),
            retry_secs: until.duration_since(now).as_secs().max(1),
        })
    }

    /// The engines that failed too often, a sentence each.
    pub fn failing(&self) -> Vec<String> {
        let resting = self.0.iter().filter(|(_, record)| record.rests_until.is_some());
        resting
            .map(|(id, Record { n_in_a_row, last, .. })| {
                format!("the engine `{id}` failed {n_in_a_row} times in a row, last because {last}")
            })
            .collect()
    }
}

fn rest_after(n_more: u32) -> Duration {
    FIRST_REST.saturating_mul(1 << n_more.min(8)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn after_three_failures_it_rests_longer_each_time_and_one_success_makes_it_well() {
        let (mut health, id, mut now) = (Health::default(), EngineId::new("test"), clock::now());
        for n_failures in 1..MAX_IN_A_ROW {
            health.note_failure(&id, "it hung", now);
            assert!(health.check(&id, now).is_ok(), "{n_failures}");
            assert!(health.failing().is_empty());
        }
        for rest_secs in [30, 60, 120, 240, 480, 600, 600] {
            health.note_failure(&id, "it hung", now);
            let error = health.check(&id, now).unwrap_err();
            let EngineError::Resting { retry_secs, .. } = error else { panic!("{error}") };
            assert_eq!(retry_secs, rest_secs);
            assert_eq!(health.failing().len(), 1);
            now += Duration::from_secs(rest_secs);
            assert!(health.check(&id, now).is_ok(), "it has another chance");
        }
        assert!(health.note_success(&id));
        assert!(!health.note_success(&id));
        assert_eq!((health.failing().len(), health.n_in_a_row(&id)), (0, 0));
    }

    #[test]
    fn a_success_in_between_begins_the_count_anew() {
        let (mut health, id, now) = (Health::default(), EngineId::new("test"), clock::now());
        for _ in 0..5 {
            health.note_failure(&id, "it crashed", now);
            health.note_failure(&id, "it crashed", now);
            health.note_success(&id);
        }
        assert!(health.check(&id, now).is_ok());
    }

    #[cfg(feature = "builtin")]
    #[test]
    fn what_another_life_has_found_goes_on_counting() {
        let (mut health, now) = (Health::default(), clock::now());
        let found = |engine: &str, n_in_a_row| {
            let (engine, last) = (engine.to_owned(), "it hung".to_owned());
            Breakdowns { engine, n_in_a_row, last }
        };
        let before = [found("builtin", 4), found("espeak", 1), found("gone", 9)];
        health.take_over(&before, now);
        assert_eq!(health.breakdowns(), before[..2]);
        let id = EngineId::new("builtin");
        let EngineError::Resting { retry_secs, .. } = health.check(&id, now).unwrap_err() else {
            panic!("it is to rest");
        };
        assert_eq!(retry_secs, 60);
        assert!(health.check(&EngineId::new("espeak"), now).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut health, now) = (Health::default(), clock::now());
        for n in 0..1_000 {
            let id = EngineId { engine: "test", model: Some(n.to_string()) };
            health.note_failure(&id, "it crashed", now);
        }
        assert_eq!(health.0.len(), MAX_RECORDS);
    }
}
