//! The configuration, read again while the daemon runs: at a signal, at a request, and when its file has changed.
//!
//! What is queued, where files were left and what is loaded survives. A file that is wrong leaves the old one in force.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::{AudioConfig, Config, ConfigError};
use crate::control::handler::{Handler, NotReloaded, Reloaded};
use crate::inference::EngineSettings;
use crate::logging;
use crate::playback::PlaybackSettings;
use crate::watch::WatchCommand;

/// A file's time and size.
pub type Stamp = (SystemTime, u64);

/// How often the file is asked whether it has changed.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the watch thread may take to take over what is watched; after this long it hangs.
const WATCH_LIMIT: Duration = Duration::from_secs(3);

/// Reads the configuration as it was read at the start.
pub type LoadConfig = Box<dyn Fn() -> Result<Config, ConfigError>>;

/// Who is told of a new configuration.
pub struct Reloader {
    /// Reads it.
    pub load: LoadConfig,
    /// The file whose change is noticed.
    pub file: PathBuf,
    /// What is in force.
    pub current: Config,
    /// The sound, and the other end: what was not taken yet is replaced.
    pub to_playback: (Sender<PlaybackSettings>, Receiver<PlaybackSettings>),
    /// Everything else.
    pub handler: Rc<Handler>,
    /// The file as it was read last.
    pub seen: Option<Stamp>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// The file as it was at the last look: one that is being written is not read.
    pub at_last_look: Option<Stamp>,
}

impl Reloader {
    /// Whether the file is another one than was read, and has been so at two looks in a row.
    pub fn has_changed(&mut self) -> bool {
        let stamp = self.stamp();
        let is_still = std::mem::replace(&mut self.at_last_look, stamp) == stamp;
        is_still && stamp != self.seen
    }

    /// The file as it is; `None` where there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        let metadata = self.file.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Reads the configuration and puts it in force, as far as that is possible at once.
    pub async fn reload(&mut self) -> Reloaded {
        self.seen = self.stamp();
        let is_gone = self.current.file.is_some() && self.seen.is_none();
        let reloaded = match (self.load)() {
            _ if is_gone => {
                let file = self.file.display();
                let why = format!("the configuration `{file}` is gone");
                Err(NotReloaded::Bad(format!("{why}; the old one stays in force")))
            }
            Ok(config) => self.put_in_force(config).await,
            Err(error) => {
                let why = format!("{error}; the old configuration stays in force");
                Err(NotReloaded::Bad(why))
            }
        };
        let problem = reloaded.as_ref().err().map(|problem| match problem {
            NotReloaded::Bad(why) | NotReloaded::Busy(why) => why.clone(),
        });
        let is_told = problem.is_some() && problem == self.problem;
        match (&reloaded, &problem) {
            _ if is_told => {}
            (_, Some(why)) => warn!("{why}"),
            (Ok(waiting), None) if !waiting.is_empty() => warn!(
                "the configuration was read again; from the next start on: {}",
                waiting.join(", ")
            ),
            _ => info!("the configuration was read again"),
        }
        self.problem.clone_from(&problem);
        self.handler.board().modify(|status| {
            let daemon = &mut status.daemon;
            daemon.config_problem = problem;
            if let Ok(waiting) = &reloaded {
                daemon.config = self.current.file.as_ref().map(|file| file.display().to_string());
                daemon.needs_restart = waiting.iter().map(|key| (*key).to_owned()).collect();
            }
        });
        reloaded
    }

    /// It is tried again at the next look.
    fn later(&mut self, why: &str) -> NotReloaded {
        self.seen = None;
        NotReloaded::Busy(format!("{why}; the configuration is read again in a moment"))
    }

    async fn put_in_force(&mut self, mut config: Config) -> Reloaded {
        let (tell, told) = oneshot::channel();
        let reply = Box::new(move |()| {
            let _hung_up = tell.send(());
        });
        let command = WatchCommand::Configure(Box::new(config.clone()), reply);
        // The one that is most likely to have too much to do is asked first: nothing is half done then.
        let told_engines = self.handler.tell_engines(EngineSettings::of(&config));
        told_engines
            .and_then(|()| self.handler.tell_watch(command))
            .map_err(|why| self.later(&why))?;
        let is_done = tokio::time::timeout(WATCH_LIMIT, told).await;
        if !matches!(is_done, Ok(Ok(()))) {
            return Err(self.later("the watched files do not answer yet"));
        }
        let waiting = self.current.needs_restart(&config);
        self.handler.configure(&config, &self.current);
        let (to_playback, not_taken) = &self.to_playback;
        let _older = not_taken.try_recv();
        let _never_full = to_playback.try_send(PlaybackSettings::of(&config));
        self.handler.nudge();
        logging::set_filter(&config.log_filter);
        // What waits for the next start is still what it was.
        let (old, new) = (&self.current, &mut config);
        new.queue.capacity = old.queue.capacity;
        new.queue.history = old.queue.history;
        new.limits.max_clients = old.limits.max_clients;
        let http = &mut new.http;
        http.listen = old.http.listen;
        http.max_connections = old.http.max_connections;
        http.max_upload_bytes = old.http.max_upload_bytes;
        http.max_pending = old.http.max_pending;
        http.cache_bytes = old.http.cache_bytes;
        http.cache_disk_bytes = old.http.cache_disk_bytes;
        http.cors_origins.clone_from(&old.http.cors_origins);
        http.requests_per_minute = old.http.requests_per_minute;
        let AudioConfig { volume, gap, release, preroll, .. } = new.audio;
        new.audio = AudioConfig { preroll, volume, gap, release, ..old.audio.clone() };
        self.current = config;
        Ok(waiting)
    }
}
