//! What can be seen from outside: counters and gauges in Prometheus's format, and alerts.

#![expect(clippy::float_cmp, reason = "counts are exact")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use speakerd::speech::FailureClass;
use speakerd::status::Status;

use crate::support::program::Home;
use crate::support::rig::{PATIENCE, Rig};

const QUIET: &str = "[audio]\noutput = \"null\"\nnull_speed = 0.0\n";

fn status(home: &Home) -> Status {
    serde_json::from_str(&home.ok(&["status", "--json"])).unwrap()
}

/// Looks until there is something to see.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn write(home: &Home, config: &str) {
    let config = config.replace("$HOME", &home.path("").display().to_string());
    std::fs::write(home.path("speakerd.toml"), config).unwrap();
    home.ok(&["reload"]);
}

/// Every series of an exposition, as it is written, with its value.
type Series = BTreeMap<String, f64>;

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name{label="word",…}`; our labels are words, so nothing in them is escaped.
fn check_series(series: &str, line: &str) -> String {
    let (name, labels) = match series.split_once('{') {
        None => (series, None),
        Some((name, rest)) => (name, Some(rest.strip_suffix('}').expect(line))),
    };
    assert!(is_name(name), "{line}");
    let mut seen = BTreeSet::new();
    for label in labels.into_iter().flat_map(|labels| labels.split(',')) {
        let (label, value) = label.split_once('=').expect(line);
        let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).expect(line);
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-.+".contains(c);
        assert!(is_name(label) && value.chars().all(is_word) && seen.insert(label), "{line}");
    }
    name.to_owned()
}

/// Reads the text format strictly: each family described, typed and in one piece, each series once, buckets that add up.
fn parse(text: &str) -> Series {
    assert!(text.ends_with('\n'));
    let (mut series, mut helped, mut typed) = (Series::new(), BTreeSet::new(), BTreeSet::new());
    let mut family: Option<(String, String)> = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect(line);
            assert!(is_name(name) && !text.is_empty() && helped.insert(name.to_owned()), "{line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert!(name.starts_with("speakerd_") && helped.contains(name), "{line}");
            assert!(typed.insert(name.to_owned()), "in one piece: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = Some((name.to_owned(), kind.to_owned()));
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect(line);
        let name = check_series(key, line);
        let (family, kind) = family.as_ref().expect(line);
        let is_of_family = match (kind.as_str(), name.strip_prefix(family.as_str())) {
            ("histogram", Some(rest)) => ["_bucket", "_sum", "_count"].contains(&rest),
            (_, rest) => rest == Some(""),
        };
        assert!(is_of_family, "{line} is not of {family}");
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(series.insert(key.to_owned(), value).is_none(), "twice: {line}");
    }
    for (key, count) in series.iter().filter(|(key, _)| key.contains("_count{")) {
        let bucket = key.replace("_count{", "_bucket{").replace('}', ",le=\"");
        let mut buckets: Vec<_> = series
            .iter()
            .filter_map(|(key, value)| {
                let bound = key.strip_prefix(&bucket)?.strip_suffix("\"}")?;
                Some((bound.parse::<f64>().unwrap(), *value))
            })
            .collect();
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        assert_eq!(buckets.last().unwrap(), &(f64::INFINITY, *count), "{key}");
        assert!(buckets.is_sorted_by_key(|(_, value)| *value), "{key}: {buckets:?}");
    }
    series
}

/// The names after `# TYPE`.
fn families(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    typed.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect()
}

/// Follows the file, and sees to it that no counter goes down.
struct Reader<'a> {
    file: &'a Path,
    last: Series,
}

impl Reader<'_> {
    fn wait_until(&mut self, what: &str, wished: impl Fn(&Series) -> bool) -> Series {
        wait_for(what, || {
            // It is not there until it is written for the first time.
            let series = parse(&std::fs::read_to_string(self.file).ok()?);
            for (key, before) in &self.last {
                let is_counter = ["_total", "_bucket", "_count"].iter().any(|it| key.contains(it));
                assert!(!is_counter || series[key] >= *before, "{key} went down from {before}");
            }
            self.last = series;
            wished(&self.last).then(|| self.last.clone())
        })
    }
}

