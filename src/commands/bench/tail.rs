//! Measures how files are read: what is passed over, what waits, how soon a line is seen, and many files at rest.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use super::Figure;
use super::trial::{Trial, megabytes};
use crate::clock;
use crate::config::{Filter, OnRewrite};
use crate::control::protocol::{Clear, Request};
use crate::memory;
use crate::watch::tail::{Begin, Look, Next, Tail, TailSettings};

/// As long as lines in logs are.
const UNWANTED: &str = "2026-11-25T10:03:44.120Z INFO worker-7 request served in 12 ms, 200 OK, cache warm, nothing to see here\n";

/// What is looked for in them.
const WANTED: &str = "ERROR";

/// How many lines wait.
const N_WAITING: usize = 1_000_000;

/// How many files are watched at rest.
const N_FILES: usize = 1_000;

/// All of it.
pub(super) fn run(n_rounds: usize, idle: Duration, n_bytes: u64) -> anyhow::Result<Vec<Figure>> {
    let mut figures = pass_over(n_rounds.clamp(1, 5), n_bytes)?;
    figures.extend(line_seen(n_rounds)?);
    figures.extend(backlog()?);
    figures.extend(many_files(idle)?);
    Ok(figures)
}

/// A tail is asked for lines that a large file does not have.
fn pass_over(n_rounds: usize, n_bytes: u64) -> anyhow::Result<Vec<Figure>> {
    let home = tempfile::Builder::new().prefix("speakerd-bench.").tempdir()?;
    let path = home.path().join("large.log");
    let n_bytes = write_lines(&path, UNWANTED, n_bytes / UNWANTED.len() as u64)?;
    let filter = Arc::new(Filter::new(vec![WANTED.to_owned()], Vec::new())?);
    let (mut rates, mut grown) = (Vec::new(), Vec::new());
    for _ in 0..n_rounds {
        let before = memory::resident_bytes();
        let begun = clock::now();
        read_through(&path, Arc::clone(&filter), n_bytes)?;
        let took = clock::now().duration_since(begun);
        rates.push(n_bytes as f64 / took.as_secs_f64() / 1e9);
        grown.push(megabytes(memory::resident_bytes().saturating_sub(before)));
    }
    Ok(vec![
        Figure::of("pass over unwanted lines", "GB/s", rates),
        Figure::of("memory grown by that", "MiB", grown),
    ])
}

fn read_through(path: &Path, filter: Arc<Filter>, n_bytes: u64) -> anyhow::Result<()> {
    let settings = TailSettings {
        on_rewrite: OnRewrite::Beginning,
        max_line_bytes: 65_536,
        hold_partial: None,
        filter,
    };
    let look = Look {
        now: clock::now(),
        was_removed: false,
        is_taken: &|_| false,
        read_elsewhere: &|_| 0,
    };
    let mut tail =
        Tail::begin(path.to_path_buf(), settings, Vec::new(), Begin::AtBeginning, &look)?;
    let mut block = Vec::new();
    loop {
        match tail.next_line(&mut block, look.now)? {
            Next::More => {}
            Next::Line(_) => bail!("a line was wanted that should not be"),
            Next::Nothing => break,
        }
    }
    let at = tail.take_jumps().last().map(|jump| jump.mark.offset);
    if at != Some(n_bytes) {
        bail!("reading ended at {at:?} instead of {n_bytes}");
    }
    Ok(())
}

/// From an append until the line is an utterance, through events and the watch thread of a daemon.
fn line_seen(n_rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 0.0\n", &["a.txt"])?;
    let mut times = Vec::new();
    for n in 0..n_rounds {
        let appended_at = SystemTime::now();
        trial.append("a.txt", &format!("line {n}"))?;
        let queued_at = humantime::parse_rfc3339(&trial.next_entry()?.queued_at)?;
        times.push(queued_at.duration_since(appended_at).unwrap_or_default());
        trial.wait_idle()?;
    }
    trial.stop()?;
    Ok(vec![Figure::of_times("append to line", &times)])
}

/// A million lines come at once.
fn backlog() -> anyhow::Result<Vec<Figure>> {
    let trial = Trial::start("null_speed = 0.0\n", &["a.txt"])?;
    trial.append("a.txt", "The voice is loaded by this one.")?;
    trial.next_entry()?;
    trial.wait_idle()?;
    let before = trial.status()?.daemon.resident_bytes;
    let lines = trial.path("lines");
    write_lines(&lines, "A line of many that wait for their turn.\n", N_WAITING as u64)?;
    let text = std::fs::read(&lines).context("the lines are gone")?;
    let appended_at = SystemTime::now();
    trial.append_bytes("a.txt", &text)?;
    let queued_at = humantime::parse_rfc3339(&trial.next_entry()?.queued_at)?;
    let first = queued_at.duration_since(appended_at).unwrap_or_default();
    let most = text.len() as u64 / 2;
    let waiting = trial
        .wait_until(|status| status.watch.files.iter().any(|file| file.unread_bytes > most))?;
    let grown = waiting.daemon.resident_bytes.saturating_sub(before);
    trial.client()?.ask(&Request::Clear(Clear::default()))?;
    trial.stop()?;
    Ok(vec![
        Figure::of_times("first of a million lines", &[first]),
        Figure::single("memory grown by the others", "MiB", megabytes(grown)),
    ])
}

/// Processor time with many watched files and nothing to do.
fn many_files(time: Duration) -> anyhow::Result<Vec<Figure>> {
    let names: Vec<_> = (0..N_FILES).map(|n| format!("{n}.txt")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let trial = Trial::start("", &names)?;
    trial.wait_idle()?;
    let percent = trial.cpu_percent(time)?;
    let resident = trial.status()?.daemon.resident_bytes;
    trial.stop()?;
    Ok(vec![
        Figure::single("processor while idle, 1000 files", "%", percent),
        Figure::single("resident with 1000 files", "MiB", megabytes(resident)),
    ])
}

/// Writes that many equal lines. Returns how many bytes that is.
fn write_lines(path: &Path, line: &str, n_lines: u64) -> anyhow::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for _ in 0..n_lines {
        out.write_all(line.as_bytes())?;
    }
    out.flush()?;
    Ok(n_lines * line.len() as u64)
}
