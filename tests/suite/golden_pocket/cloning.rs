//! Voices made on slices, step by step: against the reference, and against themselves.

use speakerd::engine::pocket::fast::cloning::{Cloning, CloningError};
use speakerd::engine::pocket::fast::encoder::{EncoderConvs, FastEncoder};
use speakerd::engine::pocket::fast::{Codec, FastModel};
use speakerd::engine::pocket::files::{HubCache, ModelFiles};
use speakerd::engine::pocket::voice::VoiceState;
use speakerd::nn::kernels::Processor;
use speakerd::nn::kernels::matrix::{Precision, Threads};
use speakerd::weights::Checkpoint;

use super::fast::{cosine, load, speak};
use super::{FORCED, Golden, largest_difference};

/// The whole way; progress only grows, from 0 to 1.
fn clone(mut cloning: Cloning) -> (VoiceState, Vec<f32>) {
    assert!(cloning.progress().abs() < f32::EPSILON);
    loop {
        let before = cloning.progress();
        let voice = cloning.step().unwrap();
        assert!(cloning.progress() > before && cloning.progress() <= 1.0);
        if let Some(voice) = voice {
            assert!((cloning.progress() - 1.0).abs() < f32::EPSILON);
            let conditioning = cloning.conditioning().to_vec();
            assert!(matches!(cloning.step(), Err(CloningError::Over)));
            return (voice, conditioning);
        }
    }
}

fn exported(golden: &Golden) -> VoiceState {
    let path = golden.dir.join("voice_state.safetensors");
    VoiceState::read(&path, &golden.config().flow_lm.transformer).unwrap()
}

#[test]
fn a_voice_is_the_one_that_the_reference_exports() {
    for golden in Golden::all() {
        let exported = exported(&golden);
        for processor in Processor::all_here() {
            for codec in [Codec::Inline, Codec::Threaded] {
                let model = load(&golden, Precision::Full, processor, codec);
                assert!(model.can_clone());
                let prompt = golden.floats("voice.trimmed");
                let (voice, conditioning) = clone(model.begin_cloning(&prompt).unwrap());
                let n_bos = usize::from(model.config.flow_lm.bos_before_voice);
                let d = model.config.flow_lm.transformer.d_model;
                golden.check("voice.conditioning", &conditioning[n_bos * d..], FORCED);
                assert_eq!(voice.n_positions, exported.n_positions);
                assert_eq!(voice.layers.len(), exported.layers.len());
                for (layer, exported) in voice.layers.iter().zip(&exported.layers) {
                    assert!(largest_difference(&layer.keys, &exported.keys) < FORCED);
                    assert!(largest_difference(&layer.values, &exported.values) < FORCED);
                }
            }
        }
    }
}

/// The language model in 8 bits; the encoder is in floats all the same.
#[test]
fn in_eight_bits_it_is_nearly_the_same_voice() {
    for golden in Golden::all() {
        let exported = exported(&golden);
        for processor in Processor::all_here() {
            let model = load(&golden, Precision::EightBits, processor, Codec::Threaded);
            let prompt = golden.floats("voice.trimmed");
            let (voice, conditioning) = clone(model.begin_cloning(&prompt).unwrap());
            let n_bos = usize::from(model.config.flow_lm.bos_before_voice);
            let d = model.config.flow_lm.transformer.d_model;
            golden.check("voice.conditioning", &conditioning[n_bos * d..], FORCED);
            for (layer, exported) in voice.layers.iter().zip(&exported.layers) {
                let likeness = cosine(&layer.keys, &exported.keys)
                    .min(cosine(&layer.values, &exported.values));
                assert!(likeness > 0.995, "{} {processor:?}: {likeness}", golden.name());
            }
        }
    }
}

/// Numbers that look like chance.
fn chance(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    }
}

#[test]
fn a_recording_is_the_same_in_pieces_of_any_sizes() {
    for golden in Golden::all() {
        let config = golden.config().mimi;
        let weights = Checkpoint::open(&golden.dir.join("model.safetensors")).unwrap();
        let mimi = weights.root().pp("mimi");
        // Three times over: longer than what the transformer has room for.
        let recording = golden.floats("voice.encoder_input").repeat(3);
        for processor in Processor::all_here() {
            let convs = EncoderConvs::load(&mimi, &config, processor).unwrap();
            let encoder = FastEncoder::load(&mimi, &config, convs, processor).unwrap();
            let of_pieces = |seed: u32, threads: Threads| {
                let (mut next, mut state) = (chance(seed), encoder.state(threads));
                let (mut rest, mut latents) = (&recording[..], Vec::new());
                while !rest.is_empty() {
                    let n_frames = 1 + next() as usize % 9;
                    let (piece, more) =
                        rest.split_at(rest.len().min(n_frames * config.frame_samples));
                    latents.extend(encoder.encode(piece, &mut state));
                    rest = more;
                }
                latents
            };
            let whole = encoder.encode(&recording, &mut encoder.state(Threads::One));
            let n_frames = recording.len() / config.frame_samples;
            assert_eq!(whole.len(), n_frames * config.voice_dim);
            for seed in 1..5 {
                for threads in [Threads::One, Threads::Two] {
                    let off = largest_difference(&of_pieces(seed, threads), &whole);
                    assert!(off < FORCED, "{} {seed} {threads:?}: off by {off}", golden.name());
                }
            }
        }
    }
}

