//! The life of files under a daemon that is stopped and killed: every line is spoken once, in order.

#![expect(clippy::print_stderr, reason = "which line it was is of interest")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::Signal;

use super::heard::number_of;
use super::plan::{Dice, Progress, plan};
use super::report::{Bound, Section};
use super::sampler::Sampler;
use crate::support::program::{Daemon, Home, append, lines};

/// How much is done.
struct Plan {
    lines: usize,
    rotations: usize,
    kills: usize,
    restarts: usize,
}

const SHORT: Plan = Plan { lines: 250, rotations: 12, kills: 3, restarts: 2 };
const LONG: Plan = Plan { lines: 10_000, rotations: 100, kills: 20, restarts: 10 };

/// After a kill the reports of this many lines may have died with the daemon, though they were heard.
const UNREPORTED: usize = 3;

/// A watched file, and how many lines were written to it.
struct File {
    path: PathBuf,
    name: &'static str,
    n_written: usize,
    half: Option<String>,
}

impl File {
    fn next_line(&mut self) -> String {
        self.n_written += 1;
        format!("{} {}\n", self.name, self.n_written)
    }

    fn append_line(&mut self) {
        let line = self.next_line();
        append(&self.path, &line);
    }

    fn beside(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", self.path.display()))
    }

    fn finish_half(&mut self) {
        if let Some(rest) = self.half.take() {
            append(&self.path, &rest);
        }
    }

    /// Rotates as logrotate does, keeping five old files.
    fn rotate(&mut self) {
        for n in (1..5).rev() {
            let _first_time =
                fs::rename(self.beside(&format!(".{n}")), self.beside(&format!(".{}", n + 1)));
        }
        fs::rename(&self.path, self.beside(".1")).unwrap();
        self.append_line();
    }
}

/// The daemon, and everything that it said in each of its lives.
struct Life<'a> {
    home: &'a Home,
    daemon: Option<(Daemon, Child, JoinHandle<()>)>,
    said: Arc<Mutex<Vec<Vec<String>>>>,
    sampler: Option<Sampler>,
    /// For each life, whether it was ended by a kill.
    killed: Vec<bool>,
}

impl Life<'_> {
    fn begin(&mut self) {
        let daemon = self.home.start();
        self.sampler.get_or_insert_with(|| Sampler::of(&daemon)).look_at(&daemon);
        let mut follower = self.home.command(&["history", "--follow", "--json"]);
        let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (entries, said) = (lines(&mut follower), Arc::clone(&self.said));
        said.lock().unwrap().push(Vec::new());
        let reader = std::thread::spawn(move || {
            for line in entries {
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
                if entry["outcome"] == "abandoned" {
                    continue; // at a stop; it comes again
                }
                assert_eq!(entry["outcome"], "spoken", "{entry}");
                let text = entry["text"].as_str().unwrap().to_owned();
                said.lock().unwrap().last_mut().unwrap().push(text);
            }
        });
        self.daemon = Some((daemon, follower, reader));
    }

    fn settle(&self) {
        self.home.ok(&["wait-idle", "--timeout", "300"]);
    }

    fn end(&mut self, signal: Signal) {
        let (mut daemon, mut follower, reader) = self.daemon.take().unwrap();
        let status = daemon.end_with(signal);
        assert!(status.success() || signal == Signal::KILL, "{status}: {}", self.home.log());
        follower.wait().unwrap(); // the history ends with the daemon
        reader.join().unwrap();
        self.killed.push(signal == Signal::KILL);
    }
}

/// One thing that happens to a file. Where a line that nobody had read yet would be gone for every reader, all is read
/// first.
fn happen(file: &mut File, dice: &mut Dice, life: &Life<'_>) {
    file.finish_half();
    match dice.below(12) {
        0..6 => {
            let lines = (0..=dice.below(20)).map(|_| file.next_line()).collect::<String>();
            append(&file.path, &lines);
        }
        6 => {
            let line = file.next_line();
            let (first, rest) = line.split_at(4);
            append(&file.path, first);
            file.half = Some(rest.to_owned());
        }
        7 | 8 => {
            let text = fs::read_to_string(&file.path).unwrap() + &file.next_line();
            fs::write(file.beside(".swp"), text).unwrap();
            fs::rename(file.beside(".swp"), &file.path).unwrap();
        }
        9 => {
            life.settle();
            let n_bytes = fs::metadata(&file.path).unwrap().len();
            let mut text = file.next_line();
            while (text.len() as u64) < n_bytes {
                text += &file.next_line();
            }
            fs::write(&file.path, text).unwrap();
            life.settle();
        }
        _ => {
            // A line by itself, as most are.
            file.append_line();
        }
    }
}

fn rotate(file: &mut File, dice: &mut Dice, life: &Life<'_>) {
    file.finish_half();
    match dice.below(4) {
        0 | 1 => file.rotate(),
        2 => {
            file.append_line();
            life.settle();
            fs::copy(&file.path, file.beside(".copy.1")).unwrap();
            fs::OpenOptions::new().write(true).open(&file.path).unwrap().set_len(0).unwrap();
            file.append_line();
        }
        _ => {
            life.settle();
            fs::remove_file(&file.path).unwrap();
            file.append_line();
        }
    }
}

