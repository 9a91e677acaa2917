//! The audio of one request on its way out: taken from the engine, encoded on a thread of its own, handed to whoever reads.
//!
//! Encoding keeps pace with the engine, not with the reader, up to a few minutes of audio; then it waits, and the engine with
//! it, which others have meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::warn;

use crate::clock;
use crate::encode::{Encoder, Format};
use crate::http::cache::{Cache, Kept, Key};
use crate::http::error::ApiError;
use crate::pcm::PcmChunk;
use crate::speech::stream::{Listener, StreamReceiver};
use crate::speech::{Outcome, Report};

/// How much encoded audio of one request waits to be read: five minutes of PCM at 24 kHz, 20 of MP3.
const MAX_UNREAD_KIB: usize = 16 << 10;

/// The same of all requests together.
const MAX_UNREAD_OF_ALL_KIB: usize = 128 << 10;

/// How many answers are under way at the same time, read or unread.
const MAX_ANSWERS: usize = 64;

/// The room that all answers share.
#[derive(Debug, Clone)]
pub struct Room {
    unread: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            unread: Arc::new(Semaphore::new(MAX_UNREAD_OF_ALL_KIB)),
            answers: Arc::new(Semaphore::new(MAX_ANSWERS)),
        }
    }
}

impl Room {
    /// Room for one more answer.
    ///
    /// # Errors
    /// Where too many are being read.
    pub fn answer(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let answers = Arc::clone(&self.answers).try_acquire_owned();
        answers.map_err(|_| ApiError::queue_full())
    }
}

/// What is to come out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// As what.
    pub format: Format,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Loudness, as a factor.
    pub volume: f32,
    /// Computing time that it may take, besides a tenth of how long the audio is.
    pub deadline: Duration,
}

/// An utterance whose audio is made for a request.
#[derive(Debug)]
pub struct Making {
    /// Its audio.
    pub chunks: StreamReceiver,
    /// What becomes of it.
    pub told: oneshot::Receiver<Report>,
    /// Dropped when nobody wants it any more.
    pub listener: Listener,
}

impl Making {
    /// Waits for the first of it.
    ///
    /// # Errors
    /// What became of it where there is none, or that it took too long.
    pub async fn begin(mut self, deadline: Duration) -> Result<(Self, PcmChunk), ApiError> {
        match tokio::time::timeout(deadline, self.chunks.next()).await {
            Err(_) => Err(ApiError::late(format!(
                "there was no sound within {} s (http.deadline_secs): the voice is still being loaded, or has too much to do",
                deadline.as_secs_f64()
            ))),
            Ok(Some(chunk)) => Ok((self, chunk)),
            Ok(None) => match self.told.await {
                Ok(report) => Err(ApiError::of(&report)),
                Err(_) => Err(ApiError::unavailable("stopping", "the daemon is stopping")),
            },
        }
    }

    /// Has it encoded, beginning with that chunk.
    ///
    /// # Errors
    /// Where there is no encoder for that shape.
    pub fn encode(
        self,
        first: PcmChunk,
        shape: Shape,
        room: &Room,
        answer: OwnedSemaphorePermit,
    ) -> Result<Audio, ApiError> {
        let Self { chunks, told, listener } = self;
        let encoder = Encoder::new(shape.format, first.spec, shape.sample_rate_hz)
            .map_err(|error| ApiError::internal("encoder_failed", error.to_string()))?;
        // Bounded in bytes: what is in it has permits.
        let (to_reader, encoded) = mpsc::unbounded_channel();
        let encoding = Encoding {
            encoder,
            shape,
            to_reader,
            unread: Arc::new(Semaphore::new(MAX_UNREAD_KIB)),
            unread_of_all: Arc::clone(&room.unread),
            runtime: Handle::current(),
        };
        let ended = tokio::task::spawn_blocking(move || encoding.run(first, chunks));
        let (ended, told) = (Some(ended), Some(told));
        Ok(Audio { keeping: None, encoded, ended, told, _listener: listener, _answer: answer })
    }
}

/// Encoded audio that waits to be read, and its share of the room.
#[derive(Debug)]
struct Unread {
    bytes: Bytes,
    _share: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// The thread that encodes.
struct Encoding {
    encoder: Encoder,
    shape: Shape,
    to_reader: mpsc::UnboundedSender<Unread>,
    unread: Arc<Semaphore>,
    unread_of_all: Arc<Semaphore>,
    runtime: Handle,
}

/// Why encoding ends before the audio does.
enum Stopped {
    /// Nobody reads.
    Gone,
    /// It cannot go on.
    Failed(String),
}

impl Encoding {
    /// Runs until the engine has made everything, or nobody reads.
    fn run(mut self, first: PcmChunk, mut chunks: StreamReceiver) -> Result<(), String> {
        match self.encode(first, &mut chunks) {
            Ok(()) => Ok(()),
            Err(Stopped::Gone) => Err("its client left".to_owned()),
            Err(Stopped::Failed(why)) => {
                warn!("{why}");
                chunks.give_up(&why);
                Err(why)
            }
        }
    }

