//! The model on slices against the reference, and in 8 bits against itself, on each kind of processor that is here.

use speakerd::engine::pocket::ending::Ending;
use speakerd::engine::pocket::fast::{Codec, FastModel};
use speakerd::engine::pocket::files::{HubCache, ModelFiles};
use speakerd::engine::pocket::model::Model;
use speakerd::engine::pocket::noise::Noise;
use speakerd::engine::pocket::voice::{VoiceLayer, VoiceState};
use speakerd::nn::kernels::Processor;
use speakerd::nn::kernels::matrix::{Precision, Threads};

use super::{FORCED, Golden, MORE_THAN_NUDGED, largest_difference};

pub(super) fn load(
    golden: &Golden,
    precision: Precision,
    processor: Processor,
    codec: Codec,
) -> FastModel {
    let files = ModelFiles::find(&golden.dir, &HubCache::new("/nowhere".into())).unwrap();
    FastModel::load(files, precision, processor, codec).unwrap()
}

/// Twenty steps on the latents that are given: hidden, logits, latents.
fn forced(golden: &Golden, model: &FastModel) -> [Vec<f32>; 3] {
    let [voice, _] = golden.voices();
    let (lm, inputs) = (model.flow_lm(), golden.floats("forced.inputs"));
    let width = model.config.mimi.latent_dim;
    let mut state = lm.begin(&voice, 100, Threads::Two);
    lm.prefill(&golden.ids("forced.ids"), &mut state);
    let [mut hidden, mut logits, mut latents] = [vec![], vec![], vec![]];
    let mut latent: Option<&[f32]> = None;
    for input in inputs.chunks_exact(width) {
        logits.push(lm.step(latent, &mut state));
        hidden.extend_from_slice(&state.hidden);
        let mut next = vec![0.0; width];
        lm.sample(&mut next, &mut state);
        latents.extend(next);
        latent = Some(input);
    }
    [hidden, logits, latents]
}

fn decode(golden: &Golden, model: &FastModel, n_frames: usize) -> Vec<f32> {
    let latents = golden.floats("decode.input");
    let mut state = model.decoder().state();
    let groups = latents.chunks(n_frames * model.config.mimi.latent_dim);
    groups.flat_map(|latents| model.decoder().decode(latents, &mut state)).collect()
}

#[test]
fn in_floats_it_is_the_reference() {
    for golden in Golden::all() {
        for processor in Processor::all_here() {
            let model = load(&golden, Precision::Full, processor, Codec::Inline);
            let [hidden, logits, latents] = forced(&golden, &model);
            golden.check("forced.hidden", &hidden, FORCED);
            golden.check("forced.eos_logits", &logits, FORCED);
            golden.check("forced.latents", &latents, FORCED);
            for n_frames in [1, 3, 20] {
                golden.check("decode.all_at_once", &decode(&golden, &model, n_frames), FORCED);
            }
        }
    }
}

pub(super) fn speak(model: &dyn Model, voice: &VoiceState, ids: &[u32]) -> Vec<f32> {
    let ending = Ending::new(f32::INFINITY, 0, 12);
    let mut chunk = model.begin(voice, ids, ending, Noise::new(5, 0, 0.3)).unwrap();
    let mut samples = Vec::new();
    while let Some(frame) = chunk.next_frame().unwrap() {
        samples.extend(frame);
    }
    samples
}

/// Whole chunks are the plain model's, whoever runs the codec.
#[test]
fn speech_is_the_plain_models() {
    for golden in Golden::all() {
        let [voice, nudged] = golden.voices();
        let plain = golden.model();
        let ids = plain.tokenizer.encode("Hello world.").unwrap();
        let expected = speak(&plain, &voice, &ids);
        assert_eq!(expected.len(), 12 * 1_920);
        let moved = largest_difference(&speak(&plain, &nudged, &ids), &expected);
        let tolerance = (MORE_THAN_NUDGED * moved).max(2e-3);
        for codec in [Codec::Inline, Codec::Threaded] {
            let model = load(&golden, Precision::Full, Processor::of_this_machine(), codec);
            let off = largest_difference(&speak(&model, &voice, &ids), &expected);
            assert!(off < tolerance, "{} {codec:?}: off by {off}", golden.name());
        }
    }
}

pub(super) fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

/// Few of the tiny models' widths fit into blocks of 32, and small matrices round worse than large ones.
#[test]
fn in_eight_bits_it_is_nearly_the_same() {
    for golden in Golden::all() {
        for processor in Processor::all_here() {
            let model = load(&golden, Precision::EightBits, processor, Codec::Inline);
            let [_, _, latents] = forced(&golden, &model);
            let likeness = cosine(&latents, &golden.floats("forced.latents"));
            assert!(likeness > 0.995, "{} {processor:?}: {likeness}", golden.name());
            let samples = decode(&golden, &model, 1);
            let likeness = cosine(&samples, &golden.floats("decode.all_at_once"));
            assert!(likeness > 0.995, "{} {processor:?}: {likeness}", golden.name());
        }
    }
}

/// On a model of real size, which is not in the repository: `SPEAKERD_TEST_MODEL=DIR cargo test --release eight_bits_of`.
#[test]
fn eight_bits_of_a_large_model_keep_its_latents() {
    let Some(dir) = std::env::var_os("SPEAKERD_TEST_MODEL") else { return };
    let processor = Processor::of_this_machine();
    let latents = [Precision::Full, Precision::EightBits].map(|precision| {
        let files = ModelFiles::find(dir.as_ref(), &HubCache::of_this_user()).unwrap();
        let model = FastModel::load(files, precision, processor, Codec::Inline).unwrap();
        let (lm, config) = (model.flow_lm(), &model.config.flow_lm.transformer);
        let mut noise = Noise::new(1, 0, 1.0);
        let mut chance = |n: usize| {
            let mut values = vec![0.0; n];
            noise.fill(&mut values);
            values
        };
        let layers = (0..config.n_layers).map(|_| VoiceLayer {
            keys: chance(50 * config.d_kv()),
            values: chance(50 * config.d_kv()),
        });
        let voice = VoiceState { n_positions: 50, layers: layers.collect() };
        let ids = model.tokenizer.encode("The quick brown fox jumps over the lazy dog.").unwrap();
        let mut state = lm.begin(&voice, 100, Threads::Two);
        lm.prefill(&ids, &mut state);
        let width = model.config.mimi.latent_dim;
        let (mut latents, mut input) = (Vec::new(), None::<Vec<f32>>);
        for _ in 0..20 {
            lm.step(input.as_deref(), &mut state);
            let mut next = chance(width);
            lm.sample(&mut next, &mut state);
            latents.extend(next);
            input = Some(chance(width));
        }
        latents
    });
    let likeness = cosine(&latents[0], &latents[1]);
    assert!(likeness > 0.999, "{likeness}");
}
