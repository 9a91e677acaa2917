//! Whoever speaks for long keeps nobody waiting: neither files, nor other requests, nor those who ask how it is.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::asking::{Server, speech};
use crate::support::program::Home;

/// Some minutes of speech, which the builtin voice makes in a second or so; a debug build takes longer.
fn novel() -> String {
    "It was a dark and stormy night, and the kettle sang. ".repeat(1_800)
}

const LONG: &str = "max_text_chars = 100000\n";

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[test]
fn everything_else_is_answered_at_once_during_a_long_synthesis() {
    let server = Server::start(LONG);
    let mut stream = server.ask_raw(&novel());
    stream.read_exact(&mut [0; 2_000]).unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    let mut times = Vec::new();
    while times.len() < 300 && !reader.is_finished() {
        for path in ["/health", "/v1/info", "/v1/audio/voices"] {
            let begun = Instant::now();
            assert_eq!(server.get(path).status, 200);
            times.push(begun.elapsed());
        }
    }
    assert!(times.len() >= 30, "the synthesis was over after {} answers", times.len());
    let slowest = percentile_99(times);
    assert!(slowest < Duration::from_millis(50), "{slowest:?}");
}

#[test]
fn lines_of_files_and_streams_take_turns() {
    let server = Server::start(&format!("{LONG}[[watch]]\npath = \"$HOME/notes\"\n"));
    server.home.append("notes", "");
    let mut stream = server.ask_raw(&novel());
    stream.read_exact(&mut [0; 2_000]).unwrap();
    for n in 0..5 {
        server.home.append("notes", &format!("Line {n}.\n"));
    }
    let spoken = || {
        let history = server.home.history();
        history.iter().filter(|entry| entry["source"] != "http:all").count()
    };
    let begun = Instant::now();
    while spoken() < 5 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", server.home.history());
        std::thread::sleep(Duration::from_millis(5));
    }
    let has_ended = server.home.history().iter().any(|entry| entry["source"] == "http:all");
    assert!(!has_ended, "the stream was over before the lines were spoken");
    assert_eq!(server.get("/v1/info").json()["n_pending"], 1, "and goes on");
}

#[test]
fn a_short_request_does_not_wait_for_a_long_one() {
    let server = Server::start(LONG);
    let mut stream = server.ask_raw(&novel());
    stream.read_exact(&mut [0; 2_000]).unwrap();
    for n in 0..10 {
        let answer = server.post("/v1/audio/speech", &speech(&format!("Tea {n}."), "pcm"));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(server.get("/v1/info").json()["n_pending"], 1, "the long one is still being spoken");
}

#[test]
fn a_line_whose_sound_waits_for_the_card_leaves_the_engine_to_streams() {
    // The card takes the sound as slowly as it is heard, and half a second of it is made ahead.
    let server = Server::start_in(Home::new(
        "[audio]\noutput = \"null\"\nlook_ahead_ms = 500\n[http]\nlisten = \"127.0.0.1:0\"\n",
    ));
    server.home.ok(&["say", &"The kettle sings, and sings, and sings. ".repeat(30)]);
    let begun = Instant::now();
    for n in 0..5 {
        assert_eq!(server.speak(&format!("Tea number {n}.")).status, 200);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(server.home.history().len(), 5, "the line is still being heard");
    server.home.ok(&["clear"]);
}
