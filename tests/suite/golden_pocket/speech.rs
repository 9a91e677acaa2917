//! Whole utterances, from text to 16-bit samples.

use speakerd::engine::pocket::ending::Ending;
use speakerd::engine::pocket::model::{Model, PlainModel};
use speakerd::engine::pocket::noise::Noise;
use speakerd::engine::pocket::stream::{Sampling, TextInTheMaking};
use speakerd::engine::pocket::voice::VoiceState;

use super::{FREE, Golden, MORE_THAN_NUDGED};

/// As many codec frames of a chunk as the tolerance was measured on: differences grow with each that is fed back.
const N_COMPARED: usize = 20;

fn speak(model: &PlainModel, voice: &VoiceState, text: &str, sampling: Sampling) -> Vec<f32> {
    let mut text = TextInTheMaking::new(model, voice, text, sampling).unwrap();
    let mut samples = Vec::new();
    while let Some(frame) = text.next_frame().unwrap() {
        samples.extend(frame);
    }
    samples
}

fn sixteen_bits(sample: f32) -> f32 {
    (sample.clamp(-1.0, 1.0) * 32_767.0).round()
}

#[test]
fn whole_utterances_are_the_references() {
    for golden in Golden::all() {
        let (model, [voice, nudged]) = (golden.model(), golden.voices());
        for (idx, case) in golden.facts["api"].as_array().unwrap().iter().enumerate() {
            let text = case["text"].as_str().unwrap();
            let max_tokens = usize::try_from(case["max_tokens"].as_u64().unwrap()).unwrap();
            let sampling = Sampling { temperature: Some(0.0), seed: 0, max_tokens };
            let samples = speak(&model, &voice, text, sampling);
            let nudged = speak(&model, &nudged, text, sampling);
            let wanted = golden.sixteen_bits(&format!("api.{idx}.audio_i16"));
            assert_eq!(samples.len(), wanted.len(), "{} {text:?}", golden.name());
            let (mut n_before, mut moved) = (0, FREE / MORE_THAN_NUDGED);
            for n_frames in case["frames_per_chunk"].as_array().unwrap() {
                let n_samples = usize::try_from(n_frames.as_u64().unwrap()).unwrap() * 1_920;
                for idx in n_before..n_before + n_samples.min(N_COMPARED * 1_920) {
                    moved = (samples[idx] - nudged[idx]).abs().max(moved);
                    let tolerance = 2.0 + 32_767.0 * 4.0 * MORE_THAN_NUDGED * moved;
                    let off = (sixteen_bits(samples[idx]) - f32::from(wanted[idx])).abs();
                    assert!(off <= tolerance, "{} {text:?}: off by {off} at {idx}", golden.name());
                }
                n_before += n_samples;
            }
            assert_eq!(n_before, samples.len());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_samples_and_leaves_the_voice_alone() {
    for golden in Golden::all() {
        let model = golden.model();
        let [voice, _] = golden.voices();
        let before = voice.clone();
        let say = |seed| speak(&model, &voice, "Hello world. Yes!", Sampling::new(seed));
        let first = say(7);
        // One that is dropped in the middle, and one with another seed, change nothing.
        let ids = model.tokenizer.encode("Something else.").unwrap();
        let ending = Ending::new(f32::INFINITY, 0, 50);
        let mut dropped = model.begin(&voice, &ids, ending, Noise::new(1, 0, 0.3)).unwrap();
        for _ in 0..3 {
            dropped.next_frame().unwrap();
        }
        drop(dropped);
        assert_ne!(say(8), first);
        assert_eq!(say(7), first);
        assert_eq!(voice, before);
    }
}
