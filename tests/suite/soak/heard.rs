//! What the daemon says that it spoke, as `history --follow --json` tells it, and whether that is what was written.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use speakerd::history::Entry;
use speakerd::speech::Outcome;

use super::report::{Bound, Section};
use crate::support::program::{Home, lines};
use crate::support::rig::PATIENCE;

/// Everything that was heard, in one life or in several. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Contended by the reader of the history and whoever waits for it.
    entries: Mutex<Vec<Entry>>,
    more: Condvar,
}

/// The program that follows the history of one daemon, and the thread that reads what it prints.
pub(super) struct Follower {
    process: Child,
    reader: JoinHandle<()>,
}

impl Follower {
    /// Waits for the end, which is that of the daemon.
    pub(super) fn end(mut self) {
        self.process.wait().unwrap();
        self.reader.join().unwrap();
    }
}

impl Heard {
    /// Follows the daemon of a home.
    pub(super) fn follow(&self, home: &Home) -> Follower {
        let n_before = super::status(home).daemon.n_clients;
        let mut process = home.command(&["history", "--follow", "--json"]);
        let mut process = process.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (printed, heard) = (lines(&mut process), self.clone());
        let reader = std::thread::spawn(move || {
            for line in printed {
                let entry: Entry = serde_json::from_str(&line).unwrap();
                heard.0.entries.lock().unwrap().push(entry);
                heard.0.more.notify_all();
            }
        });
        // Before the daemon can say anything that it would not hear. Others may come and go meanwhile: one more than before,
        // and the one that asks, is enough.
        super::wait_until(home, "the follower", |status| status.daemon.n_clients > n_before);
        Follower { process, reader }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.0.entries.lock().unwrap().clone()
    }

    /// What a look at them says.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.0.entries.lock().unwrap())
    }

    /// Waits for so many entries.
    pub(super) fn wait_for(&self, n: usize) {
        let begun = Instant::now();
        let mut entries = self.0.entries.lock().unwrap();
        while entries.len() < n {
            let left = PATIENCE.checked_sub(begun.elapsed());
            let left = left.unwrap_or_else(|| panic!("{} of {n} lines were heard", entries.len()));
            entries = self.0.more.wait_timeout(entries, left).unwrap().0;
        }
    }

    /// Whether the lines `NAME 1` to `NAME n` were each spoken once, in order, as figures of the section.
    pub(super) fn judge(&self, section: &mut Section, lines: &[(&str, usize)]) {
        let entries = self.entries();
        let (mut n_lost, mut n_doubled, mut n_early) = (0, 0, 0);
        for (name, n_written) in lines {
            let spoken = entries.iter().filter(|entry| entry.outcome == Outcome::Spoken);
            let numbers: Vec<usize> =
                spoken.filter_map(|entry| number_of(name, &entry.text)).collect();
            let once: BTreeSet<usize> = numbers.iter().copied().collect();
            assert!(once.iter().all(|n| n <= n_written), "what was never written was heard");
            n_lost += n_written - once.len();
            n_doubled += numbers.len() - once.len();
            n_early += numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
        }
        let n_failed = entries.iter().filter(|entry| {
            entry.outcome != Outcome::Spoken && entry.outcome != Outcome::Abandoned
        });
        section.count("lines written", lines.iter().map(|(_, n)| n).sum(), Bound::Told);
        section.count("lines lost", n_lost, Bound::Exactly(0.0));
        section.count("lines doubled", n_doubled, Bound::Exactly(0.0));
        section.count("lines out of order", n_early, Bound::Exactly(0.0));
        section.count("lines not spoken for another reason", n_failed.count(), Bound::Exactly(0.0));
    }
}

/// The number of a line that begins with that name.
pub(super) fn number_of(name: &str, text: &str) -> Option<usize> {
    let number = text.strip_prefix(name)?.split_whitespace().next()?;
    number.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

#[test]
fn what_is_lost_doubled_or_early_is_counted() {
    for (numbers, n_wrong) in [
        (&[1, 2, 3, 4][..], 0),
        (&[1, 2, 4], 1),       // lost
        (&[1, 2, 2, 3, 4], 1), // doubled
        (&[1, 3, 2, 4], 1),    // early
        (&[1, 2, 3, 1, 4], 2), // doubled and early
    ] {
        let heard = Heard::default();
        for n in numbers {
            let entry = serde_json::json!({
                "seq": 1, "id": 1, "source": "control", "text": format!("alpha {n}. More words."),
                "voice": "rms", "outcome": "spoken", "queued_at": "", "audio_secs": 1.0
            });
            heard.0.entries.lock().unwrap().push(serde_json::from_value(entry).unwrap());
        }
        let mut section = Section::new("00-test", "A test");
        heard.judge(&mut section, &[("alpha", 4)]);
        assert_eq!(section.n_wrong(), n_wrong, "{numbers:?}");
        section.forget();
    }
}
