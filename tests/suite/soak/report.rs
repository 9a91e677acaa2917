//! A scenario's section of the report: what was done, what was measured, what is allowed; in Markdown, with curves.
//!
//! A section is a file of its own, so that one scenario can be run again alone: the report is what sections there are.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use super::curves::{Panel, svg};
use super::plan::{is_long, seed};
use super::sampler::{Quiet, Samples, median};

/// Memory that comes and goes without being lost: pages that the allocator keeps of one burst and not of another. What is
/// leaked in a long run, a descriptor's buffer or a line's text each time, is more.
pub(super) const FLAT_MB: f64 = 4.0;

/// Contended by scenarios that end at the same time: one after the other writes its files, and the report.
static REPORT: Mutex<()> = Mutex::new(());

/// What a figure may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    Exactly(f64),
    AtMost(f64),
    AtLeast(f64),
    /// Anything: it is told, not judged.
    Told,
}

impl Bound {
    fn allows(self, figure: f64) -> bool {
        match self {
            Self::Exactly(bound) => (figure - bound).abs() < 1e-9,
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
            Self::Told => true,
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::Exactly(bound) => number(bound),
            Self::AtMost(bound) => format!("at most {}", number(bound)),
            Self::AtLeast(bound) => format!("at least {}", number(bound)),
            Self::Told => String::new(),
        }
    }
}

struct Fact {
    what: String,
    figure: f64,
    bound: Bound,
}

/// A section in the making. One that is dropped before its end says why.
pub(super) struct Section {
    /// Its place, and its files' name.
    place: &'static str,
    title: &'static str,
    begun: Instant,
    done: Vec<String>,
    facts: Vec<Fact>,
    panels: Vec<Panel>,
    has_ended: bool,
}

impl Section {
    /// `place` is a number with two digits and a word.
    pub(super) fn new(place: &'static str, title: &'static str) -> Self {
        let (done, facts, panels) = (Vec::new(), Vec::new(), Vec::new());
        Self { place, title, begun: Instant::now(), done, facts, panels, has_ended: false }
    }

    /// A sentence on what was done.
    pub(super) fn done(&mut self, what: impl Into<String>) {
        self.done.push(what.into());
    }

    pub(super) fn fact(&mut self, what: impl Into<String>, figure: f64, bound: Bound) {
        self.facts.push(Fact { what: what.into(), figure, bound });
    }

    pub(super) fn count(&mut self, what: &str, n: usize, bound: Bound) {
        self.fact(what, n as f64, bound);
    }

    pub(super) fn curve(&mut self, title: &str, points: Vec<(f64, f64)>) {
        self.panels.push(Panel::new(title, points));
    }

    /// What was taken over time, as curves and as figures.
    pub(super) fn taken(&mut self, samples: &Samples) {
        if samples.0.is_empty() {
            self.done("Nothing was sampled: this system has no `/proc`.");
            return;
        }
        self.panels.extend(Panel::of(samples));
        let highest = |value: fn(&super::sampler::Sample) -> f64| {
            samples.0.iter().map(value).fold(0.0, f64::max)
        };
        let middle = median(samples.0.iter().map(|sample| sample.resident_mb).collect());
        self.fact("resident memory, median, MB", middle, Bound::Told);
        self.fact("resident memory, highest, MB", highest(|it| it.resident_mb), Bound::Told);
        self.fact("descriptors, most", highest(|it| it.n_descriptors as f64), Bound::Told);
        self.fact("threads, most", highest(|it| it.n_threads as f64), Bound::Told);
        self.fact("processor, % of one", 100.0 * samples.load(), Bound::Told);
    }

    /// The same, of one daemon, whose memory may not grow.
    pub(super) fn taken_flat(&mut self, samples: &Samples) {
        self.taken(samples);
        if !samples.0.is_empty() {
            let what = "memory grew, last tenth over the second one, MB";
            self.fact(what, samples.growth_mb(), Bound::AtMost(FLAT_MB));
        }
    }

    /// What was open before must be what is open after.
    pub(super) fn quiet(&mut self, before: Option<Quiet>, after: impl FnOnce(Quiet) -> Quiet) {
        let Some(before) = before else { return };
        let after = after(before);
        let bound = |n: usize| Bound::Exactly(n as f64);
        self.count("descriptors afterwards", after.n_descriptors, bound(before.n_descriptors));
        self.count("threads afterwards", after.n_threads, bound(before.n_threads));
    }

