//! `/admin`, for whoever watches: what waits and what was said; and steering it.

pub mod events;

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Http;
use super::described::{MONITOR, NotDone, NotThere, NothingThere};
use super::error::ApiError;
use super::extract::{Json, Query};
use super::guard::MayAdminister;
use super::voices::unexpected;
use crate::control::protocol::{Clear, Replay, Request, Response as Answer, Say};
use crate::history::Entry;
use crate::queue::Waiting;
use crate::speech::Lane;

/// The most entries of the history in one answer.
const MAX_ENTRIES: usize = 1_000;

/// Done, or on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// `true`.
    ok: bool,
}

/// `GET /admin/queue`
#[derive(Debug, Serialize, ToSchema)]
pub struct Queue {
    /// In speaking order.
    waiting: Vec<Waiting>,
}

/// Lists what waits to be heard, in speaking order.
///
/// # Errors
/// Where the daemon cannot answer.
#[utoipa::path(
    get, path = "/queue", operation_id = "list_queue", tag = MONITOR, security(("key" = ["admin"])),
    responses((status = 200, description = "What waits.", body = Queue), NotDone),
)]
pub async fn queue(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
) -> Result<Json<Queue>, ApiError> {
    match http.door.ask(Request::Queue).await? {
        Answer::Queue(waiting) => Ok(Json(Queue { waiting })),
        other => Err(unexpected(&other)),
    }
}

/// How much of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Last {
    /// How many; no more than 1,000 come.
    #[serde(default = "Last::usual")]
    #[param(default = Last::usual)]
    last: usize,
}

impl Last {
    fn usual() -> usize {
        50
    }
}

/// `GET /admin/history`
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// Oldest first.
    entries: Vec<Entry>,
}

/// Lists what was said last, oldest first.
#[utoipa::path(
    get, path = "/history", operation_id = "list_history", tag = MONITOR, security(("key" = ["admin"])),
    responses((status = 200, description = "What was said.", body = History)),
)]
pub async fn history(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    Query(Last { last }): Query<Last>,
) -> Json<History> {
    let entries = http.history.newest(last.min(MAX_ENTRIES));
    Json(History { entries: entries.iter().map(|entry| (**entry).clone()).collect() })
}

impl Http {
    /// Has something done that is answered with no more than that.
    pub(super) async fn order(&self, request: Request) -> Result<Json<Done>, ApiError> {
        self.door.ask(request).await?;
        Ok(Json(Done { ok: true }))
    }
}

macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident, $path:literal, ($($refused:ty),*) => $request:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Where it cannot be done.
        #[utoipa::path(
            post, path = $path, tag = MONITOR, security(("key" = ["admin"])),
            responses((status = 200, description = "Done.", body = Done), $($refused),*),
        )]
        pub async fn $name(
            State(http): State<Arc<Http>>,
            _: MayAdminister,
        ) -> Result<Json<Done>, ApiError> {
            http.order($request).await
        }
    )*};
}

orders! {
    /// Stops what sounds, or what would sound next, and goes on with the following.
    skip, "/skip", (NotDone, NothingThere) => Request::Skip;
    /// Drops everything that waits to be heard, and stops what sounds; requests go on.
    clear, "/clear", (NotDone) => Request::Clear(Clear::default());
    /// Holds the sound where it is.
    pause, "/pause", (NotDone) => Request::Pause;
    /// Goes on after a pause.
    resume, "/resume", (NotDone) => Request::Resume;
    /// Silences the sound; it goes on unheard.
    mute, "/mute", (NotDone) => Request::Mute;
    /// Lets it be heard again.
    unmute, "/unmute", (NotDone) => Request::Unmute;
}

/// Says the last things again.
///
/// # Errors
/// Where nothing was said yet, or the queue is full.
#[utoipa::path(
    post, path = "/replay", request_body = Option<Replay>, tag = MONITOR, security(("key" = ["admin"])),
    responses((status = 200, description = "They are on their way.", body = Done), NotDone, NothingThere),
)]
pub async fn replay(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    body: Option<Json<Replay>>,
) -> Result<Json<Done>, ApiError> {
    http.order(Request::Replay(body.unwrap_or_default().0)).await
}

/// `POST /admin/volume`
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"volume": 0.8}))]
pub struct Volume {
    /// As a factor: 1 is as it is made.
    #[schema(minimum = 0, maximum = 2)]
    volume: f32,
}

/// Sets the loudness of everything, 0 to 2.
///
/// # Errors
/// Where it is beyond that.
#[utoipa::path(
    post, path = "/volume", operation_id = "set_volume", tag = MONITOR, security(("key" = ["admin"])),
    responses((status = 200, description = "Set.", body = Done), NotDone),
)]
pub async fn volume(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    Json(Volume { volume }): Json<Volume>,
) -> Result<Json<Done>, ApiError> {
    http.order(Request::Volume(volume)).await
}

/// `POST /admin/say`
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"text": "Tea is ready.", "priority": "important"}))]
pub struct SayRequest {
    /// What to say.
    #[schema(min_length = 1, pattern = r"\S")]
    text: String,
    /// Whose voice; the usual one where it is not given.
    #[serde(default)]
    voice: Option<String>,
    /// Before what waits, or behind it.
    #[serde(default)]
    priority: Lane,
    /// Stops what sounds, in order to be heard at once.
    #[serde(default)]
    interrupt: bool,
}

/// `POST /admin/say`
#[derive(Debug, Serialize, ToSchema)]
pub struct Queued {
    /// `true`.
    ok: bool,
    /// Of the utterance, as the history has it.
    id: u64,
}

/// Says something where the daemon is heard.
///
/// # Errors
/// Where there is no such voice, or the queue is full.
#[utoipa::path(
    post, path = "/say", tag = MONITOR, security(("key" = ["admin"])),
    responses((status = 200, description = "It waits to be heard.", body = Queued), NotDone, NotThere),
)]
pub async fn say(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    Json(request): Json<SayRequest>,
) -> Result<Json<Queued>, ApiError> {
    let SayRequest { text, voice, priority, interrupt } = request;
    let voice = match voice {
        Some(voice) => Some(http.settings().voice(Some(&voice))?.to_string()),
        None => None,
    };
    let say = Say { text, voice, priority, interrupt, ..Say::default() };
    match http.door.ask(Request::Say(say)).await? {
        Answer::Queued { id } => Ok(Json(Queued { ok: true, id })),
        other => Err(unexpected(&other)),
    }
}
