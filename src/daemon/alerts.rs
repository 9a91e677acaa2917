//! What is too much to go on without a word. Pure: figures and limits in, sentences out.
//!
//! Knows nothing of where the figures come from or of who is told.

use std::time::Duration;

use crate::config::AlertsConfig;

/// An alert ends this far on the right side of its limit: a figure that stands at the limit does not come and go.
const HYSTERESIS: f64 = 0.1;

/// The age of what waits goes down with each line that begins to sound and up until the next one does.
const HYSTERESIS_OF_AGE: f64 = 0.5;

/// What is held against the limits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Figures {
    /// Resident memory of the daemon and the processes that it has started.
    pub(super) memory_bytes: u64,
    /// Room on the disk of the bookmarks; `None` where the system does not tell.
    pub(super) disk_free_bytes: Option<u64>,
    /// How long the oldest utterance waits to be heard.
    pub(super) oldest_age: Duration,
}

/// What there can be too much or too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Memory,
    Disk,
    QueueAge,
}

/// One that stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alert {
    pub(super) subject: Subject,
    /// How much it is, what the limit is, and the way out: in a line of a terminal.
    pub(super) sentence: String,
}

impl Subject {
    fn hysteresis(self) -> f64 {
        match self {
            Self::Memory | Self::Disk => HYSTERESIS,
            Self::QueueAge => HYSTERESIS_OF_AGE,
        }
    }

    /// Whether it has the same limit in both.
    pub(super) fn has_same_limit(self, old: &AlertsConfig, new: &AlertsConfig) -> bool {
        match self {
            Self::Memory => old.memory_bytes == new.memory_bytes,
            Self::Disk => old.disk_free_bytes == new.disk_free_bytes,
            Self::QueueAge => old.queue_age == new.queue_age,
        }
    }

    /// What is said once it is over.
    pub(super) fn over(self) -> &'static str {
        match self {
            Self::Memory => "the memory is within alerts.memory_mb again",
            Self::Disk => "the room on the disk is within alerts.disk_free_mb again",
            Self::QueueAge => "what waits is within alerts.queue_age_secs again",
        }
    }
}

/// The alerts that stand, where those of `standing` stood before.
pub(super) fn judge(limits: &AlertsConfig, figures: &Figures, standing: &[Alert]) -> Vec<Alert> {
    let stands = |subject| standing.iter().any(|alert| alert.subject == subject);
    let is_above = |subject: Subject, figure: f64, limit: f64| {
        let slack = subject.hysteresis() * limit.abs();
        figure > if stands(subject) { limit - slack } else { limit }
    };
    let mut alerts = Vec::new();
    if let Some(limit) = limits.memory_bytes
        && is_above(Subject::Memory, figures.memory_bytes as f64, limit as f64)
    {
        let sentence = format!(
            "{} MB of memory, alerts.memory_mb is {}; `speakerd unload` frees idle voices",
            megabytes(figures.memory_bytes),
            megabytes(limit)
        );
        alerts.push(Alert { subject: Subject::Memory, sentence });
    }
    // What cannot be asked now is as it was.
    if figures.disk_free_bytes.is_none() {
        alerts.extend(standing.iter().filter(|alert| alert.subject == Subject::Disk).cloned());
    }
    // The other way round: there is too little of it.
    if let (Some(limit), Some(n_free)) = (limits.disk_free_bytes, figures.disk_free_bytes)
        && is_above(Subject::Disk, -(n_free as f64), -(limit as f64))
    {
        let sentence = format!(
            "{} MB of disk free, alerts.disk_free_mb is {}; make room, or lines come again",
            megabytes(n_free),
            megabytes(limit)
        );
        alerts.push(Alert { subject: Subject::Disk, sentence });
    }
    if let Some(limit) = limits.queue_age
        && is_above(Subject::QueueAge, figures.oldest_age.as_secs_f64(), limit.as_secs_f64())
    {
        let sentence = format!(
            "a line waits for {} s, alerts.queue_age_secs is {}; see `speakerd status`",
            rounded(figures.oldest_age.as_secs_f64()),
            limit.as_secs_f64()
        );
        alerts.push(Alert { subject: Subject::QueueAge, sentence });
    }
    alerts
}

fn megabytes(n_bytes: u64) -> f64 {
    rounded(n_bytes as f64 / 1e6)
}

/// With one decimal where it counts.
fn rounded(number: f64) -> f64 {
    if number < 10.0 { (number * 10.0).round() / 10.0 } else { number.round() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AlertsConfig = AlertsConfig {
        memory_bytes: Some(100_000_000),
        disk_free_bytes: Some(50_000_000),
        queue_age: Some(Duration::from_secs(10)),
    };

    fn figures(memory_mb: u64, disk_mb: u64, age_secs: f64) -> Figures {
        Figures {
            memory_bytes: memory_mb * 1_000_000,
            disk_free_bytes: Some(disk_mb * 1_000_000),
            oldest_age: Duration::from_secs_f64(age_secs),
        }
    }

    #[test]
    fn an_alert_comes_beyond_its_limit_and_ends_well_on_the_right_side_of_it() {
        use Subject::{Disk, Memory, QueueAge};
        // One after the other.
        let cases: [(Figures, &[Subject]); 12] = [
            (figures(20, 900, 0.0), &[]),
            (figures(100, 50, 10.0), &[]),
            (figures(101, 900, 0.0), &[Memory]),
            (figures(95, 900, 0.0), &[Memory]),
            (figures(89, 900, 0.0), &[]),
            (figures(95, 900, 0.0), &[]),
            (figures(20, 49, 10.5), &[Disk, QueueAge]),
            (figures(20, 54, 5.5), &[Disk, QueueAge]),
            (figures(20, 56, 4.9), &[]),
            (figures(101, 0, 1e6), &[Memory, Disk, QueueAge]),
            (Figures { disk_free_bytes: None, ..figures(20, 0, 1e6) }, &[Disk, QueueAge]),
            (figures(20, 900, 0.0), &[]),
        ];
        let mut standing = Vec::new();
        for (figures, expected) in cases {
            standing = judge(&LIMITS, &figures, &standing);
            let subjects: Vec<_> = standing.iter().map(|alert| alert.subject).collect();
            assert_eq!(subjects, expected, "{figures:?}");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        let worst = figures(1_000_000, 0, 1e6);
        assert_eq!(judge(&AlertsConfig::default(), &worst, &judge(&LIMITS, &worst, &[])), []);
    }

    #[test]
    fn a_sentence_has_the_figure_the_limit_and_the_way_out() {
        let alerts = judge(&LIMITS, &figures(812, 3, 71.4), &[]);
        for (alert, parts) in alerts.iter().zip([
            ["812 MB", "alerts.memory_mb is 100", "speakerd unload"],
            ["3 MB of disk free", "alerts.disk_free_mb is 50", "make room"],
            ["71 s", "alerts.queue_age_secs is 10", "speakerd status"],
        ]) {
            for part in parts {
                assert!(alert.sentence.contains(part), "{part}: {}", alert.sentence);
            }
            assert!(alert.sentence.len() < 80, "{}", alert.sentence);
        }
        assert_eq!(alerts.len(), 3);
    }
}
