//! The daemon's look at itself, every few seconds: what it holds and what waits, for those who measure and for the alerts.
//!
//! Runs in the main loop, and takes a tenth of a millisecond: a few files below `/proc` and one call into the kernel.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::alerts::{Alert, Figures, judge};
use super::textfile::Textfile;
use crate::config::{AlertsConfig, Config, MetricsConfig};
use crate::control::handler::Handler;
use crate::engine::registry::ENGINES;
use crate::memory;
use crate::speech::{FailureClass, Outcome};
use crate::telemetry::{self, Exposition, Gauges, Words};
use crate::threads::{Thread, spawn_named};

/// How often at least: an alert comes soon enough for a person, and the processor is woken once more in five looks at the
/// configuration.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Counts from now on where that is wanted. To be called before anything happens that counts.
pub(super) fn prepare(config: &Config) {
    drop(exposition(config));
}

/// What is counted, where somebody wants to know.
pub(super) fn exposition(config: &Config) -> Option<Exposition> {
    let is_wanted = config.metrics.textfile.is_some() || config.http.listen.is_some();
    is_wanted.then(|| begin_to_count(SystemTime::now()))
}

/// What is looked at and who is told.
pub(super) struct Vitals {
    handler: Rc<Handler>,
    metrics: MetricsConfig,
    limits: AlertsConfig,
    standing: Vec<Alert>,
    textfile: Option<Textfile>,
    disk: Disk,
    started_at: SystemTime,
    /// Looks until the file is written again.
    n_looks_left: u32,
    ticks: Interval,
}

impl Vitals {
    /// Begins to look, as it is configured.
    pub(super) fn begin(config: &Config, handler: Rc<Handler>, state_dir: PathBuf) -> Self {
        let mut vitals = Self {
            handler,
            disk: Disk::new(state_dir),
            started_at: SystemTime::now(),
            metrics: config.metrics.clone(),
            limits: config.alerts,
            standing: Vec::new(),
            textfile: None,
            n_looks_left: 0,
            ticks: ticks(&config.metrics),
        };
        vitals.keep_textfile();
        vitals
    }

    /// Goes by another configuration.
    pub(super) fn configure(&mut self, config: &Config) {
        let has_changed = self.metrics != config.metrics || self.limits != config.alerts;
        if !has_changed {
            return;
        }
        self.metrics.clone_from(&config.metrics);
        // A limit that is another one has not been passed yet.
        let (old, new) = (self.limits, config.alerts);
        self.standing.retain(|alert| alert.subject.has_same_limit(&old, &new));
        self.limits = config.alerts;
        self.keep_textfile();
        self.n_looks_left = 0;
        self.ticks = ticks(&self.metrics); // the first of which comes at once
    }

    /// Looks as soon as it is time. Nothing is lost where this is dropped while it waits.
    pub(super) async fn look_in_time(&mut self) {
        self.ticks.tick().await;
        self.look();
    }

    fn look(&mut self) {
        self.handler.note_children_bytes(memory::children_bytes());
        let status = self.handler.status();
        let is_wanted = telemetry::is_installed() || self.limits.disk_free_bytes.is_some();
        let disk_free_bytes = if is_wanted { self.disk.look() } else { None };
        self.handler.note_disk_free_bytes(disk_free_bytes);
        let (queue, daemon) = (&status.queue, &status.daemon);
        let figures = Figures {
            memory_bytes: daemon.resident_bytes + daemon.children_bytes,
            disk_free_bytes,
            oldest_age: Duration::from_secs_f64(queue.oldest_age_secs),
        };
        self.alert(&figures, &status.alerts);
        if telemetry::is_installed() {
            telemetry::set(&Gauges {
                n_ordinary: queue.n_ordinary,
                n_important: queue.n_important,
                n_open: queue.n_open,
                oldest_age_secs: queue.oldest_age_secs,
                resident_bytes: daemon.resident_bytes,
                children_bytes: daemon.children_bytes,
                n_clients: daemon.n_clients,
                n_watched_files: status.watch.files.len(),
                n_unread_files: status.watch.n_unread_files,
                n_engines: status.engine.loaded.len(),
                disk_free_bytes,
                n_alerts: self.standing.len(),
            });
        }
        if let Some(textfile) = &self.textfile {
            self.n_looks_left = self.n_looks_left.checked_sub(1).unwrap_or_else(|| {
                textfile.write();
                n_looks(&self.metrics) - 1
            });
        }
        telemetry::keep_up();
    }

    /// Looks and writes for the last time.
    pub(super) fn end(mut self) {
        self.n_looks_left = 0;
        self.look();
        if let Some(textfile) = self.textfile {
            textfile.end();
        }
    }

