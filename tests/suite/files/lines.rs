//! What lines are made of.

use std::fs;
use std::io::Write;

use speakerd::status::Status;

use super::{check, write};
use crate::support::program::Home;

#[test]
fn lines_are_read_whatever_they_are_made_of() {
    check(
        "in several writes",
        "",
        &[&|rig| {
            for part in ["one tw", "o\nthr", "ee", "\n"] {
                rig.append("a.log", part);
            }
        }],
        &["one two", "three"],
    );
    check(
        "odd bytes",
        "",
        &[&|rig| write(rig, "a.log", b"\xef\xbb\xbfone\r\n\r\n\0\0\0two\n\0\nth\xffree\nfo\0ur\n")],
        &["one", "two", "th\u{fffd}ree", "fo\0ur"],
    );
    check(
        "a last line without its end is held",
        "",
        &[&|rig| rig.append("a.log", "one\ntwo"), &|rig| rig.append("a.log", " and a half\n")],
        &["one", "two and a half"],
    );
    check(
        "a last line without its end is spoken after a while",
        "hold_partial_ms = 100\n",
        &[
            &|rig| rig.append("a.log", "one\ntwo"),
            &|rig| rig.append("a.log", "\nthree\n"),
            &|rig| rig.append("a.log", "f\u{fc}nf"),
            &|rig| rig.append("a.log", " und mehr\n"),
        ],
        &["one", "two", "three", "f\u{fc}nf", " und mehr"],
    );
}

#[test]
fn half_a_character_is_never_spoken() {
    let umlaut = "ü".as_bytes();
    check(
        "half a character",
        "hold_partial_ms = 100\n",
        &[&|rig| write(rig, "a.log", [b"gr", &umlaut[..1]].concat()), &|rig| {
            let mut file = fs::OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
            file.write_all(&[&umlaut[1..], b"n\n"].concat()).unwrap();
        }],
        &["gr", "ün"],
    );
}

/// The file's part of what `status --json` says.
fn resident(home: &Home) -> f64 {
    let status: Status = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    status.daemon.resident_bytes as f64 / 1e6
}

#[test]
fn a_hundred_megabytes_without_a_line_feed_take_no_memory() {
    let home = Home::new(
        "[audio]\noutput = \"null\"\nnull_speed = 0.0\n[limits]\nmax_line_bytes = 64\n\
         [[watch]]\npath = \"$HOME/a.log\"\n",
    );
    home.append("a.log", "");
    let _daemon = home.start();
    let before = resident(&home);
    let block = vec![b'x'; 10 << 20];
    let mut file = fs::OpenOptions::new().append(true).open(home.path("a.log")).unwrap();
    for _ in 0..10 {
        file.write_all(&block).unwrap();
        home.ok(&["wait-idle", "--timeout", "60"]);
    }
    assert!(resident(&home) < before + 4.0, "{before} MB before, {} MB after", resident(&home));
    file.write_all(b"\nnext\n").unwrap();
    home.ok(&["wait-idle", "--timeout", "60"]);
    let texts: Vec<_> =
        home.history().iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["x".repeat(64).as_str(), "next"]);
    let status: Status = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    assert_eq!(status.watch.files[0].n_cut_lines, 1);
}
