//! The source that the card pulls: blocks of audio in, samples out, silence where there is nothing.
//!
//! Runs in the audio callback: no lock, no allocation, no wait. What to stop, whether to pause and how loud are
//! atomics, and each change of loudness is a short ramp, so that nothing clicks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use crate::clock;
use crate::pcm::PcmSpec;
use crate::steering::{Steering, Stopping};

/// Samples in one block: 10 ms at 48 kHz. Blocks travel by value, so that the callback frees no memory.
pub const BLOCK_SAMPLES: usize = 480;

/// How much audio waits in front of the card: enough for a busy machine, little enough that a skip leaves nothing to
/// wait for.
const TAP_LENGTH: Duration = Duration::from_millis(300);

/// How long a change of loudness takes, a skip and a pause included: short enough to be immediate, long enough not to
/// click.
const RAMP: Duration = Duration::from_millis(5);

/// A piece of one utterance, or of the silence between two.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// The utterance's id; 0 for silence.
    pub id: u64,
    /// How many of the samples count.
    pub len: usize,
    /// Nothing of this utterance follows.
    pub is_last: bool,
    /// The samples.
    pub samples: [f32; BLOCK_SAMPLES],
}

impl Block {
    /// A block of that utterance with these samples, at most [`BLOCK_SAMPLES`].
    pub fn new(id: u64, samples: &[f32], is_last: bool) -> Self {
        let mut block = Self { id, len: samples.len(), is_last, samples: [0.0; BLOCK_SAMPLES] };
        block.samples[..samples.len()].copy_from_slice(samples);
        block
    }
}

/// What happened at the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapEvent {
    /// The first sample of an utterance was pulled.
    Started(u64, Instant),
    /// The last one was.
    Finished(u64, Instant),
    /// It was silenced before its end.
    Cut(u64, Instant),
}

/// The tap's other end, in the playback thread.
#[derive(Debug)]
pub struct TapFeed {
    /// Blocks for the card; full when 300 ms of audio wait.
    pub blocks: Sender<Block>,
    /// What happened to them.
    pub events: Receiver<TapEvent>,
    /// Grows as the card pulls, silence included: it shows that the card lives.
    pub n_pulled: Arc<AtomicU64>,
    /// How often the card found nothing within an utterance.
    pub n_underruns: Arc<AtomicU64>,
    /// The rate of the samples.
    pub spec: PcmSpec,
}

/// What the card pulls. Mono.
#[derive(Debug)]
pub struct Tap {
    spec: PcmSpec,
    blocks: Receiver<Block>,
    events: Sender<TapEvent>,
    steering: Steering,
    block: Option<(Block, usize)>,
    /// The utterance that has started and not finished.
    open: u64,
    /// The utterance that was silenced last: what still comes of it is dropped.
    cut: u64,
    gain: f32,
    /// The loudest sample of this block so far.
    peak: f32,
    gain_step: f32,
    n_pulled: Arc<AtomicU64>,
    n_underruns: Arc<AtomicU64>,
    is_starved: bool,
    /// What happened in [`Tap::pull`]. Stays empty, and unallocated, where samples are taken one by one.
    untold: Vec<TapEvent>,
    tells_later: bool,
}

/// Where the next sample comes from.
enum Supply {
    /// A sample of that utterance, and whether it was its last one.
    Sample { sample: f32, id: u64, is_last: bool },
    /// An utterance ended without a further sample.
    Over(u64),
    /// Nothing is there, or the sound is held.
    Silence,
    /// Nothing will come any more.
    Closed,
}

/// What a card of our own got from the tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// Samples of one utterance (0: of the silence between two); whether it is over with them.
    Audio {
        /// Whose.
        id: u64,
        /// Nothing of it follows.
        is_over: bool,
    },
    /// Nothing now.
    Idle,
    /// Nothing any more.
    Closed,
}

