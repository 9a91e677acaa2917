//! `/admin/events`: what happens, told to whoever watches, as it does.
//!
//! Waits on the status, the history and its own clock; ends when the page hangs up or the daemon ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use crate::clock;
use crate::history::{Entry, Latest, Next};
use crate::http::Http;
use crate::http::described::{EventLine, MONITOR, NotDone};
use crate::http::error::ApiError;
use crate::http::guard::{Caller, MayAdminister};
use crate::status::Status;

/// How often the loudness is looked at while something sounds: often enough for a curve.
const LEVEL_EVERY: Duration = Duration::from_millis(50);

/// The status is sent no more often than this.
const STATUS_EVERY: Duration = Duration::from_millis(250);

/// How often memory and the like are told.
const VITALS_EVERY: Duration = Duration::from_secs(1);

/// What a page is told.
#[derive(Debug)]
enum Event {
    Status(Box<Status>),
    Level(f32),
    Ended(Arc<Entry>),
    Vitals(Vitals),
}

/// Memory and the like, with the limits beyond which they are told as alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Vitals {
    /// Resident memory of the daemon.
    memory_bytes: u64,
    /// Resident memory of the processes that it has started.
    children_bytes: u64,
    /// How long the oldest of what was not heard yet waits.
    queue_age_secs: f64,
    /// Computing time for a second of audio, of what was spoken last.
    real_time_factor: Option<f64>,
    /// Room on the disk of the bookmarks.
    disk_free_bytes: Option<u64>,
    /// What is beyond its limit, in words.
    alerts: Vec<String>,
    /// The limits.
    limits: Limits,
}

/// What is too much, or too little, of each; without one there is no limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    /// More memory than this.
    memory_bytes: Option<u64>,
    /// Less room on the disk than this.
    disk_free_bytes: Option<u64>,
    /// An older queue than this.
    queue_age_secs: Option<f64>,
}

impl Event {
    fn bytes(&self) -> Vec<u8> {
        let (name, data) = match self {
            Self::Status(status) => ("status", serde_json::to_string(status)),
            Self::Level(peak) => ("level", Ok(format!("{{\"peak\":{peak:.3}}}"))),
            Self::Ended(entry) => ("ended", serde_json::to_string(entry)),
            Self::Vitals(vitals) => ("vitals", serde_json::to_string(vitals)),
        };
        format!("event: {name}\ndata: {}\n\n", data.unwrap_or_default()).into_bytes()
    }
}

/// Tells what happens, as server-sent events, until one hangs up: `status` at the beginning and after changes, `level` while
/// something sounds, `ended` for each finished utterance, `vitals` each second.
///
/// # Errors
/// Where too many watch already.
#[utoipa::path(
    get, path = "/events", operation_id = "watch", tag = MONITOR, security(("key" = ["admin"])),
    responses(
        (
            status = 200, content_type = "text/event-stream", body = EventLine,
            description = "`status` has a `Status`, `ended` an `Entry`, `vitals` a `Vitals`, and `level` a `peak` from 0 to 1.",
        ),
        NotDone,
    ),
)]
pub async fn events(
    State(http): State<Arc<Http>>,
    MayAdminister(caller): MayAdminister,
) -> Result<Response, ApiError> {
    let permit = Arc::clone(&http.watchers).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiError::unavailable("busy", "too many pages watch; close one of them"))?;
    let watcher = Watcher::new(http, caller, permit);
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event.bytes()), watcher))
    });
    let mut response = Response::new(Body::from_stream(events));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// What one page has been told, and what it is to be told next.
struct Watcher {
    http: Arc<Http>,
    caller: Caller,
    changes: watch::Receiver<Status>,
    ends: watch::Receiver<Latest>,
    /// The last entry of the history that was told.
    seq: u64,
    status_at: Option<Instant>,
    is_changed: bool,
    levels: tokio::time::Interval,
    vitals: tokio::time::Interval,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    fn new(http: Arc<Http>, caller: Caller, permit: OwnedSemaphorePermit) -> Self {
        let ends = http.history.subscribe();
        let seq = ends.borrow().seq;
        let paced = |every| {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            interval
        };
        Self {
            changes: http.board.subscribe(),
            seq,
            ends,
            status_at: None,
            is_changed: true,
            levels: paced(LEVEL_EVERY),
            vitals: paced(VITALS_EVERY),
            http,
            caller,
            _permit: permit,
        }
    }

    /// Waits for the next thing to tell; `None` once the daemon has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            match self.http.history.after(self.seq) {
                Next::Entry(entry) => {
                    self.seq = entry.seq;
                    return Some(Event::Ended(entry));
                }
                Next::Lost => self.seq = self.http.history.start(),
                Next::None => {}
            }
            let is_due = self.status_at.is_none_or(|at| clock::now() >= at + STATUS_EVERY);
            if self.is_changed && is_due {
                self.is_changed = false;
                self.status_at = Some(clock::now());
                // Where the daemon has too much to do, it is told later.
                if let Ok(status) = self.http.status().await {
                    return Some(Event::Status(status));
                }
                self.is_changed = true;
            }
            if self.ends.borrow().closed {
                return None;
            }
            let is_sounding = self.changes.borrow().playback.speaking.is_some();
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    self.is_changed = true;
                }
                ended = self.ends.changed() => {
                    ended.ok()?;
                }
                _ = self.levels.tick(), if is_sounding || self.is_changed => {
                    if is_sounding {
                        return Some(Event::Level(self.http.steering.level()));
                    }
                }
                _ = self.vitals.tick() => {
                    // A key that was removed is good for nothing more.
                    if !self.http.is_known(&self.caller) {
                        return None;
                    }
                    if let Some(vitals) = self.tell_vitals().await {
                        return Some(vitals);
                    }
                }
            }
        }
    }

    async fn tell_vitals(&self) -> Option<Event> {
        let status = self.http.status().await.ok()?;
        let alerts = self.http.settings().alerts;
        Some(Event::Vitals(Vitals {
            memory_bytes: status.daemon.resident_bytes,
            children_bytes: status.daemon.children_bytes,
            queue_age_secs: status.queue.oldest_age_secs,
            real_time_factor: status.queue.real_time_factor,
            disk_free_bytes: status.daemon.disk_free_bytes,
            alerts: status.alerts,
            limits: Limits {
                memory_bytes: alerts.memory_bytes,
                disk_free_bytes: alerts.disk_free_bytes,
                queue_age_secs: alerts.queue_age.map(|age| age.as_secs_f64()),
            },
        }))
    }
}
