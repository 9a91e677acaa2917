//! Where the audio of an utterance goes; and the way out for audio that goes to no card but to whoever asked for it.
//!
//! Knows nothing of who that is. The sending end never waits: a listener who reads slowly would hold up everyone else.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use crate::pcm::PcmChunk;

/// How much audio waits for a listener before nothing more is made for him: 87 s at 24 kHz, and the rest of a piece.
const AHEAD_BYTES: usize = 8 << 20;

/// More is not kept, whatever a piece is: six minutes at 24 kHz.
const MAX_BACKLOG_BYTES: usize = 36 << 20;

/// What the sources of streams are called: this alone, or with a colon and the name of whoever asks.
const SOURCE: &str = "http";

/// The name of the source of a stream that is asked for by somebody of that name.
pub fn source_of(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{SOURCE}:{name}"),
        None => SOURCE.to_owned(),
    }
}

/// Whether a source of that name is that of a stream: files have absolute paths as their names.
pub fn is_stream(source: &str) -> bool {
    source.strip_prefix(SOURCE).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Where the audio of an utterance goes.
#[derive(Debug, Default)]
pub enum Destination {
    /// To the card, in order with everything else that goes there.
    #[default]
    Card,
    /// To whoever asked for it, as it is made.
    Stream(StreamSender),
}

/// The engine's end. Dropping it ends the stream.
#[derive(Debug)]
pub struct StreamSender {
    /// Bounded in bytes by what waits, not by a number of chunks: these differ in length.
    chunks: mpsc::UnboundedSender<PcmChunk>,
    shared: Arc<Shared>,
}

/// The listener's end.
#[derive(Debug)]
pub struct StreamReceiver {
    chunks: mpsc::UnboundedReceiver<PcmChunk>,
    shared: Arc<Shared>,
}

/// Held by whoever is listened for: dropping it stops the engine, wherever the receiver is at that time.
#[derive(Debug)]
pub struct Listener(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    backlog_bytes: AtomicUsize,
    is_gone: AtomicBool,
    spoken_by: OnceLock<SpokenBy>,
    given_up: OnceLock<String>,
}

/// Who speaks: known before the first chunk is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpokenBy {
    /// The voice, which is another one than was asked for where that could not be had.
    pub voice: String,
    /// The engine.
    pub engine: &'static str,
}

/// Why a chunk was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Nobody listens any more.
    #[error("its client left")]
    Gone,
    /// More waits than may.
    #[error("its client reads too slowly")]
    Behind,
}

/// Makes a way out.
pub fn stream() -> (StreamSender, StreamReceiver, Listener) {
    let (to_chunks, chunks) = mpsc::unbounded_channel();
    let shared = Arc::<Shared>::default();
    (
        StreamSender { chunks: to_chunks, shared: Arc::clone(&shared) },
        StreamReceiver { chunks, shared: Arc::clone(&shared) },
        Listener(shared),
    )
}

impl StreamSender {
    /// Whether nobody listens any more.
    pub fn is_gone(&self) -> bool {
        self.shared.is_gone.load(Ordering::Relaxed) || self.chunks.is_closed()
    }

    /// Whether so much waits for the listener that nothing more should be made for now.
    pub fn is_ahead(&self) -> bool {
        self.shared.backlog_bytes.load(Ordering::Relaxed) > AHEAD_BYTES
    }

    /// Notes who speaks; the first note is the one that counts.
    pub fn note_speaker(&self, by: impl FnOnce() -> SpokenBy) {
        self.shared.spoken_by.get_or_init(by);
    }

    /// Why nobody listens any more.
    pub fn why_gone(&self) -> String {
        let given_up = self.shared.given_up.get().cloned();
        given_up.unwrap_or_else(|| NotTaken::Gone.to_string())
    }

    /// Hands a chunk over.
    ///
    /// # Errors
    /// Where it is not taken; no further one will be.
    pub fn send(&self, chunk: PcmChunk) -> Result<(), NotTaken> {
        if self.is_gone() {
            return Err(NotTaken::Gone);
        }
        let backlog_bytes = &self.shared.backlog_bytes;
        if backlog_bytes.load(Ordering::Relaxed) > MAX_BACKLOG_BYTES {
            return Err(NotTaken::Behind);
        }
        backlog_bytes.fetch_add(n_bytes(&chunk), Ordering::Relaxed);
        self.chunks.send(chunk).map_err(|_| NotTaken::Gone)
    }
}

impl StreamReceiver {
    /// Who speaks, once there is a chunk.
    pub fn spoken_by(&self) -> SpokenBy {
        self.shared.spoken_by.get().cloned().unwrap_or_default()
    }

    /// Takes nothing more, for that reason.
    pub fn give_up(self, why: &str) {
        self.shared.given_up.get_or_init(|| why.to_owned());
    }

    /// The next chunk; `None` after the last one.
    pub async fn next(&mut self) -> Option<PcmChunk> {
        let chunk = self.chunks.recv().await;
        self.taken(chunk)
    }

    /// The same for a thread that has nothing else to wait for.
    pub fn next_blocking(&mut self) -> Option<PcmChunk> {
        let chunk = self.chunks.blocking_recv();
        self.taken(chunk)
    }

    fn taken(&self, chunk: Option<PcmChunk>) -> Option<PcmChunk> {
        let chunk = chunk?;
        self.shared.backlog_bytes.fetch_sub(n_bytes(&chunk), Ordering::Relaxed);
        Some(chunk)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }
}

fn n_bytes(chunk: &PcmChunk) -> usize {
    size_of_val(chunk.samples.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::PcmSpec;

    fn chunk(n_samples: usize) -> PcmChunk {
        PcmChunk { spec: PcmSpec::new(24_000), samples: vec![0.5; n_samples] }
    }

    #[test]
    fn what_was_sent_arrives_and_then_it_ends() {
        let (sender, mut receiver, _listener) = stream();
        sender.send(chunk(1)).unwrap();
        sender.send(chunk(2)).unwrap();
        drop(sender);
        let lengths = std::iter::from_fn(|| receiver.next_blocking()).map(|it| it.samples.len());
        assert_eq!(lengths.collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn whoever_leaves_is_noticed_wherever_the_receiver_is() {
        let (sender, receiver, listener) = stream();
        assert!(!sender.is_gone());
        drop(listener);
        assert_eq!(sender.send(chunk(1)), Err(NotTaken::Gone));
        drop(receiver);
        let (sender, receiver, _listener) = stream();
        drop(receiver);
        assert!(sender.is_gone());
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_reading_makes_room() {
        let (sender, mut receiver, _listener) = stream();
        let (second, mut n_sent) = (24_000, 0);
        let refused = loop {
            match sender.send(chunk(second)) {
                Ok(()) => n_sent += 1,
                Err(why) => break why,
            }
        };
        assert_eq!(refused, NotTaken::Behind);
        assert!((360..=400).contains(&n_sent), "{n_sent} seconds wait");
        assert!(sender.is_ahead());
        while receiver.next_blocking().is_some() && sender.is_ahead() {}
        assert!(sender.send(chunk(second)).is_ok(), "there is room again");
    }
}
