//! Log lines on standard error, fit for a terminal and for the journal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging for this process; a second call does nothing.
///
/// # Panics
/// Never: the filter was checked with the configuration.
pub fn start(filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
    // The journal stamps lines itself.
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().try_init()
    } else {
        builder.with_timer(Wall).try_init()
    };
    if started.is_err() {
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
