//! `speakerd model verify`: whether the files of an installed model are what they should be.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::manifest::{MANIFEST, Manifest, check};
use super::progress::size;
use crate::cli::Verify;
use crate::engine::pocket::catalogue;
use crate::engine::pocket::files::{HubCache, ModelFiles};
use crate::engine::pocket::model::PlainModel;
use crate::engine::pocket::shelf::{Shelf, predefined_in};
use crate::engine::pocket::voice::VoiceState;
use crate::paths::Paths;

/// Runs `speakerd model verify`.
///
/// # Errors
/// Where something is wrong.
pub fn run(arguments: &Verify, paths: &Paths) -> anyhow::Result<()> {
    let (name, shelf) = (&arguments.name, Shelf::new(paths.models_dir()));
    let is_here = |dir: &PathBuf| dir.join(MANIFEST).is_file() || shelf.is_installed(name);
    let Some(dir) = shelf.dir_of(name).filter(is_here) else {
        bail!("`{name}` is not installed; `speakerd model list` shows what is");
    };
    let manifest = Manifest::read(&dir)?;
    let mut wrong = Vec::new();
    let mut n_bytes = 0;
    for (file, entry) in manifest.iter().flat_map(|manifest| &manifest.files) {
        n_bytes += entry.n_bytes;
        if let Err(why) = check(&dir, file, entry) {
            wrong.push(format!("{file} {why}"));
        }
    }
    match ModelFiles::find(&dir, &HubCache::of_this_user()) {
        Err(error) => wrong.push(error.to_string()),
        // What adds up was looked into when it came; what was put here by hand never was.
        Ok(_) if manifest.is_some() => {}
        Ok(files) => wrong.extend(by_hand(&dir, files)),
    }
    if manifest.is_some() {
        wrong.extend(others(&dir, manifest.as_ref()));
    }
    for problem in &wrong {
        println!("WRONG {problem}");
    }
    let way_out = if manifest.is_some() && catalogue::find(name).is_some() {
        format!("`speakerd model pull {name}` gets it again")
    } else {
        "get it again".to_owned()
    };
    match (wrong.len(), &manifest) {
        (0, Some(manifest)) => {
            println!("`{name}` is whole: {} files, {}", manifest.files.len(), size(n_bytes));
            Ok(())
        }
        (0, None) => {
            println!("`{name}` was put here by hand; all of it can be loaded");
            Ok(())
        }
        (1, _) => bail!("something is wrong with `{name}`; {way_out}"),
        (n, _) => bail!("{n} things are wrong with `{name}`; {way_out}"),
    }
}

/// Loads everything, the voice encoder as well, and says what cannot be.
fn by_hand(dir: &Path, files: ModelFiles) -> Vec<String> {
    let transformer = files.config.flow_lm.transformer.clone();
    let mut wrong = Vec::new();
    if let Err(error) = PlainModel::on_processor(files) {
        wrong.push(error.to_string());
    }
    for voice in predefined_in(dir) {
        let file = dir.join(super::manifest::voice_file(&voice));
        if let Err(error) = VoiceState::read(&file, &transformer) {
            wrong.push(error.to_string());
        }
    }
    wrong
}

/// Voices that nobody knows where they are from, looked into all the same.
fn others(dir: &Path, manifest: Option<&Manifest>) -> Vec<String> {
    let known: Vec<&str> = manifest.iter().flat_map(|manifest| manifest.voices()).collect();
    let Ok(files) = ModelFiles::find(dir, &HubCache::of_this_user()) else { return Vec::new() };
    let by_hand = predefined_in(dir).into_iter().filter(|voice| !known.contains(&voice.as_str()));
    let read = by_hand.map(|voice| {
        let file = dir.join(super::manifest::voice_file(&voice));
        VoiceState::read(&file, &files.config.flow_lm.transformer)
    });
    read.filter_map(|read| read.err().map(|error| error.to_string())).collect()
}
