use super::*;
use std::io::Write;

/// What happens while nobody watches.
type Meanwhile<'a> = &'a dyn Fn(&Rig);

fn settings(on_rewrite: OnRewrite) -> TailSettings {
    TailSettings { on_rewrite, max_line_bytes: 1_000, hold_partial: None, filter: Arc::default() }
}

fn look(now: Instant) -> Look<'static> {
    Look { now, was_removed: false, is_taken: &|_| false, read_elsewhere: &|_| 0 }
}

/// A directory with one watched path, and what its tail reads.
struct Rig {
    home: tempfile::TempDir,
    tail: Tail,
    now: Instant,
    /// Where reading stands, as a bookmark would say.
    marks: Vec<Mark>,
}

impl Rig {
    fn begin(content: Option<&str>, begin: Begin, on_rewrite: OnRewrite) -> Self {
        let home = tempfile::tempdir().unwrap();
        if let Some(content) = content {
            std::fs::write(home.path().join("a.log"), content).unwrap();
        }
        let now = crate::clock::now();
        let tail = Tail::begin(
            home.path().join("a.log"),
            settings(on_rewrite),
            Vec::new(),
            begin,
            &look(now),
        )
        .unwrap();
        let mut rig = Self { home, tail, now, marks: Vec::new() };
        rig.marks = rig.jumped();
        rig
    }

