//! What the server is: whether it is well, which models it answers to, what it can do.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Http;
use super::described::{MODELS as TAG, NotMeant, NotThere, SERVER};
use super::error::ApiError;
use super::extract::{Json, Path};
use super::guard::MaySpeak;
use super::settings::MODELS;
use crate::encode::Format;

/// `GET /health`
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `stopping`.
    status: &'static str,
    /// Its version.
    version: &'static str,
    /// Seconds since the server began.
    uptime_secs: f64,
}

/// Tells that the server answers.
#[utoipa::path(get, path = "/health", tag = SERVER, responses((status = 200, description = "It does.", body = Health)))]
pub async fn health(State(http): State<Arc<Http>>) -> Json<Health> {
    Json(Health {
        status: http.state_word(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_secs: http.uptime().as_secs_f64(),
    })
}

/// A model, as OpenAI lists them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Model {
    /// What a request calls it.
    id: &'static str,
    /// `model`.
    object: &'static str,
    /// When, in seconds since 1970.
    created: u64,
    /// `speakerd`.
    owned_by: &'static str,
}

/// `GET /v1/models`
#[derive(Debug, Serialize, ToSchema)]
pub struct Models {
    /// `list`.
    object: &'static str,
    /// The names.
    data: Vec<Model>,
}

/// Lists the names that a request may have as its model. Which model speaks is the voice's matter.
#[utoipa::path(
    get, path = "/models", operation_id = "list_models", tag = TAG,
    responses((status = 200, description = "The names.", body = Models)),
)]
pub async fn models() -> Json<Models> {
    Json(Models { object: "list", data: MODELS.map(Model::new).into() })
}

/// Tells of one of these names.
///
/// # Errors
/// Where it is none of them.
#[utoipa::path(
    get, path = "/models/{id}", operation_id = "model", tag = TAG,
    params(("id" = String, Path, description = "The name.")),
    responses((status = 200, description = "It is one.", body = Model), NotThere, NotMeant),
)]
pub async fn model(Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    let Some(id) = MODELS.into_iter().find(|known| *known == id) else {
        let why = format!("there is no model `{id}`; GET /v1/models lists them");
        return Err(ApiError::not_found("model_not_found", why).about("model"));
    };
    Ok(Json(Model::new(id)))
}

impl Model {
    fn new(id: &'static str) -> Self {
        Self { id, object: "model", created: CREATED, owned_by: "speakerd" }
    }
}

/// When the first version of the server was made, in seconds since 1970: clients want a number.
const CREATED: u64 = 1_795_651_200;

/// A model by name alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelName {
    /// What a request calls it.
    id: &'static str,
}

/// `GET /v1/audio/models`
#[derive(Debug, Serialize, ToSchema)]
pub struct AudioModels {
    /// The names.
    models: Vec<ModelName>,
}

/// Lists the same names, as Open WebUI asks for them.
#[utoipa::path(
    get, path = "/audio/models", operation_id = "list_audio_models", tag = TAG,
    responses((status = 200, description = "The names.", body = AudioModels)),
)]
pub async fn audio_models() -> Json<AudioModels> {
    Json(AudioModels { models: MODELS.map(|id| ModelName { id }).into() })
}

/// `GET /v1/info`
#[derive(Debug, Serialize, ToSchema)]
pub struct Info {
    /// `speakerd`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// `ok` or `stopping`.
    status: &'static str,
    /// What a request may have as its model.
    models: [&'static str; MODELS.len()],
    /// As what audio comes.
    formats: [&'static str; Format::ALL.len()],
    /// How many voices can be named, the stock names not counted.
    n_voices: usize,
    /// The engines that are in memory.
    engines_loaded: Vec<String>,
    /// Where engines run: `thread` or `process`.
    isolation: String,
    /// The longest text of one request, in characters.
    max_text_chars: usize,
    /// How many requests may wait for the engine or be spoken.
    max_pending: usize,
    /// How many do.
    n_pending: usize,
}

/// Tells what the server can do and how much it has to do.
///
/// # Errors
/// Where the caller may not know.
#[utoipa::path(
    get, path = "/info", tag = SERVER, security(("key" = ["speak"])),
    responses((status = 200, description = "What it can.", body = Info)),
)]
pub async fn info(State(http): State<Arc<Http>>, _: MaySpeak) -> Result<Json<Info>, ApiError> {
    let settings = http.settings();
    let status = http.board.snapshot();
    Ok(Json(Info {
        name: "speakerd",
        version: env!("CARGO_PKG_VERSION"),
        status: http.state_word(),
        models: MODELS,
        formats: Format::ALL.map(Format::as_str),
        n_voices: settings.registry.voices().len(),
        engines_loaded: status.engine.loaded,
        isolation: status.engine.isolation,
        max_text_chars: settings.http.max_text_chars,
        max_pending: http.max_pending,
        n_pending: http.n_pending(),
    }))
}
