//! Who pulls the tap: a sound device, a clock without a device, or WAV files.
//!
//! Knows nothing of utterances but their ids. A new output is one arm in [`open_output`].

use std::time::Duration;

use super::error::CardError;
use super::paced::PacedOutput;
use super::tap::{Tap, tap};
use crate::config::{AudioConfig, Output as Kind};
use crate::pcm::PcmSpec;
use crate::steering::Steering;

/// An output that can be opened again and again.
pub trait Output: Send {
    /// Its word in the configuration.
    fn name(&self) -> &'static str;

    /// Opens it. `feed` makes the tap once the rate is known; it is called once.
    ///
    /// # Errors
    /// Where it cannot be opened now.
    fn open(&mut self, feed: &mut dyn FnMut(PcmSpec) -> Tap) -> Result<Box<dyn Card>, CardError>;
}

/// An output that is open. Dropping it closes it; it stays on the thread that opened it.
pub trait Card {
    /// Why it is broken, if it is.
    fn failure(&self) -> Option<String>;

    /// Whether it pulls all the time, so that one that pulls nothing for a while is dead.
    fn pulls_always(&self) -> bool;

    /// How much audio it holds after it has pulled it: to be waited for before it is closed.
    fn latency(&self) -> Duration;
}

/// The configured output.
pub fn open_output(audio: &AudioConfig) -> Box<dyn Output> {
    match audio.output {
        #[cfg(feature = "card")]
        Kind::Card => Box::new(super::device::DeviceOutput::new(audio)),
        #[cfg(not(feature = "card"))]
        Kind::Card => Box::new(NoCard),
        Kind::Null => Box::new(PacedOutput::null(audio.null_speed)),
        Kind::Wav => Box::new(PacedOutput::wav(audio.null_speed, audio.wav_dir.clone())),
    }
}

/// Opens the configured output and closes it again. Returns its rate in samples a second.
///
/// # Errors
/// Where it cannot be opened now.
pub fn probe(audio: &AudioConfig) -> Result<u32, CardError> {
    let mut rate_hz = 0;
    let mut feeds = Vec::new(); // the tap's other end stays open until the card is closed
    let card = open_output(audio).open(&mut |spec| {
        rate_hz = spec.sample_rate_hz.get();
        let (feed, tap) = tap(spec, &Steering::default());
        feeds.push(feed);
        tap
    })?;
    drop(card);
    Ok(rate_hz)
}

/// Says what to do in a build without sound cards.
#[cfg(not(feature = "card"))]
struct NoCard;

#[cfg(not(feature = "card"))]
impl Output for NoCard {
    fn name(&self) -> &'static str {
        Kind::Card.as_str()
    }

    fn open(&mut self, _feed: &mut dyn FnMut(PcmSpec) -> Tap) -> Result<Box<dyn Card>, CardError> {
        Err(CardError::NotBuilt)
    }
}
