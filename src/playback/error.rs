//! Why there is no sound.

use std::io;
use std::path::PathBuf;

/// An output that could not be opened, or broke. Playback tries again and keeps what is to be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// No sound server answers and there is no card.
    #[error(
        "no sound device: {reason}; start a sound server (PipeWire or PulseAudio), or set audio.output"
    )]
    NoDevice {
        /// What the sound library says.
        reason: String,
    },
    /// There are devices, and not this one.
    #[error("there is no sound device `{name}`; there are: {}", known.join(", "))]
    UnknownDevice {
        /// What was configured.
        name: String,
        /// What could be.
        known: Vec<String>,
    },
    /// The server has taken the connection and says nothing.
    #[error("the sound server does not answer; restart it")]
    Hangs,
    /// This build has no sound card support.
    #[error(
        "this build cannot use sound cards; set audio.output = \"wav\" or \"null\", or build with the feature `card`"
    )]
    NotBuilt,
    /// The WAV directory.
    #[error("cannot use audio.wav_dir `{}`: {source}", path.display())]
    WavDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No thread for the output.
    #[error("cannot start the output's thread: {0}")]
    Thread(io::Error),
}
