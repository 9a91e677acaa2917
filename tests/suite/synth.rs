//! `speakerd synth`, on tiny models with random weights.

use std::path::{Path, PathBuf};

use crate::support::program::Home;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pocket-tts").join(name)
}

/// A copy of a fixture's model that may be spoilt.
fn model_in(home: &Home) -> PathBuf {
    let model = home.path("model");
    std::fs::create_dir(&model).unwrap();
    for file in ["config.yaml", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture("english_tiny").join(file), model.join(file)).unwrap();
    }
    model
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_text_becomes_the_references_sound() {
    let home = Home::new("");
    let model = fixture("english_tiny");
    let bytes = std::fs::read(model.join("golden.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let golden = golden.tensor("api.0.audio_i16").unwrap();
    let golden: Vec<i16> =
        golden.data().as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
    for voice in ["voice.wav", "voice_state.safetensors"] {
        let out = home.path("out.wav");
        let mut command = home.command(&["synth", "Hello world.", "--raw", "--temperature", "0"]);
        command.args(["--quant", "none"]);
        command.arg("--model").arg(&model).arg("--voice").arg(model.join(voice));
        assert!(command.arg("-o").arg(&out).status().unwrap().success());
        let wav = hound::WavReader::open(&out).unwrap();
        assert_eq!((wav.spec().sample_rate, wav.spec().channels), (24_000, 1));
        let samples: Vec<i16> = wav.into_samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), golden.len(), "{voice}");
        let off = samples.iter().zip(&golden).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(off.unwrap() <= 8, "{voice}: off by {off:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_file_and_text_is_read_as_the_daemon_does() {
    let home = Home::new("");
    let model = fixture("english_tiny");
    let (model, voice) = (text(&model), text(&model.join("voice_state.safetensors")));
    let synth = |line: &str, more: &[&str]| {
        let arguments = ["synth", line, "--model", &model, "--voice", &voice, "-o", "-"];
        let output = home.command(&[&arguments, more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = synth("Yes!", &["--seed", "3"]);
    assert_eq!(first.get(..4), Some(b"RIFF".as_slice()));
    assert_eq!(synth("Yes!", &["--seed", "3"]), first);
    assert_ne!(synth("Yes!", &["--seed", "4"]), first);
    assert_eq!(synth("5 km", &[]), synth("five kilometers", &["--raw"]));
    assert_ne!(synth("5 km", &["--raw"]), synth("5 km", &[]));
}

/// Each mistake says what is wrong and names it.
#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let home = Home::new("");
    let model = model_in(&home);
    let voice = fixture("english_tiny/voice.wav");
    let check = |model: &Path, voice: &Path, line: &str, expected: &[&str]| {
        let (model, voice) = (text(model), text(voice));
        let out = text(&home.path("out.wav"));
        let arguments = ["synth", line, "--model", &model, "--voice", &voice, "-o", &out];
        let (_, message) = home.fails(&arguments);
        for part in expected {
            assert!(message.contains(part), "{message}");
        }
        assert!(!home.path("out.wav").exists());
    };
    check(&home.path("none"), &voice, "Hi", &["no model at", "none"]);
    check(&model, &home.path("none.wav"), "Hi", &["none.wav"]);
    check(&model, &voice, "***", &["nothing in the text"]);
    let not_audio = fixture("english_tiny/config.yaml");
    check(&model, &not_audio, "Hi", &["config.yaml", "no recording", "FLAC"]);
    let other = fixture("pointwise_tiny/voice_state.safetensors");
    check(&model, &other, "Hi", &["voice_state.safetensors", "another model"]);

    let weights = model.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    check(&model, &voice, "Hi", &["model.safetensors", "damaged", "get it again"]);
    std::fs::copy(fixture("pointwise_tiny/model.safetensors"), &weights).unwrap();
    check(&model, &voice, "Hi", &["model.safetensors", "flow_lm.", "not"]);
    std::fs::remove_file(&weights).unwrap();
    check(&model, &voice, "Hi", &["weights", "model.safetensors", "put the file there"]);
    std::fs::write(&weights, &whole).unwrap();

    let tokenizer = model.join("tokenizer.json");
    std::fs::write(&tokenizer, "{}").unwrap();
    check(&model, &voice, "Hi", &["tokenizer.json"]);
    let config = std::fs::read_to_string(model.join("config.yaml")).unwrap();
    for (from, to, expected) in [
        ("num_heads: 3", "num_heads: 5", "heads"),
        ("d_model: 48", "d_model: 0", "d_model"),
        ("flow_lm:", "flow_ml:", "flow_ml"),
        ("depth: 3", "depth: many", "depth"),
        ("depth: 3", "depth: 3\n    type: other", "`other`"),
    ] {
        std::fs::write(model.join("config.yaml"), config.replacen(from, to, 1)).unwrap();
        check(&model, &voice, "Hi", &["config.yaml", expected]);
    }
}

/// The open weights come without the voice encoder: they speak the voices that were made elsewhere.
#[test]
fn weights_without_the_voice_encoder_speak_and_say_why_they_do_not_clone() {
    for blanking in ["removed", "zeros"] {
        let home = Home::new("");
        let model = model_in(&home);
        let weights = model.join("model.safetensors");
        std::fs::write(&weights, without_encoder(&std::fs::read(&weights).unwrap(), blanking))
            .unwrap();
        let (model, out) = (text(&model), text(&home.path("out.wav")));
        let state = text(&fixture("english_tiny/voice_state.safetensors"));
        home.ok(&["synth", "Yes!", "--model", &model, "--voice", &state, "-o", &out]);
        let recording = text(&fixture("english_tiny/voice.wav"));
        let (_, message) =
            home.fails(&["synth", "Yes!", "--model", &model, "--voice", &recording, "-o", &out]);
        assert!(message.contains("without the voice encoder"), "{blanking}: {message}");
    }
}

fn without_encoder(bytes: &[u8], blanking: &str) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let is_encoders = |name: &str| {
        ["mimi.encoder", "mimi.downsample", "flow_lm.speaker_proj_weight"]
            .iter()
            .any(|part| name.starts_with(part))
    };
    let zeros = vec![0; bytes.len()];
    let views = file.tensors().into_iter().filter_map(|(name, view)| {
        if !is_encoders(&name) {
            return Some((name, view));
        }
        let blank = &zeros[..view.data().len()];
        let blank =
            safetensors::tensor::TensorView::new(view.dtype(), view.shape().to_vec(), blank);
        (blanking == "zeros").then(|| (name, blank.unwrap()))
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_model_is_measured() {
    let home = Home::new("");
    let model = text(&fixture("english_tiny"));
    for (quant, threads) in [("q8_0", "2"), ("none", "1")] {
        let arguments = ["bench", "pocket", "--model", &model, "--frames", "10", "--json"];
        let report = home.ok(&[&arguments[..], &["--quant", quant, "--threads", threads]].concat());
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        for key in
            ["wall_real_time_factor", "cpu_secs_per_audio_sec", "first_audio_ms", "clone_secs"]
        {
            let value = |part: &str| report[key][part].as_f64().unwrap();
            assert!(value("min") > 0.0 && value("median") <= value("max"), "{report}");
        }
        for key in ["load_secs", "peak_rss_mb", "steady_rss_mb"] {
            assert!(report[key].as_f64().unwrap() > 0.0, "{report}");
        }
        assert_eq!(report["quant"], quant);
    }
    let (_, message) = home.fails(&["bench", "pocket"]);
    assert!(message.contains("--model"), "{message}");
}
