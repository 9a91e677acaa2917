//! Hours of speech at twenty times its speed, with somebody who asks for something all the while.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use speakerd::config::raw::RawWatch;
use speakerd::control::client::ClientError;
use speakerd::control::protocol::{HistoryRequest, RefusalCode, Request, Say, WatchRequest};
use speakerd::history::Entry;

use super::heard::{Heard, number_of};
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Machine, Quiet, Sampler, tenths};
use super::{Over, ask, connect, settle, slowest_ms, status};
use crate::support::program::Home;

/// How much is done.
struct Plan {
    audio_secs: f64,
    /// How much faster than speech the card is.
    speed: f64,
    /// Lines that always wait, so that the daemon always speaks: a second or two of time.
    n_waiting: usize,
    /// By how much the audio may be off the clock, in percent of the time: what the pauses of a busy machine cost. The
    /// card makes up for those below 50 ms, and what is lost stays lost.
    drift_percent: f64,
    /// By how much the time from an append to the sound may grow: what is said between the lines, no more.
    lag_secs: f64,
}

/// Slower, because other tests run beside it.
const SHORT: Plan =
    Plan { audio_secs: 40.0, speed: 5.0, n_waiting: 3, drift_percent: 15.0, lag_secs: 2.0 };
const LONG: Plan =
    Plan { audio_secs: 7_200.0, speed: 20.0, n_waiting: 8, drift_percent: 2.0, lag_secs: 0.5 };

/// Where the processors of the machine are idle for less of the time, in percent, others have them, and an engine that
/// gets none is no drift.
const IDLE_PERCENT: f64 = 10.0;

/// The silence between two utterances, as configured.
const GAP_SECS: f64 = 0.15;

/// What is said in front, so that all that is loaded once is there.
const N_WARM: usize = 3;

/// Something is said between the lines once in so long.
const SAID_EVERY: Duration = Duration::from_secs(2);

const NAMES: [&str; 2] = ["alpha", "bravo"];

/// What follows a line's name and number: ten words, as lines in logs and chats are.
const WORDS: &str = "The backup of this machine finished with three new warnings.";

/// What somebody did meanwhile.
struct Traffic {
    n_requests: usize,
    n_busy: usize,
    n_said: usize,
    times: Vec<Duration>,
}

#[test]
fn hours_of_speech_take_no_more_memory_and_do_not_drift() {
    let plan = plan(SHORT, LONG);
    let mut section = Section::new("02-hours", "Hours of speech");
    let mut progress = Progress::of("hours");
    let watches = NAMES.map(|name| format!("[[watch]]\npath = \"$HOME/{name}.log\"\n")).concat();
    // A short history is full soon, and then it is memory that does not grow.
    let home = Home::new(&format!(
        "[audio]\noutput = \"null\"\nnull_speed = {}\nrelease_secs = 0\ngap_ms = {}\n[queue]\nhistory = 50\n{watches}",
        plan.speed,
        GAP_SECS * 1e3
    ));
    for name in NAMES {
        home.append(&format!("{name}.log"), "");
    }
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    for _ in 0..N_WARM {
        ask(&home, &Request::Say(Say { text: WORDS.to_owned(), wait: true, ..Say::default() }));
    }
    heard.wait_for(N_WARM);
    let quiet = Quiet::of(&daemon);
    let (sampler, machine) = (Sampler::of(&daemon), Machine::now());
    let is_over = AtomicBool::new(false);
    let (mut n_written, mut appended_at) = (0, HashMap::new());
    let traffic = std::thread::scope(|scope| {
        let over = Over(&is_over);
        let traffic = scope.spawn(|| disturb(&home, &is_over));
        loop {
            let (n_heard, n_spoken, position) = heard.with(|entries| {
                let lines = entries.iter().filter(|entry| entry.source != "control");
                let secs = entries.iter().map(|entry| entry.audio_secs + GAP_SECS);
                (entries.len(), lines.count(), secs.sum::<f64>())
            });
            progress.tell(whole(position), whole(plan.audio_secs), "seconds of audio");
            if position >= plan.audio_secs {
                break;
            }
            while n_written < n_spoken + plan.n_waiting {
                let (name, n) = (NAMES[n_written % 2], n_written / 2 + 1);
                appended_at.insert((name, n), SystemTime::now());
                home.append(&format!("{name}.log"), &format!("{name} {n}. {WORDS}\n"));
                n_written += 1;
            }
            heard.wait_for(n_heard + 1);
        }
        drop(over);
        traffic.join().unwrap()
    });
    let samples = sampler.end();
    let idle_percent = machine.and_then(|then| Some(Machine::now()?.idle_percent_since(&then)));
    settle(&home);
    let n_underruns = usize::try_from(status(&home).playback.n_underruns).unwrap();
    section.quiet(quiet, |before| before.again(&daemon));
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    let entries = &heard.entries()[N_WARM..];
    section.done(format!(
        "{:.2} hours of audio were spoken at {} times the speed of speech, by the built-in voice, through the whole \
         pipeline, to a card that has nothing but a clock; {} lines of two files always waited.",
        entries.iter().map(|entry| entry.audio_secs + GAP_SECS).sum::<f64>() / 3_600.0,
        plan.speed,
        plan.n_waiting
    ));
    section.done(format!(
        "Meanwhile {} requests came: status, queue, history, volume, mute, reload, watched files that came and went, \
         followers that hung up, and {} texts to be said between the lines.",
        traffic.n_requests, traffic.n_said
    ));
    let written = [(NAMES[0], n_written.div_ceil(2)), (NAMES[1], n_written / 2)];
    heard.judge(&mut section, &written);
    let n_said = entries.iter().filter(|entry| entry.source == "control").count();
    section.count("texts said between the lines", n_said, Bound::Exactly(traffic.n_said as f64));
    section.count("requests refused because all were busy", traffic.n_busy, Bound::Told);
    section.fact("slowest answer, ms", slowest_ms(&traffic.times), Bound::AtMost(5_000.0));
    section.count("blocks that the card had to wait for", n_underruns, Bound::Told);
    if let Some(idle_percent) = idle_percent {
        section.fact("processors idle meanwhile, %", idle_percent, Bound::Told);
    }
    let is_judged = idle_percent.is_none_or(|percent| percent >= IDLE_PERCENT);
    if !is_judged {
        section.done("Others had the processors: how late the audio was is told, not judged.");
    }
    drift(&mut section, &plan, is_judged, entries);
    lag(&mut section, &plan, is_judged, entries, &appended_at);
    section.taken_flat(&samples);
    section.end();
}

