//! Whatever happens to a file: each line is heard once, in order. Real files, real inotify, the whole daemon.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use speakerd::status::Status;

use crate::support::program::Home;
use crate::support::rig::{PATIENCE, Rig};

const WATCHED: &str = "[[watch]]\npath = \"$HOME/a.log\"\n";

/// What happens to a file, in steps; each is looked at before the next one.
type Steps<'a> = &'a [Step<'a>];
type Step<'a> = &'a dyn Fn(&Rig);

fn read(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap()
}

fn write(rig: &Rig, name: &str, text: impl AsRef<[u8]>) {
    fs::write(rig.path(name), text).unwrap();
}

fn rename(rig: &Rig, from: &str, to: &str) {
    fs::rename(rig.path(from), rig.path(to)).unwrap();
}

fn copy(rig: &Rig, from: &str, to: &str) {
    fs::copy(rig.path(from), rig.path(to)).unwrap();
}

fn truncate(rig: &Rig, name: &str) {
    fs::OpenOptions::new().write(true).open(rig.path(name)).unwrap().set_len(0).unwrap();
}

/// Runs the steps on a daemon that watches `a.log`, and says what was heard.
fn heard(settings: &str, steps: Steps<'_>) -> Vec<String> {
    let rig = Rig::start_with(&format!("{WATCHED}{settings}"), "tone", 40.0);
    for step in steps {
        step(&rig);
        rig.wait_idle();
    }
    texts(&rig)
}

fn texts(rig: &Rig) -> Vec<String> {
    rig.history().into_iter().map(|entry| entry.text).collect()
}

fn check(name: &str, settings: &str, steps: Steps<'_>, expected: &[&str]) {
    assert_eq!(heard(settings, steps), expected, "{name} {settings}");
}

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

#[test]
fn a_text_that_was_truncated_begins_again() {
    let heard_first = |rig: &Rig| rig.append("a.log", "one\ntwo\n");
    check(
        "truncated",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\n")],
        &["one", "two", "uno"],
    );
    check(
        "written again at equal length",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\n")],
        &["one", "two", "uno", "dos"],
    );
    check(
        "written again at greater length",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\ntres\ncuatro\n")],
        &["one", "two", "uno", "dos", "tres", "cuatro"],
    );
    check(
        "written again, and only what comes then is wanted",
        "on_rewrite = \"end\"\n",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\ntres\n"), &|rig| {
            rig.append("a.log", "four\n");
        }],
        &["one", "two", "four"],
    );
}

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
fn an_editor_that_saves_doubles_nothing() {
    let heard_first = |rig: &Rig| rig.append("a.log", "one\ntwo\n");
    let in_the_same_directory = |rig: &Rig| {
        write(rig, ".a.log.swp", read(rig, "a.log") + "three\n");
        rename(rig, ".a.log.swp", "a.log");
    };
    let from_another_directory = |rig: &Rig| {
        fs::create_dir_all(rig.path("elsewhere")).unwrap();
        write(rig, "elsewhere/a", read(rig, "a.log") + "three\n");
        rename(rig, "elsewhere/a", "a.log");
    };
    let in_place = |rig: &Rig| {
        let text = read(rig, "a.log") + "three\n";
        truncate(rig, "a.log");
        std::thread::sleep(Duration::from_millis(20));
        rig.append("a.log", &text);
    };
    let with_a_backup = |rig: &Rig| {
        let text = read(rig, "a.log") + "three\n";
        rename(rig, "a.log", "a.log~");
        write(rig, "a.log", "");
        std::thread::sleep(Duration::from_millis(20));
        let (first, rest) = text.split_at(5);
        rig.append("a.log", first);
        std::thread::sleep(Duration::from_millis(20));
        rig.append("a.log", rest);
        fs::remove_file(rig.path("a.log~")).unwrap();
    };
    let saves: [(&str, Step<'_>); 4] = [
        ("same directory", &in_the_same_directory),
        ("another directory", &from_another_directory),
        ("in place", &in_place),
        ("with a backup", &with_a_backup),
    ];
    for (name, save) in saves {
        for settings in ["", "on_rewrite = \"end\"\n"] {
            let again = |rig: &Rig| rig.append("a.log", "four\n");
            check(name, settings, &[&heard_first, save, &again], &["one", "two", "three", "four"]);
        }
    }
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

#[test]
fn a_file_made_again_on_the_same_inode_at_the_same_length_is_another_one() {
    let mut rig = Rig::start_with(WATCHED, "tone", 40.0);
    rig.append("a.log", "one\n");
    rig.wait_idle();
    rig.stop().unwrap();
    let inode = rig.path("a.log").metadata().unwrap().ino();
    // ext4 gives the number out again at once; where it is not so, it is tried for a while.
    let is_same = (0..50).any(|_| {
        fs::remove_file(rig.path("a.log")).unwrap();
        write(&rig, "a.log", "two\n");
        rig.path("a.log").metadata().unwrap().ino() == inode
    });
    rig.restart_stopped();
    rig.wait_idle();
    assert_eq!(texts(&rig), ["two"], "inode used again: {is_same}");
}

#[test]
fn what_a_link_leads_to_is_followed() {
    let rig = Rig::start_with("", "tone", 40.0);
    fs::create_dir_all(rig.path("one")).unwrap();
    fs::create_dir_all(rig.path("two")).unwrap();
    write(&rig, "one/log", "");
    let link = |target: &str| {
        let beside = rig.path("beside");
        std::os::unix::fs::symlink(rig.path(target), &beside).unwrap();
        fs::rename(beside, rig.path("a.log")).unwrap();
    };
    link("one/log");
    rig.watch("a.log");
    rig.append("one/log", "one\n");
    rig.wait_until("what was appended elsewhere", |status| status.queue.n_spoken == 1);
    rig.append("one/log", "two\n");
    write(&rig, "two/log", "three\n");
    link("two/log");
    rig.wait_idle();
    rig.append("two/log", "four\n");
    let begun = Instant::now();
    rig.wait_until("what was appended to the new target", |status| status.queue.n_spoken == 4);
    assert!(begun.elapsed() < Duration::from_millis(1_500), "by an event, not by a sweep");
    // The target is rotated under the link.
    rename(&rig, "two/log", "two/log.1");
    write(&rig, "two/log", "five\n");
    rig.wait_idle();
    assert_eq!(texts(&rig), ["one", "two", "three", "four", "five"]);
}

#[test]
fn what_appears_later_is_read_from_its_beginning() {
    let rig = Rig::start_with(
        "[[watch]]\npath = \"$HOME/late.log\"\n[[watch]]\npath = \"$HOME/deep/er/late.log\"\n\
         [[watch]]\npath = \"$HOME/many/*/*.txt\"\n",
        "tone",
        40.0,
    );
    let soon = |n_spoken| {
        let begun = Instant::now();
        rig.wait_until("the line", |status| status.queue.n_spoken == n_spoken);
        assert!(begun.elapsed() < Duration::from_millis(1_500), "by an event, not by a sweep");
    };
    write(&rig, "late.log", "one\n");
    soon(1);
    fs::create_dir_all(rig.path("deep/er")).unwrap();
    write(&rig, "deep/er/late.log", "two\n");
    soon(2);
    fs::create_dir_all(rig.path("many/a")).unwrap();
    write(&rig, "many/a/x.txt", "three\n");
    soon(3);
    write(&rig, "many/a/y.txt", "four\n");
    soon(4);
    rig.append("many/a/y.txt", "five\n");
    soon(5);
    assert_eq!(texts(&rig), ["one", "two", "three", "four", "five"]);
}

#[test]
fn a_directory_that_is_made_again_is_watched_again() {
    let rig = Rig::start_with("[[watch]]\npath = \"$HOME/logs/a.log\"\n", "tone", 40.0);
    for n in 1..4 {
        fs::create_dir_all(rig.path("logs")).unwrap();
        write(&rig, "logs/a.log", format!("made {n}\n"));
        rig.wait_until("the first line", |status| status.queue.n_spoken == 2 * n - 1);
        rig.append("logs/a.log", &format!("more {n}\n"));
        rig.wait_until("the second line", |status| status.queue.n_spoken == 2 * n);
        fs::remove_dir_all(rig.path("logs")).unwrap();
    }
    let expected: Vec<_> =
        (1..4).flat_map(|n| [format!("made {n}"), format!("more {n}")]).collect();
    assert_eq!(texts(&rig), expected);
}

#[test]
fn what_cannot_be_watched_is_refused_by_name_and_the_others_go_on() {
    let rig = Rig::start_with("", "tone", 40.0);
    fs::create_dir(rig.path("directory")).unwrap();
    let fifo = rig.path("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rig.path("socket")).unwrap();
    for (name, what) in [("directory", "a directory"), ("fifo", "a FIFO"), ("socket", "a socket")] {
        let raw = speakerd::config::raw::RawWatch::of(rig.path(name));
        let request = speakerd::control::protocol::WatchRequest::Add(raw);
        let refused = rig.try_ask(&speakerd::control::protocol::Request::Watch(request));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(what) && message.contains(name), "{message}");
    }
    rig.watch("a.log");
    rig.append("a.log", "one\n");
    rig.wait_idle();
    assert_eq!(texts(&rig), ["one"]);
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

#[test]
fn where_the_system_tells_of_no_changes_files_are_polled_and_that_is_said_once() {
    let home = Home::new(
        "[audio]\noutput = \"null\"\nnull_speed = 0.0\n[[watch]]\npath = \"$HOME/a.log\"\n\
         [[watch]]\npath = \"$HOME/b.log\"\n",
    );
    home.append("a.log", "");
    let Some(mut daemon) = home.start_after("echo 0 > /proc/sys/user/max_inotify_watches") else {
        return;
    };
    let begun = Instant::now();
    home.append("a.log", "one\n");
    while home.history().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    home.append("b.log", "two\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    let status: Status = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    assert!(status.watch.files.iter().all(|file| file.polled));
    let polling = status.watch.polling.unwrap();
    assert!(polling.contains("max_user_watches"), "{polling}");
    assert!(home.ok(&["status"]).contains("polling"));
    home.ok(&["shutdown"]);
    daemon.wait();
    assert_eq!(home.log().matches("max_user_watches").count(), 1, "{}", home.log());
}
