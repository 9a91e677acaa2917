//! How far files were heard, when the disk does not let it be written down.

use std::process::Command;

use speakerd::status::Status;

use crate::support::program::{Daemon, Home};

const CONFIG: &str =
    "[audio]\noutput = \"null\"\nnull_speed = 0.0\n[[watch]]\npath = \"$HOME/a.txt\"\n";

/// A small file system of its own for the state, and what is done to it before the daemon starts.
pub(crate) fn on_a_small_disk(then: &str) -> String {
    format!(
        "mkdir -p state/speakerd && mount -t tmpfs -o size=64k,mode=700 none state/speakerd && {then}"
    )
}

/// Runs a command where the daemon sees its files.
pub(crate) fn inside(daemon: &Daemon, command: &str) {
    let pid = daemon.child.id().to_string();
    let status = Command::new("nsenter")
        .args(["--target", &pid, "--user", "--mount", "--wd", "--preserve-credentials"])
        .args(["sh", "-c", command])
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
}

fn problem(home: &Home) -> Option<String> {
    let status: Status = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    status.watch.problem
}

fn spoken(home: &Home) -> Vec<String> {
    home.history().iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_full_disk_and_a_read_only_one_are_survived_and_said() {
    for (before, mend) in [
        (
            "{ dd if=/dev/zero of=state/speakerd/fill bs=1k 2>/dev/null || true; }",
            "rm state/speakerd/fill",
        ),
        ("mount -o remount,ro state/speakerd", "mount -o remount,rw state/speakerd"),
    ] {
        let home = Home::new(CONFIG);
        home.append("a.txt", "history\n");
        let Some(mut daemon) = home.start_after(&on_a_small_disk(before)) else { return };
        home.append("a.txt", "one\n");
        home.ok(&["wait-idle", "--timeout", "30"]);
        assert_eq!(spoken(&home), ["one"], "{before}");
        let said = problem(&home).expect("it is said");
        assert!(said.contains("bookmarks"), "{said}");
        assert_eq!(home.log().matches("bookmarks cannot be saved").count(), 1, "said once");
        inside(&daemon, mend);
        home.append("a.txt", "two\n");
        home.ok(&["wait-idle", "--timeout", "30"]);
        assert_eq!(problem(&home), None, "{mend}");
        inside(&daemon, "grep -q 'a.txt' state/speakerd/bookmarks.json");
        home.ok(&["shutdown"]);
        assert!(daemon.wait().success());
    }
}
