use super::*;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn wanted(directory: &Path, files: &[&str]) -> Wanted {
    Wanted {
        directories: BTreeSet::from([directory.to_path_buf()]),
        files: files.iter().map(|name| directory.join(name)).collect(),
        ..Wanted::default()
    }
}

fn armed(directory: &Path, files: &[&str]) -> Hints {
    let mut hints = Hints::start();
    assert!(hints.arm(wanted(directory, files)));
    hints
}

/// What is mentioned until there is something as wished.
fn until(hints: &Hints, wished: impl Fn(&Changes) -> bool) {
    loop {
        hints.wake().recv_timeout(PATIENCE).expect("a hint");
        if wished(&hints.take()) {
            return;
        }
    }
}

#[test]
fn an_append_is_hinted_and_our_own_reading_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    let hints = armed(home.path(), &["a.log"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
    std::fs::write(home.path().join("other.log"), "not watched\n").unwrap();
    assert!(hints.wake().recv_timeout(Duration::from_millis(100)).is_err());
    std::fs::write(&path, "two\n").unwrap();
    hints.wake().recv_timeout(PATIENCE).unwrap();
    let changes = Changes { paths: vec![Changed { path, was_removed: false }], everything: false };
    assert_eq!(hints.take(), changes);
}

#[test]
fn a_deletion_is_remembered_whatever_is_there_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    let hints = armed(home.path(), &["a.log"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "two\n").unwrap();
    until(&hints, |changes| changes.paths.iter().any(|changed| changed.was_removed));
    let moved = home.path().join("a.log.1");
    std::fs::rename(&path, &moved).unwrap();
    std::fs::write(&path, "three\n").unwrap();
    until(&hints, |changes| {
        assert!(!changes.paths.iter().any(|changed| changed.was_removed), "{changes:?}");
        changes.paths.iter().any(|changed| changed.path == path)
    });
}

#[test]
fn a_directory_that_was_made_again_is_armed_again() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("logs");
    std::fs::create_dir(&directory).unwrap();
    let mut hints = armed(&directory, &["a.log"]);
    assert!(!hints.is_outdated());
    assert!(!hints.arm(wanted(&directory, &["a.log"])), "still the same");
    std::fs::rename(&directory, home.path().join("old")).unwrap();
    std::fs::create_dir(&directory).unwrap();
    assert!(hints.is_outdated());
    assert!(hints.arm(wanted(&directory, &["a.log"])), "made again");
}

#[test]
fn a_directory_that_goes_or_comes_is_a_reason_to_look_at_everything() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep/logs");
    let hints = armed(&directory, &["a.log"]);
    std::fs::create_dir(home.path().join("other")).unwrap();
    assert!(hints.wake().recv_timeout(Duration::from_millis(100)).is_err());
    std::fs::create_dir_all(&directory).unwrap();
    until(&hints, |changes| changes.everything);
    let hints = armed(&directory, &["a.log"]);
    std::fs::remove_dir_all(home.path().join("deep")).unwrap();
    until(&hints, |changes| changes.everything);
}

#[test]
fn only_names_that_may_match_are_a_reason_to_look_for_files() {
    let home = tempfile::tempdir().unwrap();
    let mut hints = Hints::start();
    hints.arm(Wanted {
        pattern_directories: HashSet::from([home.path().to_path_buf()]),
        patterns: Pattern::of(&home.path().join("*.log")).into_iter().collect(),
        ..wanted(home.path(), &[])
    });
    std::fs::write(home.path().join("a.swp"), "").unwrap();
    assert!(hints.wake().recv_timeout(Duration::from_millis(100)).is_err());
    std::fs::write(home.path().join("a.log"), "").unwrap();
    until(&hints, |changes| changes.everything);
}

#[test]
fn a_queue_that_really_overflows_means_that_everything_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let hints = armed(home.path(), &["a.log"]);
    {
        // While the state is held, notify's thread waits in its handler and the kernel's queue fills up.
        let _held = hints.shared.state.lock();
        let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        // Two events for each file, of which notify's own buffer takes some.
        for n in 0..limit / 2 + 2_000 {
            std::fs::write(home.path().join(format!("other{n}")), "").unwrap();
        }
    }
    until(&hints, |changes| changes.everything);
}

#[test]
fn an_overflow_without_paths_means_everything() {
    let hints = Hints::start();
    let overflow = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
    hints.shared.note(Ok(overflow));
    assert_eq!(hints.take(), Changes { paths: Vec::new(), everything: true });
}
