//! The configuration as it is typed: serde structs whose defaults are the defaults, and the checks that turn them
//! into a `Config`.

mod http;
mod remote;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Origin;
use super::{ConfigError, DeviceFallback, Fallback, Output};
use crate::engine::registry::{self, Kind, Quantisation};
use crate::engine::worker::Isolation;
use crate::text::Step;
use crate::text::emoji::Emoji;
pub use http::RawHttp;
pub use remote::RawRemote;
pub use watch::RawWatch;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// What is read aloud.
    pub watch: Vec<RawWatch>,
    /// The queue and the history.
    pub queue: RawQueue,
    /// Voices and engines.
    pub engine: RawEngine,
    /// What is too much.
    pub limits: RawLimits,
    /// Where the sound goes.
    pub audio: RawAudio,
    /// How text is made ready for speech.
    pub text: RawText,
    /// Where models are got from.
    pub models: RawModels,
    /// Another server that speaks.
    pub remote: RawRemote,
    /// What is measured, for others.
    pub metrics: RawMetrics,
    /// What is too much to go on without a word.
    pub alerts: RawAlerts,
    /// The speech server.
    pub http: RawHttp,
    /// How much is logged.
    pub log: RawLog,
    /// Which keys came from which environment variables, for errors about their values.
    #[serde(skip)]
    pub variables: BTreeMap<String, String>,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawQueue {
    pub capacity: usize,
    pub history: usize,
    pub max_age_secs: f64,
}

impl Default for RawQueue {
    fn default() -> Self {
        Self { capacity: 64, history: 200, max_age_secs: 0.0 }
    }
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawEngine {
    pub kind: Kind,
    pub model: String,
    pub quant: Quantisation,
    pub voice: String,
    pub fallback: Fallback,
    pub isolation: Isolation,
    pub memory_limit_mb: u64,
    pub idle_unload_secs: f64,
    pub rate: f32,
    pub pitch: f32,
}

impl Default for RawEngine {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            model: String::new(),
            quant: Quantisation::default(),
            voice: registry::AUTO.to_owned(),
            fallback: Fallback::default(),
            isolation: Isolation::default(),
            memory_limit_mb: 3_072,
            idle_unload_secs: 300.0,
            rate: 1.0,
            pitch: 1.0,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawLimits {
    pub piece_deadline_secs: f64,
    pub hang_secs: f64,
    pub load_secs: f64,
    pub voice_deadline_secs: f64,
    pub shutdown_secs: f64,
    pub max_line_bytes: usize,
    pub max_files: usize,
    pub max_clients: usize,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            piece_deadline_secs: 30.0,
            hang_secs: 20.0,
            load_secs: 120.0,
            voice_deadline_secs: 120.0,
            shutdown_secs: 5.0,
            max_line_bytes: 65_536,
            max_files: 1_024,
            max_clients: 64,
        }
    }
}

/// `[audio]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawAudio {
    pub output: Output,
    pub device: String,
    pub device_fallback: DeviceFallback,
    pub media_role: String,
    pub preroll_ms: u64,
    pub volume: f32,
    pub gap_ms: u64,
    pub wav_dir: PathBuf,
    pub null_speed: f64,
    pub release_secs: f64,
    pub look_ahead_ms: u64,
}

impl Default for RawAudio {
    fn default() -> Self {
        Self {
            output: Output::default(),
            device: "default".to_owned(),
            device_fallback: DeviceFallback::default(),
            media_role: "a11y".to_owned(),
            preroll_ms: 0,
            volume: 1.0,
            gap_ms: 150,
            wav_dir: "~/speakerd-wav".into(),
            null_speed: 1.0,
            release_secs: 10.0,
            look_ahead_ms: 5_000,
        }
    }
}

/// `[text]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawText {
    pub max_piece_chars: usize,
    pub skip_steps: Vec<Step>,
    pub emoji: Emoji,
    pub dictionary: PathBuf,
}

impl Default for RawText {
    fn default() -> Self {
        Self {
            max_piece_chars: 250,
            skip_steps: Vec::new(),
            emoji: Emoji::default(),
            dictionary: PathBuf::new(),
        }
    }
}

/// `[models]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawModels {
    pub hub: String,
}

impl Default for RawModels {
    fn default() -> Self {
        Self { hub: "https://huggingface.co".to_owned() }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawMetrics {
    pub textfile: PathBuf,
    pub textfile_secs: f64,
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self { textfile: PathBuf::new(), textfile_secs: 15.0 }
    }
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawAlerts {
    pub memory_mb: f64,
    pub disk_free_mb: f64,
    pub queue_age_secs: f64,
}

impl Default for RawAlerts {
    fn default() -> Self {
        Self { memory_mb: 0.0, disk_free_mb: 64.0, queue_age_secs: 0.0 }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawLog {
    pub level: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

/// The setting that is a secret.
const KEY: &str = "remote.key";

impl RawConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, the key where there is one, and the reason with its place in the file.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let refuse = |key: Option<String>, reason: String| ConfigError {
            origin: Some(Origin::File(file.to_path_buf())),
            reason: match key.as_deref() {
                // What was found there is the key.
                Some(KEY) => "is no text; put it in quotes".to_owned(),
                _ => remote::without_keys(&reason),
            },
            key,
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| refuse(None, format!("cannot be read: {error}")))?;
        let parsed = toml::Deserializer::parse(&text)
            .map_err(|error| refuse(None, error.to_string().trim_end().to_owned()))?;
        serde_path_to_error::deserialize(parsed).map_err(|error| {
            let key = Some(error.path().to_string()).filter(|key| key != ".");
            let inner = error.into_inner();
            // toml puts the line and a caret under the value in front of the reason
            refuse(key, inner.to_string().trim_end().to_owned())
        })
    }

    /// Lays `SPEAKERD_SECTION_KEY=value` over the file, for every section and scalar key.
    ///
    /// # Errors
    /// Names the variable where its section is one of ours and the key or the value is not.
    pub fn with_environment(
        self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = toml::Table::try_from(&self)
            .map_err(|error| ConfigError::of("environment", error.to_string()))?;
        let mut raw = self;
        let mut overridden = BTreeMap::new();
        for (name, value) in variables {
            let Some((section, key)) = setting_of(&name) else { continue };
            let Some(toml::Value::Table(keys)) = table.get_mut(&section) else { continue };
            let setting = format!("{section}.{key}");
            let text = || toml::Value::String(value.clone());
            // A key is a text, also one of digits.
            keys.insert(key, if setting == KEY { text() } else { scalar(&value) });
            let key = setting;
            raw = serde_path_to_error::deserialize(table.clone()).map_err(|error| ConfigError {
                origin: Some(Origin::Variable(name.clone())),
                key: Some(key.clone()),
                reason: error.into_inner().to_string().trim_end().to_owned(),
            })?;
            overridden.insert(key, name);
        }
        raw.variables = overridden;
        Ok(raw)
    }
}

/// Takes `SPEAKERD_AUDIO_NULL_SPEED` apart into `audio` and `null_speed`.
fn setting_of(variable: &str) -> Option<(String, String)> {
    let setting = variable.strip_prefix("SPEAKERD_")?.to_ascii_lowercase();
    let (section, key) = setting.split_once('_')?;
    Some((section.to_owned(), key.to_owned()))
}

/// A value as TOML would read it; what is no TOML value is text.
fn scalar(value: &str) -> toml::Value {
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    match parsed.ok().and_then(|mut table| table.remove("value")) {
        Some(
            scalar @ (toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::String(_)),
        ) => scalar,
        Some(_) | None => toml::Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests;
