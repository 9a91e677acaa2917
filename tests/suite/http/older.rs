//! What older servers were asked, and what looks after the server.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::asking::Server;

#[test]
fn one_text_is_spoken_by_any_of_its_fields_names() {
    let server = Server::start("");
    for body in [
        json!({"text": "Tea is ready.", "voice": "rms"}),
        json!({"text": "Tea is ready.", "speaker": "rms", "output_format": "wav"}),
        json!({"input": "Tea is ready.", "voice_id": "rms", "response_format": "wav"}),
    ] {
        let answer = server.post("/v1/synthesize", &body);
        assert_eq!((answer.status, answer.header("content-type")), (200, "audio/wav"), "{body}");
        assert!(answer.body.starts_with(b"RIFF") && answer.body.len() > 20_000);
    }
    assert_eq!(server.post("/v1/synthesize", &json!({"voice": "rms"})).status, 400);
}

#[test]
fn each_text_of_a_batch_has_a_status_of_its_own() {
    let server = Server::start("");
    let body = json!({
        "voice": "rms",
        "format": "pcm",
        "items": ["Tea.", {"id": "b", "text": "Milk.", "voice": "slt"}, {"id": "c", "text": ""},
                  {"text": "Sugar.", "voice": "nobody"}],
    });
    for path in ["/v1/batch-synthesize", "/v1/audio/speech/batch"] {
        let answer = server.post(path, &body).json();
        assert_eq!((&answer["n_completed"], &answer["n_failed"]), (&json!(2), &json!(2)));
        let results = answer["results"].as_array().unwrap();
        let statuses: Vec<_> = results.iter().map(|it| it["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["completed", "completed", "failed", "failed"]);
        assert_eq!(results[1]["id"], "b");
        let audio = results[1]["audio"].as_str().unwrap();
        let audio = base64::engine::general_purpose::STANDARD.decode(audio).unwrap();
        assert!(audio.len() > 10_000);
        assert_eq!(results[3]["error"]["code"], "voice_not_found");
    }
    let none = server.post("/v1/batch-synthesize", &json!({"items": []}));
    assert_eq!(none.status, 400);
}

#[test]
fn programs_are_told_what_can_be_asked_and_browsers_get_the_page() {
    let server = Server::start("");
    let page = server.get_openly("/");
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let asked = ureq::get(server.url("/")).header("accept", "application/json").call().unwrap();
    let root: Value = serde_json::from_str(&asked.into_body().read_to_string().unwrap()).unwrap();
    assert_eq!(root["status"], "ok");
    let paths: Vec<_> = root["endpoints"].as_array().unwrap().iter().collect();
    assert!(paths.iter().any(|path| *path == "POST /v1/audio/speech"), "{paths:?}");
    let asset = server.get_openly("/assets/style.css");
    let tag = asset.header("etag").to_owned();
    let again = ureq::get(server.url("/assets/style.css")).header("if-none-match", tag).call();
    assert_eq!(again.unwrap().status(), 304);
}

#[test]
fn cleaning_up_unloads_and_tells_what_came_of_it() {
    let server = Server::start("");
    assert_eq!(server.speak("Tea is ready.").status, 200);
    let cleaned = server.post("/admin/cleanup?trigger=test", &json!({})).json();
    assert_eq!(cleaned["trigger"], "test");
    assert_eq!(cleaned["checked"], json!(["builtin"]));
    assert_eq!(cleaned["unloaded"], json!(["builtin"]));
    assert!(cleaned["memory_after_bytes"].as_u64().unwrap() > 0);
    assert_eq!(server.get("/v1/info").json()["engines_loaded"], json!([]));
    assert_eq!(server.post("/admin/load", &json!({"voice": "nova"})).json(), json!({"ok": true}));
    assert_eq!(server.post("/admin/load", &json!({"voice": "nobody"})).status, 404);
}

#[test]
fn what_is_counted_can_be_read() {
    let server = Server::start("");
    assert_eq!(server.speak("Tea is ready.").status, 200);
    let answer = server.get("/metrics");
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "speakerd_utterances_total{outcome=\"spoken\"} 1",
        "speakerd_http_requests_total{status=\"200\"}",
    ] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line}:\n{text}");
    }
    let stats = server.get("/admin/stats").json();
    assert_eq!(stats["latency"]["n"], 1);
    assert!(stats["latency"]["p50_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(stats["performance"]["outcomes"]["n_spoken"], 1);
}

#[test]
fn what_sounds_can_be_steered_and_watched() {
    let server = Server::start("");
    assert_eq!(server.post("/admin/skip", &json!({})).code(), "nothing_to_skip");
    let said = server.post("/admin/say", &json!({"text": "Tea is ready.", "voice": "nova"})).json();
    assert_eq!(said["ok"], true);
    server.home.ok(&["wait-idle"]);
    let entries = server.get("/admin/history?last=1").json();
    assert_eq!(entries["entries"][0]["spoken_voice"], "slt");
    assert_eq!(entries["entries"][0]["id"], said["id"]);
    for order in ["pause", "resume", "mute", "unmute", "replay", "clear"] {
        let answer = server.post(&format!("/admin/{order}"), &json!({}));
        assert_eq!(answer.json(), json!({"ok": true}), "{order}");
    }
    assert_eq!(server.post("/admin/volume", &json!({"volume": 0.5})).json(), json!({"ok": true}));
    assert_eq!(server.post("/admin/volume", &json!({"volume": 5})).status, 400);
    assert_eq!(server.get("/admin/queue").json(), json!({"waiting": []}));
}

#[test]
fn whoever_watches_is_told_what_happens_as_it_does() {
    use std::io::{BufRead, BufReader};
    let server = Server::start("");
    let stream = server.raw(&format!(
        "GET /admin/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        server.key
    ));
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = |name: &str| -> Value {
        lines.by_ref().find(|line| *line == format!("event: {name}")).unwrap();
        let data = lines.next().unwrap();
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    };
    assert!(next("status")["daemon"]["pid"].is_u64());
    server.home.ok(&["say", "Tea is ready."]);
    assert_eq!(next("ended")["text"], "Tea is ready.");
    let vitals = next("vitals");
    assert!(vitals["memory_bytes"].as_u64().unwrap() > 1 << 20, "{vitals}");
    assert!(vitals["limits"]["disk_free_bytes"].is_u64(), "{vitals}");
}
