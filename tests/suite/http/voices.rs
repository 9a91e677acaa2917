//! Voices over HTTP: made of uploads, listed, spoken with, removed.

use serde_json::{Value, json};

use crate::support::asking::Server;
use crate::support::program::Home;
use crate::voices::{install, recording};

fn server() -> (Server, Vec<u8>) {
    let home =
        Home::new("[audio]\noutput = \"null\"\nnull_speed = 0\n[http]\nlisten = \"127.0.0.1:0\"\n");
    install(&home, "english");
    let wav = std::fs::read(recording(&home, "a.wav", 3)).unwrap();
    (Server::start_in(home), wav)
}

fn names(server: &Server) -> Vec<String> {
    let voices = server.get("/v1/audio/voices").json();
    let voices = voices["voices"].as_array().unwrap().iter();
    voices.map(|voice| voice["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_upload_becomes_a_voice_that_speaks_and_can_be_removed() {
    let (server, wav) = server();
    let fields = [("name", "anna"), ("consent", "Anna agreed."), ("language", "en")];
    let made = server.upload("/v1/audio/voices", &fields, &[("audio_sample", &wav)]);
    let card = made.json();
    assert_eq!(
        (made.status, &card["id"], &card["status"]),
        (200, &json!("anna"), &json!("completed"))
    );
    assert!(card["quality"]["used_secs"].as_f64().unwrap() > 1.0, "{card}");
    assert!(names(&server).contains(&"anna".to_owned()));
    let listed = server.get("/v1/voices").json();
    let anna = listed["voices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "anna")
        .unwrap()
        .clone();
    assert_eq!((&anna["predefined"], &anna["consent"]), (&json!(false), &json!("Anna agreed.")));
    let body = json!({"input": "Tea.", "voice": "anna", "response_format": "pcm"});
    let spoken = server.post("/v1/audio/speech", &body);
    assert_eq!((spoken.status, spoken.header("x-speakerd-voice")), (200, "anna"), "{spoken:?}");
    let again = server.upload("/v1/audio/voices", &fields, &[("audio_sample", &wav)]);
    assert_eq!((again.status, again.code()), (400, "bad_voice".to_owned()));
    assert_eq!(server.delete("/v1/audio/voices/anna").json()["deleted"], true);
    assert!(!names(&server).contains(&"anna".to_owned()));
    assert_eq!(server.delete("/v1/audio/voices/anna").code(), "voice_not_found");
    assert_eq!(server.post("/v1/audio/speech", &body).code(), "voice_not_found");
}

#[test]
fn several_recordings_make_one_voice_as_older_servers_were_asked() {
    let (server, wav) = server();
    let files = [("files", wav.as_slice()), ("files", wav.as_slice())];
    let cloned = server.upload("/v1/clone-voice", &[("voice_name", "bob")], &files).json();
    assert_eq!((&cloned["status"], &cloned["voice"]["name"]), (&json!("completed"), &json!("bob")));
    let recorded = cloned["voice"]["quality"]["recorded_secs"].as_f64().unwrap();
    assert!((5.5..6.5).contains(&recorded), "{recorded}");
    let all = server.post("/v1/precompute-embeddings?all=true&wait=true", &json!({})).json();
    assert_eq!((&all["status"], &all["voices"][0]["name"]), (&json!("completed"), &json!("bob")));
    let progress: Value = server.get("/v1/precompute-embeddings").json();
    assert_eq!(progress["status"], "completed");
}

#[test]
fn what_is_no_recording_is_refused_with_the_reason() {
    let (server, _) = server();
    let none = server.upload("/v1/audio/voices", &[("name", "anna")], &[]);
    assert_eq!(none.json()["error"]["param"], "audio_sample");
    let noise =
        server.upload("/v1/audio/voices", &[("name", "anna")], &[("audio_sample", b"no wav")]);
    assert_eq!((noise.status, noise.code()), (400, "bad_voice".to_owned()), "{noise:?}");
    let name = server.upload("/v1/audio/voices", &[("name", "../a")], &[("audio_sample", b"x")]);
    assert_eq!(name.status, 400);
    assert!(!names(&server).contains(&"anna".to_owned()));
}

#[test]
fn everything_else_is_answered_while_a_voice_is_made() {
    let (server, wav) = server();
    std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            server.upload("/v1/audio/voices", &[("name", "anna")], &[("audio_sample", &wav)])
        });
        let mut n_spoken = 0;
        while !making.is_finished() && n_spoken < 50 {
            assert_eq!(server.speak(&format!("Tea {n_spoken}.")).status, 200);
            n_spoken += 1;
        }
        assert_eq!(making.join().unwrap().status, 200);
    });
}