#[test]
fn a_voice_that_is_given_up_leaves_the_model_as_it_was() {
    for golden in Golden::all() {
        let model = load(&golden, Precision::Full, Processor::of_this_machine(), Codec::Threaded);
        let [voice, _] = golden.voices();
        let ids = model.tokenizer.encode("Hello world.").unwrap();
        let before = speak(&model, &voice, &ids);
        let prompt = golden.floats("voice.trimmed");
        let (first, _) = clone(model.begin_cloning(&prompt).unwrap());
        for n_steps in 0.. {
            let mut cloning = model.begin_cloning(&prompt).unwrap();
            if (0..n_steps).any(|_| cloning.step().unwrap().is_some()) {
                break;
            }
            drop(cloning);
        }
        assert_eq!(speak(&model, &voice, &ids), before);
        let mut cloning = model.begin_cloning(&prompt).unwrap();
        cloning.step().unwrap();
        // It holds what it needs of the model.
        drop(model);
        while cloning.progress() < 1.0 {
            if let Some(voice) = cloning.step().unwrap() {
                assert_eq!(voice, first);
            }
        }
    }
}

#[test]
fn a_prompt_that_no_voice_can_be_made_of_is_refused() {
    let golden = &Golden::all()[0];
    let model = load(golden, Precision::Full, Processor::of_this_machine(), Codec::Inline);
    let begin = |prompt: &[f32]| model.begin_cloning(prompt).unwrap_err();
    assert!(matches!(begin(&[]), CloningError::Empty));
    assert!(matches!(begin(&[0.5, f32::NAN]), CloningError::NotFinite));
    let long = vec![0.0; 200 * 24_000];
    assert!(matches!(begin(&long), CloningError::TooLong { secs, max_secs } if secs > max_secs));
}

/// The open weights come without the voice encoder.
#[test]
fn weights_without_the_voice_encoder_say_so() {
    let golden = Golden::all().into_iter().find(|golden| golden.name() == "english_tiny").unwrap();
    let whole = std::fs::read(golden.dir.join("model.safetensors")).unwrap();
    let encoders = ["mimi.encoder", "mimi.downsample", "flow_lm.speaker_proj_weight"];
    for (parts, blanking) in [
        (&encoders[..], Blanking::Removed),
        (&encoders[..], Blanking::Zeros),
        (&encoders[..2], Blanking::Removed),
        (&encoders[..2], Blanking::Zeros),
        (&encoders[2..], Blanking::Zeros),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for file in ["config.yaml", "tokenizer.json"] {
            std::fs::copy(golden.dir.join(file), dir.path().join(file)).unwrap();
        }
        let weights = dir.path().join("model.safetensors");
        std::fs::write(&weights, without(&whole, parts, blanking)).unwrap();
        let files = ModelFiles::find(dir.path(), &HubCache::new("/nowhere".into())).unwrap();
        let processor = Processor::of_this_machine();
        let model = FastModel::load(files, Precision::Full, processor, Codec::Inline).unwrap();
        assert!(!model.can_clone(), "{parts:?} {blanking:?}");
        let refused = model.begin_cloning(&[0.0; 100]).unwrap_err();
        assert!(matches!(refused, CloningError::CannotClone), "{parts:?} {blanking:?}: {refused}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Blanking {
    Removed,
    Zeros,
}

/// Weights without the tensors whose names begin so.
fn without(bytes: &[u8], parts: &[&str], blanking: Blanking) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let zeros = vec![0; bytes.len()];
    let views = file.tensors().into_iter().filter_map(|(name, view)| {
        if !parts.iter().any(|part| name.starts_with(part)) {
            return Some((name, view));
        }
        let blank = &zeros[..view.data().len()];
        let blank =
            safetensors::tensor::TensorView::new(view.dtype(), view.shape().to_vec(), blank);
        (blanking == Blanking::Zeros).then(|| (name, blank.unwrap()))
    });
    safetensors::serialize(views, None).unwrap()
}

/// The weights' file is looked into again when a voice is made.
#[test]
fn weights_that_were_replaced_are_an_error_and_no_panic() {
    let golden = Golden::all().into_iter().find(|golden| golden.name() == "english_tiny").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.yaml", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(golden.dir.join(file), dir.path().join(file)).unwrap();
    }
    let files = ModelFiles::find(dir.path(), &HubCache::new("/nowhere".into())).unwrap();
    let processor = Processor::of_this_machine();
    let model = FastModel::load(files, Precision::Full, processor, Codec::Inline).unwrap();
    std::fs::write(dir.path().join("model.safetensors"), "something else").unwrap();
    let mut cloning = model.begin_cloning(&golden.floats("voice.trimmed")).unwrap();
    assert!(matches!(cloning.step(), Err(CloningError::Weights(_))));
    assert!(matches!(cloning.step(), Err(CloningError::Over)));
}
