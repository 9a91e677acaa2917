//! What of a file is read: patterns, formats, folding, limits, and what came while the daemon was down.

use std::collections::BTreeMap;
use std::time::Duration;

use speakerd::control::protocol::{Clear, Request};
use speakerd::speech::Outcome;

use crate::support::rig::Rig;

fn watched(settings: &str) -> Rig {
    Rig::start_with(&format!("[[watch]]\npath = \"$HOME/a.log\"\n{settings}"), "tone", 40.0)
}

/// The texts with that outcome, in the order of the file.
fn with(rig: &Rig, outcome: Outcome) -> Vec<String> {
    let mut entries: Vec<_> =
        rig.history().into_iter().filter(|entry| entry.outcome == outcome).collect();
    entries.sort_by_key(|entry| entry.id);
    entries.into_iter().map(|entry| entry.text).collect()
}

/// Has a line sound while the others are written.
fn behind_a_long_line(rig: &Rig, lines: &str) {
    rig.append("a.log", &format!("{}\n", "a".repeat(200)));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.append("a.log", lines);
    rig.wait_until("a look", |status| status.watch.n_unread_files > 0 || status.queue.n_open > 1);
}

#[test]
fn only_wanted_lines_are_read_and_the_others_leave_no_trace() {
    let mut rig = watched("include = [\"ERROR\", \"^warn\"]\nexclude = 'ignore\\w+'\n");
    rig.append("a.log", "fine\nERROR one\nwarn two\nnot a warn\nERROR ignored\n");
    rig.wait_idle();
    rig.append("a.log", "an ER");
    rig.append("a.log", "ROR in two parts\nfine\n");
    rig.wait_idle();
    assert_eq!(with(&rig, Outcome::Spoken), ["ERROR one", "warn two", "an ERROR in two parts"]);
    assert_eq!(rig.outcomes().len(), 3);
    let file = &rig.status().watch.files[0];
    assert_eq!(file.unread_bytes, 0);
    let size = rig.path("a.log").metadata().unwrap().len();
    assert_eq!(file.heard_bytes, size, "the bookmark passes over what is not wanted");
    rig.restart();
    rig.wait_idle();
    assert_eq!(rig.outcomes(), []);
}

#[test]
fn a_line_that_is_held_back_is_cleared_with_the_others() {
    let rig = watched("fold = true\n");
    behind_a_long_line(&rig, "one\ntwo\ntwo\nthree\n");
    rig.wait_until("two lines on their way", |status| status.queue.n_open == 2);
    rig.ask(&Request::Clear(Clear { source: None }));
    rig.wait_idle();
    let cleared = with(&rig, Outcome::Cleared);
    assert!(
        cleared.contains(&"one".to_owned()) && cleared.contains(&"two".to_owned()),
        "{cleared:?}"
    );
    assert_eq!(rig.status().watch.files[0].unread_bytes, 0);
}

#[test]
fn a_chat_says_who_says_what() {
    let rig = watched("format = \"chat\"\n");
    rig.append("a.log", "[12:03:44] <anna> hello\nbob: hi\nnobody in particular\n");
    rig.wait_idle();
    let said: Vec<_> = rig.history().into_iter().map(|entry| entry.spoken_text.unwrap()).collect();
    assert_eq!(said, ["anna says hello", "bob says hi", "nobody in particular"]);
    assert_eq!(rig.history()[1].text, "bob: hi", "the history has the line as it stands");
    rig.ask(&Request::Replay(speakerd::control::protocol::Replay { n: 2 }));
    rig.wait_idle();
    assert_eq!(rig.history()[3].spoken_text.as_deref(), Some("bob says hi"), "said as it was");
}

#[test]
fn a_field_of_a_json_line_is_read_and_what_has_none_is_dropped_with_a_reason() {
    let rig = watched("format = \"json:event.text\"\n");
    rig.append("a.log", "{\"event\":{\"text\":\"disk full\"}}\nno json\n{\"event\":{}}\n");
    rig.wait_idle();
    let entries = rig.history();
    let said: Vec<_> = entries.iter().filter_map(|entry| entry.spoken_text.as_deref()).collect();
    assert_eq!(said, ["disk full"]);
    assert_eq!(with(&rig, Outcome::Dropped), ["no json", "{\"event\":{}}"]);
    let reasons: Vec<_> = entries.iter().filter_map(|entry| entry.reason.as_deref()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("event.text")), "{reasons:?}");
}

