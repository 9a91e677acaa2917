//! One speech, on a thread of its own: asks, asks again where that helps, and passes the sound on as it comes.
//!
//! Waits on the server, and on whoever listens once the channel is full: the server is not read further then. Ends with the
//! answer, or as soon as nobody listens any more: its connection is cut then, and the channel closed.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, BlockingRetryable, ExponentialBackoff, ExponentialBuilder};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use tracing::debug;

use super::line::{Answer, Line, broken};
use super::refusal::Refusal;
use super::request::Request;
use super::sound::Sound;
use crate::engine::EngineError;
use crate::engine::speech_server::{Secret, SpeechServer};

/// What is read at once: 2,048 samples, or 85 ms.
const READ_BYTES: usize = 4_096;

/// What is passed on at once at most: 170 ms, below [`crate::pcm::PcmChunk::MAX`].
const MAX_SAMPLES: usize = 4_096;

/// The pause before the second attempt, where the server names none; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What becomes of a speech.
pub(super) enum News {
    /// At most [`MAX_SAMPLES`].
    Sound(Vec<f32>),
    /// It was spoken to the end; the connection is good for the next one.
    End(Line),
    Failed(EngineError),
}

/// A speech that is asked for.
pub(super) struct Speaking {
    /// Who is asked.
    pub(super) server: SpeechServer,
    /// What.
    pub(super) request: Request,
    /// So that it is in no error.
    pub(super) key: Option<Secret>,
    /// The voice, as it was named to us.
    pub(super) voice: String,
    /// Whether there is anything in the text that can be heard.
    pub(super) has_words: bool,
    /// The connection.
    pub(super) line: Line,
    /// Whoever listens.
    pub(super) news: Sender<News>,
    /// Closed when nobody does any more.
    pub(super) gone: Receiver<Infallible>,
}

/// Why a speech ends early.
enum Stop {
    Refused(Refusal),
    /// Nobody listens.
    Gone,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Speaking {
    /// Speaks to the end.
    pub(super) fn run(self) {
        let last = match self.speak() {
            Ok(()) => News::End(self.line),
            Err(Stop::Refused(refusal)) => {
                News::Failed(refusal.into_error(&self.server, &self.voice))
            }
            Err(Stop::Gone) => return,
        };
        let _nobody = self.news.send(last);
    }

    fn speak(&self) -> Result<(), Stop> {
        let Begun { mut body, mut sound, mut buffer, mut n_bytes } = self.ask()?;
        let mut has_sound = false;
        while n_bytes > 0 {
            let mut samples = Vec::new();
            let bytes = buffer.get(..n_bytes).unwrap_or_default();
            sound.push(bytes, &mut samples).map_err(Refusal::NoSound)?;
            has_sound |= !samples.is_empty();
            self.pass_on(&samples)?;
            n_bytes = body.read(&mut buffer).map_err(|error| {
                let reason = format!("the connection broke in the middle of the speech: {error}");
                Refusal::Connection { reason, passes: false }
            })?;
        }
        let mut samples = Vec::new();
        sound.finish(&mut samples);
        has_sound |= !samples.is_empty();
        self.pass_on(&samples)?;
        if !has_sound && self.has_words {
            return Err(Refusal::NoSound("it sent no sound".to_owned()).into());
        }
        Ok(())
    }

    /// Asks, and again where that may help, until the first bytes are there: nothing is asked twice of which something was
    /// heard.
    fn ask(&self) -> Result<Begun, Refusal> {
        let wished = Arc::new(AtomicU64::new(NO_WISH));
        let growing = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_times(self.server.n_retries)
            .build();
        let gone = self.gone.clone();
        let n_attempts = Cell::new(0_usize);
        (|| {
            n_attempts.set(n_attempts.get() + 1);
            self.attempt()
        })
        .retry(Pauses { growing, wished: Arc::clone(&wished) })
        .when(|refusal: &Refusal| {
            let pause = refusal.retry_after().map(|it| u64::try_from(it.as_millis()));
            wished.store(pause.and_then(Result::ok).unwrap_or(NO_WISH), Ordering::Relaxed);
            refusal.passes() && self.gone.try_recv() == Err(TryRecvError::Empty)
        })
        .notify(|refusal, pause| {
            debug!(?refusal, ?pause, n_attempts = n_attempts.get(), "the server is asked again");
        })
        // Nobody listens any more: it is not waited for.
        .sleep(move |pause| {
            let _gone = gone.recv_timeout(pause);
        })
        .call()
    }

    fn attempt(&self) -> Result<Begun, Refusal> {
        let answer = self.line.post(&self.request, self.key.as_ref())?;
        let sound = match Sound::labelled(answer.content_type.as_deref()) {
            Ok(sound) => sound,
            Err(reason) => {
                let message = answer.said(self.key.as_ref()).message;
                let told = if message.is_empty() { reason } else { format!("{reason}: {message}") };
                return Err(Refusal::NoSound(told));
            }
        };
        let Answer { mut body, .. } = answer;
        let mut buffer = vec![0; READ_BYTES];
        let n_bytes = body.read(&mut buffer).map_err(|error| broken(&error))?;
        Ok(Begun { body, sound, buffer, n_bytes })
    }

    fn pass_on(&self, samples: &[f32]) -> Result<(), Stop> {
        for samples in samples.chunks(MAX_SAMPLES) {
            self.news.send(News::Sound(samples.to_vec())).map_err(|_nobody| Stop::Gone)?;
        }
        Ok(())
    }
}

/// An answer whose first bytes are there.
struct Begun {
    body: Box<dyn Read + Send>,
    sound: Sound,
    buffer: Vec<u8>,
    n_bytes: usize,
}

/// The server has named no pause.
const NO_WISH: u64 = u64::MAX;

/// The pauses between the attempts: those that grow, and what the server wishes instead.
struct Pauses {
    growing: ExponentialBackoff,
    /// In milliseconds.
    wished: Arc<AtomicU64>,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.growing.next()?;
        let wished = self.wished.load(Ordering::Relaxed);
        Some(if wished == NO_WISH { pause } else { Duration::from_millis(wished) })
    }
}
