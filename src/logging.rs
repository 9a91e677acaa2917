//! Log lines on standard error, fit for a terminal and for the journal.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Changes what is logged.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Logs by another filter from now on; the filter was checked with the configuration.
pub fn set_filter(filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    if let Some(handle) = FILTER.get()
        && let Err(error) = handle.reload(filter)
    {
        tracing::debug!("the log's filter stays as it is: {error}");
    }
}

/// Starts logging for this process; a second call does nothing.
///
/// # Panics
/// Never: the filter was checked with the configuration.
pub fn start(filter: &str) {
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse_lossy(filter));
    let terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
    let registry = tracing_subscriber::registry().with(filter);
    // The journal stamps lines itself.
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(lines.without_time()).try_init()
    } else {
        registry.with(lines.with_timer(Wall)).try_init()
    };
    if started.is_err() || FILTER.set(handle).is_err() {
        tracing::debug!("logging was started before");
    }
}

/// Starts logging in a process whose lines another one of ours takes over: a level and a text, without time or colour.
pub fn start_below(filter: &str) {
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time();
    let filter = EnvFilter::builder().parse_lossy(filter);
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_err() {
        tracing::debug!("logging was started before");
    }
}

/// Time stamps as in `history`.
struct Wall;

impl tracing_subscriber::fmt::time::FormatTime for Wall {
    fn format_time(
        &self,
        writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
        write!(writer, "{now}")
    }
}
