//! The documents are true: the default file, and what the README shows.

use std::collections::BTreeSet;

use clap::CommandFactory;
use speakerd::cli::Cli;
use speakerd::config::raw::{RawConfig, RawWatch};
use speakerd::config::{Config, DEFAULT_FILE};
use speakerd::paths::Paths;
use speakerd::text::dictionary::Dictionary;
use speakerd::text::emoji::Emoji;

const README: &str = include_str!("../../README.md");

fn paths() -> Paths {
    Paths {
        home: "/home/ann".into(),
        config_dir: "/c".into(),
        data_dir: "/d".into(),
        state_dir: "/s".into(),
        cache_dir: "/k".into(),
        runtime_dir: "/r".into(),
    }
}

/// Takes the comment sign off every line that is a key or a section.
pub(crate) fn uncommented() -> String {
    let is_setting = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_setting(rest) || rest == "[[watch]]" => rest,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_default_file_shows_every_key_at_its_default() {
    let as_it_is: RawConfig = toml::from_str(DEFAULT_FILE).unwrap();
    assert_eq!(as_it_is, RawConfig::default(), "everything is commented out");
    let mut shown: RawConfig = toml::from_str(&uncommented()).unwrap();
    let watch = shown.watch.remove(0);
    assert_eq!(shown, RawConfig::default());
    let default = RawWatch {
        voice: Some("rms".to_owned()),
        max_age_secs: Some(0.0),
        skip_steps: Some(Vec::new()),
        emoji: Some(Emoji::Drop),
        ..RawWatch::of("~/notes/*.txt".into())
    };
    assert_eq!(watch, default);
    // Every key that there is, is shown.
    let keys = |table: &toml::Table| -> BTreeSet<String> {
        let sections = table.iter().filter_map(|(name, value)| Some((name, value.as_table()?)));
        sections
            .flat_map(|(name, section)| section.keys().map(move |key| format!("{name}.{key}")))
            .collect()
    };
    let there_are = keys(&toml::Table::try_from(RawConfig::default()).unwrap());
    assert_eq!(keys(&toml::from_str(&uncommented()).unwrap()), there_are);
}

/// The blocks of the README in that language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_configuration_in_the_readme_is_valid() {
    let blocks = blocks("toml");
    assert!(!blocks.is_empty());
    let (dictionaries, configs): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| block.starts_with("[words]"));
    for block in dictionaries {
        Dictionary::parse(block).unwrap_or_else(|error| panic!("{block}\n{error}"));
    }
    // The voice that the README adds.
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("voices")).unwrap();
    std::fs::write(data.path().join("voices/nora.safetensors"), "").unwrap();
    let paths = Paths { data_dir: data.path().to_owned(), ..paths() };
    for block in configs {
        if block.contains("\"nora\"") && !cfg!(feature = "pocket") {
            continue;
        }
        let raw: RawConfig =
            toml::from_str(block).unwrap_or_else(|error| panic!("{block}\n{error}"));
        let _config: Config =
            raw.check(None, &paths).unwrap_or_else(|error| panic!("{block}\n{error}"));
    }
}

#[test]
fn every_command_in_the_readme_exists_and_every_command_is_in_it() {
    let mut shown = BTreeSet::new();
    for line in blocks("sh").into_iter().flat_map(str::lines) {
        let Some((_, command)) = line.split_once("speakerd ") else { continue };
        if line.contains("cargo") || line.contains("journalctl") || line.contains("git ") {
            continue;
        }
        let command = command.split(['#', '|', '>', '&']).next().unwrap_or_default();
        let words = shell_words(command);
        // The README is about the whole product.
        let begins_with = |commands: &[&str]| {
            words.first().is_some_and(|first| commands.contains(&first.as_str()))
        };
        let needs_pocket = begins_with(&["synth", "voice", "model"]);
        if (needs_pocket && cfg!(not(feature = "pocket")))
            || (begins_with(&["key"]) && cfg!(not(feature = "http")))
        {
            continue;
        }
        let parsed = Cli::command().no_binary_name(true).try_get_matches_from(&words);
        if let Err(error) = &parsed {
            assert!(!error.use_stderr(), "`{line}` in the README: {error}");
        }
        shown.extend(words.first().cloned());
    }
    assert!(shown.len() > 5, "{shown:?}");
    for command in Cli::command().get_subcommands().filter(|it| !it.is_hide_set()) {
        assert!(
            README.contains(command.get_name()),
            "`{}` is not in the README",
            command.get_name()
        );
    }
}

/// Splits as a shell does, as far as the README needs it.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.trim().chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
