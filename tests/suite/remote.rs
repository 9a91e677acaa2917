//! Another speech server speaks: what comes of each of its answers, and of none.

use std::time::{Duration, Instant};

use speakerd::engine::speech_server::{Api, Key, Secret, SpeechServer};
use speakerd::engine::{Engine, EngineError, Prosody, Speech, remote};

#[cfg(feature = "builtin")]
use crate::support::program::Home;
use crate::support::speech_server::{Asked, Reserved, ScriptedServer, Turn, hum, settings};

const TEXT: &str = "Tea is ready.";
const KEY: &str = "sk-never-shown";

/// What a text becomes, with what was heard before it failed.
fn speak(engine: &mut dyn Engine) -> (Vec<f32>, Result<(), EngineError>) {
    let prosody = Prosody::default();
    let mut heard = Vec::new();
    let mut stream = match engine.begin(&Speech { text: TEXT, voice: "alloy", prosody, seed: 1 }) {
        Ok(stream) => stream,
        Err(error) => return (heard, Err(error)),
    };
    loop {
        match stream.next_chunk() {
            Ok(Some(chunk)) => heard.extend(chunk.samples),
            Ok(None) => return (heard, Ok(())),
            Err(error) => return (heard, Err(error)),
        }
    }
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    let pairs = bytes.chunks_exact(2);
    pairs.map(|it| speakerd::pcm::from_i16(i16::from_le_bytes([it[0], it[1]]))).collect()
}

/// The sound of [`TEXT`].
fn spoken() -> Vec<f32> {
    samples(&hum(TEXT.len() * 1_440))
}

fn say(status: u16, headers: &'static str, body: &str) -> Turn {
    Turn::Say(status, headers, body.to_owned())
}

/// A file as servers send it that do not know raw sound.
fn wav(sound: &[u8]) -> Vec<u8> {
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(24_000_u32.to_le_bytes());
    wav.extend(48_000_u32.to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend(u32::try_from(sound.len()).unwrap().to_le_bytes());
    wav.extend_from_slice(sound);
    wav
}

#[test]
fn sound_is_whole_however_it_comes() {
    let server = ScriptedServer::start();
    let mut engine = remote::load(&server.settings()).unwrap();
    let sound = hum(6_000);
    let in_pieces = |sound: &[u8], n: usize| sound.chunks(n).map(<[u8]>::to_vec).collect();
    for (content_type, pieces) in [
        ("audio/pcm", in_pieces(&sound, 1_001)),
        ("audio/pcm", in_pieces(&sound, 37)),
        ("audio/wav", in_pieces(&wav(&sound), 333)),
        ("application/octet-stream", in_pieces(&wav(&sound), 100_000)),
    ] {
        server.script(&[Turn::Pieces { content_type, pieces, pause: Duration::ZERO }]);
        let (heard, ended) = speak(&mut *engine);
        ended.unwrap();
        assert!(heard == samples(&sound), "{content_type}: {} samples", heard.len());
    }
    let (content_type, pieces) = ("audio/pcm", in_pieces(&sound, 4_001));
    server.script(&[Turn::Pieces { content_type, pieces, pause: Duration::from_millis(120) }]);
    let (heard, ended) = speak(&mut *engine);
    ended.unwrap();
    assert!(heard == samples(&sound), "slowly");
    assert_eq!(server.n_connections(), 1, "the connection is kept");
}

#[test]
fn what_passes_is_asked_for_again() {
    for (turns, pause) in [
        (vec![say(429, "Retry-After: 1\r\n", "{}")], 1.0),
        (vec![say(429, "Retry-After: 0\r\n", "{}")], 0.0),
        (vec![say(500, "", "{}"), say(503, "", "<html>")], 0.2),
        (vec![say(408, "", "{}"), say(409, "", "{}")], 0.2),
        (vec![Turn::Reset, Turn::Reset], 0.2),
        (vec![Turn::Break(0)], 0.2),
    ] {
        let server = ScriptedServer::start();
        let mut engine = remote::load(&server.settings()).unwrap();
        server.script(&turns);
        let (heard, ended) = speak(&mut *engine);
        ended.unwrap_or_else(|error| panic!("{turns:?}: {error}"));
        assert!(heard == spoken(), "{turns:?}");
        let asked = server.asked();
        assert_eq!(asked.len(), turns.len() + 1, "{turns:?}");
        let waited = asked[1].at - asked[0].at;
        assert!(waited >= Duration::from_secs_f64(pause), "{turns:?} after {waited:?}");
    }
}

/// The class of an error, a word of it, and how often was asked.
type Fate = (&'static str, &'static str, usize);

fn class_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Unreachable { .. } => "unreachable",
        EngineError::Declined { .. } => "declined",
        EngineError::UnknownVoice { .. } => "unknown voice",
        EngineError::Hung { .. } => "hung",
        _ => "another",
    }
}

