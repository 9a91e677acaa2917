//! Memory that comes back: idle unload, `unload`, `load`, while the socket answers.

use speakerd::control::protocol::{Load, Request};

use crate::support::program::Home;
use crate::support::rig::Rig;

#[test]
fn an_idle_engine_is_unloaded_and_loaded_again_by_the_next_line() {
    let rig = Rig::start("[engine]\nidle_unload_secs = 0.1\n");
    for round in 1..=3 {
        rig.say("abc");
        rig.wait_idle();
        let status = rig.wait_until("the unload", |status| status.engine.n_unloads == round);
        assert_eq!((status.engine.loaded.len(), status.engine.n_loads), (0, round));
    }
    assert_eq!(rig.heard(), ["abc"; 3]);
}

#[test]
fn a_watch_keeps_its_voice_for_longer_than_usual_and_nobody_shortens_that() {
    let watch = "[[watch]]\npath = \"$HOME/usual.txt\"\n[[watch]]\npath = \"$HOME/kept.txt\"\nkeep_loaded_secs = 3600.0\n";
    let rig = Rig::start(&format!("{watch}[engine]\nidle_unload_secs = 0.2\n"));
    rig.append("usual.txt", "abc\n");
    rig.wait_until("the unload", |status| status.engine.n_unloads == 1);
    rig.append("kept.txt", "def\n");
    rig.wait_idle();
    rig.append("usual.txt", "ghi\n");
    rig.wait_idle();
    std::thread::sleep(std::time::Duration::from_millis(700)); // several times the usual time
    assert_eq!(rig.status().engine.n_unloads, 1);
    // Asked for, it is unloaded all the same.
    rig.ask(&Request::Unload);
    rig.wait_until("the unload", |status| status.engine.n_unloads == 2);
}

#[test]
fn an_unload_during_speech_waits_for_its_end() {
    let rig = Rig::start("");
    rig.say(&"a".repeat(200));
    rig.wait_until("it to sound", |status| status.playback.speaking.is_some());
    rig.ask(&Request::Unload);
    rig.wait_idle();
    rig.wait_until("the unload", |status| status.engine.loaded.is_empty());
    assert_eq!(rig.heard(), ["a".repeat(200)]);
}

#[test]
fn a_load_makes_the_voice_ready() {
    let rig = Rig::start("");
    rig.ask(&Request::Load(Load { voice: Some("rms".to_owned()) }));
    rig.wait_until("the load", |status| status.engine.loaded == ["tone"]);
}

/// Three cycles at least: glibc gives the first one's memory back by itself.
#[cfg(feature = "builtin")]
#[test]
fn the_builtin_voices_give_their_memory_back_every_time() {
    let home = Home::new("[audio]\noutput = \"null\"\nnull_speed = 0.0\n");
    let _daemon = home.start();
    let resident_mb = || {
        let status: serde_json::Value =
            serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
        (
            status["daemon"]["resident_bytes"].as_f64().unwrap() / 1e6,
            status["engine"]["n_unloads"].as_u64().unwrap(),
        )
    };
    let (before, _) = resident_mb();
    let mut after = Vec::new();
    for round in 1..=5 {
        for voice in ["rms", "slt"] {
            let text = "A sentence that is long enough to need some memory. And another one, to be sure of it.";
            home.ok(&["say", "--wait", "--voice", voice, text]);
        }
        home.ok(&["unload"]);
        let begun = std::time::Instant::now();
        while resident_mb().1 < round {
            assert!(begun.elapsed().as_secs() < 60, "no unload: {}", home.log());
        }
        after.push(resident_mb().0);
    }
    assert!(after.iter().all(|after| *after < before + 32.0), "{before} MB, then {after:?}");
    assert!(after[4] < after[0] + 3.0, "it grows: {after:?}");
}
