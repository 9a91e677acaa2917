//! Whatever comes in from outside, damaged in every way that chance has: it is refused or understood, and nothing breaks.
//!
//! Each property begins with something right and damages it. The long form takes some minutes:
//! `PROPTEST_CASES=20000 cargo test --release mutated -- --nocapture`. What it finds becomes a test of its own.

#[cfg(feature = "pocket")]
mod files;

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use speakerd::config::raw::RawConfig;
use speakerd::control::protocol::{Reply, Request};
use speakerd::engine::worker::frames::{Frames, frame};
use speakerd::engine::worker::serve::serve;
use speakerd::engine::worker::wire::{self, Answer, Ask};
use speakerd::paths::Paths;
use speakerd::text::dictionary::Dictionary;
use speakerd::text::{self, Piece, Reading, Speaking};
use speakerd::watch::bookmarks::Bookmarks;
use speakerd::watch::continuity::Mark;

use crate::docs::uncommented;
use crate::support::tone_engine::ToneEngine;

/// How often each property is tried where nothing else is said: a second's worth of each.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let cases = asked.unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// One damage.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Truncate(Index),
}

/// What parsers stumble over.
const TRAPS: [&[u8]; 14] = [
    b"\"",
    b"\\",
    b"{",
    b"[[[[",
    b"]",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\xf0\x9f\x98",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\xff\xff\xff\xff",
    b"\\ud800",
];

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<Index>;
    let some = prop_oneof![
        vec(any::<u8>(), 1..8),
        proptest::sample::select(TRAPS.to_vec()).prop_map(<[u8]>::to_vec),
    ];
    let damage = prop_oneof![
        (index(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (index(), some).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (index(), 1..40_usize).prop_map(|(at, n)| Damage::Remove(at, n)),
        (index(), 1..40_usize).prop_map(|(at, n)| Damage::Repeat(at, n)),
        index().prop_map(Damage::Truncate),
    ];
    vec(damage, 1..6)
}

fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let range = |at: &Index, n: usize, len: usize| {
            let begin = at.index(len);
            begin..len.min(begin + n)
        };
        match damage {
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Insert(at, some) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, some.iter().copied());
            }
            Damage::Remove(at, n) => drop(bytes.drain(range(at, *n, bytes.len()))),
            Damage::Repeat(at, n) => {
                let range = range(at, *n, bytes.len());
                let (end, some) = (range.end, bytes[range].to_vec());
                bytes.splice(end..end, some);
            }
            Damage::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

#[test]
fn what_is_damaged_was_right_before() {
    toml::from_str::<RawConfig>(&uncommented()).unwrap();
    for request in REQUESTS {
        serde_json::from_str::<Request>(request).unwrap();
    }
    Dictionary::parse(DICTIONARY).unwrap();
}

const REQUESTS: [&str; 12] = [
    "\"status\"",
    "{\"say\":{\"text\":\"Tea is ready.\",\"voice\":\"rms\",\"priority\":\"important\",\"interrupt\":true,\"rate\":1.5}}",
    "{\"clear\":{\"source\":\"control\"}}",
    "{\"volume\":0.5}",
    "{\"replay\":{\"n\":2}}",
    "{\"history\":{\"follow\":false}}",
    "{\"watch\":{\"add\":{\"path\":\"/tmp/a*.log\",\"include\":[\"E.*\"],\"format\":\"json:a.b\",\"keep_loaded_secs\":9.5}}}",
    "{\"watch\":\"list\"}",
    "{\"voice\":{\"show\":{\"name\":\"nora\"}}}",
    "{\"load\":{\"voice\":\"slt\"}}",
    "{\"wait-idle\":{\"timeout_secs\":1.0}}",
    "\"queue\"",
];