#[test]
fn every_line_is_spoken_once_and_in_order_whatever_happens() {
    let (plan, mut dice) = (plan(SHORT, LONG), Dice::new());
    let mut section = Section::new("01-rotations", "Rotations and kills");
    let mut progress = Progress::of("rotations");
    let names = ["alpha", "bravo", "carbon"];
    let watches = names.map(|name| format!("[[watch]]\npath = \"$HOME/{name}.log\"\n")).concat();
    let home = Home::new(&format!(
        "[audio]\noutput = \"null\"\nnull_speed = 0.0\n[queue]\nhistory = 100000\n{watches}"
    ));
    let mut files = names.map(|name| {
        let path = home.path(&format!("{name}.log"));
        fs::write(&path, "").unwrap();
        File { path, name, n_written: 0, half: None }
    });
    let (said, killed) = (Arc::default(), Vec::new());
    let mut life = Life { home: &home, daemon: None, said, sampler: None, killed };
    life.begin();
    // A file of which nothing was heard has nothing by which it could be known again.
    files.iter_mut().for_each(File::append_line);
    life.settle();
    let (mut n_rotations, mut n_stops) = (0, 0);
    let n_planned_stops = plan.kills + plan.restarts;
    loop {
        let n_written: usize = files.iter().map(|file| file.n_written).sum();
        if n_written >= plan.lines && n_rotations >= plan.rotations {
            break;
        }
        progress.tell(n_written, plan.lines, "lines");
        let file = &mut files[dice.below(3)];
        if n_rotations * plan.lines < n_written * plan.rotations {
            rotate(file, &mut dice, &life);
            n_rotations += 1;
        } else {
            happen(file, &mut dice, &life);
        }
        if n_stops < n_planned_stops && n_stops * plan.lines < n_written * n_planned_stops {
            std::thread::sleep(std::time::Duration::from_millis(dice.below(100) as u64));
            let is_kill = n_stops * plan.kills / n_planned_stops
                < (n_stops + 1) * plan.kills / n_planned_stops;
            life.end(if is_kill { Signal::KILL } else { Signal::TERM });
            n_stops += 1;
            for file in &mut files {
                file.finish_half();
                file.append_line();
                for _ in 0..dice.below(3) {
                    file.rotate();
                    n_rotations += 1;
                }
            }
            life.begin();
        }
    }
    files.iter_mut().for_each(File::finish_half);
    life.settle();
    life.end(Signal::TERM);
    let said = life.said.lock().unwrap().clone();
    let n_kills = life.killed.iter().filter(|killed| **killed).count();
    let verdict = files
        .iter()
        .fold(Verdict::default(), |verdict, file| judge(verdict, file, &said, &life.killed));
    let n_lines: usize = files.iter().map(|file| file.n_written).sum();
    let n_restarts = n_stops - n_kills;
    section.done(format!(
        "{n_lines} lines were appended to three files, alone, in bursts and in halves; the files were rotated {n_rotations} \
         times by renaming, by copying and truncating and by deleting, and rewritten in place and by renaming in between."
    ));
    section.done(format!(
        "The daemon was killed {n_kills} times and stopped {n_restarts} times, at random moments; files were appended to \
         and rotated while it was down."
    ));
    section.done(
        "Of a line whose report died with a killed daemon it is not known here that it was heard; it is a failure where \
         no kill explains it.",
    );
    section.count("lines written", n_lines, Bound::AtLeast(plan.lines as f64));
    section.count("rotations", n_rotations, Bound::AtLeast(plan.rotations as f64));
    section.count("kills", n_kills, Bound::Exactly(plan.kills as f64));
    section.count("lines lost", verdict.lost, Bound::Exactly(0.0));
    section.count("lines doubled without a kill", verdict.doubled, Bound::Exactly(0.0));
    section.count("lines out of order", verdict.early, Bound::Exactly(0.0));
    let n_doubled = verdict.doubled_by_kill;
    section.count("lines doubled by a kill", n_doubled, Bound::AtMost(n_kills as f64));
    let (n_unreported, allowed) = (verdict.unreported, (UNREPORTED * n_kills) as f64);
    section.count("lines whose report died with the daemon", n_unreported, Bound::AtMost(allowed));
    section.taken(&life.sampler.take().unwrap().end());
    section.end();
}

/// How the lines came: how many of them did so.
#[derive(Default)]
struct Verdict {
    lost: usize,
    doubled: usize,
    early: usize,
    /// Cut off by it, and spoken again.
    doubled_by_kill: usize,
    /// Never reported, which only a kill excuses.
    unreported: usize,
}

/// Adds one file's lines over all lives.
fn judge(mut verdict: Verdict, file: &File, said: &[Vec<String>], killed: &[bool]) -> Verdict {
    let mut lives_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (life_idx, texts) in said.iter().enumerate() {
        let numbers: Vec<usize> =
            texts.iter().filter_map(|text| number_of(file.name, text)).collect();
        verdict.early += numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
        for number in numbers {
            assert!(number <= file.n_written, "{} {number} was never written", file.name);
            lives_of.entry(number).or_default().push(life_idx);
        }
    }
    let mut last_life = 0;
    for number in 1..=file.n_written {
        match lives_of.get(&number).map(Vec::as_slice) {
            Some([life]) => last_life = *life,
            Some([first, second]) if killed[*first] && *second == first + 1 => {
                verdict.doubled_by_kill += 1;
                last_life = *second;
            }
            Some(lives) => {
                eprintln!("{} {number} came in lives {lives:?}", file.name);
                verdict.doubled += lives.len() - 1;
                last_life = lives[lives.len() - 1];
            }
            None => {
                let next =
                    lives_of.range(number..).next().map_or(said.len(), |(_, lives)| lives[0]);
                if killed[last_life..next.min(killed.len())].contains(&true) {
                    verdict.unreported += 1;
                } else {
                    eprintln!("{} {number} was lost in life {last_life}", file.name);
                    verdict.lost += 1;
                }
            }
        }
    }
    verdict
}