#[test]
fn what_happens_is_counted_in_a_file_for_node_exporter() {
    let mut home = Home::new(&format!(
        "{QUIET}[engine]\nfallback = \"none\"\n\
         [metrics]\ntextfile = \"$HOME/metrics/speakerd.prom\"\ntextfile_secs = 0.1\n\
         [[watch]]\npath = \"$HOME/a.log\"\n\
         [[watch]]\npath = \"$HOME/b.log\"\nvoice = \"espeak:en\"\n"
    ));
    home.set("PATH", "/nonexistent".to_owned()); // there is no espeak-ng
    std::fs::create_dir(home.path("metrics")).unwrap();
    home.append("a.log", "");
    home.append("b.log", "");
    let mut daemon = home.start();
    let file = home.path("metrics/speakerd.prom");
    let mut reader = Reader { file: &file, last: Series::new() };
    let begun = reader.wait_until("the file", |series| series["speakerd_watched_files"] > 1.0);
    assert_eq!(begun["speakerd_lines_read_total"], 0.0);
    assert_eq!(begun["speakerd_utterances_total{outcome=\"skipped\"}"], 0.0, "from the start");
    home.append("a.log", "A secret line.\n\nAnd another one.\n");
    home.ok(&["wait-idle", "--timeout", "60"]);
    reader.wait_until("two lines", |series| series["speakerd_lines_read_total"] > 1.0);
    home.append("b.log", "Nobody can say this.\n");
    home.ok(&["pause"]);
    home.ok(&["say", "Nobody wants to hear this."]);
    wait_for("something to skip", || home.run(&["skip"]).status.success().then_some(()));
    home.ok(&["resume"]);
    home.ok(&["wait-idle", "--timeout", "60"]);
    let is_all = |series: &Series| {
        let n_over: f64 = ["spoken", "skipped", "failed"]
            .iter()
            .map(|outcome| series[&format!("speakerd_utterances_total{{outcome=\"{outcome}\"}}")])
            .sum();
        n_over > 3.0
    };
    let series = reader.wait_until("all outcomes", is_all);
    for (key, value) in [
        ("speakerd_lines_read_total", 3.0),
        ("speakerd_utterances_total{outcome=\"spoken\"}", 2.0),
        ("speakerd_utterances_total{outcome=\"skipped\"}", 1.0),
        ("speakerd_utterances_total{outcome=\"failed\"}", 1.0),
        ("speakerd_utterances_total{outcome=\"timed-out\"}", 0.0),
        ("speakerd_utterance_failures_total{reason=\"engine\"}", 1.0),
        ("speakerd_first_audio_seconds_count{engine=\"builtin\"}", 2.0),
        ("speakerd_real_time_factor_count{engine=\"builtin\"}", 2.0),
        ("speakerd_engine_loads_total{engine=\"builtin\"}", 1.0),
        ("speakerd_engines_loaded", 1.0),
        ("speakerd_utterances_open", 0.0),
        ("speakerd_queue_waiting{lane=\"important\"}", 0.0),
        ("speakerd_watched_files", 2.0),
    ] {
        assert_eq!(series[key], value, "{key}");
    }
    assert!(series["speakerd_resident_memory_bytes"] > 1e6);
    assert!(series["speakerd_state_disk_free_bytes"] > 1e6);
    assert!(series["speakerd_start_time_seconds"] > 1.7e9);
    let readme = include_str!("../../README.md");
    for name in families(&file) {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
    // The status says the same.
    let status = status(&home);
    let outcomes = status.queue.outcomes;
    assert_eq!((outcomes.n_spoken, outcomes.n_skipped, outcomes.n_failed), (2, 1, 1));
    assert_eq!((status.watch.n_lines_read, status.daemon.n_clients), (3, 1));
    assert!(status.queue.first_audio_secs > Some(0.0));
    assert!(status.queue.real_time_factor > Some(0.0));
    assert!(home.ok(&["status"]).contains("read 3, spoken 2, failed 1, skipped 1"));
    // What was counted last is in the file when the daemon has ended.
    home.ok(&["say", "--wait", "The last word."]);
    assert!(daemon.end_with(rustix::process::Signal::TERM).success());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(parse(&text)["speakerd_utterances_total{outcome=\"spoken\"}"], 3.0);
    assert!(!text.contains("secret") && !text.contains(".log"), "{text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(home.path("metrics")).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_told_of_once_and_one_that_is_not_wanted_goes() {
    let wanted = "[metrics]\ntextfile = \"$HOME/metrics/speakerd.prom\"\ntextfile_secs = 0.1\n";
    let home = Home::new(QUIET);
    let _daemon = home.start();
    write(&home, &format!("{QUIET}{wanted}"));
    wait_for("the warning", || home.log().contains("cannot be written").then_some(()));
    std::fs::create_dir(home.path("metrics")).unwrap();
    let file = home.path("metrics/speakerd.prom");
    wait_for("the file", || file.exists().then_some(()));
    wait_for("the word", || home.log().contains("speakerd.prom` again").then_some(()));
    // It is made anew each time.
    std::fs::remove_file(&file).unwrap();
    wait_for("the file again", || file.exists().then_some(()));
    assert_eq!(home.log().matches("cannot be written").count(), 1, "{}", home.log());
    write(&home, QUIET);
    wait_for("it to go", || (!file.exists()).then_some(()));
}

#[test]
fn an_alert_comes_is_told_once_and_goes() {
    // The file has the daemon look more often.
    let config = |alerts: &str| {
        let metrics = "[metrics]\ntextfile = \"$HOME/speakerd.prom\"\ntextfile_secs = 0.1\n";
        format!("{QUIET}{metrics}[alerts]\ndisk_free_mb = 0.0\n{alerts}")
    };
    let home = Home::new(&config("queue_age_secs = 0.3\n"));
    let _daemon = home.start();
    let alerts = || status(&home).alerts;
    assert_eq!(alerts(), Vec::<String>::new());
    home.ok(&["pause"]);
    home.ok(&["say", "Nobody hears this."]);
    let first = wait_for("the alert", || alerts().pop());
    assert!(first.contains("alerts.queue_age_secs is 0.3"), "{first}");
    assert!(status(&home).queue.oldest_age_secs > 0.3);
    // Its figure grows, the log does not.
    wait_for("a greater figure", || alerts().pop().filter(|alert| *alert != first));
    assert_eq!(home.log().matches("alerts.queue_age_secs is").count(), 1, "{}", home.log());
    let shown = home.ok(&["status"]);
    assert!(shown.contains("ALERT") && shown.contains("the oldest for"), "{shown}");
    let doctor = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("alerts.queue_age_secs"), "{doctor}");
    home.ok(&["resume"]);
    home.ok(&["wait-idle", "--timeout", "60"]);
    wait_for("its end", || alerts().is_empty().then_some(()));
    assert_eq!(home.log().matches("within alerts.queue_age_secs").count(), 1, "{}", home.log());
    assert_eq!(status(&home).queue.oldest_age_secs, 0.0);
    // Limits change while the daemon runs.
    write(&home, &config("memory_mb = 1.0\n"));
    let alert = wait_for("the other alert", || alerts().pop());
    assert!(alert.contains("alerts.memory_mb is 1"), "{alert}");
    write(&home, &config("memory_mb = 100_000.0\n"));
    wait_for("its end", || alerts().is_empty().then_some(()));
}

#[test]
fn each_failure_has_its_class() {
    for (voice, config, class) in [
        ("panic", "", FailureClass::Panic),
        ("fail", "", FailureClass::Engine),
        ("endless", "", FailureClass::Budget),
        ("crawl", "[limits]\npiece_deadline_secs = 0.1\n", FailureClass::Deadline),
        ("missing", "[engine]\nfallback = \"none\"\n", FailureClass::Engine),
        ("nobody", "[engine]\nfallback = \"none\"\n", FailureClass::Voice),
    ] {
        let rig = Rig::start_with(config, voice, 20.0);
        rig.say("abcdefghij");
        rig.wait_idle();
        let entry = &rig.history()[0];
        assert_eq!((entry.failure, entry.outcome), (Some(class), class.outcome()), "{voice}");
    }
    let rig = Rig::start("");
    rig.say("abc");
    rig.wait_idle();
    assert_eq!(rig.history()[0].failure, None);
}

#[test]
fn what_a_lost_card_keeps_waits_and_what_sounds_does_not() {
    let rig = Rig::start("");
    rig.say(&"a".repeat(240));
    rig.wait_until("it to sound", |status| {
        status.playback.speaking.is_some() && status.queue.oldest_age_secs == 0.0
    });
    rig.card.set_broken(true);
    rig.wait_until("it to wait", |status| status.queue.oldest_age_secs > 0.0);
    rig.card.set_broken(false);
    rig.wait_idle();
    assert_eq!(rig.status().queue.oldest_age_secs, 0.0);
}
