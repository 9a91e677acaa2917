//! The figures that speakerd promises, with a margin of five: these machines are shared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use speakerd::control::protocol::{Clear, Request};

use crate::support::program::Home;
use crate::support::rig::Rig;
use crate::support::virtual_card::RATE_HZ;

/// What `speakerd bench` prints, by name: median and 99th percentile.
fn measured(arguments: &[&str]) -> BTreeMap<String, (f64, f64)> {
    let home = Home::new("");
    let out = home.ok(&[&["bench", "--json"], arguments].concat());
    out.lines()
        .map(|line| {
            let figure: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |key: &str| figure[key].as_f64().unwrap();
            (figure["name"].as_str().unwrap().to_owned(), (number("median"), number("p99")))
        })
        .collect()
}

/// For `cargo test figures -- --nocapture`.
#[expect(clippy::print_stderr, reason = "the figure itself is of interest")]
fn report(figure: &str) {
    eprintln!("{figure}");
}

#[test]
fn start_and_status_and_idleness_are_cheap() {
    let figures = measured(&["start", "status", "idle", "--rounds", "20", "--idle-secs", "5"]);
    assert!(figures["start to ready"].0 < 250.0, "{figures:?}");
    let (median, p99) = figures["status while speaking, full queue"];
    assert!(median < 2.5 && p99 < 25.0, "{figures:?}");
    assert!(figures["processor while idle, three files"].0 < 0.5, "{figures:?}");
}

#[cfg(feature = "builtin")]
#[test]
fn an_appended_line_is_heard_within_a_moment() {
    let figures = measured(&["append", "--rounds", "30"]);
    let (median, p99) = figures["append to first sample"];
    assert!(median > 0.0 && median < 200.0 && p99 < 400.0, "{figures:?}");
}

#[cfg(feature = "builtin")]
#[test]
fn memory_stays_small() {
    let figures = measured(&["memory"]);
    assert!(figures["resident before any speech"].0 < 60.0, "{figures:?}");
    assert!(figures["resident after speech and unload"].0 < 100.0, "{figures:?}");
}

#[test]
fn a_skip_and_a_pause_are_silent_at_the_mixer_at_once_and_without_a_click() {
    let rig = Rig::start_with("", "tone", 1.0);
    for request in [Request::Skip, Request::Pause] {
        let mut times = Vec::new();
        for _ in 0..5 {
            rig.say(&"a".repeat(100));
            rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
            let asked_at = Instant::now();
            rig.ask(&request);
            let n_pulled = rig.card.n_pulled();
            while rig.card.n_pulled() < n_pulled + RATE_HZ / 4 {
                std::thread::sleep(Duration::from_millis(5));
            }
            times.push(rig.card.silent_after(asked_at).unwrap());
            rig.ask(&Request::Clear(Clear::default()));
            rig.ask(&Request::Resume);
            rig.wait_idle();
        }
        times.sort();
        report(&format!("{request:?} to silence at the mixer: {times:?}"));
        assert!(times.last().unwrap() < &Duration::from_millis(150), "{request:?}: {times:?}");
    }
    // 400 Hz at half of full scale: no step between two samples is larger than the tone's own, but for a click.
    let recording = rig.card.recording();
    let steepest = recording.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.04, "a step of {steepest}");
}
