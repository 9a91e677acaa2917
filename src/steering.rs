//! The atomics that steer the pipe without messages: what to stop, whether to pause, how loud.
//!
//! Written by the control socket and at shutdown, read by inference, playback and the audio callback. Every write
//! nudges the playback thread, which has everyone else look again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::speech::{Outcome, Source, UtteranceId};

/// Shared by every stage; a clone steers the same daemon.
#[derive(Debug, Clone, Default)]
pub struct Steering(Arc<Atomics>);

#[derive(Debug)]
struct Atomics {
    /// One id to skip. One slot is enough: an id stays the current one until every stage is done with it.
    skip: AtomicU64,
    /// Everything issued up to this id was cleared.
    clear_through: AtomicU64,
    /// The utterance at the front of playback: the one that sounds or sounds next; 0 for none.
    front: AtomicU64,
    /// The utterance that playback began to hand to the tap last; 0 for none.
    fed: AtomicU64,
    /// The utterance whose samples went to the card last; 0 before the first.
    sounding: AtomicU64,
    /// The last few utterances that were stopped by playback: a cleared source reaches the tap in this way.
    stopped: [AtomicU64; 4],
    n_stopped: AtomicUsize,
    /// The utterance that the engine works on; 0 for none.
    synthesizing: AtomicU64,
    paused: AtomicBool,
    muted: AtomicBool,
    /// Bits of an `f32`.
    volume: AtomicU32,
    /// Bits of an `f32`: the peak of what went to the card last.
    level: AtomicU32,
    /// A [`Stopping`].
    stopping: AtomicU8,
    /// Capacity 1: a second nudge would say nothing new.
    nudge: Sender<()>,
    nudged: Receiver<()>,
}

impl Default for Atomics {
    fn default() -> Self {
        let (nudge, nudged) = bounded(1);
        Self {
            nudge,
            nudged,
            skip: AtomicU64::new(0),
            clear_through: AtomicU64::new(0),
            front: AtomicU64::new(0),
            fed: AtomicU64::new(0),
            sounding: AtomicU64::new(0),
            stopped: Default::default(),
            n_stopped: AtomicUsize::new(0),
            synthesizing: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            volume: AtomicU32::new(1.0_f32.to_bits()),
            level: AtomicU32::new(0),
            stopping: AtomicU8::new(Stopping::No as u8),
        }
    }
}

/// How far the daemon's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stopping {
    /// It is running.
    No,
    /// What sounds now is finished; everything behind it is abandoned.
    FinishLine,
    /// Everything is abandoned at once.
    Now,
}

impl Steering {
    /// Skips exactly that utterance, wherever it is. One that is over is not affected.
    pub fn skip(&self, id: UtteranceId) {
        self.0.skip.store(id.get(), Ordering::Relaxed);
        self.nudge();
    }

    /// Clears everything issued up to and with that id.
    pub fn clear_through(&self, id: u64) {
        self.0.clear_through.fetch_max(id, Ordering::Relaxed);
        self.nudge();
    }

    /// Has every stage look at the marks again. Needed after a source was cleared; every setter here does it itself.
    pub fn nudge(&self) {
        let _already_nudged = self.0.nudge.try_send(());
    }

    /// Becomes ready when something was changed. For playback alone.
    pub fn nudged(&self) -> &Receiver<()> {
        &self.0.nudged
    }

    /// Whether an utterance is to be stopped, and what its outcome is then.
    pub fn verdict(&self, id: UtteranceId, source: &Source) -> Option<Outcome> {
        if id.get() <= self.0.clear_through.load(Ordering::Relaxed) || source.has_cleared(id) {
            Some(Outcome::Cleared)
        } else if id.get() == self.0.skip.load(Ordering::Relaxed) {
            Some(Outcome::Skipped)
        } else {
            None
        }
    }

    /// Whether the audio of that id is to fall silent. For the audio callback: a few relaxed loads, no source.
    pub fn silences(&self, id: u64) -> bool {
        id == self.0.skip.load(Ordering::Relaxed)
            || id <= self.0.clear_through.load(Ordering::Relaxed)
            || self.0.stopped.iter().any(|stopped| stopped.load(Ordering::Relaxed) == id)
    }

    /// Silences what the tap has of an utterance. For playback alone. The last four are enough: the tap holds 300 ms.
    pub fn silence(&self, id: UtteranceId) {
        if !self.0.stopped.iter().any(|stopped| stopped.load(Ordering::Relaxed) == id.get()) {
            let idx = self.0.n_stopped.fetch_add(1, Ordering::Relaxed) % self.0.stopped.len();
            self.0.stopped[idx].store(id.get(), Ordering::Relaxed);
        }
    }

