//! Engines that misbehave and cards that go away cost as little as can be.

use speakerd::control::protocol::Say;
use speakerd::speech::{Lane, Outcome};
use speakerd::status::CardState;

use crate::support::rig::Rig;
use crate::support::virtual_card::RATE_HZ;

fn say(text: &str) -> Say {
    Say { text: text.to_owned(), ..Say::default() }
}

#[test]
fn an_engine_that_misbehaves_costs_one_line_each_time() {
    for (voice, outcome, reason) in [
        ("panic", Outcome::Failed, "the engine panicked"),
        ("fail", Outcome::Failed, "as it was told to"),
        ("endless", Outcome::TimedOut, "its text is shorter"),
    ] {
        let rig = Rig::start_with("", voice, 20.0);
        rig.say("abcdef");
        rig.say("ghijkl");
        rig.wait_idle();
        for entry in rig.history() {
            assert_eq!(entry.outcome, outcome, "{voice}");
            assert!(entry.reason.as_ref().unwrap().contains(reason), "{entry:?}");
        }
        let status = rig.status();
        assert_eq!((status.queue.n_failed, status.queue.n_open), (2, 0), "{voice}");
        // A panic costs the engine as well, an error does not.
        assert_eq!(status.engine.n_loads, if voice == "panic" { 2 } else { 1 });
    }
}

#[test]
fn a_piece_that_takes_too_long_ends_the_line_and_the_next_one_is_tried() {
    let rig = Rig::start_with("[limits]\npiece_deadline_secs = 0.5\n", "crawl", 20.0);
    rig.say("this takes twenty milliseconds for each letter");
    rig.say("ab");
    rig.wait_idle();
    let outcomes: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::TimedOut, Outcome::Spoken]);
}

#[test]
fn a_long_line_is_spoken_to_its_end_because_each_piece_has_its_own_deadline() {
    let config = "[limits]\npiece_deadline_secs = 2.5\n[text]\nmax_piece_chars = 40\nskip_steps = [\"repeats\"]\n";
    let rig = Rig::start_with(config, "crawl", 20.0);
    rig.say("word ".repeat(40).trim());
    rig.wait_idle();
    assert_eq!(rig.outcomes()[0].1, Outcome::Spoken);
    assert!(rig.history()[0].audio_secs > 7.5, "to its end");
}

#[test]
fn a_voice_that_cannot_be_loaded_is_replaced_and_that_is_said() {
    let rig = Rig::start_with("", "missing", 10.0);
    rig.say("abc");
    rig.wait_idle();
    let entry = &rig.history()[0];
    assert_eq!((entry.outcome, entry.spoken_voice.as_deref()), (Outcome::Spoken, Some("tone")));
    for word in [entry.reason.clone(), rig.status().engine.degraded] {
        assert!(word.as_ref().unwrap().contains("install the package voices"), "{word:?}");
    }
    let strict = Rig::start_with("[engine]\nfallback = \"none\"\n", "missing", 10.0);
    strict.say("abc");
    strict.wait_idle();
    assert_eq!(strict.outcomes()[0].1, Outcome::Failed);
}

#[test]
fn a_card_that_goes_away_costs_nothing() {
    let rig = Rig::start("");
    rig.say("abcdefghijklmnopqrstuvwxyz0123456789");
    rig.say("next");
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.card.set_broken(true);
    rig.wait_until("the loss", |status| status.playback.card == CardState::Lost);
    rig.card.set_broken(false);
    rig.wait_idle();
    let heard = rig.heard();
    assert_eq!(heard[heard.len() - 2..], ["abcdefghijklmnopqrstuvwxyz0123456789", "next"]);
    assert_eq!(rig.card.n_opened(), 2);
    assert_eq!(rig.outcomes().len(), 2);
}

#[test]
fn a_card_that_takes_nothing_is_given_up_and_opened_anew() {
    let rig = Rig::start("");
    rig.say("abcdefghijklmnopqrstuvwxyz");
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.card.set_stalled(true);
    rig.wait_until("the loss", |status| status.playback.card == CardState::Lost);
    rig.card.set_stalled(false);
    rig.wait_idle();
    assert_eq!(rig.heard().last().unwrap(), "abcdefghijklmnopqrstuvwxyz");
}

#[test]
fn without_a_card_the_daemon_runs_says_so_and_keeps_the_lines() {
    let rig = Rig::start("[[watch]]\npath = \"$HOME/a.txt\"\n");
    rig.card.set_broken(true);
    rig.append("a.txt", "kept\n");
    let status = rig.wait_until("the word", |status| status.playback.card == CardState::Lost);
    assert!(status.playback.problem.unwrap().contains("unplugged"));
    assert_eq!(rig.outcomes(), []);
    rig.card.set_broken(false);
    rig.wait_idle();
    assert_eq!(rig.heard(), ["kept"]);
}

#[test]
fn something_important_is_heard_after_the_card_was_lost_in_the_middle_of_a_long_line() {
    let rig = Rig::start("");
    let long = "abcdefghij".repeat(25); // ten seconds: as much as the important lane may be ahead
    rig.say(&long);
    rig.say(&long);
    rig.wait_until("much of it", |_| rig.card.n_pulled() > RATE_HZ * 8);
    rig.card.set_broken(true);
    rig.wait_until("the loss", |status| status.playback.card == CardState::Lost);
    rig.say_with(Say { priority: Lane::Important, ..say("alarm") });
    rig.card.set_broken(false);
    rig.wait_idle();
    let heard = rig.heard();
    assert!(heard.contains(&"alarm".to_owned()), "{heard:?}");
    assert_eq!(rig.outcomes().len(), 3);
}
