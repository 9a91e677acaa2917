//! Every counter and gauge that can be looked at from outside, by its name, and who counts calls a function here.
//!
//! Knows nothing of ours: labels come as words of closed sets (an outcome, a kind of failure, an engine, a lane), never as
//! a voice, a path or a text, so that there are never more than a few hundred series. Where nobody wants them, nothing is
//! installed and every call returns at once.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const LINES_READ: &str = "speakerd_lines_read_total";
const UTTERANCES: &str = "speakerd_utterances_total";
const FAILURES: &str = "speakerd_utterance_failures_total";
const UNDERRUNS: &str = "speakerd_underruns_total";
const LOADS: &str = "speakerd_engine_loads_total";
const UNLOADS: &str = "speakerd_engine_unloads_total";
const RESCUES: &str = "speakerd_rescues_total";
const CHILD_RESTARTS: &str = "speakerd_child_restarts_total";
const REQUESTS: &str = "speakerd_http_requests_total";
const FIRST_AUDIO: &str = "speakerd_first_audio_seconds";
const REAL_TIME_FACTOR: &str = "speakerd_real_time_factor";
const WAITING: &str = "speakerd_queue_waiting";
const OPEN: &str = "speakerd_utterances_open";
const OLDEST_AGE: &str = "speakerd_queue_oldest_age_seconds";
const MEMORY: &str = "speakerd_resident_memory_bytes";
const CHILDREN_MEMORY: &str = "speakerd_children_resident_memory_bytes";
const CLIENTS: &str = "speakerd_clients";
const WATCHED_FILES: &str = "speakerd_watched_files";
const UNREAD_FILES: &str = "speakerd_unread_files";
const ENGINES: &str = "speakerd_engines_loaded";
const DISK_FREE: &str = "speakerd_state_disk_free_bytes";
const ALERTS: &str = "speakerd_alerts";
const START_TIME: &str = "speakerd_start_time_seconds";

/// Upper bounds in seconds. A loaded builtin voice begins within 0.02, a cloned one within 0.1, a model that is loaded
/// first within 1; a line behind others waits for as long as those take.
const FIRST_AUDIO_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Upper bounds. The builtin voices are near 0.01, a model on two cores between 0.1 and 0.5; beyond 1 the sound breaks off.
const REAL_TIME_FACTOR_BUCKETS: [f64; 10] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0];

/// The recorder's other end. One for the whole process, however many daemons a test runs in it.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// The words that labels can be, so that each series is there from the start: one that appears with its first event is
/// blind to it.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// What can become of an utterance.
    pub outcomes: &'a [&'static str],
    /// Why it can fail.
    pub failures: &'a [&'static str],
    /// Which engines there are.
    pub engines: &'a [&'static str],
}

/// What is measured now and then.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gauges {
    /// How many wait in the ordinary lane.
    pub n_ordinary: usize,
    /// How many wait in the important lane.
    pub n_important: usize,
    /// Utterances without an outcome.
    pub n_open: usize,
    /// How long the oldest of them waits to be heard, in seconds.
    pub oldest_age_secs: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Resident memory of the processes that were started.
    pub children_bytes: u64,
    /// Connections to the control socket.
    pub n_clients: usize,
    /// Watched files.
    pub n_watched_files: usize,
    /// Those that have something nobody has read.
    pub n_unread_files: usize,
    /// Loaded engines.
    pub n_engines: usize,
    /// Room on the disk of the bookmarks.
    pub disk_free_bytes: Option<u64>,
    /// What is beyond a limit.
    pub n_alerts: usize,
}

/// Reads what was counted.
#[derive(Debug, Clone)]
pub struct Exposition(PrometheusHandle);

impl Exposition {
    /// Everything in Prometheus's text format.
    pub fn text(&self) -> String {
        self.0.render()
    }
}

/// Begins to count, unless that was done already; counters begin at zero then. The first call takes some 10 ms: a clock is calibrated.
pub fn install(words: Words<'_>, started_at_secs: f64) -> Exposition {
    let handle = RECORDER.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("someone else counts already; the metrics stay at zero");
        }
        describe();
        begin(words, started_at_secs);
        handle
    });
    Exposition(handle.clone())
}

/// Whether anything is counted.
pub fn is_installed() -> bool {
    RECORDER.get().is_some()
}

/// Keeps what was counted and is not read from growing: times are kept one by one until then. To be called every few
/// seconds.
pub fn keep_up() {
    if let Some(handle) = RECORDER.get() {
        handle.run_upkeep();
    }
}

