//! The watch thread: turns appended lines into utterances, and their outcomes into bookmarks.
//!
//! Knows nothing of engines, audio or tokio. Waits on hints, outcomes, commands, room in the queue and a sweep every
//! two seconds. It stops reading when the stop channel closes and ends when the last of its utterances has an outcome.

pub mod backlog;
pub mod bookmarks;
pub mod continuity;
pub mod hints;
pub mod places;
mod reading;
pub mod roster;
pub mod run;
pub mod tail;
pub mod text;
pub mod watched;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never, unbounded};
use tracing::{info, warn};

use crate::clock;
use crate::config::{Config, WatchConfig};
use crate::history::History;
use crate::queue::Intake;
use crate::speech::Report;
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

/// Requests carried out before others have their turn.
const COMMANDS_PER_TURN: usize = 16;

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
    /// Clear one file, or all: what is on its way up to that id, and what was not read yet. Answered with whether there
    /// is such a file.
    Clear(Option<String>, u64, Box<dyn FnOnce(bool) + Send>),
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
    /// Removed files with lines on their way: their bookmarks are kept until the last outcome.
    leaving: BTreeMap<FileKey, Watched>,
    /// A turn ended before everything was read.
    has_more: bool,
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
            leaving: BTreeMap::new(),
            has_more: false,
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
            self.wait(next_sweep);
            let now = clock::now();
            if self.take_outcomes() == Outcomes::Over {
                break;
            }
            self.take_stop();
            self.take_commands(now);
            let changes = self.roster.hints().take();
            if changes.everything || now >= next_sweep {
                self.look_at_everything(now);
                next_sweep = now + SWEEP;
            } else {
                for path in changes.paths {
                    self.look_at(&path, now);
                }
                self.look_again(now);
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
                if let Some((_, _, utterance)) = &backlog.pending {
                    select.send(intake.lane(utterance.lane));
                }
            }
        }
        if self.has_more {
            return;
        }
        let now = clock::now();
        // What was decided waits for room in the queue.
        let decided = self.roster.files().filter_map(Watched::decided_at).filter(|at| *at > now);
        let deadline = decided.chain(self.publish_by).fold(next_sweep, Instant::min);
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
        for Settled { file, number, report } in settled {
            if !report.outcome.settles() {
                continue;
            }
            let watched = self.roster.get_mut(*file).or_else(|| self.leaving.get_mut(file));
            if let Some(watched) = watched
                && watched.settle(*number)
            {
                self.bookmarks.set(watched.path(), watched.marks());
            }
        }
        self.leaving.retain(|_, file| !file.is_settled());
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

    fn take_commands(&mut self, now: Instant) {
        for _ in 0..COMMANDS_PER_TURN {
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
                    reply();
                }
                WatchCommand::Clear(name, through, reply) => {
                    reply(self.clear(name.as_deref(), through));
                }
            }
        }
    }

    /// Clears one file, or all of them. What waits in a file is passed over without being read: it may be a gigabyte.
    fn clear(&mut self, name: Option<&str>, through: u64) -> bool {
        // What was read while the request was on its way is cleared as well.
        let issued = self.intake.as_ref().map_or(through, |intake| intake.view().last_issued());
        let cleared = self.roster.keys_named(name);
        for key in &cleared {
            let Some(file) = self.roster.get_mut(*key) else { continue };
            file.source().clear_through(issued.max(through));
            let n_bytes = file.skip_to_end();
            if n_bytes > 0 {
                info!(path = %file.path().display(), n_bytes, "cleared unread");
            }
        }
        self.note_all(&cleared);
        self.save();
        self.publish();
        !cleared.is_empty()
    }

    fn add(&mut self, config: WatchConfig, now: Instant) -> Result<Vec<PathBuf>, String> {
        let path = config.path.clone();
        let left = self.leaving.iter().find(|(_, file)| file.path() == path).map(|(key, _)| *key);
        let added = match left.and_then(|key| Some((key, self.leaving.remove(&key)?))) {
            Some((key, file)) => {
                self.roster.take_back(key, file, config);
                vec![key]
            }
            None => self.roster.add(config, &self.bookmarks, now)?,
        };
        self.note_all(&added);
        self.save();
        self.publish();
        match &self.save_problem {
            Some(problem) => {
                self.roster.forget(&path);
                Err(format!("the position cannot be written down: {problem}"))
            }
            None => Ok(self.paths_of(&added)),
        }
    }

    fn paths_of(&self, keys: &[FileKey]) -> Vec<PathBuf> {
        let files = keys.iter().filter_map(|key| self.roster.get(*key));
        files.map(|file| file.path().to_path_buf()).collect()
    }

    /// Its files' bookmarks stay, for the day they are watched again. What is on its way is spoken.
    fn remove(&mut self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let removed = self.roster.remove(path)?;
        let paths = removed.values().map(|file| file.path().to_path_buf()).collect();
        for backlog in &mut self.backlogs {
            if backlog.pending.as_ref().is_some_and(|(file, ..)| removed.contains_key(file)) {
                backlog.pending = None; // its ticket reports it as abandoned
            }
        }
        self.leaving.extend(removed.into_iter().filter(|(_, file)| !file.is_settled()));
        self.publish();
        Ok(paths)
    }

    fn look_at_everything(&mut self, now: Instant) {
        self.roster.forget_gone(now);
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

    /// Looks again at files that seemed to hold another text a moment ago.
    fn look_again(&mut self, now: Instant) {
        let is_due = |file: &&Watched| file.decided_at().is_some_and(|at| at <= now);
        let due: Vec<_> =
            self.roster.files().filter(is_due).map(|file| file.path().to_path_buf()).collect();
        for path in due {
            self.look_at(&path, now);
        }
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

/// Whether outcomes are still to come.
#[derive(PartialEq, Eq)]
enum Outcomes {
    ToCome,
    Over,
}
