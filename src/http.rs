//! The speech server: what OpenAI's clients, older programs and browsers ask for, from the same engines and voices.
//!
//! Knows nothing of engines at work or of playback. Runs on a thread of its own, with a runtime of its own: however many ask,
//! the control socket and the watched files do not notice. Waits on sockets; ends when it is told to and everyone has their
//! answer.

pub mod admin;
pub mod cache;
pub mod described;
pub mod docs;
pub mod door;
pub mod error;
pub mod extract;
pub mod guard;
pub mod keys;
pub mod latencies;
pub mod listener;
pub mod models;
pub mod monitor;
pub mod older;
pub mod page;
pub mod routes;
pub mod settings;
pub mod shares;
pub mod socket;
pub mod speech;
pub mod voices;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use crate::clock;
use crate::config::Config;
use crate::history::History;
use crate::paths::Paths;
use crate::queue::Intake;
use crate::status::StatusBoard;
use crate::steering::Steering;
use crate::telemetry::Exposition;
use crate::threads::{Thread, spawn_named};
use cache::Cache;
use described::Description;
use door::Door;
pub use door::{Question, Questions};
use guard::{Caller, Rates};
use keys::Keyring;
use latencies::Latencies;
use older::precompute::Precomputing;
use routes::{cors, router, routes};
use settings::Settings;
use shares::Shares;
use speech::audio::Room;

/// How many recordings are uploaded at the same time: each may take its share of the disk.
const MAX_UPLOADS: usize = 4;

/// How many WebSockets are open at the same time: each may hold a few sentences and their audio.
const MAX_SESSIONS: u32 = 64;

/// How many of them one caller has.
const MAX_SESSIONS_EACH: usize = 16;

/// How many requests of one caller wait for a place: a chat that has a long answer read sends some dozens at once.
const MAX_WAITING_EACH: usize = 64;

/// How many batches are spoken at the same time: each is one answer in memory.
const MAX_BATCHES: usize = 2;

/// How many pages are shown what happens, at the same time.
const MAX_WATCHERS: usize = 16;

/// What every request works with.
pub struct Http {
    /// Exchanged as a whole where the configuration changes.
    settings: RwLock<Arc<Settings>>,
    /// `None` once the daemon is stopping, so that the queue can close. Contended by the requests, for a push into it.
    intake: Mutex<Option<Intake>>,
    history: History,
    board: StatusBoard,
    door: Door,
    keys: Keyring,
    /// One permit for each request that may wait for the engine or be spoken.
    pending: Arc<Semaphore>,
    max_pending: usize,
    rates: Rates,
    /// One permit for each upload at the same time.
    uploads: Arc<Semaphore>,
    /// One permit for each WebSocket.
    sessions: Arc<Semaphore>,
    /// How many each caller has of them.
    sessions_each: Shares,
    /// Turns true at a stop.
    stopping: watch::Receiver<bool>,
    /// One permit for each page that is shown what happens.
    watchers: Arc<Semaphore>,
    room: Room,
    /// How many requests of each caller wait for a place.
    waiting: Shares,
    /// One permit for each batch at the same time.
    batches: Arc<Semaphore>,
    cache: Arc<Cache>,
    latencies: Latencies,
    /// Counts the requests, which are named by it.
    n_requests: AtomicU64,
    precomputing: Precomputing,
    steering: Steering,
    exposition: Option<Exposition>,
    description: Description,
    started_at: Instant,
}

/// What the daemon hands to the server.
pub struct Parts {
    /// The queue's mouth.
    pub intake: Intake,
    /// What was said.
    pub history: History,
    /// The status.
    pub board: StatusBoard,
    /// How loud it is just now.
    pub steering: Steering,
    /// What is counted.
    pub exposition: Option<Exposition>,
}

/// The server at work.
pub struct Server {
    http: Arc<Http>,
    thread: Thread<()>,
    stopping: watch::Sender<bool>,
    address: SocketAddr,
    paths: Paths,
}

/// Why the server does not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address} (http.listen)")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Everybody could come in, and nobody has a key.
    #[error(
        "http.listen is {0}, which others can reach, and there is no key; make one first: speakerd key add NAME"
    )]
    NoKey(SocketAddr),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] keys::KeyError),
    /// The system refuses a thread or a runtime.
    #[error("cannot start the speech server: {0}")]
    Thread(io::Error),
}

/// An address that was taken, before anybody is answered there.
pub struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
    key_file: PathBuf,
    n_keys: usize,
}