/// A line was taken out of a file.
pub fn line_read() {
    counter!(LINES_READ).increment(1);
}

/// An utterance has its outcome.
pub fn utterance_over(outcome: &'static str) {
    counter!(UTTERANCES, "outcome" => outcome).increment(1);
}

/// One failed or timed out.
pub fn utterance_failed(class: &'static str) {
    counter!(FAILURES, "reason" => class).increment(1);
}

/// One was spoken to its end: how long it took from queued to first sample, and computing time for a second of audio.
pub fn utterance_spoken(
    engine: &'static str,
    first_audio: Option<Duration>,
    real_time_factor: Option<f64>,
) {
    if let Some(first_audio) = first_audio {
        histogram!(FIRST_AUDIO, "engine" => engine).record(first_audio);
    }
    if let Some(real_time_factor) = real_time_factor {
        histogram!(REAL_TIME_FACTOR, "engine" => engine).record(real_time_factor);
    }
}

/// The sound broke off so many times because the engine was too slow.
pub fn underruns(n: u64) {
    counter!(UNDERRUNS).increment(n);
}

/// An engine was loaded.
pub fn engine_loaded(engine: &'static str) {
    counter!(LOADS, "engine" => engine).increment(1);
}

/// An engine was unloaded.
pub fn engine_unloaded(engine: &'static str) {
    counter!(UNLOADS, "engine" => engine).increment(1);
}

/// The daemon started itself anew, so many times by now.
pub fn rescued(n_rescues: u64) {
    counter!(RESCUES).absolute(n_rescues);
}

/// The process in which an engine runs was lost: it ended, or had to be ended.
pub fn child_restarted(engine: &'static str) {
    counter!(CHILD_RESTARTS, "engine" => engine).increment(1);
}

/// A request of the speech server was answered.
pub fn request_answered(status: &'static str) {
    counter!(REQUESTS, "status" => status).increment(1);
}

/// Sets what is measured now and then.
pub fn set(gauges: &Gauges) {
    gauge!(WAITING, "lane" => "ordinary").set(gauges.n_ordinary as f64);
    gauge!(WAITING, "lane" => "important").set(gauges.n_important as f64);
    gauge!(OPEN).set(gauges.n_open as f64);
    gauge!(OLDEST_AGE).set(gauges.oldest_age_secs);
    gauge!(MEMORY).set(gauges.resident_bytes as f64);
    gauge!(CHILDREN_MEMORY).set(gauges.children_bytes as f64);
    gauge!(CLIENTS).set(gauges.n_clients as f64);
    gauge!(WATCHED_FILES).set(gauges.n_watched_files as f64);
    gauge!(UNREAD_FILES).set(gauges.n_unread_files as f64);
    gauge!(ENGINES).set(gauges.n_engines as f64);
    gauge!(ALERTS).set(gauges.n_alerts as f64);
    gauge!(DISK_FREE).set(gauges.disk_free_bytes.map_or(f64::NAN, |n_bytes| n_bytes as f64));
}

fn builder() -> PrometheusBuilder {
    let buckets = [
        (FIRST_AUDIO, FIRST_AUDIO_BUCKETS.as_slice()),
        (REAL_TIME_FACTOR, REAL_TIME_FACTOR_BUCKETS.as_slice()),
    ];
    buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
            .expect("there are buckets")
    })
}

/// The series that are there before anything has happened.
fn begin(words: Words<'_>, started_at_secs: f64) {
    counter!(LINES_READ).absolute(0);
    counter!(UNDERRUNS).absolute(0);
    for outcome in words.outcomes {
        counter!(UTTERANCES, "outcome" => *outcome).absolute(0);
    }
    for class in words.failures {
        counter!(FAILURES, "reason" => *class).absolute(0);
    }
    for engine in words.engines {
        for name in [LOADS, UNLOADS, CHILD_RESTARTS] {
            counter!(name, "engine" => *engine).absolute(0);
        }
    }
    counter!(RESCUES).absolute(0);
    gauge!(START_TIME).set(started_at_secs);
}

