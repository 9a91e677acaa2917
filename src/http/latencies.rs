//! How long requests waited for their first sound: the last thousand of them.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

/// As many as are needed for a 99th percentile that means something.
const N_KEPT: usize = 1_000;

/// The last latencies. Contended by the requests, for a push.
#[derive(Debug, Default)]
pub struct Latencies(Mutex<VecDeque<f32>>);

/// What they come to, in milliseconds; `None` where there were none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LatencyStats {
    /// How many there are.
    pub n: usize,
    /// Half of them are below.
    pub p50_ms: Option<f32>,
    /// 95 of 100 are below.
    pub p95_ms: Option<f32>,
    /// 99 of 100 are below.
    pub p99_ms: Option<f32>,
    /// The longest.
    pub max_ms: Option<f32>,
}

impl Latencies {
    /// Notes one.
    pub fn note(&self, latency: Duration) {
        let mut kept = self.0.lock();
        if kept.len() == N_KEPT {
            kept.pop_front();
        }
        kept.push_back(latency.as_secs_f32() * 1e3);
    }

    /// What they come to.
    pub fn stats(&self) -> LatencyStats {
        let mut sorted: Vec<f32> = self.0.lock().iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let n = sorted.len();
        let below = |percent: usize| {
            let idx = (n * percent).div_ceil(100).checked_sub(1)?;
            sorted.get(idx).copied()
        };
        LatencyStats {
            n,
            p50_ms: below(50),
            p95_ms: below(95),
            p99_ms: below(99),
            max_ms: sorted.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_thousand() {
        let latencies = Latencies::default();
        assert_eq!(latencies.stats(), LatencyStats::default());
        for ms in 0..2_000 {
            latencies.note(Duration::from_millis(ms));
        }
        let stats = latencies.stats();
        assert_eq!(stats.n, 1_000);
        for (found, ms) in
            [(stats.p50_ms, 1_499.0), (stats.p99_ms, 1_989.0), (stats.max_ms, 1_999.0)]
        {
            assert!((found.unwrap() - ms).abs() < 0.01, "{found:?}");
        }
    }
}