/// Makes a tap at a card's rate.
pub fn tap(spec: PcmSpec, steering: &Steering) -> (TapFeed, Tap) {
    let n_blocks = spec.samples_in(TAP_LENGTH).div_ceil(BLOCK_SAMPLES).max(2);
    let (to_blocks, blocks) = bounded(n_blocks);
    // Each utterance has two events; no more utterances than blocks are under way, and playback takes the events of
    // one filling before it sends the next. So it is never full, and the callback never waits.
    let (events, from_events) = bounded(8 * n_blocks);
    let (n_pulled, n_underruns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ramp_samples = spec.samples_in(RAMP).max(1);
    let tap = Tap {
        spec,
        blocks,
        events,
        steering: steering.clone(),
        block: None,
        open: 0,
        cut: 0,
        gain: 0.0,
        peak: 0.0,
        gain_step: 1.0 / ramp_samples as f32,
        n_pulled: Arc::clone(&n_pulled),
        n_underruns: Arc::clone(&n_underruns),
        is_starved: false,
        untold: Vec::new(),
        tells_later: false,
    };
    (TapFeed { blocks: to_blocks, events: from_events, n_pulled, n_underruns, spec }, tap)
}

impl Tap {
    /// The rate of the samples.
    pub fn spec(&self) -> PcmSpec {
        self.spec
    }

    /// The next sample; silence where there is none. `None` when the feed is gone.
    pub fn next_sample(&mut self) -> Option<f32> {
        self.n_pulled.fetch_add(1, Ordering::Relaxed);
        loop {
            match self.supply() {
                Supply::Sample { sample, .. } => return Some(sample),
                Supply::Over(_) => {}
                Supply::Silence => return Some(0.0),
                Supply::Closed => return None,
            }
        }
    }

    /// For cards of our own: what is left of one block. What happened is told by [`Tap::tell`].
    pub fn pull(&mut self, out: &mut Vec<f32>) -> Pulled {
        self.tells_later = true;
        out.clear();
        let mut pulled = Pulled::Idle;
        loop {
            match self.supply() {
                Supply::Sample { sample, id, is_last } => {
                    out.push(sample);
                    pulled = Pulled::Audio { id, is_over: is_last };
                }
                Supply::Over(id) => return Pulled::Audio { id, is_over: true },
                Supply::Closed if out.is_empty() => return Pulled::Closed,
                Supply::Silence | Supply::Closed => return pulled,
            }
            if self.block.is_none() {
                self.n_pulled.fetch_add(out.len() as u64, Ordering::Relaxed);
                return pulled;
            }
        }
    }

    /// Waits until there is a block to pull, or the feed is gone. Not for the audio callback.
    pub fn wait(&self) {
        let mut select = crossbeam_channel::Select::new();
        select.recv(&self.blocks);
        select.ready();
    }

    /// Waits a moment while the sound is held. Not for the audio callback.
    pub fn wait_held(&self, moment: Duration) {
        let _waited = crossbeam_channel::after(moment).recv();
    }

    /// Whether somebody still feeds it.
    pub fn has_feed(&self) -> bool {
        Arc::strong_count(&self.n_pulled) > 1
    }

    /// Tells what happened in the last [`Tap::pull`], once its samples are where they belong.
    pub fn tell(&mut self) {
        for event in self.untold.drain(..) {
            let _never_full = self.events.try_send(event);
        }
    }

    /// Whether a block is being pulled: the tap is idle although there is audio, because the sound is held.
    pub fn is_held(&self) -> bool {
        self.block.is_some()
    }

    /// Whether an utterance goes on and there is nothing of it yet.
    pub fn is_starved(&self) -> bool {
        self.is_starved
    }

    fn supply(&mut self) -> Supply {
        loop {
            let Some((block, position)) = &mut self.block else {
                match self.blocks.try_recv() {
                    Ok(block) => {
                        if let Some(over) = self.take(block) {
                            return Supply::Over(over);
                        }
                        continue;
                    }
                    Err(TryRecvError::Empty) => {
                        self.steering.set_level(0.0);
                        if self.open != 0 && !self.is_starved {
                            self.is_starved = true;
                            self.n_underruns.fetch_add(1, Ordering::Relaxed);
                        }
                        return Supply::Silence;
                    }
                    Err(TryRecvError::Disconnected) => return Supply::Closed,
                }
            };
            let id = block.id;
            let is_silenced = id != 0 && self.steering.silences(id);
            let is_paused = self.steering.is_paused();
            let target = if is_silenced || is_paused || self.steering.is_muted() {
                0.0
            } else {
                self.steering.volume()
            };
            self.gain += (target - self.gain).clamp(-self.gain_step, self.gain_step);
            if self.gain <= 0.0 && is_silenced {
                self.block = None;
                self.note_cut(id);
                return Supply::Over(id);
            }
            if self.gain <= 0.0 && is_paused {
                self.steering.set_level(0.0);
                self.peak = 0.0;
                if id == 0 {
                    // A gap is not held: what is behind it may be skipped or cleared meanwhile.
                    self.block = None;
                    continue;
                }
                return Supply::Silence;
            }
            let sample = block.samples[*position] * self.gain;
            *position += 1;
            self.peak = self.peak.max(sample.abs());
            let is_done = *position == block.len;
            let is_last = is_done && block.is_last;
            if is_done {
                self.block = None;
                self.steering.set_level(std::mem::take(&mut self.peak));
            }
            if is_last {
                self.finish(id);
            }
            return Supply::Sample { sample, id, is_last };
        }
    }

    /// Takes a block from the channel. Returns the utterance that is over without another sample.
    #[expect(clippy::large_types_passed_by_value, reason = "moved from the channel into its place")]
    fn take(&mut self, block: Block) -> Option<u64> {
        self.is_starved = false;
        let id = block.id;
        if id != 0 && id == self.cut {
            return None; // what still comes of it
        }
        // Once the daemon stops, what sounds is finished and nothing begins.
        if id != 0 && self.open != id && self.steering.stopping() != Stopping::No {
            return None;
        }
        if id != 0 && self.steering.silences(id) && (self.gain <= 0.0 || self.open != id) {
            self.note_cut(id); // nothing of it is heard: no ramp
            return Some(id);
        }
        if block.len == 0 {
            if block.is_last {
                self.finish(id);
            }
            return block.is_last.then_some(id);
        }
        if id != 0 && self.open != id {
            self.open = id;
            self.steering.set_sounding(id);
            self.report(TapEvent::Started(id, clock::now()));
        }
        self.block = Some((block, 0));
        None
    }

    fn finish(&mut self, id: u64) {
        self.open = 0;
        if id != 0 {
            self.report(TapEvent::Finished(id, clock::now()));
        }
    }

    fn note_cut(&mut self, id: u64) {
        self.open = 0;
        self.cut = id;
        self.report(TapEvent::Cut(id, clock::now()));
    }

    fn report(&mut self, event: TapEvent) {
        if self.tells_later {
            self.untold.push(event);
            return;
        }
        // Never full, see `tap`; were it, playback would find out by the card's progress.
        let _never_full = self.events.try_send(event);
    }
}

#[cfg(test)]
mod tests;
