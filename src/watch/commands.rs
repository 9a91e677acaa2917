//! What can be asked of the watch thread, and how it answers.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crossbeam_channel::{TryRecvError, never};
use tracing::info;

use super::watched::{Appearance, Spoken};
use super::{FileKey, Origin, Watch};
use crate::config::{Config, WatchConfig};
use crate::speech::Outcome;

/// Requests carried out before others have their turn.
const COMMANDS_PER_TURN: usize = 16;

/// What can be asked of the thread. Replies are called on it and must not block.
pub enum WatchCommand {
    /// Watch another file or pattern; answered when its position is written down.
    Add(WatchConfig, Box<dyn FnOnce(Result<Vec<PathBuf>, String>) + Send>),
    /// Watch a file or pattern no longer.
    Remove(PathBuf, Box<dyn FnOnce(Result<Vec<PathBuf>, String>) + Send>),
    /// Look at every file now; answered when that was done and the status tells what is unread.
    Look(Box<dyn FnOnce() + Send>),
    /// Watch what this configuration says, and what was added while the daemon ran; answered when that is so.
    Configure(Box<Config>, Box<dyn FnOnce(()) + Send>),
    /// Clear one file, or all: what is on its way up to that id, and what was not read yet. Answered with whether there
    /// is such a file.
    Clear(Option<String>, u64, Box<dyn FnOnce(bool) + Send>),
}

impl Watch {
    pub(super) fn take_commands(&mut self, now: Instant) {
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
                WatchCommand::Remove(path, reply) => reply(self.remove(&path, now)),
                WatchCommand::Look(reply) => {
                    self.look_at_everything(now);
                    self.read_on();
                    reply();
                }
                WatchCommand::Configure(config, reply) => {
                    self.configure(&config, now);
                    reply(());
                }
                WatchCommand::Clear(name, through, reply) => {
                    reply(self.clear(name.as_deref(), through, now));
                }
            }
        }
    }

    /// Clears one file, or all of them. What waits in a file is passed over without being read: it may be a gigabyte.
    fn clear(&mut self, name: Option<&str>, through: u64, now: Instant) -> bool {
        // What was read while the request was on its way is cleared as well.
        let issued = self.intake.as_ref().map_or(through, |intake| intake.view().last_issued());
        let cleared = self.roster.keys_named(name);
        for key in &cleared {
            let Some(file) = self.roster.get_mut(*key) else { continue };
            file.source().clear_through(issued.max(through));
            let held_back = file.take_held_back();
            let n_bytes = file.skip_to_end(now);
            if n_bytes > 0 {
                info!(path = %file.path().display(), n_bytes, "cleared unread");
            }
            for Spoken { order, number, .. } in held_back {
                self.pass_over(order, Origin::held_back(*key, number), Outcome::Cleared, None, now);
            }
        }
        self.note_all(&cleared);
        self.save();
        self.publish();
        !cleared.is_empty()
    }

    fn configure(&mut self, config: &Config, now: Instant) {
        // What a pattern finds at this very moment is new all the same.
        self.roster.find(Appearance::Later, &self.bookmarks, now);
        let removed = self.roster.configure(config, &self.bookmarks, now);
        self.release(removed, now);
        self.note_all(&self.roster.keys());
        self.save();
        self.publish();
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
            None => Ok(self.paths_of(&added)),
        }
    }

    fn paths_of(&self, keys: &[FileKey]) -> Vec<PathBuf> {
        let files = keys.iter().filter_map(|key| self.roster.get(*key));
        files.map(|file| file.path().to_path_buf()).collect()
    }

    /// Its files' bookmarks stay, for the day they are watched again. What is on its way is spoken, and what was held back.
    fn remove(&mut self, path: &Path, now: Instant) -> Result<Vec<PathBuf>, String> {
        let removed = self.roster.remove(path)?;
        let paths = self.release(removed, now);
        self.publish();
        Ok(paths)
    }

    /// Gives out what was held back of files that are watched no longer. Returns their paths.
    fn release(&mut self, removed: Vec<FileKey>, now: Instant) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for key in removed {
            let Some(file) = self.roster.settling(key) else { continue };
            paths.push(file.path().to_path_buf());
            let (lane, held_back) = (file.lane(), file.give_out_held_back());
            for Spoken { order, number, .. } in held_back {
                let utterance = self.utterance(order, Origin::given_out(key, number), now);
                self.backlogs[Self::backlog_idx(lane)].outgoing.extend(utterance);
            }
        }
        self.roster.forget_settled();
        paths
    }
}
