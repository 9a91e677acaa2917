//! The watch thread: turns appended lines into utterances, and their outcomes into bookmarks.
//!
//! Knows nothing of engines, audio or tokio. Waits on hints, outcomes, commands, room in the queue and a sweep every
//! two seconds. It stops reading when the stop channel closes and ends when the last of its utterances has an outcome.

pub mod ages;
pub mod backlog;
pub mod bookmarks;
mod commands;
pub mod continuity;
pub mod filesystem;
pub mod fold;
pub mod hints;
pub mod overflow;
pub mod places;
pub mod rate;
mod reading;
pub mod regular;
pub mod roster;
pub mod run;
pub mod siblings;
pub mod tail;
pub mod text;
pub mod watched;
pub mod words;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never, unbounded};
use tracing::warn;

use crate::clock;
use crate::config::Config;
use crate::history::History;
use crate::queue::Intake;
use crate::speech::Report;
use crate::status::StatusBoard;
use crate::threads::Pulse;
use backlog::Backlog;
use bookmarks::Bookmarks;
pub use commands::WatchCommand;
use hints::Changed;
use roster::Roster;
use run::LineNumber;
use watched::{Appearance, Watched};

/// A missed event costs this long, never a line.
const SWEEP: Duration = Duration::from_secs(2);

/// How many files one sweep asks the kernel about: of more files, each has its turn a little less often.
const FILES_PER_SWEEP: usize = 500;

/// Where no events come at all, a line waits half of this on average.
const POLL: Duration = Duration::from_millis(500);

/// Positions change with every line; readers need them a few times a second.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);

/// Names a watched file for the life of the daemon.
pub type FileKey = u64;

/// What a line's ticket sends back.
struct Settled {
    origin: Origin,
    report: Report,
}

/// Which line it was.
#[derive(Clone, Copy)]
struct Origin {
    file: FileKey,
    /// `None` where it was settled when it was read.
    number: Option<LineNumber>,
    /// It was given out to be said.
    was_given_out: bool,
}

impl Origin {
    fn given_out(file: FileKey, number: LineNumber) -> Self {
        Self { file, number: Some(number), was_given_out: true }
    }

    fn held_back(file: FileKey, number: LineNumber) -> Self {
        Self { file, number: Some(number), was_given_out: false }
    }

    fn settled(file: FileKey) -> Self {
        Self { file, number: None, was_given_out: false }
    }
}

/// The thread's state.
pub struct Watch {
    roster: Roster,
    bookmarks: Bookmarks,
    backlogs: [Backlog; 2],
    /// Dropped at the stop, so that the queue closes.
    intake: Option<Intake>,
    commands: Receiver<WatchCommand>,
    /// Closed when no more is to be read; `never` once that was seen.
    stop: Receiver<Infallible>,
    outcomes: Receiver<Settled>,
    /// Dropped at the stop: the channel then closes with the last ticket.
    to_outcomes: Option<Sender<Settled>>,
    history: History,
    board: StatusBoard,
    /// Scratch space for reading.
    block: Vec<u8>,
    save_problem: Option<String>,
    /// When the files' status is to be published at the latest.
    publish_by: Option<Instant>,
    /// The file that the last sweep ended with.
    swept: Option<FileKey>,
    /// Lines taken out of files since the start.
    n_lines_read: u64,
    /// A turn ended before everything was read.
    has_more: bool,
    pulse: Pulse,
}

