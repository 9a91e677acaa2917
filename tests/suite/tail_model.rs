//! A tail against a small model: whatever is done to a file, and however little is read in between, each line is read
//! once, in order.
//!
//! More cases: `PROPTEST_CASES=5000 cargo test --release tail_model`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use speakerd::config::OnRewrite;
use speakerd::watch::run::Run;
use speakerd::watch::tail::{Begin, Look, Next, Tail, TailSettings};

/// What is done to the file, or by the reader.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// Half a line, which the next step that writes finishes.
    Half,
    Rename,
    CopyAndTruncate,
    DeleteAndCreate,
    SaveByRename,
    SaveFromElsewhere,
    SaveInPlace,
    /// Other text, at least as long.
    Rewrite,
    Look,
    Read(usize),
    /// The reader begins anew, where its bookmark is.
    Restart,
    /// The reader is down while the file is rotated so often.
    RotatedWhileDown(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20_usize).prop_map(Step::Append),
        2 => Just(Step::Half),
        2 => Just(Step::Rename),
        2 => Just(Step::CopyAndTruncate),
        1 => Just(Step::DeleteAndCreate),
        1 => Just(Step::SaveByRename),
        1 => Just(Step::SaveFromElsewhere),
        1 => Just(Step::SaveInPlace),
        1 => Just(Step::Rewrite),
        3 => Just(Step::Look),
        4 => (1..15_usize).prop_map(Step::Read),
        2 => Just(Step::Restart),
        1 => (1..4_usize).prop_map(Step::RotatedWhileDown),
    ]
}

