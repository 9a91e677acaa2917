//! What is asked for is spoken, in every format and both ways of delivery.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::asking::{Answer, Server, speech};

/// Samples of s16le.
fn samples(pcm: &[u8]) -> Vec<i16> {
    pcm.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn loudest(pcm: &[u8]) -> u16 {
    samples(pcm).iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default()
}

#[test]
fn every_format_is_what_it_says_and_says_the_same() {
    let server = Server::start("");
    let pcm = server.speak("Tea is ready.");
    assert_eq!((pcm.status, pcm.header("content-type")), (200, "audio/pcm"));
    assert_eq!((pcm.header("x-sample-rate"), pcm.header("x-speakerd-voice")), ("24000", "rms"));
    assert!(loudest(&pcm.body) > 3_000, "it is not silent");
    let secs = pcm.body.len() as f64 / 48_000.0;
    assert!((0.5..3.0).contains(&secs), "{secs} s");
    for (format, kind, begins) in [
        ("mp3", "audio/mpeg", &[0xff, 0xf3][..]),
        ("opus", "audio/ogg", b"OggS"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF\xff\xff\xff\xff"),
    ] {
        let answer = server.post("/v1/audio/speech", &speech("Tea is ready.", format));
        assert_eq!((answer.status, answer.header("content-type")), (200, kind));
        assert!(answer.body.starts_with(begins), "{format}: {:?}", &answer.body[..8]);
        assert!(answer.body.len() > 3_000, "{format}: {}", answer.body.len());
    }
    let wav = server.post("/v1/audio/speech", &speech("Tea is ready.", "wav"));
    let head = wav.body.len() - pcm.body.len();
    assert!((44..100).contains(&head), "the same samples behind {head} bytes");
}

#[test]
fn mp3_is_what_is_sent_where_nothing_is_said() {
    let server = Server::start("");
    let body = json!({"input": "Tea.", "voice": "alloy", "model": "whatever", "unknown": [1]});
    let answer = server.post("/v1/audio/speech", &body);
    assert_eq!((answer.status, answer.header("content-type")), (200, "audio/mpeg"));
}

#[test]
fn all_thirteen_stock_voices_speak_and_so_does_one_named_by_id() {
    let server = Server::start("voices = { anna = \"slt\" }\n");
    let stock = "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar";
    for voice in stock.split(' ') {
        let body = json!({"input": "Tea.", "voice": voice, "response_format": "pcm"});
        assert_eq!(server.post("/v1/audio/speech", &body).status, 200, "{voice}");
    }
    let body = json!({"input": "Tea.", "voice": {"id": "anna"}, "response_format": "pcm"});
    let answer = server.post("/v1/audio/speech", &body);
    assert_eq!((answer.status, answer.header("x-speakerd-voice")), (200, "slt"));
}

#[test]
fn speed_loudness_and_rate_are_heeded() {
    let server = Server::start("");
    let ask = |more: Value| {
        let mut body = speech("The kettle is on and the tea is nearly ready.", "pcm");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = server.post("/v1/audio/speech", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let usual = ask(json!({}));
    let ratio = |other: &[u8]| other.len() as f64 / usual.len() as f64;
    assert!((0.4..0.65).contains(&ratio(&ask(json!({"speed": 2.0})))));
    assert!((1.7..2.3).contains(&ratio(&ask(json!({"sample_rate": 48_000})))));
    let quiet = loudest(&ask(json!({"volume_multiplier": 0.25})));
    let share = f64::from(quiet) / f64::from(loudest(&usual));
    assert!((0.2..0.3).contains(&share), "{share}");
}

/// The events of a stream.
fn events(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn events_carry_the_same_audio_and_end_with_what_it_took() {
    let server = Server::start("cache_mb = 0\n");
    let mut body = speech("Tea is ready.", "pcm");
    body["stream_format"] = "sse".into();
    let answer = server.post("/v1/audio/speech", &body);
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let events = events(&answer);
    let (last, deltas) = events.split_last().unwrap();
    let mut audio = Vec::new();
    for delta in deltas {
        assert_eq!(delta["type"], "speech.audio.delta");
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(delta["audio"].as_str().unwrap());
        audio.extend(bytes.unwrap());
    }
    // Each utterance has noise of its own, at the last bit.
    assert_eq!(audio.len(), server.speak("Tea is ready.").body.len());
    assert_eq!(last["type"], "speech.audio.done");
    let usage = &last["usage"];
    assert_eq!(usage["input_tokens"], 13);
    let frames = usage["output_tokens"].as_f64().unwrap();
    assert!((frames - audio.len() as f64 / 48_000.0 / 0.08).abs() <= 1.0, "{usage}");
}

#[test]
fn the_same_again_comes_from_the_cache_unless_that_is_not_wished() {
    let server = Server::start("");
    let (first, second) = (server.speak("Tea is ready."), server.speak("Tea is ready."));
    assert_eq!(first.header("x-speakerd-cache"), "miss");
    assert_eq!(second.header("x-speakerd-cache"), "hit");
    assert!(first.body == second.body);
    for (text, voice) in [("Tea is cold.", "rms"), ("Tea is ready.", "slt")] {
        let mut other = speech(text, "pcm");
        other["voice"] = voice.into();
        let other = server.post("/v1/audio/speech", &other);
        assert_eq!(other.header("x-speakerd-cache"), "miss", "{text} {voice}");
    }
    let stats = server.get("/admin/stats").json();
    assert_eq!((&stats["cache"]["n_hits"], &stats["cache"]["n_entries"]), (&json!(1), &json!(3)));
    let history = server.home.history().len();
    assert_eq!(history, 3, "what comes from the cache is not spoken again");
}

#[test]
fn what_cannot_be_spoken_is_refused_with_its_reason() {
    let server = Server::start("");
    let ask = |body: Value| {
        let answer = server.post("/v1/audio/speech", &body);
        (answer.status, answer.code(), answer.json()["error"]["param"].as_str().map(str::to_owned))
    };
    let param = |name: &str| Some(name.to_owned());
    assert_eq!(
        ask(json!({"input": "Tea.", "voice": "nobody"})),
        (404, "voice_not_found".to_owned(), param("voice"))
    );
    assert_eq!(ask(json!({"input": "…!?", "voice": "rms"})).0, 400);
    assert_eq!(
        ask(json!({"input": "Tea.", "response_format": "aac"})),
        (400, "unsupported_format".to_owned(), param("response_format"))
    );
    let long = "a".repeat(4_097);
    assert_eq!(ask(json!({"input": long})).2, param("input"));
    assert_eq!(server.get("/v1/nothing").code(), "not_found");
    assert_eq!(server.get("/v1/audio/speech").code(), "method_not_allowed");
}

#[test]
fn a_voice_that_really_spoke_is_told_and_is_in_the_history() {
    let server = Server::start("");
    assert_eq!(server.speak("Tea is ready.").status, 200);
    let entry = &server.home.history()[0];
    assert_eq!((&entry["source"], &entry["spoken_voice"]), (&json!("http:all"), &json!("rms")));
    assert_eq!(entry["outcome"], "spoken");
    assert!(entry["first_audio_ms"].as_f64().unwrap() > 0.0);
}
