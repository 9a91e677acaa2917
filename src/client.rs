//! The subcommands that ask a running daemon: one request, its answer printed.

mod live;
pub mod show;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::after;

use crate::cli::{self, Command};
use crate::config::raw::RawWatch;
use crate::config::{Format, Overflow, Start};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{
    Clear, HistoryRequest, Load, RefusalCode, Replay, Request, Response, Say, WaitIdle,
    WatchRequest,
};
use crate::paths::Paths;
use crate::speech::{Lane, Outcome};
use crate::status::Status;

/// How long `say -` waits before it tries a full queue again: the pipe is its backlog.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// What was said with `--wait` was not spoken.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", .0.as_str(), .1.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
pub struct NotSpoken(Outcome, Option<String>);

/// Runs one of the commands that need a daemon.
///
/// # Errors
/// Where none runs, it refuses, or what was to be spoken was not.
pub fn run(command: Command, paths: &Paths) -> anyhow::Result<()> {
    let socket = paths.socket();
    match command {
        Command::Say(say) => self::say(say, &socket),
        Command::History(history) => self::history(&history, &socket),
        Command::Subscribe => subscribe(&socket),
        Command::Version(json) => version(&json, &socket),
        Command::Status(cli::Status { watch: true, .. }) => live::run(&socket),
        Command::Status(cli::Status { json, .. }) => {
            let Response::Status(status) = ask(&socket, &Request::Status)? else {
                return unexpected();
            };
            if json { print_json(&*status) } else { print(&show::status(&status)) }
        }
        Command::Queue(cli::Json { json }) => {
            let Response::Queue(waiting) = ask(&socket, &Request::Queue)? else {
                return unexpected();
            };
            if json { print_json(&waiting) } else { print(&show::queue(&waiting)) }
        }
        Command::Volume(cli::Volume { volume: None }) => {
            let Response::Status(status) = ask(&socket, &Request::Status)? else {
                return unexpected();
            };
            print(&format!("{}\n", status.playback.volume))
        }
        Command::Watch(watch) => self::watch(watch, &socket),
        Command::Skip => done(&socket, &Request::Skip),
        Command::Clear(cli::Clear { source }) => done(
            &socket,
            &Request::Clear(Clear {
                source: source.map(|source| source_name(&source)).transpose()?,
            }),
        ),
        Command::Pause => done(&socket, &Request::Pause),
        Command::Resume => done(&socket, &Request::Resume),
        Command::Mute => done(&socket, &Request::Mute),
        Command::Unmute => done(&socket, &Request::Unmute),
        Command::Volume(cli::Volume { volume: Some(volume) }) => {
            done(&socket, &Request::Volume(volume))
        }
        Command::Replay(cli::Replay { n }) => done(&socket, &Request::Replay(Replay { n })),
        Command::Load(cli::Load { voice }) => done(&socket, &Request::Load(Load { voice })),
        Command::Unload => done(&socket, &Request::Unload),
        Command::WaitIdle(cli::WaitIdle { timeout }) => {
            done(&socket, &Request::WaitIdle(WaitIdle { timeout_secs: timeout }))
        }
        Command::Shutdown => done(&socket, &Request::Shutdown),
        Command::Reload => {
            let Response::Reloaded { needs_restart } = ask(&socket, &Request::Reload)? else {
                return unexpected();
            };
            match needs_restart.as_slice() {
                [] => Ok(()),
                keys => print(&format!("from the next start on: {}\n", keys.join(", "))),
            }
        }
        Command::Run(_)
        | Command::Config(_)
        | Command::Install(_)
        | Command::Uninstall
        | Command::Explain(_)
        | Command::Doctor(_)
        | Command::Completions(_)
        | Command::Man
        | Command::EngineWorker(_)
        | Command::Bench(_) => {
            anyhow::bail!("this command asks no daemon")
        }
        #[cfg(feature = "http")]
        Command::Key(_) => anyhow::bail!("this command asks no daemon"),
        #[cfg(feature = "pocket")]
        Command::Synth(_) | Command::Voice(_) | Command::Model(_) => {
            anyhow::bail!("this command asks no daemon")
        }
    }
}

fn ask(socket: &Path, request: &Request) -> Result<Response, ClientError> {
    Client::connect(socket)?.ask(request)
}

/// Asks for something whose success needs no words.
fn done(socket: &Path, request: &Request) -> anyhow::Result<()> {
    ask(socket, request)?;
    Ok(())
}

fn unexpected() -> anyhow::Result<()> {
    anyhow::bail!("the daemon answered something else than was asked; restart it after an update")
}

fn say(say: cli::Say, socket: &Path) -> anyhow::Result<()> {
    let cli::Say { voice, priority, interrupt, wait, rate, text } = say;
    let request = |text: String| {
        let (voice, priority) = (voice.clone(), lane(priority));
        Request::Say(Say { text, voice, priority, interrupt, wait, rate })
    };
    if text != ["-"] {
        return spoken(ask(socket, &request(text.join(" ")))?);
    }
    // Bytes, not text: a pipe may carry anything, and one odd line must not end it.
    let mut input = std::io::stdin().lock();
    let (mut line, mut last_error) = (Vec::new(), None);
    while input.read_until(b'\n', &mut line).context("cannot read standard input")? > 0 {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        line.clear();
        if text.is_empty() {
            continue;
        }
        // A connection for each line: a pipe may be silent for hours, and the daemon may be another one by then.
        if let Err(error) = say_when_there_is_room(socket, &request(text)) {
            let is_about_the_line = error.is::<NotSpoken>()
                || matches!(error.downcast_ref(), Some(ClientError::Refused(_)));
            if !is_about_the_line {
                return Err(error);
            }
            tell(&format!("speakerd: {error:#}\n"));
            last_error = Some(error);
        }
    }
    last_error.map_or(Ok(()), Err)
}