#[test]
fn equal_neighbours_are_told_in_one() {
    let mut rig = watched("fold = true\n");
    let lines = format!("{}other\ndisk full\n", "disk full\n".repeat(12));
    behind_a_long_line(&rig, &lines);
    rig.wait_idle();
    let said: Vec<_> = rig.history().into_iter().filter_map(|entry| entry.spoken_text).collect();
    assert_eq!(said[1..], ["disk full, twelve times", "other", "disk full"]);
    assert_eq!(with(&rig, Outcome::Folded).len(), 11);
    assert_eq!(rig.heard()[1..], ["disk full twelve times", "other", "disk full"]);
    rig.restart();
    rig.wait_idle();
    assert_eq!(rig.outcomes(), [], "what was folded is settled");
}

#[test]
fn twenty_thousand_equal_lines_are_one() {
    let rig = watched("fold = true\n[queue]\nhistory = 10\n");
    behind_a_long_line(&rig, &"again\n".repeat(20_000));
    rig.wait_idle();
    let last = rig.history().pop().unwrap();
    assert_eq!(last.spoken_text.as_deref(), Some("again, twenty thousand times"));
    assert_eq!(rig.status().queue.n_not_spoken, 19_999);
}

#[test]
fn of_too_many_lines_the_oldest_or_the_newest_are_dropped() {
    let lines: Vec<_> = (0..100).map(|n| format!("line {n}")).collect();
    let text = lines.join("\n") + "\n";
    // The first of them is made ready while the long line sounds.
    let cases: [(&str, &[&[String]]); 3] = [
        ("drop-oldest", &[&lines[..1], &lines[96..]]),
        ("drop-newest", &[&lines[..5]]),
        ("wait", &[&lines[..]]),
    ];
    for (overflow, kept) in cases {
        let mut rig = watched(&format!("overflow = \"{overflow}\"\nmax_waiting = 5\n"));
        behind_a_long_line(&rig, &text);
        rig.wait_idle();
        let spoken = with(&rig, Outcome::Spoken);
        let kept: Vec<_> = kept.concat();
        // Whether one was already made ready when the rest came is a matter of microseconds.
        let may_be =
            spoken[1..] == kept[..] || (overflow == "drop-oldest" && spoken[1..] == lines[95..]);
        assert!(may_be, "{overflow}: {spoken:?}");
        assert_eq!(with(&rig, Outcome::Dropped).len(), 101 - spoken.len(), "{overflow}");
        rig.append("a.log", "after\n");
        rig.wait_idle();
        assert_eq!(with(&rig, Outcome::Spoken).last().unwrap(), "after", "{overflow}");
        rig.restart();
        rig.wait_idle();
        assert_eq!(rig.outcomes(), [], "{overflow}: what was dropped stays dropped");
    }
}

#[test]
fn a_flood_is_dropped_in_the_file_and_takes_no_memory() {
    let rig =
        watched("overflow = \"drop-newest\"\nmax_waiting = 3\ninclude = [\"wanted\", \"^aaa\"]\n");
    behind_a_long_line(&rig, "wanted\n");
    rig.append("a.log", &"not of interest\n".repeat(50_000));
    rig.append("a.log", &"wanted\n".repeat(5_000));
    rig.append("a.log", &"not of interest\n".repeat(50_000));
    rig.wait_idle();
    let status = rig.status();
    assert_eq!(status.queue.n_spoken + status.queue.n_not_spoken, 5_002);
    assert!(status.queue.n_spoken <= 6, "{}", status.queue.n_spoken);
}

#[test]
fn what_comes_too_fast_is_dropped() {
    let rig = watched("max_lines_per_minute = 3\n");
    for n in 0..5 {
        rig.append("a.log", &format!("line {n}\n"));
        rig.wait_idle();
    }
    assert_eq!(with(&rig, Outcome::Spoken), ["line 0", "line 1", "line 2"]);
    assert_eq!(with(&rig, Outcome::Dropped), ["line 3", "line 4"]);
}