impl Watch {
    /// Looks at every configured file and writes down where it begins: what is appended from now on is spoken.
    ///
    /// # Errors
    /// Where the bookmarks cannot be read.
    pub fn begin(
        config: &Config,
        bookmarks: PathBuf,
        intake: Intake,
        commands: Receiver<WatchCommand>,
        stop: Receiver<Infallible>,
        history: History,
        board: StatusBoard,
    ) -> std::io::Result<Self> {
        // Bounded in fact by the queue, the look-ahead and the lines in their tickets.
        let (to_outcomes, outcomes) = unbounded();
        let mut watch = Self {
            roster: Roster::new(config),
            bookmarks: Bookmarks::load(bookmarks)?,
            backlogs: [Backlog::default(), Backlog::default()],
            intake: Some(intake),
            commands,
            stop,
            outcomes,
            to_outcomes: Some(to_outcomes),
            history,
            board,
            block: Vec::new(),
            save_problem: None,
            publish_by: None,
            swept: None,
            n_lines_read: 0,
            has_more: false,
            pulse: Pulse::default(),
        };
        watch.roster.find(Appearance::AtStart, &watch.bookmarks, clock::now());
        watch.note_all(&watch.roster.keys());
        watch.save();
        watch.publish();
        Ok(watch)
    }

    /// Beats that pulse.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Runs until everything is settled.
    pub fn run(mut self) {
        let (mut next_sweep, mut next_poll) = (clock::now() + SWEEP, clock::now() + POLL);
        loop {
            self.read_on();
            self.wait(if self.roster.polling().is_some() { next_poll } else { next_sweep });
            let now = clock::now();
            self.pulse.beat(now);
            if self.take_outcomes() == Outcomes::Over {
                break;
            }
            self.take_stop();
            self.take_commands(now);
            let changes = self.roster.hints().take();
            for Changed { path, was_removed } in changes.paths {
                self.look_at(&path, was_removed, now);
            }
            self.look_again(now);
            if changes.everything {
                self.look_at_everything(now);
            } else if now >= next_sweep {
                self.sweep(now);
                next_sweep = now + SWEEP;
            } else if now >= next_poll {
                self.look_where_changed(&self.roster.keys_where(Watched::is_polled), now);
            }
            if now >= next_poll {
                next_poll = now + POLL;
            }
            if self.publish_by.is_some_and(|by| now >= by) {
                self.publish();
            }
        }
        self.publish();
        if let Err(error) = self.bookmarks.close() {
            warn!(
                "the bookmarks could not be saved: {error}; lines may be spoken again after the next start"
            );
        }
    }

    /// Waits until there is something to do.
    fn wait(&self, next_sweep: Instant) {
        let mut select = Select::new();
        select.recv(self.roster.hints().wake());
        select.recv(&self.commands);
        select.recv(&self.outcomes);
        select.recv(&self.stop);
        if let Some(intake) = &self.intake {
            for backlog in &self.backlogs {
                if let Some(utterance) = backlog.outgoing.front() {
                    select.send(intake.lane(utterance.lane));
                }
            }
        }
        if self.has_more {
            return;
        }
        let now = clock::now();
        // What is due already waits for room in the queue.
        let due = self.roster.files().filter_map(Watched::due_at).filter(|at| *at > now);
        let deadline = due.chain(self.publish_by).fold(next_sweep, Instant::min);
        self.pulse.rest();
        // Which it was does not matter: everything is looked at.
        let _ready = select.ready_deadline(deadline);
    }

    /// Bookmarks first, then the world: whoever reads that a line was spoken may rely on its not being spoken again.
    fn take_outcomes(&mut self) -> Outcomes {
        let mut settled = Vec::new();
        // By the channel itself: that something was ready may be over, or never have been so.
        let end = loop {
            match self.outcomes.try_recv() {
                Ok(outcome) => settled.push(outcome),
                Err(end) => break end,
            }
        };
        self.settle(&settled);
        match end {
            TryRecvError::Disconnected => Outcomes::Over,
            TryRecvError::Empty => Outcomes::ToCome,
        }
    }

