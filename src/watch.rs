//! The watch thread: turns appended lines into utterances, and their outcomes into bookmarks.
//!
//! Knows nothing of engines, audio or tokio. Waits on hints, outcomes, commands, room in the queue and a sweep every
//! two seconds. It stops reading at [`WatchCommand::Stop`] and ends when the last of its utterances has an outcome.

pub mod backlog;
pub mod bookmarks;
pub mod continuity;
pub mod hints;
pub mod places;
pub mod roster;
pub mod run;
pub mod tail;
pub mod text;
pub mod watched;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never, unbounded};
use tracing::warn;

use crate::clock;
use crate::config::{Config, WatchConfig};
use crate::history::History;
use crate::queue::Intake;
use crate::speech::{Lane, Report, Utterance};
use crate::status::StatusBoard;
use backlog::Backlog;
use bookmarks::Bookmarks;
use roster::Roster;
use run::LineNumber;
use watched::{Appearance, Watched};

/// A missed event costs this long, never a line.
const SWEEP: Duration = Duration::from_secs(2);

/// Positions change with every line; readers need them a few times a second.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);

/// Names a watched file for the life of the daemon.
pub type FileKey = u64;

/// What can be asked of the thread. Replies are called on it and must not block.
pub enum WatchCommand {
    /// Watch another file or pattern; answered when its position is written down.
    Add(WatchConfig, Box<dyn FnOnce(Result<Vec<PathBuf>, String>) + Send>),
    /// Watch a file or pattern no longer.
    Remove(PathBuf, Box<dyn FnOnce(Result<Vec<PathBuf>, String>) + Send>),
    /// Look at every file now; answered when that was done and the status tells what is unread.
    Look(Box<dyn FnOnce() + Send>),
    /// Clear one source: everything of it that is on its way.
    Clear(String, u64, Box<dyn FnOnce(bool) + Send>),
    /// Read no further; end when the last outcome is in.
    Stop,
}

/// What a line's ticket sends back.
struct Settled {
    file: FileKey,
    number: LineNumber,
    report: Report,
}

