//! One `[[watch]]`: what is read, how far back, what of it, and how it is spoken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Filter;
use crate::speech::Lane;
use crate::text::Reading;

/// A file, or all files that a pattern matches.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchConfig {
    /// An absolute path; `*`, `?` and `[…]` make it a pattern.
    pub path: PathBuf,
    /// The voice; `None` for the default one.
    pub voice: Option<Arc<str>>,
    /// Where reading begins.
    pub start: Start,
    /// What happens to a text that is no longer the one that was read.
    pub on_rewrite: OnRewrite,
    /// What happens to lines that came while the daemon was down.
    pub backlog: CatchUp,
    /// After how long a last line without its end is spoken all the same; `None` for never.
    pub hold_partial: Option<Duration>,
    /// Which lines are wanted.
    pub filter: Arc<Filter>,
    /// What of a line is said.
    pub format: Format,
    /// How a chat line is said: `{name}` and `{text}` in a sentence.
    pub chat_template: Arc<str>,
    /// How its text is made ready for speech.
    pub reading: Reading,
    /// Whether equal neighbours are told in one.
    pub fold: bool,
    /// What happens when more lines wait than may.
    pub overflow: Overflow,
    /// How many may wait, where `overflow` drops.
    pub max_waiting: usize,
    /// How long a line may wait: `None` for as long as all others, `Some(None)` for ever.
    pub max_age: Option<Option<Duration>>,
    /// How many lines of one minute are said; `None` for all.
    pub max_lines_per_minute: Option<usize>,
    /// How long its voice stays loaded after a line, where that is more than the usual time.
    pub keep_loaded: Option<Duration>,
    /// In which lane its lines wait.
    pub priority: Lane,
    /// Speed, as a factor on `engine.rate`.
    pub rate: f32,
    /// Pitch, as a factor.
    pub pitch: f32,
    /// Loudness, as a factor.
    pub volume: f32,
}

/// Where reading of a file begins when the daemon starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Where it was left; a file never seen before, at its end.
    #[default]
    Resume,
    /// At its end, always: what came while the daemon was down is passed over.
    End,
    /// Where it was left; a file never seen before, at its beginning.
    Beginning,
}

/// What happens to a text that is no longer the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRewrite {
    /// It is read from its beginning.
    #[default]
    Beginning,
    /// Only what is appended from then on is read.
    End,
}

/// What happens to lines that came while the daemon was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// They are read.
    #[default]
    Read,
    /// They are passed over.
    Skip,
    /// Their number is said, and they are passed over.
    Announce,
}

/// What happens when more lines of a file wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// They wait in the file, however many.
    #[default]
    Wait,
    /// The oldest that wait are passed over.
    DropOldest,
    /// What comes while so many wait is passed over.
    DropNewest,
}

/// What of a line is said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Format {
    /// All of it.
    #[default]
    Plain,
    /// It is a message in a chat: who says what.
    Chat,
    /// It is a JSON object: a field of it, found along this path.
    Json(Vec<String>),
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix("json:")) {
            ("plain", _) => Ok(Self::Plain),
            ("chat", _) => Ok(Self::Chat),
            (_, Some(field)) if field.split('.').all(|name| !name.is_empty()) => {
                Ok(Self::Json(field.split('.').map(str::to_owned).collect()))
            }
            _ => Err(format!(
                "`{text}` is not `plain`, `chat` or `json:FIELD`, as in `json:message` or `json:event.text`"
            )),
        }
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        match format {
            Format::Plain => "plain".to_owned(),
            Format::Chat => "chat".to_owned(),
            Format::Json(field) => format!("json:{}", field.join(".")),
        }
    }
}
