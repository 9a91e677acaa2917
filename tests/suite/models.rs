//! `speakerd model`, against a server of our own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use speakerd::commands::model::answer::{Client, Patience};
use speakerd::commands::model::download::{Wanted, download};
use speakerd::commands::model::error::DownloadError;
use speakerd::commands::model::place::Place;
use speakerd::commands::model::progress::Progress;
use speakerd::engine::pocket::catalogue::{self, Weights};
use speakerd::engine::pocket::config::ModelConfig;
use speakerd::engine::pocket::voice::{VoiceLayer, VoiceState};

use crate::support::hub::{Fault, Hub};
use crate::support::program::Home;

const TOKEN: &str = "hf_a_secret_of_ann";
const WEIGHTS: &str = "/ann/tiny/resolve/v1/model.safetensors";
const TOKENIZER: &str = "/ann/tiny/resolve/v1/tokenizer.json";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pocket-tts").join(name)
}

fn weights() -> Vec<u8> {
    std::fs::read(fixture("english_tiny/model.safetensors")).unwrap()
}

/// A hub with a tiny model, and a home with the YAML file that names it.
struct Rig {
    hub: Hub,
    home: Home,
}

impl Rig {
    fn new() -> Self {
        let rig = Self { hub: Hub::start(), home: Home::new("") };
        rig.hub.put(WEIGHTS, &weights());
        rig.hub.put(TOKENIZER, &std::fs::read(fixture("english_tiny/tokenizer.json")).unwrap());
        rig.yaml("hf://ann/tiny/model.safetensors@v1", "hf://ann/tiny/tokenizer.json@v1");
        rig
    }

