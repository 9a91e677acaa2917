//! A card with its clock in the test's hand: the real rodio mixer, pulled by a thread that records what it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use speakerd::pcm::PcmSpec;
use speakerd::playback::card::{Card, Output};
use speakerd::playback::error::CardError;
use speakerd::playback::tap::Tap;

/// The card's rate: not the engine's, so that conversion is part of every test.
pub(crate) const RATE_HZ: usize = 48_000;

/// The pace at which a real card asks: 10 ms.
const PERIOD_SAMPLES: usize = RATE_HZ / 100;

/// The test's side of the card.
#[derive(Clone, Default)]
pub(crate) struct CardControl(Arc<Shared>);

#[derive(Default)]
struct Shared {
    recording: Mutex<Recording>,
    /// The card cannot be opened, or breaks.
    is_broken: AtomicBool,
    /// It is there and takes nothing.
    is_stalled: AtomicBool,
    n_opened: AtomicU32,
}

#[derive(Default)]
struct Recording {
    samples: Vec<f32>,
    /// When each period was taken.
    times: Vec<Instant>,
}

impl CardControl {
    /// Everything that was heard, the left side of it.
    pub(crate) fn recording(&self) -> Vec<f32> {
        self.0.recording.lock().samples.clone()
    }

    /// How many samples were pulled so far.
    pub(crate) fn n_pulled(&self) -> usize {
        self.0.recording.lock().samples.len()
    }

    /// How long after `since` the card got nothing but silence, if it did.
    pub(crate) fn silent_after(&self, since: Instant) -> Option<Duration> {
        let recording = self.0.recording.lock();
        let last_sound = recording.samples.iter().rposition(|sample| sample.abs() > 1e-4)?;
        let at = recording.times.get(last_sound / PERIOD_SAMPLES + 1)?;
        Some(at.saturating_duration_since(since))
    }

    pub(crate) fn set_broken(&self, is_broken: bool) {
        self.0.is_broken.store(is_broken, Ordering::Relaxed);
    }

    pub(crate) fn set_stalled(&self, is_stalled: bool) {
        self.0.is_stalled.store(is_stalled, Ordering::Relaxed);
    }

    pub(crate) fn n_opened(&self) -> u32 {
        self.0.n_opened.load(Ordering::Relaxed)
    }
}

/// The output that the daemon gets.
pub(crate) struct VirtualOutput {
    pub(crate) control: CardControl,
    /// A factor on the speed of sound.
    pub(crate) speed: f64,
}

impl Output for VirtualOutput {
    fn name(&self) -> &'static str {
        "card"
    }

    fn open(&mut self, feed: &mut dyn FnMut(PcmSpec) -> Tap) -> Result<Box<dyn Card>, CardError> {
        if self.control.0.is_broken.load(Ordering::Relaxed) {
            return Err(CardError::NoDevice { reason: "the test has unplugged it".to_owned() });
        }
        self.control.0.n_opened.fetch_add(1, Ordering::Relaxed);
        {
            // What was cut off and what begins anew are two things in the recording.
            let mut recording = self.control.0.recording.lock();
            recording.samples.extend(std::iter::repeat_n(0.0, 20 * PERIOD_SAMPLES));
            recording.times.extend([Instant::now(); 20]);
        }
        let mut source = puller(feed(PcmSpec::new(48_000)));
        let (shared, speed) = (Arc::clone(&self.control.0), self.speed);
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = Arc::clone(&closed);
        std::thread::spawn(move || {
            let mut due = Instant::now();
            loop {
                due += Duration::from_millis(10).div_f64(speed);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if is_closed.load(Ordering::Relaxed) {
                    return;
                }
                if shared.is_stalled.load(Ordering::Relaxed)
                    || shared.is_broken.load(Ordering::Relaxed)
                {
                    continue;
                }
                let now = Instant::now();
                let samples: Vec<f32> = (0..PERIOD_SAMPLES).map(|_| source()).collect();
                let mut recording = shared.recording.lock();
                recording.times.push(now);
                recording.samples.extend(samples);
            }
        });
        Ok(Box::new(VirtualCard { control: self.control.clone(), closed }))
    }
}

/// One sample of the left side at each call, through the real mixer.
#[cfg(feature = "card")]
fn puller(tap: Tap) -> impl FnMut() -> f32 + Send {
    use std::num::NonZero;
    let (mixer, mut source) =
        rodio::mixer::mixer(NonZero::new(2).unwrap(), NonZero::new(48_000).unwrap());
    mixer.add(speakerd::playback::device::TapSource(tap));
    move || {
        let (left, right) = (source.next().unwrap_or(0.0), source.next().unwrap_or(0.0));
        assert!((left - right).abs() < 1e-9, "both sides are the same");
        left
    }
}

#[cfg(not(feature = "card"))]
fn puller(mut tap: Tap) -> impl FnMut() -> f32 + Send {
    move || tap.next_sample().unwrap_or(0.0)
}

struct VirtualCard {
    control: CardControl,
    closed: Arc<AtomicBool>,
}

impl Card for VirtualCard {
    fn failure(&self) -> Option<String> {
        self.control
            .0
            .is_broken
            .load(Ordering::Relaxed)
            .then(|| "the test has unplugged it".to_owned())
    }

    fn pulls_always(&self) -> bool {
        true
    }

    fn latency(&self) -> Duration {
        Duration::ZERO
    }
}

impl Drop for VirtualCard {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}
