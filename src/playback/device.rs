//! The sound card, through rodio and cpal: opening it, and noticing that it is gone.
//!
//! On Linux `PulseAudio`'s own protocol is used where a server answers (`PipeWire` speaks it too), else ALSA.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use parking_lot::Mutex;
use rodio::{ChannelCount, DeviceSinkBuilder, MixerDeviceSink, SampleRate, Source};
use tracing::{debug, info, warn};

use super::card::{Card, Output};
use super::error::CardError;
use super::tap::Tap;
use crate::config::{AudioConfig, DeviceFallback, Output as Kind};
use crate::pcm::PcmSpec;

/// Frames in the device's buffer: 85 ms at 48 kHz. With cpal's `PulseAudio` host smaller buffers had gaps on a busy
/// machine and the server's own choice lost the end of the sound.
const BUFFER_FRAMES: u32 = 4_096;

/// The error callback runs on cpal's thread, and a lost ALSA device calls it hundreds of thousands of times a second:
/// it waits so long each time, which costs nothing and leaves the processor alone.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// The sound card.
#[derive(Debug)]
pub struct DeviceOutput {
    /// Its name; `None` for the default one.
    device: Option<String>,
    /// What is done without it.
    fallback: DeviceFallback,
    /// What desktops know the sound as.
    #[cfg(target_os = "linux")]
    role: String,
    #[cfg(target_os = "linux")]
    pulse: super::pulse::Pulse,
}

impl DeviceOutput {
    /// The configured card.
    pub fn new(audio: &AudioConfig) -> Self {
        Self {
            device: audio.device.clone(),
            fallback: audio.device_fallback,
            #[cfg(target_os = "linux")]
            role: audio.media_role.clone(),
            #[cfg(target_os = "linux")]
            pulse: super::pulse::Pulse::default(),
        }
    }

    /// Opens that device through the first sound system that has one.
    fn open_named(
        &self,
        device: Option<&str>,
        feed: &mut dyn FnMut(PcmSpec) -> Tap,
    ) -> Result<Box<dyn Card>, CardError> {
        let mut refusals = Vec::new();
        #[cfg(target_os = "linux")]
        match self.pulse.open(device, &self.role, feed) {
            Err(CardError::NoDevice { reason }) => refusals.push(format!("PulseAudio: {reason}")),
            opened => return opened,
        }
        let host = cpal::default_host();
        let name = host.id().name();
        match find_device(&host, device).and_then(open_device) {
            Ok((sink, failure)) => {
                let config = sink.config();
                let spec = PcmSpec { sample_rate_hz: config.sample_rate() };
                sink.mixer().add(TapSource(feed(spec)));
                info!(host = name, rate_hz = spec.sample_rate_hz, "sound card opened");
                return Ok(Box::new(DeviceCard { _sink: sink, failure, spec }));
            }
            Err(error @ CardError::UnknownDevice { .. }) => return Err(error),
            Err(CardError::NoDevice { reason }) => refusals.push(format!("{name}: {reason}")),
            Err(error) => refusals.push(format!("{name}: {error}")),
        }
        Err(CardError::NoDevice { reason: refusals.join("; ") })
    }
}

impl Output for DeviceOutput {
    fn name(&self) -> &'static str {
        Kind::Card.as_str()
    }

    fn open(&mut self, feed: &mut dyn FnMut(PcmSpec) -> Tap) -> Result<Box<dyn Card>, CardError> {
        match self.open_named(self.device.as_deref(), feed) {
            Err(error @ CardError::UnknownDevice { .. })
                if self.fallback == DeviceFallback::Default =>
            {
                warn!("{error}; the default device is used until the next silence");
                self.open_named(None, feed)
            }
            opened => opened,
        }
    }
}

fn find_device(host: &cpal::Host, name: Option<&str>) -> Result<cpal::Device, CardError> {
    let no_device = |reason: String| CardError::NoDevice { reason };
    let Some(name) = name else {
        return host
            .default_output_device()
            .ok_or_else(|| no_device("there is no default device".to_owned()));
    };
    let devices = host.output_devices().map_err(|error| no_device(error.to_string()))?;
    let mut known = Vec::new();
    for device in devices {
        let Ok(description) = device.description() else { continue };
        if description.name() == name {
            return Ok(device);
        }
        known.push(description.name().to_owned());
    }
    Err(CardError::UnknownDevice { name: name.to_owned(), known })
}

type Failure = Arc<Mutex<Option<String>>>;

fn open_device(device: cpal::Device) -> Result<(MixerDeviceSink, Failure), CardError> {
    let failure = Failure::default();
    let noted = Arc::clone(&failure);
    let mut sink = DeviceSinkBuilder::from_device(device)
        .map_err(|error| CardError::NoDevice { reason: error.to_string() })?
        .with_buffer_size(cpal::BufferSize::Fixed(BUFFER_FRAMES))
        .with_error_callback(move |error: cpal::Error| note_error(&noted, &error))
        .open_stream()
        .map_err(|error| CardError::NoDevice { reason: error.to_string() })?;
    sink.log_on_drop(false);
    Ok((sink, failure))
}

/// Errors at the start and after a late wake-up are normal and pass; only a device that is gone ends the stream.
/// Everything else shows as no progress, which playback watches.
fn note_error(failure: &Failure, error: &cpal::Error) {
    match error.kind() {
        cpal::ErrorKind::DeviceNotAvailable | cpal::ErrorKind::StreamInvalidated => {
            *failure.lock() = Some(error.to_string());
        }
        _ => debug!(%error, "the sound device reports an error"),
    }
    let _waited = crossbeam_channel::after(ERROR_PAUSE).recv();
}

struct DeviceCard {
    /// Dropping it closes the device.
    _sink: MixerDeviceSink,
    /// Contended by cpal's error callback and playback.
    failure: Failure,
    spec: PcmSpec,
}

impl Card for DeviceCard {
    fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    fn pulls_always(&self) -> bool {
        true
    }

    fn latency(&self) -> Duration {
        // The buffer that was filled last, and the one that sounds.
        2 * self.spec.duration_of(BUFFER_FRAMES as usize)
    }
}

/// The tap as rodio sees it. Added to the mixer once: a mixer that gets a new source for each utterance loses its
/// first samples and waits for the card on every skip.
pub struct TapSource(pub Tap);

impl Iterator for TapSource {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        self.0.next_sample()
    }
}

impl Source for TapSource {
    fn current_span_len(&self) -> Option<usize> {
        None
    }

    fn channels(&self) -> ChannelCount {
        NonZero::<u16>::MIN
    }

    fn sample_rate(&self) -> SampleRate {
        self.0.spec().sample_rate_hz
    }

    fn total_duration(&self) -> Option<Duration> {
        None
    }
}
