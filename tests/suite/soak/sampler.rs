//! What the daemon takes, looked at from outside: memory, descriptors, threads and processor time.
//!
//! The sampler is a thread; it waits on its interval, and ends when it is told to.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::plan::plan;
use crate::support::program::Daemon;

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at_secs: f64,
    pub(super) resident_mb: f64,
    pub(super) n_descriptors: usize,
    pub(super) n_threads: usize,
    /// Used by this process so far.
    pub(super) cpu_secs: f64,
    pid: u32,
}

impl Sample {
    /// `None` where the process has gone, or the system has no `/proc`.
    fn of(pid: u32, at_secs: f64) -> Option<Self> {
        let count = |what: &str| Some(fs::read_dir(format!("/proc/{pid}/{what}")).ok()?.count());
        let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).ok();
        let n_pages: f64 = read("statm")?.split(' ').nth(1)?.parse().ok()?;
        if n_pages < 1.0 {
            return None; // it has ended, and nobody has noticed yet
        }
        // The name in front may have anything in it.
        let stat = read("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks: f64 =
            fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Self {
            at_secs,
            resident_mb: n_pages * rustix::param::page_size() as f64 / 1e6,
            n_descriptors: count("fd")?,
            n_threads: count("task")?,
            cpu_secs: ticks / rustix::param::clock_ticks_per_second() as f64,
            pid,
        })
    }
}

/// Looks at a daemon, or at one after the other.
pub(super) struct Sampler {
    /// Nobody, where it is 0.
    pid: Arc<AtomicU32>,
    end: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    pub(super) fn of(daemon: &Daemon) -> Self {
        // Long runs last up to half an hour: thousands of looks, which cost nothing.
        let interval = plan(Duration::from_millis(20), Duration::from_millis(200));
        let pid = Arc::new(AtomicU32::new(daemon.child.id()));
        let (end, ended) = bounded(1); // one word, once
        let thread = std::thread::spawn({
            let (pid, begun) = (Arc::clone(&pid), Instant::now());
            move || {
                let mut samples = Vec::new();
                loop {
                    let at_secs = begun.elapsed().as_secs_f64();
                    samples.extend(Sample::of(pid.load(Ordering::Relaxed), at_secs));
                    // Told to end, or its test has failed.
                    if ended.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
                        return samples;
                    }
                }
            }
        });
        Self { pid, end, thread }
    }

    /// From now on at this one.
    pub(super) fn look_at(&self, daemon: &Daemon) {
        self.pid.store(daemon.child.id(), Ordering::Relaxed);
    }

    pub(super) fn end(self) -> Samples {
        self.end.send(()).unwrap();
        Samples(self.thread.join().unwrap())
    }
}

/// What was seen, in order.
pub(super) struct Samples(pub(super) Vec<Sample>);

impl Samples {
    /// By how much the memory of one daemon grew.
    pub(super) fn growth_mb(&self) -> f64 {
        let (early, late) =
            tenths(&self.0.iter().map(|sample| sample.resident_mb).collect::<Vec<_>>());
        late - early
    }

    /// The part of one processor that was used.
    pub(super) fn load(&self) -> f64 {
        let spans = self.0.windows(2).filter(|pair| pair[0].pid == pair[1].pid);
        let (cpu, wall) = spans.fold((0.0, 0.0), |(cpu, wall), pair| {
            (cpu + pair[1].cpu_secs - pair[0].cpu_secs, wall + pair[1].at_secs - pair[0].at_secs)
        });
        cpu / f64::max(wall, 1e-3)
    }

    /// The part of a processor that was used, over time: in as many steps as a curve needs.
    pub(super) fn load_over_time(&self) -> Vec<(f64, f64)> {
        let step = (self.0.len() / 100).max(5);
        let steps = self.0.chunks(step).filter(|chunk| chunk.len() > 1);
        steps.map(|chunk| (chunk[0].at_secs, 100.0 * Self(chunk.to_vec()).load())).collect()
    }
}

/// The medians of the second tenth and of the last one. The first one belongs to what happens once.
pub(super) fn tenths(values: &[f64]) -> (f64, f64) {
    let tenth = (values.len() / 10).max(1);
    let early = tenth.min(values.len().saturating_sub(1))..(2 * tenth).min(values.len());
    let late = values.len().saturating_sub(tenth)..values.len();
    (median(values[early].to_vec()), median(values[late].to_vec()))
}

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What all processors of this machine have done so far.
pub(super) struct Machine {
    idle: f64,
    total: f64,
}

impl Machine {
    /// `None` where the system has no `/proc`.
    pub(super) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks = stat.lines().next()?.split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = ticks.filter_map(|ticks| ticks.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, total: ticks.iter().sum() })
    }

    /// The part of the time since then that they had nothing to do, in percent.
    pub(super) fn idle_percent_since(&self, then: &Self) -> f64 {
        100.0 * (self.idle - then.idle) / f64::max(self.total - then.total, 1.0)
    }
}

/// What is open while nothing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quiet {
    pub(super) n_descriptors: usize,
    pub(super) n_threads: usize,
}

/// How long a connection or a thread may take to its end.
const UNTIL_QUIET: Duration = Duration::from_secs(10);

impl Quiet {
    fn now(daemon: &Daemon) -> Option<Self> {
        let Sample { n_descriptors, n_threads, .. } = Sample::of(daemon.child.id(), 0.0)?;
        Some(Self { n_descriptors, n_threads })
    }

    /// Waits until nothing has changed for a while. `None` where the system has no `/proc`.
    pub(super) fn of(daemon: &Daemon) -> Option<Self> {
        let (begun, mut last, mut n_same) = (Instant::now(), Self::now(daemon)?, 0);
        while n_same < 10 && begun.elapsed() < UNTIL_QUIET {
            std::thread::sleep(Duration::from_millis(20));
            let now = Self::now(daemon)?;
            n_same = if now == last { n_same + 1 } else { 0 };
            last = now;
        }
        Some(last)
    }

    /// What is open now, or as soon as it is what it was.
    pub(super) fn again(self, daemon: &Daemon) -> Self {
        let begun = Instant::now();
        loop {
            let now = Self::now(daemon).unwrap();
            if now == self || begun.elapsed() > UNTIL_QUIET {
                return now;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn memory_that_grows_is_told_from_memory_that_is_taken_once() {
    let of = |resident_mb: fn(u32) -> f64| {
        let sample = |n: u32| Sample {
            at_secs: f64::from(n),
            resident_mb: resident_mb(n),
            n_descriptors: 20,
            n_threads: 10,
            cpu_secs: f64::from(n) / 4.0,
            pid: 1,
        };
        Samples((0..1_000).map(sample).collect())
    };
    let (taken_once, grows) =
        (of(|n| if n < 100 { 10.0 } else { 90.0 }), of(|n| 20.0 + f64::from(n) / 100.0));
    assert!(taken_once.growth_mb().abs() < 1e-9, "{}", taken_once.growth_mb());
    assert!((grows.growth_mb() - 8.0).abs() < 0.1, "{}", grows.growth_mb());
    assert!((grows.load() - 0.25).abs() < 1e-9, "{}", grows.load());
}
