//! What a restart keeps, and what a stop does to the line in the air.

use speakerd::control::protocol::{Request, WaitIdle, WatchRequest};
use speakerd::speech::Outcome;

use crate::support::program::Home;
use crate::support::rig::Rig;

const WATCHED: &str = "[[watch]]\npath = \"$HOME/a.txt\"\n";

#[test]
fn a_clean_restart_doubles_nothing_and_loses_nothing() {
    let mut rig = Rig::start(WATCHED);
    rig.append("a.txt", "one\ntwo\n");
    rig.wait_idle();
    rig.stop().unwrap();
    rig.append("a.txt", "three\n");
    rig.restart_stopped();
    rig.append("a.txt", "four\n");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["one", "two", "three", "four"]);
}

#[test]
fn a_stop_finishes_the_line_that_sounds_and_keeps_the_others_for_the_next_start() {
    let mut rig = Rig::start(WATCHED);
    rig.append("a.txt", &format!("{}\nsecond\nthird\n", "a".repeat(60)));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.restart();
    rig.wait_idle();
    assert_eq!(rig.heard(), ["a".repeat(60).as_str(), "second", "third"]);
    assert_eq!(rig.outcomes().len(), 2, "the first was not spoken again");
}

#[test]
fn a_skipped_line_is_not_spoken_after_a_restart() {
    let mut rig = Rig::start(WATCHED);
    rig.append("a.txt", &format!("{}\n", "a".repeat(100)));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.ask(&Request::Skip);
    rig.wait_idle();
    assert_eq!(rig.outcomes()[0].1, Outcome::Skipped);
    rig.restart();
    rig.append("a.txt", "next\n");
    rig.wait_idle();
    assert_eq!(rig.outcomes().len(), 1);
}

#[test]
fn a_stop_takes_no_longer_than_its_limit_and_the_cut_line_comes_again() {
    // A real second of speech is a real second: the line lasts far longer than the limit.
    let config = format!("[limits]\nshutdown_secs = 1.0\n{WATCHED}");
    let mut rig = Rig::start_with(&config, "tone", 1.0);
    rig.append("a.txt", &format!("{}\n", "a".repeat(200)));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    let begun = std::time::Instant::now();
    rig.stop().unwrap();
    assert!(begun.elapsed().as_secs_f64() < 2.0, "{:?}", begun.elapsed());
    rig.restart_stopped();
    let again = rig.wait_until("it to sound again", |status| status.playback.speaking.is_some());
    assert_eq!(again.queue.n_open, 1);
    rig.ask(&Request::Skip);
    rig.wait_idle();
}

#[test]
fn a_stop_with_a_large_backlog_is_quick_and_says_that_not_everything_was_said() {
    let mut rig = Rig::start(WATCHED);
    rig.card.set_broken(true);
    rig.append("a.txt", &"a line of many\n".repeat(100_000));
    rig.append("a.txt", &"\n".repeat(1_000_000));
    rig.wait_until("a full queue", |status| status.queue.n_ordinary > 60);
    let waiting = std::thread::spawn({
        let mut client = rig.client();
        move || client.ask(&Request::WaitIdle(WaitIdle::default()))
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    let begun = std::time::Instant::now();
    rig.stop().unwrap();
    assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
    let refused = waiting.join().unwrap().unwrap_err();
    assert!(refused.to_string().contains("stopping"), "{refused}");
}

#[test]
fn a_removed_file_is_not_read_again_for_what_was_on_its_way() {
    let rig = Rig::start("");
    rig.append("a.txt", "");
    rig.watch("a.txt");
    rig.ask(&Request::Pause);
    rig.append("a.txt", "one\ntwo\n");
    rig.wait_until("both", |status| status.queue.n_open == 2);
    let remove = Request::Watch(WatchRequest::Remove { path: rig.path("a.txt") });
    rig.ask(&remove);
    rig.watch("a.txt"); // while they are on their way
    rig.ask(&remove);
    rig.ask(&Request::Resume);
    rig.wait_idle();
    rig.watch("a.txt"); // and when they were heard
    rig.append("a.txt", "three\n");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["one", "two", "three"]);
}

#[test]
fn a_killed_daemon_doubles_at_most_the_line_in_the_air() {
    let home = Home::new(
        "[audio]\noutput = \"null\"\nnull_speed = 30.0\n[[watch]]\npath = \"$HOME/a.txt\"\n",
    );
    let lines: Vec<String> = (0..60).map(|n| format!("line number {n}")).collect();
    let mut heard: Vec<String> = Vec::new();
    let mut n_kills = 0;
    home.append("a.txt", "");
    let mut daemon = home.start();
    home.append("a.txt", &(lines.join("\n") + "\n"));
    loop {
        let mut follower = home.command(&["history", "--follow", "--json"]);
        let mut follower = follower.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let n_before = heard.len();
        for line in crate::support::program::lines(&mut follower) {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(entry["outcome"], "spoken");
            heard.push(entry["text"].as_str().unwrap().to_owned());
            if (n_kills < 3 && heard.len() >= n_before + 10) || heard.last() == lines.last() {
                break;
            }
        }
        drop(follower.kill());
        follower.wait().unwrap();
        if heard.last() == lines.last() {
            break;
        }
        daemon.end_with(rustix::process::Signal::KILL);
        n_kills += 1;
        daemon = home.start();
    }
    drop(daemon);
    assert_eq!(n_kills, 3);
    let mut once = heard.clone();
    once.dedup();
    // Reports of the last lines may die with the daemon; what was reported is in order, doubled at most once a kill.
    assert!(heard.len() - once.len() <= n_kills, "{heard:?}");
    let positions: Vec<_> =
        once.iter().map(|text| lines.iter().position(|line| line == text).unwrap()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    let n_unreported = lines.len() - once.len();
    assert!(n_unreported <= 3 * n_kills, "{n_unreported} never reported: {heard:?}");
}