    fn yaml(&self, weights: &str, tokenizer: &str) {
        let config = std::fs::read_to_string(fixture("english_tiny/config.yaml")).unwrap();
        let config =
            config.replace("model.safetensors", weights).replace("tokenizer.json", tokenizer);
        std::fs::write(self.home.path("tiny.yaml"), config).unwrap();
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.home.command(&[&["model"], arguments].concat());
        command.env("HF_ENDPOINT", &self.hub.address).envs(variables.iter().copied());
        command.output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, &[]);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Exit code 1, and what was said.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        text(&output.stderr) + &text(&output.stdout)
    }

    fn installed(&self, file: &str) -> PathBuf {
        self.home.path("data/speakerd/models").join(file)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_model_is_pulled_and_speaks() {
    let rig = Rig::new();
    rig.ok(&["pull", "tiny.yaml"]);
    let asked = rig.hub.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.authorization.is_none() && asked.range.is_none()));
    for (file, mode) in
        [("tiny", 0o700), ("tiny/model.safetensors", 0o600), ("tiny/manifest.json", 0o600)]
    {
        let metadata = rig.installed(file).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
    assert_eq!(std::fs::read(rig.installed("tiny/model.safetensors")).unwrap(), weights());
    let names: Vec<_> = std::fs::read_dir(rig.installed("tiny"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let manifest = std::fs::read(rig.installed("tiny/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let entry = &manifest["files"]["model.safetensors"];
    assert_eq!(entry["source"], "hf://ann/tiny/model.safetensors@v1");
    assert_eq!(entry["revision"], "0123456789".repeat(4));
    assert_eq!(entry["size"], weights().len());
    // Once it is there, nothing goes out any more.
    let model = rig.installed("tiny").to_str().unwrap().to_owned();
    let voice = fixture("english_tiny/voice_state.safetensors").to_str().unwrap().to_owned();
    rig.home.ok(&["synth", "Yes!", "--model", &model, "--voice", &voice, "-o", "out.wav"]);
    assert!(rig.ok(&["verify", "tiny"]).contains("is whole"));
    assert!(rig.hub.asked().is_empty());
    // A second pull finds all of it.
    rig.ok(&["pull", "tiny.yaml"]);
    assert!(rig.hub.asked().iter().all(|asked| asked.path != TOKENIZER || asked.range.is_none()));
    assert_eq!(std::fs::read(rig.installed("tiny/model.safetensors")).unwrap(), weights());
}

#[test]
fn a_download_goes_on_after_a_break() {
    let rig = Rig::new();
    rig.hub.fail(WEIGHTS, &[Fault::Break(300_000), Fault::Break(200_000)]);
    rig.ok(&["pull", "tiny.yaml"]);
    let asked = rig.hub.asked();
    let parts: Vec<_> = asked.iter().filter(|asked| asked.path == WEIGHTS).collect();
    let ranges: Vec<_> = parts.iter().map(|asked| asked.range.as_deref()).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-"), Some("bytes=500000-")]);
    let n_sent: usize = parts.iter().map(|asked| asked.n_sent).sum();
    assert_eq!(n_sent, weights().len(), "nothing is sent twice");
    assert!(rig.ok(&["verify", "tiny"]).contains("is whole"));
}

/// One file by the functions themselves, so that pauses are short.
struct File {
    hub: Hub,
    dir: tempfile::TempDir,
}

impl File {
    fn new(bytes: &[u8]) -> Self {
        let file = Self { hub: Hub::start(), dir: tempfile::tempdir().unwrap() };
        file.hub.put(WEIGHTS, bytes);
        file
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn get(&self, max_bytes: u64, n_retries: usize) -> Result<u64, DownloadError> {
        let patience =
            Patience { pause: Duration::from_millis(1), n_retries, ..Patience::default() };
        let client = Client::new(self.hub.address.clone(), None, patience);
        let place = Place::parse("hf://ann/tiny/model.safetensors@v1").unwrap();
        let wanted = Wanted {
            place: &place,
            to: self.path("x"),
            name: "x",
            max_bytes,
            check: &|_: &Path| Ok(()),
        };
        download(&client, &wanted, patience, &Progress::silent()).map(|got| got.digests.n_bytes)
    }

    /// The file is there, and no part of another.
    fn is(&self, bytes: &[u8]) {
        assert_eq!(std::fs::read(self.path("x")).unwrap(), bytes);
        assert!(!self.path("x.part").exists() && !self.path("x.part.json").exists());
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.hub.asked().into_iter().map(|asked| asked.range).collect()
    }
}

const MANY: u64 = 1 << 30;

#[test]
fn a_part_is_gone_on_with_only_where_it_is_of_the_same_file() {
    let (old, new) = (vec![1_u8; 1_000], vec![2_u8; 900]);
    let from = Some("bytes=400-".to_owned());
    // The same file, one that was changed, a server that sends all, one that has nothing behind what is here.
    for (after, faults, expected) in [
        (&old, vec![], vec![from.clone()]),
        (&new, vec![], vec![from.clone(), None]),
        (&old, vec![Fault::IgnoreRange], vec![from.clone()]),
        (&old, vec![Fault::Status(416)], vec![from.clone(), None]),
        // One that is out of order for a moment takes nothing away.
        (&old, vec![Fault::Status(503)], vec![from.clone(), from.clone()]),
    ] {
        let file = File::new(&old);
        file.hub.fail(WEIGHTS, &[Fault::Break(400)]);
        let error = file.get(MANY, 0).unwrap_err();
        assert!(matches!(error, DownloadError::Broken { .. }), "{error}");
        assert_eq!(file.path("x.part").metadata().unwrap().len(), 400);
        assert_eq!(file.ranges(), [None]);
        file.hub.put(WEIGHTS, after);
        file.hub.fail(WEIGHTS, &faults);
        file.get(MANY, 1).unwrap();
        file.is(after);
        assert_eq!(file.ranges(), expected, "{faults:?}");
    }
}

#[test]
fn a_part_that_is_whole_is_not_sent_again() {
    let file = File::new(&[1; 1_000]);
    file.hub.fail(WEIGHTS, &[Fault::Break(400)]);
    file.get(MANY, 0).unwrap_err();
    std::fs::write(file.path("x.part"), [1; 1_000]).unwrap();
    file.hub.asked();
    file.get(MANY, 0).unwrap();
    file.is(&[1; 1_000]);
    assert_eq!(file.hub.asked().iter().map(|asked| asked.n_sent).sum::<usize>(), 0);
}

#[test]
fn a_part_that_somebody_spoilt_is_not_put_in_place() {
    let file = File::new(&[1; 1_000]);
    file.hub.fail(WEIGHTS, &[Fault::Break(400)]);
    file.get(MANY, 0).unwrap_err();
    std::fs::write(file.path("x.part"), [7; 400]).unwrap();
    let error = file.get(MANY, 0).unwrap_err();
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
    assert!(!file.path("x").exists() && !file.path("x.part").exists());
    file.get(MANY, 0).unwrap();
    file.is(&[1; 1_000]);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_said() {
    let breaks = vec![Fault::Break(100); 5];
    for (faults, n_retries, n_asked) in [
        (breaks.clone(), 5, Ok(6)),
        (breaks.clone(), 4, Err(5)),
        (vec![Fault::Status(503), Fault::Status(429)], 5, Ok(3)),
        (vec![Fault::Status(404)], 5, Err(1)),
        (vec![Fault::Status(403)], 5, Err(1)),
        (vec![Fault::Status(418)], 5, Err(1)),
        (vec![Fault::WrongSums], 5, Err(1)),
        (vec![Fault::Length(2_000); 2], 1, Err(2)),
    ] {
        let file = File::new(&[1; 1_000]);
        file.hub.fail(WEIGHTS, &faults);
        let got = file.get(MANY, n_retries);
        let asked = file.hub.asked().len();
        assert_eq!(
            (got.is_ok(), asked),
            (n_asked.is_ok(), n_asked.unwrap_or_else(|n| n)),
            "{faults:?}"
        );
        assert_eq!(file.path("x").exists(), got.is_ok(), "{faults:?}: {got:?}");
    }
}

#[test]
fn what_is_too_large_does_not_come() {
    let file = File::new(&[1; 1_000]);
    let error = file.get(999, 0).unwrap_err();
    assert!(matches!(error, DownloadError::TooLarge { max_bytes: 999, .. }), "{error}");
    assert!(!file.path("x.part").exists());
    // More than there is room for.
    file.hub.fail(WEIGHTS, &[Fault::Length(1 << 60)]);
    let error = file.get(u64::MAX, 0).unwrap_err();
    assert!(matches!(error, DownloadError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert!(!file.path("x.part").exists());
}

#[test]
fn a_damaged_file_is_refused_and_nothing_is_put_in_place() {
    let rig = Rig::new();
    rig.hub.fail(WEIGHTS, &[Fault::WrongSums]);
    let message = rig.fails(&["pull", "tiny.yaml"]);
    assert!(message.contains("does not add up"), "{message}");
    assert!(!rig.installed("tiny/model.safetensors").exists());
    // The sums are right, and it is something else.
    rig.hub.put(WEIGHTS, b"<html>Please log in</html>");
    let message = rig.fails(&["pull", "tiny.yaml"]);
    assert!(message.contains("safetensors"), "{message}");
    rig.hub.put(WEIGHTS, &weights());
    rig.hub.put(TOKENIZER, b"{}");
    let message = rig.fails(&["pull", "tiny.yaml"]);
    assert!(message.contains("tokenizer"), "{message}");
    for file in ["tokenizer.json", "tokenizer.json.part", "config.yaml"] {
        assert!(!rig.installed("tiny").join(file).exists(), "{file}");
    }
    assert_eq!(rig.json(&["list"])["installed"], serde_json::json!([]));
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else_and_is_never_shown() {
    let rig = Rig::new();
    let other = Hub::start();
    other.put(WEIGHTS, &weights());
    rig.hub.fail(WEIGHTS, &[Fault::Elsewhere(other.address.clone())]);
    let token = rig.home.path("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let output = rig.run(
        &["pull", "tiny.yaml"],
        &[
            ("HF_TOKEN_PATH", token.to_str().unwrap()),
            ("SPEAKERD_LOG_LEVEL", "trace"),
            ("RUST_LOG", "trace"),
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bearer = format!("Bearer {TOKEN}");
    let (here, there) = (rig.hub.asked(), other.asked());
    assert!(here.iter().all(|it| it.authorization.as_ref() == Some(&bearer)), "{here:?}");
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(there[0].authorization, None);
    for said in [&output.stdout, &output.stderr] {
        assert!(!text(said).contains(TOKEN), "{}", text(said));
    }
    let manifest = std::fs::read_to_string(rig.installed("tiny/manifest.json")).unwrap();
    assert!(!manifest.contains(TOKEN) && !manifest.contains(&other.address));
}

#[test]
fn one_is_not_sent_where_one_must_not_go() {
    for (location, expected) in [
        ("http://example.com/x", "without encryption"),
        ("http://example.com@127.0.0.1/x", "without encryption"),
        ("nonsense", "without encryption"),
        ("", "no address"),
        (WEIGHTS, "on and on"),
    ] {
        let rig = Rig::new();
        rig.hub.fail(WEIGHTS, &vec![Fault::Location(location.to_owned()); 10]);
        let message = rig.fails(&["pull", "tiny.yaml"]);
        assert!(message.contains(expected), "{location}: {message}");
    }
}

#[test]
fn a_gated_repository_is_explained() {
    for (status, token, expected) in [
        (401, None, "no token here"),
        (401, Some(TOKEN), "HF_TOKEN was not accepted"),
        (403, Some(TOKEN), "not accepted the terms yet"),
    ] {
        let rig = Rig::new();
        let english = catalogue::find("english").unwrap();
        let place = Place::parse(&english.weights(Weights::WithCloning)).unwrap();
        let path = place.address("").unwrap();
        rig.hub.fail(&path, &[Fault::Status(status)]);
        let variables: Vec<_> = token.iter().map(|token| ("HF_TOKEN", *token)).collect();
        let output = rig.run(&["pull", "english"], &variables);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr) + &text(&output.stdout);
        for part in [
            expected,
            "gated",
            &format!("{}/kyutai/pocket-tts,", rig.hub.address),
            "hf auth login",
            "HF_TOKEN",
            "speakerd model pull english --without-cloning",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains(TOKEN), "{said}");
        // Never the others without being told so.
        let asked = rig.hub.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(!rig.installed("english/model.safetensors").exists());
    }
}

/// A released model, as far as a pull looks into it.
fn put_english(hub: &Hub) -> usize {
    let english = catalogue::find("english").unwrap();
    let path = |name: String| Place::parse(&name).unwrap().address("").unwrap();
    let weights = std::fs::read(fixture("english_tiny/model.safetensors")).unwrap();
    hub.put(&path(english.weights(Weights::WithoutCloning)), &weights);
    let vocabulary: Vec<_> =
        (0..4_000).map(|idx| serde_json::json!([format!("<{idx}>"), -1.0])).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": false },
    });
    hub.put(&path(english.tokenizer()), tokenizer.to_string().as_bytes());
    let config = ModelConfig::parse(Path::new("english"), &english.config_yaml()).unwrap();
    let transformer = &config.flow_lm.transformer;
    let layer = VoiceLayer { keys: vec![0.5; 1_024], values: vec![0.25; 1_024] };
    let voice = VoiceState { n_positions: 1, layers: vec![layer; transformer.n_layers] };
    let voice = voice.to_bytes(transformer).unwrap();
    let voices = catalogue::predefined_voices();
    for name in voices.iter().filter(|name| *name != "vera") {
        hub.put(&path(english.voice(name)), &voice);
    }
    voices.len()
}

#[test]
fn a_released_model_comes_with_its_voices() {
    let rig = Rig::new();
    let n_voices = put_english(&rig.hub);
    let output = rig.run(&["pull", "english", "--without-cloning", "--voices", "alba,vera"], &[]);
    assert_eq!(output.status.code(), Some(1), "one that was named must be there");
    assert!(text(&output.stderr).contains("vera.safetensors"), "{}", text(&output.stderr));
    rig.hub.asked();
    let output = rig.run(&["pull", "english", "--without-cloning", "--json"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["model"], "english");
    assert!(lines.iter().any(|line| line["remark"].as_str().is_some_and(|it| it.contains("vera"))));
    // What had come, and is named by its commit, did not come again.
    assert_eq!(rig.hub.asked().len(), n_voices - 1);
    let models = rig.json(&["list"]);
    let english = &models["installed"][0];
    assert_eq!((&english["name"], &english["language"]), (&"english".into(), &"en".into()));
    assert_eq!(english["voices"].as_array().unwrap().len(), n_voices - 1);
    assert_eq!(english["auto"], true);
    let available = models["available"].as_array().unwrap();
    assert!(available.iter().all(|model| model["name"] != "english"));
    assert!(available.iter().any(|model| model["name"] == "german"), "{models}");
    assert!(rig.ok(&["verify", "english"]).contains("is whole"));

    // Damaged since: found, named, and mended by another pull.
    let voice = rig.installed("english/voices/alba.safetensors");
    let mut bytes = std::fs::read(&voice).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&voice, bytes).unwrap();
    let message = rig.fails(&["verify", "english"]);
    assert!(message.contains("voices/alba.safetensors is damaged"), "{message}");
    assert!(message.contains("speakerd model pull english"), "{message}");
    std::fs::remove_file(rig.installed("english/tokenizer.json")).unwrap();
    let message = rig.fails(&["verify", "english"]);
    assert!(message.contains("tokenizer.json is missing"), "{message}");
    rig.ok(&["pull", "english", "--without-cloning"]);
    assert!(rig.ok(&["verify", "english"]).contains("is whole"));
}

#[test]
fn what_cannot_be_pulled_is_refused_by_name() {
    let rig = Rig::new();
    let good = "hf://ann/tiny/tokenizer.json@v1";
    for (weights, tokenizer, expected) in [
        ("hf://a/b/../../x.safetensors", good, "no plain name"),
        ("hf://a/b/x.safetensors@../../y", good, "no plain name"),
        ("https://example.com/../x.safetensors", good, "no address"),
        ("http://example.com/x.safetensors", good, "neither hf:// nor https://"),
        ("file:///etc/x.safetensors", good, "neither hf:// nor https://"),
        ("../x.safetensors", good, "beside the configuration"),
        ("/etc/passwd", good, "beside the configuration"),
        ("hf://a/b/config.yaml", good, ".safetensors"),
        ("hf://a/b/.x.safetensors/.bashrc", good, ".safetensors"),
        ("hf://ann/tiny/model.safetensors@v1", "hf://a/b/manifest.json", "manifest.json"),
        (
            "hf://ann/tiny/model.safetensors@v2",
            good,
            "there is no `hf://ann/tiny/model.safetensors@v2`",
        ),
    ] {
        rig.yaml(weights, tokenizer);
        let message = rig.fails(&["pull", "tiny.yaml"]);
        assert!(message.contains(expected), "{weights}: {message}");
    }
    for (arguments, expected) in [
        (vec!["pull", "englisch"], "speakerd model list"),
        (vec!["pull", "none.yaml"], "none.yaml"),
        (vec!["pull", "english", "--name", "mine"], "--name"),
        (vec!["pull", "english", "--voices", "nobody"], "no predefined voice `nobody`"),
        (vec!["pull", "tiny.yaml", "--voices", "alba"], "released models only"),
        (vec!["pull", "tiny.yaml", "--name", "../x"], "no name for a model"),
        (vec!["pull", "tiny.yaml", "--without-cloning"], "weights_path_without_voice_cloning"),
        (vec!["info", "tiny"], "neither an installed model"),
        (vec!["verify", "tiny"], "not installed"),
        (vec!["verify", "../tiny"], "not installed"),
        (vec!["remove", "tiny", "--yes"], "not installed"),
        (vec!["remove", "..", "--yes"], "not installed"),
    ] {
        rig.yaml("hf://ann/tiny/model.safetensors@v1", good);
        let message = rig.fails(&arguments);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    let output = rig.run(&["pull", "tiny.yaml"], &[("HF_ENDPOINT", "http://example.com")]);
    assert!(text(&output.stderr).contains("not encrypted"), "{}", text(&output.stderr));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = rig.run(&["pull", "tiny.yaml"], &[("HF_ENDPOINT", &format!("http://{nobody}"))]);
    assert!(text(&output.stderr).contains("cannot reach 127.0.0.1"), "{}", text(&output.stderr));
}

/// The tensors of a model with rows that 8 bits cannot have, as the smallest released ones.
#[test]
fn info_names_what_stays_in_f32_and_why() {
    let rig = Rig::new();
    let model = fixture("pointwise_tiny").to_str().unwrap().to_owned();
    let info = rig.json(&["info", &model]);
    let kept = info["kept_in_f32"].as_array().unwrap();
    let find = |name: &str| {
        kept.iter().find(|it| it["tensor"] == name).map(|it| it["why"].as_str().unwrap())
    };
    let bytes = std::fs::read(fixture("pointwise_tiny/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut n_odd = 0;
    for (name, tensor) in file.tensors() {
        let shape: Vec<_> = tensor.shape().to_vec();
        let is_steps =
            name.starts_with("flow_lm.transformer") || name.starts_with("mimi.decoder_transformer");
        if !is_steps || shape.len() != 2 {
            continue;
        }
        let is_odd = !shape[1].is_multiple_of(32);
        n_odd += usize::from(is_odd);
        let why = find(&name);
        assert_eq!(why.is_some(), is_odd, "{name} {shape:?}: {why:?}");
        if let Some(why) = why {
            assert!(why.contains(&format!("{} values", shape[1])) && why.contains("32"), "{why}");
        }
    }
    assert!(n_odd > 0);
    assert!(find("flow_lm.input_linear.weight").unwrap().contains("small"));
    assert!(find("flow_lm.conditioner.embed.weight").unwrap().contains("no matrix"));
    assert!(find("mimi.decoder.model.0.conv.weight").unwrap().contains("convolution"));
    assert!(find("mimi.encoder.model.0.conv.weight").unwrap().contains("voices"));
    let n_values: usize =
        file.tensors().iter().map(|(_, it)| it.shape().iter().product::<usize>()).sum();
    assert_eq!(info["parameters"], n_values);
    let n_kept: u64 = kept
        .iter()
        .filter_map(|it| it["shape"].as_array())
        .map(|shape| shape.iter().map(|n| n.as_u64().unwrap()).product::<u64>())
        .sum();
    assert_eq!(info["in_eight_bits"].as_u64().unwrap() + n_kept, n_values as u64);
    assert_eq!(
        (&info["can_clone"], &info["architecture"]["flow"]),
        (&true.into(), &"pointwise".into())
    );
    let shown = rig.ok(&["info", &model]);
    for name in ["flow_lm.input_linear.weight", "pointwise", "cloning         yes"] {
        assert!(shown.contains(name), "{shown}");
    }
    assert!(rig.hub.asked().is_empty());
}

#[test]
fn what_was_put_there_by_hand_is_loaded_to_verify_it() {
    let rig = Rig::new();
    let dir = rig.installed("mine");
    std::fs::create_dir_all(dir.join("voices")).unwrap();
    for file in ["config.yaml", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture("english_tiny").join(file), dir.join(file)).unwrap();
    }
    let voice = dir.join("voices/ann.safetensors");
    std::fs::copy(fixture("english_tiny/voice_state.safetensors"), &voice).unwrap();
    assert!(rig.ok(&["verify", "mine"]).contains("by hand"));
    let models = rig.json(&["list"]);
    let mine = &models["installed"][0];
    assert_eq!((&mine["name"], &mine["can_clone"]), (&"mine".into(), &true.into()));
    assert_eq!(mine["voices"], serde_json::json!(["ann"]));
    std::fs::copy(fixture("pointwise_tiny/voice_state.safetensors"), &voice).unwrap();
    let message = rig.fails(&["verify", "mine"]);
    assert!(message.contains("ann.safetensors"), "{message}");
    std::fs::copy(fixture("pointwise_tiny/model.safetensors"), dir.join("model.safetensors"))
        .unwrap();
    let message = rig.fails(&["verify", "mine"]);
    assert!(message.contains("model.safetensors") && message.contains("2 things"), "{message}");
}

#[test]
fn only_models_are_removed_and_only_when_somebody_agrees() {
    let rig = Rig::new();
    rig.ok(&["pull", "tiny.yaml"]);
    let message = rig.fails(&["remove", "tiny"]);
    assert!(message.contains("--yes"), "{message}");
    assert!(rig.installed("tiny/model.safetensors").exists());
    assert!(rig.ok(&["remove", "tiny", "--yes"]).contains("is removed"));
    assert!(!rig.installed("tiny").exists());
    std::fs::create_dir_all(rig.installed("notes")).unwrap();
    std::fs::write(rig.installed("notes/tea.txt"), "").unwrap();
    std::os::unix::fs::symlink(rig.installed("notes"), rig.installed("link")).unwrap();
    for (name, expected) in [("notes", "no model's directory"), ("link", "is a link")] {
        let message = rig.fails(&["remove", name, "--yes"]);
        assert!(message.contains(expected), "{message}");
    }
    assert!(rig.installed("notes/tea.txt").exists());
    // One that was never finished can be removed as well.
    rig.hub.fail(TOKENIZER, &[Fault::Status(404)]);
    rig.fails(&["pull", "tiny.yaml", "--name", "half"]);
    assert!(rig.installed("half/model.safetensors").exists());
    assert!(rig.fails(&["verify", "half"]).contains("no model at"));
    rig.ok(&["remove", "half", "--yes"]);
    assert!(!rig.installed("half").exists());
}

#[test]
fn two_pulls_of_a_model_do_not_meet() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.installed("")).unwrap();
    let lock = std::fs::File::create(rig.installed(".tiny.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let message = rig.fails(&["pull", "tiny.yaml"]);
    assert!(message.contains("another `speakerd model`"), "{message}");
    assert!(rig.hub.asked().is_empty());
    drop(lock);
    rig.ok(&["pull", "tiny.yaml"]);
}

#[test]
fn the_daemon_and_synth_get_nothing() {
    let rig = Rig::new();
    let model = rig.home.path("model");
    std::fs::create_dir(&model).unwrap();
    std::fs::copy(rig.home.path("tiny.yaml"), model.join("config.yaml")).unwrap();
    let voice = fixture("english_tiny/voice_state.safetensors");
    let arguments =
        ["synth", "Hi", "--model", "model", "--voice", voice.to_str().unwrap(), "-o", "x.wav"];
    let mut command = rig.home.command(&arguments);
    let output = command.env("HF_ENDPOINT", &rig.hub.address).output().unwrap();
    assert!(text(&output.stderr).contains("is not here"), "{}", text(&output.stderr));
    assert!(rig.hub.asked().is_empty());
}