impl Bound {
    /// Takes the address, where the configuration has one.
    ///
    /// # Errors
    /// Where it cannot be had, or must not.
    pub fn new(config: &Config, paths: &Paths) -> Result<Option<Self>, StartError> {
        let Some(address) = config.http.listen else { return Ok(None) };
        let key_file = keys::file_below(&paths.data_dir);
        let n_keys = keys::read(&key_file)?.len();
        if config.http.is_public() && n_keys == 0 {
            return Err(StartError::NoKey(address));
        }
        let failed = |source| StartError::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Some(Self { listener, address, key_file, n_keys }))
    }
}

impl Server {
    /// Begins to answer.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub fn start(
        bound: Bound,
        config: &Config,
        paths: &Paths,
        parts: Parts,
    ) -> Result<(Self, Questions), StartError> {
        let Bound { listener, address, key_file, n_keys } = bound;
        let (door, questions) = door::door();
        let (stopping, is_stopping) = watch::channel(false);
        let Parts { intake, history, board, steering, exposition } = parts;
        let limits = &config.http;
        let cache = Cache::new(limits.cache_bytes, paths.audio_cache(), limits.cache_disk_bytes);
        let (routes, description) = routes(limits.max_upload_bytes);
        let http = Arc::new(Http {
            settings: RwLock::new(Settings::of(config, paths)),
            intake: Mutex::new(Some(intake)),
            history,
            board,
            door,
            keys: Keyring::new(key_file),
            pending: Arc::new(Semaphore::new(config.http.max_pending)),
            max_pending: config.http.max_pending,
            rates: Rates::new(config.http.requests_per_minute),
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            sessions: Arc::new(Semaphore::new(MAX_SESSIONS as usize)),
            sessions_each: Shares::new(MAX_SESSIONS_EACH),
            stopping: is_stopping.clone(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
            room: Room::default(),
            waiting: Shares::new(MAX_WAITING_EACH),
            batches: Arc::new(Semaphore::new(MAX_BATCHES)),
            cache: Arc::new(cache),
            latencies: Latencies::default(),
            n_requests: AtomicU64::new(0),
            precomputing: Precomputing::default(),
            steering,
            exposition,
            description,
            started_at: clock::now(),
        });
        let router = router(routes, &http, cors(&limits.cors_origins));
        let (max_connections, sessions) = (limits.max_connections, Arc::clone(&http.sessions));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("http-work")
            .build()
            .map_err(StartError::Thread)?;
        let thread = spawn_named("http", move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        listener::serve(listener, router, max_connections, is_stopping).await;
                        // WebSockets are no connections of the listener's.
                        drop(sessions.acquire_many(MAX_SESSIONS).await);
                    }
                    Err(error) => warn!("cannot listen for HTTP: {error}"),
                }
            });
            // What encodes for someone who is gone ends with its next chunk.
            runtime.shutdown_background();
        })
        .map_err(StartError::Thread)?;
        http.board.modify(|status| status.daemon.http = Some(format!("http://{address}")));
        info!(%address, n_keys, "listening for HTTP");
        if n_keys == 0 && config.http.without_key.is_empty() {
            info!("nobody has a key yet: speakerd key add NAME");
        }
        let paths = paths.clone();
        Ok((Self { http, thread, stopping, address, paths }, questions))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes by another configuration, as far as that is possible while it runs.
    pub fn configure(&self, config: &Config) {
        let mut config = config.clone();
        if !self.address.ip().is_loopback() && !config.http.without_key.is_empty() {
            warn!("http.without_key holds from the next start on: {} can be reached", self.address);
            config.http.without_key.clear();
        }
        *self.http.settings.write() = Settings::of(&config, &self.paths);
    }

    /// Refuses everything that would be spoken from now on, and takes no new connections.
    pub fn stop_speaking(&self) {
        self.http.intake.lock().take();
        let _ended_already = self.stopping.send(true);
    }

    /// Whether everyone has their answer.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Http {
    /// The settings in force.
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// Whether a caller still has the key that it came with.
    fn is_known(&self, caller: &Caller) -> bool {
        caller.name.as_deref().is_none_or(|name| self.keys.has(name))
    }

    /// Whether it takes requests, in a word.
    fn state_word(&self) -> &'static str {
        if self.intake.lock().is_some() { "ok" } else { "stopping" }
    }

    /// How many requests wait for the engine or are being spoken.
    fn n_pending(&self) -> usize {
        self.max_pending.saturating_sub(self.pending.available_permits())
    }

    /// How long it has been listening.
    fn uptime(&self) -> Duration {
        clock::now().duration_since(self.started_at)
    }
}
