use super::*;
use crate::clock::now;
use std::io::Write;
use std::path::PathBuf;

struct Written {
    _home: tempfile::TempDir,
    path: PathBuf,
}

impl Written {
    fn new(content: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("text");
        std::fs::write(&path, content).unwrap();
        Self { _home: home, path }
    }

    fn append(&self, content: &[u8]) {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(content).unwrap();
    }

    fn text(&self, offset: u64, max_line_bytes: usize) -> Text {
        Text::open_at(File::open(&self.path).unwrap(), offset, max_line_bytes).unwrap()
    }
}

/// All lines up to the end; panics where the text was rewritten.
fn lines(text: &mut Text) -> Vec<RawLine> {
    let mut block = Vec::new();
    std::iter::from_fn(|| match text.next_line(&Filter::default(), &mut block, now()).unwrap() {
        Found::Line(line) => Some(line),
        Found::End => None,
        Found::Rewritten => panic!("rewritten"),
        Found::More => panic!("more than a turn"),
    })
    .collect()
}

fn texts(text: &mut Text) -> Vec<String> {
    lines(text).into_iter().map(|line| String::from_utf8(line.bytes).unwrap()).collect()
}

#[test]
fn only_complete_lines_are_taken_and_a_line_may_come_in_pieces() {
    let written = Written::new(b"one\ntwo\nthr");
    let mut text = written.text(0, 100);
    assert_eq!(texts(&mut text), ["one", "two"]);
    written.append(b"ee");
    assert_eq!(texts(&mut text), Vec::<String>::new());
    written.append(b"\n\nfour\n");
    assert_eq!(texts(&mut text), ["three", "", "four"]);
    assert_eq!(text.n_unread().unwrap(), 0);
}

#[test]
fn every_mark_leads_to_the_line_behind_it() {
    let content: Vec<u8> =
        (0..5_000).flat_map(|n| format!("line number {n}\n").into_bytes()).collect();
    let written = Written::new(&content);
    let all = lines(&mut written.text(0, 100));
    assert_eq!(all.len(), 5_000);
    for idx in [0, 1, 999, 2_500, 4_998] {
        let mark = all[idx].mark;
        assert!(mark.is_in(&File::open(&written.path).unwrap()).unwrap(), "{idx}");
        let rest = lines(&mut written.text(mark.offset, 100));
        assert_eq!(rest, all[idx + 1..], "{idx}");
    }
}

#[test]
fn a_line_that_is_too_long_is_cut_and_its_end_is_found() {
    for n_bytes in [101, 5_000, 200_000] {
        let mut content = vec![b'x'; n_bytes];
        content.extend_from_slice(b"\nnext\n");
        let written = Written::new(&content);
        let all = lines(&mut written.text(0, 100));
        let shape: Vec<_> = all.iter().map(|line| (line.bytes.len(), line.was_cut)).collect();
        assert_eq!(shape, [(100, true), (4, false)], "{n_bytes}");
        assert_eq!(all[0].mark.offset, n_bytes as u64 + 1);
        assert!(all[1].mark.is_in(&File::open(&written.path).unwrap()).unwrap());
    }
}

#[test]
fn megabytes_without_a_newline_take_no_memory_and_others_have_their_turn() {
    let written = Written::new(&vec![b'x'; 20 << 20]);
    let mut text = written.text(0, 1_000);
    let mut block = Vec::new();
    let mut n_turns = 0;
    while text.next_line(&Filter::default(), &mut block, now()).unwrap() == Found::More {
        n_turns += 1;
    }
    assert!(n_turns >= 9, "{n_turns}");
    assert!(text.bytes.capacity() <= 4 * (WINDOW + BLOCK), "{}", text.bytes.capacity());
}

#[test]
fn a_text_that_changed_before_the_position_is_another_one_after_a_moment() {
    let written = Written::new(b"one\ntwo\n");
    for content in [&b"uno\ndos\n"[..], b""] {
        std::fs::write(&written.path, b"one\ntwo\n").unwrap();
        let mut text = written.text(0, 100);
        assert_eq!(texts(&mut text), ["one", "two"]);
        std::fs::write(&written.path, content).unwrap();
        let (mut block, now) = (Vec::new(), now());
        assert_eq!(
            text.next_line(&Filter::default(), &mut block, now).unwrap(),
            Found::End,
            "suspected"
        );
        let decided = text.decided_at().unwrap();
        assert_eq!(
            text.next_line(&Filter::default(), &mut block, decided).unwrap(),
            Found::Rewritten
        );
    }
}

