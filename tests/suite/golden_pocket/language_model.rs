//! The language model step by step, and what makes latents.

use candle_core::{DType, Device, Tensor};
use speakerd::engine::pocket::model::PlainModel;
use speakerd::engine::pocket::voice::VoiceState;

use super::{FORCED, FREE, Golden, MORE_THAN_NUDGED, largest_difference, values};

/// Twenty steps after a text, without noise.
#[derive(Default)]
struct Run {
    hidden: Vec<f32>,
    layer0: Vec<f32>,
    eos_logits: Vec<f32>,
    latents: Vec<f32>,
    final_offset: usize,
}

/// Runs on the latents that are given, else on its own.
fn run(
    model: &PlainModel,
    voice: &VoiceState,
    ids: &[u32],
    given: Option<&Tensor>,
    n_decode_steps: usize,
) -> Run {
    let mut run = Run::default();
    let config = &model.config.flow_lm.transformer;
    let mut state = voice.to_tensors(config, &Device::Cpu).unwrap();
    model.flow_lm.prefill(&model.flow_lm.text_embeddings(ids).unwrap(), &mut state).unwrap();
    let width = model.config.mimi.latent_dim;
    let silence = Tensor::zeros((1, width), DType::F32, &Device::Cpu).unwrap();
    let mut latent: Option<Tensor> = None;
    for idx in 0..20 {
        let step = model.flow_lm.step_observed(latent.as_ref(), &mut state, &mut |layer, x| {
            if layer == 0 {
                run.layer0.extend(values(x));
            }
        });
        let step = step.unwrap();
        run.hidden.extend(values(&step.hidden));
        run.eos_logits.push(step.eos_logit);
        let next = model.flow_lm.flow().sample(&step.hidden, &silence, n_decode_steps).unwrap();
        run.latents.extend(values(&next));
        latent = Some(match given {
            Some(given) => given.narrow(0, idx, 1).unwrap(),
            None => next,
        });
    }
    run.final_offset = state.offset;
    run
}

fn check_embeddings(golden: &Golden, model: &PlainModel, prefix: &str) {
    let ids = golden.ids(&format!("{prefix}.ids"));
    let text = model.flow_lm.text_embeddings(&ids).unwrap();
    golden.check_tensor(&format!("{prefix}.text_embeddings"), &text, FORCED);
}

fn check_offset(golden: &Golden, run: &Run, prefix: &str) {
    let offset = golden.tensors.integers(&format!("{prefix}.final_offset")).unwrap()[0];
    assert_eq!(run.final_offset, usize::try_from(offset).unwrap());
}

#[test]
fn steps_on_given_latents_are_the_references() {
    for golden in Golden::all() {
        let (model, [voice, _]) = (golden.model(), golden.voices());
        let (ids, inputs) = (golden.ids("forced.ids"), golden.tensor("forced.inputs"));
        let run = run(&model, &voice, &ids, Some(&inputs), 1);
        check_embeddings(&golden, &model, "forced");
        golden.check("forced.layer0_out", &run.layer0, FORCED);
        golden.check("forced.hidden", &run.hidden, FORCED);
        golden.check("forced.eos_logits", &run.eos_logits, FORCED);
        golden.check("forced.latents", &run.latents, FORCED);
        check_offset(&golden, &run, "forced");
    }
}

#[test]
fn more_steps_for_a_latent_are_the_references() {
    let mut n_checked = 0;
    for golden in Golden::all().into_iter().filter(|golden| golden.facts["flow_type"] == "lsd") {
        let (model, [voice, _]) = (golden.model(), golden.voices());
        let (ids, inputs) = (golden.ids("forced.ids"), golden.tensor("forced.inputs"));
        let run = run(&model, &voice, &ids, Some(&inputs), 4);
        golden.check("forced.latents_4_decode_steps", &run.latents, FORCED);
        n_checked += 1;
    }
    assert!(n_checked > 0);
}

#[test]
fn steps_on_its_own_latents_are_the_references() {
    for golden in Golden::all() {
        let (model, [voice, nudged]) = (golden.model(), golden.voices());
        for idx in 0..golden.facts["gen_texts"].as_array().unwrap().len() {
            let prefix = format!("gen.{idx}");
            let ids = golden.ids(&format!("{prefix}.ids"));
            let (run, nudged) =
                (run(&model, &voice, &ids, None, 1), run(&model, &nudged, &ids, None, 1));
            check_embeddings(&golden, &model, &prefix);
            check_offset(&golden, &run, &prefix);
            for (name, found, nudged) in [
                ("layer0_out", &run.layer0, &nudged.layer0),
                ("hidden", &run.hidden, &nudged.hidden),
                ("eos_logits", &run.eos_logits, &nudged.eos_logits),
                ("latents", &run.latents, &nudged.latents),
            ] {
                let tolerance = FREE.max(MORE_THAN_NUDGED * largest_difference(found, nudged));
                golden.check(&format!("{prefix}.{name}"), found, tolerance);
            }
        }
    }
}

#[test]
fn latents_of_given_noise_are_the_references() {
    for golden in Golden::all() {
        let model = golden.model();
        let flow = model.flow_lm.flow();
        let (cond, noise) = (golden.tensor("flow.cond"), golden.tensor("flow.noise"));
        for n_steps in [1, 2, 5] {
            let name = format!("flow.out_{n_steps}_steps");
            if golden.tensors.has(&name) {
                golden.check_tensor(&name, &flow.sample(&cond, &noise, n_steps).unwrap(), FORCED);
            }
        }
        for idx in 0..2 {
            let name = format!("flow.time_embed_{idx}");
            if golden.tensors.has(&name) {
                let times = golden.floats("flow.times");
                let embeds = times.iter().map(|time| flow.time_embed(idx, *time).unwrap());
                let embeds = Tensor::cat(&embeds.collect::<Vec<_>>(), 0).unwrap();
                golden.check_tensor(&name, &embeds, FORCED);
            }
        }
    }
}
