//! A sound server that dies while it is spoken to, and comes back.

use std::time::Duration;

use rustix::process::Signal;
use speakerd::status::CardState;

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{settle, slowest_ms, wait_until};
use crate::support::program::Home;
use crate::support::pulse::PulseServer;

/// A death that is noticed later has cost words.
const NOTICED: Duration = Duration::from_secs(5);

#[test]
fn a_sound_server_that_dies_again_and_again_costs_no_line() {
    let n_deaths = plan(5, 40);
    let mut section = Section::new("06-sound-server", "A sound server that dies");
    let mut progress = Progress::of("sound server");
    let mut home = Home::new(
        "[audio]\noutput = \"card\"\nrelease_secs = 0\n[[watch]]\npath = \"$HOME/alpha.log\"\n",
    );
    let Some(mut server) = PulseServer::of(&mut home) else { return };
    home.append("alpha.log", "");
    // There is none at the start: what comes is kept.
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let lines: Vec<_> = (1..=n_deaths).map(|n| format!("alpha {n}, this is a line.\n")).collect();
    home.append("alpha.log", &lines.concat());
    let is_lost = |status: &speakerd::status::Status| status.playback.card == CardState::Lost;
    wait_until(&home, "a word about it", is_lost);
    let sampler = Sampler::of(&daemon);
    let (mut lost, mut back, mut quiet) = (Vec::new(), Vec::new(), None);
    for n in 0..n_deaths {
        progress.tell(n, n_deaths, "deaths");
        server.start();
        back.push(wait_until(&home, "sound", |status| {
            status.playback.card == CardState::Open && status.playback.level > 0.01
        }));
        server.kill();
        lost.push(wait_until(&home, "a word about its death", is_lost));
        if n == 0 {
            quiet = Quiet::of(&daemon);
        }
    }
    section.quiet(quiet, |before| before.again(&daemon));
    let samples = sampler.end();
    server.start();
    settle(&home);
    let n_opened = home.log().matches("sound card opened").count();
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "The daemon was started without a sound server; then one was started and killed {n_deaths} times, each time while \
         it was spoken to. What was cut is spoken again, and is one line in the history."
    ));
    heard.judge(&mut section, &[("alpha", n_deaths)]);
    section.count(
        "times that the card was opened",
        n_opened,
        Bound::Exactly((n_deaths + 1) as f64),
    );
    let bound = Bound::AtMost(NOTICED.as_secs_f64() * 1e3);
    section.fact("slowest word about a death, ms", slowest_ms(&lost), bound);
    section.fact("slowest return of the sound, ms", slowest_ms(&back), Bound::Told);
    // A card that is gone is asked for again and again, with pauses in between.
    section.fact("processor, part of one", samples.load(), Bound::AtMost(0.25));
    section.taken_flat(&samples);
    section.end();
}
