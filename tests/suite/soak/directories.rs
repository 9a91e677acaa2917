//! A directory of watched files that is removed, and made again.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use speakerd::control::protocol::{Request, Say};

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{SILENT, ask, settle, slowest_ms};
use crate::support::program::Home;

/// A change that is only seen when everything is looked at again takes two seconds.
const BY_AN_EVENT: Duration = Duration::from_secs(5);

#[test]
fn a_directory_that_is_removed_and_made_again_and_again_is_watched_each_time() {
    let n_rounds = plan(10, 50);
    let mut section = Section::new("10-directories", "Directories that come and go");
    let mut progress = Progress::of("directories");
    let home = Home::new(&format!(
        "{SILENT}[[watch]]\npath = \"$HOME/deep/er/alpha.log\"\n[[watch]]\npath = \"$HOME/deep/*/bravo.txt\"\n"
    ));
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    // What is open where no file is: what is removed is kept open for a while, for its late writers.
    ask(&home, &Request::Say(Say { text: "warm".to_owned(), wait: true, ..Say::default() }));
    let quiet = Quiet::of(&daemon);
    let sampler = Sampler::of(&daemon);
    let (mut n_heard, mut times) = (1, Vec::new());
    let mut speak = |name: &str, file: &str, n: usize| {
        let begun = Instant::now();
        home.append(&format!("deep/er/{file}"), &format!("{name} {n}\n"));
        n_heard += 1;
        heard.wait_for(n_heard);
        times.push(begun.elapsed());
    };
    for n in 1..=n_rounds {
        progress.tell(n, n_rounds, "directories");
        fs::create_dir_all(home.path("deep/er")).unwrap();
        speak("alpha", "alpha.log", 2 * n - 1);
        speak("bravo", "bravo.txt", n);
        speak("alpha", "alpha.log", 2 * n);
        // The whole of it, or only the inner one; at the end there is nothing.
        let is_whole = n % 2 == 1 || n == n_rounds;
        fs::remove_dir_all(home.path(if is_whole { "deep" } else { "deep/er" })).unwrap();
    }
    settle(&home);
    let samples = sampler.end();
    section.quiet(quiet, |before| before.again(&daemon));
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "A directory with a watched file and one that a pattern finds was made and removed {n_rounds} times, every other \
         time with the directory above it; three lines came each time."
    ));
    heard.judge(&mut section, &[("alpha", 2 * n_rounds), ("bravo", n_rounds)]);
    section.fact(
        "slowest line, from the append to its end, ms",
        slowest_ms(&times),
        Bound::AtMost(BY_AN_EVENT.as_secs_f64() * 1e3),
    );
    section.taken_flat(&samples);
    section.end();
}
