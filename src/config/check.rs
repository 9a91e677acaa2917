//! The checks that turn what was typed into a [`Config`]: ranges, names, patterns, absolute paths.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::hub;
use super::error::Origin;
use super::raw::{RawAlerts, RawConfig, RawLimits, RawMetrics, RawQueue, RawText, RawWatch};
use super::{
    AlertsConfig, AudioConfig, Config, ConfigError, EngineConfig, Filter, LimitsConfig,
    MetricsConfig, ModelsConfig, QueueConfig, TextConfig, WatchConfig,
};
use crate::engine::Prosody;
use crate::engine::registry::{Choice, Places, Registry};
use crate::engine::worker::Confinement;
use crate::paths::Paths;
use crate::text::Reading;
use crate::voice::is_name;

/// The loudness that can be asked for: 2 is 6 dB more than the voice is made with.
pub const VOLUME: RangeInclusive<f32> = 0.0..=2.0;

impl RawConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the key and what would be right.
    pub fn check(self, file: Option<PathBuf>, paths: &Paths) -> Result<Config, ConfigError> {
        let variables = self.variables.clone();
        self.check_values(file.clone(), paths).map_err(|error| {
            let variable = error.key.as_ref().and_then(|key| variables.get(key));
            let origin = variable.cloned().map(Origin::Variable).or_else(|| file.map(Origin::File));
            ConfigError { origin, ..error }
        })
    }

    fn check_values(self, file: Option<PathBuf>, paths: &Paths) -> Result<Config, ConfigError> {
        // Relative paths in a file are relative to it: it means the same wherever the daemon is started.
        let file_path = file.as_deref().map(std::path::absolute).transpose();
        let file_path = file_path.map_err(|error| ConfigError::of("path", error.to_string()))?;
        let base = file_path.as_deref().and_then(Path::parent).unwrap_or(&paths.home).to_path_buf();
        let raw = Arc::new(self.clone());
        let Self {
            watch,
            queue,
            engine,
            limits,
            audio,
            text,
            models,
            remote,
            metrics,
            alerts,
            http,
            log,
            variables: _,
        } = self;
        let reading = Reading::without(&text.skip_steps, text.emoji);
        let choice = Choice {
            kind: engine.kind,
            model: chosen_model(&engine.model, paths, &base)?,
            quantisation: engine.quant,
            server: remote.check(engine.kind, paths, &base)?.map(Into::into),
        };
        let registry = Registry::new(Places::below(&paths.data_dir), choice.clone());
        let known = |voice: &str| registry.check_known(voice).map_err(|error| error.to_string());
        let watch = watch
            .into_iter()
            .enumerate()
            .map(|(idx, raw)| {
                raw.check(paths, &base, reading, &known)
                    .map_err(|error| error.within(&format!("watch[{idx}]")))
            })
            .collect::<Result<_, _>>()?;
        known(&engine.voice).map_err(|reason| ConfigError::of("engine.voice", reason))?;
        if tracing_subscriber::EnvFilter::builder().parse(&log.level).is_err() {
            return Err(ConfigError::of(
                "log.level",
                "is not error, warn, info, debug, trace or a list of directives",
            ));
        }
        Ok(Config {
            watch,
            http: http.check(&known)?,
            raw,
            queue: queue.check()?,
            engine: EngineConfig {
                voice: engine.voice.into(),
                choice,
                fallback: engine.fallback,
                confinement: Confinement {
                    isolation: engine.isolation,
                    memory_limit_bytes: memory_limit(engine.memory_limit_mb)?,
                    hang: secs("limits.hang_secs", limits.hang_secs, 0.2..=3_600.0)?,
                    load: secs("limits.load_secs", limits.load_secs, 0.2..=3_600.0)?,
                },
                idle_unload: optional_secs("engine.idle_unload_secs", engine.idle_unload_secs)?,
                rate: within("engine.rate", engine.rate, Prosody::RATE)?,
                pitch: within("engine.pitch", engine.pitch, Prosody::PITCH)?,
            },
            limits: limits.check()?,
            audio: AudioConfig {
                output: audio.output,
                device: Some(audio.device).filter(|device| device != "default"),
                device_fallback: audio.device_fallback,
                media_role: media_role(audio.media_role)?,
                preroll: Duration::from_millis(within(
                    "audio.preroll_ms",
                    audio.preroll_ms,
                    0..=5_000,
                )?),
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
            text: text.check(reading, paths, &base)?,
            models: ModelsConfig {
                hub: hub(&models.hub).map_err(|why| ConfigError::of("models.hub", why))?,
            },
            metrics: metrics.check(paths, &base)?,
            alerts: alerts.check()?,
            log_filter: log.level,
            file,
        })
    }
}