    /// The utterance that sounds or sounds next, else the one that the engine works on: what `skip` means.
    pub fn current(&self) -> Option<UtteranceId> {
        self.front()
            .or_else(|| UtteranceId::from_number(self.0.synthesizing.load(Ordering::Relaxed)))
    }

    /// The utterance at the front of playback: it sounds or sounds next.
    pub fn front(&self) -> Option<UtteranceId> {
        UtteranceId::from_number(self.0.front.load(Ordering::Relaxed))
    }

    /// Sets what [`Steering::front`] says. For playback alone.
    pub fn set_front(&self, id: Option<UtteranceId>) {
        self.0.front.store(id.map_or(0, UtteranceId::get), Ordering::Relaxed);
    }

    /// Whether the tap has something of that utterance, or had it last.
    pub fn is_fed(&self, id: UtteranceId) -> bool {
        id.get() == self.0.fed.load(Ordering::Relaxed) || Some(id) == self.sounding()
    }

    /// Sets which utterance went to the tap last. For playback alone.
    pub fn set_fed(&self, id: u64) {
        self.0.fed.store(id, Ordering::Relaxed);
    }

    /// The utterance whose samples went to the card last.
    pub fn sounding(&self) -> Option<UtteranceId> {
        UtteranceId::from_number(self.0.sounding.load(Ordering::Relaxed))
    }

    /// Sets what [`Steering::sounding`] says. For the tap alone.
    pub fn set_sounding(&self, id: u64) {
        self.0.sounding.store(id, Ordering::Relaxed);
    }

    /// Sets which utterance the engine works on. For inference alone.
    pub fn set_synthesizing(&self, id: Option<UtteranceId>) {
        self.0.synthesizing.store(id.map_or(0, UtteranceId::get), Ordering::Relaxed);
    }

    /// Holds the sound, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Relaxed);
        self.nudge();
    }

    /// Whether the sound is held.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed)
    }

    /// Silences the sound while it goes on, or lets it be heard again.
    pub fn set_muted(&self, muted: bool) {
        self.0.muted.store(muted, Ordering::Relaxed);
    }

    /// Whether the sound is silenced.
    pub fn is_muted(&self) -> bool {
        self.0.muted.load(Ordering::Relaxed)
    }

    /// Sets the loudness of everything, as a factor.
    pub fn set_volume(&self, volume: f32) {
        self.0.volume.store(volume.to_bits(), Ordering::Relaxed);
    }

    /// The peak of what went to the card last, 0 to 1.
    pub fn level(&self) -> f32 {
        f32::from_bits(self.0.level.load(Ordering::Relaxed))
    }

    /// Notes the peak of what goes to the card. Called by the audio callback.
    pub fn set_level(&self, peak: f32) {
        self.0.level.store(peak.to_bits(), Ordering::Relaxed);
    }

    /// The loudness of everything.
    pub fn volume(&self) -> f32 {
        f32::from_bits(self.0.volume.load(Ordering::Relaxed))
    }

    /// Moves the end forward; it never goes back.
    pub fn stop(&self, how: Stopping) {
        self.0.stopping.fetch_max(how as u8, Ordering::Relaxed);
        self.nudge();
    }

    /// How far the end has come.
    pub fn stopping(&self) -> Stopping {
        match self.0.stopping.load(Ordering::Relaxed) {
            0 => Stopping::No,
            1 => Stopping::FinishLine,
            _ => Stopping::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> UtteranceId {
        UtteranceId::from_number(number).unwrap()
    }

    #[test]
    fn skip_is_exact_and_clear_is_everything_before() {
        let (steering, source) = (Steering::default(), Source::new("a"));
        steering.skip(id(5));
        let verdicts: Vec<_> = (4..=6).map(|n| steering.verdict(id(n), &source)).collect();
        assert_eq!(verdicts, [None, Some(Outcome::Skipped), None]);
        steering.clear_through(4);
        let verdicts: Vec<_> = (4..=6).map(|n| steering.verdict(id(n), &source)).collect();
        assert_eq!(verdicts, [Some(Outcome::Cleared), Some(Outcome::Skipped), None]);
    }

    #[test]
    fn a_cleared_source_leaves_the_others_alone() {
        let (steering, noisy, calm) = (Steering::default(), Source::new("a"), Source::new("b"));
        noisy.clear_through(9);
        assert_eq!(steering.verdict(id(9), &noisy), Some(Outcome::Cleared));
        assert_eq!(steering.verdict(id(9), &calm), None);
        assert_eq!(steering.verdict(id(10), &noisy), None);
    }

    #[test]
    fn the_end_never_goes_back() {
        let steering = Steering::default();
        steering.stop(Stopping::Now);
        steering.stop(Stopping::FinishLine);
        assert_eq!(steering.stopping(), Stopping::Now);
    }
}
