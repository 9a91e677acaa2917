//! `/admin`: what is configured, what it costs, and looking after the engines. All of it needs a key that is good for it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Http;
use super::cache::CacheStats;
use super::described::{ADMINISTRATION, NotDone, NotThere};
use super::error::ApiError;
use super::extract::{Json, Query};
use super::guard::MayAdminister;
use super::latencies::LatencyStats;
use super::monitor::Done;
use crate::control::protocol::{Load, Request, Response as Answer};
use crate::status::{OutcomeCounts, Status};

/// How long a clean-up is waited for: what is being said is finished first.
const CLEANUP_LIMIT: Duration = Duration::from_secs(30);

/// `GET /admin/config`
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    /// Section by section.
    #[schema(value_type = Object)]
    config: serde_json::Value,
}

/// Shows every key of the configuration with its value, without what is secret.
#[utoipa::path(
    get, path = "/config", operation_id = "show_config", tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "The configuration.", body = Shown)),
)]
pub async fn config(State(http): State<Arc<Http>>, _: MayAdminister) -> Json<Shown> {
    Json(Shown { config: http.settings().shown.clone() })
}

/// Why a clean-up is made: a word for the log of whoever asks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Trigger {
    /// Comes back in the answer.
    trigger: Option<String>,
}

/// `POST /admin/cleanup`
#[derive(Debug, Serialize, ToSchema)]
pub struct Cleanup {
    /// Why: what the request said, else `manual`.
    trigger: String,
    /// Resident memory before, with that of the processes of engines.
    memory_before_bytes: u64,
    /// The same after it.
    memory_after_bytes: u64,
    /// The difference.
    freed_bytes: u64,
    /// The engines that were loaded.
    checked: Vec<String>,
    /// Those of them that are not any more.
    unloaded: Vec<String>,
}

/// Unloads every engine once it has said what it has begun, empties the cache, and gives the memory back.
///
/// # Errors
/// Where the daemon cannot, or not in time.
#[utoipa::path(
    post, path = "/cleanup", tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "What came of it.", body = Cleanup), NotDone),
)]
pub async fn cleanup(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    Query(trigger): Query<Trigger>,
) -> Result<Json<Cleanup>, ApiError> {
    let before = http.status().await?;
    http.cache.clear().await;
    http.door.ask(Request::Unload).await?;
    let loaded = &before.engine.loaded;
    let is_done = |status: &Status| !loaded.iter().any(|it| status.engine.loaded.contains(it));
    http.board.wait_until(CLEANUP_LIMIT, is_done).await;
    let after = http.status().await?;
    let memory = |status: &Status| status.daemon.resident_bytes + status.daemon.children_bytes;
    let (memory_before_bytes, memory_after_bytes) = (memory(&before), memory(&after));
    let checked = before.engine.loaded;
    let is_gone = |engine: &&String| !after.engine.loaded.contains(engine);
    Ok(Json(Cleanup {
        trigger: trigger.trigger.unwrap_or_else(|| "manual".to_owned()),
        memory_before_bytes,
        memory_after_bytes,
        freed_bytes: memory_before_bytes.saturating_sub(memory_after_bytes),
        unloaded: checked.iter().filter(is_gone).cloned().collect(),
        checked,
    }))
}

/// `POST /admin/load`
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct LoadRequest {
    /// Whose engine; the usual voice's where it is not given.
    voice: Option<String>,
}

/// Loads the engine of a voice ahead of its first use; answered at once.
///
/// # Errors
/// Where there is no such voice.
#[utoipa::path(
    post, path = "/load", operation_id = "load_engine", request_body = Option<LoadRequest>, tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "It is being loaded.", body = Done), NotDone, NotThere),
)]
pub async fn load(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
    body: Option<Json<LoadRequest>>,
) -> Result<Json<Done>, ApiError> {
    let Json(request) = body.unwrap_or_default();
    let voice = match request.voice {
        Some(voice) => Some(http.settings().voice(Some(&voice))?.to_string()),
        None => None,
    };
    http.order(Request::Load(Load { voice })).await
}

/// Unloads every engine once it is idle; answered at once.
///
/// # Errors
/// Where the daemon has too much to do.
#[utoipa::path(
    post, path = "/unload", operation_id = "unload_engines", tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "They will be unloaded.", body = Done), NotDone),
)]
pub async fn unload(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
) -> Result<Json<Done>, ApiError> {
    http.order(Request::Unload).await
}

/// `GET /admin/stats`
#[derive(Debug, Serialize, ToSchema)]
pub struct Stats {
    /// Seconds since the server began.
    uptime_secs: f64,
    /// What was answered without an engine.
    cache: CacheStats,
    /// What was done, and what it took.
    performance: Performance,
    /// From asked to first sound, of requests that were not answered from the cache.
    latency: LatencyStats,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Performance {
    /// What became of all utterances, those of files and of the socket as well.
    outcomes: OutcomeCounts,
    /// Requests that wait for the engine or are being spoken.
    n_pending: usize,
    /// How many may.
    max_pending: usize,
    /// Computing time for a second of audio, of the utterance that was spoken last.
    real_time_factor: Option<f64>,
    /// The engines that are in memory.
    engines_loaded: Vec<String>,
    /// How often an engine was loaded.
    n_loads: u64,
    /// How often engines were unloaded.
    n_unloads: u64,
    /// Resident memory of the daemon.
    memory_bytes: u64,
    /// Resident memory of the processes that it has started.
    children_bytes: u64,
}

/// Shows how the server does.
///
/// # Errors
/// Where the daemon cannot answer.
#[utoipa::path(
    get, path = "/stats", operation_id = "show_stats", tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "The figures.", body = Stats), NotDone),
)]
pub async fn stats(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
) -> Result<Json<Stats>, ApiError> {
    let status = http.status().await?;
    Ok(Json(Stats {
        uptime_secs: http.uptime().as_secs_f64(),
        cache: http.cache.stats(),
        performance: Performance {
            outcomes: status.queue.outcomes,
            n_pending: http.n_pending(),
            max_pending: http.max_pending,
            real_time_factor: status.queue.real_time_factor,
            engines_loaded: status.engine.loaded,
            n_loads: status.engine.n_loads,
            n_unloads: status.engine.n_unloads,
            memory_bytes: status.daemon.resident_bytes,
            children_bytes: status.daemon.children_bytes,
        },
        latency: http.latencies.stats(),
    }))
}

/// Everything that is counted, in Prometheus's text format.
///
/// # Errors
/// Where nothing is counted.
#[utoipa::path(
    get, path = "/metrics", tag = ADMINISTRATION, security(("key" = ["admin"])),
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain"), NotThere),
)]
pub async fn metrics(
    State(http): State<Arc<Http>>,
    _: MayAdminister,
) -> Result<Response, ApiError> {
    let Some(exposition) = &http.exposition else {
        return Err(ApiError::not_found("not_found", "nothing is counted"));
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, exposition.text()).into_response())
}

impl Http {
    /// The state of the daemon at this moment.
    pub(super) async fn status(&self) -> Result<Box<Status>, ApiError> {
        match self.door.ask(Request::Status).await? {
            Answer::Status(status) => Ok(status),
            other => Err(super::voices::unexpected(&other)),
        }
    }
}
