//! Each subcommand, from the parsed command line to an exit code.
//!
//! Those that ask a running daemon are in `client`; the others are here and below.

pub mod bench;
pub mod config;
pub mod doctor;
pub mod engine_worker;
pub mod explain;
pub mod help;
pub mod install;
#[cfg(feature = "http")]
pub mod key;
#[cfg(feature = "pocket")]
pub mod model;
#[cfg(feature = "pocket")]
pub mod synth;
#[cfg(feature = "pocket")]
pub mod voice;

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::{Cli, Command, Run};
use crate::config::raw::RawWatch;
use crate::config::{Config, ConfigError};
use crate::control::client::ClientError;
use crate::control::protocol::RefusalCode;
use crate::paths::Paths;
use crate::{client, daemon};

/// Exit codes, for scripts. The help text lists them.
mod exit {
    pub(super) const FAILED: u8 = 1;
    pub(super) const NO_DAEMON: u8 = 3;
    pub(super) const REFUSED: u8 = 4;
    pub(super) const TIMED_OUT: u8 = 5;
    pub(super) const NOT_SPOKEN: u8 = 6;
    /// `EX_TEMPFAIL` of sysexits.h.
    pub(super) const QUEUE_FULL: u8 = 75;
    /// `EX_CONFIG` of sysexits.h.
    pub(super) const CONFIG: u8 = 78;
}

/// Runs a command; prints what goes wrong, once.
pub fn dispatch(cli: Cli) -> ExitCode {
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the answer has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            // Nobody reads it: then nobody can be told.
            drop(std::io::Write::write_all(
                &mut stderr,
                format!("speakerd: {error:#}\n").as_bytes(),
            ));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let paths = Paths::of_this_user()?;
    match command {
        Command::Run(arguments) => run_daemon(&arguments, paths),
        Command::Config(command) => config::run(&command, &paths),
        Command::Doctor(arguments) => doctor::run(&arguments, &paths),
        Command::Completions(arguments) => help::completions(&arguments),
        Command::Man => help::man(),
        Command::Explain(arguments) => explain::run(&arguments, &paths),
        #[cfg(feature = "pocket")]
        Command::Synth(arguments) => synth::run(&arguments, &paths),
        #[cfg(feature = "pocket")]
        Command::Voice(command) => voice::run(command, &paths),
        #[cfg(feature = "pocket")]
        Command::Model(command) => model::run(&command, &paths),
        #[cfg(feature = "http")]
        Command::Key(command) => key::run(&command, &paths),
        Command::Install(arguments) => install::install(&arguments, &paths),
        Command::Uninstall => install::uninstall(&paths),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::EngineWorker(arguments) => engine_worker::run(&arguments),
        asking => client::run(asking, &paths),
    }
}

fn run_daemon(arguments: &Run, paths: Paths) -> anyhow::Result<()> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    let (file, files, places) = (arguments.config.clone(), arguments.watch.clone(), paths.clone());
    let load = move || {
        let mut config = Config::load(file.as_deref(), &places, environment())?;
        for path in &files {
            let raw = RawWatch::of(path.clone());
            let registry = config.registry(&places);
            let known = |voice: &str| registry.check_known(voice).map_err(|it| it.to_string());
            config.watch.push(raw.check(&places, &here, config.text.reading, &known)?);
        }
        Ok(config)
    };
    daemon::run(paths, Box::new(load))
}

/// The environment as far as it is text; what is not cannot be a setting of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let written = error.downcast_ref::<std::io::Error>();
    written.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        return exit::CONFIG;
    }
    if error.is::<client::NotSpoken>() {
        return exit::NOT_SPOKEN;
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NotRunning(_)) => exit::NO_DAEMON,
        Some(ClientError::Refused(refusal)) => match refusal.code {
            RefusalCode::QueueFull => exit::QUEUE_FULL,
            RefusalCode::TimedOut => exit::TIMED_OUT,
            RefusalCode::BadConfig => exit::CONFIG,
            RefusalCode::BadRequest
            | RefusalCode::Busy
            | RefusalCode::NothingToSkip
            | RefusalCode::NothingToReplay
            | RefusalCode::UnknownVoice
            | RefusalCode::BadVoice
            | RefusalCode::UnknownSource
            | RefusalCode::CannotWatch
            | RefusalCode::Stopping
            | RefusalCode::TooSlow
            | RefusalCode::TooManyClients => exit::REFUSED,
        },
        Some(
            ClientError::OtherVersion { .. } | ClientError::NotOurs(_) | ClientError::Broken(_),
        )
        | None => exit::FAILED,
    }
}
