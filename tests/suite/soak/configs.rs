//! A configuration that is broken and mended while the daemon speaks.

use rustix::process::Signal;

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{SILENT, settle, slowest_ms, status, wait_until};
use crate::support::program::Home;

/// What somebody may leave in the file.
const BROKEN: [&str; 6] = [
    "[audio\n",
    "[audio]\nvolume = 9.0\n",
    "[audio]\nloudness = 1.0\n",
    "volume = \"loud\"\n[[watch]]\n",
    "[[watch]]\npath = \"$HOME/alpha.log\"\ninclude = [\"(\"]\n",
    "\u{0}\u{1}\u{fffd}",
];

#[test]
fn a_configuration_that_is_broken_and_mended_again_and_again_costs_no_line() {
    let n_rounds = plan(9, 26);
    let mut section = Section::new("09-configs", "A configuration, broken and mended");
    let mut progress = Progress::of("configs");
    let whole = format!("{SILENT}[[watch]]\npath = \"$HOME/alpha.log\"\n");
    let home = Home::new(&whole);
    let write = |config: &str| {
        let config = config.replace("$HOME", &home.path("").display().to_string());
        std::fs::write(home.path("speakerd.toml"), config).unwrap();
    };
    home.append("alpha.log", "");
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let mut n_written = 0;
    let mut speak = || {
        n_written += 1;
        home.append("alpha.log", &format!("alpha {n_written}\n"));
        heard.wait_for(n_written);
        n_written
    };
    speak();
    let quiet = Quiet::of(&daemon);
    let mut sampler = None;
    let (mut seen, mut mended, mut n_wrong) = (Vec::new(), Vec::new(), 0);
    for n in 0..n_rounds {
        progress.tell(n, n_rounds, "rounds");
        if n == BROKEN.len() {
            // What reading each of them takes once, is taken: the first regular expression, two megabytes.
            sampler = Some(Sampler::of(&daemon));
        }
        write(BROKEN[n % BROKEN.len()]);
        // By itself, or because it is told to look.
        let is_told = n % BROKEN.len() != 0;
        if is_told {
            assert_eq!(home.fails(&["reload"]).0, 78);
        }
        seen.push(wait_until(&home, "a word", |status| status.daemon.config_problem.is_some()));
        speak();
        let volume = [0.5, 0.75][n % 2];
        write(&whole.replacen("[audio]", &format!("[audio]\nvolume = {volume}"), 1));
        if is_told {
            home.ok(&["reload"]);
        }
        mended.push(wait_until(&home, "the end of it", |status| {
            status.daemon.config_problem.is_none()
        }));
        n_wrong += usize::from((status(&home).playback.volume - volume).abs() > 1e-6);
        speak();
    }
    let n_written = speak();
    settle(&home);
    let samples = sampler.unwrap().end();
    section.quiet(quiet, |before| before.again(&daemon));
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "The configuration was broken {n_rounds} times, in six ways, and mended with another loudness; the daemon saw it by \
         itself, or was told to look. A line came in between each time."
    ));
    heard.judge(&mut section, &[("alpha", n_written)]);
    section.count("mended files that were not in force", n_wrong, Bound::Exactly(0.0));
    section.fact("slowest word on a broken file, ms", slowest_ms(&seen), Bound::Told);
    section.fact("slowest word on a mended file, ms", slowest_ms(&mended), Bound::Told);
    section.taken_flat(&samples);
    section.end();
}