fn describe() {
    let counters = [
        (LINES_READ, "Lines of watched files that are to be said."),
        (UTTERANCES, "Utterances that are over, by what became of them."),
        (FAILURES, "Utterances that failed or timed out, by the kind of reason."),
        (UNDERRUNS, "How often the sound broke off because an engine was too slow."),
        (LOADS, "How often an engine was loaded."),
        (UNLOADS, "How often an engine was unloaded."),
        (CHILD_RESTARTS, "How often the process of an engine was lost: it ended, or was ended."),
        (REQUESTS, "Requests that the speech server answered, by status."),
        (RESCUES, "How often the daemon started itself anew because it hung."),
    ];
    for (name, text) in counters {
        metrics::describe_counter!(name, Unit::Count, text);
    }
    let seconds = "From queued to first sample, of lines that were spoken.";
    metrics::describe_histogram!(FIRST_AUDIO, Unit::Seconds, seconds);
    let factor = "Computing time for a second of audio, of lines that were spoken.";
    metrics::describe_histogram!(REAL_TIME_FACTOR, Unit::Count, factor);
    let gauges = [
        (WAITING, Unit::Count, "Utterances in the queue, by lane."),
        (OPEN, Unit::Count, "Utterances without an outcome, the one that sounds included."),
        (
            OLDEST_AGE,
            Unit::Seconds,
            "How long the oldest utterance waits to be heard; 0: none does.",
        ),
        (MEMORY, Unit::Bytes, "Resident memory of the daemon."),
        (CHILDREN_MEMORY, Unit::Bytes, "Resident memory of the processes that the daemon started."),
        (CLIENTS, Unit::Count, "Connections to the control socket."),
        (WATCHED_FILES, Unit::Count, "Files that are watched."),
        (UNREAD_FILES, Unit::Count, "Watched files with lines that nobody has read yet."),
        (ENGINES, Unit::Count, "Engines that are loaded."),
        (DISK_FREE, Unit::Bytes, "Room on the disk of the state directory."),
        (ALERTS, Unit::Count, "Limits of [alerts] that something is beyond."),
        (START_TIME, Unit::Seconds, "When the daemon started, in seconds since 1970."),
    ];
    for (name, unit, text) in gauges {
        metrics::describe_gauge!(name, unit, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> =
        Words { outcomes: &["spoken", "failed"], failures: &["hang"], engines: &["espeak"] };

    /// What the functions above leave behind, counted for this thread alone.
    fn counted(count: impl FnOnce()) -> String {
        let recorder = builder().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            begin(WORDS, 1.5);
            count();
        });
        recorder.handle().render()
    }

    #[test]
    fn what_has_not_happened_yet_is_zero() {
        let text = counted(|| ());
        for line in [
            "speakerd_lines_read_total 0",
            "speakerd_utterances_total{outcome=\"spoken\"} 0",
            "speakerd_utterance_failures_total{reason=\"hang\"} 0",
            "speakerd_child_restarts_total{engine=\"espeak\"} 0",
            "speakerd_rescues_total 0",
            "speakerd_start_time_seconds 1.5",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn what_happens_is_counted_under_its_name() {
        let text = counted(|| {
            line_read();
            line_read();
            utterance_over("failed");
            utterance_failed("hang");
            utterance_spoken("builtin", Some(Duration::from_millis(30)), Some(0.25));
            underruns(3);
            engine_loaded("builtin");
            engine_unloaded("builtin");
            child_restarted("espeak");
            set(&Gauges { n_important: 2, disk_free_bytes: Some(7), ..Gauges::default() });
        });
        for line in [
            "# TYPE speakerd_lines_read_total counter",
            "speakerd_lines_read_total 2",
            "speakerd_utterances_total{outcome=\"failed\"} 1",
            "speakerd_utterance_failures_total{reason=\"hang\"} 1",
            "# TYPE speakerd_first_audio_seconds histogram",
            "speakerd_first_audio_seconds_bucket{engine=\"builtin\",le=\"0.02\"} 0",
            "speakerd_first_audio_seconds_bucket{engine=\"builtin\",le=\"0.05\"} 1",
            "speakerd_real_time_factor_count{engine=\"builtin\"} 1",
            "speakerd_underruns_total 3",
            "speakerd_engine_loads_total{engine=\"builtin\"} 1",
            "speakerd_engine_unloads_total{engine=\"builtin\"} 1",
            "speakerd_child_restarts_total{engine=\"espeak\"} 1",
            "speakerd_queue_waiting{lane=\"important\"} 2",
            "speakerd_state_disk_free_bytes 7",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn it_can_be_installed_again_and_again() {
        let (first, second) = (install(WORDS, 1.0), install(WORDS, 2.0));
        keep_up();
        // Other tests count meanwhile; when it began is set once.
        for exposition in [first, second] {
            assert!(exposition.text().contains("speakerd_start_time_seconds 1\n"));
        }
    }
}
