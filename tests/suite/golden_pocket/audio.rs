//! Recordings on their way to a voice prompt: mixed down, resampled, ended on a pause.

use speakerd::dsp::polyphase;
use speakerd::engine::pocket::recording;
use speakerd::voice::recording::Recording;
use speakerd::weights::Checkpoint;

use super::{FORCED, Golden, fixtures, largest_difference};

fn floats(file: &Checkpoint, name: &str) -> Vec<f32> {
    let shape = file.shape(name).unwrap().to_vec();
    file.floats(name, &shape).unwrap()
}

#[test]
fn recordings_of_any_rate_are_resampled_as_the_reference_does() {
    let file = Checkpoint::open(&fixtures().join("common/audio.safetensors")).unwrap();
    let mut n_rates = 0;
    for name in file.names() {
        let Some(rate_hz) = name.strip_prefix("mono.") else { continue };
        let wav = fixtures().join(format!("common/stereo_{rate_hz}.wav"));
        let recording = Recording::read(&wav).unwrap();
        assert_eq!(recording.rate_hz.to_string(), rate_hz);
        let mono = floats(&file, &name);
        assert!(largest_difference(&recording.samples, &mono) < 1e-6, "{rate_hz} Hz");
        let found = polyphase::resample(&mono, recording.rate_hz, 24_000);
        let off = largest_difference(&found, &floats(&file, &format!("resampled.{rate_hz}")));
        assert!(off < FORCED, "{rate_hz} Hz: off by {off}");
        n_rates += 1;
    }
    assert!(n_rates >= 4, "{n_rates}");
}

#[test]
fn a_recording_ends_on_a_pause_as_in_the_reference() {
    let file = Checkpoint::open(&fixtures().join("common/audio.safetensors")).unwrap();
    let mut n_cases = 0;
    for name in file.names() {
        let Some(case) = name.strip_suffix(".in") else { continue };
        let found = recording::ended_on_a_pause(&floats(&file, &name));
        let off = largest_difference(&found, &floats(&file, &format!("{case}.out")));
        assert!(off < 1e-6, "{name}: off by {off}");
        n_cases += 1;
    }
    assert!(n_cases >= 5, "{n_cases}");
    for golden in Golden::all() {
        let found = recording::ended_on_a_pause(&golden.floats("voice.audio"));
        golden.check("voice.trimmed", &found, 1e-6);
    }
}
