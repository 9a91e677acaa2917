//! What each request means: reads the status, moves an atomic, or puts something into a channel that has room.
//!
//! Never waits for a thread: where an answer comes from one, it comes through a one-shot channel.

mod files;
mod now;
pub mod saying;
pub mod voices;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::protocol::{Load, PROTOCOL, Refusal, RefusalCode, Reply, Request, Response};
use crate::config::Config;
use crate::config::check::VOLUME;
use crate::engine::registry::Registry;
use crate::history::History;
use crate::inference::{EngineCommand, EngineSettings};
use crate::paths::Paths;
use crate::queue::{Intake, QueueView};
use crate::speech::{Manner, Source};
use crate::status::StatusBoard;
use crate::steering::Steering;
use crate::watch::WatchCommand;
use saying::{CarriedSay, Unsaid};
use voices::VoicesDoor;

/// The name of what is said through the socket.
pub const CONTROL_SOURCE: &str = "control";

/// What requests work with.
pub struct Handler {
    /// `None` once the daemon is stopping, so that the queue can close.
    intake: RefCell<Option<Intake>>,
    queue: QueueView,
    history: History,
    steering: Steering,
    board: StatusBoard,
    to_watch: Sender<WatchCommand>,
    to_engines: Sender<EngineCommand>,
    voices: VoicesDoor,
    paths: Paths,
    source: Source,
    /// What was asked for and has no outcome yet.
    unsaid: Unsaid,
    /// What was asked of a daemon before this one, and has found no room yet. Bounded by what that one had.
    late: RefCell<VecDeque<CarriedSay>>,
    /// One for each connection that may be there.
    connections: Arc<Semaphore>,
    max_connections: usize,
    /// As it was measured last.
    children_bytes: Cell<u64>,
    /// The same.
    disk_free_bytes: Cell<Option<u64>>,
    /// Changes with the configuration.
    manner: RefCell<Manner>,
    max_age: Cell<Option<Duration>>,
    /// Changes with the configuration.
    registry: RefCell<Registry>,
    /// Ends the daemon.
    shutdown: Arc<Notify>,
    to_reload: mpsc::Sender<oneshot::Sender<Reloaded>>,
}

/// What reading the configuration again came to: the keys that hold from the next start on, or why the old one stays in
/// force.
pub type Reloaded = Result<Vec<&'static str>, NotReloaded>;

/// Why the configuration that was in force still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReloaded {
    /// The file is wrong.
    Bad(String),
    /// Not now; it is tried again by itself.
    Busy(String),
}

/// The parts of a [`Handler`] that the daemon has made.
pub struct Parts {
    /// The queue's mouth.
    pub intake: Intake,
    /// What was said.
    pub history: History,
    /// The atomics.
    pub steering: Steering,
    /// The status.
    pub board: StatusBoard,
    /// The watch thread.
    pub to_watch: Sender<WatchCommand>,
    /// The inference thread.
    pub to_engines: Sender<EngineCommand>,
    /// Whoever keeps the voices.
    pub voices: VoicesDoor,
    /// For relative paths.
    pub paths: Paths,
    /// Ends the daemon.
    pub shutdown: Arc<Notify>,
    /// Has the configuration read again.
    pub to_reload: mpsc::Sender<oneshot::Sender<Reloaded>>,
}

fn refuse<T>(code: RefusalCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, message))
}

impl Handler {
    /// A handler for this configuration.
    pub fn new(parts: Parts, config: &Config) -> Self {
        let Parts {
            intake,
            history,
            steering,
            board,
            to_watch,
            to_engines,
            voices,
            paths,
            shutdown,
            to_reload,
        } = parts;
        Self {
            queue: intake.view(),
            intake: RefCell::new(Some(intake)),
            history,
            steering,
            board,
            to_watch,
            to_engines,
            voices,
            registry: RefCell::new(config.registry(&paths)),
            paths,
            source: Source::new(CONTROL_SOURCE),
            unsaid: Unsaid::default(),
            late: RefCell::default(),
            connections: Arc::new(Semaphore::new(config.limits.max_clients)),
            max_connections: config.limits.max_clients,
            children_bytes: Cell::new(0),
            disk_free_bytes: Cell::new(None),
            manner: RefCell::new(config.manner()),
            max_age: Cell::new(config.queue.max_age),
            shutdown,
            to_reload,
        }
    }

    /// Goes by another configuration. The loudness that was set by hand stays, unless the configured one is another.
    pub fn configure(&self, new: &Config, old: &Config) {
        self.manner.replace(new.manner());
        self.max_age.set(new.queue.max_age);
        self.registry.replace(new.registry(&self.paths));
        if new.audio.volume.to_bits() != old.audio.volume.to_bits() {
            self.steering.set_volume(new.audio.volume);
        }
    }

