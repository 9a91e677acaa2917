//! Start and stop, again and again: each takes what the first one took, and leaves nothing behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use speakerd::control::protocol::Request;

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, FLAT_MB, Section};
use super::sampler::{Quiet, Sampler};
use super::{SILENT, ask, settle, slowest_ms, status};
use crate::support::program::Home;

/// A start or a stop that takes longer would be noticed; both take a few hundredths of a second.
const SLOW_MS: f64 = 5_000.0;

#[test]
fn many_starts_and_stops_leave_nothing_behind() {
    let n_starts = plan(4, 20);
    let mut section = Section::new("03-starts", "Starts and stops");
    let mut progress = Progress::of("starts");
    let home = Home::new(&format!("{SILENT}[[watch]]\npath = \"$HOME/alpha.log\"\n"));
    home.append("alpha.log", "");
    let heard = Heard::default();
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    let (mut resident_mb, mut open, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sampler, mut n_written): (Option<Sampler>, usize) = (None, 0);
    for n in 0..n_starts {
        progress.tell(n, n_starts, "starts");
        let begun = Instant::now();
        let mut daemon = home.start();
        starts.push(begun.elapsed());
        sampler.get_or_insert_with(|| Sampler::of(&daemon)).look_at(&daemon);
        let follower = heard.follow(&home);
        for _ in 0..5 {
            n_written += 1;
            home.append("alpha.log", &format!("alpha {n_written}\n"));
        }
        settle(&home);
        resident_mb.push(status(&home).daemon.resident_bytes as f64 / 1e6);
        open.extend(Quiet::of(&daemon));
        // What the stop comes into: lines that are said before it, or after the next start.
        for _ in 0..10 {
            n_written += 1;
            home.append("alpha.log", &format!("alpha {n_written}\n"));
        }
        let begun = Instant::now();
        let ended = match n % 3 {
            0 => daemon.end_with(Signal::TERM),
            1 => daemon.end_with(Signal::INT),
            _ => {
                ask(&home, &Request::Shutdown);
                daemon.wait()
            }
        };
        stops.push(begun.elapsed());
        assert!(ended.success(), "{ended}: {}", home.log());
        follower.end();
        left.push(files_below(&home.path("")));
    }
    let mut daemon = home.start();
    let follower = heard.follow(&home);
    settle(&home);
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "The daemon was started {n_starts} times and stopped by SIGTERM, SIGINT and `speakerd shutdown`, while lines came."
    ));
    heard.judge(&mut section, &[("alpha", n_written)]);
    section.fact("slowest start, ms", slowest_ms(&starts), Bound::AtMost(SLOW_MS));
    section.fact("slowest stop, ms", slowest_ms(&stops), Bound::AtMost(SLOW_MS));
    let new = left.last().unwrap().difference(&left[0]).count();
    section.count("files left behind that the first run did not leave", new, Bound::Exactly(0.0));
    let grown = resident_mb.last().unwrap() - resident_mb[0];
    section.fact("memory of the last start over the first, MB", grown, Bound::AtMost(FLAT_MB));
    let others = open.iter().filter(|quiet| **quiet != open[0]).count();
    section.count(
        "starts with other descriptors or threads than the first",
        others,
        Bound::Exactly(0.0),
    );
    section.taken(&sampler.unwrap().end());
    section.end();
}

/// Every file below a directory, by name.
fn files_below(directory: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        }
        files.insert(path.display().to_string());
    }
    files
}
