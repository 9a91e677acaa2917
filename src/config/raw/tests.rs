use std::time::Duration;

use super::super::Config;
use super::*;
use crate::engine::speech_server::{Key, Secret};
use crate::paths::Paths;

fn paths() -> Paths {
    Paths {
        home: "/home/ann".into(),
        config_dir: "/home/ann/.config/speakerd".into(),
        data_dir: "/d".into(),
        state_dir: "/s".into(),
        cache_dir: "/k".into(),
        runtime_dir: "/r".into(),
    }
}

fn check(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("speakerd.toml");
    std::fs::write(&file, text).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::load(Some(&file), &paths(), environment)
}

#[test]
fn the_defaults_are_valid() {
    let config = Config::defaults(&paths());
    assert_eq!(config.queue.capacity, 64);
    assert_eq!(config, check("", &[]).map(|config| Config { file: None, ..config }).unwrap());
}

#[test]
fn a_wrong_key_or_value_is_refused_with_its_key() {
    for (text, key, reason) in [
        ("[audio]\nvolum = 1\n", "audio.volum", "unknown field"),
        ("[audio]\nvolume = 3.5\n", "audio.volume", "3.5 is not between 0 and 2"),
        ("[audio]\nvolume = \"loud\"\n", "audio.volume", "expected"),
        ("[audio]\noutput = \"radio\"\n", "audio.output", "unknown variant"),
        ("[queue]\ncapacity = 0\n", "queue.capacity", "0 is not between 1 and 4096"),
        ("[engine]\nvoice = \"nobody\"\n", "engine.voice", "there is no voice `nobody`"),
        ("[log]\nlevel = \"a=b=c\"\n", "log.level", "is not error, warn"),
        (
            "[[watch]]\npath = \"a\"\n[[watch]]\npath = \"b\"\nrate = 9.0\n",
            "watch[1].rate",
            "9 is not",
        ),
        ("[[watch]]\npath = \"\"\n", "watch[0].path", "is empty"),
        ("[[watch]]\npath = \"[\"\n", "watch[0].path", "is not a pattern"),
        ("[models]\nhub = \"http://example.com\"\n", "models.hub", "is not encrypted"),
        ("[models]\nhub = \"http://127.0.0.1.example.com\"\n", "models.hub", "is not encrypted"),
        ("[models]\nhub = \"https://ann:secret@example.com\"\n", "models.hub", "is no address"),
        ("[models]\nhub = \"ftp://example.com\"\n", "models.hub", "is no https:// address"),
        ("[metrics]\ntextfile = \"/var/metrics.txt\"\n", "metrics.textfile", "ends in .prom"),
        ("[metrics]\ntextfile_secs = 0.0\n", "metrics.textfile_secs", "0 is not between"),
        ("[alerts]\nmemory_mb = -1.0\n", "alerts.memory_mb", "-1 is not between 0 and"),
        ("[engine]\nkind = \"remote\"\n", "remote.url", "is empty, and engine.kind is \"remote\""),
        ("[remote]\nurl = \"localhost:8880\"\n", "remote.url", "is no https:// address"),
        (
            "[remote]\nurl = \"https://ann:pass@example.com/v1\"\n",
            "remote.url",
            "there is a user in it",
        ),
        (
            "[remote]\nurl = \"http://example.com/v1\"\nkey = \"k\"\n",
            "remote.url",
            "allow_http = true",
        ),
        ("[remote]\nkey = \"k\"\nkey_file = \"k\"\n", "remote.key", "keep one of them"),
        ("[remote]\napi = \"morse\"\n", "remote.api", "unknown variant"),
        ("[remote]\ndeadline_secs = 0\n", "remote.deadline_secs", "0 is not between"),
        ("[remote]\nlanguage = \"English\"\n", "remote.language", "is no language"),
        ("[remote]\napi = \"elevenlabs\"\nvoice = \"a/b\"\n", "remote.voice", "the voice's ID"),
        ("[radio]\n", "radio", "unknown field"),
    ] {
        let error = check(text, &[]).unwrap_err();
        assert_eq!(error.key.as_deref(), Some(key), "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
        assert!(matches!(error.origin, Some(Origin::File(_))), "{text}");
    }
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    let error = check("[audio]\nvolume = \n", &[]).unwrap_err();
    assert!(error.reason.contains("line 2"), "{error}");
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [
        ("SPEAKERD_AUDIO_OUTPUT", "null"),
        ("SPEAKERD_AUDIO_NULL_SPEED", "2"),
        ("SPEAKERD_ENGINE_VOICE", "slt"),
        ("SPEAKERD_SOMETHING_ELSE", "is not ours"),
        ("PATH", "/bin"),
    ];
    let config = check("[audio]\noutput = \"wav\"\ngap_ms = 7\n", &environment).unwrap();
    assert_eq!(config.audio.output, Output::Null);
    assert_eq!(config.audio.null_speed, Some(2.0));
    assert_eq!(config.audio.gap, Duration::from_millis(7));
    assert_eq!(&*config.engine.voice, "slt");
}

#[test]
fn a_wrong_variable_is_refused_by_its_name() {
    for (name, value, key) in [
        ("SPEAKERD_AUDIO_VOLUM", "1", "audio.volum"),
        ("SPEAKERD_QUEUE_CAPACITY", "many", "queue.capacity"),
        ("SPEAKERD_AUDIO_VOLUME", "9", "audio.volume"),
        ("SPEAKERD_ENGINE_VOICE", "bob", "engine.voice"),
    ] {
        let error = check("", &[(name, value)]).unwrap_err();
        assert_eq!(error.origin, Some(Origin::Variable(name.into())), "{error}");
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
    }
}

#[test]
fn paths_are_absolute_and_relative_ones_are_beside_the_file() {
    let config =
        check("[[watch]]\npath = \"~/a.log\"\n[[watch]]\npath = \"b.log\"\n", &[]).unwrap();
    assert_eq!(config.watch[0].path, Path::new("/home/ann/a.log"));
    assert_eq!(config.watch[1].path, config.file.unwrap().with_file_name("b.log"));
}

#[test]
fn zero_seconds_mean_never() {
    let config = check("[engine]\nidle_unload_secs = 0\n[audio]\nnull_speed = 0\n", &[]).unwrap();
    assert_eq!(config.engine.idle_unload, None);
    assert_eq!(config.audio.null_speed, None);
}

#[test]
fn a_hub_is_an_address_that_leads_off_this_machine_only_encrypted() {
    let hub = |text: &str| check(&format!("[models]\nhub = \"{text}\"\n"), &[]).unwrap().models.hub;
    assert_eq!(hub("https://hub.example.com/mirror/"), "https://hub.example.com/mirror");
    for here in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80"] {
        assert_eq!(hub(here), here);
    }
}

