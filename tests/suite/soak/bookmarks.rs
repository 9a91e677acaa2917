//! A disk that is full, and one that cannot be written to, below the file in which positions are kept.

use speakerd::control::protocol::Request;

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{SILENT, ask, settle, status};
use crate::positions::{inside, on_a_small_disk};
use crate::support::program::Home;

/// What is done to the disk, and what mends it.
const FAULTS: [[&str; 2]; 2] = [
    [
        "{ dd if=/dev/zero of=state/speakerd/fill bs=1k 2>/dev/null || true; }",
        "rm state/speakerd/fill",
    ],
    ["mount -o remount,ro state/speakerd", "mount -o remount,rw state/speakerd"],
];

#[test]
fn a_disk_that_fails_again_and_again_costs_no_line() {
    let n_faults = plan(6, 40);
    let mut section = Section::new("07-bookmarks", "A full disk and a read-only one");
    let mut progress = Progress::of("bookmarks");
    let home = Home::new(&format!("{SILENT}[[watch]]\npath = \"$HOME/alpha.log\"\n"));
    home.append("alpha.log", "");
    let Some(mut daemon) = home.start_after(&on_a_small_disk("true")) else { return };
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let (mut n_written, mut n_said) = (0, 0);
    let mut speak = |n_lines| {
        for _ in 0..n_lines {
            n_written += 1;
            home.append("alpha.log", &format!("alpha {n_written}\n"));
        }
        settle(&home);
        n_written
    };
    speak(1);
    let quiet = Quiet::of(&daemon);
    let sampler = Sampler::of(&daemon);
    for n in 0..n_faults {
        progress.tell(n, n_faults, "faults");
        let [fault, mend] = FAULTS[n % 2];
        inside(&daemon, fault);
        speak(5);
        n_said += usize::from(status(&home).watch.problem.is_some());
        inside(&daemon, mend);
        speak(1);
        assert_eq!(status(&home).watch.problem, None, "{mend}");
    }
    let n_written = speak(1);
    let samples = sampler.end();
    section.quiet(quiet, |before| before.again(&daemon));
    let n_bytes = home.path("alpha.log").metadata().unwrap().len();
    let status = status(&home);
    assert_eq!(status.watch.files[0].heard_bytes, n_bytes);
    inside(&daemon, &format!("grep -q {n_bytes} state/speakerd/bookmarks.json"));
    ask(&home, &Request::Shutdown);
    assert!(daemon.wait().success());
    follower.end();
    section.done(format!(
        "The disk below the bookmarks was filled, or made read-only, {n_faults} times, and mended each time; lines came \
         before and after. At the end the bookmark stands behind the last line."
    ));
    heard.judge(&mut section, &[("alpha", n_written)]);
    section.count("faults that `status` told of", n_said, Bound::Exactly(n_faults as f64));
    section.taken_flat(&samples);
    section.end();
}
