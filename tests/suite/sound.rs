//! The sound card for real: a private sound server with a sink that is recorded.

#![cfg(all(feature = "card", feature = "builtin"))]

use std::process::Command;
use std::time::{Duration, Instant};

use speakerd::status::{CardState, Status};

use crate::support::program::Home;
use crate::support::pulse::PulseServer;
use crate::support::rig::PATIENCE;
use crate::support::shared;

#[test]
fn a_sentence_reaches_the_sound_server_whole() {
    let Some(server) = shared::tool("private-pulse.sh") else { return };
    for (program, package) in [("pulseaudio", "pulseaudio"), ("parec", "pulseaudio-utils")] {
        if shared::program(program, package).is_none() {
            return;
        }
    }
    let home = Home::new("[audio]\noutput = \"card\"\n");
    let script = home.path("script.sh");
    std::fs::write(
        &script,
        "set -e\n\
         \"$SPEAKERD\" run --config \"$CONFIG\" 2>log & daemon=$!\n\
         until \"$SPEAKERD\" status >/dev/null 2>&1; do sleep 0.05; done\n\
         \"$SPEAKERD\" say --wait 'The birch canoe slid on the smooth planks.'\n\
         \"$SPEAKERD\" say --wait 'Glue the sheet to the dark blue background.'\n\
         \"$SPEAKERD\" history --json > history\n\
         \"$SPEAKERD\" status --json > status\n\
         \"$SPEAKERD\" shutdown\n\
         wait $daemon\n",
    )
    .unwrap();
    let output = Command::new("bash")
        .arg(server)
        .args(["sh", script.to_str().unwrap()])
        .current_dir(home.path(""))
        .env("SPEAKERD", env!("CARGO_BIN_EXE_speakerd"))
        .env("CONFIG", home.path("speakerd.toml"))
        .env("REC", home.path("heard.wav"))
        .env_remove("XDG_STATE_HOME")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), home.log());
    let status: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(home.path("status")).unwrap()).unwrap();
    assert_eq!(status["playback"]["card"], "open");
    assert_eq!(status["playback"]["n_underruns"], 0);
    let audio_secs: f64 = std::fs::read_to_string(home.path("history"))
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["audio_secs"].as_f64().unwrap()
        })
        .sum();
    let heard = hound::WavReader::open(home.path("heard.wav")).unwrap();
    let rate_hz = f64::from(heard.spec().sample_rate);
    let samples: Vec<i16> = heard.into_samples().map(Result::unwrap).collect();
    let is_sound = |sample: &i16| sample.unsigned_abs() > 100;
    let (first, last) =
        (samples.iter().position(is_sound).unwrap(), samples.iter().rposition(is_sound).unwrap());
    let span_secs = (last - first) as f64 / rate_hz;
    // Both sentences, their own quiet ends, and the silence between them while the second one was asked for.
    assert!(
        span_secs > audio_secs - 0.5 && span_secs < audio_secs + 0.8,
        "{span_secs} of {audio_secs} s"
    );
    let n_loud = samples.iter().filter(|sample| sample.unsigned_abs() > 1_000).count();
    assert!(n_loud as f64 > 0.2 * audio_secs * rate_hz, "{n_loud} loud samples in {audio_secs} s");
}

fn status(home: &Home) -> Status {
    serde_json::from_str(&home.ok(&["status", "--json"])).unwrap()
}

