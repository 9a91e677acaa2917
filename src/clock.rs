//! Reads the clocks, for the thread loops. Everything below a loop takes `now` as an argument.

use std::time::{Instant, SystemTime};

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// A time as people and programs exchange it: RFC 3339 in UTC with microseconds.
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// What the wall clock said, or will say, at a monotonic time.
pub fn wall_clock_at(at: Instant, now: Instant, wall_now: SystemTime) -> SystemTime {
    if at <= now { wall_now - (now - at) } else { wall_now + (at - now) }
}
