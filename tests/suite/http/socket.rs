//! The WebSocket: text in pieces, audio out sentence by sentence.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::support::asking::Server;

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn connect(server: &Server) -> Socket {
    let url = format!("ws://{}/v1/audio/speech/stream", server.address);
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {}", server.key).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    tungstenite::connect(request).unwrap().0
}

fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).unwrap();
}

/// Messages until one of that type, and how much audio came with them.
fn until(socket: &mut Socket, kind: &str) -> (Vec<Value>, usize) {
    let (mut told, mut n_bytes) = (Vec::new(), 0);
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                let is_last = message["type"] == kind;
                told.push(message);
                if is_last {
                    return (told, n_bytes);
                }
            }
            Message::Binary(audio) => n_bytes += audio.len(),
            _ => {}
        }
    }
}

#[test]
fn sentences_are_spoken_as_they_become_whole() {
    let server = Server::start("");
    let mut socket = connect(&server);
    say(&mut socket, &json!({"type": "session.config", "voice": "nova", "response_format": "pcm"}));
    for part in ["Tea is rea", "dy. It", " is ho"] {
        say(&mut socket, &json!({"type": "input.text", "text": part}));
    }
    let (told, n_bytes) = until(&mut socket, "audio.done");
    assert_eq!(told[0]["sentence_text"], "Tea is ready.");
    assert_eq!((&told[0]["voice"], &told[0]["sample_rate"]), (&json!("slt"), &json!(24_000)));
    assert!(n_bytes > 20_000, "{n_bytes}");
    say(&mut socket, &json!({"type": "input.text", "text": "t"}));
    say(&mut socket, &json!({"type": "input.done"}));
    let (told, n_bytes) = until(&mut socket, "session.done");
    assert_eq!(told[0]["sentence_text"], "It is hot");
    assert!(n_bytes > 10_000);
    assert_eq!(told.last().unwrap()["total_sentences"], 2);
}

#[test]
fn what_cannot_be_spoken_costs_one_sentence() {
    let server = Server::start("");
    let mut socket = connect(&server);
    socket.send(Message::text("nonsense")).unwrap();
    assert_eq!(until(&mut socket, "error").0[0]["error"]["code"], "invalid_message");
    say(&mut socket, &json!({"type": "session.config", "voice": "nobody"}));
    say(&mut socket, &json!({"type": "input.text", "text": "Tea is ready.\n"}));
    assert_eq!(until(&mut socket, "error").0[0]["error"]["code"], "voice_not_found");
    say(&mut socket, &json!({"type": "session.config", "voice": "rms"}));
    say(&mut socket, &json!({"type": "input.text", "text": "Tea is ready.\n"}));
    let (_, n_bytes) = until(&mut socket, "audio.done");
    assert!(n_bytes > 20_000);
}

#[test]
fn a_key_can_come_as_a_protocol_and_is_needed() {
    let server = Server::start("");
    let url = format!("ws://{}/v1/audio/speech/stream", server.address);
    assert!(tungstenite::connect(&url).is_err());
    let mut request = url.into_client_request().unwrap();
    let protocols = format!("realtime, openai-insecure-api-key.{}", server.key);
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (_, response) = tungstenite::connect(request).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
}

#[test]
fn a_client_that_leaves_stops_what_was_being_said() {
    let server = Server::start("max_text_chars = 100000\n");
    let mut socket = connect(&server);
    for _ in 0..20 {
        let text = "The kettle sings, and sings, and sings, ".repeat(80) + "and sings.\n";
        say(&mut socket, &json!({"type": "input.text", "text": text}));
    }
    assert!(until(&mut socket, "audio.start").1 == 0);
    drop(socket);
    let begun = std::time::Instant::now();
    while server.get("/v1/info").json()["n_pending"] != 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(server.home.history().len() < 20, "the others were not spoken");
}
