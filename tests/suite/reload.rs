//! The configuration, read again while the daemon runs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::program::Home;
use crate::support::rig::PATIENCE;

const QUIET: &str = "[audio]\noutput = \"null\"\n";

fn status(home: &Home) -> speakerd::status::Status {
    serde_json::from_str(&home.ok(&["status", "--json"])).unwrap()
}

fn wait_until(home: &Home, what: &str, wished: impl Fn(&speakerd::status::Status) -> bool) {
    let begun = Instant::now();
    while !wished(&status(home)) {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}: {:#?}", status(home));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn write(home: &Home, config: &str) {
    let config = config.replace("$HOME", &home.path("").display().to_string());
    std::fs::write(home.path("speakerd.toml"), config).unwrap();
}

/// The texts of the history, and who spoke them.
fn heard(home: &Home) -> Vec<(String, String)> {
    home.ok(&["wait-idle", "--timeout", "60"]);
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
    home.history().iter().map(|entry| (text(entry, "text"), text(entry, "voice"))).collect()
}

#[cfg(feature = "builtin")]
#[test]
fn a_reload_loses_nothing_that_waits_and_changes_what_comes() {
    let watched = "[[watch]]\npath = \"$HOME/a.log\"\n";
    let home = Home::new(&format!("{QUIET}null_speed = 4.0\n{watched}[queue]\ncapacity = 2\n"));
    home.append("a.log", "");
    home.append("b.log", "history\n");
    let mut daemon = home.start();
    let lines: Vec<_> = (1..=8).map(|n| format!("This is line number {n}.")).collect();
    home.append("a.log", &(lines.join("\n") + "\n"));
    wait_until(&home, "a line to sound", |status| status.playback.speaking.is_some());
    let n_loads = status(&home).engine.n_loads;
    write(
        &home,
        &format!(
            "{QUIET}null_speed = 4.0\nvolume = 0.5\ngap_ms = 10\n[engine]\nvoice = \"slt\"\n[queue]\ncapacity = 2\n\
             {watched}voice = \"slt\"\n[[watch]]\npath = \"$HOME/b.log\"\n"
        ),
    );
    assert_eq!(home.ok(&["reload"]), "");
    home.append("b.log", "from the other file\n");
    let heard = heard(&home);
    let of_a: Vec<_> =
        heard.iter().map(|(text, _)| text).filter(|text| text.starts_with("This")).collect();
    assert_eq!(of_a, lines.iter().collect::<Vec<_>>(), "each once, in order");
    assert_eq!((heard[0].1.as_str(), heard[7].1.as_str()), ("auto", "slt"));
    assert!(heard.contains(&("from the other file".to_owned(), "slt".to_owned())), "{heard:?}");
    let after = status(&home);
    assert_eq!(after.engine.n_loads, n_loads, "what is loaded stays loaded");
    assert!((after.playback.volume - 0.5).abs() < 1e-6);
    assert_eq!(after.watch.files.len(), 2);
    // What was added by hand stays, what is no longer configured goes.
    home.ok(&["watch", "add", home.path("c.log").to_str().unwrap()]);
    write(
        &home,
        &format!("{QUIET}null_speed = 4.0\nvolume = 0.5\n[queue]\ncapacity = 2\n{watched}"),
    );
    home.ok(&["reload"]);
    let files: Vec<_> = status(&home).watch.files.into_iter().map(|file| file.path).collect();
    let names: Vec<_> = files.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a.log", "c.log"]);
    assert!(daemon.end_with(Signal::TERM).success());
}

#[test]
fn a_wrong_file_is_refused_and_the_old_one_stays_in_force() {
    let home = Home::new(&format!("{QUIET}null_speed = 0.0\n[[watch]]\npath = \"$HOME/a.log\"\n"));
    home.append("a.log", "");
    let daemon = home.start();
    write(&home, &format!("{QUIET}volume = 9.0\n"));
    let (code, message) = home.fails(&["reload"]);
    assert_eq!(code, 78);
    assert!(message.contains("audio.volume") && message.contains("speakerd.toml"), "{message}");
    assert!(status(&home).daemon.config_problem.unwrap().contains("audio.volume"));
    assert!(home.ok(&["status"]).contains("audio.volume"));
    home.append("a.log", "still heard\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    assert_eq!(home.history().len(), 1);
    // The file's own change is noticed, and so is what can only change at the next start.
    write(
        &home,
        &format!(
            "{QUIET}null_speed = 0.0\n[queue]\ncapacity = 3\n[[watch]]\npath = \"$HOME/a.log\"\n"
        ),
    );
    wait_until(&home, "the mended file", |status| status.daemon.config_problem.is_none());
    assert_eq!(status(&home).daemon.needs_restart, ["queue.capacity"]);
    assert!(home.ok(&["status"]).contains("queue.capacity"));
    assert_eq!(home.ok(&["reload"]), "from the next start on: queue.capacity\n");
    // And the signal.
    write(&home, &format!("{QUIET}null_speed = 0.0\n[[watch]]\npath = \"$HOME/b.log\"\n"));
    let pid = rustix::process::Pid::from_child(&daemon.child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    wait_until(&home, "the other file", |status| {
        status.watch.files.iter().all(|file| file.path.ends_with("b.log"))
    });
    assert_eq!(status(&home).daemon.needs_restart, Vec::<String>::new());
}

#[test]
fn the_level_of_the_log_changes_while_the_daemon_runs() {
    let home = Home::new(&format!("{QUIET}null_speed = 0.0\n[log]\nlevel = \"warn\"\n"));
    let _daemon = home.start();
    assert!(!home.log().contains("INFO"), "{}", home.log());
    write(&home, &format!("{QUIET}null_speed = 0.0\n[log]\nlevel = \"info\"\n"));
    home.ok(&["reload"]);
    home.ok(&["reload"]);
    assert!(home.log().contains("read again"), "{}", home.log());
}
