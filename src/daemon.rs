//! The composition root: makes the channels, starts the threads, and ends them in order.
//!
//! The one file that knows every room. It contains no decision about speech.

mod alerts;
mod beginning;
pub mod descriptors;
pub mod heap;
pub mod notify;
pub mod reload;
pub mod rescue;
pub mod signals;
mod speech_server;
mod textfile;
mod threads;
mod vitals;
#[cfg(feature = "pocket")]
pub mod voices;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::{Notify, mpsc, oneshot, watch as flag};
use tracing::{error, info, warn};

use crate::clock;
use crate::config::Config;
use crate::control::handler::voices::VoicesDoor;
use crate::control::handler::{Handler, Parts, Reloaded};
use crate::control::listener::ControlSocket;
use crate::control::server;
use crate::history::History;
use crate::inference::engines::Engines;
use crate::inference::source::{BuiltEngines, EngineSource};
use crate::inference::{EngineCommand, EngineSettings, Inference};
use crate::logging;
use crate::paths::Paths;
use crate::pipe::pipe;
use crate::playback::card::{Output, open_output};
use crate::playback::{Playback, PlaybackSettings};
use crate::queue::queue;
use crate::speech::custody::Custody;
use crate::status::StatusBoard;
use crate::steering::Steering;
use crate::threads::Pulse;
use crate::watch::{Watch, WatchCommand};
use beginning::{introduce, make_state_dir};
use reload::{LoadConfig, Reloader};
use rescue::Carried;
use signals::Ask;
use speech_server::SpeechServer;
use threads::{Threads, spawn};
use vitals::Vitals;
#[cfg(feature = "pocket")]
use voices::VoiceKeeper;

/// What the history may take in memory: 100,000 ordinary lines, or fewer long ones.
const HISTORY_BYTES: usize = 64 << 20;

/// Requests to the watch thread that wait: each is answered in milliseconds.
const WATCH_COMMANDS: usize = 16;

/// Requests to the inference thread that wait: loading takes long, and nobody needs it twice.
const ENGINE_COMMANDS: usize = 4;

/// Requests about voices that wait for someone to hand them on, which is done at once.
const VOICE_TASKS: usize = 4;

/// Requests to read the configuration again that wait: each is answered in milliseconds.
const RELOADS: usize = 4;

/// What is left of the shutdown's time for the bookmarks and for those who follow, once the line is cut.
const CUT_RESERVE: Duration = Duration::from_millis(800);

/// What the daemon is made of.
pub struct Setup {
    /// The checked configuration.
    pub config: Config,
    /// Where files lie.
    pub paths: Paths,
    /// Where engines come from.
    pub engines: Box<dyn EngineSource>,
    /// Where the sound goes.
    pub output: Box<dyn Output>,
    /// Reads the configuration again.
    pub load: LoadConfig,
}

impl Setup {
    /// The engines and the output of this build.
    pub fn new(config: Config, paths: Paths, load: LoadConfig) -> Self {
        let output = open_output(&config.audio);
        let registry = config.registry(&paths);
        let confinement = config.engine.confinement;
        let engines = Box::new(BuiltEngines { registry, confinement, trim_memory: heap::trim });
        Self { config, paths, engines, output, load }
    }
}

/// Runs the daemon in this process until a signal or a `shutdown` ends it.
///
/// # Errors
/// Where it cannot start, or one of its threads is lost.
pub fn run(paths: Paths, load: LoadConfig) -> anyhow::Result<()> {
    heap::prepare();
    let config = load()?;
    logging::start(&config.log_filter);
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut signals = signals::Signals::listen().context("cannot listen for signals")?;
        let (asks, asked) = mpsc::channel(4); // a signal that comes meanwhile says nothing new
        tokio::task::spawn_local(
            async move { while asks.send(signals.next().await).await.is_ok() {} },
        );
        serve(Setup::new(config, paths, load), asked).await
    })
}

