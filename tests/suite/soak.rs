//! Long lives and hard days of the real program: what was done, what was lost, and what it took, as a report.
//!
//! Each test here has a short form. The long one takes half an hour, and writes a report with curves:
//! `SPEAKERD_SOAK=long SPEAKERD_SOAK_REPORT=DIR cargo test --release --test suite -- soak:: --nocapture --test-threads 1`;
//! `SPEAKERD_SOAK_SEED=N` for another course of things.

mod bookmarks;
mod clients;
mod clock;
mod configs;
mod curves;
mod directories;
mod heard;
mod hours;
mod plan;
mod report;
mod rotations;
mod sampler;
#[cfg(feature = "card")]
mod sound_server;
mod starts;
#[cfg(feature = "pocket")]
mod uploads;
mod watches;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use speakerd::control::client::{Client, ClientError};
use speakerd::control::protocol::{Request, Response, WaitIdle};
use speakerd::status::Status;

use crate::support::program::Home;
use crate::support::rig::PATIENCE;

/// Sound goes nowhere, as fast as it comes; what is open stays open, so that it can be counted.
const SILENT: &str = "[audio]\noutput = \"null\"\nnull_speed = 0.0\nrelease_secs = 0\n";

/// Says that it is over when it is dropped: what goes on beside a test ends also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn connect(home: &Home) -> Result<Client, ClientError> {
    Client::connect(&home.path("run/speakerd/control.sock"))?.with_patience(5 * PATIENCE)
}

fn ask(home: &Home, request: &Request) -> Response {
    let answer = connect(home).and_then(|mut client| client.ask(request));
    answer.unwrap_or_else(|error| panic!("{request:?}: {error}: {}", home.log()))
}

fn status(home: &Home) -> Status {
    let Response::Status(status) = ask(home, &Request::Status) else { panic!("no status") };
    *status
}

/// Waits for a state of the daemon; returns how long that took.
fn wait_until(home: &Home, what: &str, wished: impl Fn(&Status) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let status = status(home);
        if wished(&status) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "waited for {what}: {status:#?}: {}", home.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until everything was said. Five times as long as others: there may be hundreds of lines.
fn settle(home: &Home) {
    let timeout_secs = Some(5.0 * PATIENCE.as_secs_f64());
    ask(home, &Request::WaitIdle(WaitIdle { timeout_secs }));
}

/// The longest of some times, in milliseconds.
fn slowest_ms(times: &[Duration]) -> f64 {
    times.iter().max().map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
