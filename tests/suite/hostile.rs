//! Slow and hostile clients lose only themselves.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use speakerd::control::protocol::{MAX_REQUEST_BYTES, RefusalCode, Reply, Request, Response};

use crate::support::rig::Rig;

fn connect(rig: &Rig) -> UnixStream {
    let stream = UnixStream::connect(rig.path("run/control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// The refusal code that these bytes are answered with; `None` where the connection is closed without a word.
fn answer(rig: &Rig, bytes: &[u8]) -> Option<RefusalCode> {
    let mut stream = connect(rig);
    drop(stream.write_all(bytes)); // the other side may have heard enough
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str::<Reply>(&line).ok().map(|reply| reply.unwrap_err().code)
}

#[test]
fn garbage_is_refused_and_the_daemon_goes_on() {
    let rig = Rig::start("");
    for garbage in [
        &b"nonsense\n"[..],
        b"\n",
        b"{\"say\":{\"text\":\"\"}}\n",
        b"{\"say\":{\"text\":\"x\",\"loud\":true}}\n",
        b"{\"say\":{\"text\":\"x\",\"rate\":99}}\n",
        b"\"history\"\n",
        b"\xff\xfe\x00\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
        b"{\"volume\":1e999}\n",
    ] {
        assert_eq!(answer(&rig, garbage), Some(RefusalCode::BadRequest), "{garbage:?}");
    }
    let deep = [vec![b'['; 60_000], vec![b'\n']].concat();
    assert_eq!(answer(&rig, &deep), Some(RefusalCode::BadRequest));
    let long = vec![b'x'; MAX_REQUEST_BYTES + 2];
    assert_eq!(answer(&rig, &long), Some(RefusalCode::BadRequest));
    rig.say("still here");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["still here"]);
}

#[test]
fn the_longest_request_is_taken() {
    let rig = Rig::start("");
    let mut request = br#"{"say":{"text":""#.to_vec();
    request.resize(MAX_REQUEST_BYTES - 4, b'a');
    request.extend_from_slice(b"\"}}\n");
    assert_eq!(request.len(), MAX_REQUEST_BYTES);
    let mut stream = connect(&rig);
    stream.write_all(&request).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("queued"), "{line}");
    rig.ask(&Request::Clear(speakerd::control::protocol::Clear::default()));
    rig.wait_idle();
}

#[test]
fn several_requests_on_one_connection_are_answered_in_order() {
    let rig = Rig::start("");
    let mut stream = connect(&rig);
    stream.write_all(b"\"version\"\n\"skip\"\n\"queue\"\n").unwrap();
    let replies: Vec<Reply> = BufReader::new(stream)
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert!(matches!(replies[0], Ok(Response::Version { .. })));
    assert_eq!(replies[1].as_ref().unwrap_err().code, RefusalCode::NothingToSkip);
    assert_eq!(replies[2], Ok(Response::Queue(Vec::new())));
}

#[test]
fn too_many_connections_are_turned_away_and_room_comes_back() {
    let rig = Rig::start("[limits]\nmax_clients = 4\n");
    let mut held: Vec<_> = (0..4).map(|_| connect(&rig)).collect();
    // Each is served once, so that each is counted.
    for stream in &mut held {
        stream.write_all(b"\"version\"\n").unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
    }
    let mut line = String::new();
    BufReader::new(connect(&rig)).read_line(&mut line).unwrap();
    assert!(line.contains("too-many-clients"), "{line}");
    drop(held);
    while rig.try_ask(&Request::Version).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reader_who_hangs_up_while_waiting_is_forgotten() {
    let rig = Rig::start("[limits]\nmax_clients = 2\n");
    rig.ask(&Request::Pause);
    rig.say("held");
    for _ in 0..10 {
        let mut stream = connect(&rig);
        drop(stream.write_all(b"{\"wait-idle\":{}}\n"));
        drop(stream);
        while rig.try_ask(&Request::Version).is_err() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    rig.ask(&Request::Resume);
    rig.wait_idle();
}

#[test]
fn one_who_has_said_all_he_has_to_say_is_heard_and_answered() {
    let rig = Rig::start("");
    for n in 0..50 {
        let mut stream = connect(&rig);
        let request = format!("{{\"say\":{{\"text\":\"line {n}\",\"wait\":true}}}}\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("spoken"), "{n}: {answer}");
    }
    assert_eq!(rig.history().len(), 50);
}
