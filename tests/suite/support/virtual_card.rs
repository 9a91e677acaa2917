//! A card with its clock in the test's hand: the real rodio mixer, pulled by a thread that records what it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
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
    n_pulled: AtomicUsize,
    /// The card cannot be opened, or breaks.
    is_broken: AtomicBool,
    /// It is there and takes nothing.
    is_stalled: AtomicBool,
    n_opened: AtomicU32,
}

#[derive(Default)]
struct Recording {
    samples: Vec<f32>,
    /// When each period was taken, and where it ends among the samples.
    periods: Vec<(Instant, usize)>,
}

impl CardControl {
    /// Everything that was heard, the left side of it.
    pub(crate) fn recording(&self) -> Vec<f32> {
        self.0.recording.lock().samples.clone()
    }

    /// How many samples were pulled so far, those that came late included.
    pub(crate) fn n_pulled(&self) -> usize {
        self.0.n_pulled.load(Ordering::Relaxed)
    }

    /// How long after `since` the card got nothing but silence, if it did.
    pub(crate) fn silent_after(&self, since: Instant) -> Option<Duration> {
        let recording = self.0.recording.lock();
        let last_sound = recording.samples.iter().rposition(|sample| sample.abs() > 1e-4)?;
        let (at, _) = recording.periods.iter().filter(|(_, end)| *end > last_sound).nth(1)?;
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
            let end = recording.samples.len();
            recording.periods.push((Instant::now(), end));
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
                let samples: Vec<f32> = (0..PERIOD_SAMPLES).filter_map(|_| source()).collect();
                let mut recording = shared.recording.lock();
                recording.samples.extend(samples);
                let end = recording.samples.len();
                recording.periods.push((now, end));
                shared.n_pulled.fetch_add(PERIOD_SAMPLES, Ordering::Relaxed);
            }
        });
        Ok(Box::new(VirtualCard { control: self.control.clone(), closed }))
    }
}

/// One sample of the left side at each call, through the real mixer. `None` while the daemon is late within a line: what a
/// busy machine adds to the recording says nothing of what was said.
#[cfg(feature = "card")]
fn puller(tap: Tap) -> impl FnMut() -> Option<f32> + Send {
    use std::num::NonZero;
    let (mixer, mut source) =
        rodio::mixer::mixer(NonZero::new(2).unwrap(), NonZero::new(48_000).unwrap());
    let is_late = Arc::new(AtomicBool::new(false));
    let tap = speakerd::playback::device::TapSource(tap);
    mixer.add(Observed { tap, is_late: Arc::clone(&is_late) });
    move || {
        let (left, right) = (source.next().unwrap_or(0.0), source.next().unwrap_or(0.0));
        assert!((left - right).abs() < 1e-9, "both sides are the same");
        (left != 0.0 || !is_late.load(Ordering::Relaxed)).then_some(left)
    }
}

/// The daemon's source, which tells whether it is late.
#[cfg(feature = "card")]
struct Observed {
    tap: speakerd::playback::device::TapSource,
    is_late: Arc<AtomicBool>,
}

#[cfg(feature = "card")]
impl Iterator for Observed {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        let sample = self.tap.next();
        self.is_late.store(self.tap.0.is_starved(), Ordering::Relaxed);
        sample
    }
}

#[cfg(feature = "card")]
impl rodio::Source for Observed {
    fn current_span_len(&self) -> Option<usize> {
        self.tap.current_span_len()
    }

    fn channels(&self) -> rodio::ChannelCount {
        self.tap.channels()
    }

    fn sample_rate(&self) -> rodio::SampleRate {
        self.tap.sample_rate()
    }

    fn total_duration(&self) -> Option<Duration> {
        self.tap.total_duration()
    }
}

#[cfg(not(feature = "card"))]
fn puller(mut tap: Tap) -> impl FnMut() -> Option<f32> + Send {
    move || {
        let sample = tap.next_sample().unwrap_or(0.0);
        (!tap.is_starved()).then_some(sample)
    }
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
