//! `speakerd explain`: what each step makes of a line, by the very code that would speak it.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::cli::Explain;
use crate::clock;
use crate::config::{Config, WatchConfig};
use crate::engine::registry::BUILTIN_VOICE;
use crate::paths::Paths;
use crate::text::dictionary::{Dictionary, DictionaryFile};
use crate::text::{Piece, Reading, Speaking, prepare};
use crate::watch::{places, words};

/// What becomes of a line.
#[derive(Debug, Default, Serialize)]
struct Explanation {
    /// What each step made of it, where it changed something.
    steps: Vec<Taken>,
    /// What is said, piece by piece; silence as its length in milliseconds.
    pieces: Vec<Said>,
    /// Why nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<String>,
}

#[derive(Debug, Serialize)]
struct Taken {
    step: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Words(String),
    PauseMs(u128),
}

/// Runs `speakerd explain`.
///
/// # Errors
/// Where the configuration is wrong, or nothing of that path is watched.
pub fn run(arguments: &Explain, paths: &Paths) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.as_deref(), paths, super::environment())?;
    let watch = match &arguments.watch {
        Some(path) => Some(watch_of(path, &config, paths)?),
        None => None,
    };
    let voice = arguments.voice.as_deref();
    let voice = voice.or_else(|| watch?.voice.as_deref()).unwrap_or(&config.engine.voice);
    let registry = config.registry(paths);
    registry.check_known(voice)?;
    // What is not installed would be spoken by the voice in the binary.
    let cast = registry.cast(voice).or_else(|_| registry.cast(BUILTIN_VOICE))?;
    let mut file = DictionaryFile::new(config.text.dictionary.clone());
    file.look(clock::now());
    if let Some(problem) = file.problem() {
        bail!("{problem}");
    }
    let speaking = Speaking { voice: &cast.voice, language: &cast.language };
    let explanation = explain(&arguments.line, speaking, watch, &config, file.current());
    if arguments.json {
        println!("{}", serde_json::to_string(&explanation)?);
    } else {
        show(&arguments.line, &explanation);
    }
    Ok(())
}

/// The watch that is about a file.
fn watch_of<'a>(path: &Path, config: &'a Config, paths: &Paths) -> anyhow::Result<&'a WatchConfig> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    let path = paths.absolute(path, &here);
    let about = |watch: &&WatchConfig| places::is_about(&watch.path, &path);
    let Some(watch) = config.watch.iter().find(about) else {
        let known: Vec<_> = config.watch.iter().map(|it| it.path.display().to_string()).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        bail!("`{}` is not watched by the configuration; watched: {known}", path.display());
    };
    Ok(watch)
}

fn explain(
    line: &str,
    speaking: Speaking<'_>,
    watch: Option<&WatchConfig>,
    config: &Config,
    dictionary: &Dictionary,
) -> Explanation {
    let mut explanation = Explanation::default();
    let mut text = line.to_owned();
    if let Some(watch) = watch {
        if !watch.filter.wants(line.as_bytes()) {
            explanation.dropped = Some("`include` and `exclude` do not want it".to_owned());
            return explanation;
        }
        match words::of_line(&watch.format, &watch.chat_template, line) {
            Ok(None) => {}
            Ok(Some(said)) => {
                text = said.to_string();
                explanation.steps.push(Taken { step: "format", text: text.clone() });
            }
            Err(reason) => {
                explanation.dropped = Some(reason);
                return explanation;
            }
        }
    }
    let reading: Reading = watch.map_or(config.text.reading, |watch| watch.reading);
    let max_chars = config.text.max_piece_chars;
    let prepared = prepare(&text, reading, speaking, dictionary, max_chars, |step, text| {
        explanation.steps.push(Taken { step: step.as_str(), text: text.to_owned() });
    });
    if prepared.words().is_none() {
        explanation.dropped = Some("nothing in it can be spoken".to_owned());
        return explanation;
    }
    explanation.pieces = prepared
        .pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Words(words) => Said::Words(words),
            Piece::Pause(pause) => Said::PauseMs(pause.as_millis()),
        })
        .collect();
    explanation
}

fn show(line: &str, explanation: &Explanation) {
    println!("{:<12}{line}", "line");
    for Taken { step, text } in &explanation.steps {
        println!("{step:<12}{text}");
    }
    if let Some(reason) = &explanation.dropped {
        println!("{:<12}{reason}", "dropped");
    }
    for piece in &explanation.pieces {
        match piece {
            Said::Words(words) => println!("{:<12}{words}", "spoken"),
            Said::PauseMs(ms) => println!("{:<12}{ms} ms", "silence"),
        }
    }
}
