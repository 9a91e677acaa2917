//! The configuration as it is typed: serde structs whose defaults are the defaults, and the checks that turn them
//! into a [`Config`].

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Origin;
use super::{
    AudioConfig, Config, ConfigError, EngineConfig, Fallback, LimitsConfig, OnRewrite, Output,
    QueueConfig, Start, TextConfig, WatchConfig,
};
use crate::engine::Prosody;
use crate::engine::registry;
use crate::paths::Paths;
use crate::speech::Lane;

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
    /// How much is logged.
    pub log: RawLog,
}

/// `[[watch]]`; also what `speakerd watch add` sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWatch {
    /// A file or a pattern.
    pub path: PathBuf,
    /// The voice; the default one where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// Where reading begins.
    #[serde(default)]
    pub start: Start,
    /// What happens to a text that is no longer the one that was read.
    #[serde(default)]
    pub on_rewrite: OnRewrite,
    /// In which lane its lines wait.
    #[serde(default)]
    pub priority: Lane,
    /// Speed.
    #[serde(default = "one")]
    pub rate: f32,
    /// Pitch.
    #[serde(default = "one")]
    pub pitch: f32,
    /// Loudness.
    #[serde(default = "one")]
    pub volume: f32,
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
    pub voice: String,
    pub fallback: Fallback,
    pub idle_unload_secs: f64,
    pub rate: f32,
    pub pitch: f32,
}

