//! Outputs without a device: a thread that pulls the tap at the pace of speech, faster, or as fast as it comes, and
//! writes what it hears to WAV files or nowhere.
//!
//! The thread waits on the tap and on its own pace, and ends when the tap's feed is dropped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::after;
use parking_lot::Mutex;
use tracing::warn;

use super::card::{Card, Output};
use super::error::CardError;
use super::tap::{Pulled, Tap};
use super::wav::WavWriter;
use crate::clock;
use crate::config::Output as Kind;
use crate::pcm::PcmSpec;
use crate::threads::{Thread, spawn_named};

/// The rate of an output that has none of its own: neural voices speak at it, and 16 kHz loses nothing.
const SPEC: PcmSpec = PcmSpec::new(24_000);

/// While the sound is held, the pace of looking whether it goes on.
const HELD_POLL: Duration = Duration::from_millis(10);

/// `null` or `wav`.
pub struct PacedOutput {
    /// A factor on the speed of sound; `None` for as fast as it comes.
    speed: Option<f64>,
    wav_dir: Option<PathBuf>,
    /// Counts the files of this run, so that their names sort in speaking order.
    n_files: Arc<Mutex<u64>>,
    run: SystemTime,
}

impl PacedOutput {
    /// Heard by nobody.
    pub fn null(speed: Option<f64>) -> Self {
        Self { speed, wav_dir: None, n_files: Arc::default(), run: SystemTime::now() }
    }

    /// One file for each utterance.
    pub fn wav(speed: Option<f64>, directory: PathBuf) -> Self {
        Self { wav_dir: Some(directory), ..Self::null(speed) }
    }
}

impl Output for PacedOutput {
    fn name(&self) -> &'static str {
        if self.wav_dir.is_some() { Kind::Wav.as_str() } else { Kind::Null.as_str() }
    }

    fn open(&mut self, feed: &mut dyn FnMut(PcmSpec) -> Tap) -> Result<Box<dyn Card>, CardError> {
        let writer = match &self.wav_dir {
            Some(path) => {
                let writer =
                    WavWriter::new(path.clone(), SPEC, self.run, Arc::clone(&self.n_files));
                Some(writer.map_err(|source| CardError::WavDir { path: path.clone(), source })?)
            }
            None => None,
        };
        let failure = Arc::new(Mutex::new(None));
        let puller =
            Puller { tap: feed(SPEC), speed: self.speed, writer, failure: Arc::clone(&failure) };
        let thread = spawn_named("paced-card", move || puller.run()).map_err(CardError::Thread)?;
        Ok(Box::new(PacedCard { failure, thread: Some(thread) }))
    }
}

struct PacedCard {
    /// Contended by the puller, once, when it fails, and playback.
    failure: Arc<Mutex<Option<String>>>,
    /// Ends with the feed, which playback drops before the card.
    thread: Option<Thread<()>>,
}

/// How long the end of a block may take at the slowest pace, and a file to be completed.
const END_LIMIT: Duration = Duration::from_millis(500);

impl Drop for PacedCard {
    fn drop(&mut self) {
        // Waited for, so that a file that was broken off is gone when the daemon is.
        if let Some(Err(error)) = self.thread.take().map(|thread| thread.join_within(END_LIMIT)) {
            warn!("{error}");
        }
    }
}

impl Card for PacedCard {
    fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    fn pulls_always(&self) -> bool {
        false
    }

    fn latency(&self) -> Duration {
        Duration::ZERO
    }
}

struct Puller {
    tap: Tap,
    speed: Option<f64>,
    writer: Option<WavWriter>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Puller {
    fn run(mut self) {
        let mut samples = Vec::with_capacity(super::tap::BLOCK_SAMPLES);
        let mut due = clock::now();
        while self.tap.has_feed() {
            match self.tap.pull(&mut samples) {
                Pulled::Audio { id, is_over } => {
                    if let Err(error) = self.write(id, &samples, is_over) {
                        *self.failure.lock() = Some(error.to_string());
                        return; // playback opens anew and speaks the utterance again
                    }
                    self.tap.tell();
                    due = self.keep_pace(due, samples.len());
                }
                Pulled::Idle if self.tap.is_held() => self.tap.wait_held(HELD_POLL),
                Pulled::Idle => self.tap.wait(),
                Pulled::Closed => return,
            }
        }
    }

    fn write(&mut self, id: u64, samples: &[f32], is_over: bool) -> std::io::Result<()> {
        let Some(writer) = self.writer.as_mut().filter(|_| id != 0) else { return Ok(()) };
        writer.write(id, samples)?;
        if is_over { writer.finish() } else { Ok(()) }
    }

    /// Waits as long as the samples last at this speed, and catches up after a late wake-up.
    fn keep_pace(&self, due: Instant, n_samples: usize) -> Instant {
        let Some(speed) = self.speed else { return due };
        let now = clock::now();
        // Never more than a block behind: after a silence, time is not made up for.
        let from = due.max(now.checked_sub(Duration::from_millis(50)).unwrap_or(now));
        let due = from + SPEC.duration_of(n_samples).div_f64(speed);
        if due > now {
            let _waited = after(due - now).recv();
        }
        due
    }
}
