//! The codec: latents to audio, streaming and whole.

use candle_core::Tensor;
use proptest::prelude::*;
use speakerd::engine::pocket::mimi::DecoderState;
use speakerd::engine::pocket::model::PlainModel;

use super::{FORCED, Golden, largest_difference};

fn decode(model: &PlainModel, latents: &Tensor, groups: &[usize]) -> Vec<f32> {
    let (mut state, mut samples, mut at) = (DecoderState::default(), Vec::new(), 0);
    for n_frames in groups {
        let latents = latents.narrow(0, at, *n_frames).unwrap();
        samples.extend(model.decoder.decode(&latents, &mut state).unwrap());
        at += n_frames;
    }
    assert_eq!(at, latents.dim(0).unwrap());
    samples
}

#[test]
fn each_stage_of_the_decoder_is_the_references() {
    for golden in Golden::all() {
        let model = golden.model();
        let mut state = DecoderState::default();
        let latents = golden.tensor("decode.input");
        let x = model.decoder.project(&latents).unwrap();
        golden.check_tensor("decode.quantizer_out", &x, FORCED);
        let x = model.decoder.upsample(&x, &mut state).unwrap();
        golden.check_tensor("decode.upsample_out", &x, FORCED);
        let x = model.decoder.transform(&x, &mut state).unwrap();
        golden.check_tensor("decode.transformer_out", &x, FORCED);
        let n_frames = latents.dim(0).unwrap();
        golden.check("decode.all_at_once", &decode(&model, &latents, &[n_frames]), FORCED);
        golden.check("decode.one_per_call", &decode(&model, &latents, &vec![1; n_frames]), FORCED);
    }
}

#[test]
fn what_the_model_makes_is_what_the_codec_gets() {
    for golden in Golden::all() {
        let latents = golden.model().flow_lm.denormalized(&golden.tensor("gen.0.latents")).unwrap();
        golden.check_tensor("decode.input", &latents, FORCED);
    }
}

#[test]
fn streaming_equals_whole_however_it_is_grouped() {
    let models: Vec<_> = Golden::all()
        .iter()
        .map(|golden| (golden.model(), golden.tensor("decode.input")))
        .collect();
    let whole: Vec<_> = models
        .iter()
        .map(|(model, latents)| decode(model, latents, &[latents.dim(0).unwrap()]))
        .collect();
    let groups = prop::collection::vec(1_usize..6, 20);
    proptest!(ProptestConfig::with_cases(24), |(idx in 0..models.len(), groups in groups)| {
        let (model, latents) = &models[idx];
        let mut left = latents.dim(0).unwrap();
        let groups: Vec<_> = groups
            .into_iter()
            .map(|n_frames| {
                let n_frames = n_frames.min(left);
                left -= n_frames;
                n_frames
            })
            .filter(|n_frames| *n_frames > 0)
            .collect();
        let samples = decode(model, latents, &groups);
        prop_assert!(largest_difference(&samples, &whole[idx]) < 5e-6, "{groups:?}");
    });
}
