//! Lines from real life, and what is said of them: would a person read them so?

use speakerd::commands::bench::text::{HOSTILE, quickest};
use speakerd::text::dictionary::Dictionary;
use speakerd::text::{Reading, Speaking, prepare};

const TABLE: &str = include_str!("../golden/reading.txt");

const ENGLISH: Speaking<'_> = Speaking { voice: "rms", language: "en" };

/// What is said of a line; `-` where that is nothing.
fn spoken(line: &str) -> String {
    let (reading, dictionary) = (Reading::default(), Dictionary::default());
    let prepared = prepare(line, reading, ENGLISH, &dictionary, 250, |_, _| ());
    prepared.words().unwrap_or_else(|| "-".to_owned())
}

/// Each line of the table with what is to be said of it, on the line below.
fn table() -> Vec<(&'static str, &'static str)> {
    let mut lines = TABLE.lines();
    std::iter::from_fn(|| {
        let line = lines.by_ref().find_map(|line| line.strip_prefix("> "))?;
        Some((line, lines.next()?))
    })
    .collect()
}

#[test]
fn lines_from_real_life_are_read_as_a_person_would_read_them() {
    let wrong: Vec<_> = table()
        .into_iter()
        .map(|(line, expected)| (line, expected, spoken(line)))
        .filter(|(_, expected, said)| expected != said)
        .map(|(line, expected, said)| format!("> {line}\n  expected {expected}\n  said     {said}"))
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(table().len() >= 200, "{}", table().len());
}

#[test]
fn what_was_made_ready_stays_as_it_is() {
    // A line that is said again goes through the same steps.
    let changed: Vec<_> = table()
        .into_iter()
        .filter(|(_, said)| *said != "-" && spoken(said) != *said)
        .map(|(_, said)| format!("{said} => {}", spoken(said)))
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn a_hostile_line_takes_time_in_proportion_to_its_length() {
    for what in HOSTILE {
        let (small, large) = (quickest(what, 2_048), quickest(what, 8 * 2_048));
        // Eight times as long; 64 times as slow where it is not so.
        assert!(large < 24 * small, "{what:?}: {small:?}, eight times as much {large:?}");
    }
}