/// The audio's time against the clock's.
fn drift(section: &mut Section, plan: &Plan, is_judged: bool, entries: &[Entry]) {
    let begun = moment(entries[0].started_at.as_deref());
    let mut position = 0.0;
    let mut curve = Vec::new();
    for entry in entries {
        position += entry.audio_secs;
        let elapsed = since(begun, moment(entry.ended_at.as_deref()));
        curve.push((elapsed, elapsed - position / plan.speed));
        position += GAP_SECS;
    }
    let (elapsed, behind) = *curve.last().unwrap();
    section.fact("time spoken, s", elapsed, Bound::Told);
    section.fact("audio behind the clock at the end, s", behind, Bound::Told);
    let percent = 100.0 * behind / elapsed;
    let bound = if is_judged { Bound::AtMost(plan.drift_percent) } else { Bound::Told };
    section.fact("audio behind the clock, % of the time", percent.max(0.0), bound);
    let early = (-percent).max(0.0);
    section.fact("audio before the clock, % of the time", early, Bound::AtMost(plan.drift_percent));
    section.curve("audio behind the clock, s", curve);
}

/// The time from each line's append to its sound.
fn lag(
    section: &mut Section,
    plan: &Plan,
    is_judged: bool,
    entries: &[Entry],
    appended_at: &HashMap<(&str, usize), SystemTime>,
) {
    let begun = moment(entries[0].started_at.as_deref());
    let mut curve = Vec::new();
    for entry in entries {
        for name in NAMES {
            let appended_at =
                number_of(name, &entry.text).and_then(|n| appended_at.get(&(name, n)));
            if let Some(appended_at) = appended_at {
                let started_at = moment(entry.started_at.as_deref());
                curve.push((since(begun, started_at), since(*appended_at, started_at)));
            }
        }
    }
    // The first ones came together, and had nobody before them.
    let steady = &curve[(2 * plan.n_waiting).min(curve.len() / 2)..];
    let (early, late) = tenths(&steady.iter().map(|(_, lag)| *lag).collect::<Vec<_>>());
    section.fact("append to sound, median of the second tenth, s", early, Bound::Told);
    let bound = if is_judged { Bound::AtMost(early + plan.lag_secs) } else { Bound::Told };
    section.fact("append to sound, median of the last tenth, s", late, bound);
    section.curve("append to sound, s", curve);
}

fn whole(secs: f64) -> usize {
    usize::try_from(Duration::from_secs_f64(secs).as_secs()).unwrap()
}

fn moment(time: Option<&str>) -> SystemTime {
    humantime::parse_rfc3339(time.expect("a spoken line has its times")).unwrap()
}

/// Seconds; less than none where it was before.
fn since(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from)
        .map_or_else(|error| -error.duration().as_secs_f64(), |it| it.as_secs_f64())
}

/// Asks for one thing after the other, until all is over.
fn disturb(home: &Home, is_over: &AtomicBool) -> Traffic {
    let mut traffic = Traffic { n_requests: 0, n_busy: 0, n_said: 0, times: Vec::new() };
    let watched = home.path("other.log");
    let requests = [
        Request::Status,
        Request::Queue,
        Request::Volume(0.8),
        Request::Mute,
        Request::Unmute,
        Request::Watch(WatchRequest::Add(Box::new(RawWatch::of(watched.clone())))),
        Request::Watch(WatchRequest::List),
        Request::Watch(WatchRequest::Remove { path: watched }),
        Request::Reload,
        Request::Version,
    ];
    let mut said_at = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        for request in &requests {
            let begun = Instant::now();
            match connect(home).and_then(|mut client| client.ask(request)) {
                // A reload asks the engines too, and they may have enough to do; they are asked again.
                Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::Busy => {
                    traffic.n_busy += 1;
                }
                answer => drop(answer.unwrap()),
            }
            traffic.times.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20)); // a busy desktop, not an attack
        }
        let mut client = connect(home).unwrap();
        client.send(&Request::History(HistoryRequest { follow: true })).unwrap();
        client.next_reply().unwrap();
        let mut subscriber = UnixStream::connect(home.path("run/speakerd/control.sock")).unwrap();
        subscriber.write_all(b"\"subscribe\"\n").unwrap();
        BufReader::new(subscriber).read_line(&mut String::new()).unwrap();
        traffic.n_requests += requests.len() + 2;
        if said_at.elapsed() >= SAID_EVERY {
            said_at = Instant::now();
            traffic.n_requests += 1;
            traffic.n_said += 1;
            let text = format!("Said {}.", traffic.n_said);
            ask(home, &Request::Say(Say { text, ..Say::default() }));
        }
    }
    traffic
}
