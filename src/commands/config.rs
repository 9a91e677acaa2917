//! `speakerd config`: where the configuration is, whether it is right, and what could be in it.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::path::Path;

use crate::cli::Config as Command;
use crate::config::{Config, DEFAULT_FILE};
use crate::paths::Paths;

/// Runs `speakerd config …`.
///
/// # Errors
/// Where the file is wrong.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<()> {
    match command {
        Command::Path => println!("{}", paths.config_file().display()),
        Command::Default => print!("{DEFAULT_FILE}"),
        Command::Check { file } => check(file.as_deref(), paths)?,
    }
    Ok(())
}

fn check(file: Option<&Path>, paths: &Paths) -> anyhow::Result<()> {
    let config = Config::load(file, paths, super::environment())?;
    match &config.file {
        Some(file) => {
            let watched = plural(config.watch.len(), "path is", "paths are");
            println!("{} is right; {watched} watched", file.display());
        }
        None => {
            println!("there is no `{}`; the defaults are in force", paths.config_file().display());
        }
    }
    Ok(())
}

fn plural(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
