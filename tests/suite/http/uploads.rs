//! Uploads that are none: whatever is sent, it is answered, nothing breaks, and the server goes on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use crate::support::asking::Server;

/// How many are tried.
const N_CASES: u32 = 200;

/// Pieces that mean something to whoever takes an upload apart.
const TRAPS: [&[u8]; 14] = [
    b"--xx",
    b"--xx--",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n--xx\r\n",
    b"Content-Disposition: form-data; name=\"name\"\r\n\r\n",
    b"Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n",
    b"Content-Disposition: form-data; name=\"\xff\"\r\n\r\n",
    b"Content-Disposition: attachment\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=yy\r\n",
    b"Content-Type: \0\r\n",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"\0",
    b"\"",
];

/// An upload as it should be, but for the recording, which is noise.
fn good() -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in [("name", "anna"), ("consent", "Ann agreed."), ("visibility", "public")] {
        body.extend_from_slice(
            format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    body.extend_from_slice(
        b"--xx\r\nContent-Disposition: form-data; name=\"audio_sample\"; filename=\"a.wav\"\r\n\
          Content-Type: audio/wav\r\n\r\n",
    );
    body.extend((0..600_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()));
    body.extend_from_slice(b"\r\n--xx--\r\n");
    body
}

/// One thing that is done to an upload.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Double,
}

impl Change {
    fn apply(self, body: &mut Vec<u8>) {
        let len = body.len();
        match self {
            Self::Cut(at) if len > 0 => body.truncate(at.index(len)),
            Self::Flip(at, with) if len > 0 => body[at.index(len)] ^= with,
            Self::Insert(at, bytes) => {
                let at = at.index(len + 1);
                body.splice(at..at, bytes);
            }
            Self::Remove(at, n) if len > 0 => {
                let at = at.index(len);
                body.drain(at..len.min(at + n));
            }
            Self::Double => body.extend_from_within(..),
            Self::Cut(_) | Self::Flip(..) | Self::Remove(..) => {}
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let piece =
        prop_oneof![select(TRAPS.to_vec()).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..40)];
    prop_oneof![
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), 1..=255_u8).prop_map(|(at, with)| Change::Flip(at, with)),
        (any::<Index>(), piece).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, n)| Change::Remove(at, n)),
        Just(Change::Double),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let mutated = vec(change(), 1..6).prop_map(|changes| {
        let mut body = good();
        for change in changes {
            change.apply(&mut body);
        }
        body
    });
    let pieces = vec(select(TRAPS.to_vec()), 0..20).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => mutated, 1 => pieces, 1 => vec(any::<u8>(), 0..2_000)]
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just("multipart/form-data; boundary=xx"),
        1 => Just("multipart/form-data; boundary=\"\""),
        1 => Just("multipart/form-data"),
        1 => Just("multipart/form-data; boundary=xx; boundary=yy"),
    ]
}

#[test]
fn an_upload_that_is_none_is_refused_and_the_server_goes_on() {
    let server = Server::start("");
    let paths = select(vec!["/v1/audio/voices", "/v1/clone-voice"]);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: N_CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let tried = runner.run(&(body(), kind(), paths), |(body, kind, path)| {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\n");
        let answer = server.ask_by_hand(&head, &body);
        let refused = matches!(answer.status, 200 | 400 | 404 | 413 | 415 | 501);
        prop_assert!(refused, "{answer:?}");
        prop_assert!(answer.status == 200 || !answer.code().is_empty(), "{answer:?}");
        prop_assert_eq!(server.get("/health").status, 200);
        Ok(())
    });
    tried.unwrap();
    assert_eq!(server.speak("Tea is ready.").status, 200);
}