impl Default for RawEngine {
    fn default() -> Self {
        Self {
            voice: registry::DEFAULT_VOICE.to_owned(),
            fallback: Fallback::default(),
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
    pub shutdown_secs: f64,
    pub max_line_bytes: usize,
    pub max_files: usize,
    pub max_clients: usize,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            piece_deadline_secs: 30.0,
            shutdown_secs: 5.0,
            max_line_bytes: 65_536,
            max_files: 256,
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
}

impl Default for RawText {
    fn default() -> Self {
        Self { max_piece_chars: 250 }
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

fn one() -> f32 {
    1.0
}

/// A wrong value, before it is known where it stands.
fn wrong(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError { origin: None, key: Some(key.to_owned()), reason: reason.into() }
}

impl RawConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, the key where there is one, and the reason with its place in the file.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let refuse = |key: Option<String>, reason: String| ConfigError {
            origin: Some(Origin::File(file.to_path_buf())),
            key,
            reason,
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
            .map_err(|error| wrong("environment", error.to_string()))?;
        let mut raw = self;
        for (name, value) in variables {
            let Some((section, key)) = setting_of(&name) else { continue };
            let Some(toml::Value::Table(keys)) = table.get_mut(&section) else { continue };
            keys.insert(key.clone(), scalar(&value));
            raw = serde_path_to_error::deserialize(table.clone()).map_err(|error| ConfigError {
                origin: Some(Origin::Variable(name)),
                key: Some(format!("{section}.{key}")),
                reason: error.into_inner().to_string().trim_end().to_owned(),
            })?;
        }
        Ok(raw)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the key and what would be right.
    pub fn check(self, file: Option<PathBuf>, paths: &Paths) -> Result<Config, ConfigError> {
        self.check_values(file.clone(), paths).map_err(|error| ConfigError {
            origin: error.origin.or_else(|| file.map(Origin::File)),
            ..error
        })
    }

    fn check_values(self, file: Option<PathBuf>, paths: &Paths) -> Result<Config, ConfigError> {
        // Relative paths in a file are relative to it: it means the same wherever the daemon is started.
        let base = file.as_deref().and_then(Path::parent).unwrap_or(&paths.home).to_path_buf();
        let base = std::path::absolute(base).map_err(|error| wrong("path", error.to_string()))?;
        let Self { watch, queue, engine, limits, audio, text, log } = self;
        let watch = watch
            .into_iter()
            .enumerate()
            .map(|(idx, raw)| {
                raw.check(paths, &base).map_err(|error| error.within(&format!("watch[{idx}]")))
            })
            .collect::<Result<_, _>>()?;
        check_voice(&engine.voice).map_err(|reason| wrong("engine.voice", reason))?;
        if tracing_subscriber::EnvFilter::builder().parse(&log.level).is_err() {
            return Err(wrong(
                "log.level",
                "is not error, warn, info, debug, trace or a list of directives",
            ));
        }
        Ok(Config {
            watch,
            queue: QueueConfig {
                capacity: within("queue.capacity", queue.capacity, 1..=4_096)?,
                history: within("queue.history", queue.history, 1..=100_000)?,
                max_age: optional_secs("queue.max_age_secs", queue.max_age_secs)?,
            },
            engine: EngineConfig {
                voice: engine.voice.into(),
                fallback: engine.fallback,
                idle_unload: optional_secs("engine.idle_unload_secs", engine.idle_unload_secs)?,
                rate: within("engine.rate", engine.rate, Prosody::RATE)?,
                pitch: within("engine.pitch", engine.pitch, Prosody::PITCH)?,
            },
            limits: LimitsConfig {
                piece_deadline: secs(
                    "limits.piece_deadline_secs",
                    limits.piece_deadline_secs,
                    0.1..=3_600.0,
                )?,
                shutdown: secs("limits.shutdown_secs", limits.shutdown_secs, 0.5..=60.0)?,
                max_line_bytes: within(
                    "limits.max_line_bytes",
                    limits.max_line_bytes,
                    64..=1_048_576,
                )?,
                max_files: within("limits.max_files", limits.max_files, 1..=4_096)?,
                max_clients: within("limits.max_clients", limits.max_clients, 1..=1_024)?,
            },
            audio: AudioConfig {
                output: audio.output,
                device: Some(audio.device).filter(|device| device != "default"),
                volume: within("audio.volume", audio.volume, VOLUME)?,
                gap: Duration::from_millis(within("audio.gap_ms", audio.gap_ms, 0..=10_000)?),
                wav_dir: paths.absolute(&audio.wav_dir, &base),
                null_speed: Some(within("audio.null_speed", audio.null_speed, 0.0..=1_000.0)?)
                    .filter(|speed| *speed > 0.0),
                release: optional_secs("audio.release_secs", audio.release_secs)?,
                look_ahead: Duration::from_millis(within(
                    "audio.look_ahead_ms",
                    audio.look_ahead_ms,
                    500..=60_000,
                )?),
            },
            text: TextConfig {
                max_piece_chars: within("text.max_piece_chars", text.max_piece_chars, 40..=2_000)?,
            },
            log_filter: log.level,
            file,
        })
    }
}

/// The loudness that can be asked for: 2 is 6 dB more than the voice is made with.
pub const VOLUME: RangeInclusive<f32> = 0.0..=2.0;

impl RawWatch {
    /// A watch of that path with everything else at its default.
    pub fn of(path: PathBuf) -> Self {
        Self {
            path,
            voice: None,
            start: Start::default(),
            on_rewrite: OnRewrite::default(),
            priority: Lane::default(),
            rate: 1.0,
            pitch: 1.0,
            volume: 1.0,
        }
    }

    /// Checks one watch; relative paths are below `base`.
    ///
    /// # Errors
    /// Names the key and what would be right.
    pub fn check(self, paths: &Paths, base: &Path) -> Result<WatchConfig, ConfigError> {
        if self.path.as_os_str().is_empty() {
            return Err(wrong("path", "is empty; name a file or a pattern such as ~/logs/*.log"));
        }
        let path = paths.absolute(&self.path, base);
        if let Some(pattern) = path.to_str().filter(|path| is_pattern(path)) {
            glob::Pattern::new(pattern)
                .map_err(|error| wrong("path", format!("is not a pattern: {error}")))?;
        }
        if let Some(voice) = &self.voice {
            check_voice(voice).map_err(|reason| wrong("voice", reason))?;
        }
        Ok(WatchConfig {
            path,
            voice: self.voice.map(Into::into),
            start: self.start,
            on_rewrite: self.on_rewrite,
            priority: self.priority,
            rate: within("rate", self.rate, Prosody::RATE)?,
            pitch: within("pitch", self.pitch, Prosody::PITCH)?,
            volume: within("volume", self.volume, VOLUME)?,
        })
    }
}

impl ConfigError {
    /// The same error with its key inside a section.
    fn within(self, section: &str) -> Self {
        let key = self.key.map_or_else(|| section.to_owned(), |key| format!("{section}.{key}"));
        Self { key: Some(key), ..self }
    }
}

/// Whether a path is a pattern rather than a name.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn check_voice(voice: &str) -> Result<(), String> {
    registry::engine_of(voice).map(|_engine| ()).ok_or_else(|| {
        format!("there is no voice `{voice}`; there are: {}", registry::known_voices().join(", "))
    })
}

fn within<T: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(wrong(key, format!("{value} is not between {} and {}", range.start(), range.end())))
    }
}

fn secs(key: &str, value: f64, range: RangeInclusive<f64>) -> Result<Duration, ConfigError> {
    within(key, value, range).map(Duration::from_secs_f64)
}

/// A time of which 0 means "never"; at most ten years, so that no sum of times overflows.
fn optional_secs(key: &str, value: f64) -> Result<Option<Duration>, ConfigError> {
    let time = secs(key, value, 0.0..=315_360_000.0)?;
    Ok(Some(time).filter(|time| !time.is_zero()))
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