/// Waits for a state of the daemon; returns how long that took.
fn wait_until(home: &Home, what: &str, wished: impl Fn(&Status) -> bool) -> Duration {
    let begun = Instant::now();
    while !wished(&status(home)) {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}: {}", home.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}

/// Where a recording is silent for at least `shortest`: from, to, in seconds.
fn silences(path: &std::path::Path, shortest: f64) -> (Vec<(f64, f64)>, Vec<f32>, f64) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f32> =
        reader.samples::<i16>().map_while(Result::ok).map(|it| f32::from(it) / 32_768.0).collect();
    let mut found = Vec::new();
    let mut from = None;
    for (idx, sample) in samples.iter().chain([&1.0]).enumerate() {
        match (sample.abs() < 0.002, from) {
            (true, None) => from = Some(idx),
            (false, Some(begun)) => {
                let (begun, end) = (begun as f64 / rate, idx as f64 / rate);
                if end - begun >= shortest {
                    found.push((begun, end));
                }
                from = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    (found, samples, rate)
}

#[test]
fn lines_follow_each_other_without_a_gap_too_long_or_a_click() {
    let mut home = Home::new("[audio]\ngap_ms = 300\n[text]\nmax_piece_chars = 40\n");
    let Some(mut server) = PulseServer::of(&mut home) else { return };
    server.start();
    let _daemon = home.start();
    home.ok(&["load"]);
    let recording = home.path("heard.wav");
    let recorder = server.record("ear", &recording);
    // Several pieces a line: their seams are within a sentence.
    for n in ["one", "two", "three"] {
        home.ok(&[
            "say",
            &format!("The birch canoe slid on the smooth planks, and glue was on sheet {n}"),
        ]);
    }
    home.ok(&["wait-idle", "--timeout", "60"]);
    recorder.end();
    let (silences, samples, rate) = silences(&recording, 0.25);
    let whole = samples.len() as f64 / rate;
    let inner: Vec<_> = silences
        .iter()
        .filter(|(from, to)| *from > 0.05 && *to < whole - 0.05)
        .map(|(from, to)| to - from)
        .collect();
    assert_eq!(inner.len(), 2, "between the lines, and nowhere else: {silences:?}");
    // A voice begins and ends with a little silence of its own.
    assert!(inner.iter().all(|length| (0.29..0.5).contains(length)), "{inner:?}");
    // A click is a jump; speech of this voice has none so large.
    let jump = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(jump < 0.35, "{jump}");
    let loud = samples.iter().filter(|sample| sample.abs() > 0.02).count() as f64 / rate;
    let said: f64 = home.history().iter().map(|entry| entry["audio_secs"].as_f64().unwrap()).sum();
    assert!(loud > 0.3 * said && whole > said, "{loud} s loud of {said} s");
}

#[test]
fn desktops_know_the_stream_by_its_name_and_role_and_it_goes_where_the_default_goes() {
    let mut home = Home::new("[audio]\nmedia_role = \"phone\"\n");
    let Some(mut server) = PulseServer::of(&mut home) else { return };
    server.start();
    let _daemon = home.start();
    let long = "The birch canoe slid on the smooth planks. ".repeat(4);
    home.ok(&["say", &long]);
    wait_until(&home, "sound", |status| status.playback.level > 0.01);
    let inputs = server.ctl(&["list", "sink-inputs"]).unwrap();
    for property in [
        "application.name = \"speakerd\"",
        "application.id = \"speakerd\"",
        "media.role = \"phone\"",
    ] {
        assert!(inputs.contains(property), "{property}: {inputs}");
    }
    let on_sink = |name: &str| {
        let sinks = server.ctl(&["list", "short", "sinks"]).unwrap();
        let index = sinks
            .lines()
            .find(|line| line.contains(name))
            .unwrap()
            .split('\t')
            .next()
            .unwrap()
            .to_owned();
        let inputs = server.ctl(&["list", "short", "sink-inputs"]).unwrap();
        inputs.lines().any(|line| line.split('\t').nth(1) == Some(index.as_str()))
    };
    assert!(on_sink("ear"));
    server.ctl(&["set-default-sink", "other"]).unwrap();
    let begun = Instant::now();
    while !on_sink("other") {
        assert!(begun.elapsed() < Duration::from_secs(5), "it stays behind");
        std::thread::sleep(Duration::from_millis(20));
    }
    home.ok(&["wait-idle", "--timeout", "60"]);
    let entries = home.history();
    assert_eq!((entries.len(), entries[0]["outcome"].as_str()), (1, Some("spoken")));
}

#[test]
fn a_server_that_needs_no_cookie_is_not_put_off_by_a_missing_one() {
    let mut home = Home::new("[audio]\noutput = \"card\"\n");
    let Some(mut server) = PulseServer::of(&mut home) else { return };
    server.start();
    home.set("PULSE_COOKIE", home.path("no-such-cookie").display().to_string());
    let _daemon = home.start();
    home.ok(&["say", "--wait", "Tea is ready."]);
    assert_eq!(status(&home).playback.card, CardState::Open);
    assert!(!home.log().contains("PulseAudio:"), "{}", home.log());
}

#[test]
fn a_device_that_is_not_there_is_replaced_or_waited_for() {
    for (fallback, is_heard) in [("default", true), ("wait", false)] {
        let mut home = Home::new(&format!(
            "[audio]\ndevice = \"headset\"\ndevice_fallback = \"{fallback}\"\n"
        ));
        let Some(mut server) = PulseServer::of(&mut home) else { return };
        server.start();
        let daemon = home.start();
        let n_threads =
            || std::fs::read_dir(format!("/proc/{}/task", daemon.child.id())).unwrap().count();
        home.ok(&["say", "Where is it?"]);
        if is_heard {
            home.ok(&["wait-idle", "--timeout", "30"]);
            assert!(home.log().contains("headset"), "{}", home.log());
            continue;
        }
        wait_until(&home, "a problem", |status| status.playback.problem.is_some());
        let n_before = n_threads();
        std::thread::sleep(Duration::from_secs(3)); // it is tried three or four times meanwhile
        assert!(n_threads() <= n_before + 1, "{n_before} threads became {}", n_threads());
        let problem = status(&home).playback.problem.unwrap();
        assert!(problem.contains("headset") && problem.contains("ear"), "what there is: {problem}");
        server
            .ctl(&["load-module", "module-null-sink", "sink_name=headset", "norewinds=1"])
            .unwrap();
        home.ok(&["wait-idle", "--timeout", "30"]);
        assert_eq!(home.history().len(), 1);
    }
}
