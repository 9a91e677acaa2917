//! What a life of the daemon before this one left to the engines. Pure.

use serde::{Deserialize, Serialize};

use crate::speech::Utterance;
use crate::status::Breakdowns;

/// A line that was given up is among the first that are read again: so many are looked at for it. As many as may be on their
/// way between the bookmark and the engine.
const MAX_LOOKED_AT: usize = 256;

/// What one life leaves to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The engines that broke down in a row.
    pub breakdowns: Vec<Breakdowns>,
    /// The line that it hung in, by its source and its text, where it may be read again.
    pub given_up: Option<(String, String)>,
    /// How many lines were looked at since.
    #[serde(skip)]
    n_looked_at: usize,
}

impl Past {
    /// What was left.
    pub fn new(breakdowns: Vec<Breakdowns>, given_up: Option<(String, String)>) -> Self {
        Self { breakdowns, given_up, n_looked_at: 0 }
    }

    /// Whether that was given up already, and is here again. Asked once for each utterance.
    pub fn has_given_up(&mut self, utterance: &Utterance) -> bool {
        let Some((source, text)) = &self.given_up else { return false };
        self.n_looked_at += 1;
        let is_it = source == utterance.source.name() && **text == *utterance.ticket.report().text;
        if is_it || self.n_looked_at >= MAX_LOOKED_AT {
            self.given_up = None;
        }
        is_it
    }
}
