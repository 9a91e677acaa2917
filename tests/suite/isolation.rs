//! Engines that hang, crawl, panic, leave, swallow memory and talk nonsense, on a thread and in a process of their own:
//! each line has its outcome in time, and the next one is spoken.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use speakerd::engine::registry::{Choice, EngineId, Places};
use speakerd::engine::worker::wire::Order;
use speakerd::engine::worker::{Confinement, WorkerEngine};
use speakerd::engine::{Engine, EngineError};
#[cfg(feature = "http")]
use speakerd::engine::{Prosody, Speech};

use crate::support::contract::check_engine;
use crate::support::program::Home;
#[cfg(feature = "http")]
use crate::support::speech_server::{ScriptedServer, Turn};

const NULL: &str = "[audio]\noutput = \"null\"\nnull_speed = 20.0\n";

fn home(engine: &str, limits: &str) -> Home {
    Home::new(&format!("{NULL}[engine]\nvoice = \"faulty:fine\"\n{engine}\n[limits]\n{limits}\n"))
}

fn status(home: &Home) -> Value {
    serde_json::from_str(&home.ok(&["status", "--json"])).unwrap()
}

/// Waits until the status is as wished.
fn wait_until(home: &Home, what: &str, wished: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = status(home);
        if wished(&status) {
            return status;
        }
        assert!(begun.elapsed().as_secs() < 60, "{what} does not come: {status}\n{}", home.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says something and waits for what became of it; the status of `say` tells only whether it was spoken.
fn say(home: &Home, voice: &str, text: &str) -> (String, String) {
    home.run(&["say", "--wait", "--voice", voice, text]);
    let entry = home.history().pop().unwrap();
    let reason = entry["reason"].as_str().unwrap_or_default().to_owned();
    (entry["outcome"].as_str().unwrap().to_owned(), reason)
}

fn pid_of_engine(home: &Home) -> Option<u32> {
    let pid = status(home)["engine"]["processes"][0]["pid"].as_u64()?;
    Some(u32::try_from(pid).unwrap())
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn wait_for_end(number: u32) {
    let begun = Instant::now();
    while test_kill_process(pid(number)).is_ok() {
        assert!(begun.elapsed().as_secs() < 20, "{number} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(feature = "builtin")]
#[test]
fn an_engine_in_a_process_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    for (engine, voice) in [("builtin", "rms"), ("faulty", "faulty:fine")] {
        let mut worker = worker(engine, directory.path());
        if engine == "builtin" {
            check_engine(&mut worker, voice);
        }
        let error = worker.embed("nobody").err().unwrap();
        assert!(matches!(error, EngineError::CannotClone { .. }), "{error}");
    }
}

#[cfg(feature = "http")]
#[test]
fn a_speech_server_can_be_asked_from_a_process() {
    let server = ScriptedServer::start();
    let places = Places::below(Path::new("/nowhere"));
    let choice = Choice { server: Some(server.settings().into()), ..Choice::default() };
    let order = Order { places, choice, engine: "remote".to_owned(), model: None };
    let program = Path::new(env!("CARGO_BIN_EXE_speakerd"));
    let id = EngineId::new("remote");
    let mut worker =
        WorkerEngine::start_with(program, &order, &id, &Confinement::default()).unwrap();
    check_engine(&mut worker, "alloy");
    // What kind of a failure it is, is told here as well.
    server.script(&[Turn::Say(401, "", "{}".to_owned())]);
    let prosody = Prosody::default();
    let speech = Speech { text: "Tea.", voice: "alloy", prosody, seed: 1 };
    let mut stream = worker.begin(&speech).unwrap();
    let error = loop {
        match stream.next_chunk() {
            Ok(chunk) => assert!(chunk.is_some_and(|chunk| chunk.samples.is_empty())),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
}

#[cfg(feature = "builtin")]
fn worker(engine: &'static str, directory: &Path) -> WorkerEngine {
    let places = Places::below(directory);
    let order = Order { places, choice: Choice::default(), engine: engine.to_owned(), model: None };
    let program = Path::new(env!("CARGO_BIN_EXE_speakerd"));
    let id = EngineId::new(engine);
    WorkerEngine::start_with(program, &order, &id, &Confinement::default()).unwrap()
}

/// What each fault comes to: the voice, the outcome, a word of the reason, and whether the engine was lost with it.
const EITHER: [(&str, &str, &str, bool); 6] = [
    ("faulty:error@3", "failed", "told to fail", false),
    ("faulty:nan@3", "failed", "no numbers", true),
    ("faulty:long@3", "failed", "more sound at once", true),
    ("faulty:babble@1", "timed-out", "its text is shorter", false),
    ("faulty:crawl@2", "timed-out", "limits.piece_deadline_secs", false),
    ("faulty:load-panic", "spoken", "rms speaks instead", false),
];

#[cfg(feature = "builtin")]
#[test]
fn whatever_an_engine_does_the_line_has_its_outcome_and_the_next_one_is_spoken() {
    for isolation in ["thread", "process"] {
        let home = home(&format!("isolation = \"{isolation}\""), "piece_deadline_secs = 0.8");
        let _daemon = home.start();
        for (voice, outcome, reason, _) in EITHER {
            let (was, why) = say(&home, voice, "abcdefghij");
            assert_eq!(was, outcome, "{isolation} {voice}: {why}");
            assert!(why.contains(reason), "{isolation} {voice}: {why}");
            assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken", "{isolation}, after {voice}");
        }
        let n_lost = EITHER.iter().filter(|(_, _, _, is_lost)| *is_lost).count();
        let status = status(&home);
        assert_eq!(status["engine"]["isolation"], isolation);
        // Loading that panics is a breakdown as well.
        assert_eq!(status["engine"]["n_failures"], n_lost + 1, "{isolation}: {}", home.log());
        assert_eq!(status["engine"]["failing"], serde_json::json!([]));
    }
}

#[test]
fn a_process_that_dies_hangs_or_swallows_memory_costs_one_line_each_time() {
    let engine = "isolation = \"process\"\nmemory_limit_mb = 200\nfallback = \"none\"";
    let home = home(engine, "hang_secs = 3.0\nload_secs = 5.0");
    let mut daemon = home.start();
    for (voice, outcome, reason) in [
        ("faulty:panic@3", "failed", "exit status: 101"),
        ("faulty:exit@3", "failed", "exit status: 7"),
        ("faulty:bloat@3", "failed", "more than 200 MB"),
        ("faulty:hang@3", "timed-out", "made no sound for 3 s"),
        ("faulty:hang@0", "timed-out", "made no sound for 3 s"),
        ("faulty:load-hang", "timed-out", "made no sound"),
        ("faulty:load-exit", "failed", "exit status: 7"),
    ] {
        assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
        let before = pid_of_engine(&home);
        let begun = Instant::now();
        let (was, why) = say(&home, voice, "abcdefghij");
        assert_eq!(was, outcome, "{voice}: {why}");
        assert!(why.contains(reason), "{voice}: {why}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(15), "{voice} took {took:?}");
        assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken", "after {voice}");
        if !voice.contains("load") {
            wait_for_end(before.unwrap());
        }
    }
    let resident = status(&home)["daemon"]["resident_bytes"].as_f64().unwrap() / 1e6;
    assert!(resident < 60.0, "the daemon itself has {resident} MB");
    // The process ends with the daemon, whatever ends that, and whatever it is doing.
    home.ok(&["say", "--voice", "faulty:hang@2", "abcdefghij"]);
    let hanging = wait_until(&home, "the hang", |status| status["queue"]["n_open"] == 1);
    let engine = hanging["engine"]["processes"][0]["pid"].as_u64().unwrap();
    daemon.end_with(Signal::KILL);
    wait_for_end(u32::try_from(engine).unwrap());
}

#[test]
fn a_hang_in_a_process_can_be_skipped_and_does_not_keep_the_daemon_from_ending() {
    let home = home("isolation = \"process\"", "hang_secs = 60.0");
    let mut daemon = home.start();
    home.ok(&["say", "--voice", "faulty:hang@3", "abcdefghij"]);
    home.ok(&["say", "--voice", "faulty:fine", "abc"]);
    let hanging = |status: &Value| status["playback"]["speaking"]["id"] == 1;
    let first = wait_until(&home, "the hang", hanging)["engine"]["processes"][0]["pid"].clone();
    let begun = Instant::now();
    home.ok(&["skip"]);
    home.ok(&["wait-idle"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let outcomes: Vec<_> = home.history().iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes, ["skipped", "spoken"]);
    assert_ne!(status(&home)["engine"]["processes"][0]["pid"], first);
    home.ok(&["say", "--voice", "faulty:hang@3", "abcdefghij"]);
    wait_until(&home, "the hang", |status| status["playback"]["speaking"]["id"] == 3);
    let engine = pid_of_engine(&home).unwrap();
    assert!(daemon.end_with(Signal::TERM).success(), "{}", home.log());
    wait_for_end(engine);
}

#[test]
fn a_process_that_is_killed_from_outside_is_replaced() {
    let home = home("isolation = \"process\"\nfallback = \"none\"", "");
    let _daemon = home.start();
    assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
    // While nothing is asked of it: nobody notices but the log.
    let first = pid_of_engine(&home).unwrap();
    kill_process(pid(first), Signal::KILL).unwrap();
    assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
    let second = pid_of_engine(&home).unwrap();
    assert_ne!(second, first);
    assert_eq!(status(&home)["engine"]["n_restarts"], 1);
    // While it speaks: that line.
    home.ok(&["say", "--voice", "faulty:hang@5", "abcdefghij"]);
    wait_until(&home, "the speech", |status| status["playback"]["speaking"]["id"] == 3);
    kill_process(pid(second), Signal::KILL).unwrap();
    home.ok(&["wait-idle"]);
    let entry = home.history().pop().unwrap();
    assert_eq!(entry["outcome"], "failed");
    assert!(entry["reason"].as_str().unwrap().contains("signal: 9"), "{entry}");
    assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
}

#[test]
fn unload_ends_the_process_and_load_starts_it_before_it_is_needed() {
    let home = home("isolation = \"process\"", "");
    let _daemon = home.start();
    home.ok(&["load"]);
    wait_until(&home, "the engine", |status| status["engine"]["loaded"][0] == "faulty");
    let engine = pid_of_engine(&home).unwrap();
    assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
    assert_eq!(status(&home)["engine"]["n_loads"], 1);
    assert!(home.ok(&["status"]).contains(&format!("{engine} of faulty")));
    home.ok(&["unload"]);
    wait_until(&home, "the unload", |status| status["engine"]["n_unloads"] == 1);
    wait_for_end(engine);
    assert_eq!(status(&home)["engine"]["processes"], serde_json::json!([]));
}

#[cfg(feature = "builtin")]
#[test]
fn an_engine_that_fails_three_times_in_a_row_is_replaced_for_a_while() {
    for isolation in ["thread", "process"] {
        let home = home(&format!("isolation = \"{isolation}\""), "");
        let _daemon = home.start();
        for _ in 0..3 {
            assert_eq!(say(&home, "faulty:panic@3", "abcdefghij").0, "failed");
        }
        let (was, why) = say(&home, "faulty:fine", "abc");
        assert_eq!(was, "spoken", "{isolation}");
        let spoken_by = home.history().pop().unwrap()["spoken_voice"].clone();
        assert_eq!(spoken_by, "rms", "{isolation}");
        assert!(
            why.contains("failed 3 times in a row") && why.contains("rms speaks instead"),
            "{why}"
        );
        let failing = status(&home)["engine"]["failing"][0].to_string();
        assert!(failing.contains("`faulty` failed 3 times in a row"), "{failing}");
        assert!(home.log().contains("failed 3 times in a row"));
        let doctor = home.run(&["doctor"]);
        let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(found.contains("failed 3 times in a row"), "{found}");
    }
}

#[test]
fn a_daemon_that_hangs_on_its_own_thread_saves_all_positions_and_starts_itself_anew() {
    let engine = "isolation = \"thread\"\nvoice = \"faulty:hang@3\"\nfallback = \"none\"";
    let watch = "[[watch]]\npath = \"$HOME/a.txt\"\nvoice = \"faulty:fine\"\n\
                 [[watch]]\npath = \"$HOME/b.txt\"\nvoice = \"faulty:hang@3\"\n";
    let limits = "[limits]\nhang_secs = 5.0\n";
    let home = Home::new(&format!("{watch}{NULL}[engine]\n{engine}\n{limits}"));
    let mut daemon = home.start();
    let before = status(&home);
    home.append("a.txt", "one\ntwo\n");
    home.ok(&["wait-idle"]);
    home.append("b.txt", "this one hangs\n");
    wait_until(&home, "the hang", |status| status["playback"]["speaking"]["id"] == 3);
    home.append("a.txt", "three\nfour\n");
    home.ok(&["say", "--voice", "faulty:fine", "five"]);
    home.ok(&["say", "--voice", "faulty:fine", "--priority", "important", "six"]);
    let begun = Instant::now();
    let after = loop {
        let answer = home.run(&["status", "--json"]);
        let status = serde_json::from_slice::<Value>(&answer.stdout).unwrap_or_default();
        if status["daemon"]["n_rescues"].as_u64() >= Some(1) {
            break status;
        }
        assert!(begun.elapsed().as_secs() < 30, "{}", home.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(after["daemon"]["pid"], before["daemon"]["pid"], "in its own place");
    assert!(after["daemon"]["last_rescue"].as_str().unwrap().contains("inference hangs"));
    home.ok(&["wait-idle"]);
    let mut said: Vec<_> =
        home.history().iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(said[0], "six", "important");
    said.sort();
    assert_eq!(said, ["five", "four", "six", "three"], "each of them once: {}", home.log());
    let log = home.log();
    assert!(log.contains("timed-out") && log.contains("the thread inference hangs"), "{log}");
    assert!(home.ok(&["status"]).contains("started itself anew once"));
    // It hangs as often as it is made to, and goes on each time; nothing is left over from the lives before.
    let n_descriptors = n_descriptors(&after);
    home.append("b.txt", "and this one, too\n");
    wait_for_rescues(&home, 2);
    home.ok(&["wait-idle"]);
    wait_until(&home, "the descriptors", |status| self::n_descriptors(status) <= n_descriptors);
    assert!(daemon.end_with(Signal::TERM).success(), "{}", home.log());
}

fn n_descriptors(status: &Value) -> usize {
    let directory = format!("/proc/{}/fd", status["daemon"]["pid"]);
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_line_that_hangs_behind_one_that_is_held_is_not_tried_again_and_what_is_held_stays_so() {
    // Short lines are spoken, long ones hang.
    let watch = "[[watch]]\npath = \"$HOME/a.txt\"\nvoice = \"faulty:hang@9\"\n";
    let engine = "[engine]\nisolation = \"thread\"\nfallback = \"none\"\n";
    let home = Home::new(&format!("{watch}{NULL}{engine}[limits]\nhang_secs = 3.0\n"));
    let _daemon = home.start();
    home.ok(&["pause"]);
    home.ok(&["volume", "0.5"]);
    home.append("a.txt", "short\nthis one hangs\nlast\n");
    wait_for_rescues(&home, 1);
    let after = status(&home);
    assert_eq!(
        (&after["playback"]["paused"], &after["playback"]["volume"]),
        (&true.into(), &0.5.into())
    );
    home.ok(&["resume"]);
    home.ok(&["wait-idle"]);
    let said = |entry: &Value| (entry["text"].clone(), entry["outcome"].clone());
    let said: Vec<_> = home.history().iter().map(said).collect();
    let wanted = [("short", "spoken"), ("this one hangs", "timed-out"), ("last", "spoken")];
    assert_eq!(said, wanted.map(|(text, outcome)| (text.into(), outcome.into())));
    assert_eq!(status(&home)["daemon"]["n_rescues"], 1, "{}", home.log());
}

#[test]
fn what_was_asked_for_is_said_after_a_rescue_also_where_files_fill_the_queue() {
    let watch = "[[watch]]\npath = \"$HOME/a.txt\"\n";
    let engine = "[engine]\nisolation = \"thread\"\nvoice = \"faulty:fine\"\nfallback = \"none\"\n";
    let queue = "[queue]\ncapacity = 2\n";
    let home = Home::new(&format!("{watch}{NULL}{engine}{queue}[limits]\nhang_secs = 3.0\n"));
    let _daemon = home.start();
    home.ok(&["say", "--voice", "faulty:hang@3", "abcdefghij"]);
    wait_until(&home, "the hang", |status| status["playback"]["speaking"]["id"] == 1);
    home.ok(&["say", "one"]);
    home.ok(&["say", "two"]);
    for n in 1..=20 {
        home.append("a.txt", &format!("line {n}\n"));
    }
    wait_for_rescues(&home, 1);
    wait_until(&home, "everything", |status| status["queue"]["n_spoken"] == 22);
    let texts: Vec<_> = home.history().iter().map(|it| it["text"].clone()).collect();
    for said in ["one", "two", "line 1", "line 20"] {
        assert_eq!(texts.iter().filter(|text| **text == said).count(), 1, "{said}: {texts:?}");
    }
}

fn wait_for_rescues(home: &Home, n_rescues: u64) {
    let begun = Instant::now();
    loop {
        let answer = home.run(&["status", "--json"]);
        let status = serde_json::from_slice::<Value>(&answer.stdout).unwrap_or_default();
        if status["daemon"]["n_rescues"].as_u64() >= Some(n_rescues) {
            return;
        }
        assert!(begun.elapsed().as_secs() < 60, "{}", home.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(feature = "builtin")]
#[test]
fn an_engine_that_hangs_the_daemon_three_times_in_a_row_is_replaced_for_a_while() {
    let home = home("isolation = \"thread\"", "hang_secs = 2.0");
    let _daemon = home.start();
    for n_rescues in 1..=3 {
        home.ok(&["say", "--voice", "faulty:hang@3", "abcdefghij"]);
        wait_for_rescues(&home, n_rescues);
        // Another engine that speaks in between makes this one no better.
        assert_eq!(say(&home, "rms", "One.").0, "spoken");
    }
    let (was, why) = say(&home, "faulty:hang@3", "abcdefghij");
    assert_eq!(was, "spoken", "{why}");
    assert!(why.contains("failed 3 times in a row") && why.contains("rms speaks instead"), "{why}");
}

#[test]
fn an_engine_that_swallows_memory_on_the_daemons_own_thread_is_given_up() {
    let engine = "isolation = \"thread\"\nmemory_limit_mb = 200\nfallback = \"none\"";
    let home = home(engine, "hang_secs = 120.0");
    let _daemon = home.start();
    home.ok(&["say", "--voice", "faulty:bloat@3", "abcdefghij"]);
    wait_for_rescues(&home, 1);
    assert_eq!(say(&home, "faulty:fine", "abc").0, "spoken");
    let status = status(&home);
    assert!(status["daemon"]["last_rescue"].as_str().unwrap().contains("more than 200 MB"));
    assert!(status["daemon"]["resident_bytes"].as_f64().unwrap() < 60e6);
}

#[cfg(feature = "builtin")]
#[test]
fn a_stop_never_loads_a_voice_in_order_to_end() {
    // Loading hangs here: a daemon that loaded it would not end in time.
    let home = home("isolation = \"thread\"", "load_secs = 60.0\nshutdown_secs = 2.0");
    let mut daemon = home.start();
    home.ok(&["pause"]);
    // More than is made ahead of what is heard: the engine waits in the middle of it.
    home.ok(&["say", "--voice", "rms", &"This one is held. ".repeat(20)]);
    wait_until(&home, "the voice", |status| status["engine"]["n_loads"] == 1);
    home.ok(&["say", "--voice", "faulty:load-hang", "abc"]);
    assert!(daemon.end_with(Signal::TERM).success(), "{}", home.log());
}