#[test]
fn a_text_that_is_back_in_a_moment_was_only_being_saved() {
    let written = Written::new(b"one\ntwo\n");
    let mut text = written.text(0, 100);
    assert_eq!(texts(&mut text), ["one", "two"]);
    std::fs::write(&written.path, b"").unwrap();
    text.verify(now()).unwrap();
    assert!(text.decided_at().is_some() && text.n_unread().unwrap() > 0);
    std::fs::write(&written.path, b"one\ntwo\nthree\n").unwrap();
    assert_eq!(texts(&mut text), ["three"]);
    assert_eq!(text.decided_at(), None);
}

#[test]
fn the_end_is_behind_the_last_complete_line() {
    for (content, offset) in [(&b""[..], 0), (b"one\n", 4), (b"one\ntw", 4), (b"tw", 0)] {
        let written = Written::new(content);
        let text = Text::open_at_end(File::open(&written.path).unwrap(), 100).unwrap();
        assert_eq!(text.offset(), offset, "{content:?}");
    }
    let endless = Written::new(&[b'x'; 500]);
    let text = Text::open_at_end(File::open(&endless.path).unwrap(), 100).unwrap();
    assert_eq!(text.offset(), 500, "a line that is too long anyway is not read again");
}

#[test]
fn another_file_goes_on_only_with_the_same_text() {
    let written = Written::new(b"one\ntwo\nthree\n");
    let mut text = written.text(0, 100);
    let Found::Line(_) = text.next_line(&Filter::default(), &mut Vec::new(), now()).unwrap() else {
        panic!("no line")
    };
    for (other, goes_on) in [
        (&b"one\ntwo\nthree\nfour\n"[..], true),
        (b"one\ntwo\nthree\n", true),
        (b"one\ntwo\nthird\n", false),
        (b"one\n", false),
        (b"uno\ntwo\nthree\n", false),
    ] {
        let other = Written::new(other);
        let file = File::open(&other.path).unwrap();
        assert_eq!(text.goes_on_in(&file).unwrap(), goes_on, "{:?}", std::fs::read(&other.path));
    }
}

#[test]
fn a_line_is_text_whatever_its_bytes_are() {
    for (bytes, text) in [
        (&b"plain"[..], "plain"),
        (b"windows\r", "windows"),
        (b"\xef\xbb\xbfmarked", "marked"),
        (b"broken \xff byte", "broken \u{fffd} byte"),
        (b"", ""),
    ] {
        assert_eq!(&*text_of(bytes), text);
    }
}

#[test]
fn a_blank_line_is_known_whatever_blanks_it_has() {
    for blank in ["", " \t", "\r", "\u{feff}", "\u{a0}\u{3000}", "\u{b}", "\0\0", "  \0"] {
        assert!(is_blank(blank.as_bytes()), "{blank:?}");
    }
    for line in ["x", " .", "\0x", "\u{feff}x", "ä"] {
        assert!(!is_blank(line.as_bytes()), "{line:?}");
    }
}

#[test]
fn long_lines_and_holes_are_passed_over_with_patterns_as_without() {
    let filter = Filter::new(vec!["^wanted".to_owned()], Vec::new()).unwrap();
    let (long, hole) = ("x".repeat(3 * BLOCK), "\0".repeat(3 * BLOCK));
    for content in [
        format!("{long}\nwanted 1\n"),
        format!("{hole}wanted 1\n"),
        format!("wanted 1\n{hole}{long}"),
        format!("{}\nwanted 1\n{}", "y".repeat(WINDOW + 200), "z".repeat(WINDOW + 200)),
    ] {
        for max_line_bytes in [64, BLOCK] {
            let written = Written::new(content.as_bytes());
            let mut text = written.text(0, max_line_bytes);
            let (mut block, mut found) = (Vec::new(), Vec::new());
            loop {
                match text.next_line(&filter, &mut block, now()).unwrap() {
                    Found::Line(line) => found.push(String::from_utf8(line.bytes).unwrap()),
                    Found::End => break,
                    Found::More | Found::Rewritten => {
                        panic!("neither more than a turn nor rewritten")
                    }
                }
            }
            assert_eq!(found, ["wanted 1"], "{}", content.len());
        }
    }
}
