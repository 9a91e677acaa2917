//! A clock that is set back, and forward again, while lines wait, sound and come.

use std::path::PathBuf;

use rustix::process::Signal;

use super::heard::Heard;
use super::plan::{Dice, Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{settle, status};
use crate::support::program::Home;
use crate::support::shared;

/// Where the clock stands against the true one. Never before it: a line that is older than it may be expires, and
/// rightly so.
const SHIFTS: [&str; 6] = ["-1d", "-1", "-1h", "-400d", "-30", "+0"];

/// Stands between the program and the clock of the system.
fn library() -> Option<PathBuf> {
    let places = ["/usr/lib/*/faketime", "/usr/lib64/faketime", "/usr/lib/faketime"];
    let found = places.iter().find_map(|place| {
        glob::glob(&format!("{place}/libfaketimeMT.so.1")).unwrap().find_map(Result::ok)
    });
    if found.is_none() {
        shared::missing("the library libfaketime is not installed (package faketime)");
    }
    found
}

#[test]
fn a_clock_that_is_set_back_costs_no_line() {
    let Some(library) = library() else { return };
    let n_shifts = plan(12, 120);
    let mut section = Section::new("08-clock", "A clock that is set back");
    let (mut progress, mut dice) = (Progress::of("clock"), Dice::new());
    // Ages are measured: nothing is older than a minute but by the clock.
    let mut home = Home::new(
        "[audio]\noutput = \"null\"\nnull_speed = 50.0\nrelease_secs = 0\n\
         [[watch]]\npath = \"$HOME/alpha.log\"\nmax_age_secs = 60.0\n\
         [[watch]]\npath = \"$HOME/bravo.log\"\n",
    );
    let shift = home.path("shift");
    let set = |shifted: &str| {
        // Whole or not at all: it is read while it is written.
        let beside = shift.with_extension("new");
        std::fs::write(&beside, format!("{shifted}\n")).unwrap();
        std::fs::rename(beside, &shift).unwrap();
    };
    set("+0");
    for (name, value) in [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", shift.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ] {
        home.set(name, value);
    }
    let names = ["alpha", "bravo"];
    for name in names {
        home.append(&format!("{name}.log"), "");
    }
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let mut n_written = [0, 0];
    let mut speak = |n_lines, n_written: &mut [usize; 2]| {
        for _ in 0..n_lines {
            let file = dice.below(2);
            n_written[file] += 1;
            let line = format!("{} {}\n", names[file], n_written[file]);
            home.append(&format!("{}.log", names[file]), &line);
        }
        dice.below(4)
    };
    speak(4, &mut n_written);
    settle(&home);
    let quiet = Quiet::of(&daemon);
    let sampler = Sampler::of(&daemon);
    for n in 0..n_shifts {
        progress.tell(n, n_shifts, "shifts");
        let n_unheard = speak(5, &mut n_written);
        let n_heard = n_written.iter().sum::<usize>() - n_unheard;
        heard.wait_for(n_heard);
        set(SHIFTS[n % SHIFTS.len()]);
        speak(3, &mut n_written);
        if n % 4 == 3 {
            settle(&home);
        }
    }
    settle(&home);
    let samples = sampler.end();
    section.quiet(quiet, |before| before.again(&daemon));
    let n_back = heard.with(|entries| {
        let started = entries.windows(2).filter(|pair| pair[1].started_at < pair[0].started_at);
        started.count()
    });
    assert!(status(&home).watch.files.iter().all(|file| file.unread_bytes == 0));
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "The wall clock of the daemon was set {n_shifts} times while lines waited and sounded: back by up to 400 days, and \
         forward to the true time again. One of two files expires after a minute; none of its lines was that old."
    ));
    heard.judge(&mut section, &[(names[0], n_written[0]), (names[1], n_written[1])]);
    section.count(
        "times that the history goes back",
        n_back,
        Bound::AtLeast(n_shifts as f64 / 4.0),
    );
    section.taken_flat(&samples);
    section.end();
}