/// Runs the daemon until it is asked to stop, by `asked` or by a client. Runs in a `LocalSet`.
///
/// # Errors
/// Where it cannot start, one of its threads is lost, or one does not end in time.
pub async fn serve(setup: Setup, mut asked: mpsc::Receiver<Ask>) -> anyhow::Result<()> {
    let Setup { config, paths, engines, output, load } = setup;
    let file = config.file.clone().unwrap_or_else(|| paths.config_file());
    make_state_dir(&paths.state_dir)?;
    let activated = listenfd::ListenFd::from_env().take_unix_listener(0).ok().flatten();
    let is_activated = activated.is_some();
    let mut socket = ControlSocket::bind(&paths.socket(), activated)?;
    let board = StatusBoard::default();
    introduce(&config, &board);
    let shutdown = Arc::new(Notify::new());
    let (state_dir, of_server) = (paths.state_dir.clone(), paths.clone());
    // Before anything is read: a daemon that cannot begin has begun nothing.
    let listening = SpeechServer::bind(&config, &paths)?;
    vitals::prepare(&config);
    let (to_reload, mut reloads) = mpsc::channel(RELOADS);
    let mut carried = Carried::take();
    let Started { mut threads, handler, to_playback, custody } = start_threads(
        &config,
        paths,
        engines,
        output,
        &board,
        (&shutdown, to_reload),
        &mut carried,
    )?;
    let handler = Rc::new(handler);
    let speech_server = SpeechServer::start(listening, &config, &of_server, &handler)?;
    let (closing, is_closing) = flag::channel(false);
    let listener = tokio::net::UnixListener::from_std(socket.take_listener()?)?;
    let server = server::serve(listener, Rc::clone(&handler), is_closing);
    let server = tokio::task::spawn_local(server);
    let rescuer = carried.go_on(&handler, custody, is_activated);
    notify::ready();
    heap::trim(); // a start takes more than what follows
    heap::give_code_back();
    info!(version = env!("CARGO_PKG_VERSION"), files = board.snapshot().watch.files.len(), "ready");

    let mut vitals = Vitals::begin(&config, Rc::clone(&handler), state_dir);
    let mut reloader = Reloader {
        load,
        file,
        current: config,
        to_playback,
        handler: Rc::clone(&handler),
        seen: None,
        problem: None,
        at_last_look: None,
    };
    reloader.seen = reloader.stamp();
    let mut look = tokio::time::interval(reload::LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watchdog = notify::Watchdog::of_the_manager();
    let lost = loop {
        let asker = tokio::select! {
            ask = asked.recv() => match ask {
                Some(Ask::Reload) => None,
                Some(Ask::Stop) | None => break None,
            },
            () = shutdown.notified() => break None,
            lost = threads.ended.recv() => break lost,
            asker = reloads.recv() => asker,
            limit = watchdog.due() => {
                watchdog.feed(threads.stuck(limit));
                continue;
            }
            () = vitals.look_in_time() => continue,
            _ = look.tick() => {
                let trouble = threads.trouble(&reloader.current.engine.confinement);
                rescuer.mend(trouble, &handler).await?;
                handler.say_late();
                if speech_server.is_lost() {
                    break Some("http");
                }
                if !reloader.has_changed() {
                    continue;
                }
                None
            }
        };
        notify::reloading();
        let reloaded = tokio::select! {
            reloaded = reloader.reload() => reloaded,
            lost = end(&mut asked, &shutdown, &mut threads.ended) => break lost,
        };
        notify::ready();
        vitals.configure(&reloader.current);
        speech_server.configure(&reloader.current);
        if let Some(asker) = asker {
            let _hung_up = asker.send(reloaded);
        }
    };
    let limit = reloader.current.limits.shutdown;
    let rim = (closing, server, speech_server);
    let late = stop(limit, lost, &handler, &mut threads, rim).await;
    vitals.end();
    ended_well(lost, &late)
}

/// What the end was like.
fn ended_well(lost: Option<&str>, late: &[&str]) -> anyhow::Result<()> {
    match (lost, late) {
        (None, []) => {
            info!("stopped");
            Ok(())
        }
        (Some(name), _) => bail!("the thread {name} was lost"),
        (None, late) => bail!("did not end in time: {}", late.join(", ")),
    }
}

/// Ends everything in order. Returns the threads that did not end in time.
async fn stop(
    limit: Duration,
    lost: Option<&str>,
    handler: &Handler,
    threads: &mut Threads,
    (closing, server, speech_server): (
        flag::Sender<bool>,
        tokio::task::JoinHandle<()>,
        SpeechServer,
    ),
) -> Vec<&'static str> {
    if let Some(name) = lost {
        error!("the thread {name} is lost; stopping, so that a service manager can start anew");
    }
    notify::stopping();
    let deadline = clock::now() + limit;
    handler.stop_speaking();
    speech_server.stop_speaking();
    let late = threads.stop(limit.saturating_sub(CUT_RESERVE), handler).await;
    handler.history().close();
    let _server_is_gone = closing.send(true);
    let left = deadline.saturating_duration_since(clock::now()).max(Duration::from_millis(200));
    if tokio::time::timeout(left, server).await.is_err() {
        warn!("a client did not take its last answers");
    }
    let is_served = || speech_server.is_finished() || clock::now() >= deadline;
    while !is_served() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    late
}