impl RawLimits {
    fn check(self) -> Result<LimitsConfig, ConfigError> {
        Ok(LimitsConfig {
            piece_deadline: secs(
                "limits.piece_deadline_secs",
                self.piece_deadline_secs,
                0.1..=3_600.0,
            )?,
            voice_deadline: secs(
                "limits.voice_deadline_secs",
                self.voice_deadline_secs,
                0.1..=3_600.0,
            )?,
            shutdown: secs("limits.shutdown_secs", self.shutdown_secs, 0.5..=60.0)?,
            max_line_bytes: within("limits.max_line_bytes", self.max_line_bytes, 64..=1_048_576)?,
            max_files: within("limits.max_files", self.max_files, 1..=4_096)?,
            max_clients: within("limits.max_clients", self.max_clients, 1..=1_024)?,
        })
    }
}

impl RawQueue {
    fn check(self) -> Result<QueueConfig, ConfigError> {
        Ok(QueueConfig {
            capacity: within("queue.capacity", self.capacity, 1..=4_096)?,
            history: within("queue.history", self.history, 1..=100_000)?,
            max_age: optional_secs("queue.max_age_secs", self.max_age_secs)?,
        })
    }
}

impl RawText {
    fn check(
        self,
        reading: Reading,
        paths: &Paths,
        base: &Path,
    ) -> Result<TextConfig, ConfigError> {
        let dictionary = if self.dictionary.as_os_str().is_empty() {
            paths.dictionary_file()
        } else {
            paths.absolute(&self.dictionary, base)
        };
        let max_piece_chars = within("text.max_piece_chars", self.max_piece_chars, 40..=2_000)?;
        Ok(TextConfig { max_piece_chars, reading, dictionary })
    }
}

impl RawMetrics {
    fn check(self, paths: &Paths, base: &Path) -> Result<MetricsConfig, ConfigError> {
        let every = secs("metrics.textfile_secs", self.textfile_secs, 0.1..=3_600.0)?;
        Ok(MetricsConfig {
            textfile: textfile(&self.textfile, paths, base)?,
            textfile_every: every,
        })
    }
}

impl RawAlerts {
    fn check(self) -> Result<AlertsConfig, ConfigError> {
        Ok(AlertsConfig {
            memory_bytes: optional_mb("alerts.memory_mb", self.memory_mb)?,
            disk_free_bytes: optional_mb("alerts.disk_free_mb", self.disk_free_mb)?,
            queue_age: optional_secs("alerts.queue_age_secs", self.queue_age_secs)?,
        })
    }
}

/// The file for node-exporter, which reads only those of that name; `None` where none is named.
fn textfile(file: &Path, paths: &Paths, base: &Path) -> Result<Option<PathBuf>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    if file.extension().is_none_or(|extension| extension != "prom") {
        let reason = "has no name that ends in .prom; node-exporter reads no other files";
        return Err(ConfigError::of("metrics.textfile", reason));
    }
    Ok(Some(paths.absolute(file, base)))
}

/// A role is one word of `PulseAudio`'s, such as `a11y`, `phone` or `music`.
fn media_role(role: String) -> Result<String, ConfigError> {
    let is_word = (1..=32).contains(&role.len())
        && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let reason = "is no role; it is one word, such as a11y, phone, event or music";
    if is_word { Ok(role) } else { Err(ConfigError::of("audio.media_role", reason)) }
}

/// A sentence that says what was said.
fn checked_template(template: String) -> Result<std::sync::Arc<str>, ConfigError> {
    if template.contains("{text}") {
        return Ok(template.into());
    }
    Err(ConfigError::of("chat_template", "has no {text} in it, as in \"{name} says {text}\""))
}