    fn settle(&mut self, settled: &[Settled]) {
        if settled.is_empty() {
            return;
        }
        for Settled { origin, report } in settled {
            let Some(watched) = self.roster.settling(origin.file) else { continue };
            if origin.was_given_out {
                watched.end();
            }
            if report.outcome.settles() {
                if let Some(number) = origin.number {
                    watched.settle(number);
                }
                self.bookmarks.set(watched.path(), watched.marks());
            }
        }
        self.roster.forget_settled();
        self.save();
        // Whoever waits for the last outcome finds the files' status as it is then.
        if self.roster.files().all(Watched::is_settled) {
            self.publish();
        }
        for Settled { report, .. } in settled {
            self.history.publish(report);
        }
        self.publish_by.get_or_insert_with(|| clock::now() + PUBLISH_INTERVAL);
    }

    /// Reads no further once the daemon stops.
    fn take_stop(&mut self) {
        if self.stop.try_recv() == Err(TryRecvError::Disconnected) {
            self.stop = never(); // a closed channel is always ready
            self.backlogs = [Backlog::default(), Backlog::default()];
            self.intake = None;
            self.to_outcomes = None;
        }
    }

    fn look_at_everything(&mut self, now: Instant) {
        self.roster.forget_gone(now);
        self.roster.find(Appearance::Later, &self.bookmarks, now);
        let keys = self.roster.keys();
        self.note_all(&keys); // what is new among them
        self.look_where_changed(&keys, now);
        self.publish();
    }

    /// The safety net under the events. It costs a call into the kernel for each file, and no more where nothing has
    /// changed.
    fn sweep(&mut self, now: Instant) {
        // Another name of a file that was forgotten may match a pattern.
        if self.roster.forget_gone(now) || self.roster.is_outdated() {
            self.look_at_everything(now);
        } else {
            let keys = self.roster.keys_after(self.swept, FILES_PER_SWEEP);
            self.swept = keys.last().copied();
            self.look_where_changed(&keys, now);
        }
    }

    fn look_where_changed(&mut self, keys: &[FileKey], now: Instant) {
        let has_changed =
            |key: &FileKey| self.roster.get(*key).is_some_and(|it| !it.is_unchanged());
        let changed: Vec<_> = keys.iter().copied().filter(has_changed).collect();
        if changed.is_empty() {
            return;
        }
        for key in &changed {
            self.roster.look(*key, false, now);
        }
        self.note_all(&changed);
        self.save();
        self.publish_by.get_or_insert(now + PUBLISH_INTERVAL);
    }

    fn look_at(&mut self, path: &Path, was_removed: bool, now: Instant) {
        if let Some(key) = self.roster.key_of(path) {
            self.roster.look(key, was_removed, now);
            self.note_all(&[key]);
        }
    }

    /// Looks again at files that seemed to hold another text a moment ago, or may have late writers.
    fn look_again(&mut self, now: Instant) {
        let due = self.roster.keys_where(|file| file.due_at().is_some_and(|at| at <= now));
        for key in &due {
            self.roster.look(*key, false, now);
        }
        self.note_all(&due);
    }

    fn save(&mut self) {
        let problem = self.bookmarks.save().err().map(|error| error.to_string());
        if let Some(problem) = problem.as_ref().filter(|_| self.save_problem.is_none()) {
            warn!(
                "the bookmarks cannot be saved: {problem}; reading goes on, lines may be spoken again after a restart"
            );
        }
        self.save_problem = problem;
    }

    fn publish(&mut self) {
        self.publish_by = None;
        let files: Vec<_> = self.roster.files().map(Watched::status).collect();
        let unmatched = self.roster.unmatched();
        let polling = self.roster.polling().map(str::to_owned);
        let problem = self
            .save_problem
            .as_ref()
            .map(|problem| format!("the bookmarks cannot be saved: {problem}"))
            .or_else(|| self.roster.problem().map(str::to_owned));
        self.board.modify(|status| {
            status.watch.files = files;
            status.watch.unmatched = unmatched;
            status.watch.polling = polling;
            status.watch.problem = problem;
        });
    }
}

/// Whether outcomes are still to come.
#[derive(PartialEq, Eq)]
enum Outcomes {
    ToCome,
    Over,
}
