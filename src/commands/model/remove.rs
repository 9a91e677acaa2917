//! `speakerd model remove`.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::list::size_of;
use super::manifest::MANIFEST;
use super::progress::size;
use super::pull::lock;
use crate::cli::Remove;
use crate::engine::pocket::shelf::Shelf;
use crate::paths::Paths;

/// Runs `speakerd model remove`.
///
/// # Errors
/// Where there is no such model, nobody agrees, or it cannot be removed.
pub fn run(arguments: &Remove, paths: &Paths) -> anyhow::Result<()> {
    let (name, shelf) = (&arguments.name, Shelf::new(paths.models_dir()));
    let dir = shelf.dir_of(name).filter(|dir| dir.symlink_metadata().is_ok());
    let Some(dir) = dir else {
        bail!("`{name}` is not installed; `speakerd model list` shows what is");
    };
    let place = dir.display().to_string();
    if dir.is_symlink() {
        bail!("`{place}` is a link; remove it by hand");
    }
    if !is_model(&dir) {
        bail!("`{place}` is no model's directory; look at it, and remove it by hand");
    }
    let _lock = lock(&shelf, name)?;
    let size = size(size_of(&dir));
    if !arguments.yes && !agrees(&format!("Remove {place}, {size}? [y/N] "))? {
        bail!("nothing was removed");
    }
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove all of `{place}`"))?;
    println!("`{name}` is removed: {size}");
    Ok(())
}

/// Whether a model was put there, or was on its way.
fn is_model(dir: &Path) -> bool {
    let is_ours = |path: PathBuf| {
        path.extension().is_some_and(|it| it == "part")
            || path.file_name().is_some_and(|name| name == MANIFEST || name == "config.yaml")
    };
    let entries = std::fs::read_dir(dir).ok().into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(is_ours)
}

fn agrees(question: &str) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("say `--yes` where nobody can be asked");
    }
    let mut output = std::io::stderr().lock();
    output.write_all(question.as_bytes()).context("cannot ask")?;
    let mut answer = String::new();
    input.read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
