//! `speakerd model list`: what is installed, and what could be.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::path::Path;

use serde::Serialize;

use super::progress::size;
use crate::cli::Json;
use crate::config::Config;
use crate::engine::pocket::catalogue;
use crate::engine::pocket::fast::inspection::can_clone;
use crate::engine::pocket::shelf::{Shelf, predefined_in};
use crate::engine::registry::{AUTO, Places, Registry};
use crate::paths::Paths;

/// A model's directory has fewer files.
const MAX_FILES: usize = 4_096;

#[derive(Debug, Serialize)]
struct Models {
    installed: Vec<Installed>,
    available: Vec<Available>,
}

#[derive(Debug, Serialize)]
struct Installed {
    name: String,
    language: &'static str,
    size_bytes: u64,
    voices: Vec<String>,
    /// `None` where it cannot be told.
    can_clone: Option<bool>,
    /// Whether it speaks where no voice is named.
    auto: bool,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Available {
    name: &'static str,
    language: &'static str,
    language_name: &'static str,
    variant: &'static str,
    default_voice: &'static str,
}

/// Runs `speakerd model list`.
///
/// # Errors
/// Where the configuration is wrong.
pub fn run(arguments: &Json, paths: &Paths) -> anyhow::Result<()> {
    let config = Config::load(None, paths, crate::commands::environment())?;
    let places = Places::below(&paths.data_dir);
    let shelf = Shelf::new(places.models.clone());
    let auto = Registry::new(places, config.engine.choice).cast(AUTO);
    let auto = auto.ok().and_then(|cast| cast.engine.model);
    let names = shelf.installed();
    let available =
        catalogue::models().iter().filter(|it| !names.iter().any(|name| name == it.name()));
    let models = Models {
        available: available
            .map(|model| Available {
                name: model.name(),
                language: model.language(),
                language_name: model.language_name(),
                variant: model.variant(),
                default_voice: model.default_voice(),
            })
            .collect(),
        installed: names.into_iter().map(|it| installed(&shelf, it, auto.as_deref())).collect(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&models)?);
        return Ok(());
    }
    show(&models);
    Ok(())
}

fn installed(shelf: &Shelf, name: String, auto: Option<&str>) -> Installed {
    let dir = shelf.dir_of(&name).unwrap_or_default();
    let files = shelf.files(&name).map_err(|error| error.to_string());
    let clones = files.and_then(|files| can_clone(&files).map_err(|error| error.to_string()));
    Installed {
        language: catalogue::language_of(&name),
        size_bytes: size_of(&dir),
        voices: predefined_in(&dir),
        can_clone: clones.as_ref().ok().copied(),
        auto: auto == Some(name.as_str()),
        problem: clones.err(),
        name,
    }
}

/// What the files in a model's directory take.
pub(super) fn size_of(dir: &Path) -> u64 {
    let files = |dir: &Path| {
        let entries = std::fs::read_dir(dir).ok().into_iter().flatten().flatten().take(MAX_FILES);
        let files =
            entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file);
        files.map(|file| file.len()).sum::<u64>()
    };
    files(dir) + files(&dir.join("voices"))
}

fn show(models: &Models) {
    if models.installed.is_empty() {
        println!("no model is installed");
    } else {
        println!("installed:");
    }
    for model in &models.installed {
        let n_voices = match model.voices.len() {
            1 => "1 voice".to_owned(),
            n => format!("{n} voices"),
        };
        let clones = match model.can_clone {
            Some(true) => "clones",
            Some(false) => "does not clone",
            None => "cannot be used",
        };
        let auto = if model.auto { ", speaks where no voice is named" } else { "" };
        let size = size(model.size_bytes);
        println!("  {:<26}{}  {size}, {n_voices}, {clones}{auto}", model.name, model.language);
        if let Some(problem) = &model.problem {
            println!("  {:<28}=> {problem}", "");
        }
    }
    println!(
        "\nto be had with `speakerd model pull NAME`, the best for an ordinary processor first:"
    );
    for model in &models.available {
        println!(
            "  {:<26}{}  {}, {}",
            model.name, model.language, model.language_name, model.variant
        );
    }
}
