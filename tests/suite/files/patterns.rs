//! Patterns that match the names that a rotation gives, and files that are watched anew.

use std::fs;
use std::time::{Duration, Instant};

use speakerd::config::raw::RawWatch;
use speakerd::control::protocol::{Request, WatchRequest};

use super::{copy, rename, texts, truncate, write};
use crate::support::rig::Rig;

/// Watches every log in the home, of which there is one.
fn watched(settings: &str) -> Rig {
    let home = format!("[[watch]]\npath = \"$HOME/app*\"\n{settings}");
    let rig = Rig::start_with(&home, "tone", 40.0);
    write(&rig, "app.log", "one\n");
    rig.wait_until("the first line", |status| status.queue.n_spoken == 1);
    rig
}

/// Waits until what was rotated away is let go, and the names that were given to it are watched.
fn wait_until_watched(rig: &Rig, name: &str) {
    let path = rig.path(name).display().to_string();
    rig.wait_until(name, |status| {
        status.watch.files.iter().any(|file| file.path == path && file.heard_bytes > 0)
    });
}

#[test]
fn names_that_are_shifted_are_not_read_again() {
    for settings in ["", "start = \"end\"\n"] {
        let rig = watched(settings);
        for n in 0..3 {
            rig.append("app.log", &format!("old {n}\n"));
            for (from, to) in [("app.2.log", "app.3.log"), ("app.1.log", "app.2.log")] {
                if rig.path(from).exists() {
                    rename(&rig, from, to);
                }
            }
            rename(&rig, "app.log", "app.1.log");
            write(&rig, "app.log", format!("new {n}\n"));
            rig.wait_idle();
        }
        for name in ["app.1.log", "app.2.log", "app.3.log"] {
            wait_until_watched(&rig, name);
        }
        rig.append("app.2.log", "late\n");
        rig.wait_until("the late line", |status| status.queue.n_spoken == 8);
        rig.wait_idle();
        let expected = ["one", "old 0", "new 0", "old 1", "new 1", "old 2", "new 2", "late"];
        assert_eq!(texts(&rig), expected, "{settings}");
    }
}

#[test]
fn a_copy_whose_name_matches_is_not_read_again() {
    let rig = watched("");
    for n in 0..3 {
        rig.append("app.log", &format!("old {n}\n"));
        copy(&rig, "app.log", &format!("app.log.{n}"));
        truncate(&rig, "app.log");
        rig.append("app.log", &format!("new {n}\n"));
        rig.wait_idle();
    }
    std::thread::sleep(Duration::from_secs(3)); // more than a sweep
    rig.wait_idle();
    let expected = ["one", "old 0", "new 0", "old 1", "new 1", "old 2", "new 2"];
    assert_eq!(texts(&rig), expected);
}

#[test]
fn a_file_that_takes_the_place_of_another_watched_one_is_read_on() {
    let config = "[[watch]]\npath = \"$HOME/a.log\"\n[[watch]]\npath = \"$HOME/b.log\"\n";
    let rig = Rig::start_with(config, "tone", 40.0);
    rig.append("a.log", "a\n");
    rig.append("b.log", "b\n");
    rig.wait_idle();
    rename(&rig, "b.log", "a.log");
    rig.append("a.log", "more of b\n");
    let begun = Instant::now();
    rig.wait_until("the line", |status| status.queue.n_spoken == 3);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(texts(&rig)[2..], ["more of b"]);
}

#[test]
fn what_is_removed_and_added_again_is_neither_lost_nor_doubled() {
    for (path, settings) in [("a.log", ""), ("a*.log", ""), ("a.log", "fold = true\n")] {
        let config =
            format!("[[watch]]\npath = \"$HOME/{path}\"\n{settings}[queue]\ncapacity = 1\n");
        let rig = Rig::start_with(&config, "tone", 40.0);
        fs::write(rig.path("a.log"), "a line that is long enough for all of this\n".repeat(3))
            .unwrap();
        rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
        let expected: Vec<_> = (0..40).map(|n| format!("line {n}")).collect();
        rig.append("a.log", &(expected.join("\n") + "\n"));
        rig.ask(&Request::Watch(WatchRequest::Remove { path: rig.path(path) }));
        let mut raw = RawWatch::of(rig.path(path));
        raw.fold = true;
        rig.ask(&Request::Watch(WatchRequest::Add(Box::new(raw))));
        rig.append("a.log", "again\nagain\n");
        rig.wait_idle();
        let heard: Vec<_> = texts(&rig).into_iter().filter(|it| it.starts_with("line")).collect();
        assert_eq!(heard, expected, "{path} {settings}");
        assert_eq!(texts(&rig).iter().filter(|it| *it == "again").count(), 2, "{path} {settings}");
        let mut said = rig.history().into_iter().filter_map(|entry| entry.spoken_text);
        assert_eq!(said.next_back().as_deref(), Some("again, twice"), "the new settings hold");
        let file = &rig.status().watch.files[0];
        assert_eq!(file.heard_bytes, rig.path("a.log").metadata().unwrap().len());
    }
}