/// The file with all lines ever written to it, and its reader with all lines read.
struct World {
    home: tempfile::TempDir,
    n_written: usize,
    half: Option<String>,
    tail: Option<Tail>,
    run: Run,
    read: Vec<String>,
    /// Lines that were read of the text that is at the path.
    has_read_current: bool,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            home: tempfile::tempdir().unwrap(),
            n_written: 0,
            half: None,
            tail: None,
            run: Run::default(),
            read: Vec::new(),
            has_read_current: false,
            now: Instant::now(),
        };
        fs::write(world.path("a.log"), "").unwrap();
        world.begin(Begin::AtBeginning);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn begin(&mut self, begin: Begin) {
        let settings = TailSettings {
            on_rewrite: OnRewrite::Beginning,
            max_line_bytes: 1_000,
            hold_partial: None,
            filter: Arc::default(),
        };
        let marks = std::mem::take(&mut self.run).marks();
        let look = Look {
            now: self.now,
            was_removed: false,
            is_taken: &|_| false,
            read_elsewhere: &|_| 0,
        };
        self.tail = Some(Tail::begin(self.path("a.log"), settings, marks, begin, &look).unwrap());
        self.note_jumps();
    }

    fn note_jumps(&mut self) {
        for jump in self.tail.as_mut().unwrap().take_jumps() {
            self.run.push_jump(jump);
        }
    }

    fn next_line(&mut self) -> String {
        self.n_written += 1;
        format!("line {}", self.n_written)
    }

    fn append(&mut self, text: &str) {
        let mut file =
            fs::OpenOptions::new().append(true).create(true).open(self.path("a.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn finish_half(&mut self) {
        if let Some(rest) = self.half.take() {
            self.append(&(rest + "\n"));
        }
    }

    fn look(&mut self, was_removed: bool) {
        let look =
            Look { now: self.now, was_removed, is_taken: &|_| false, read_elsewhere: &|_| 0 };
        let tail = self.tail.as_mut().unwrap();
        tail.look(&look).unwrap();
        if let Some(oldest) = tail.oldest_generation() {
            tail.retire(self.now);
            self.run.forget_before(oldest);
        }
        self.note_jumps();
    }

    /// Reads at most `n` lines without another look. Returns whether there was one more to read.
    fn read(&mut self, n: usize) -> bool {
        for _ in 0..n {
            let next = self.tail.as_mut().unwrap().next_line(&mut Vec::new(), self.now).unwrap();
            self.note_jumps();
            match next {
                Next::Line(line) => {
                    self.run.push_settled(line.generation, line.raw.mark);
                    self.read.push(String::from_utf8(line.raw.bytes).unwrap());
                }
                Next::More => {}
                Next::Nothing => return false,
            }
        }
        true
    }

    /// Looks and reads until nothing is left.
    fn drain(&mut self) {
        self.look(false);
        loop {
            while self.read(100) {}
            let Some(decided) = self.tail.as_ref().unwrap().decided_at() else { break };
            self.now = self.now.max(decided);
            self.look(false);
        }
        self.has_read_current = self.path("a.log").metadata().is_ok_and(|it| it.len() > 0);
    }

    /// Moves every rotated text on by one, and the current one to the first place.
    fn rename(&mut self) {
        for n in (1..40).rev() {
            let (from, to) = (format!("a.log.{n}"), format!("a.log.{}", n + 1));
            if self.path(&from).exists() {
                fs::rename(self.path(&from), self.path(&to)).unwrap();
            }
        }
        fs::rename(self.path("a.log"), self.path("a.log.1")).unwrap();
        let line = self.next_line();
        self.append(&(line + "\n"));
        self.has_read_current = false;
    }

    fn save(&mut self, beside: &str) {
        // Nothing proves that a text goes on from one of which nothing was read.
        if !self.has_read_current {
            self.drain();
        }
        let line = self.next_line();
        let text = fs::read_to_string(self.path("a.log")).unwrap() + &line + "\n";
        fs::create_dir_all(self.path(beside).parent().unwrap()).unwrap();
        fs::write(self.path(beside), text).unwrap();
        let was_empty = fs::metadata(self.path("a.log")).unwrap().len() == 0;
        fs::rename(self.path(beside), self.path("a.log")).unwrap();
        if was_empty {
            self.drain(); // nothing proves that the new text goes on from an empty one
        }
    }

    fn step(&mut self, step: &Step) {
        if !matches!(step, Step::Look | Step::Read(_) | Step::Restart | Step::Half) {
            self.finish_half();
        }
        match step {
            Step::Append(n) => {
                let lines = (0..*n).map(|_| self.next_line() + "\n").collect::<String>();
                self.append(&lines);
            }
            Step::Half if self.half.is_none() => {
                let line = self.next_line();
                let (first, rest) = line.split_at(3);
                self.append(first);
                self.half = Some(rest.to_owned());
            }
            Step::Half => {}
            Step::Rename => self.rename(),
            Step::CopyAndTruncate => {
                // A text of which nothing was read cannot be told from any other.
                if !self.has_read_current {
                    self.drain();
                }
                fs::copy(self.path("a.log"), self.path("a.log.0")).unwrap();
                fs::write(self.path("a.log"), "").unwrap();
                let line = self.next_line();
                self.append(&(line + "\n"));
                self.drain(); // and one of which nothing is left neither
            }
            Step::DeleteAndCreate => {
                self.drain(); // what was deleted unread is gone for every reader
                fs::remove_file(self.path("a.log")).unwrap();
                let line = self.next_line();
                self.append(&(line + "\n"));
                self.look(true);
                self.has_read_current = false;
            }
            Step::SaveByRename => self.save(".a.swp"),
            Step::SaveFromElsewhere => self.save("elsewhere/a"),
            Step::SaveInPlace => {
                let line = self.next_line();
                let text = fs::read_to_string(self.path("a.log")).unwrap() + &line + "\n";
                fs::write(self.path("a.log"), "").unwrap();
                self.look(false);
                self.read(1);
                fs::write(self.path("a.log"), text).unwrap();
            }
            Step::Rewrite => {
                self.drain();
                let n_bytes = fs::metadata(self.path("a.log")).unwrap().len();
                let mut text = self.next_line() + "\n";
                while (text.len() as u64) < n_bytes {
                    text = text + &self.next_line() + "\n";
                }
                fs::write(self.path("a.log"), text).unwrap();
                self.drain();
            }
            Step::Look => self.look(false),
            Step::Read(n) => {
                self.look(false);
                self.has_read_current |= self.read(*n) && self.path("a.log.1").metadata().is_err();
            }
            Step::Restart => self.begin(Begin::AtEnd),
            Step::RotatedWhileDown(n) => {
                self.look(false);
                self.tail = None;
                for _ in 0..*n {
                    self.rename();
                }
                self.begin(Begin::AtEnd);
            }
        }
        self.now += Duration::from_millis(20);
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_line_is_read_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finish_half();
        world.drain();
        let expected: Vec<_> = (1..=world.n_written).map(|n| format!("line {n}")).collect();
        prop_assert_eq!(world.read, expected);
    }
}
