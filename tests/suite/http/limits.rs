//! How many at once, for how long, and what a client that leaves stops.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::asking::Server;

/// A text that the builtin voice takes a while to speak.
fn long_text(n_sentences: usize) -> String {
    "The kettle is on the stove and sings, and it sings. ".repeat(n_sentences)
}

/// Several requests at the same time; their statuses.
fn at_once(server: &Server, n: usize, text: &str) -> Vec<u16> {
    let barrier = std::sync::Barrier::new(n);
    let ask = |idx: usize| {
        barrier.wait();
        server.speak(&format!("{idx} {text}")).status
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..n).map(|idx| scope.spawn(move || ask(idx))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn of_five_at_once_three_are_served_and_two_are_told_to_come_back() {
    let server = Server::start("pending_wait_ms = 0\n");
    let mut statuses = at_once(&server, 5, &long_text(60));
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    // The places are free again.
    let mut statuses = at_once(&server, 3, &long_text(60));
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200]);
}

#[test]
fn one_more_waits_for_its_place() {
    let server = Server::start("pending_wait_ms = 20000\nmax_pending = 1\n");
    assert_eq!(at_once(&server, 6, &long_text(10)), [200; 6]);
}

#[test]
fn whoever_comes_too_often_is_told_when_to_come_back() {
    let server = Server::start("requests_per_minute = 5\n");
    let statuses: Vec<_> = (0..7).map(|_| server.get("/v1/info").status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let refused = server.get("/v1/info");
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=13).contains(&after) && refused.code() == "rate_limit_exceeded", "{after}");
}

/// Outcomes in the history, waited for.
fn outcome(server: &Server, source: &str) -> (String, f64) {
    let begun = Instant::now();
    loop {
        let history = server.home.history();
        if let Some(entry) = history.iter().find(|entry| entry["source"] == source) {
            let outcome = entry["outcome"].as_str().unwrap().to_owned();
            return (outcome, entry["audio_secs"].as_f64().unwrap());
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{history:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_leaves_stops_its_synthesis() {
    let server = Server::start("max_text_chars = 100000\n");
    let text = long_text(1_500);
    let mut stream = server.ask_raw(&text);
    stream.read_exact(&mut [0; 2_000]).unwrap();
    drop(stream);
    let (outcome, audio_secs) = outcome(&server, "http:all");
    assert_eq!(outcome, "skipped");
    assert!(audio_secs < 1_500.0, "{audio_secs} s were made of some 4,000");
    assert_eq!(server.get("/v1/info").json()["n_pending"], 0);
}

#[test]
fn a_request_without_sound_in_time_is_given_up() {
    let server = Server::start(
        "deadline_secs = 0.1\nmax_pending = 2\nmax_text_chars = 100000\n[engine]\nvoice = \"faulty:hang@0\"\n[limits]\nhang_secs = 3600.0\n",
    );
    let answer =
        server.post("/v1/audio/speech", &json!({"input": "Tea.", "response_format": "pcm"}));
    assert_eq!((answer.status, answer.code()), (504, "deadline_exceeded".to_owned()), "{answer:?}");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let server = Server::start("max_upload_mb = 1\n");
    let huge = json!({"input": "a".repeat(3 << 20)});
    assert_eq!(server.post("/v1/audio/speech", &huge).status, 413);
    let recording = vec![0; 2 << 20];
    let answer =
        server.upload("/v1/audio/voices", &[("name", "anna")], &[("audio_sample", &recording)]);
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[cfg(not(feature = "pocket"))]
#[test]
fn a_build_that_makes_no_voices_says_so() {
    let server = Server::start("");
    let recording = vec![0; 64];
    let answer =
        server.upload("/v1/audio/voices", &[("name", "anna")], &[("audio_sample", &recording)]);
    assert_eq!((answer.status, answer.code()), (501, "not_in_this_build".to_owned()), "{answer:?}");
}

#[test]
fn a_thousand_requests_leave_nothing_behind() {
    let server = Server::start("cache_mb = 0\npending_wait_ms = 60000\n");
    let resident = || {
        let status = server.home.ok(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["daemon"]["resident_bytes"].as_u64().unwrap()
    };
    let ask = |n: usize| {
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let server = &server;
                scope.spawn(move || {
                    for idx in 0..n / 3 {
                        let answer = server.speak(&format!("Cup {idx} of {worker}."));
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                });
            }
        });
    };
    ask(150);
    let before = resident();
    ask(1_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 << 20, "memory grew by {grown} bytes from {before}");
    let stats = server.get("/admin/stats").json();
    assert_eq!(stats["performance"]["n_pending"], 0);
}