#[test]
fn a_speech_server_is_named_with_what_it_needs() {
    let server = |text: &str| {
        let config = check(text, &[("SPEAKERD_REMOTE_KEY", "12345")]).unwrap();
        config.engine.choice.server
    };
    assert_eq!(server(""), None);
    let local = server("[remote]\nurl = \"http://localhost:8880/v1/\"\n").unwrap();
    assert_eq!(local.url, "http://localhost:8880/v1");
    assert_eq!(local.key, Key::Text(Secret::new("12345")), "digits are a text as well");
    assert_eq!((local.model.as_str(), local.voice.as_str()), ("tts-1", "alloy"));
    let other = server("[remote]\napi = \"elevenlabs\"\n").unwrap();
    assert_eq!(
        (other.url.as_str(), other.model.as_str()),
        ("https://api.elevenlabs.io", "eleven_flash_v2_5")
    );
    let plain = "[remote]\nurl = \"http://nas.local:8880/v1\"\n";
    assert!(server(&format!("{plain}allow_http = true\n")).is_some());
    assert!(check(plain, &[]).unwrap().engine.choice.server.is_some(), "there is no key to read");
}

#[cfg(feature = "http")]
#[test]
fn a_speech_server_has_no_voice_without_a_name() {
    let text = "[engine]\nvoice = \"remote:\"\n[remote]\nurl = \"http://localhost/v1\"\n";
    let error = check(text, &[]).unwrap_err();
    assert_eq!(error.key.as_deref(), Some("engine.voice"), "{error}");
}

#[test]
fn a_key_is_in_no_message() {
    for text in [
        "[remote]\nkey = sk-secret\n",
        "[remote]\nkey = \"sk-secret\n",
        "[remote]\napi_key = \"sk-secret\"\n",
        "[remote]\nkey = [\"sk-secret\"]\n",
        "[remote]\nurl = \"x\"\n\"key\"= 5ecret\n",
        "remote = { key = \"sk-secret\", volume = 1 }\n",
        "[remote]\nkey = 715ecret\n",
    ] {
        let error = check(text, &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("ecret"), "{text}: {error}");
    }
    let error = check("[remote]\nkey = 1234567\n", &[]).unwrap_err().to_string();
    assert!(!error.contains("1234567") && error.contains("put it in quotes"), "{error}");
    let config =
        check("[remote]\nurl = \"http://localhost/v1\"\nkey = \"sk-secret\"\n", &[]).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}
