//! The house rules of `src/ARCHITECTURE.md`, held against every file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ARCHITECTURE: &str = include_str!("../../src/ARCHITECTURE.md");

/// The longest file, up to its tests.
const MAX_LINES: usize = 400;

/// The only files with `unsafe` in them.
const UNSAFE: [&str; 3] = ["daemon/heap.rs", "engine/builtin/ffi.rs", "nn/kernels.rs"];

/// The only files that may name a crate.
const CRATES: [(&str, &[&str]); 22] = [
    ("rodio", &["playback/device.rs"]),
    ("cpal", &["playback/device.rs"]),
    // The daemon has a file of that name.
    ("notify", &["watch/hints.rs", "daemon.rs"]),
    ("rubato", &["dsp/resample.rs"]),
    ("hound", &["playback/wav.rs", "commands/synth.rs", "encode/linear.rs"]),
    ("mp3lame_encoder", &["encode/mp3.rs"]),
    ("opus", &["encode/opus.rs"]),
    ("ogg", &["encode/opus.rs"]),
    ("flac_codec", &["encode/flac.rs"]),
    ("clap", &["cli", "main.rs"]),
    ("candle_core", &["nn", "engine"]),
    ("candle_nn", &["nn", "engine"]),
    ("symphonia", &["voice/recording.rs"]),
    ("tokenizers", &["engine/pocket/tokenizer.rs", "engine/pocket/tokenizer/sentencepiece.rs"]),
    // The only ways out to the network.
    (
        "ureq",
        &[
            "commands/model/answer.rs",
            "commands/model/error.rs",
            "commands/model/token.rs",
            "engine/remote/line.rs",
        ],
    ),
    ("backon", &["commands/model/download.rs", "engine/remote/speaking.rs"]),
    ("sha1", &["commands/model/checksum.rs"]),
    ("sha2", &["commands/model/checksum.rs", "http/keys.rs", "http/cache.rs", "voice/desk.rs"]),
    ("indicatif", &["commands/model/progress.rs", "commands/synth.rs", "commands/voice/show.rs"]),
    ("metrics", &["telemetry.rs"]),
    ("metrics_exporter_prometheus", &["telemetry.rs"]),
    ("anyhow", &["main", "daemon", "client", "commands"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each file's name below `src`, and its text.
fn files() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files_below(&root(), &mut paths);
    assert!(paths.len() > 50, "found only {}", paths.len());
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn room_of(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs")
}

/// The part of a file in front of its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The rooms of ours that a file names, whether through `use` or in passing.
fn rooms_named(text: &str, all: &BTreeSet<String>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (idx, _) in text.match_indices("crate::") {
        let rest = &text[idx + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split("};").next().unwrap_or_default();
            named.extend(list.split(',').map(|item| first_word(item.trim())));
        } else {
            named.insert(first_word(rest));
        }
    }
    named.intersection(all).cloned().collect()
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

/// The table of the architecture document: each room, and the rooms it may know.
fn table() -> Vec<(String, Option<BTreeSet<String>>)> {
    let rows = ARCHITECTURE.lines().skip_while(|line| !line.starts_with("| room ")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let may_know = match cells[2] {
                "everything" => None,
                "nothing" => Some(BTreeSet::new()),
                list => Some(list.split(", ").map(str::to_owned).collect()),
            };
            (cells[1].trim_matches('`').to_owned(), may_know)
        })
        .collect()
}

#[test]
fn every_room_knows_only_what_the_table_allows() {
    let table = table();
    let all: BTreeSet<String> = table.iter().map(|(room, _)| room.clone()).collect();
    assert!(all.len() > 15, "the table was not found");
    for (name, text) in files() {
        let room = room_of(&name);
        if room == "lib" || room == "main" || is_test_file(&name) {
            continue;
        }
        let row = table.iter().find(|(known, _)| known == room);
        let Some((_, may_know)) = row else { panic!("`{room}` has no row in ARCHITECTURE.md") };
        let Some(may_know) = may_know else { continue };
        let named = rooms_named(code(&text), &all);
        let forbidden: Vec<_> =
            named.iter().filter(|named| *named != room && !may_know.contains(*named)).collect();
        assert!(forbidden.is_empty(), "{name} knows {forbidden:?}, {room} may know {may_know:?}");
    }
}

#[test]
fn the_table_has_no_row_without_a_room() {
    for (room, _) in table() {
        assert!(root().join(format!("{room}.rs")).exists(), "there is no room `{room}`");
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    for (name, text) in files() {
        let opening = text.lines().next().unwrap_or_default();
        let is_documented = opening.starts_with("//!") || name == "lib.rs" || is_test_file(&name);
        assert!(is_documented, "{name} does not say what it is");
        let n_lines = code(&text).lines().count();
        assert!(n_lines <= MAX_LINES, "{name} has {n_lines} lines: split it by noun");
        assert!(!name.ends_with("mod.rs"), "{name}: use the name of the room");
    }
}

#[test]
fn unsafe_code_and_foreign_crates_stay_where_they_belong() {
    for (name, text) in files().into_iter().filter(|(name, _)| !is_test_file(name)) {
        let code: String = code(&text)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        let is_unsafe = code.contains("unsafe {")
            || code.contains("unsafe extern")
            || code.contains("unsafe fn");
        assert!(!is_unsafe || UNSAFE.contains(&name.as_str()), "{name} has unsafe code");
        for (foreign, allowed) in CRATES {
            let is_named = code.match_indices(&format!("{foreign}::")).any(|(idx, _)| {
                // A path that begins with it: neither `sd_notify::` nor `crate::notify::`.
                code[..idx].chars().last().is_none_or(|before| {
                    !before.is_alphanumeric() && before != '_' && before != ':'
                }) && !code[..idx].ends_with("::")
            });
            let is_allowed =
                allowed.iter().any(|allowed| name == *allowed || room_of(&name) == *allowed);
            assert!(!is_named || is_allowed, "{name} names {foreign}");
        }
        let knows_tokio = code.contains("tokio::");
        let may_know_tokio = ["control", "daemon", "http", "status", "history", "speech/stream"]
            .iter()
            .any(|room| name == format!("{room}.rs") || name.starts_with(&format!("{room}/")));
        assert!(!knows_tokio || may_know_tokio, "{name} knows tokio, which is for the rim");
    }
}