    /// Has the playback thread look around.
    pub fn nudge(&self) {
        self.steering.nudge();
    }

    /// Asks something of the watch thread.
    ///
    /// # Errors
    /// Where it has too much to do.
    pub fn tell_watch(&self, command: WatchCommand) -> Result<(), String> {
        self.ask_watch(command).map_err(|refusal| refusal.message)
    }

    /// Has the engines go by other settings.
    ///
    /// # Errors
    /// Where they have too much to do.
    pub fn tell_engines(&self, settings: EngineSettings) -> Result<(), String> {
        let told = self.command(EngineCommand::Configure(settings));
        told.map(drop).map_err(|refusal| refusal.message)
    }

    async fn reload(&self) -> Reply {
        let (tell, told) = oneshot::channel();
        if self.to_reload.try_send(tell).is_err() {
            return refuse(RefusalCode::Busy, "the configuration is being read; try again");
        }
        match told.await {
            Ok(Ok(waiting)) => {
                let needs_restart = waiting.into_iter().map(str::to_owned).collect();
                Ok(Response::Reloaded { needs_restart })
            }
            Ok(Err(NotReloaded::Bad(why))) => refuse(RefusalCode::BadConfig, why),
            Ok(Err(NotReloaded::Busy(why))) => refuse(RefusalCode::Busy, why),
            Err(_) => refuse(RefusalCode::Stopping, "the daemon is stopping"),
        }
    }

    /// Refuses everything that would be spoken from now on.
    pub fn stop_speaking(&self) {
        self.intake.take();
    }

    /// Another mouth of the queue; `None` once the daemon is stopping.
    pub fn intake(&self) -> Option<Intake> {
        self.intake.borrow().clone()
    }

    /// For those who show how loud it is.
    pub fn steering(&self) -> &Steering {
        &self.steering
    }

    /// For followers.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// For subscribers.
    pub fn board(&self) -> &StatusBoard {
        &self.board
    }

    /// Carries out a request that has one answer.
    ///
    /// # Errors
    /// The refusal, which is an answer as well.
    pub async fn handle(&self, request: Request) -> Reply {
        match request {
            Request::Version => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Ok(Response::Version { version, protocol: PROTOCOL })
            }
            Request::Status => Ok(Response::Status(Box::new(self.status()))),
            Request::Say(say) => self.say(say).await,
            Request::Skip => self.skip(),
            Request::Clear(clear) => self.clear(clear).await,
            Request::Pause => Ok(self.steer(|steering| steering.set_paused(true))),
            Request::Resume => Ok(self.steer(|steering| steering.set_paused(false))),
            Request::Mute => Ok(self.steer(|steering| steering.set_muted(true))),
            Request::Unmute => Ok(self.steer(|steering| steering.set_muted(false))),
            Request::Volume(volume) => self.volume(volume),
            Request::Replay(replay) => self.replay(&replay),
            Request::Queue => Ok(Response::Queue(self.queue.waiting())),
            Request::Watch(request) => self.watch(request).await,
            Request::Voice(request) => self.ask_voices(request).await,
            Request::Load(load) => self.load(load),
            Request::Unload => self.command(EngineCommand::Unload),
            Request::WaitIdle(wait) => self.wait_idle(&wait).await,
            Request::Reload => self.reload().await,
            Request::Shutdown => {
                self.shutdown.notify_one();
                Ok(Response::Handled)
            }
            // The server answers these itself: they have many lines.
            Request::Subscribe | Request::History(_) => {
                refuse(RefusalCode::BadRequest, "this request has a connection of its own")
            }
        }
    }

    fn skip(&self) -> Reply {
        match self.steering.current() {
            Some(id) => {
                self.steering.skip(id);
                Ok(Response::Skipped { id: id.get() })
            }
            None => refuse(RefusalCode::NothingToSkip, "nothing is being said"),
        }
    }

    fn steer(&self, steer: impl FnOnce(&Steering)) -> Response {
        steer(&self.steering);
        self.board.modify(|_| ()); // subscribers read it together with the board
        Response::Handled
    }

    fn volume(&self, volume: f32) -> Reply {
        if !VOLUME.contains(&volume) {
            return refuse(
                RefusalCode::BadRequest,
                format!("volume {volume} is not between 0 and 2"),
            );
        }
        Ok(self.steer(|steering| steering.set_volume(volume)))
    }

    fn load(&self, load: Load) -> Reply {
        let voice = load.voice.unwrap_or_else(|| self.manner.borrow().voice.to_string());
        self.check_voice(&voice)?;
        self.command(EngineCommand::Load(voice))
    }

    fn command(&self, command: EngineCommand) -> Reply {
        match self.to_engines.try_send(command) {
            Ok(()) => Ok(Response::Handled),
            Err(_) => refuse(RefusalCode::Busy, "the engines have enough to do; try again"),
        }
    }
}
