//! `speakerd bench`: measures a daemon of this program in a throw-away home, from outside.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

#[cfg(feature = "pocket")]
mod pocket;
mod tail;
pub mod text;
mod trial;
#[cfg(feature = "pocket")]
mod voice;

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::cli::{Bench, Measure};
use crate::clock;
use crate::control::client::Client;
use crate::control::protocol::{Request, Response, Say};
use trial::{Trial, megabytes};

/// The line that is appended: ten words, as lines in logs and chats are.
const LINE: &str = "The backup of this machine finished with three new warnings.";

/// One measured figure.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    unit: &'static str,
    median: f64,
    p99: f64,
    n: usize,
}

impl Figure {
    /// The median and the 99th percentile of measurements in seconds, as milliseconds.
    fn of_times(name: &'static str, times: &[Duration]) -> Self {
        Self::of(name, "ms", times.iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    /// The median and the 99th percentile of measurements.
    fn of(name: &'static str, unit: &'static str, mut measured: Vec<f64>) -> Self {
        measured.sort_by(f64::total_cmp);
        let at = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let idx = (measured.len() as f64 * part) as usize;
            measured.get(idx.min(measured.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        Self { name, unit, median: at(0.5), p99: at(0.99), n: measured.len() }
    }

    /// A figure that is measured once.
    fn single(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, median: value, p99: value, n: 1 }
    }
}

/// Measures what was asked for and prints it.
///
/// # Errors
/// Where a daemon cannot be started or does not behave.
pub fn run(arguments: &Bench) -> anyhow::Result<()> {
    let every = [
        Measure::Start,
        Measure::Append,
        Measure::Skip,
        Measure::Status,
        Measure::Memory,
        Measure::Idle,
        Measure::Tail,
        Measure::Text,
    ];
    let asked = if arguments.what.is_empty() { &every[..] } else { &arguments.what };
    for what in asked {
        let figures = match what {
            #[cfg(feature = "pocket")]
            Measure::Pocket => {
                pocket::run(&arguments.pocket, arguments.json)?;
                continue;
            }
            Measure::Start => start(arguments.rounds.min(20))?,
            #[cfg(feature = "pocket")]
            Measure::Append if arguments.pocket.model.is_some() => {
                voice::run(&arguments.pocket, arguments.rounds)?
            }
            Measure::Append => append(arguments.rounds)?,
            Measure::Skip => skip(arguments.rounds)?,
            Measure::Status => status(arguments.rounds * 20)?,
            Measure::Memory => memory()?,
            Measure::Idle => idle(Duration::from_secs(arguments.idle_secs))?,
            Measure::Text => text::run(arguments.rounds),
            Measure::Tail => {
                let time = Duration::from_secs(arguments.idle_secs);
                tail::run(arguments.rounds, time, arguments.tail_mb.saturating_mul(1_000_000))?
            }
        };
        for figure in figures {
            if arguments.json {
                println!("{}", serde_json::to_string(&figure)?);
            } else if figure.n == 1 {
                println!("{:<48} {:>9.2} {}", figure.name, figure.median, figure.unit);
            } else {
                println!(
                    "{:<48} {:>9.2} {} median {:>9.2} p99 (n = {})",
                    figure.name, figure.median, figure.unit, figure.p99, figure.n
                );
            }
        }
    }
    Ok(())
}

/// Daemon start to ready, as a service manager sees it.
fn start(n_rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let mut times = Vec::new();
    for _ in 0..n_rounds {
        let trial = Trial::start("", &["a.txt", "b.txt", "c.txt"])?;
        times.push(trial.ready_after);
        trial.stop()?;
    }
    Ok(vec![Figure::of_times("start to ready", &times)])
}

/// Append to the first sample handed to the card, the daemon idle and its voice loaded.
fn append(n_rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 0.0\n", &["a.txt"])?;
    let figure = append_in(&trial, n_rounds, "append to first sample")?;
    trial.stop()?;
    Ok(vec![figure])
}

fn append_in(trial: &Trial, n_rounds: usize, name: &'static str) -> anyhow::Result<Figure> {
    trial.append("a.txt", LINE)?;
    trial.next_entry()?; // loads the voice
    trial.wait_idle()?;
    let mut times = Vec::new();
    for _ in 0..n_rounds {
        let appended_at = SystemTime::now();
        trial.append("a.txt", LINE)?;
        let entry = trial.next_entry()?;
        let started = entry.started_at.as_deref().context("the line was not heard")?;
        let started_at = humantime::parse_rfc3339(started)?;
        times.push(started_at.duration_since(appended_at).unwrap_or_default());
        trial.wait_idle()?;
    }
    Ok(Figure::of_times(name, &times))
}

/// Request to the report that the line was cut; the sound is silent before the report.
fn skip(n_rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 1.0\n", &[])?;
    let mut client = trial.client()?;
    let mut times = Vec::new();
    for _ in 0..n_rounds {
        let Response::Queued { .. } = client.ask(&say(LINE))? else { bail!("it was not queued") };
        trial.wait_until(|status| status.playback.speaking.is_some())?;
        let asked_at = SystemTime::now();
        client.ask(&Request::Skip)?;
        let entry = trial.next_entry()?;
        let ended_at =
            humantime::parse_rfc3339(entry.ended_at.as_deref().context("it has no end")?)?;
        times.push(ended_at.duration_since(asked_at).unwrap_or_default());
        trial.wait_idle()?;
    }
    trial.stop()?;
    Ok(vec![Figure::of_times("skip to silence", &times)])
}

/// Round trip of `status` on fresh connections while the engine works and the queue is full.
fn status(n_requests: usize) -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 0.0\n", &["a.txt"])?;
    trial.append("a.txt", &vec![LINE; 5_000].join("\n"))?;
    trial.wait_until(|status| status.queue.n_ordinary > 0)?;
    let mut times = Vec::new();
    for _ in 0..n_requests {
        let begun = clock::now();
        let response = Client::connect(&trial.socket())?.ask(&Request::Status)?;
        times.push(clock::now().duration_since(begun));
        let Response::Status(status) = response else { bail!("no status came") };
        if status.queue.n_open == 0 {
            bail!("the queue ran empty before the end");
        }
    }
    trial.client()?.ask(&Request::Shutdown)?;
    trial.stop()?;
    Ok(vec![Figure::of_times("status while speaking, full queue", &times)])
}

/// Resident memory before any speech, and after speech and unload.
fn memory() -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 0.0\n", &["a.txt", "b.txt", "c.txt"])?;
    let before = trial.status()?.daemon.resident_bytes;
    for _ in 0..20 {
        trial.append("a.txt", LINE)?;
    }
    trial.wait_idle()?;
    let speaking = trial.status()?.daemon.resident_bytes;
    trial.client()?.ask(&Request::Unload)?;
    let after = trial.wait_until(|status| status.engine.n_unloads > 0)?.daemon.resident_bytes;
    trial.stop()?;
    Ok(vec![
        Figure::single("resident before any speech", "MiB", megabytes(before)),
        Figure::single("resident with the voice loaded", "MiB", megabytes(speaking)),
        Figure::single("resident after speech and unload", "MiB", megabytes(after)),
    ])
}

/// Processor time with three watched files and nothing to do.
fn idle(time: Duration) -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("", &["a.txt", "b.txt", "c.txt"])?;
    trial.wait_idle()?;
    let percent = trial.cpu_percent(time)?;
    trial.stop()?;
    Ok(vec![Figure::single("processor while idle, three files", "%", percent)])
}

fn say(text: &str) -> Request {
    Request::Say(Say { text: text.to_owned(), ..Say::default() })
}
