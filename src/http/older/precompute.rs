//! `/v1/precompute-embeddings`: all voices made ready to speak at once, while everything else is answered.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use utoipa::{IntoParams, ToSchema};

use crate::control::protocol::Response as Answer;
use crate::http::Http;
use crate::http::described::OLDER;
use crate::http::error::{ApiError, ErrorDetails};
use crate::http::extract::{Json, Query};
use crate::http::guard::{MayMakeVoices, MaySpeak};
use crate::http::voices::unexpected;
use crate::voice::card::VoiceCard;
use crate::voice::request::VoiceRequest;

/// What became of the last time that all voices were made ready.
#[derive(Debug, Default)]
pub struct Precomputing {
    /// Contended by whoever asks for it and whoever does it, for a word.
    job: Mutex<Job>,
    done: Notify,
}

#[derive(Debug, Default)]
enum Job {
    #[default]
    None,
    Running,
    Done(Result<Vec<VoiceCard>, ApiError>),
}

/// How to make voices ready.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PrecomputeQuery {
    /// Those that are ready as well.
    all: bool,
    /// Answer when it is done.
    wait: bool,
}

/// How far it is.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the wire has that name")]
pub struct Progress {
    /// `idle`, `running`, `completed` or `failed`.
    status: &'static str,
    /// The voice that is being made.
    making: Option<String>,
    /// How far that one is, from 0 to 1.
    progress: f32,
    /// How many wait behind it.
    n_waiting: usize,
    /// What became of each, once it is done.
    voices: Vec<PrecomputedVoice>,
    /// Why it failed.
    error: Option<ErrorDetails>,
}

/// One voice of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrecomputedVoice {
    /// What it is called.
    name: String,
    /// `processing`, `completed` or `failed`.
    status: &'static str,
    /// Why it failed.
    problem: Option<String>,
}

/// Makes all voices ready to speak at once. The server answers meanwhile; `GET` tells how far it is.
///
/// # Errors
/// Where the daemon cannot answer.
#[utoipa::path(
    post, path = "/precompute-embeddings", operation_id = "precompute", tag = OLDER, security(("key" = ["voices"])),
    responses(
        (status = 200, description = "It is done.", body = Progress),
        (status = 202, description = "It has begun.", body = Progress),
    ),
)]
pub async fn start(
    State(http): State<Arc<Http>>,
    _: MayMakeVoices,
    Query(PrecomputeQuery { all, wait }): Query<PrecomputeQuery>,
) -> Result<Response, ApiError> {
    let is_running = {
        let mut job = http.precomputing.job.lock();
        matches!(std::mem::replace(&mut *job, Job::Running), Job::Running)
    };
    let done = http.precomputing.done.notified();
    if !is_running {
        let working = Arc::clone(&http);
        tokio::spawn(async move { working.precompute(all).await });
    }
    if wait {
        done.await;
    }
    let progress = http.progress();
    let status = if progress.status == "running" { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(progress)).into_response())
}

/// Tells how far the voices are that are being made ready.
#[utoipa::path(
    get, path = "/precompute-embeddings", operation_id = "show_precomputing", tag = OLDER, security(("key" = ["speak"])),
    responses((status = 200, description = "How far.", body = Progress)),
)]
pub async fn progress(State(http): State<Arc<Http>>, _: MaySpeak) -> Json<Progress> {
    Json(http.progress())
}

impl Http {
    async fn precompute(&self, all: bool) {
        let made = match self.ask_voices(VoiceRequest::Precompute { all }).await {
            Ok(Answer::Voices(cards)) => Ok(cards),
            Ok(other) => Err(unexpected(&other)),
            Err(error) => Err(error),
        };
        *self.precomputing.job.lock() = Job::Done(made);
        self.precomputing.done.notify_waiters();
    }

    fn progress(&self) -> Progress {
        let making = self.board.snapshot().voices;
        let (status, voices, error) = match &*self.precomputing.job.lock() {
            Job::None => ("idle", Vec::new(), None),
            Job::Running => ("running", Vec::new(), None),
            Job::Done(Ok(cards)) => {
                ("completed", cards.iter().map(precomputed_voice).collect(), None)
            }
            Job::Done(Err(error)) => ("failed", Vec::new(), Some(error.body().error)),
        };
        Progress {
            status,
            making: making.making,
            progress: making.progress,
            n_waiting: making.n_waiting,
            voices,
            error,
        }
    }
}

fn precomputed_voice(card: &VoiceCard) -> PrecomputedVoice {
    let (name, problem) = (card.name.clone(), card.problem.clone());
    PrecomputedVoice { name, status: card.status.as_str(), problem }
}