/// Waits until the daemon is told to end, or a thread is lost, whose name is returned.
async fn end(
    asked: &mut mpsc::Receiver<Ask>,
    shutdown: &Notify,
    ended: &mut mpsc::Receiver<&'static str>,
) -> Option<&'static str> {
    loop {
        tokio::select! {
            // What is asked to be read is being read.
            ask = asked.recv() => match ask {
                Some(Ask::Reload) => {}
                Some(Ask::Stop) | None => return None,
            },
            () = shutdown.notified() => return None,
            lost = ended.recv() => return lost,
        }
    }
}

/// What [`start_threads`] has made.
struct Started {
    threads: Threads,
    handler: Handler,
    to_playback: (Sender<PlaybackSettings>, Receiver<PlaybackSettings>),
    custody: Custody,
}

fn start_threads(
    config: &Config,
    paths: Paths,
    engines: Box<dyn EngineSource>,
    output: Box<dyn Output>,
    board: &StatusBoard,
    (shutdown, to_reload): (&Arc<Notify>, mpsc::Sender<oneshot::Sender<Reloaded>>),
    carried: &mut Carried,
) -> anyhow::Result<Started> {
    let steering = Steering::default();
    steering.set_volume(config.audio.volume);
    carried.steer(&steering);
    let history = History::new(config.queue.history, HISTORY_BYTES, board.clone());
    let (intake, outlet) = queue(config.queue.capacity, board);
    let (audio_out, audio_in) = pipe(config.audio.look_ahead);
    let (to_watch, watch_commands): (_, Receiver<WatchCommand>) = bounded(WATCH_COMMANDS);
    let (to_engines, engine_commands): (_, Receiver<EngineCommand>) = bounded(ENGINE_COMMANDS);
    let (reading, stop_reading) = bounded(0); // nothing is ever sent: its end is the message
    let bookmarks = paths.bookmarks();
    let watch = Watch::begin(
        config,
        bookmarks,
        intake.clone(),
        watch_commands,
        stop_reading,
        history.clone(),
        board.clone(),
    )
    .with_context(|| {
        format!("cannot begin to watch, with the bookmarks in `{}`", paths.state_dir.display())
    })?;
    let (to_playback, playback_settings) = bounded(1); // the newest is what counts
    let to_playback = (to_playback, playback_settings.clone());
    let playback = {
        let settings = PlaybackSettings::of(config);
        let (board, steering) = (board.clone(), steering.clone());
        // Made on its thread: an open card need not be `Send`.
        move || Playback::new(audio_in, output, steering, board, settings, playback_settings)
    };
    let inference = {
        let (board, steering) = (board.clone(), steering.clone());
        let settings = EngineSettings::of(config);
        // Made on its thread: an engine need not be `Send`.
        move || {
            let engines = Engines::new(engines, &settings, board.clone());
            Inference::new(outlet, engine_commands, audio_out, steering, engines, board, settings)
        }
    };
    let custody = Custody::default();
    let (has_ended, ended) = mpsc::channel(3); // one message from each thread
    let pulses = ["watch", "inference", "playback"].map(|name| (Pulse::default(), name));
    let [of_watch, of_inference, of_playback] = pulses.clone().map(|(pulse, _)| pulse);
    let watch = spawn("watch", &has_ended, move || watch.with_pulse(of_watch).run())?;
    let (of_engine, past) = (custody.clone(), carried.take_past());
    let inference = spawn("inference", &has_ended, move || {
        inference().with_pulse(of_inference).with_custody(of_engine).with_past(past).run();
    })?;
    let playback = spawn("playback", &has_ended, move || {
        playback().with_pulse(of_playback).run();
    })?;
    let (tasks, voice_tasks) = bounded(VOICE_TASKS);
    let voices = VoicesDoor { tasks, give_up: Arc::default() };
    #[cfg(feature = "pocket")]
    VoiceKeeper {
        to_engines: to_engines.clone(),
        give_up: Arc::clone(&voices.give_up),
        trim_memory: heap::trim,
    }
    .start(voice_tasks)
    .context("cannot start the threads of the voices")?;
    #[cfg(not(feature = "pocket"))]
    drop(voice_tasks); // whoever asks is told that this build makes none
    let handler = Handler::new(
        Parts {
            intake,
            history,
            steering: steering.clone(),
            board: board.clone(),
            to_watch,
            to_engines,
            voices,
            paths,
            shutdown: Arc::clone(shutdown),
            to_reload,
        },
        config,
    );
    let reading = Some(reading);
    let threads = Threads { watch, inference, playback, ended, pulses, steering, reading };
    Ok(Started { threads, handler, to_playback, custody })
}
