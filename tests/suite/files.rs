//! Whatever happens to a file: each line is heard once, in order. Real files, real inotify, the whole daemon.

mod lines;
mod patterns;
mod places;
mod rewriting;
mod rotation;

use std::fs;

use crate::support::rig::Rig;

const WATCHED: &str = "[[watch]]\npath = \"$HOME/a.log\"\n";

/// What happens to a file, in steps; each is looked at before the next one.
type Steps<'a> = &'a [Step<'a>];
type Step<'a> = &'a dyn Fn(&Rig);

fn read(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap()
}

fn write(rig: &Rig, name: &str, text: impl AsRef<[u8]>) {
    fs::write(rig.path(name), text).unwrap();
}

fn rename(rig: &Rig, from: &str, to: &str) {
    fs::rename(rig.path(from), rig.path(to)).unwrap();
}

fn copy(rig: &Rig, from: &str, to: &str) {
    fs::copy(rig.path(from), rig.path(to)).unwrap();
}

fn truncate(rig: &Rig, name: &str) {
    fs::OpenOptions::new().write(true).open(rig.path(name)).unwrap().set_len(0).unwrap();
}

/// Runs the steps on a daemon that watches `a.log`, and says what was heard.
fn heard(settings: &str, steps: Steps<'_>) -> Vec<String> {
    let rig = Rig::start_with(&format!("{WATCHED}{settings}"), "tone", 40.0);
    for step in steps {
        step(&rig);
        rig.wait_idle();
    }
    texts(&rig)
}

fn texts(rig: &Rig) -> Vec<String> {
    rig.history().into_iter().map(|entry| entry.text).collect()
}

fn check(name: &str, settings: &str, steps: Steps<'_>, expected: &[&str]) {
    assert_eq!(heard(settings, steps), expected, "{name} {settings}");
}
