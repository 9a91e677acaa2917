//! Cloned voices in the daemon and on the command line, on tiny models with random weights: what they say is noise, but it
//! is the same noise each time, and everything around it is real.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;
use speakerd::engine::Engine;
use speakerd::engine::registry::{Choice, Places, Registry};

use crate::support::contract::check_engine;
use crate::support::program::Home;
use crate::support::rig::PATIENCE;

/// Sound goes nowhere, as fast as it comes.
const SILENT: &str = "[audio]\noutput = \"null\"\nnull_speed = 0.0\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pocket-tts").join(name)
}

/// Installs a tiny model under a name, with the predefined voice `alba`; returns its directory.
pub(crate) fn install(home: &Home, name: &str) -> PathBuf {
    let model = home.path("data/speakerd/models").join(name);
    std::fs::create_dir_all(model.join("voices")).unwrap();
    let from = fixture("english_tiny");
    for file in ["config.yaml", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(file), model.join(file)).unwrap();
    }
    let state = from.join("voice_state.safetensors");
    std::fs::copy(state, model.join("voices/alba.safetensors")).unwrap();
    model
}

/// Writes a model's weights anew, each tensor as `change` makes it.
fn rewrite(model: &Path, change: impl Fn(&str, &mut Vec<u8>)) {
    let file = model.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = whole
        .iter()
        .map(|(name, view)| {
            let mut bytes = view.data().to_vec();
            change(name, &mut bytes);
            (name.to_owned(), view.dtype(), view.shape().to_vec(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A recording that sounds a little like speech: a low tone that comes and goes four times a second.
pub(crate) fn recording(home: &Home, name: &str, secs: u32) -> String {
    let path = home.path(name);
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    for idx in 0..secs * 44_100 {
        let at = idx as f32 / 44_100.0;
        let syllable = (at * 4.0 * std::f32::consts::TAU).sin().max(0.0);
        let sample = 0.2 * syllable * (at * 140.0 * std::f32::consts::TAU).sin();
        for _channel in 0..2 {
            wav.write_sample(speakerd::pcm::to_i16(sample)).unwrap();
        }
    }
    wav.finalize().unwrap();
    path.to_str().unwrap().to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn status(home: &Home) -> Value {
    json(&home.ok(&["status", "--json"]))
}

/// The last thing that was said.
fn last(home: &Home) -> Value {
    home.history().pop().expect("something was said")
}

#[test]
fn the_pocket_engine_keeps_the_contract() {
    let home = Home::new("");
    let model = install(&home, "english");
    // Random weights end a text where chance has it: this one speaks as long as it may.
    let config = std::fs::read_to_string(model.join("config.yaml")).unwrap();
    std::fs::write(model.join("config.yaml"), format!("default_eos_threshold: 1000\n{config}"))
        .unwrap();
    let registry = Registry::new(Places::below(&home.path("data/speakerd")), Choice::default());
    let cast = registry.cast("alba").unwrap();
    let mut engine: Box<dyn Engine> = registry.load(&cast.engine).unwrap();
    check_engine(engine.as_mut(), "alba");
}

#[test]
fn a_voice_that_is_added_while_the_daemon_runs_reads_a_file() {
    let home = Home::new(SILENT);
    install(&home, "english");
    let mut daemon = home.start();
    let notes = home.path("notes.txt");
    let notes = notes.to_str().unwrap();
    let (code, why) = home.fails(&["watch", "add", notes, "--voice", "anna"]);
    assert_eq!(code, 4, "{why}");
    let file = recording(&home, "anna.wav", 4);
    let added = home.ok(&["voice", "add", "anna", &file, "--consent", "she said yes", "--json"]);
    let added = json(&added);
    assert_eq!((&added["status"], &added["model"]), (&"completed".into(), &"english".into()));
    assert_eq!(
        (&added["consent"], &added["has_recording"]),
        (&"she said yes".into(), &true.into())
    );
    assert!(added["model_hash"].as_str().is_some_and(|hash| hash.len() == 32), "{added}");
    assert!(added["source_digest"].as_str().is_some_and(|digest| digest.len() == 64), "{added}");
    let voice = home.path("data/speakerd/voices/anna.safetensors");
    assert_eq!(voice.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    home.append("notes.txt", "");
    home.ok(&["watch", "add", notes, "--voice", "anna"]);
    home.append("notes.txt", "Tea is ready.\n");
    home.ok(&["wait-idle", "--timeout", "60"]);
    let said = last(&home);
    assert_eq!((&said["voice"], &said["spoken_voice"]), (&"anna".into(), &"anna".into()));
    assert_eq!((&said["engine"], &said["outcome"]), (&"pocket".into(), &"spoken".into()));
    assert_eq!(status(&home)["engine"]["loaded"], serde_json::json!(["pocket english"]));
    home.ok(&["voice", "preview", "anna", "--text", "Hello."]);
    assert_eq!(last(&home)["spoken_voice"], "anna");
    assert_eq!(status(&home)["voices"]["making"], Value::Null);
    home.ok(&["shutdown"]);
    assert!(daemon.wait().success());
    // Without a daemon it is the same library.
    let names = |cards: Value| -> Vec<String> {
        let cards = cards.as_array().unwrap().clone();
        cards.iter().map(|card| card["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json(&home.ok(&["voice", "list", "--json"]))), ["anna", "alba"]);
}

#[test]
fn the_installed_model_speaks_where_no_voice_is_named_and_its_absence_does_not_silence() {
    let home = Home::new(SILENT);
    let _daemon = home.start();
    home.ok(&["say", "--wait", "One."]);
    assert_eq!(
        (&last(&home)["voice"], &last(&home)["spoken_voice"]),
        (&"auto".into(), &"rms".into())
    );
    let (code, why) = home.fails(&["say", "--voice", "alba", "Two."]);
    assert!(code == 4 && why.contains("speakerd model pull english"), "{code}: {why}");
    // What is installed while the daemon runs speaks the next line.
    install(&home, "english");
    home.ok(&["say", "--wait", "Three."]);
    assert_eq!(
        (&last(&home)["voice"], &last(&home)["spoken_voice"]),
        (&"auto".into(), &"alba".into())
    );
    // A voice of one's own that is meant to be the usual one is it.
    let file = recording(&home, "a.wav", 3);
    home.ok(&["voice", "add", "mine", &file, "--visibility", "default"]);
    home.ok(&["say", "--wait", "Four."]);
    assert_eq!(last(&home)["spoken_voice"], "mine");
    home.ok(&["voice", "add", "also-mine", &file, "--visibility", "default"]);
    home.ok(&["say", "--wait", "Four and a half."]);
    assert_eq!(last(&home)["spoken_voice"], "also-mine", "the one that was added last");
    home.ok(&["say", "--wait", "--voice", "english/alba", "Five."]);
    assert_eq!(
        (&last(&home)["spoken_voice"], &last(&home)["reason"]),
        (&"english/alba".into(), &Value::Null)
    );
}

#[test]
fn the_configuration_chooses_the_engine_and_may_name_what_is_not_installed() {
    for (kind, voice, installed, spoken, reason) in [
        ("auto", "auto", true, "alba", ""),
        ("builtin", "auto", true, "rms", ""),
        ("builtin", "alba", true, "rms", "engine.kind"),
        ("pocket", "auto", true, "alba", ""),
        ("pocket", "auto", false, "rms", "speakerd model pull english"),
        ("auto", "vera", false, "rms", "speakerd model pull english"),
    ] {
        let config = format!("{SILENT}[engine]\nkind = \"{kind}\"\nvoice = \"{voice}\"\n");
        let home = Home::new(&config);
        if installed {
            install(&home, "english");
        }
        let _daemon = home.start();
        home.ok(&["say", "--wait", "Hello."]);
        let said = last(&home);
        assert_eq!(said["spoken_voice"], spoken, "{kind} {voice} {installed}");
        let why = said["reason"].as_str().unwrap_or_default();
        assert!(why.contains(reason), "{kind} {voice}: {why}");
        let degraded = status(&home)["engine"]["degraded"].as_str().unwrap_or_default().to_owned();
        assert_eq!(degraded.is_empty(), reason.is_empty(), "{kind} {voice}: {degraded}");
    }
    let home = Home::new("[engine]\nvoice = \"nobody\"\n");
    let (code, why) = home.fails(&["run", "--config", "speakerd.toml"]);
    assert!(code == 78 && why.contains("engine.voice") && why.contains("nobody"), "{code}: {why}");
}

#[test]
fn weights_that_are_damaged_are_named_and_the_builtin_voice_speaks() {
    let home = Home::new(SILENT);
    let model = install(&home, "english");
    let _daemon = home.start();
    let weights = model.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let tokenizer = model.join("tokenizer.json");
    for word in ["is damaged", "no tensor", "tokenizer"] {
        match word {
            "is damaged" => std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap(),
            "no tensor" => {
                std::fs::write(&weights, &whole).unwrap();
                rename_tensor(&model);
            }
            _ => std::fs::remove_file(&tokenizer).unwrap(),
        }
        home.ok(&["say", "--wait", "Hello."]);
        let said = last(&home);
        assert_eq!((&said["spoken_voice"], &said["outcome"]), (&"rms".into(), &"spoken".into()));
        let degraded = status(&home)["engine"]["degraded"].as_str().unwrap().to_owned();
        assert!(degraded.contains(word) && degraded.contains("rms speaks instead"), "{degraded}");
        assert!(home.log().contains(word), "the log does not say `{word}`");
    }
}

/// Gives a tensor of the language model another name.
fn rename_tensor(model: &Path) {
    let file = model.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let (from, to) = (b"flow_lm.bos_emb", b"flow_lm.bos_emx");
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let mut bytes = bytes;
    bytes[at..at + to.len()].copy_from_slice(to);
    std::fs::write(&file, bytes).unwrap();
}

#[test]
fn voices_are_kept_without_a_daemon_as_well() {
    let home = Home::new(SILENT);
    let file = recording(&home, "a.wav", 3);
    let (code, why) = home.fails(&["voice", "add", "anna", &file]);
    assert!(code == 1 && why.contains("speakerd model pull english"), "{code}: {why}");
    install(&home, "english");
    home.ok(&["voice", "add", "anna", &file, &file, "--language", "en", "--language", "fr"]);
    let card = json(&home.ok(&["voice", "show", "anna", "--json"]));
    assert_eq!(card["languages"], serde_json::json!(["en", "fr"]));
    assert!((card["quality"]["recorded_secs"].as_f64().unwrap() - 6.0).abs() < 0.1, "{card}");
    assert!(home.ok(&["voice", "show", "anna"]).contains("10 to 30 s give a better likeness"));
    let (_, why) = home.fails(&["voice", "add", "anna", &file]);
    assert!(why.contains("--replace"), "{why}");
    home.ok(&["voice", "add", "anna", &file, "--replace", "--forget-recording"]);
    assert_eq!(json(&home.ok(&["voice", "show", "anna", "--json"]))["has_recording"], false);
    home.ok(&["voice", "rename", "anna", "anna-2"]);
    home.ok(&["voice", "export", "anna-2", "out.safetensors"]);
    home.ok(&["voice", "import", "copy", "out.safetensors"]);
    let golden = fixture("english_tiny").join("voice_state.safetensors");
    home.ok(&["voice", "import", "official", golden.to_str().unwrap()]);
    home.ok(&["voice", "remove", "copy"]);
    let (_, why) = home.fails(&["voice", "show", "copy"]);
    assert!(why.contains("anna-2, official"), "{why}");
    // The same voice by its name and by its file, without and with the model's name.
    let official = golden.to_str().unwrap();
    let sound = |arguments: &[&str]| {
        home.ok(&[&["synth", "Hello.", "-o", "out.wav"], arguments].concat());
        std::fs::read(home.path("out.wav")).unwrap()
    };
    let by_name = sound(&["--voice", "official"]);
    assert!(by_name.len() > 2_000);
    assert_eq!(sound(&["--voice", official]), by_name);
    assert_eq!(sound(&["--voice", "official", "--model", "english"]), by_name);
    assert_eq!(sound(&["--voice", "english/alba"]), by_name);
    let (_, why) = home.fails(&["synth", "Hello.", "--voice", "nobody", "-o", "out.wav"]);
    assert!(why.contains("there is no voice `nobody`"), "{why}");
    // An exported voice speaks.
    let _daemon = home.start();
    home.ok(&["say", "--wait", "--voice", "official", "Hello."]);
    assert_eq!(
        (&last(&home)["spoken_voice"], &last(&home)["reason"]),
        (&"official".into(), &Value::Null)
    );
}

#[test]
fn what_no_voice_can_be_made_of_is_refused_and_leaves_nothing() {
    let home = Home::new(SILENT);
    install(&home, "english");
    std::fs::write(home.path("text.txt"), "no sound").unwrap();
    let (good, moment) = (recording(&home, "good.wav", 3), recording(&home, "moment.wav", 1));
    let pipe = home.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    for (name, file, word) in [
        ("anna", "missing.wav", "missing.wav"),
        ("anna", "text.txt", "no recording that can be read"),
        ("anna", "pipe", "it is no file"),
        ("anna", moment.as_str(), "speech in it"),
        ("../anna", good.as_str(), "cannot be called"),
        ("rms", good.as_str(), "another voice"),
        ("auto", good.as_str(), "another voice"),
    ] {
        let (code, why) = home.fails(&["voice", "add", name, file]);
        assert!(code == 1 && why.contains(word), "{name} {file}: {code}: {why}");
    }
    assert_eq!(json(&home.ok(&["voice", "list", "--json"])).as_array().unwrap().len(), 1);
}

#[test]
fn weights_that_cannot_clone_say_so_and_speak_what_is_there() {
    let home = Home::new(SILENT);
    let model = install(&home, "english");
    rewrite(&model, |name, bytes| {
        if name.starts_with("mimi.encoder.") || name.contains("speaker_proj") {
            bytes.fill(0);
        }
    });
    let file = recording(&home, "a.wav", 3);
    let _daemon = home.start();
    let (code, why) = home.fails(&["voice", "add", "anna", &file]);
    assert!(code == 4 && why.contains("without the voice encoder"), "{code}: {why}");
    home.ok(&["say", "--wait", "Hello."]);
    assert_eq!(last(&home)["spoken_voice"], "alba");
    // What was not to be kept is not kept, and what was to be replaced still speaks.
    home.ok(&[
        "voice",
        "import",
        "ben",
        fixture("english_tiny/voice_state.safetensors").to_str().unwrap(),
    ]);
    home.fails(&["voice", "add", "eve-2", &file, "--forget-recording"]);
    home.fails(&["voice", "add", "ben", &file, "--replace"]);
    let names = json(&home.ok(&["voice", "list", "--json"]));
    let names: Vec<_> =
        names.as_array().unwrap().iter().map(|card| card["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anna", "ben", "alba"]);
    home.ok(&["say", "--wait", "--voice", "ben", "Hello."]);
    assert_eq!(last(&home)["spoken_voice"], "ben");
    assert_eq!(home.run(&["voice", "precompute"]).status.code(), Some(1), "anna cannot be made");
    // The voice is kept with what is wrong, until the weights are there that can make it.
    let card = json(&home.ok(&["voice", "show", "anna", "--json"]));
    assert_eq!(card["status"], "failed");
    home.ok(&["say", "--wait", "--voice", "anna", "Hello."]);
    let reason = last(&home)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("voice encoder") && reason.contains("rms speaks instead"), "{reason}");
    assert_eq!(last(&home)["spoken_voice"], "rms", "and never a silent other voice");
    assert_eq!(status(&home)["engine"]["degraded"], reason.as_str());
    std::fs::copy(fixture("english_tiny/model.safetensors"), model.join("model.safetensors"))
        .unwrap();
    home.ok(&["unload"]);
    let cards = json(&home.ok(&["voice", "precompute", "--json"]));
    assert!(cards.as_array().unwrap().iter().all(|card| card["status"] == "completed"), "{cards}");
    home.ok(&["say", "--wait", "--voice", "anna", "Hello."]);
    assert_eq!(last(&home)["spoken_voice"], "anna");
}

#[test]
fn a_voice_of_another_model_is_made_anew_where_its_recording_was_kept() {
    let home = Home::new(SILENT);
    let model = install(&home, "english");
    let file = recording(&home, "a.wav", 3);
    home.ok(&["voice", "add", "kept", &file]);
    home.ok(&["voice", "add", "forgotten", &file, "--forget-recording"]);
    let hash =
        |name: &str| json(&home.ok(&["voice", "show", name, "--json"]))["model_hash"].clone();
    let before = hash("kept");
    // Other weights under the same name.
    rewrite(&model, |name, bytes| {
        if name.starts_with("flow_lm.transformer.") {
            for value in bytes.as_chunks_mut::<4>().0 {
                *value = (f32::from_le_bytes(*value) * 1.01).to_le_bytes();
            }
        }
    });
    let _daemon = home.start();
    home.ok(&["say", "--wait", "--voice", "kept", "Hello."]);
    assert_eq!(
        (&last(&home)["spoken_voice"], &last(&home)["outcome"]),
        (&"kept".into(), &"spoken".into())
    );
    assert_ne!(hash("kept"), before, "it was made for these weights");
    home.ok(&["say", "--wait", "--voice", "forgotten", "Hello."]);
    assert_eq!(last(&home)["spoken_voice"], "rms");
    let reason = last(&home)["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("forgotten") && reason.contains("its recording was not kept"),
        "{reason}"
    );
}

#[test]
fn lines_are_spoken_while_a_voice_is_made_and_it_can_be_given_up() {
    let home = Home::new(SILENT);
    install(&home, "english");
    let _daemon = home.start();
    let file = recording(&home, "long.wav", 30);
    let adding = home
        .command(&["voice", "add", "long", &file])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while status(&home)["voices"]["making"] != "long" {
        assert!(begun.elapsed() < PATIENCE, "it is never begun");
        std::thread::sleep(Duration::from_millis(1));
    }
    home.ok(&["say", "--wait", "--voice", "rms", "Hello."]);
    home.ok(&["voice", "list"]);
    assert_eq!(status(&home)["voices"]["making"], "long", "it takes longer than a word");
    home.ok(&["voice", "cancel"]);
    let output = adding.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && why.contains("given up"), "{why}");
    let (_, why) = home.fails(&["voice", "show", "long"]);
    assert!(why.contains("there is no voice"), "{why}");
}

#[test]
fn a_voice_that_the_configuration_names_is_not_removed_by_mistake() {
    let home = Home::new("");
    install(&home, "english");
    let file = recording(&home, "a.wav", 3);
    home.ok(&["voice", "add", "nora", &file]);
    let config = home.path("config/speakerd/speakerd.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(config, "[engine]\nvoice = \"nora\"\n").unwrap();
    for command in [&["voice", "remove", "nora"][..], &["voice", "rename", "nora", "dora"]] {
        let (_, why) = home.fails(command);
        assert!(why.contains("--force"), "{why}");
    }
    home.ok(&["voice", "remove", "nora", "--force"]);
    // The daemon does not start then, and the voice can be added nevertheless.
    assert_eq!(home.run(&["run"]).status.code(), Some(78));
    home.ok(&["voice", "add", "nora", &file]);
    home.ok(&["config", "check"]);
}

/// Loads, speaks and unloads a model again and again, and looks at what is left each time. With a model of full size, which
/// takes minutes: `SPEAKERD_TEST_MODEL=DIR cargo test --release memory_back -- --nocapture`.
#[expect(clippy::print_stdout, reason = "the figures are of interest")]
#[test]
fn a_model_gives_its_memory_back_each_time_it_is_unloaded() {
    const N_CYCLES: usize = 20;
    for isolation in ["thread", "process"] {
        let home = Home::new(&format!("{SILENT}[engine]\nisolation = \"{isolation}\"\n"));
        let text = if let Some(model) = std::env::var_os("SPEAKERD_TEST_MODEL") {
            let models = home.path("data/speakerd/models");
            std::fs::create_dir_all(&models).unwrap();
            std::os::unix::fs::symlink(model, models.join("english")).unwrap();
            "A sentence of ordinary length, which takes a model some seconds to speak."
        } else {
            install(&home, "english");
            "ab cd"
        };
        // A thread's first speech takes what it never gives back: stacks, and the code that is read in.
        let _daemon = home.start();
        let mut left = Vec::new();
        for cycle in 0..=N_CYCLES {
            home.ok(&["say", "--wait", "--voice", "alba", text]);
            assert_eq!(last(&home)["spoken_voice"], "alba", "{}", last(&home));
            let child = status(&home)["engine"]["processes"][0]["pid"].as_u64();
            assert_eq!(child.is_some(), isolation == "process");
            home.ok(&["unload"]);
            let begun = Instant::now();
            while status(&home)["engine"]["n_unloads"] != cycle + 1 {
                assert!(begun.elapsed() < PATIENCE, "no unload: {}", home.log());
            }
            let gone = child.is_none_or(|pid| !Path::new(&format!("/proc/{pid}")).exists());
            assert!(gone, "the process is still there");
            left.push(Left::of(&home));
        }
        println!("{isolation}: {left:?}");
        let (first, later) = left.split_first().unwrap();
        for left in later {
            assert!(
                left.resident_mb < first.resident_mb + 32.0,
                "{isolation}: {left:?}, {first:?}"
            );
            assert!(left.n_threads <= first.n_threads, "{isolation}: {left:?}, {first:?}");
            assert!(left.n_descriptors <= first.n_descriptors, "{isolation}: {left:?}, {first:?}");
        }
        if isolation == "process" {
            assert!(later.iter().all(|left| left.resident_mb < 40.0), "{later:?}");
        }
    }
}

/// What a daemon holds.
#[derive(Debug)]
struct Left {
    resident_mb: f64,
    n_threads: usize,
    n_descriptors: usize,
}

impl Left {
    fn of(home: &Home) -> Self {
        let daemon = &status(home)["daemon"];
        // The least of some looks: the connection that was asked over may not be closed at the other end yet.
        let count = |what: &str| {
            let directory = format!("/proc/{}/{what}", daemon["pid"]);
            let look = |_| {
                std::thread::sleep(Duration::from_millis(2));
                std::fs::read_dir(&directory).unwrap().count()
            };
            (0..20).map(look).min().unwrap()
        };
        let resident_mb = daemon["resident_bytes"].as_f64().unwrap() / 1e6;
        Self { resident_mb, n_threads: count("task"), n_descriptors: count("fd") }
    }
}