impl RawWatch {
    /// Checks one watch; relative paths are below `base`, its text is read as `reading` says where the watch says nothing
    /// else, and `known` says which voices there are not.
    ///
    /// # Errors
    /// Names the key and what would be right.
    pub fn check(
        self,
        paths: &Paths,
        base: &Path,
        reading: Reading,
        known: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<WatchConfig, ConfigError> {
        if self.path.as_os_str().is_empty() {
            return Err(ConfigError::of(
                "path",
                "is empty; name a file or a pattern such as ~/logs/*.log",
            ));
        }
        let path = paths.absolute(&self.path, base);
        if let Some(pattern) = path.to_str().filter(|path| is_pattern(path)) {
            glob::Pattern::new(pattern)
                .map_err(|error| ConfigError::of("path", format!("is not a pattern: {error}")))?;
        }
        if let Some(voice) = &self.voice {
            known(voice).map_err(|reason| ConfigError::of("voice", reason))?;
        }
        let max_lines_per_minute =
            within("max_lines_per_minute", self.max_lines_per_minute, 0..=6_000)?;
        let hold_partial_ms = within("hold_partial_ms", self.hold_partial_ms, 0..=600_000)?;
        Ok(WatchConfig {
            path,
            voice: self.voice.map(Into::into),
            start: self.start,
            on_rewrite: self.on_rewrite,
            backlog: self.backlog,
            hold_partial: (hold_partial_ms > 0).then(|| Duration::from_millis(hold_partial_ms)),
            filter: Filter::new(self.include, self.exclude)?.into(),
            format: self.format,
            chat_template: checked_template(self.chat_template)?,
            reading: reading.changed(self.skip_steps.as_deref(), self.emoji),
            fold: self.fold,
            overflow: self.overflow,
            max_waiting: within("max_waiting", self.max_waiting, 1..=10_000)?,
            max_age: self
                .max_age_secs
                .map(|secs| optional_secs("max_age_secs", secs))
                .transpose()?,
            max_lines_per_minute: (max_lines_per_minute > 0).then_some(max_lines_per_minute),
            keep_loaded: optional_secs("keep_loaded_secs", self.keep_loaded_secs)?,
            priority: self.priority,
            rate: within("rate", self.rate, Prosody::RATE)?,
            pitch: within("pitch", self.pitch, Prosody::PITCH)?,
            volume: within("volume", self.volume, VOLUME)?,
        })
    }
}

/// What no program of ours needs less than is a slip of the pen.
fn memory_limit(n_mb: u64) -> Result<Option<u64>, ConfigError> {
    match n_mb {
        0 => Ok(None),
        64..=1_048_576 => Ok(Some(n_mb << 20)),
        _ => Err(ConfigError::of(
            "engine.memory_limit_mb",
            format!("{n_mb} is neither 0, for no limit, nor between 64 and 1048576"),
        )),
    }
}

/// Whether a path is a pattern rather than a name.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// A model's name, or an absolute path; `None` for the best that is installed.
fn chosen_model(model: &str, paths: &Paths, base: &Path) -> Result<Option<String>, ConfigError> {
    let refuse = |reason: &str| Err(ConfigError::of("engine.model", reason));
    if model.is_empty() {
        return Ok(None);
    }
    if !model.contains('/') {
        if is_name(model) {
            return Ok(Some(model.to_owned()));
        }
        return refuse("is no name of a model, such as \"english\", and no path");
    }
    match paths.absolute(Path::new(model), base).into_os_string().into_string() {
        Ok(path) => Ok(Some(path)),
        Err(_) => refuse("is a path that is no text"),
    }
}

/// A value that is in a range.
///
/// # Errors
/// Names the key and the range.
pub(super) fn within<T: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::of(
            key,
            format!("{value} is not between {} and {}", range.start(), range.end()),
        ))
    }
}

/// A time in seconds that is in a range.
///
/// # Errors
/// Names the key and the range.
pub(super) fn secs(
    key: &str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<Duration, ConfigError> {
    within(key, value, range).map(Duration::from_secs_f64)
}

/// A time of which 0 means "never"; at most ten years, so that no sum of times overflows.
fn optional_secs(key: &str, value: f64) -> Result<Option<Duration>, ConfigError> {
    let time = secs(key, value, 0.0..=315_360_000.0)?;
    Ok(Some(time).filter(|time| !time.is_zero()))
}

/// Megabytes, of which 0 means "no limit"; at most a petabyte. As bytes.
fn optional_mb(key: &str, value: f64) -> Result<Option<u64>, ConfigError> {
    let n_bytes = within(key, value, 0.0..=1e9)? * 1e6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    let n_bytes = n_bytes as u64;
    Ok(Some(n_bytes).filter(|n_bytes| *n_bytes > 0))
}
