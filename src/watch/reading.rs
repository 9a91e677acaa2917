//! From files to the queue: what is read next, and how much in one turn.

use std::time::{Instant, SystemTime};

use super::backlog::Backlog;
use super::watched::{Spoken, Taken};
use super::{FileKey, Origin, Settled, Watch};
use crate::clock;
use crate::queue::Order;
use crate::speech::{Lane, Outcome, Report, Utterance};
use crate::telemetry;

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
                let waiting = self.backlogs[idx].outgoing.pop_front();
                let next = waiting.or_else(|| self.next_utterance(idx, now));
                let (Some(utterance), Some(intake)) = (next, &self.intake) else { break };
                if let Err(full) = intake.try_send(utterance) {
                    self.backlogs[idx].outgoing.push_front(*full);
                    break;
                }
            }
        }
        let n_undecided = self.roster.files().filter(|file| file.is_undecided()).count();
        let n_unread = self.backlogs.iter().map(Backlog::n_files).sum::<usize>() + n_undecided;
        let n_read = self.n_lines_read;
        self.board.modify(|status| {
            (status.watch.n_unread_files, status.watch.n_lines_read) = (n_unread, n_read);
        });
    }

    fn next_utterance(&mut self, backlog_idx: usize, now: Instant) -> Option<Utterance> {
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
                Taken::Line(Spoken { order, number, .. }) => {
                    return self.utterance(order, Origin::given_out(file, number), now);
                }
                Taken::PassedOver(order, outcome, reason) => {
                    self.pass_over(order, Origin::settled(file), outcome, Some(reason), now);
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
        order: Order,
        origin: Origin,
        outcome: Outcome,
        reason: Option<String>,
        now: Instant,
    ) {
        let Some(mut utterance) = self.utterance(order, origin, now) else { return };
        utterance.ticket.report_mut().reason = reason;
        utterance.ticket.resolve(outcome, SystemTime::now());
    }

    /// Makes an utterance of a line, whose outcome comes back to this thread; `None` once nothing more is to be said.
    pub(super) fn utterance(
        &mut self,
        order: Order,
        origin: Origin,
        now: Instant,
    ) -> Option<Utterance> {
        let (intake, to_outcomes) = (self.intake.as_ref()?, self.to_outcomes.clone()?);
        self.n_lines_read += 1;
        telemetry::line_read();
        let deliver = Box::new(move |report: Report| {
            // The thread outlives its tickets; were it gone, nobody would be left to tell.
            let _thread_is_gone = to_outcomes.send(Settled { origin, report });
        });
        Some(intake.utterance(order, now, deliver))
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
        self.backlogs[Self::backlog_idx(file.lane())].note(key, n_taken, n_unread);
    }

    pub(super) fn backlog_idx(lane: Lane) -> usize {
        match lane {
            Lane::Ordinary => 0,
            Lane::Important => 1,
        }
    }
}
