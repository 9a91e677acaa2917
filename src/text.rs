//! From a line as it was written to pieces that an engine can speak: a row of steps, each of which a reader can follow
//! with `speakerd explain`.
//!
//! Pure, but for the dictionary, which reads its file. Knows nothing of engines, queues or configuration. Every step
//! takes time in proportion to the length of the text, whatever is in it.

pub mod codes;
pub mod controls;
pub mod dictionary;
pub mod emoji;
pub mod english;
pub mod links;
pub mod markdown;
pub mod pauses;
pub mod repeats;
pub mod split;
pub mod stamps;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use dictionary::Dictionary;
use emoji::Emoji;
use pauses::Part;

/// What is done to a text, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// What cannot be seen goes: control characters, colours of a terminal, marks of direction. Cannot be skipped.
    Controls,
    /// The date and time in front of a line of a log go.
    Stamps,
    /// Emoji are named, or go.
    Emoji,
    /// Markdown and HTML become the text that they show.
    Markdown,
    /// Links, mail addresses and paths are shortened to what a listener can use.
    Links,
    /// Hashes and identifiers are shortened.
    Codes,
    /// What is repeated for emphasis is said once or twice.
    Repeats,
    /// The user's own words for words.
    Dictionary,
    /// Numbers, dates, units, signs and abbreviations become English words; for English voices only.
    English,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Controls,
        Self::Stamps,
        Self::Emoji,
        Self::Markdown,
        Self::Links,
        Self::Codes,
        Self::Repeats,
        Self::Dictionary,
        Self::English,
    ];

    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Controls => "controls",
            Self::Stamps => "stamps",
            Self::Markdown => "markdown",
            Self::Links => "links",
            Self::Codes => "codes",
            Self::Emoji => "emoji",
            Self::Repeats => "repeats",
            Self::Dictionary => "dictionary",
            Self::English => "english",
        }
    }
}

/// How texts of one source are made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// One bit for each step that is not taken.
    skipped: u16,
    /// What becomes of emoji.
    pub emoji: Emoji,
}

impl Reading {
    /// Everything but these steps.
    pub fn without(steps: &[Step], emoji: Emoji) -> Self {
        let skipped = steps.iter().fold(0, |skipped, step| skipped | 1 << *step as u16);
        Self { skipped, emoji }
    }

    /// The same, but for what is said otherwise.
    #[must_use]
    pub fn changed(self, skip_steps: Option<&[Step]>, emoji: Option<Emoji>) -> Self {
        let emoji = emoji.unwrap_or(self.emoji);
        skip_steps.map_or(Self { emoji, ..self }, |steps| Self::without(steps, emoji))
    }

    /// Whether a step is taken.
    pub fn takes(self, step: Step) -> bool {
        step == Step::Controls || self.skipped & (1 << step as u16) == 0
    }
}

/// Who will speak, as far as text is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Speaking<'a> {
    /// The voice.
    pub voice: &'a str,
    /// Its language, as in BCP 47: `en`, `en-us`, `de`.
    pub language: &'a str,
}

impl Speaking<'_> {
    /// Whether English words can be put into the text.
    pub fn is_english(self) -> bool {
        let rest = self.language.strip_prefix("en");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '+']))
    }
}

/// A piece of a text that is ready to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words, never without a letter or a digit.
    Words(String),
    /// Silence.
    Pause(Duration),
}

/// A text that is ready to be spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// In order. Without words in them there is nothing to say.
    pub pieces: Vec<Piece>,
}

impl Prepared {
    /// What will be said; `None` where that is nothing.
    pub fn words(&self) -> Option<String> {
        let words = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Words(words) => Some(words.as_str()),
            Piece::Pause(_) => None,
        });
        Some(words.collect::<Vec<_>>().join(" ")).filter(|words| !words.is_empty())
    }
}

impl Prepared {
    /// How many characters there are, and how much silence.
    pub fn extent(&self) -> (usize, Duration) {
        self.pieces.iter().fold((0, Duration::ZERO), |(n_chars, pauses), piece| match piece {
            Piece::Words(words) => (n_chars + words.chars().count(), pauses),
            Piece::Pause(pause) => (n_chars, pauses + *pause),
        })
    }
}

/// Makes a text ready. `note` is told of each step that changed something, and what came of it.
pub fn prepare(
    text: &str,
    reading: Reading,
    speaking: Speaking<'_>,
    dictionary: &Dictionary,
    max_piece_chars: usize,
    mut note: impl FnMut(Step, &str),
) -> Prepared {
    let mut prepared = Prepared::default();
    for part in pauses::parts(text) {
        let text = match part {
            Part::Pause(pause) => {
                prepared.pieces.push(Piece::Pause(pause));
                continue;
            }
            Part::Text(text) => text,
        };
        let mut text = text.trim().to_owned();
        for step in Step::ALL.into_iter().filter(|step| reading.takes(*step)) {
            let changed = match step {
                Step::Controls => controls::strip(&text),
                Step::Stamps => stamps::without(&text),
                Step::Markdown => markdown::shown(&text),
                Step::Links => links::shorten(&text, speaking.is_english()),
                Step::Codes => codes::shorten(&text, speaking.is_english()),
                Step::Emoji => emoji::read(&text, reading.emoji, speaking.is_english()),
                Step::Repeats => repeats::fold(&text),
                Step::Dictionary => dictionary.replace(&text, speaking),
                Step::English if speaking.is_english() => english::words(&text),
                Step::English => continue,
            };
            if changed != text {
                note(step, &changed);
                text = changed;
            }
        }
        prepared.pieces.extend(split::pieces(&text, max_piece_chars).into_iter().map(Piece::Words));
    }
    prepared
}

#[cfg(test)]
mod tests;
