//! What becomes of those who are being served when the daemon stops, and of a server that is configured anew.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::asking::{Server, speech};

#[test]
fn what_is_being_spoken_is_finished_and_half_a_request_is_not_waited_for() {
    let mut server = Server::start("cache_mb = 0\n");
    let mut idle = TcpStream::connect(server.address).unwrap();
    idle.write_all(b"GET / HT").unwrap();
    let mut stream = server.ask_raw(&"The kettle is on the stove and sings. ".repeat(20));
    let mut head = [0; 200];
    stream.read_exact(&mut head).unwrap();
    let begun = Instant::now();
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest)
    });
    assert!(server.daemon.end_with(Signal::TERM).success(), "{}", server.home.log());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let rest = reader.join().unwrap().unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the answer is complete");
}

#[test]
fn a_stop_without_anybody_to_serve_takes_no_time() {
    let mut server = Server::start("");
    assert_eq!(server.speak("Tea.").status, 200);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET / HT").unwrap();
    let begun = Instant::now();
    assert!(server.daemon.end_with(Signal::TERM).success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn other_settings_hold_at_once_and_what_has_to_wait_is_said() {
    let server = Server::start("");
    let file = server.home.path("speakerd.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}max_text_chars = 10\nmax_pending = 9\n")).unwrap();
    let told = server.home.ok(&["reload"]);
    assert!(told.contains("http.max_pending"), "{told}");
    let answer = server.post("/v1/audio/speech", &speech("More than ten characters.", "pcm"));
    assert_eq!(answer.json()["error"]["param"], "input");
    assert_eq!(server.get("/v1/info").json()["max_pending"], 3);
    assert!(server.home.ok(&["reload"]).contains("http.max_pending"), "it still waits");
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_read() {
    let server = Server::start("");
    let other = crate::support::program::Home::new(&format!(
        "[audio]\noutput = \"null\"\n[http]\nlisten = \"{}\"\n[[watch]]\npath = \"$HOME/notes\"\nstart = \"beginning\"\n",
        server.address
    ));
    other.append("notes", "Tea.\n");
    let config = other.path("speakerd.toml");
    let (code, complaint) = other.fails(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(complaint.contains("http.listen") && complaint.contains("in use"), "{complaint}");
}

#[test]
fn another_speakerd_speaks_for_one_that_is_told_to_ask_it() {
    let server = Server::start("");
    let asking = crate::support::program::Home::new(&format!(
        "[audio]\noutput = \"null\"\nnull_speed = 0\n[engine]\nkind = \"remote\"\n[remote]\nurl = \"{}\"\nkey = \"{}\"\nvoice = \"nova\"\n",
        server.url("/v1"),
        server.key
    ));
    let daemon = asking.start();
    for n in 0..3 {
        asking.ok(&["say", "--wait", &format!("Tea number {n} is ready.")]);
    }
    let entry = &asking.history()[2];
    assert_eq!(
        (&entry["outcome"], &entry["engine"]),
        (&"spoken".into(), &"remote".into()),
        "{entry}"
    );
    assert!(entry["audio_secs"].as_f64().unwrap() > 0.5, "{entry}");
    let there = server.home.history();
    assert_eq!((there.len(), &there[0]["spoken_voice"]), (3, &"slt".into()), "{there:?}");
    drop(server);
    asking.ok(&["say", "--wait", "The server is gone."]);
    let entry = &asking.history()[3];
    assert_eq!(
        (&entry["outcome"], &entry["spoken_voice"]),
        (&"spoken".into(), &"rms".into()),
        "{entry}"
    );
    assert!(entry["reason"].as_str().unwrap().contains("rms speaks instead"), "{entry}");
    drop(daemon);
}

#[test]
fn the_first_bytes_follow_the_engines_first_sound_at_once() {
    let server = Server::start("cache_mb = 0\n");
    assert_eq!(server.speak("Warm up.").status, 200);
    let mut behind: Vec<f64> = (0..15)
        .map(|n| {
            let answer = server.speak(&format!("Tea number {n} is ready."));
            let entry = server.home.history().pop().unwrap();
            answer.first_byte.as_secs_f64() * 1e3 - entry["first_audio_ms"].as_f64().unwrap()
        })
        .collect();
    behind.sort_by(f64::total_cmp);
    // Ten, with a margin of five for a debug build on a machine that others use as well.
    assert!(behind[7] < 50.0, "{behind:?}");
}
