//! How far a download is: a bar on a terminal, else a line for each file, or JSON for programs.

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::error::DownloadError;
use crate::clock;

/// How often programs are told.
const JSON_EVERY: Duration = Duration::from_millis(500);

const BAR: &str = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// Of what nobody said how long it is.
const SPINNER: &str = "{prefix} {bytes} {bytes_per_sec}";

/// Who is told.
pub struct Progress {
    kind: Kind,
}

enum Kind {
    Bar(RefCell<Option<ProgressBar>>),
    Lines,
    Json(Cell<Option<Instant>>),
    Silent,
}

impl Progress {
    /// For people: a bar where standard error is a terminal.
    pub fn for_people() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { kind: if is_terminal { Kind::Bar(RefCell::default()) } else { Kind::Lines } }
    }

    /// For programs: an object a line on standard output.
    pub fn for_programs() -> Self {
        Self { kind: Kind::Json(Cell::new(None)) }
    }

    /// For nobody.
    pub fn silent() -> Self {
        Self { kind: Kind::Silent }
    }

    /// A file comes, and so much of it is here.
    pub fn begin(&self, name: &str, n_here: u64, n_bytes: Option<u64>) {
        match &self.kind {
            Kind::Bar(bar) => {
                let template = if n_bytes.is_some() { BAR } else { SPINNER };
                let style = ProgressStyle::with_template(template);
                let new = ProgressBar::with_draw_target(n_bytes, ProgressDrawTarget::stderr())
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                    .with_prefix(name.to_owned())
                    .with_position(n_here);
                // The speed is that of this connection.
                new.reset_eta();
                *bar.borrow_mut() = Some(new);
            }
            Kind::Lines => {
                let whole = n_bytes.map_or_else(String::new, |it| format!(", {}", size(it)));
                let from =
                    if n_here > 0 { format!(", from {} on", size(n_here)) } else { String::new() };
                say(&format!("{name}{whole}{from}"));
            }
            Kind::Json(_) => tell(&json!({ "file": name, "bytes": n_here, "total": n_bytes })),
            Kind::Silent => {}
        }
    }

    /// So much is here.
    pub fn at(&self, name: &str, n_here: u64, n_bytes: Option<u64>) {
        match &self.kind {
            Kind::Bar(bar) => {
                if let Some(bar) = &*bar.borrow() {
                    bar.set_position(n_here);
                }
            }
            Kind::Json(told) => {
                let now = clock::now();
                if told.get().is_none_or(|told| now.duration_since(told) >= JSON_EVERY) {
                    told.set(Some(now));
                    tell(&json!({ "file": name, "bytes": n_here, "total": n_bytes }));
                }
            }
            Kind::Lines | Kind::Silent => {}
        }
    }

    /// It broke off, and is tried again.
    pub fn again(&self, name: &str, error: &DownloadError, pause: Duration) {
        self.end();
        let pause_secs = pause.as_secs_f64();
        match &self.kind {
            Kind::Bar(_) | Kind::Lines => {
                say(&format!("{name}: {error}; again in {pause_secs:.1} s"));
            }
            Kind::Json(_) => tell(&json!({ "file": name, "retry": error.to_string() })),
            Kind::Silent => {}
        }
    }

    /// The file is there, or not; the next one may begin.
    pub fn end(&self) {
        if let Kind::Bar(bar) = &self.kind
            && let Some(bar) = bar.borrow_mut().take()
        {
            bar.finish_and_clear();
        }
    }

    /// A file is in place.
    pub fn done(&self, name: &str, n_bytes: u64) {
        match &self.kind {
            Kind::Bar(_) => say(&format!("{name}, {}", size(n_bytes))),
            Kind::Json(_) => tell(&json!({ "file": name, "bytes": n_bytes, "done": true })),
            Kind::Lines | Kind::Silent => {}
        }
    }

    /// Something that is worth knowing.
    pub fn remark(&self, text: &str) {
        match &self.kind {
            Kind::Bar(_) | Kind::Lines => say(text),
            Kind::Json(_) => tell(&json!({ "remark": text })),
            Kind::Silent => {}
        }
    }
}

/// A size as people say it.
pub(super) fn size(n_bytes: u64) -> String {
    match n_bytes {
        0..1_000 => format!("{n_bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", n_bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", n_bytes.div_ceil(1_000_000)),
        1_000_000_000.. => format!("{:.1} GB", n_bytes as f64 / 1e9),
    }
}

fn say(text: &str) {
    // Nobody reads it: the file comes all the same.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

fn tell(value: &Value) {
    drop(writeln!(std::io::stdout().lock(), "{value}"));
}