    /// Writes it down.
    ///
    /// # Panics
    /// Where a figure is not what it may be.
    pub(super) fn end(mut self) {
        self.has_ended = true;
        let text = self.publish();
        assert_eq!(self.n_wrong(), 0, "not as it should be:\n{text}");
    }

    /// How many figures are not what they may be.
    pub(super) fn n_wrong(&self) -> usize {
        self.facts.iter().filter(|fact| !fact.bound.allows(fact.figure)).count()
    }

    /// It belongs to no report.
    pub(super) fn forget(mut self) {
        self.has_ended = true;
    }

    fn in_markdown(&self) -> String {
        let mut text = format!("## {}\n\n", self.title);
        let day = humantime::format_rfc3339_seconds(SystemTime::now());
        let n_processors = std::thread::available_parallelism().map_or(0, usize::from);
        let _infallible = writeln!(
            text,
            "{day}: {} s, {} form, seed {}, {} build, {n_processors} processors.\n",
            self.begun.elapsed().as_secs(),
            if is_long() { "long" } else { "short" },
            seed(),
            if cfg!(debug_assertions) { "debug" } else { "release" },
        );
        for what in &self.done {
            let _infallible = writeln!(text, "- {what}");
        }
        text += "\n| what | figure | allowed | |\n|---|---:|---|---|\n";
        for Fact { what, figure, bound } in &self.facts {
            let is_right = if bound.allows(*figure) { "" } else { "**not so**" };
            let (figure, allowed) = (number(*figure), bound.in_words());
            let _infallible = writeln!(text, "| {what} | {figure} | {allowed} | {is_right} |");
        }
        if !self.panels.is_empty() {
            let _infallible = writeln!(text, "\n![{}]({}.svg)", self.title, self.place);
        }
        text
    }

    /// Writes the section where a report is wanted, and the report anew. Returns the section.
    fn publish(&self) -> String {
        let text = self.in_markdown();
        let curves = if self.panels.is_empty() { None } else { Some(svg(&self.panels)) };
        let Some(directory) = std::env::var_os("SPEAKERD_SOAK_REPORT").map(PathBuf::from) else {
            return text;
        };
        let _only_one = REPORT.lock();
        fs::create_dir_all(&directory).unwrap();
        if let Some(curves) = curves {
            fs::write(directory.join(format!("{}.svg", self.place)), curves).unwrap();
        }
        fs::write(directory.join(format!("{}.md", self.place)), &text).unwrap();
        fs::write(directory.join("report.md"), assembled(&directory)).unwrap();
        text
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if !self.has_ended {
            let is_broken = std::thread::panicking();
            self.done(if is_broken {
                "**It broke off here.**"
            } else {
                "Not possible on this machine."
            });
            // A report that cannot be written must not end the other scenarios; why it cannot be is printed by the panic.
            let _written =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.publish()));
        }
    }
}

/// The sections that there are, in order.
fn assembled(directory: &Path) -> String {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_section = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let is_numbered = name.starts_with(|c: char| c.is_ascii_digit());
        is_numbered && path.extension().is_some_and(|extension| extension == "md")
    };
    let mut sections: Vec<_> = entries.filter(is_section).collect();
    sections.sort();
    let title = format!("# speakerd {}, soaked\n", env!("CARGO_PKG_VERSION"));
    sections.iter().fold(title, |text, path| text + "\n" + &fs::read_to_string(path).unwrap())
}

/// As many digits as say something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value.abs() < 1.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

#[test]
fn a_report_is_made_of_the_sections_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("10-b.md", "## b\n"), ("02-a.md", "## a\n"), ("report.md", "old")] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let report = assembled(directory.path());
    assert!(report.ends_with("soaked\n\n## a\n\n## b\n"), "{report}");
}

#[test]
fn a_figure_that_may_not_be_is_marked_and_counted() {
    let mut section = Section::new("00-test", "A test");
    section.fact("lines lost", 0.0, Bound::Exactly(0.0));
    section.fact("memory grew, MB", 4.25, Bound::AtMost(FLAT_MB));
    let text = section.in_markdown();
    assert!(text.contains("| lines lost | 0 | 0 |  |"), "{text}");
    assert!(text.contains("| memory grew, MB | 4.2 | at most 4 | **not so** |"), "{text}");
    assert_eq!(section.n_wrong(), 1);
    section.forget();
}
