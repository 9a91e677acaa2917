//! Where files are: links, directories that come and go, file systems that tell of nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use speakerd::status::Status;

use super::{rename, texts, write};
use crate::support::program::Home;
use crate::support::rig::{PATIENCE, Rig};
use crate::support::shared;

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
fn what_cannot_be_watched_is_refused_by_name_and_the_others_go_on() {
    let rig = Rig::start_with("", "tone", 40.0);
    fs::create_dir(rig.path("directory")).unwrap();
    let fifo = rig.path("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rig.path("socket")).unwrap();
    for (name, what) in [("directory", "a directory"), ("fifo", "a FIFO"), ("socket", "a socket")] {
        let raw = speakerd::config::raw::RawWatch::of(rig.path(name));
        let request = speakerd::control::protocol::WatchRequest::Add(Box::new(raw));
        let refused = rig.try_ask(&speakerd::control::protocol::Request::Watch(request));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(what) && message.contains(name), "{message}");
    }
    rig.watch("a.log");
    rig.append("a.log", "one\n");
    rig.wait_idle();
    assert_eq!(texts(&rig), ["one"]);
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
    assert!(heard_after(&home, "a.log") < Duration::from_secs(2));
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

/// How long it takes until an appended line, the first of all, was heard.
fn heard_after(home: &Home, name: &str) -> Duration {
    let begun = Instant::now();
    home.append(name, "one\n");
    while home.history().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

#[test]
fn what_is_written_behind_a_fuse_mount_is_heard() {
    if !Path::new("/dev/fuse").exists() {
        shared::impossible("there is no /dev/fuse");
        return;
    }
    if shared::program("bindfs", "bindfs").is_none() {
        return;
    }
    let home = Home::new(
        "[audio]\noutput = \"null\"\nnull_speed = 0.0\n[[watch]]\npath = \"$HOME/mounted/a.log\"\n",
    );
    fs::create_dir(home.path("real")).unwrap();
    fs::create_dir(home.path("mounted")).unwrap();
    home.append("real/a.log", "");
    // The mount lasts as long as the daemon.
    let Some(mut daemon) = home.start_after(
        "bindfs --no-allow-other real mounted && \
         { (while kill -0 $$; do sleep 0.2; done; umount mounted) >/dev/null 2>&1 & }",
    ) else {
        return;
    };
    // Written past the mount: no event tells of it.
    assert!(heard_after(&home, "real/a.log") < Duration::from_secs(2));
    let status: Status = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    assert!(status.watch.files[0].polled);
    let polling = status.watch.polling.unwrap();
    assert!(polling.contains("FUSE") && polling.contains("mounted"), "{polling}");
    home.ok(&["shutdown"]);
    daemon.wait();
    assert_eq!(home.log().matches("FUSE").count(), 1, "{}", home.log());
}