fn say_when_there_is_room(socket: &Path, request: &Request) -> anyhow::Result<()> {
    loop {
        match ask(socket, request) {
            Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::QueueFull => {
                let _waited = after(FULL_PAUSE).recv();
            }
            response => return spoken(response?),
        }
    }
}

/// Says something to whoever watches the terminal.
fn tell(message: &str) {
    // Nobody reads it: then nobody can be told.
    drop(std::io::stderr().lock().write_all(message.as_bytes()));
}

fn spoken(response: Response) -> anyhow::Result<()> {
    match response {
        Response::Ended { outcome, reason, .. } if outcome != Outcome::Spoken => {
            Err(NotSpoken(outcome, reason).into())
        }
        Response::Ended { .. } | Response::Queued { .. } => Ok(()),
        _ => unexpected(),
    }
}

fn history(arguments: &cli::History, socket: &Path) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    client.send(&Request::History(HistoryRequest { follow: arguments.follow }))?;
    while let Some(response) = client.next_reply()? {
        match response {
            Response::Entry(entry) if arguments.json => print_json(&*entry)?,
            Response::Entry(entry) => print(&show::entry(&entry))?,
            Response::Handled => break,
            _ => return unexpected(),
        }
    }
    Ok(())
}

fn subscribe(socket: &Path) -> anyhow::Result<()> {
    let mut client = Client::connect(socket)?;
    client.send(&Request::Subscribe)?;
    while let Some(response) = client.next_reply()? {
        let Response::Status(status) = response else { return unexpected() };
        print_json::<Status>(&status)?;
    }
    Ok(())
}

fn version(arguments: &cli::Json, socket: &Path) -> anyhow::Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = match ask(socket, &Request::Version) {
        Ok(Response::Version { version, .. }) => Some(version),
        Ok(_) | Err(ClientError::NotRunning(_)) => None,
        Err(ClientError::OtherVersion { theirs, .. }) => Some(theirs),
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        return print_json(&serde_json::json!({ "program": ours, "daemon": theirs }));
    }
    match theirs {
        None => print(&format!("speakerd {ours}; no daemon is running\n")),
        Some(theirs) if theirs == ours => {
            print(&format!("speakerd {ours}, and the daemon as well\n"))
        }
        Some(theirs) => print(&format!("speakerd {ours}; the daemon is {theirs}: restart it\n")),
    }
}

fn watch(watch: cli::Watch, socket: &Path) -> anyhow::Result<()> {
    match watch {
        cli::Watch::Add(arguments) => {
            let cli::WatchAdd { path, voice, start, priority, rate, pitch, volume, .. } = arguments;
            let cli::WatchAdd { include, exclude, format, fold, newest, .. } = arguments;
            let format = Format::try_from(format).map_err(anyhow::Error::msg)?;
            let start = match start {
                cli::Start::Resume => Start::Resume,
                cli::Start::End => Start::End,
                cli::Start::Beginning => Start::Beginning,
            };
            let defaults = RawWatch::of(absolute(path)?);
            let raw = RawWatch {
                voice,
                start,
                include,
                exclude,
                format,
                fold,
                overflow: if newest.is_some() { Overflow::DropOldest } else { Overflow::Wait },
                max_waiting: newest.unwrap_or(defaults.max_waiting),
                priority: lane(priority),
                rate,
                pitch,
                volume,
                ..defaults
            };
            let shown = raw.path.display().to_string();
            let response = ask(socket, &Request::Watch(WatchRequest::Add(Box::new(raw))))?;
            if response == Response::Files(Vec::new()) {
                return print(&format!("watching {shown}, which no file matches yet\n"));
            }
            files(response, "watching")
        }
        cli::Watch::Remove { path } => {
            let request = WatchRequest::Remove { path: absolute(path)? };
            files(ask(socket, &Request::Watch(request))?, "no longer watching")
        }
        cli::Watch::List(cli::Json { json }) => {
            let Response::Status(status) = ask(socket, &Request::Status)? else {
                return unexpected();
            };
            if json { print_json(&status.watch.files) } else { print(&show::files(&status.watch)) }
        }
    }
}

fn files(response: Response, what: &str) -> anyhow::Result<()> {
    let Response::Files(files) = response else { return unexpected() };
    let lines = files.iter().fold(String::new(), |lines, path| lines + what + " " + path + "\n");
    print(&lines)
}

/// Relative to where the command is typed; `~` that a shell left alone is the daemon's business.
fn absolute(path: PathBuf) -> anyhow::Result<PathBuf> {
    if path.starts_with("~") {
        return Ok(path);
    }
    std::path::absolute(path).context("cannot tell the current directory")
}

/// A source is a path or `control`.
fn source_name(source: &str) -> anyhow::Result<String> {
    if source == crate::control::handler::CONTROL_SOURCE {
        return Ok(source.to_owned());
    }
    Ok(absolute(source.into())?.to_string_lossy().into_owned())
}

fn lane(priority: cli::Priority) -> Lane {
    match priority {
        cli::Priority::Ordinary => Lane::Ordinary,
        cli::Priority::Important => Lane::Important,
    }
}

fn print_json<T: serde::Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    print(&(serde_json::to_string(value)? + "\n"))
}

/// Writes at once, a line at a time for those who follow.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write the answer")
}
