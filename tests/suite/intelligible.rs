//! Can it be understood? A real recogniser listens to what the whole daemon wrote.

#![cfg(feature = "builtin")]

use std::process::Command;

use crate::support::program::Home;
use crate::support::shared;

/// Flite's voices measure 0.16 to 0.24 on these sentences.
const MAX_WORD_ERROR_RATE: f64 = 0.30;

#[test]
fn a_recogniser_understands_the_default_voice() {
    let (Some(judge), Some(sentences), Some(python), Some(_)) = (
        shared::tool("wer.py"),
        shared::tool("sentences.txt"),
        shared::recogniser(),
        shared::program("sox", "sox"),
    ) else {
        return;
    };
    let home = Home::new(
        "[audio]\noutput = \"wav\"\nwav_dir = \"$HOME/wav\"\nnull_speed = 0.0\n[[watch]]\npath = \"$HOME/a.txt\"\n",
    );
    home.append("a.txt", "");
    let _daemon = home.start();
    home.append("a.txt", &std::fs::read_to_string(&sentences).unwrap());
    home.ok(&["wait-idle", "--timeout", "60"]);
    let mut recordings: Vec<_> =
        std::fs::read_dir(home.path("wav")).unwrap().map(|entry| entry.unwrap().path()).collect();
    recordings.sort();
    let output = Command::new(python).arg(judge).arg(sentences).args(recordings).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<_> = said.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(words.first(), Some(&"WER"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rate: f64 = words[1].parse().unwrap();
    assert!(rate <= MAX_WORD_ERROR_RATE, "{said}");
}
