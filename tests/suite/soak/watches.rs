//! A system that has no more watches to give: what is beyond its limit is polled, and nothing is lost.

use std::fs;

use rustix::process::Signal;

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, Section};
use super::sampler::Sampler;
use super::{SILENT, settle, status};
use crate::support::program::Home;

/// Reached while the daemon runs; and reached before it starts. What the daemon says is to be raised.
const LIMITS: [[&str; 2]; 2] = [
    ["6 > /proc/sys/user/max_inotify_watches", "max_user_watches"],
    ["0 > /proc/sys/user/max_inotify_instances", "max_user_instances"],
];

#[test]
fn a_limit_of_watches_that_is_reached_costs_no_line() {
    let n_directories = plan(8, 40);
    for ([limit, remedy], place, title) in [
        (LIMITS[0], "11-watches", "A limit of watches that is reached"),
        (LIMITS[1], "12-instances", "A system without watches"),
    ] {
        let mut section = Section::new(place, title);
        let mut progress = Progress::of(place);
        let home = Home::new(&format!("{SILENT}[[watch]]\npath = \"$HOME/logs/*/*.log\"\n"));
        fs::create_dir(home.path("logs")).unwrap();
        let Some(mut daemon) = home.start_after(&format!("echo {limit}")) else { return };
        let heard = Heard::default();
        let follower = heard.follow(&home);
        let sampler = Sampler::of(&daemon);
        let names: Vec<_> = (0..n_directories).map(|n| format!("file{n}x")).collect();
        for (n, name) in names.iter().enumerate() {
            progress.tell(n, n_directories, "directories");
            fs::create_dir_all(home.path(&format!("logs/{name}"))).unwrap();
            home.append(&format!("logs/{name}/{name}.log"), &format!("{name} 1\n"));
            // Some at once: where they are polled, a new directory takes two seconds.
            if n % 4 == 3 {
                heard.wait_for(n + 1);
            }
        }
        heard.wait_for(n_directories);
        for name in &names {
            home.append(&format!("logs/{name}/{name}.log"), &format!("{name} 2\n{name} 3\n"));
        }
        heard.wait_for(3 * n_directories);
        settle(&home);
        let samples = sampler.end();
        let watch = status(&home).watch;
        let n_polled = watch.files.iter().filter(|file| file.polled).count();
        assert!(daemon.end_with(Signal::TERM).success());
        follower.end();
        section.done(format!(
            "The limit is `{limit}`. {n_directories} directories with a watched file each were made one after the other; three \
             lines came in each. What `status` says is to be raised: `fs.inotify.{remedy}`."
        ));
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 3)).collect();
        heard.judge(&mut section, &lines);
        section.count("files", watch.files.len(), Bound::Exactly(n_directories as f64));
        section.count("files that are polled", n_polled, Bound::AtLeast(1.0));
        let n_words = watch.polling.unwrap_or_default().matches(remedy).count();
        section.count("words about it in `status`", n_words, Bound::Exactly(1.0));
        section.taken(&samples);
        section.end();
    }
}