fn check_fate(turns: &[Turn], (class, word, n_asked): Fate) {
    let server = ScriptedServer::start();
    let deadline = Duration::from_millis(700);
    let key = Key::Text(Secret::new(KEY));
    let mut engine = remote::load(&SpeechServer { deadline, key, ..server.settings() }).unwrap();
    server.script(turns);
    let (heard, ended) = speak(&mut *engine);
    let error = ended.expect_err("a failure");
    let shown = format!("{error} {error:?}");
    assert_eq!(class_of(&error), class, "{turns:?}: {error}");
    assert!(shown.contains(word), "{turns:?}: {error}");
    assert!(!shown.contains(KEY), "{turns:?}: {error}");
    assert_eq!(server.asked().len(), n_asked, "{turns:?}: {error}");
    let is_begun = matches!(turns[0], Turn::Stall(1..) | Turn::Break(1..));
    assert_eq!(!heard.is_empty(), is_begun, "{turns:?}");
    // The next one has nothing to do with it.
    let (heard, ended) = speak(&mut *engine);
    ended.unwrap_or_else(|error| panic!("after {turns:?}: {error}"));
    assert!(heard == spoken(), "after {turns:?}");
}

#[test]
fn whatever_a_server_does_the_error_says_it_and_not_the_key() {
    let long = format!(r#"{{"error":{{"message":"{}{KEY}"}}}}"#, "no ".repeat(500));
    let echo = format!(r#"{{"detail":{{"message":"the key {KEY} is wrong"}}}}"#);
    let as_sound = |content_type, text: &str| {
        let pieces = vec![text.as_bytes().to_vec()];
        Turn::Pieces { content_type, pieces, pause: Duration::ZERO }
    };
    for (turns, fate) in [
        (vec![say(500, "", "{}"); 3], ("unreachable", "HTTP 500", 3)),
        (
            vec![say(429, "Retry-After: 60\r\n", r#"{"error":{"message":"slow down"}}"#)],
            ("unreachable", "HTTP 429: slow down", 1),
        ),
        (
            vec![say(401, "", &echo)],
            ("unreachable", "the key in remote.key: HTTP 401: the key … is wrong", 1),
        ),
        (vec![say(403, "", "<html>no</html>")], ("unreachable", "remote.key: HTTP 403", 1)),
        (vec![say(400, "", &long)], ("declined", "HTTP 400: no no", 1)),
        (vec![say(404, "", r#"{"detail":"Not Found"}"#)], ("declined", "remote.url", 1)),
        (vec![say(307, "Location: http://elsewhere/\r\n", "{}")], ("declined", "elsewhere", 1)),
        (
            vec![say(400, "", r#"{"error":{"message":"bad","param":"voice"}}"#)],
            ("unknown voice", "alloy", 1),
        ),
        (
            vec![say(200, "", r#"{"error":"overloaded"}"#)],
            ("declined", "application/json, and was asked for raw sound (pcm): overloaded", 1),
        ),
        (vec![say(200, "", "<html>welcome</html>")], ("declined", "text/html", 1)),
        (vec![as_sound("audio/mpeg", "\u{fb}...")], ("declined", "audio/mpeg", 1)),
        (vec![as_sound("audio/pcm", "ID3....")], ("declined", "MP3", 1)),
        (vec![as_sound("audio/pcm", "")], ("declined", "no sound", 1)),
        (vec![Turn::Reset; 3], ("unreachable", "reset", 3)),
        (vec![Turn::Silent], ("unreachable", "silent for 0.7 s (remote.deadline_secs)", 1)),
        (vec![Turn::Stall(0)], ("unreachable", "remote.deadline_secs", 1)),
        (vec![Turn::Stall(9_000)], ("hung", "", 1)),
        (vec![Turn::Break(9_000)], ("unreachable", "in the middle", 1)),
    ] {
        check_fate(&turns, fate);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_so_in_a_moment() {
    let nobody = Reserved::new();
    let mut engine = remote::load(&settings(&format!("http://{}/v1", nobody.address))).unwrap();
    let begun = Instant::now();
    let error = speak(&mut *engine).1.unwrap_err();
    assert!(error.is_breakdown(), "{error}");
    assert!(error.to_string().contains(&nobody.address), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
}

#[test]
fn speech_that_is_no_longer_wanted_hangs_up_at_once() {
    for turn in [Turn::Silent, Turn::Stall(0), Turn::Stall(9_000), Turn::Endless] {
        let server = ScriptedServer::start();
        let mut engine = remote::load(&server.settings()).unwrap();
        server.script(std::slice::from_ref(&turn));
        let prosody = Prosody::default();
        let speech = Speech { text: TEXT, voice: "alloy", prosody, seed: 1 };
        let mut stream = engine.begin(&speech).unwrap();
        while server.asked().is_empty() {
            let begun = Instant::now();
            stream.next_chunk().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(1), "{turn:?}: a pull waits");
        }
        stream.next_chunk().unwrap();
        let dropped = Instant::now();
        drop(stream);
        assert!(
            dropped.elapsed() < Duration::from_millis(100),
            "{turn:?}: {:?}",
            dropped.elapsed()
        );
        let closed = server.closed.recv_timeout(Duration::from_secs(10)).unwrap();
        let late = closed.saturating_duration_since(dropped);
        assert!(late < Duration::from_millis(200), "{turn:?}: {late:?}");
        let (heard, ended) = speak(&mut *engine);
        ended.unwrap();
        assert!(heard == spoken(), "after {turn:?}");
        assert_eq!(server.n_connections(), 2, "{turn:?}");
    }
}

#[test]
fn a_server_is_not_read_further_than_anybody_listens() {
    let server = ScriptedServer::start();
    let mut engine = remote::load(&server.settings()).unwrap();
    server.script(&[Turn::Endless]);
    let speech = Speech { text: TEXT, voice: "alloy", prosody: Prosody::default(), seed: 1 };
    let mut stream = engine.begin(&speech).unwrap();
    while stream.next_chunk().unwrap().is_some_and(|chunk| chunk.samples.is_empty()) {}
    // It fills what the system keeps on the way, and then it waits.
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(300) {
        let n_bytes = server.n_endless();
        if n_bytes != before {
            (before, since) = (n_bytes, Instant::now());
        }
        assert!(n_bytes < 32 << 20, "{n_bytes} bytes are read, and more");
        std::thread::sleep(Duration::from_millis(10));
    }
    // It goes on when somebody does.
    for _ in 0..5_000 {
        assert!(stream.next_chunk().unwrap().is_some());
        if server.n_endless() > before {
            return;
        }
    }
    panic!("the server waits at {before} bytes");
}

#[test]
fn one_connection_serves_one_speech_after_the_other() {
    let server = ScriptedServer::start();
    let mut engine = remote::load(&server.settings()).unwrap();
    for _ in 0..5 {
        let (heard, ended) = speak(&mut *engine);
        ended.unwrap();
        assert!(heard == spoken());
    }
    assert_eq!(server.n_connections(), 1);
}

fn asked_by(settings: &SpeechServer, server: &ScriptedServer) -> Asked {
    let mut engine = remote::load(settings).unwrap();
    let prosody = Prosody { rate: 1.1, pitch: 1.5 };
    let speech = Speech { text: TEXT, voice: "remote:nova", prosody, seed: 7 };
    let mut stream = engine.begin(&speech).unwrap();
    while stream.next_chunk().unwrap().is_some() {}
    server.asked().remove(0)
}

#[test]
fn each_api_is_asked_with_the_key_in_its_header() {
    let server = ScriptedServer::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let plain = SpeechServer { key: Key::File(file), ..server.settings() };
    let asked = asked_by(&plain, &server);
    assert_eq!(asked.path, "/v1/audio/speech");
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(asked.headers["content-type"], "application/json");
    let body = serde_json::json!({
        "model": "tts-1", "voice": "nova", "input": TEXT, "response_format": "pcm", "speed": 1.1,
    });
    assert_eq!(asked.body, body);

    let url = format!("http://{}", server.address);
    let other = SpeechServer { url, api: Api::ElevenLabs, ..plain };
    let asked = asked_by(&other, &server);
    assert_eq!(asked.path, "/v1/text-to-speech/nova/stream?output_format=pcm_24000");
    assert_eq!(asked.headers["xi-api-key"], KEY);
    let settings = serde_json::json!({ "speed": 1.1 });
    let body = serde_json::json!({
        "text": TEXT, "model_id": "tts-1", "seed": 7, "voice_settings": settings,
    });
    assert_eq!(asked.body, body);
}

/// A daemon that asks that server, and what it is to say besides.
#[cfg(feature = "builtin")]
fn home(address: &str, engine: &str, remote: &str) -> Home {
    Home::new(&format!(
        "[audio]\noutput = \"null\"\nnull_speed = 20.0\n[engine]\nkind = \"remote\"\n{engine}\n\
         [remote]\nurl = \"http://{address}/v1\"\nkey = \"{KEY}\"\n{remote}\n"
    ))
}

/// Says something, and what came of it: who spoke, with which engine, and why it was somebody else.
#[cfg(feature = "builtin")]
fn said(home: &Home, voice: &str) -> (String, String, String) {
    home.ok(&["say", "--wait", "--voice", voice, TEXT]);
    let entry = home.history().pop().unwrap();
    let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(field("outcome"), "spoken", "{entry}");
    (field("spoken_voice"), field("engine"), field("reason"))
}

#[cfg(feature = "builtin")]
#[test]
fn while_the_server_is_down_the_builtin_voice_speaks_and_status_says_why() {
    for isolation in ["thread", "process"] {
        let nobody = Reserved::new();
        let address = nobody.address.clone();
        let home = home(&address, &format!("isolation = \"{isolation}\""), "retries = 1");
        let _daemon = home.start();
        let (voice, engine, reason) = said(&home, "auto");
        assert_eq!((voice.as_str(), engine.as_str()), ("rms", "builtin"), "{isolation}: {reason}");
        assert!(reason.contains(&address) && reason.contains("rms speaks instead"), "{reason}");
        let status: serde_json::Value =
            serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
        assert_eq!(status["engine"]["degraded"], reason.as_str(), "{isolation}");
        assert_eq!(status["engine"]["n_failures"], 1, "{isolation}");

        let server = nobody.start();
        for (asked, spoken) in
            [("auto", "remote:alloy"), ("nova", "nova"), ("remote:nova", "remote:nova")]
        {
            let (voice, engine, reason) = said(&home, asked);
            assert_eq!((voice.as_str(), engine.as_str(), reason.as_str()), (spoken, "remote", ""));
        }
        assert_eq!(said(&home, "slt").1, "builtin", "{isolation}");
        let (voice, _, reason) = said(&home, "nobody");
        assert!(voice == "rms" && reason.contains("there is no voice `nobody`"), "{reason}");
        let status = home.ok(&["status", "--json"]);
        if isolation == "process" {
            let status: serde_json::Value = serde_json::from_str(&status).unwrap();
            for process in status["engine"]["processes"].as_array().unwrap() {
                let line = std::fs::read(format!("/proc/{}/cmdline", process["pid"])).unwrap();
                assert!(!String::from_utf8_lossy(&line).contains(KEY));
            }
        }
        let authorization = format!("Bearer {KEY}");
        assert!(server.asked().iter().all(|it| it.headers["authorization"] == authorization));
        let history = home.ok(&["history", "--json"]);
        let doctor = home.run(&["doctor", "--json"]).stdout;
        let doctor = String::from_utf8_lossy(&doctor).into_owned();
        for text in [home.log(), status, history, doctor] {
            assert!(!text.contains(KEY), "the key is shown: {text}");
        }
    }
}

#[cfg(feature = "builtin")]
#[test]
fn another_server_and_another_voice_are_taken_over_while_the_daemon_runs() {
    let (one, other) = (ScriptedServer::start(), ScriptedServer::start());
    let home = home(&one.address, "", "");
    let _daemon = home.start();
    assert_eq!(said(&home, "auto").0, "remote:alloy");
    let file = home.path("speakerd.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace(&one.address, &other.address) + "voice = \"nova\"\n";
    std::fs::write(&file, config).unwrap();
    home.ok(&["reload"]);
    assert_eq!(said(&home, "auto").0, "remote:nova");
    assert_eq!((one.asked().len(), other.asked().len()), (1, 1));
}
