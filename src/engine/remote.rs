//! The engine that has another server speak: the text goes out over HTTP, and the sound that comes back is heard as it comes.
//!
//! Knows nothing of queues or cards, and of the configuration only [`SpeechServer`]. Each speech has a thread, `remote`, that
//! waits for the server and passes the sound on through a bounded channel; here nothing waits for longer than a moment, and
//! dropping the stream cuts the connection, so that the server stops as well. The connection is kept from one speech to the
//! next.
//!
//! The rate is asked of the server, as far as its API goes; of the pitch no API can be told, so it stays as it is.

mod line;
mod refusal;
mod request;
mod sound;
mod speaking;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use self::line::Line;
use self::request::{Request, Wanted};
use self::sound::SPEC;
use self::speaking::{News, Speaking};
use super::speech_server::{PREFIX, Secret, SpeechServer};
use super::{Engine, EngineError, EngineInfo, Speech, SpeechStream};
use crate::clock;
use crate::pcm::PcmChunk;
use crate::threads::spawn_named;

/// Its name.
pub const NAME: &str = "remote";

/// How long sound is waited for before whoever pulls is asked whether it is still wanted.
const SLICE: Duration = Duration::from_millis(50);

/// Pieces of sound between the server and whoever pulls, 85 ms each where they come as fast as they can: some 5 s, as much as
/// is made ahead of what is heard. Behind it the server is not read.
const N_PIECES_AHEAD: usize = 64;

/// Requests that were given up may still look for the server's address, or wait for a connection, for some seconds each.
/// With so many of them the server is not asked again.
const MAX_GIVEN_UP: usize = 8;

/// The engine: a server that can be asked.
#[derive(Debug)]
pub struct Remote {
    info: EngineInfo,
    server: SpeechServer,
    key: Option<Secret>,
    /// The connection of the last speech, where it was spoken to the end.
    line: Option<Line>,
    /// One more for each thread that has not ended.
    alive: Arc<()>,
}

/// Loads the engine. The server is not asked before there is something to speak.
///
/// # Errors
/// Where the key cannot be read.
pub fn load(server: &SpeechServer) -> Result<Box<dyn Engine>, EngineError> {
    let key = server.key.read()?;
    let voices = vec![format!("{PREFIX}{}", server.voice)];
    let info = EngineInfo { name: NAME, spec: SPEC, voices };
    Ok(Box::new(Remote { info, server: server.clone(), key, line: None, alive: Arc::default() }))
}

impl Engine for Remote {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let text = speech.text.replace('\0', " ");
        if text.trim().is_empty() {
            return Err(EngineError::EmptyText);
        }
        let unknown = || EngineError::UnknownVoice {
            name: speech.voice.to_owned(),
            known: self.server.known_voices(),
        };
        let voice = self.server.voice_named(speech.voice).ok_or_else(unknown)?;
        if Arc::strong_count(&self.alive) > MAX_GIVEN_UP {
            let server = self.server.url.clone();
            let reason = format!("{MAX_GIVEN_UP} requests that were given up still wait for it");
            return Err(EngineError::Unreachable { server, reason });
        }
        let wanted = Wanted { text: &text, voice, prosody: speech.prosody, seed: speech.seed };
        let line = self.line.take().unwrap_or_else(|| Line::to(&self.server));
        let (to_stream, news) = bounded(N_PIECES_AHEAD);
        let (listens, gone) = bounded(0);
        let speaking = Speaking {
            server: self.server.clone(),
            request: Request::of(&self.server, self.key.as_ref(), wanted),
            key: self.key.clone(),
            voice: speech.voice.to_owned(),
            has_words: text.chars().any(char::is_alphanumeric),
            line: line.clone(),
            news: to_stream,
            gone,
        };
        let alive = Arc::clone(&self.alive);
        spawn_named("remote", move || {
            speaking.run();
            drop(alive);
        })
        .map_err(|source| EngineError::Io { action: "start the thread `remote`", source })?;
        let open = Some(Open { news, line, _listens: listens });
        Ok(Box::new(Stream { engine: self, open, silence: Duration::ZERO, has_sounded: false }))
    }
}

/// Speech in the making. Dropping it cuts the connection, unless all was said.
struct Stream<'e> {
    engine: &'e mut Remote,
    /// `None` when the speech is over.
    open: Option<Open>,
    /// How long has been waited since the last sound.
    silence: Duration,
    has_sounded: bool,
}

/// The other end of the thread.
struct Open {
    news: Receiver<News>,
    line: Line,
    /// Tells the thread not to wait for another attempt.
    _listens: Sender<Infallible>,
}

impl SpeechStream for Stream<'_> {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        let Some(open) = &self.open else { return Ok(None) };
        let began = clock::now();
        let samples = match open.news.recv_timeout(SLICE) {
            Ok(News::Sound(samples)) => {
                (self.silence, self.has_sounded) = (Duration::ZERO, true);
                samples
            }
            Ok(News::End(line)) => {
                self.open = None;
                self.engine.line = Some(line);
                return Ok(None);
            }
            Ok(News::Failed(error)) => {
                self.open = None;
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) => {
                self.silence += clock::now().duration_since(began);
                if self.silence >= self.engine.server.deadline {
                    self.hang_up();
                    return Err(self.too_late());
                }
                Vec::new()
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.open = None;
                return Err(EngineError::Panicked);
            }
        };
        Ok(Some(PcmChunk { spec: SPEC, samples }))
    }
}

impl Stream<'_> {
    fn hang_up(&mut self) {
        if let Some(open) = self.open.take() {
            open.line.cut();
        }
    }

    fn too_late(&self) -> EngineError {
        let SpeechServer { url, deadline, .. } = &self.engine.server;
        if self.has_sounded {
            return EngineError::Hung { waited_secs: deadline.as_secs() };
        }
        let secs = deadline.as_secs_f64();
        let reason = format!("it was silent for {secs} s (remote.deadline_secs)");
        EngineError::Unreachable { server: url.clone(), reason }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.hang_up();
    }
}
