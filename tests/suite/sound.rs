//! The sound card for real: a private sound server with a sink that is recorded.

#![cfg(all(feature = "card", feature = "builtin"))]

use std::process::Command;

use crate::support::program::Home;
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
