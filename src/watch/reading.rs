//! From files to the queue: what is read next, and how much in one turn.

use std::time::{Instant, SystemTime};

use super::backlog::Backlog;
use super::run::LineNumber;
use super::watched::Taken;
use super::{FileKey, Settled, Watch};
use crate::clock;
use crate::speech::{Lane, Report, Utterance};

/// Lines read before others have their turn.
const LINES_PER_TURN: usize = 256;

impl Watch {
    /// Fills the queue from the files, in the order in which their bytes appeared, until it is full, all is read, or
    /// others have their turn.
    pub(super) fn read_on(&mut self) {
        let now = clock::now();
        self.has_more = false;
        for idx in 0..self.backlogs.len() {
            for turn in 0.. {
                if turn == LINES_PER_TURN {
                    self.has_more = true;
                    break;
                }
                if self.backlogs[idx].pending.is_none() {
                    self.backlogs[idx].pending = self.next_utterance(idx, now);
                }
                let Some((file, number, utterance)) = self.backlogs[idx].pending.take() else {
                    break;
                };
                let Some(intake) = &self.intake else { break };
                if let Err(full) = intake.try_send(utterance) {
                    self.backlogs[idx].pending = Some((file, number, *full));
                    break;
                }
            }
        }
        let n_undecided = self.roster.files().filter(|file| file.is_undecided()).count();
        let n_unread = self.backlogs.iter().map(Backlog::n_files).sum::<usize>() + n_undecided;
        self.board.modify(|status| status.watch.n_unread_files = n_unread);
    }

    fn next_utterance(
        &mut self,
        backlog_idx: usize,
        now: Instant,
    ) -> Option<(FileKey, LineNumber, Utterance)> {
        let (intake, to_outcomes) = (self.intake.as_ref()?, self.to_outcomes.as_ref()?);
        let backlog = &mut self.backlogs[backlog_idx];
        let mut n_passed_over = 0;
        while let Some(file) = backlog.front() {
            let Some(watched) = self.roster.get_mut(file) else {
                backlog.finish_front();
                continue;
            };
            let (spoken, passed) = match watched.next_line(&mut self.block, now) {
                Taken::Line(spoken) => (spoken, None),
                Taken::PassedOver(spoken, outcome, reason) => (spoken, Some((outcome, reason))),
                Taken::Nothing => {
                    backlog.finish_front();
                    continue;
                }
                Taken::More => {
                    self.has_more = true;
                    return None;
                }
                Taken::Full => return None,
            };
            let (n_taken, n_unread) = watched.progress();
            backlog.advance(file, n_taken);
            backlog.note(file, n_taken, n_unread); // a rewrite may have made more of it
            let (number, to_outcomes) = (spoken.number, to_outcomes.clone());
            let was_given_out = passed.is_none();
            let deliver = Box::new(move |report: Report| {
                // The thread outlives its tickets; were it gone, nobody would be left to tell.
                let _thread_is_gone =
                    to_outcomes.send(Settled { file, number, was_given_out, report });
            });
            let mut utterance = intake.utterance(spoken.order, now, deliver);
            let Some((outcome, reason)) = passed else { return Some((file, number, utterance)) };
            utterance.ticket.report_mut().reason = Some(reason);
            utterance.ticket.resolve(outcome, SystemTime::now());
            n_passed_over += 1;
            if n_passed_over == LINES_PER_TURN {
                self.has_more = true;
                return None;
            }
        }
        None
    }

    /// Notes what looking at files has found: where they stand, and what is to be read.
    pub(super) fn note_all(&mut self, keys: &[FileKey]) {
        for key in keys {
            if let Some(file) = self.roster.get(*key) {
                self.bookmarks.set(file.path(), file.marks());
                self.note_unread(*key);
            }
        }
    }

    /// Puts a file that has grown at the end of what is to be read.
    fn note_unread(&mut self, key: FileKey) {
        let Some(file) = self.roster.get(key) else { return };
        let (n_taken, n_unread) = file.progress();
        let idx = match file.lane() {
            Lane::Ordinary => 0,
            Lane::Important => 1,
        };
        self.backlogs[idx].note(key, n_taken, n_unread);
    }
}
