//! Answers as people read them. Pure: values in, text out.

use crate::history::Entry;
use crate::queue::Waiting;
use crate::speech::Lane;
use crate::status::{CardState, Status, WatchStatus};

/// The state in a few lines.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    let daemon = &status.daemon;
    let state = if daemon.stopping { "stopping" } else { "running" };
    line(
        &mut text,
        "speakerd",
        &format!("{} {state}, pid {}, since {}", daemon.version, daemon.pid, daemon.started_at),
    );
    line(&mut text, "config", daemon.config.as_deref().unwrap_or("the defaults"));
    if let Some(address) = &daemon.http {
        line(&mut text, "http", address);
    }
    let playback = &status.playback;
    let card = match playback.card {
        CardState::Closed => "closed until there is something to say",
        CardState::Open => "open",
        CardState::Lost => "lost",
    };
    let mut sound = format!("{}, {card}, volume {}", playback.output, playback.volume);
    for (is_so, word) in [(playback.paused, "paused"), (playback.muted, "muted")] {
        if is_so {
            sound += ", ";
            sound += word;
        }
    }
    line(&mut text, "sound", &sound);
    problem(&mut text, playback.problem.as_deref());
    let speaking = playback
        .speaking
        .as_ref()
        .map_or("nothing".to_owned(), |it| format!("{} from {} in {}", it.id, it.source, it.voice));
    line(&mut text, "speaking", &speaking);
    let queue = &status.queue;
    let mut waiting = format!(
        "{} waiting, {} important, {} spoken, {} not spoken ({} failed)",
        queue.n_ordinary, queue.n_important, queue.n_spoken, queue.n_not_spoken, queue.n_failed
    );
    if queue.oldest_age_secs > 0.0 {
        waiting.extend([", the oldest for ", &format!("{:.0} s", queue.oldest_age_secs)]);
    }
    line(&mut text, "queue", &waiting);
    line(&mut text, "done", &counts(status));
    if let Some(secs) = queue.first_audio_secs {
        let factor = queue.real_time_factor.unwrap_or_default();
        let speed =
            format!("{:.0} ms to the first sound, real-time factor {factor:.3}", secs * 1e3);
        line(&mut text, "last line", &speed);
    }
    if let Some(why) = &status.daemon.last_rescue {
        let times = match status.daemon.n_rescues {
            1 => "once".to_owned(),
            n => format!("{n} times"),
        };
        line(&mut text, "anew", &format!("it started itself anew {times}, last because {why}"));
    }
    problem(&mut text, status.daemon.config_problem.as_deref());
    if !status.daemon.needs_restart.is_empty() {
        line(&mut text, "at the next start", &status.daemon.needs_restart.join(", "));
    }
    let engine = &status.engine;
    let loaded =
        if engine.loaded.is_empty() { "none loaded".to_owned() } else { engine.loaded.join(", ") };
    line(&mut text, "engines", &loaded);
    for process in &engine.processes {
        let n_mb = process.resident_bytes as f64 / 1e6;
        line(&mut text, "process", &format!("{} of {}, {n_mb:.1} MB", process.pid, process.engine));
    }
    problem(&mut text, engine.degraded.as_deref());
    for failing in &engine.failing {
        problem(&mut text, Some(failing));
    }
    problem(&mut text, status.text.problem.as_deref());
    if let Some(voice) = &status.voices.making {
        let percent = 100.0 * status.voices.progress;
        line(&mut text, "voices", &format!("{voice} is being made, {percent:.0} %"));
    }
    let mut memory = format!("{:.1} MB", daemon.resident_bytes as f64 / 1e6);
    if daemon.children_bytes > 0 {
        let n_megabytes = daemon.children_bytes as f64 / 1e6;
        memory.extend([", and ", &format!("{n_megabytes:.1} MB"), " in its processes"]);
    }
    line(&mut text, "memory", &memory);
    for alert in &status.alerts {
        line(&mut text, "ALERT", alert);
    }
    text += &files(&status.watch);
    text
}

/// What was done since the start, in one line: what never happened is left out.
pub fn counts(status: &Status) -> String {
    let outcomes = &status.queue.outcomes;
    let always = [
        (status.watch.n_lines_read, "read"),
        (outcomes.n_spoken, "spoken"),
        (outcomes.n_failed, "failed"),
    ];
    let if_any = [
        (outcomes.n_timed_out, "timed out"),
        (outcomes.n_skipped, "skipped"),
        (outcomes.n_cleared, "cleared"),
        (outcomes.n_expired, "expired"),
        (outcomes.n_dropped, "dropped"),
        (outcomes.n_folded, "folded"),
        (status.playback.n_underruns, "underruns"),
        (status.engine.n_loads, "loads"),
        (status.engine.n_unloads, "unloads"),
    ];
    let counts = always.into_iter().chain(if_any.into_iter().filter(|(n, _)| *n > 0));
    counts.map(|(n, word)| format!("{word} {n}")).collect::<Vec<_>>().join(", ")
}

/// The watched files, a line each.
pub fn files(watch: &WatchStatus) -> String {
    let mut text = String::new();
    for pattern in &watch.unmatched {
        line(&mut text, "watching", &format!("{pattern} (no file matches yet)"));
    }
    if watch.files.is_empty() && watch.unmatched.is_empty() {
        text += "no file is watched\n";
    }
    for file in &watch.files {
        let mut facts = format!("{}, heard {} bytes", file.voice, file.heard_bytes);
        if file.unread_bytes > 0 {
            facts.extend([", ", &file.unread_bytes.to_string(), " unread"]);
        }
        if file.important {
            facts += ", important";
        }
        if file.polled {
            facts += ", polled";
        }
        if !file.exists {
            facts += ", not there";
        }
        if file.n_cut_lines > 0 {
            facts.extend([", ", &file.n_cut_lines.to_string(), " lines cut"]);
        }
        line(&mut text, "watching", &format!("{} ({facts})", file.path));
        problem(&mut text, file.problem.as_deref());
    }
    if let Some(polling) = &watch.polling {
        line(&mut text, "polling", polling);
    }
    problem(&mut text, watch.problem.as_deref());
    text
}

/// What waits, a line each.
pub fn queue(waiting: &[Waiting]) -> String {
    if waiting.is_empty() {
        return "nothing waits\n".to_owned();
    }
    waiting.iter().fold(String::new(), |text, it| {
        let lane = match it.lane {
            Lane::Ordinary => "",
            Lane::Important => "important, ",
        };
        text + &format!("{:>6}  {}  ({lane}{}, {})\n", it.id, it.text, it.source, it.voice)
    })
}

/// One thing that was said.
pub fn entry(entry: &Entry) -> String {
    let when = entry.ended_at.as_deref().unwrap_or(&entry.queued_at);
    let voice = entry.spoken_voice.as_deref().unwrap_or("-");
    let mut text = format!("{when}  {:<9}  {voice:<8}  {}", entry.outcome.as_str(), entry.text);
    if let Some(reason) = &entry.reason {
        text.extend(["  [", reason, "]"]);
    }
    text + "\n"
}

fn line(text: &mut String, name: &str, value: &str) {
    for part in [&format!("{name:<9} "), value, "\n"] {
        text.push_str(part);
    }
}

fn problem(text: &mut String, problem: Option<&str>) {
    if let Some(problem) = problem {
        line(text, "  problem", problem);
    }
}
