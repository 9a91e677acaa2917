//! From files to the queue: what is read next, and how much in one turn.

use std::time::{Instant, SystemTime};

use super::backlog::Backlog;
use super::run::LineNumber;
use super::watched::{Spoken, Taken};
use super::{FileKey, Settled, Watch};
use crate::clock;
use crate::speech::{Lane, Outcome, Report, Utterance};

/// Lines read before others have their turn.
const LINES_PER_TURN: usize = 256;

/// A line that is to be said.
type Pending = (FileKey, LineNumber, Utterance);

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

    fn next_utterance(&mut self, backlog_idx: usize, now: Instant) -> Option<Pending> {
        let mut n_passed_over = 0;
        while let Some(file) = self.backlogs[backlog_idx].front() {
            let backlog = &mut self.backlogs[backlog_idx];
            let Some(watched) = self.roster.get_mut(file) else {
                backlog.finish_front();
                continue;
            };
            let taken = watched.next_line(&mut self.block, now);
            if let Taken::Line(_) | Taken::PassedOver(..) = taken {
                let (n_taken, n_unread) = watched.progress();
                backlog.advance(file, n_taken);
                backlog.note(file, n_taken, n_unread); // a rewrite may have made more of it
            }
            match taken {
                Taken::Line(spoken) => {
                    let number = spoken.number;
                    let utterance = self.utterance(file, spoken, true, now)?;
                    return Some((file, number, utterance));
                }
                Taken::PassedOver(spoken, outcome, reason) => {
                    self.pass_over(file, spoken, outcome, Some(reason), now);
                    n_passed_over += 1;
                    if n_passed_over == LINES_PER_TURN {
                        self.has_more = true;
                        return None;
                    }
                }
                Taken::Nothing => backlog.finish_front(),
                Taken::More => {
                    self.has_more = true;
                    return None;
                }
                Taken::Full => return None,
            }
        }
        None
    }

    /// Gives a line its outcome without its being said.
    pub(super) fn pass_over(
        &mut self,
        file: FileKey,
        spoken: Spoken,
        outcome: Outcome,
        reason: Option<String>,
        now: Instant,
    ) {
        let Some(mut utterance) = self.utterance(file, spoken, false, now) else { return };
        utterance.ticket.report_mut().reason = reason;
        utterance.ticket.resolve(outcome, SystemTime::now());
    }

    /// Makes an utterance of a line, whose outcome comes back to this thread; `None` once nothing more is to be said.
    fn utterance(
        &self,
        file: FileKey,
        spoken: Spoken,
        was_given_out: bool,
        now: Instant,
    ) -> Option<Utterance> {
        let (intake, to_outcomes) = (self.intake.as_ref()?, self.to_outcomes.clone()?);
        let number = spoken.number;
        let deliver = Box::new(move |report: Report| {
            // The thread outlives its tickets; were it gone, nobody would be left to tell.
            let _thread_is_gone = to_outcomes.send(Settled { file, number, was_given_out, report });
        });
        Some(intake.utterance(spoken.order, now, deliver))
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
