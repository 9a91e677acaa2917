//! Parses the command line, dispatches, and turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    speakerd::commands::dispatch(speakerd::cli::Cli::parse())
}
