//! Texts that are rotated away, by every means.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use super::{Step, WATCHED, check, copy, read, rename, texts, truncate, write};
use crate::support::rig::Rig;

#[test]
fn a_rotated_text_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    for settings in ["", "on_rewrite = \"end\"\n"] {
        let heard_first = |rig: &Rig| rig.append("a.log", "one\n");
        let by_renaming = |rig: &Rig| {
            rig.append("a.log", "two\n");
            rename(rig, "a.log", "a.log.1");
            write(rig, "a.log", "three\n");
        };
        let by_copying = |rig: &Rig| {
            rig.append("a.log", "two\n");
            copy(rig, "a.log", "a.log.1");
            truncate(rig, "a.log");
            rig.append("a.log", "three\n");
        };
        let by_deleting = |rig: &Rig| {
            rig.append("a.log", "two\n");
            rig.wait_idle(); // nobody can read what was deleted before it was read
            fs::remove_file(rig.path("a.log")).unwrap();
            write(rig, "a.log", "three\n");
        };
        let away = |rig: &Rig| {
            fs::create_dir_all(rig.path("old")).unwrap();
            rig.append("a.log", "two\n");
            rename(rig, "a.log", "old/a.log");
            write(rig, "a.log", "three\n");
        };
        let expected = ["one", "two", "three"];
        check("renamed", settings, &[&heard_first, &by_renaming], &expected);
        check("copied and truncated", settings, &[&heard_first, &by_copying], &expected);
        check("deleted", settings, &[&heard_first, &by_deleting], &expected);
        check("moved away", settings, &[&heard_first, &away], &expected);
    }
}

#[test]
fn many_rotations_before_anybody_looks_lose_nothing() {
    let rotate_often = |rig: &Rig| {
        for n in 2..9 {
            for older in (1..9).rev() {
                let (from, to) = (format!("a.log.{older}"), format!("a.log.{}", older + 1));
                if rig.path(&from).exists() {
                    rename(rig, &from, &to);
                }
            }
            rename(rig, "a.log", "a.log.1");
            write(rig, "a.log", format!("line {n}\n"));
        }
    };
    let expected: Vec<_> = (1..9).map(|n| format!("line {n}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check("many", "", &[&|rig| rig.append("a.log", "line 1\n"), &rotate_often], &expected);
}

#[test]
fn late_writers_of_a_rotated_file_are_heard() {
    let rig = Rig::start_with(WATCHED, "tone", 40.0);
    rig.append("a.log", "one\n");
    rig.wait_idle();
    let mut late = fs::OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
    rename(&rig, "a.log", "a.log.1");
    write(&rig, "a.log", "two\n");
    rig.wait_idle();
    late.write_all(b"late\n").unwrap();
    let begun = Instant::now();
    rig.wait_until("the late line", |status| status.queue.n_spoken == 3);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    late.write_all(b"unfinished").unwrap();
    rig.append("a.log", "three\n");
    // Nobody will finish it: it is told when the old file is let go.
    rig.wait_until("the last words", |status| status.queue.n_spoken == 5);
    assert_eq!(texts(&rig), ["one", "two", "late", "three", "unfinished"]);
}

#[test]
fn a_rotation_while_nobody_watches_loses_nothing() {
    let by_renaming = |rig: &Rig| {
        rename(rig, "a.log", "a.log.1");
        write(rig, "a.log", "three\n");
    };
    let by_copying = |rig: &Rig| {
        copy(rig, "a.log", "a.log.1");
        truncate(rig, "a.log");
        rig.append("a.log", "three\n");
    };
    let by_date = |rig: &Rig| {
        rename(rig, "a.log", "a.log-20261125");
        write(rig, "a.log", "three\n");
    };
    let by_editing = |rig: &Rig| {
        write(rig, "beside", read(rig, "a.log") + "three\n");
        rename(rig, "beside", "a.log");
    };
    let twice = |rig: &Rig| {
        rename(rig, "a.log", "a.log.2");
        write(rig, "a.log.1", "three\n");
        write(rig, "a.log", "four\n");
    };
    let cases: [(&str, Step<'_>, &[&str]); 5] = [
        ("rename", &by_renaming, &["two", "three"]),
        ("copy", &by_copying, &["two", "three"]),
        ("date", &by_date, &["two", "three"]),
        ("editor", &by_editing, &["two", "three"]),
        ("twice", &twice, &["two", "three", "four"]),
    ];
    for (name, meanwhile, expected) in cases {
        let mut rig = Rig::start_with(WATCHED, "tone", 40.0);
        // What is older must not be taken for what was missed.
        write(&rig, "a.log.3", "long ago\n");
        write(&rig, "a.log-20260101", "longer ago\n");
        rig.append("a.log", "one\n");
        rig.wait_idle();
        rig.stop().unwrap();
        rig.append("a.log", "two\n");
        meanwhile(&rig);
        rig.restart_stopped();
        rig.wait_idle();
        assert_eq!(texts(&rig), expected, "{name}");
        rig.restart();
        rig.wait_idle();
        assert_eq!(texts(&rig), Vec::<String>::new(), "{name}, and again");
    }
}
