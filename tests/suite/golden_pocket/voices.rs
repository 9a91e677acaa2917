//! Voices: from audio to what the language model remembers, and their files.

use candle_core::{Device, Tensor};
use speakerd::engine::pocket::voice::VoiceState;

use super::{FORCED, Golden, largest_difference};

#[test]
fn each_stage_of_the_encoder_is_the_references() {
    for golden in Golden::all() {
        let model = golden.model();
        let encoder = model.encoder.as_ref().unwrap();
        let audio = golden.floats("voice.encoder_input");
        let audio = Tensor::from_vec(audio, (1, 1, ()), &Device::Cpu).unwrap();
        let x = encoder.seanet(&audio).unwrap();
        golden.check_tensor("voice.seanet_out", &x, FORCED);
        let x = encoder.transform(&x).unwrap();
        golden.check_tensor("voice.transformer_out", &x, FORCED);
        golden.check_tensor("voice.latents", &encoder.downsample(&x).unwrap(), FORCED);
        let conditioning =
            model.voice_conditioning(&golden.floats("voice.trimmed")).unwrap().unwrap();
        let n_bos = usize::from(model.config.flow_lm.bos_before_voice);
        let n = conditioning.dim(0).unwrap() - n_bos;
        golden.check_tensor(
            "voice.conditioning",
            &conditioning.narrow(0, n_bos, n).unwrap(),
            FORCED,
        );
    }
}

#[test]
fn a_cloned_voice_is_the_one_that_the_reference_exports() {
    for golden in Golden::all() {
        let model = golden.model();
        let cloned = model.clone_voice(&golden.floats("voice.trimmed")).unwrap().unwrap();
        let path = golden.dir.join("voice_state.safetensors");
        let exported = VoiceState::read(&path, &model.config.flow_lm.transformer).unwrap();
        assert_eq!(cloned.n_positions, exported.n_positions);
        assert_eq!(cloned.layers.len(), exported.layers.len());
        for (cloned, exported) in cloned.layers.iter().zip(&exported.layers) {
            assert!(largest_difference(&cloned.keys, &exported.keys) < FORCED);
            assert!(largest_difference(&cloned.values, &exported.values) < FORCED);
        }
    }
}

#[test]
fn a_voice_survives_its_file() {
    for golden in Golden::all() {
        let config = golden.config().flow_lm.transformer;
        let path = golden.dir.join("voice_state.safetensors");
        let voice = VoiceState::read(&path, &config).unwrap();
        let copy = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(copy.path(), voice.to_bytes(&config).unwrap()).unwrap();
        assert_eq!(VoiceState::read(copy.path(), &config).unwrap(), voice);
    }
}

#[test]
fn a_voice_of_another_model_is_refused_by_name() {
    let models = Golden::all();
    for (golden, other) in models.iter().zip(models.iter().cycle().skip(1)) {
        let path = golden.dir.join("voice_state.safetensors");
        let config = other.config().flow_lm.transformer;
        if config == golden.config().flow_lm.transformer {
            continue;
        }
        let refused = VoiceState::read(&path, &config).unwrap_err().to_string();
        assert!(refused.contains("voice_state.safetensors"), "{refused}");
    }
}
