//! `[[watch]]` as it is typed, and as `speakerd watch add` sends it.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::super::{CatchUp, Format, OnRewrite, Overflow, Start};
use crate::speech::Lane;
use crate::text::Step;
use crate::text::emoji::Emoji;

/// A file or a pattern, and how it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawWatch {
    pub path: PathBuf,
    #[serde(default, skip_serializing_if = "is_default")]
    pub voice: Option<String>,
    #[serde(default)]
    pub start: Start,
    #[serde(default)]
    pub on_rewrite: OnRewrite,
    #[serde(default, skip_serializing_if = "is_default")]
    pub backlog: CatchUp,
    #[serde(default, skip_serializing_if = "is_default")]
    pub hold_partial_ms: u64,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "one_or_many")]
    pub include: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "one_or_many")]
    pub exclude: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: Format,
    #[serde(default = "chat_template", skip_serializing_if = "is_chat_template")]
    pub chat_template: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip_steps: Option<Vec<Step>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub emoji: Option<Emoji>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub fold: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub overflow: Overflow,
    #[serde(default = "max_waiting", skip_serializing_if = "is_max_waiting")]
    pub max_waiting: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_age_secs: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_lines_per_minute: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep_loaded_secs: f64,
    #[serde(default)]
    pub priority: Lane,
    #[serde(default = "one")]
    pub rate: f32,
    #[serde(default = "one")]
    pub pitch: f32,
    #[serde(default = "one")]
    pub volume: f32,
}

impl RawWatch {
    /// A watch of that path with everything else at its default.
    pub fn of(path: PathBuf) -> Self {
        Self {
            path,
            voice: None,
            start: Start::default(),
            on_rewrite: OnRewrite::default(),
            backlog: CatchUp::default(),
            hold_partial_ms: 0,
            include: Vec::new(),
            exclude: Vec::new(),
            format: Format::default(),
            chat_template: chat_template(),
            skip_steps: None,
            emoji: None,
            fold: false,
            overflow: Overflow::default(),
            max_waiting: max_waiting(),
            max_age_secs: None,
            max_lines_per_minute: 0,
            keep_loaded_secs: 0.0,
            priority: Lane::default(),
            rate: 1.0,
            pitch: 1.0,
            volume: 1.0,
        }
    }
}

fn chat_template() -> String {
    "{name} says {text}".to_owned()
}

fn is_chat_template(value: &String) -> bool {
    *value == chat_template()
}

fn one() -> f32 {
    1.0
}

/// What a person may care to hear later, and no more than a few minutes of it.
fn max_waiting() -> usize {
    20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_max_waiting(value: &usize) -> bool {
    *value == max_waiting()
}

/// What is at its default is not sent: an older daemon need not know it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One pattern may stand without brackets.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a pattern or a list of patterns")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(pattern) => vec![pattern],
        OneOrMany::Many(patterns) => patterns,
    })
}
