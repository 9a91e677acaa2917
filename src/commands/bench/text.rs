//! Measures how long texts take to be made ready: ordinary ones, and such as somebody would write to hold up the others.

use std::time::Duration;

use super::Figure;
use crate::clock;
use crate::text::dictionary::Dictionary;
use crate::text::{Reading, Speaking, prepare};

/// What, repeated, would be slow if some step looked at a place more than a few times.
pub const HOSTILE: [&str; 39] = [
    "[", "](", "*a", "**", "_a_", "`", "<a ", "<!--", "![", "> ", "- ", "# ", "| a ", "&#x", "a=",
    "1,", "1,000", "1-", "!?", ":a", "a:1", "http://a", "a@b.", "a/", "1h", "ha", "(s", "\u{301}",
    "🎉", "#1 ", "#@", "O(", ")\"", "a.)", "1=", "(a)) ", "1st ", "1 N A ", "1900 or ",
];

/// As long as a line may be by default.
const LONG: usize = 64 * 1_024;

/// An ordinary line of a log.
const LINE: &str =
    "2026-11-25T12:03:44.123Z WARN [api] GET https://api.example.com/v1 took 3.2s (attempt 3/10)";

/// How long it takes to make a text ready.
pub fn time_of(text: &str) -> Duration {
    let (reading, dictionary) = (Reading::default(), Dictionary::default());
    let speaking = Speaking { voice: "rms", language: "en" };
    let begun = clock::now();
    let prepared = prepare(text, reading, speaking, &dictionary, 250, |_, _| ());
    drop(std::hint::black_box(prepared));
    clock::now().duration_since(begun)
}

/// The time of a hostile text by its length: the quickest of a few, for a machine with other work.
pub fn quickest(what: &str, n_bytes: usize) -> Duration {
    let text = what.repeat(n_bytes / what.len());
    (0..3).map(|_| time_of(&text)).min().unwrap_or_default()
}

/// All of it.
pub(super) fn run(n_rounds: usize) -> Vec<Figure> {
    let lines: Vec<_> = (0..n_rounds * 10).map(|_| time_of(LINE).as_secs_f64() * 1e6).collect();
    let rates = HOSTILE.map(|what| {
        let secs = quickest(what, LONG).as_secs_f64();
        secs * 1e9 / LONG as f64
    });
    let growth = HOSTILE.map(|what| {
        let (small, large) = (quickest(what, LONG / 8), quickest(what, LONG));
        large.as_secs_f64() / small.as_secs_f64() / 8.0
    });
    vec![
        Figure::of("a line of a log made ready", "µs", lines),
        Figure::of("64 KiB of a hostile text, a byte", "ns", rates.to_vec()),
        Figure::of("the same by its eighth (1 is linear)", "", growth.to_vec()),
    ]
}
