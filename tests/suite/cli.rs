//! The real program, as people and scripts use it.

use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::program::{Home, lines};

const QUIET: &str = "[audio]\noutput = \"null\"\nnull_speed = 0.0\n";

#[cfg(feature = "builtin")]
#[test]
fn an_appended_line_becomes_a_wav_file_under_a_sorting_name() {
    let home = Home::new("[audio]\noutput = \"wav\"\nwav_dir = \"$HOME/wav\"\nnull_speed = 0.0\n");
    let file = home.path("a.txt");
    std::fs::write(&file, "history\n").unwrap();
    let _daemon = home.start_with(&["--watch", file.to_str().unwrap()]);
    home.append("a.txt", "The first line.\nThe second line, which is longer.\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    let mut names: Vec<_> =
        std::fs::read_dir(home.path("wav")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let lengths: Vec<_> =
        names.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert_eq!(lengths.len(), 2);
    assert!(lengths[1] > lengths[0] && lengths[0] > 12_000, "in speaking order: {lengths:?}");
    let loud = hound::WavReader::open(&names[0]).unwrap().into_samples::<i16>();
    assert!(loud.map(Result::unwrap).any(|sample| sample.unsigned_abs() > 3_000));
}

#[cfg(feature = "builtin")]
#[test]
fn the_history_tells_everything_about_a_line() {
    let home = Home::new(QUIET);
    let _daemon = home.start();
    home.ok(&["say", "--wait", "--voice", "slt", "Visit https://example.com/x today."]);
    let entry = &home.history()[0];
    for (key, value) in [
        ("seq", "1"),
        ("id", "1"),
        ("source", "\"control\""),
        ("text", "\"Visit https://example.com/x today.\""),
        ("spoken_text", "\"Visit link to example dot com today.\""),
        ("voice", "\"slt\""),
        ("spoken_voice", "\"slt\""),
        ("engine", "\"builtin\""),
        ("outcome", "\"spoken\""),
        ("reason", "null"),
    ] {
        assert_eq!(entry[key].to_string(), value, "{key}");
    }
    let time = |key: &str| humantime::parse_rfc3339(entry[key].as_str().unwrap()).unwrap();
    assert!(time("queued_at") <= time("started_at") && time("started_at") <= time("ended_at"));
    assert!(entry["first_audio_ms"].as_f64().unwrap() > 0.0);
    assert!(entry["audio_secs"].as_f64().unwrap() > 1.0);
}

#[test]
fn exit_codes_and_messages_tell_scripts_and_people_what_to_do() {
    let home = Home::new(QUIET);
    for command in ["status", "skip", "queue", "history", "shutdown"] {
        let (code, message) = home.fails(&[command]);
        assert_eq!(code, 3, "{command}");
        assert!(
            message.contains("no speakerd is running") && message.contains("speakerd run"),
            "{message}"
        );
    }
    assert!(home.ok(&["version"]).contains("no daemon is running"));
    assert_eq!(home.fails(&["nonsense"]).0, 2);
    let _daemon = home.start();
    assert_eq!(home.fails(&["skip"]).0, 4);
    let (code, message) = home.fails(&["say", "--voice", "nobody", "hello"]);
    assert_eq!(code, 4);
    assert!(
        message.contains("there is no voice `nobody`") && message.contains("espeak:"),
        "{message}"
    );
    assert_eq!(home.fails(&["volume", "3"]).0, 4);
    assert_eq!(home.fails(&["watch", "remove", "/nowhere"]).0, 4);
    let (code, message) = home.fails(&["watch", "add", "/dev/null"]);
    assert_eq!(code, 4);
    assert!(message.contains("/dev/null") && message.contains("not a regular file"), "{message}");
    home.ok(&["pause"]);
    home.ok(&["say", "hello"]);
    let (code, message) = home.fails(&["wait-idle", "--timeout", "0.2"]);
    assert_eq!(code, 5, "{message}");
    home.ok(&["clear"]);
    home.ok(&["resume"]);
    home.ok(&["wait-idle", "--timeout", "30"]);
}

#[test]
fn a_wrong_configuration_is_refused_with_file_key_and_reason() {
    let home = Home::new("[audio]\nvolume = 7.5\n");
    let file = home.path("speakerd.toml").display().to_string();
    for command in [&["run", "--config", &file][..], &["config", "check", &file]] {
        let (code, message) = home.fails(command);
        assert_eq!(code, 78);
        for part in [&file, "audio.volume", "7.5 is not between 0 and 2"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert!(home.ok(&["config", "path"]).contains("config/speakerd/speakerd.toml"));
    assert_eq!(home.ok(&["config", "default"]), speakerd::config::DEFAULT_FILE);
}

#[test]
fn a_second_daemon_is_refused_by_name() {
    let home = Home::new(QUIET);
    let daemon = home.start();
    let (code, message) = home.fails(&["run"]);
    assert_eq!(code, 1);
    let pid = daemon.child.id().to_string();
    assert!(message.contains("already running") && message.contains(&pid), "{message}");
    home.ok(&["status"]);
}

#[test]
fn a_pipe_is_spoken_line_by_line_and_waits_where_the_queue_is_full() {
    let home = Home::new(&format!("{QUIET}[queue]\ncapacity = 1\n"));
    let _daemon = home.start();
    let mut say = home.command(&["say", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = say.stdin.take().unwrap();
    input.write_all(b"one\n\ntwo \xff\n").unwrap();
    for n in 0..8 {
        writeln!(input, "line {n}").unwrap();
    }
    drop(input);
    assert!(say.wait().unwrap().success());
    home.ok(&["wait-idle", "--timeout", "30"]);
    let texts: Vec<_> =
        home.history().iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 10);
    assert_eq!(texts[..3], ["one", "two \u{fffd}", "line 0"]);
}

#[test]
fn a_follower_gets_the_ring_then_everything_and_the_last_outcome_of_a_stop() {
    let home = Home::new("[audio]\noutput = \"null\"\nnull_speed = 1.0\n");
    let mut daemon = home.start();
    home.ok(&["say", "--wait", "one"]);
    let mut follower = home.command(&["history", "--follow", "--json"]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = lines(&mut follower);
    let mut next = || serde_json::from_str::<serde_json::Value>(&followed.next().unwrap()).unwrap();
    assert_eq!(next()["text"], "one");
    home.ok(&["say", "two"]);
    home.ok(&["say", "three, which is still waiting when the daemon is told to stop"]);
    assert_eq!(next()["text"], "two");
    home.ok(&["say", "four"]);
    let status = daemon.end_with(Signal::TERM);
    assert!(status.success(), "{}", home.log());
    let rest: Vec<_> = std::iter::from_fn(|| followed.next()).collect();
    let rest: Vec<serde_json::Value> =
        rest.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<_> = rest.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [3, 4], "no gap, no repeat");
    assert_eq!(rest[1]["outcome"], "abandoned");
    assert!(follower.wait().unwrap().success());
}

#[test]
fn every_signal_and_request_to_stop_ends_the_daemon_cleanly_and_soon() {
    let home = Home::new(QUIET);
    for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
        let mut daemon = home.start();
        let begun = std::time::Instant::now();
        let status = if let Some(signal) = signal {
            daemon.end_with(signal)
        } else {
            home.ok(&["shutdown"]);
            daemon.wait()
        };
        assert!(status.success(), "{signal:?}: {}", home.log());
        assert!(begun.elapsed().as_secs() < 5, "{signal:?}");
        assert!(!home.path("run/speakerd/control.sock").exists());
    }
}

#[test]
fn watching_can_be_changed_while_the_daemon_runs() {
    let home = Home::new(QUIET);
    let _daemon = home.start();
    std::fs::create_dir(home.path("logs")).unwrap();
    home.append("logs/a.log", "history\n");
    let added = home.ok(&["watch", "add", "logs/*.log"]);
    assert!(added.contains("logs/a.log"), "{added}");
    home.append("logs/a.log", "one\n");
    home.append("logs/b.log", "a new file is read whole\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    let mut texts: Vec<_> = home.history().iter().map(|entry| entry["text"].to_string()).collect();
    texts.sort();
    assert_eq!(texts, ["\"a new file is read whole\"", "\"one\""]);
    assert_eq!(home.fails(&["watch", "add", "logs/*.log"]).0, 4, "watched already");
    home.ok(&["watch", "remove", "logs/*.log"]);
    assert_eq!(home.ok(&["watch", "list"]), "no file is watched\n");
    home.append("logs/a.log", "unheard\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    assert_eq!(home.history().len(), 2);
}

#[test]
fn what_is_private_is_closed_to_others_and_not_in_the_log() {
    use std::os::unix::fs::MetadataExt;
    let home = Home::new(QUIET);
    let _daemon = home.start_with(&["--watch", "a.txt"]);
    home.append("a.txt", "a secret\n");
    home.ok(&["wait-idle", "--timeout", "30"]);
    let mode = |name: &str| home.path(name).metadata().unwrap().mode() & 0o777;
    assert_eq!(mode("state/speakerd"), 0o700);
    assert_eq!(mode("state/speakerd/bookmarks.json"), 0o600);
    assert_eq!(mode("run/speakerd"), 0o700);
    assert_eq!(mode("run/speakerd/control.sock"), 0o600);
    assert!(home.log().contains("spoken"), "{}", home.log());
    assert!(!home.log().contains("secret"), "{}", home.log());
    assert!(
        !std::fs::read_to_string(home.path("state/speakerd/bookmarks.json"))
            .unwrap()
            .contains("secret")
    );
}

#[test]
fn an_espeak_voice_speaks_where_espeak_is_and_says_what_is_missing_where_not() {
    let home = Home::new(QUIET);
    let config = home.path("speakerd.toml");
    let mut without = home.command(&["run", "--config", config.to_str().unwrap()]);
    let mut daemon = without.env("PATH", "/nowhere").stderr(Stdio::null()).spawn().unwrap();
    while !home.run(&["status"]).status.success() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (code, message) = home.fails(&["say", "--voice", "espeak:de", "Guten Tag."]);
    assert_eq!(code, 4);
    assert!(message.contains("install the package espeak-ng"), "{message}");
    home.ok(&["shutdown"]);
    daemon.wait().unwrap();
    if crate::support::shared::program("espeak-ng", "espeak-ng").is_none() {
        return;
    }
    let _daemon = home.start();
    home.ok(&["say", "--wait", "--voice", "espeak:de", "Guten Tag."]);
    let entry = &home.history()[0];
    assert_eq!(
        (entry["engine"].as_str(), entry["spoken_voice"].as_str()),
        (Some("espeak"), Some("espeak:de"))
    );
}

#[test]
fn explain_shows_each_step_by_the_code_that_speaks() {
    let home = Home::new(
        "[[watch]]\npath = \"$HOME/chat.log\"\nformat = \"chat\"\nexclude = \"^!\"\nskip_steps = [\"english\"]\n",
    );
    let config = home.path("speakerd.toml");
    let config = config.to_str().unwrap();
    std::fs::create_dir_all(home.path("config/speakerd")).unwrap();
    let dictionary = home.path("config/speakerd/pronunciation.toml");
    std::fs::write(&dictionary, "[words]\nnginx = \"engine x\"\n").unwrap();
    let said =
        home.ok(&["explain", "12:03:44 nginx is at 91% [pause 1s] **now**", "--config", config]);
    let expected = "\
line        12:03:44 nginx is at 91% [pause 1s] **now**
stamps      nginx is at 91%
dictionary  engine x is at 91%
english     engine x is at ninety-one percent
markdown    now
spoken      engine x is at ninety-one percent
silence     1000 ms
spoken      now
";
    assert_eq!(said, expected);
    let chat = home.path("chat.log");
    let of_chat = |line: &str| {
        let arguments =
            ["explain", line, "--config", config, "--watch", chat.to_str().unwrap(), "--json"];
        serde_json::from_str::<serde_json::Value>(&home.ok(&arguments)).unwrap()
    };
    let explained = of_chat("<anna> 5 km");
    assert_eq!(explained["pieces"][0]["words"], "anna says 5 km");
    assert_eq!(explained["steps"][0]["step"], "format");
    assert!(of_chat("!command")["dropped"].as_str().unwrap().contains("exclude"));
    let (code, message) = home.fails(&["explain", "x", "--config", config, "--watch", "/nowhere"]);
    assert_eq!(code, 1);
    assert!(message.contains("/nowhere") && message.contains("chat.log"), "{message}");
    std::fs::write(&dictionary, "[words]\nnginx = 1\n").unwrap();
    let (_, message) = home.fails(&["explain", "x", "--config", config]);
    assert!(message.contains("pronunciation.toml"), "{message}");
}

#[test]
fn the_dictionary_is_read_again_while_the_daemon_runs_and_a_broken_one_is_told_of() {
    let home = Home::new(&format!("{QUIET}[text]\ndictionary = \"$HOME/words.toml\"\n"));
    let _daemon = home.start();
    let said = |words: Option<&str>| {
        if let Some(words) = words {
            std::fs::write(home.path("words.toml"), words).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1_050)); // it is asked once a second
        }
        home.ok(&["say", "--wait", "the cat"]);
        home.history().last().unwrap()["spoken_text"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(None), "the cat");
    assert_eq!(said(Some("[words]\ncat = \"feline\"\n")), "the feline");
    assert_eq!(said(Some("[words]\ncat = \n")), "the feline", "the last good one");
    let status = home.ok(&["status"]);
    assert!(status.contains("words.toml"), "{status}");
    assert_eq!(home.log().matches("words.toml").count(), 1, "told once");
    assert_eq!(said(Some("[words]\ncat = \"tiger\"\n")), "the tiger");
    assert!(!home.ok(&["status"]).contains("words.toml"));
}

/// What `doctor --json` found of that, as verdicts and words.
fn found(home: &Home, what: &str) -> Vec<(String, String)> {
    let output =
        home.run(&["doctor", "--config", home.path("speakerd.toml").to_str().unwrap(), "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let findings =
        lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |it: &serde_json::Value| it.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|it| it["what"] == what)
        .map(|it| {
            assert_eq!(
                it["verdict"] == "fine",
                it["way_out"].is_null(),
                "a way out of all that is not: {it}"
            );
            (text(&it["verdict"]), text(&it["found"]))
        })
        .collect()
}

#[test]
fn the_doctor_finds_what_keeps_one_from_hearing_a_line() {
    let home = Home::new(&format!(
        "{QUIET}[[watch]]\npath = \"$HOME/a.log\"\n[[watch]]\npath = \"$HOME/none*\"\n"
    ));
    home.append("a.log", "");
    assert_eq!(found(&home, "config")[0].0, "fine");
    assert_eq!(found(&home, "daemon")[0].0, "warning");
    assert_eq!(found(&home, "sound")[0].0, "fine");
    let watches: Vec<_> = found(&home, "watch").into_iter().map(|(verdict, _)| verdict).collect();
    assert_eq!(watches, ["fine", "warning"]);
    assert_eq!(found(&home, "autostart")[0].0, "warning");
    let daemon = home.start();
    assert_eq!(found(&home, "daemon")[0].0, "fine");
    home.ok(&["mute"]);
    assert!(found(&home, "sound").iter().any(|(_, found)| found.contains("muted")));
    drop(daemon);
    // Everything at once that can be wrong.
    std::fs::create_dir(home.path("b.log")).unwrap();
    std::fs::create_dir_all(home.path("config/speakerd")).unwrap();
    std::fs::write(home.path("config/speakerd/pronunciation.toml"), "[words\n").unwrap();
    let config = "[audio]\noutput = \"wav\"\nwav_dir = \"/proc/nowhere\"\n[engine]\nvoice = \"espeak:xx\"\nfallback = \"none\"\n\
                  [[watch]]\npath = \"$HOME/b.log\"\n";
    std::fs::write(
        home.path("speakerd.toml"),
        config.replace("$HOME", &home.path("").display().to_string()),
    )
    .unwrap();
    let (code, message) =
        home.fails(&["doctor", "--config", home.path("speakerd.toml").to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(message.contains("wrong"), "{message}");
    assert_eq!(found(&home, "dictionary")[0].0, "wrong");
    assert!(found(&home, "watch")[0].1.contains("is a directory"), "{:?}", found(&home, "watch"));
    std::fs::write(home.path("speakerd.toml"), "[queue]\ncapacity = 0\n").unwrap();
    assert!(found(&home, "config")[0].1.contains("queue.capacity"));
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let home = Home::new("");
    let commands = ["run", "say", "explain", "doctor", "reload", "completions"];
    for shell in ["bash", "zsh", "fish"] {
        let script = home.ok(&["completions", shell]);
        for command in commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let page = home.ok(&["man"]);
    assert!(page.starts_with(".ie"), "a roff page");
    for command in commands {
        assert!(page.contains(&format!(".SH \"{}\"", command.to_uppercase())), "{command}");
    }
}

#[test]
fn the_live_view_says_that_it_needs_a_terminal() {
    let home = Home::new(QUIET);
    let (code, message) = home.fails(&["status", "--watch"]);
    assert_eq!(code, 1);
    assert!(message.contains("terminal") && message.contains("subscribe"), "{message}");
}