    fn encode(&mut self, first: PcmChunk, chunks: &mut StreamReceiver) -> Result<(), Stopped> {
        let (mut computed, mut audio) = (Duration::ZERO, Duration::ZERO);
        let mut next = Some(first);
        while let Some(chunk) = next.take() {
            audio += chunk.duration();
            let began = clock::now();
            let out = self.push(chunk)?;
            computed += clock::now().duration_since(began);
            if computed > self.shape.deadline + audio / 10 {
                let secs = self.shape.deadline.as_secs_f64();
                let format = self.shape.format.as_str();
                return Err(Stopped::Failed(format!(
                    "encoding {format} took more than {secs} s (http.encode_deadline_secs)"
                )));
            }
            self.hand_over(out)?;
            next = chunks.next_blocking();
        }
        let mut out = Vec::new();
        self.encoder.finish(&mut out).map_err(|error| Stopped::Failed(error.to_string()))?;
        self.hand_over(out)
    }

    fn push(&mut self, mut chunk: PcmChunk) -> Result<Vec<u8>, Stopped> {
        if self.shape.volume.to_bits() != 1.0_f32.to_bits() {
            for sample in &mut chunk.samples {
                *sample *= self.shape.volume;
            }
        }
        let mut out = Vec::new();
        let pushed = self.encoder.push(&chunk.samples, &mut out);
        pushed.map_err(|error| Stopped::Failed(error.to_string()))?;
        Ok(out)
    }

    /// Waits until there is room for it.
    fn hand_over(&self, out: Vec<u8>) -> Result<(), Stopped> {
        if out.is_empty() {
            return Ok(());
        }
        let n_kib = u32::try_from(out.len().div_ceil(1_024)).unwrap_or(u32::MAX);
        let (own, all) = (Arc::clone(&self.unread), Arc::clone(&self.unread_of_all));
        let share = self.runtime.block_on(async {
            let share = async {
                let own = own.acquire_many_owned(n_kib).await.ok()?;
                Some((own, all.acquire_many_owned(n_kib).await.ok()?))
            };
            tokio::select! {
                share = share => share,
                () = self.to_reader.closed() => None,
            }
        });
        let unread = Unread { bytes: out.into(), _share: share.ok_or(Stopped::Gone)? };
        self.to_reader.send(unread).map_err(|_| Stopped::Gone)
    }
}

/// Where audio is kept once it is complete.
#[derive(Debug)]
pub struct Keeping {
    cache: Arc<Cache>,
    key: Key,
    voice: Arc<str>,
    parts: Vec<Bytes>,
    n_bytes: usize,
}

impl Keeping {
    /// Nothing of it yet.
    pub fn new(cache: Arc<Cache>, key: Key, voice: Arc<str>) -> Self {
        Self { cache, key, voice, parts: Vec::new(), n_bytes: 0 }
    }
}

/// Encoded audio, as it is made. Dropping it stops the engine.
#[derive(Debug)]
pub struct Audio {
    keeping: Option<Keeping>,
    encoded: mpsc::UnboundedReceiver<Unread>,
    ended: Option<tokio::task::JoinHandle<Result<(), String>>>,
    told: Option<oneshot::Receiver<Report>>,
    _listener: Listener,
    _answer: OwnedSemaphorePermit,
}

impl Audio {
    /// The next bytes; `None` after the last ones.
    pub async fn next(&mut self) -> Option<Bytes> {
        let Unread { bytes, .. } = self.encoded.recv().await?;
        if let Some(keeping) = &mut self.keeping {
            keeping.n_bytes += bytes.len();
            if keeping.n_bytes > keeping.cache.largest() {
                self.keeping = None;
            } else {
                keeping.parts.push(bytes.clone());
            }
        }
        Some(bytes)
    }

    /// Keeps it once it is complete.
    #[must_use]
    pub fn kept_in(self, keeping: Option<Keeping>) -> Self {
        Self { keeping, ..self }
    }

    /// What became of it, once there are no bytes any more.
    ///
    /// # Errors
    /// Where it is not complete.
    pub async fn end(&mut self) -> Result<Report, ApiError> {
        let broken = |why: String| ApiError::internal("encoder_failed", why);
        if let Some(ended) = self.ended.take() {
            match ended.await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(broken(why)),
                Err(_) => return Err(broken("encoding panicked, which is a bug".to_owned())),
            }
        }
        let report = match self.told.take() {
            Some(told) => told.await.ok(),
            None => None,
        };
        match report {
            Some(report) if report.outcome == Outcome::Spoken => {
                self.keep(&report);
                Ok(report)
            }
            Some(report) => Err(ApiError::of(&report)),
            None => Err(ApiError::unavailable("stopping", "the daemon is stopping")),
        }
    }

    /// What was spoken as it was asked for is kept; what a fallback said is not. What would sound otherwise by now is under a
    /// key that nobody asks for any more.
    fn keep(&mut self, report: &Report) {
        let Some(Keeping { cache, key, voice, parts, .. }) = self.keeping.take() else { return };
        if report.reason.is_some() {
            return;
        }
        let audio_ms = u64::try_from(report.audio.as_millis()).unwrap_or(u64::MAX);
        let kept = Kept { voice, audio_ms, bytes: parts.concat().into() };
        // Nobody waits for the disk.
        tokio::spawn(async move { cache.put(key, kept).await });
    }
}
