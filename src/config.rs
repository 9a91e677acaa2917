//! The validated configuration. Built once, from the defaults, a file, the environment and the command line.
//!
//! Does not know that a daemon exists: `speakerd config check` uses it as well. What may be typed is in [`raw`];
//! everything here has been checked, paths are absolute and numbers are in range.

pub mod address;
pub mod check;
pub mod error;
pub mod filter;
pub mod http;
mod live;
pub mod raw;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::ConfigError;
pub use filter::Filter;
pub use http::HttpConfig;
pub use watch::{CatchUp, Format, OnRewrite, Overflow, Start, WatchConfig};

use raw::RawConfig;

use crate::engine::registry::{Choice, Places, Registry};
use crate::engine::worker::Confinement;
use crate::paths::Paths;
use crate::speech::Manner;
use crate::text::Reading;

/// The commented default file, as `speakerd config default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../config/speakerd.toml");

/// Keys whose values nobody is shown.
const SECRETS: [(&str, &str); 1] = [("remote", "key")];

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it came from; `None` for the embedded defaults.
    pub file: Option<PathBuf>,
    /// What is read aloud.
    pub watch: Vec<WatchConfig>,
    /// The queue and the history.
    pub queue: QueueConfig,
    /// Voices and engines.
    pub engine: EngineConfig,
    /// What is too much.
    pub limits: LimitsConfig,
    /// Where the sound goes.
    pub audio: AudioConfig,
    /// How text is made ready for speech.
    pub text: TextConfig,
    /// Where models are got from.
    pub models: ModelsConfig,
    /// What is measured, for others.
    pub metrics: MetricsConfig,
    /// What is too much to go on without a word.
    pub alerts: AlertsConfig,
    /// The speech server.
    pub http: HttpConfig,
    /// As it was typed, for those who are shown it.
    pub raw: Arc<RawConfig>,
    /// How much is logged: a level, or directives as `tracing` knows them.
    pub log_filter: String,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq)]
pub struct QueueConfig {
    /// How many utterances wait in each lane.
    pub capacity: usize,
    /// How many finished utterances are remembered.
    pub history: usize,
    /// How long an utterance may wait; `None` for ever.
    pub max_age: Option<Duration>,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// The voice where none is named; [`crate::engine::registry::AUTO`] for the best there is.
    pub voice: Arc<str>,
    /// Which engine and model speak.
    pub choice: Choice,
    /// What speaks where the engine asked for cannot be loaded.
    pub fallback: Fallback,
    /// Where engines run, and what they may take.
    pub confinement: Confinement,
    /// After how much idleness an engine is unloaded; `None` for never.
    pub idle_unload: Option<Duration>,
    /// Speed of everything, as a factor.
    pub rate: f32,
    /// Pitch of everything, as a factor.
    pub pitch: f32,
}

/// What speaks where the engine asked for cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The builtin voice; `status` and `history` tell.
    #[default]
    Builtin,
    /// Nothing: the line fails.
    None,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsConfig {
    /// Engine time for one sentence piece.
    pub piece_deadline: Duration,
    /// Engine time for making a voice of its recording.
    pub voice_deadline: Duration,
    /// How long a stop may take.
    pub shutdown: Duration,
    /// A longer line is cut.
    pub max_line_bytes: usize,
    /// Files watched at the same time.
    pub max_files: usize,
    /// Connections to the control socket.
    pub max_clients: usize,
}

/// `[audio]`
#[derive(Debug, Clone, PartialEq)]
pub struct AudioConfig {
    /// Where the sound goes.
    pub output: Output,
    /// The sound device by name; `None` for the default one.
    pub device: Option<String>,
    /// What is done where it is not there.
    pub device_fallback: DeviceFallback,
    /// What desktops know the sound as.
    pub media_role: String,
    /// Silence before the first sound of a device that was opened just now.
    pub preroll: Duration,
    /// Loudness of everything, as a factor.
    pub volume: f32,
    /// Silence between two utterances.
    pub gap: Duration,
    /// Where `wav` output goes.
    pub wav_dir: PathBuf,
    /// How fast `null` and `wav` take audio: a factor on the speed of sound; `None` for as fast as it comes.
    pub null_speed: Option<f64>,
    /// After how much silence the sound device is closed; `None` for never.
    pub release: Option<Duration>,
    /// How much audio is made ahead.
    pub look_ahead: Duration,
}

/// What is done where the named sound device is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceFallback {
    /// The default device is used.
    #[default]
    Default,
    /// Lines wait until it is there.
    Wait,
}

/// Where the sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The sound card.
    #[default]
    Card,
    /// Nowhere, at the pace of speech.
    Null,
    /// One WAV file per utterance.
    Wav,
}

impl Output {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Null => "null",
            Self::Wav => "wav",
        }
    }
}

/// `[text]`
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Longer texts are split at sentences, clauses or words.
    pub max_piece_chars: usize,
    /// Which steps are taken where a watch says nothing else.
    pub reading: Reading,
    /// The user's own words for words; the file need not be there.
    pub dictionary: PathBuf,
}

/// `[models]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelsConfig {
    /// Where `speakerd model pull` finds `OWNER/REPO`: `https://…`, or `http://…` on this machine, without a slash at its end.
    pub hub: String,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The file that Prometheus's node-exporter reads; `None` for none.
    pub textfile: Option<PathBuf>,
    /// How often it is written.
    pub textfile_every: Duration,
}

/// `[alerts]`: limits, of which `None` is never reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertsConfig {
    /// The most memory that the daemon and the processes it has started may hold, in bytes.
    pub memory_bytes: Option<u64>,
    /// The least room on the disk of the bookmarks, in bytes.
    pub disk_free_bytes: Option<u64>,
    /// The longest that an utterance may wait to be heard.
    pub queue_age: Option<Duration>,
}

impl Config {
    /// The defaults for these places.
    ///
    /// # Panics
    /// Never: a test holds the defaults against the checks.
    pub fn defaults(paths: &Paths) -> Self {
        RawConfig::default().check(None, paths).expect("the defaults are valid")
    }

    /// The engines, with what is installed on this machine.
    pub fn registry(&self, paths: &Paths) -> Registry {
        Registry::new(Places::below(&paths.data_dir), self.engine.choice.clone())
    }

    /// How things are said where nothing else is asked for.
    pub fn manner(&self) -> Manner {
        Manner {
            voice: Arc::clone(&self.engine.voice),
            rate: self.engine.rate,
            pitch: self.engine.pitch,
            volume: 1.0,
            reading: self.text.reading,
            keep_loaded: None,
        }
    }

    /// Every key with its value, in sections, without what is secret.
    pub fn shown(&self) -> serde_json::Value {
        let mut shown = serde_json::to_value(&*self.raw).unwrap_or_default();
        for (section, key) in SECRETS {
            if let Some(value) = shown.get_mut(section).and_then(|keys| keys.get_mut(key))
                && value.as_str().is_some_and(|secret| !secret.is_empty())
            {
                *value = "(set)".into();
            }
        }
        shown
    }

    /// Reads the file named, or else the user's file where there is one, or else the defaults; then the environment.
    ///
    /// # Errors
    /// Names the file, the key and the reason.
    pub fn load(
        named: Option<&Path>,
        paths: &Paths,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let usual = paths.config_file();
        let file = match named {
            Some(file) => Some(file.to_path_buf()),
            None => usual.exists().then_some(usual),
        };
        let raw = match &file {
            Some(file) => RawConfig::read(file)?,
            None => RawConfig::default(),
        };
        raw.with_environment(environment)?.check(file, paths)
    }
}
