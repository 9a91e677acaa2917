//! A whole daemon in this process: real files, real inotify, real threads and a real socket; the engine sounds letters
//! and the card is recorded.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use speakerd::config::{Config, ConfigError};
use speakerd::control::client::{Client, ClientError};
use speakerd::control::protocol::{
    HistoryRequest, RefusalCode, Request, Response, Say, WaitIdle, WatchRequest,
};
use speakerd::daemon::{self, Setup};
use speakerd::history::Entry;
use speakerd::paths::Paths;
use speakerd::speech::Outcome;
use speakerd::status::Status;
use speakerd::text::emoji::Emoji;
use speakerd::text::{Reading, Step};

use super::tone_engine::TestEngines;
use super::tones;
use super::virtual_card::{CardControl, RATE_HZ, VirtualOutput};

/// No test waits longer: the machines are shared and slow at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon in a home of its own.
pub(crate) struct Rig {
    pub(crate) home: Arc<tempfile::TempDir>,
    pub(crate) card: CardControl,
    config: String,
    voice: &'static str,
    speed: f64,
    daemon: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Rig {
    /// Starts a daemon at ten times the speed of sound.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, "tone", 10.0)
    }

    /// Starts a daemon with that default voice, whose card runs at that speed.
    pub(crate) fn start_with(config: &str, voice: &'static str, speed: f64) -> Self {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let (card, config) = (CardControl::default(), config.to_owned());
        let mut rig = Self { home, card, config, voice, speed, daemon: None };
        rig.begin();
        rig
    }

    fn begin(&mut self) {
        let begun = Instant::now();
        while !self.has_begun() {
            assert!(begun.elapsed() < PATIENCE, "the lock is never let go");
        }
    }

    /// Starts a daemon. `false` where the lock of the last one is still held: a program that another test starts has it
    /// from its fork to its exec.
    fn has_begun(&mut self) -> bool {
        let paths = self.paths();
        let file = self.path("speakerd.toml");
        let config = self.config.replace("$HOME", &self.home.path().display().to_string());
        std::fs::write(&file, config).unwrap();
        let (voice, places) = (self.voice, paths.clone());
        let load = move || {
            let mut config = Config::load(Some(&file), &places, std::iter::empty())?;
            config.engine.voice = voice.into();
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if !text.contains("[text]") {
                // What is heard is then what was written, letter by letter.
                let reading = Reading::without(&Step::ALL, Emoji::default());
                config.text.reading = reading;
                config.watch.iter_mut().for_each(|watch| watch.reading = reading);
            }
            Ok(config)
        };
        let config = load().unwrap();
        let load = Box::new(load) as Box<dyn Fn() -> Result<Config, ConfigError> + Send>;
        let output = VirtualOutput { control: self.card.clone(), speed: self.speed };
        self.daemon = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                let setup = Setup {
                    config,
                    paths,
                    engines: Box::new(TestEngines),
                    output: Box::new(output),
                    load,
                };
                let (_asks, asked) = tokio::sync::mpsc::channel(1);
                daemon::serve(setup, asked).await
            })
        }));
        let begun = Instant::now();
        while !matches!(self.try_ask(&Request::Version), Ok(Response::Version { .. })) {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not answer");
            if self.daemon.as_ref().unwrap().is_finished() {
                let error = self.daemon.take().unwrap().join().unwrap().expect_err("an end");
                assert!(
                    error.to_string().contains("already running"),
                    "the daemon ended: {error:#}"
                );
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    fn paths(&self) -> Paths {
        Paths {
            home: self.path(""),
            config_dir: self.path("config"),
            data_dir: self.path("data"),
            state_dir: self.path("state"),
            cache_dir: self.path("cache"),
            runtime_dir: self.path("run"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Ends the daemon and starts another one in the same home.
    pub(crate) fn restart(&mut self) {
        self.stop().unwrap();
        self.begin();
    }

    /// Starts another one after a stop.
    pub(crate) fn restart_stopped(&mut self) {
        assert!(self.daemon.is_none());
        self.begin();
    }

    /// Asks the daemon to end, and waits for it.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.ask(&Request::Shutdown);
        self.daemon.take().unwrap().join().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.path("run/control.sock")).unwrap()
    }

    pub(crate) fn try_ask(&self, request: &Request) -> Result<Response, ClientError> {
        Client::connect(&self.path("run/control.sock"))?.ask(request)
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        self.try_ask(request).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// The code with which a request is refused.
    pub(crate) fn refused(&self, request: &Request) -> RefusalCode {
        match self.try_ask(request) {
            Err(ClientError::Refused(refusal)) => refusal.code,
            other => panic!("{request:?} was answered with {other:?}"),
        }
    }

    pub(crate) fn status(&self) -> Status {
        let Response::Status(status) = self.ask(&Request::Status) else { panic!("no status") };
        *status
    }

    /// Waits until the status is as wished.
    pub(crate) fn wait_until(&self, what: &str, wished: impl Fn(&Status) -> bool) -> Status {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if wished(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "waited for {what}: {status:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn watch(&self, name: &str) {
        let raw = speakerd::config::raw::RawWatch::of(self.path(name));
        self.ask(&Request::Watch(WatchRequest::Add(Box::new(raw))));
    }

    pub(crate) fn say(&self, text: &str) -> u64 {
        self.say_with(Say { text: text.to_owned(), ..Say::default() })
    }

    pub(crate) fn say_with(&self, say: Say) -> u64 {
        match self.ask(&Request::Say(say)) {
            Response::Queued { id } | Response::Ended { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn wait_idle(&self) {
        let wait = WaitIdle { timeout_secs: Some(PATIENCE.as_secs_f64()) };
        self.ask(&Request::WaitIdle(wait));
    }

    pub(crate) fn history(&self) -> Vec<Entry> {
        let mut client = self.client();
        client.send(&Request::History(HistoryRequest { follow: false })).unwrap();
        let mut entries = Vec::new();
        while let Some(Response::Entry(entry)) = client.next_reply().unwrap() {
            entries.push(*entry);
        }
        entries
    }

    /// Texts and outcomes, in the order of the history.
    pub(crate) fn outcomes(&self) -> Vec<(String, Outcome)> {
        self.history().into_iter().map(|entry| (entry.text, entry.outcome)).collect()
    }

    /// What came out of the card, as text.
    pub(crate) fn heard(&self) -> Vec<String> {
        // The card's last period may still be on its way into the recording.
        let n_pulled = self.card.n_pulled();
        let begun = Instant::now();
        while self.card.n_pulled() < n_pulled + 2 * RATE_HZ / 100
            && begun.elapsed() < Duration::from_millis(500)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        tones::read(&self.card.recording(), RATE_HZ)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.daemon.is_some() && !std::thread::panicking() {
            self.stop().unwrap();
        }
    }
}