#[test]
fn a_line_grows_old_in_the_file_as_well() {
    let mut rig = watched("max_age_secs = 1.5\n[queue]\ncapacity = 1\n");
    rig.card.set_broken(true);
    // More than the queue and the look-ahead take: the last lines are not read.
    rig.append("a.log", &format!("{}\n", "a".repeat(240)).repeat(20));
    rig.wait_until("a full queue", |status| status.queue.n_ordinary == 1);
    std::thread::sleep(Duration::from_millis(1_600));
    rig.append("a.log", "fresh\n");
    rig.card.set_broken(false);
    rig.wait_idle();
    assert_eq!(with(&rig, Outcome::Spoken).last().unwrap(), "fresh");
    assert!(with(&rig, Outcome::Expired).len() > 10, "{:?}", rig.outcomes());
    // What was written while the daemon was down is as old as the file.
    rig.stop().unwrap();
    rig.append("a.log", "old\n");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(60);
    let file = std::fs::File::options().write(true).open(rig.path("a.log")).unwrap();
    file.set_modified(long_ago).unwrap();
    rig.restart_stopped();
    rig.wait_idle();
    assert_eq!(rig.outcomes(), [("old".to_owned(), Outcome::Expired)]);
}

#[test]
fn a_watch_may_keep_its_lines_for_ever_where_others_grow_old() {
    let rig = Rig::start_with(
        "[queue]\nmax_age_secs = 0.2\n[[watch]]\npath = \"$HOME/a.log\"\n\
         [[watch]]\npath = \"$HOME/b.log\"\nmax_age_secs = 0\n",
        "tone",
        20.0,
    );
    rig.say(&"a".repeat(240)); // half a second
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    for _ in 0..20 {
        rig.say(&"b".repeat(240));
    }
    rig.append("a.log", "old\n");
    rig.append("b.log", "kept\n");
    rig.wait_idle();
    let of: BTreeMap<_, _> = rig.outcomes().into_iter().collect();
    assert_eq!((of["old"], of["kept"]), (Outcome::Expired, Outcome::Spoken));
}

#[test]
fn what_came_while_the_daemon_was_down_is_read_skipped_or_announced() {
    let lines = (0..40).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    for (backlog, expected) in [
        ("read", (0..40).map(|n| format!("line {n}")).collect::<Vec<_>>()),
        ("skip", Vec::new()),
        ("announce", vec!["forty lines waiting in a dot log".to_owned()]),
    ] {
        let mut rig = watched(&format!("backlog = \"{backlog}\"\n"));
        rig.append("a.log", "first\n");
        rig.wait_idle();
        rig.stop().unwrap();
        rig.append("a.log", &lines);
        rig.restart_stopped();
        rig.append("a.log", "after\n");
        rig.wait_idle();
        let mut expected = expected;
        expected.push("after".to_owned());
        assert_eq!(with(&rig, Outcome::Spoken), expected, "{backlog}");
        rig.restart();
        rig.wait_idle();
        assert_eq!(rig.outcomes(), [], "{backlog}");
    }
}

#[test]
fn an_announcement_that_was_not_heard_comes_again() {
    let mut rig = watched("backlog = \"announce\"\n[limits]\nshutdown_secs = 0.5\n");
    rig.append("a.log", "first\n");
    rig.wait_idle();
    rig.stop().unwrap();
    rig.append("a.log", "one\ntwo\n");
    rig.card.set_broken(true);
    rig.restart_stopped();
    rig.wait_until("it to wait", |status| status.queue.n_open == 1);
    rig.stop().unwrap();
    rig.append("a.log", "three\n");
    rig.card.set_broken(false);
    rig.restart_stopped();
    rig.wait_idle();
    assert_eq!(with(&rig, Outcome::Spoken), ["three lines waiting in a dot log"]);
}

#[test]
fn a_clear_reaches_what_a_policy_holds_back() {
    let rig = watched("fold = true\noverflow = \"drop-oldest\"\nmax_waiting = 50\n");
    behind_a_long_line(&rig, &"again\n".repeat(100));
    rig.ask(&Request::Clear(Clear::default()));
    rig.wait_idle();
    rig.append("a.log", "after\n");
    rig.wait_idle();
    assert_eq!(with(&rig, Outcome::Spoken), ["after"]);
}