    fn new(content: &str) -> Self {
        Self::begin(Some(content), Begin::AtBeginning, OnRewrite::Beginning)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn append(&self, name: &str, content: &str) {
        let options = std::fs::OpenOptions::new().append(true).create(true).open(self.path(name));
        options.unwrap().write_all(content.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Looks, then reads to the end.
    fn read(&mut self) -> Vec<String> {
        self.tail.look(&look(self.now)).unwrap();
        let mut lines: Vec<_> = std::iter::from_fn(|| self.next_line()).collect();
        while let Some(decided) = self.tail.decided_at() {
            self.now = decided;
            self.tail.look(&look(self.now)).unwrap();
            lines.extend(std::iter::from_fn(|| self.next_line()));
        }
        lines
    }

    fn next_line(&mut self) -> Option<String> {
        let Next::Line(line) = self.tail.next_line(&mut Vec::new(), self.now).unwrap() else {
            return None;
        };
        self.marks = vec![line.raw.mark];
        Some(String::from_utf8(line.raw.bytes).unwrap())
    }

    fn jumped(&mut self) -> Vec<Mark> {
        self.tail.take_jumps().iter().map(|jump| jump.mark).collect()
    }

    /// Ends this tail after `n` lines and begins another one where it stood, `meanwhile` having happened.
    fn restart(&mut self, n: usize, meanwhile: impl FnOnce(&Self)) -> Vec<String> {
        for _ in 0..n {
            self.next_line().unwrap();
        }
        let marks = self.marks.clone();
        meanwhile(self);
        self.tail = Tail::begin(
            self.path("a.log"),
            self.tail.settings.clone(),
            marks,
            Begin::AtEnd,
            &look(self.now),
        )
        .unwrap();
        self.read()
    }
}

#[test]
fn an_old_file_begins_at_its_end_and_a_new_one_at_its_beginning() {
    let mut old = Rig::begin(Some("history\n"), Begin::AtEnd, OnRewrite::Beginning);
    assert_eq!(old.read(), Vec::<String>::new());
    old.append("a.log", "new\n");
    assert_eq!(old.read(), ["new"]);

    let mut late = Rig::begin(None, Begin::AtEnd, OnRewrite::Beginning);
    assert!(!late.tail.exists());
    assert_eq!(late.read(), Vec::<String>::new());
    late.write("a.log", "first\n");
    assert_eq!(late.read(), ["first"]);
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_polled_for_late_writers() {
    let mut rig = Rig::new("one\n");
    assert_eq!(rig.read(), ["one"]);
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "three\n");
    assert_eq!(rig.read(), ["two", "three"]);
    rig.append("a.log.1", "late\n");
    assert_eq!(rig.read(), ["late"]);
    rig.now += RETIRED_FOR;
    assert_eq!(rig.tail.retire(rig.now).len(), 1);
    rig.append("a.log.1", "too late\n");
    rig.append("a.log", "four\n");
    assert_eq!(rig.read(), ["four"]);
}

#[test]
fn a_rotated_file_is_held_until_it_is_read_however_long_that_takes() {
    let mut rig = Rig::new("one\n");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "two\n");
    rig.tail.look(&look(rig.now)).unwrap();
    rig.now += 10 * RETIRED_FOR;
    assert_eq!(rig.tail.retire(rig.now), [], "nobody had room for its lines yet");
    assert_eq!(rig.read(), ["one", "two"]);
    assert_eq!(rig.tail.retire(rig.now).len(), 1);
}

#[test]
fn a_file_rotated_before_anything_was_read_loses_nothing() {
    let mut rig = Rig::new("one\n");
    rig.rename("a.log", "a.log.1");
    rig.write("a.log", "two\n");
    assert_eq!(rig.read(), ["one", "two"]);
}

#[test]
fn an_editor_that_replaces_the_file_doubles_nothing() {
    let mut rig = Rig::new("one\ntwo\n");
    assert_eq!(rig.read(), ["one", "two"]);
    rig.write(".a.swp", "one\ntwo\nthree\n");
    rig.rename(".a.swp", "a.log");
    assert_eq!(rig.read(), ["three"]);
    // a backup by renaming first
    rig.rename("a.log", "a.log~");
    rig.write("a.log", "one\ntwo\nthree\nfour\n");
    assert_eq!(rig.read(), ["four"]);
}

#[test]
fn a_rewritten_text_is_read_as_the_setting_says() {
    for (on_rewrite, heard) in [(OnRewrite::Beginning, &["uno", "dos"][..]), (OnRewrite::End, &[])]
    {
        for replace in [false, true] {
            let mut rig = Rig::begin(Some("one\ntwo\n"), Begin::AtBeginning, on_rewrite);
            assert_eq!(rig.read(), ["one", "two"]);
            if replace {
                rig.write("beside", "uno\ndos\n");
                rig.rename("beside", "a.log");
            } else {
                rig.write("a.log", "uno\ndos\n");
            }
            assert_eq!(rig.read(), heard, "{on_rewrite:?} {replace}");
            rig.append("a.log", "tres\n");
            assert_eq!(rig.read(), ["tres"]);
        }
    }
}

#[test]
fn a_text_rewritten_at_equal_size_counts_as_unread() {
    let mut rig = Rig::new("one\ntwo\n");
    assert_eq!(rig.read(), ["one", "two"]);
    assert_eq!(rig.tail.n_unread(), 0);
    rig.write("a.log", "uno\ndos\n");
    rig.tail.look(&look(rig.now)).unwrap();
    assert!(rig.tail.n_unread() > 0, "nobody would read it otherwise");
}

#[test]
fn a_truncated_file_begins_again() {
    let mut rig = Rig::new("one\ntwo\n");
    assert_eq!(rig.read(), ["one", "two"]);
    rig.write("a.log", "");
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.append("a.log", "new\n");
    assert_eq!(rig.read(), ["new"]);
}

#[test]
fn a_deleted_and_recreated_file_begins_again_under_either_setting() {
    for on_rewrite in [OnRewrite::Beginning, OnRewrite::End] {
        let mut rig = Rig::begin(Some("one\n"), Begin::AtBeginning, on_rewrite);
        assert_eq!(rig.read(), ["one"]);
        std::fs::remove_file(rig.path("a.log")).unwrap();
        assert_eq!(rig.read(), Vec::<String>::new());
        rig.write("a.log", "new\n");
        assert_eq!(rig.read(), ["new"], "{on_rewrite:?}");
    }
}

#[test]
fn a_restart_goes_on_behind_the_last_heard_line() {
    let mut rig = Rig::new("one\ntwo\nthree\n");
    assert_eq!(rig.restart(1, |rig| rig.append("a.log", "four\n")), ["two", "three", "four"]);
    assert_eq!(rig.restart(0, |_| ()), Vec::<String>::new());
}

#[test]
fn a_restart_follows_an_editor_save_a_rotation_and_a_copy() {
    let save = |rig: &Rig| {
        rig.write("beside", "one\ntwo\nthree\n");
        rig.rename("beside", "a.log");
    };
    let rotate = |rig: &Rig| {
        rig.rename("a.log", "a.log.1");
        rig.write("a.log", "three\n");
    };
    let copy_and_truncate = |rig: &Rig| {
        std::fs::copy(rig.path("a.log"), rig.path("a.log.1")).unwrap();
        rig.write("a.log", "three\n");
    };
    let edit = |rig: &Rig| rig.write("a.log", "uno\nthree\n");
    let cases: [(&str, Meanwhile<'_>, &[&str]); 4] = [
        ("save", &save, &["two", "three"]),
        ("rotate", &rotate, &["two", "three"]),
        ("copy", &copy_and_truncate, &["two", "three"]),
        ("edit", &edit, &["uno", "three"]),
    ];
    for (name, meanwhile, heard) in cases {
        assert_eq!(Rig::new("one\ntwo\n").restart(1, meanwhile), heard, "{name}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_by_name_and_never_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let fifo = home.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    for path in [fifo, home.path().to_path_buf(), "/dev/null".into()] {
        let tail = Tail::begin(
            path.clone(),
            settings(OnRewrite::Beginning),
            Vec::new(),
            Begin::AtEnd,
            &look(crate::clock::now()),
        );
        assert_eq!(tail.unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path:?}");
    }
}

#[test]
fn what_was_taken_of_an_unfinished_line_is_not_taken_again_after_a_clear() {
    let mut rig = Rig::new("one\npassword: ");
    rig.tail.settings.hold_partial = Some(Duration::from_millis(200));
    assert_eq!(rig.read(), ["one"]);
    rig.now += Duration::from_millis(200);
    assert_eq!(rig.read(), ["password: "]);
    rig.tail.skip_to_end(rig.now).unwrap();
    rig.now += Duration::from_secs(1);
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.append("a.log", "secret\ntwo\n");
    assert_eq!(rig.read(), ["secret", "two"]);
}

#[test]
fn a_pattern_judges_an_unfinished_line_again_when_more_of_it_is_there() {
    let mut rig = Rig::new("Download foo... ");
    let filter = Filter::new(vec!["Download.*FAILED".to_owned()], Vec::new()).unwrap();
    rig.tail.settings.filter = Arc::new(filter);
    rig.tail.settings.hold_partial = Some(Duration::from_millis(200));
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.now += Duration::from_secs(1);
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.append("a.log", "FAILED\nother\n");
    assert_eq!(rig.read(), ["Download foo... FAILED"]);
    assert_eq!(rig.tail.n_unread(), 0);
}

#[test]
fn a_line_that_is_too_long_stays_one_line_across_an_atomic_save() {
    let long = "x".repeat(5_000);
    let mut rig = Rig::new(&long);
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.write("beside", &format!("{long}{long}\nnext\n"));
    rig.rename("beside", "a.log");
    assert_eq!(rig.read(), ["x".repeat(1_000).as_str(), "next"]);
}

#[test]
fn a_file_that_was_moved_away_for_good_is_let_go_and_found_again() {
    let mut rig = Rig::new("one\n");
    assert_eq!(rig.read(), ["one"]);
    rig.rename("a.log", "a.log.1");
    assert_eq!(rig.read(), Vec::<String>::new());
    rig.now += RETIRED_FOR;
    assert_eq!(rig.tail.retire(rig.now).len(), 1);
    assert!(rig.tail.texts.is_empty());
    rig.append("a.log.1", "late\n");
    rig.write("a.log", "two\n");
    assert_eq!(rig.read(), ["late", "two"]);
}