const LINES: [&str; 8] = [
    "2026-11-25T12:03:04.123Z ERROR [net] dial tcp 10.0.0.1:443: i/o timeout (3/5) 😀",
    "# Heading\n* **bold** `code` [link](https://example.org/a?b=c) ~~gone~~ | a | b |",
    "It costs $1,234.56, that is €1.1k or 20 %, since MDCCLXXVI [pause 500ms] or v1.2.3-rc4.",
    "deadbeefcafe0123456789abcdef0123456789ab commit 5f3759df at /usr/lib/x86_64-linux-gnu",
    "St. John's, 5 ft 10 in., 3rd of Jan. 1999 at 12:30 p.m., 1/2 or 3×4 ≤ 5 km/h",
    "你好，世界 naïve e\u{301} \u{202e}right to left\u{202c} \u{feff}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!! hahahahahaha ........",
    "{\"message\":\"nested \\\"quotes\\\"\",\"n\":[1,2,{\"x\":null}]}",
];

const DICTIONARY: &str = "[words]\nnginx = \"engine x\"\nSQL = \"sequel\"\n[[rule]]\nregex = 'PR (\\d+)'\nsay = \"pull request $1\"\nlanguage = \"en\"\n";

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_request_is_understood_or_refused(seed in 0..REQUESTS.len(), damages in damages()) {
        let line = damaged(REQUESTS[seed].as_bytes(), &damages);
        if let Ok(request) = serde_json::from_slice::<Request>(&line) {
            let again = serde_json::to_string(&request).unwrap();
            let understood = serde_json::from_str::<Request>(&again);
            prop_assert!(understood.is_ok(), "{again}: {understood:?}");
        }
        let _either = serde_json::from_slice::<Reply>(&line);
    }

    #[test]
    fn a_configuration_is_right_or_names_what_is_wrong(damages in damages()) {
        let text = uncommented();
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("speakerd.toml");
        std::fs::write(&file, damaged(text.as_bytes(), &damages)).unwrap();
        let below = |name: &str| home.path().join(name);
        let paths = Paths {
            home: below(""),
            config_dir: below("config"),
            data_dir: below("data"),
            state_dir: below("state"),
            cache_dir: below("cache"),
            runtime_dir: below("run"),
        };
        if let Err(error) = RawConfig::read(&file).and_then(|raw| raw.check(Some(file.clone()), &paths)) {
            let told = error.to_string();
            prop_assert!(told.contains("speakerd.toml"), "{told}");
        }
    }

    #[test]
    fn a_text_is_made_ready_whatever_is_in_it(
        seed in 0..LINES.len(),
        damages in damages(),
        language in proptest::sample::select(vec!["en", "de"]),
        max in 40..200_usize,
    ) {
        let line = damaged(LINES[seed].as_bytes(), &damages);
        let line = String::from_utf8_lossy(&line);
        let speaking = Speaking { voice: "rms", language };
        let prepared =
            text::prepare(&line, Reading::default(), speaking, &Dictionary::default(), max, |_, _| ());
        for piece in &prepared.pieces {
            if let Piece::Words(words) = piece {
                prop_assert!(!words.trim().is_empty(), "{line:?}");
                prop_assert!(words.chars().count() <= max, "{line:?}: {words:?}");
                prop_assert!(!words.chars().any(char::is_control), "{line:?}: {words:?}");
            }
        }
    }

    #[test]
    fn a_dictionary_is_right_or_names_what_is_wrong(damages in damages()) {
        let text = damaged(DICTIONARY.as_bytes(), &damages);
        match Dictionary::parse(&String::from_utf8_lossy(&text)) {
            Ok(dictionary) => {
                let speaking = Speaking { voice: "rms", language: "en" };
                drop(dictionary.replace("nginx and SQL, and PR 17", speaking));
            }
            Err(told) => prop_assert!(!told.is_empty()),
        }
    }

    #[test]
    fn what_a_process_says_is_an_answer_or_nonsense(damages in damages(), n_at_once in 1..60_usize) {
        let samples = vec![0.5; 100];
        let voices = vec!["one".to_owned(), "two".to_owned()];
        let fault = wire::Fault::BadVoice { voice: "one".to_owned(), reason: "it is damaged".to_owned() };
        let answers = [
            Answer::Loaded { sample_rate_hz: 24_000, voices },
            Answer::Begun,
            Answer::Chunk { samples, is_preparing: false },
            Answer::Working(0.5),
            Answer::Failed(fault),
            Answer::End,
        ];
        let numbered = (1..).zip(answers);
        let bytes: Vec<u8> = numbered
            .flat_map(|(number, answer)| frame(&wire::Reply { number, answer }).unwrap())
            .collect();
        let bytes = damaged(&bytes, &damages);
        let mut frames = Frames::default();
        for some in bytes.chunks(n_at_once) {
            frames.push(some);
            loop {
                match frames.take::<wire::Reply>() {
                    Ok(Some(reply)) => prop_assert!(frame(&reply).is_ok()),
                    Ok(None) => break,
                    Err(error) => {
                        prop_assert!(!error.to_string().is_empty());
                        return Ok(());
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn the_bookmarks_are_read_or_set_aside_and_saved_again(damages in damages()) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bookmarks.json");
        let mark = "{\"dev\":1,\"ino\":2,\"offset\":12,\"n_hashed\":12,\"hash\":77}";
        let right = format!("{{\"version\":\"1\",\"files\":{{\"/a\":[{mark}],\"/b\":[{mark},{mark}]}}}}");
        std::fs::write(&file, damaged(right.as_bytes(), &damages)).unwrap();
        let mut bookmarks = Bookmarks::load(file.clone()).unwrap();
        let others = ["/a", "/b"].map(|path| bookmarks.of(Path::new(path)));
        let mark: Mark = serde_json::from_str(mark).unwrap();
        bookmarks.set(Path::new("/c"), vec![mark]);
        bookmarks.save().unwrap();
        bookmarks.close().unwrap();
        let again = Bookmarks::load(file).unwrap();
        prop_assert_eq!(again.of(Path::new("/c")), vec![mark]);
        prop_assert_eq!(["/a", "/b"].map(|path| again.of(Path::new(path))), others);
        again.close().unwrap();
    }

    #[test]
    fn a_process_answers_what_it_understands_and_ends_at_the_rest(damages in damages()) {
        let words = |text: &str| wire::Words {
            text: text.to_owned(),
            voice: "tone".to_owned(),
            rate: 1.0,
            pitch: 1.0,
            seed: 1,
        };
        let directory = std::env::temp_dir();
        let order = wire::Order {
            places: speakerd::engine::registry::Places::below(&directory),
            choice: speakerd::engine::registry::Choice::default(),
            engine: "tone".to_owned(),
            model: None,
        };
        let asks = [
            Ask::Load(order),
            Ask::Begin(words("abc")),
            Ask::Next,
            Ask::Stop,
            Ask::Embed { voice: "nora".to_owned() },
            Ask::Step,
            Ask::GiveUp,
            Ask::Begin(words("d")),
            Ask::Next,
            Ask::Next,
            Ask::Next,
        ];
        let numbered = (1..).zip(asks);
        let bytes: Vec<u8> = numbered
            .flat_map(|(number, ask)| frame(&wire::Request { number, ask }).unwrap())
            .collect();
        let input = Cursor::new(damaged(&bytes, &damages));
        let output = Said::default();
        let served = serve(input, output.clone(), || (), &mut |_| Ok(Box::new(ToneEngine::new())));
        prop_assert!(served.is_ok());
        let mut frames = Frames::default();
        frames.push(&output.0.lock().unwrap());
        while let Some(reply) = frames.take::<wire::Reply>().unwrap() {
            prop_assert!(!matches!(reply.answer, Answer::Made));
        }
        prop_assert!(!frames.is_broken_off());
    }
}

/// What was written.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