/// The thread's state.
pub struct Watch {
    roster: Roster,
    bookmarks: Bookmarks,
    backlogs: [Backlog; 2],
    /// Dropped at [`WatchCommand::Stop`], so that the queue closes.
    intake: Option<Intake>,
    commands: Receiver<WatchCommand>,
    outcomes: Receiver<Settled>,
    /// Dropped at [`WatchCommand::Stop`]: the channel then closes with the last ticket.
    to_outcomes: Option<Sender<Settled>>,
    history: History,
    board: StatusBoard,
    /// Scratch space for reading.
    block: Vec<u8>,
    save_problem: Option<String>,
    /// When the files' status is to be published at the latest.
    publish_by: Option<Instant>,
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
            outcomes,
            to_outcomes: Some(to_outcomes),
            history,
            board,
            block: Vec::new(),
            save_problem: None,
            publish_by: None,
        };
        watch.roster.find(Appearance::AtStart, &watch.bookmarks, clock::now());
        watch.note_all(&watch.roster.keys());
        watch.save();
        watch.publish();
        Ok(watch)
    }

    /// Runs until everything is settled.
    pub fn run(mut self) {
        let mut next_sweep = clock::now() + SWEEP;
        loop {
            self.read_on();
            match self.wait(next_sweep) {
                Woken::Ended => break,
                Woken::Working => {}
            }
            let now = clock::now();
            self.take_outcomes();
            self.take_commands(now);
            let changes = self.roster.hints().take();
            if changes.everything || now >= next_sweep {
                self.look_at_everything(now);
                next_sweep = now + SWEEP;
            } else {
                for path in changes.paths {
                    self.look_at(&path, now);
                }
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
    fn wait(&self, next_sweep: Instant) -> Woken {
        let mut select = Select::new();
        select.recv(self.roster.hints().wake());
        select.recv(&self.commands);
        let outcome = select.recv(&self.outcomes);
        if let Some(intake) = &self.intake {
            for backlog in &self.backlogs {
                if let Some((_, _, utterance)) = &backlog.pending {
                    select.send(intake.lane(utterance.lane));
                }
            }
        }
        let deadline = self.publish_by.map_or(next_sweep, |by| by.min(next_sweep));
        let ready = select.ready_deadline(deadline);
        let is_over =
            self.to_outcomes.is_none() && ready == Ok(outcome) && self.outcomes.is_empty();
        if is_over { Woken::Ended } else { Woken::Working }
    }

    /// Fills the queue from the files, in the order in which their bytes appeared, until it is full or all is read.
    fn read_on(&mut self) {
        for idx in 0..self.backlogs.len() {
            loop {
                if self.backlogs[idx].pending.is_none() {
                    self.backlogs[idx].pending = self.next_utterance(idx);
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
        let n_unread = self.backlogs.iter().map(Backlog::n_files).sum();
        self.board.modify(|status| status.watch.n_unread_files = n_unread);
    }

    fn next_utterance(&mut self, backlog_idx: usize) -> Option<(FileKey, LineNumber, Utterance)> {
        let (intake, to_outcomes) = (self.intake.as_ref()?, self.to_outcomes.as_ref()?);
        let backlog = &mut self.backlogs[backlog_idx];
        while let Some(file) = backlog.front() {
            let Some(watched) = self.roster.get_mut(file) else {
                backlog.finish_front();
                continue;
            };
            let Some(spoken) = watched.next_line(&mut self.block) else {
                backlog.finish_front();
                continue;
            };
            backlog.advance(file, watched.progress().0);
            let (number, to_outcomes) = (spoken.number, to_outcomes.clone());
            let deliver = Box::new(move |report: Report| {
                // The thread outlives its tickets; were it gone, nobody would be left to tell.
                let _thread_is_gone = to_outcomes.send(Settled { file, number, report });
            });
            return Some((file, number, intake.utterance(spoken.order, clock::now(), deliver)));
        }
        None
    }

    /// Bookmarks first, then the world: whoever reads that a line was spoken may rely on its not being spoken again.
    fn take_outcomes(&mut self) {
        let settled: Vec<_> = self.outcomes.try_iter().collect();
        if settled.is_empty() {
            return;
        }
        for Settled { file, number, report } in &settled {
            if !report.outcome.settles() {
                continue;
            }
            if let Some(watched) = self.roster.get_mut(*file)
                && watched.settle(*number)
            {
                self.bookmarks.set(watched.path(), watched.marks());
            }
        }
        self.save();
        // Whoever waits for the last outcome finds the files' status as it is then.
        if self.roster.files().all(Watched::is_settled) {
            self.publish();
        }
        for Settled { report, .. } in &settled {
            self.history.publish(report);
        }
        self.publish_by.get_or_insert_with(|| clock::now() + PUBLISH_INTERVAL);
    }

    fn take_commands(&mut self, now: Instant) {
        loop {
            let command = match self.commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.commands = never(); // a closed channel is always ready
                    return;
                }
            };
            match command {
                WatchCommand::Add(config, reply) => reply(self.add(config, now)),
                WatchCommand::Remove(path, reply) => reply(self.remove(&path)),
                WatchCommand::Look(reply) => {
                    self.look_at_everything(now);
                    self.read_on();
                    self.board.modify(|status| status.watch.n_looks += 1);
                    reply();
                }
                WatchCommand::Clear(name, through, reply) => {
                    let source = self
                        .roster
                        .files()
                        .map(Watched::source)
                        .find(|source| source.name() == name);
                    if let Some(source) = source {
                        source.clear_through(through);
                    }
                    reply(source.is_some());
                }
                WatchCommand::Stop => {
                    self.backlogs = [Backlog::default(), Backlog::default()];
                    self.intake = None;
                    self.to_outcomes = None;
                }
            }
        }
    }

    fn add(&mut self, config: WatchConfig, now: Instant) -> Result<Vec<PathBuf>, String> {
        let path = config.path.clone();
        let added = self.roster.add(config, &self.bookmarks, now)?;
        self.note_all(&added);
        self.save();
        self.publish();
        match &self.save_problem {
            Some(problem) => {
                self.roster.forget(&path);
                Err(format!("the position cannot be written down: {problem}"))
            }
            None => Ok(added
                .iter()
                .filter_map(|key| self.roster.get(*key))
                .map(|file| file.path().to_path_buf())
                .collect()),
        }
    }

    /// Its files' bookmarks stay, for the day they are watched again.
    fn remove(&mut self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let removed = self.roster.remove(path)?;
        for backlog in &mut self.backlogs {
            if backlog.pending.as_ref().is_some_and(|(file, ..)| self.roster.get(*file).is_none()) {
                backlog.pending = None; // its ticket reports it as abandoned
            }
        }
        self.publish();
        Ok(removed)
    }

    fn look_at_everything(&mut self, now: Instant) {
        self.roster.find(Appearance::Later, &self.bookmarks, now);
        let keys = self.roster.keys();
        for key in &keys {
            self.roster.look(*key, now);
        }
        self.note_all(&keys);
        self.save();
        self.publish();
    }

    fn look_at(&mut self, path: &Path, now: Instant) {
        if let Some(key) = self.roster.key_of(path) {
            self.roster.look(key, now);
            self.note_all(&[key]);
        }
    }

    /// Notes what looking at files has found: where they stand, and what is to be read.
    fn note_all(&mut self, keys: &[FileKey]) {
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
        let problem = self
            .save_problem
            .as_ref()
            .map(|problem| format!("the bookmarks cannot be saved: {problem}"))
            .or_else(|| self.roster.problem().map(str::to_owned));
        self.board.modify(|status| {
            status.watch.files = files;
            status.watch.unmatched = unmatched;
            status.watch.problem = problem;
        });
    }
}

enum Woken {
    Working,
    Ended,
}