    /// Tells of each alert once, and once when it is over.
    fn alert(&mut self, figures: &Figures, shown: &[String]) {
        let alerts = judge(&self.limits, figures, &self.standing);
        let is_among = |alert: &Alert, among: &[Alert]| {
            among.iter().any(|other| other.subject == alert.subject)
        };
        for alert in alerts.iter().filter(|alert| !is_among(alert, &self.standing)) {
            warn!("{}", alert.sentence);
        }
        for alert in self.standing.iter().filter(|alert| !is_among(alert, &alerts)) {
            info!("{}", alert.subject.over());
        }
        let sentences: Vec<_> = alerts.iter().map(|alert| alert.sentence.clone()).collect();
        // Each change of the board wakes those who subscribed.
        if sentences != shown {
            self.handler.board().modify(|status| status.alerts = sentences);
        }
        self.standing = alerts;
    }

    fn end_textfile(&mut self) {
        if let Some(textfile) = self.textfile.take() {
            textfile.remove();
        }
    }

    /// Begins or ends to write the file.
    fn keep_textfile(&mut self) {
        let Some(path) = self.metrics.textfile.clone() else {
            self.end_textfile();
            return;
        };
        if self.textfile.as_ref().is_some_and(|textfile| textfile.path() == path) {
            return;
        }
        self.end_textfile();
        match Textfile::begin(path, begin_to_count(self.started_at)) {
            Ok(textfile) => self.textfile = Some(textfile),
            Err(error) => warn!("the metrics are not written: {error}"),
        }
    }
}

/// Counts from now on, if that is not done already.
fn begin_to_count(started_at: SystemTime) -> Exposition {
    let words = Words {
        outcomes: &Outcome::ALL.map(Outcome::as_str),
        failures: &FailureClass::ALL.map(FailureClass::as_str),
        engines: ENGINES,
    };
    let started_at = started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    telemetry::install(words, started_at.as_secs_f64())
}

/// How many looks there are for each writing of the file.
fn n_looks(metrics: &MetricsConfig) -> u32 {
    let n = metrics.textfile_every.as_secs_f64() / LOOK_EVERY.as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.1 s to an hour")]
    let n = n.ceil() as u32;
    n.max(1)
}

/// Often enough for the alerts, and such that the file is written when it is to be.
fn ticks(metrics: &MetricsConfig) -> Interval {
    let every = match metrics.textfile {
        Some(_) => metrics.textfile_every / n_looks(metrics),
        None => LOOK_EVERY,
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The room on a disk, asked for on a thread: one that hangs must not keep the daemon from answering.
struct Disk {
    directory: PathBuf,
    /// As it was found last.
    found: Arc<Mutex<Option<u64>>>,
    asking: Option<Thread<()>>,
}

impl Disk {
    fn new(directory: PathBuf) -> Self {
        // The start has touched that disk anyway.
        let found = Arc::new(Mutex::new(disk_free_bytes(&directory)));
        Self { directory, found, asking: None }
    }

    /// What was found last; and has it looked for anew. `None` where the system does not tell, or not in time.
    fn look(&mut self) -> Option<u64> {
        let is_answered = self.asking.as_ref().is_none_or(Thread::is_finished);
        if !is_answered {
            return None;
        }
        let found = *self.found.lock();
        let (directory, place) = (self.directory.clone(), Arc::clone(&self.found));
        // Some 50 µs every few seconds; it ends when it has its answer.
        let asking = spawn_named("disk-room", move || {
            let room = disk_free_bytes(&directory);
            *place.lock() = room;
        });
        self.asking = asking.ok();
        found
    }
}

/// Room for this user on the disk of a directory, or where it would be; `None` where the system does not tell.
fn disk_free_bytes(directory: &Path) -> Option<u64> {
    let disk = directory.ancestors().find_map(|it| rustix::fs::statvfs(it).ok())?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_written_when_it_is_to_be_and_alerts_are_looked_for_often_enough() {
        for (every_secs, n, tick_secs) in
            [(0.1, 1, 0.1), (5.0, 1, 5.0), (7.0, 2, 3.5), (15.0, 3, 5.0), (3_600.0, 720, 5.0)]
        {
            let textfile_every = Duration::from_secs_f64(every_secs);
            let metrics = MetricsConfig { textfile: Some("/speakerd.prom".into()), textfile_every };
            assert_eq!(n_looks(&metrics), n, "{every_secs}");
            assert_eq!(ticks(&metrics).period(), Duration::from_secs_f64(tick_secs));
            assert_eq!(ticks(&MetricsConfig { textfile: None, ..metrics }).period(), LOOK_EVERY);
        }
    }
}
