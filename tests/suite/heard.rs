//! Append, and hear: order, lanes, skip, clear, pause, misbehaving engines, a card that goes away.

use speakerd::control::client::ClientError;
use speakerd::control::protocol::{Clear, RefusalCode, Replay, Request, Response, Say};
use speakerd::speech::{Lane, Outcome};

use crate::support::rig::Rig;

fn say(text: &str) -> Say {
    Say { text: text.to_owned(), ..Say::default() }
}

fn spoken(texts: &[&str]) -> Vec<(String, Outcome)> {
    texts.iter().map(|text| ((*text).to_owned(), Outcome::Spoken)).collect()
}

#[test]
fn appended_lines_are_heard_once_each_in_order() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/a.txt\"\n");
    rig.append("a.txt", "one two\nthree");
    rig.append("a.txt", " four\n\n  \nfive\n");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["one two", "three four", "five"]);
    assert_eq!(rig.outcomes(), spoken(&["one two", "three four", "five"]));
}

#[test]
fn an_old_text_is_not_read_out() {
    let rig = Rig::start("");
    rig.append("a.txt", "history\n");
    rig.watch("a.txt");
    rig.append("a.txt", "new\n");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["new"]);
}

#[test]
fn files_are_read_in_the_order_of_their_lines() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/*.txt\"\n");
    let mut expected = Vec::new();
    for n in 0..6 {
        let line = format!("line{n}");
        rig.append(if n % 2 == 0 { "b.txt" } else { "a.txt" }, &format!("{line}\n"));
        expected.push(line);
        // looked at before the next one is written
        rig.wait_until("the look", |status| {
            status.queue.n_open + usize::try_from(status.queue.n_spoken).unwrap() > n
        });
    }
    rig.wait_idle();
    assert_eq!(rig.heard(), expected);
}

#[test]
fn the_important_lane_goes_before_what_has_not_begun_to_sound() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/alarm.txt\"\npriority = \"important\"\n");
    rig.say("first of all of these");
    rig.wait_until("the first to sound", |status| status.playback.speaking.is_some());
    for text in ["second", "third"] {
        rig.say(text);
    }
    rig.say_with(Say { priority: Lane::Important, ..say("alarm") });
    rig.append("alarm.txt", "fire\n");
    rig.wait_idle();
    let heard = rig.heard();
    assert_eq!(heard[0], "first of all of these");
    assert_eq!(heard[heard.len() - 2..], ["second", "third"], "{heard:?}");
    assert_eq!(heard.len(), 5);
}

#[test]
fn something_important_goes_before_a_long_line_that_waits_half_made() {
    let rig = Rig::start("");
    rig.say("sounding now and for a while yet");
    rig.wait_until("the first to sound", |status| status.playback.speaking.is_some());
    let long = "x".repeat(249);
    rig.say(&long); // ten seconds: more than the look-ahead
    rig.say_with(Say { priority: Lane::Important, ..say("alarm") });
    rig.wait_idle();
    assert_eq!(rig.heard(), ["sounding now and for a while yet", "alarm", &long]);
}

#[test]
fn an_interruption_skips_what_sounds_and_loses_nothing_else() {
    let rig = Rig::start("");
    rig.say(&"a".repeat(200));
    rig.say("next");
    rig.wait_until("the first to sound", |status| status.playback.speaking.is_some());
    rig.say_with(Say { interrupt: true, ..say("door") });
    rig.wait_idle();
    let outcomes: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Spoken, Outcome::Spoken]);
    let heard = rig.heard();
    assert!(heard[0].len() < 200);
    assert_eq!(heard[1..], ["door", "next"]);
}

#[test]
fn a_skip_hits_what_sounds_and_nothing_else() {
    let rig = Rig::start("");
    assert_eq!(rig.refused(&Request::Skip), RefusalCode::NothingToSkip);
    rig.say(&"a".repeat(200));
    rig.say("next");
    let id = rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    let id = id.playback.speaking.unwrap().id;
    assert_eq!(rig.ask(&Request::Skip), Response::Skipped { id });
    rig.wait_idle();
    let outcomes: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Spoken]);
    assert_eq!(rig.heard().last().unwrap(), "next");
}

#[test]
fn a_clear_drops_everything_and_a_cleared_source_only_its_own() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/noisy.txt\"\n");
    let noisy = rig.path("noisy.txt").display().to_string();
    rig.append("noisy.txt", &format!("{}\nmore\n", "a".repeat(200)));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.say("calm");
    rig.ask(&Request::Clear(Clear { source: Some(noisy) }));
    rig.wait_idle();
    let outcomes: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Cleared, Outcome::Cleared, Outcome::Spoken]);
    for _ in 0..5 {
        rig.say("gone");
    }
    rig.ask(&Request::Clear(Clear::default()));
    rig.say("after");
    rig.wait_idle();
    assert_eq!(rig.outcomes().last().unwrap(), &("after".to_owned(), Outcome::Spoken));
    assert_eq!(rig.heard().last().unwrap(), "after");
    let unknown = Clear { source: Some("/nowhere".to_owned()) };
    assert_eq!(rig.refused(&Request::Clear(unknown)), RefusalCode::UnknownSource);
}

#[test]
fn a_pause_holds_and_a_resume_goes_on_without_a_loss() {
    let rig = Rig::start("");
    rig.say("abcdefghijklmnopqrstuvwxyz0123456789");
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.ask(&Request::Pause);
    assert!(rig.status().playback.paused);
    let begun = rig.card.n_pulled();
    while rig.card.n_pulled() < begun + 48_000 {
        std::thread::yield_now();
    }
    rig.ask(&Request::Resume);
    rig.wait_idle();
    // The letter in which it was held is heard in two parts.
    let mut heard: Vec<char> = rig.heard().concat().replace(' ', "").chars().collect();
    heard.dedup();
    assert_eq!(heard.iter().collect::<String>(), "abcdefghijklmnopqrstuvwxyz0123456789");
}

#[test]
fn a_muted_line_is_spoken_unheard() {
    let rig = Rig::start("");
    rig.ask(&Request::Mute);
    rig.say("unheard");
    rig.wait_idle();
    rig.ask(&Request::Unmute);
    rig.say("heard");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["heard"]);
    assert_eq!(rig.outcomes(), spoken(&["unheard", "heard"]));
}

#[test]
fn the_last_things_are_said_again() {
    let rig = Rig::start("");
    assert_eq!(rig.refused(&Request::Replay(Replay { n: 1 })), RefusalCode::NothingToReplay);
    for text in ["one", "two", "three"] {
        rig.say(text);
    }
    rig.wait_idle();
    rig.ask(&Request::Replay(Replay { n: 2 }));
    rig.wait_idle();
    assert_eq!(rig.heard(), ["one", "two", "three", "two", "three"]);
}

#[test]
fn a_backlog_stays_in_the_file_and_a_full_queue_refuses() {
    let rig = Rig::start("[queue]\ncapacity = 2\n[[watch]]\npath = \"$HOME/a.txt\"\n");
    rig.card.set_broken(true);
    let lines = (0..5_000).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    rig.append("a.txt", &lines);
    let status = rig.wait_until("a full queue", |status| status.queue.n_ordinary == 2);
    assert!(status.queue.n_open < 400, "{}", status.queue.n_open);
    // The look-ahead takes some of them first.
    let request = Request::Say(say("no room"));
    let answers: Vec<_> = (0..200).map(|_| rig.try_ask(&request)).collect();
    let n_accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.into_iter().find_map(Result::err).expect("two hundred do not fit");
    let ClientError::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!(refusal.code, RefusalCode::QueueFull);
    rig.say_with(Say { priority: Lane::Important, ..say("room of its own") });
    let n_open = rig.status().queue.n_open;
    assert!(n_open < 400 + n_accepted, "what was refused does not count: {n_open}");
    assert_eq!(rig.outcomes(), [], "nor is it reported");
    rig.ask(&Request::Clear(Clear::default()));
}

#[test]
fn a_line_without_anything_to_say_is_dropped_with_a_reason() {
    let rig = Rig::start("");
    rig.say("🎉 !!!");
    rig.wait_idle();
    let entry = &rig.history()[0];
    assert_eq!(entry.outcome, Outcome::Dropped);
    assert!(entry.reason.as_ref().unwrap().contains("nothing"));
}

#[test]
fn a_line_that_waited_too_long_expires() {
    let rig = Rig::start_with("[queue]\nmax_age_secs = 0.3\n", "tone", 1.0);
    rig.say(&"a".repeat(150)); // six seconds: more than the look-ahead
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.say("too late");
    rig.wait_until("the outcome", |status| status.queue.n_ordinary == 0);
    rig.ask(&Request::Skip);
    rig.wait_idle();
    assert_eq!(rig.outcomes()[1], ("too late".to_owned(), Outcome::Expired));
}

#[test]
fn a_clear_reaches_what_waits_behind_a_gap_while_the_sound_is_held() {
    let rig = Rig::start_with("[audio]\ngap_ms = 2000\n", "tone", 5.0);
    rig.say("abc");
    rig.say("def");
    rig.wait_until("the gap", |status| status.queue.n_spoken == 1);
    rig.ask(&Request::Pause);
    rig.ask(&Request::Clear(Clear::default()));
    rig.wait_idle();
    assert_eq!(rig.outcomes()[1], ("def".to_owned(), Outcome::Cleared));
    rig.ask(&Request::Resume);
}

#[test]
fn lines_without_any_sound_do_not_pile_up_behind_a_held_one() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/a.txt\"\n");
    rig.say("abcdef");
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.ask(&Request::Pause);
    rig.append("a.txt", &"-----\n".repeat(5_000));
    rig.wait_until("a full queue", |status| status.queue.n_ordinary == 64);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let n_open = rig.status().queue.n_open;
    assert!(n_open < 400, "{n_open} lines were taken out of the file");
    rig.ask(&Request::Resume);
    rig.wait_idle();
    assert_eq!(rig.status().queue.n_not_spoken, 5_000);
}

#[test]
fn a_file_that_is_saved_in_place_is_not_read_again_and_a_rewritten_one_is_read_whole() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/a.txt\"\n");
    rig.append("a.txt", "one\ntwo\n");
    rig.wait_idle();
    for n in 0..20 {
        // as editors do: truncate, write all, with a line more
        let text = std::fs::read_to_string(rig.path("a.txt")).unwrap() + &format!("line{n}\n");
        std::fs::write(rig.path("a.txt"), text).unwrap();
        rig.wait_idle();
    }
    let heard = rig.heard();
    assert_eq!(heard.len(), 22, "{heard:?}");
    std::fs::write(rig.path("a.txt"), "uno\ndos\ntres\n").unwrap();
    rig.wait_idle();
    assert_eq!(rig.heard()[22..], ["uno", "dos", "tres"]);
}

#[test]
fn a_file_renamed_within_a_pattern_is_not_read_again() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/*.txt\"\n");
    rig.append("a.txt", "one\ntwo\n");
    rig.wait_idle();
    std::fs::rename(rig.path("a.txt"), rig.path("b.txt")).unwrap();
    rig.append("b.txt", "three\n");
    // Until the old name is given up, the file is read under it.
    rig.wait_until("the new name", |status| {
        status.watch.files.iter().map(|file| file.path.ends_with("b.txt")).eq([true])
    });
    rig.append("b.txt", "four\n");
    rig.wait_idle();
    assert_eq!(rig.heard(), ["one", "two", "three", "four"]);
}

#[test]
fn a_clear_reaches_what_still_waits_in_the_files() {
    let mut rig =
        Rig::start("[[watch]]\npath = \"$HOME/flood.txt\"\n[[watch]]\npath = \"$HOME/calm.txt\"\n");
    let flood = "a flood of lines\n".repeat(10_000);
    rig.append("flood.txt", &flood);
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.append("calm.txt", "calm\n");
    let source = Some(rig.path("flood.txt").display().to_string());
    rig.ask(&Request::Clear(Clear { source }));
    rig.wait_idle();
    assert_eq!(rig.outcomes().last().unwrap(), &("calm".to_owned(), Outcome::Spoken));
    rig.append("flood.txt", &flood);
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.ask(&Request::Clear(Clear::default()));
    rig.append("flood.txt", "after\n");
    rig.wait_idle();
    assert_eq!(rig.heard().last().unwrap(), "after");
    let n_spoken = rig.status().queue.n_spoken;
    assert!(n_spoken < 20, "{n_spoken}");
    rig.restart();
    rig.wait_idle();
    assert_eq!(rig.outcomes(), [], "what was cleared stays cleared");
}

#[test]
fn a_pause_in_a_text_is_silence_of_that_length() {
    let rig = Rig::start("");
    rig.say("ab [pause 700ms] cd");
    rig.wait_idle();
    rig.say("ab cd");
    rig.wait_idle();
    let lengths: Vec<_> = rig.history().iter().map(|entry| entry.audio_secs).collect();
    let difference = lengths[0] - lengths[1];
    assert!((0.55..0.8).contains(&difference), "{lengths:?}");
    assert_eq!(rig.history()[0].spoken_text.as_deref(), Some("ab cd"));
}
