//! The voices: who there is, for those who may know; making them of uploaded recordings, and removing them.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::multipart::{Field, MultipartError};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Http;
use super::described::{FileBytes, NotDone, NotMade, VOICES};
use super::error::ApiError;
use super::extract::{Json, Multipart, Path, is_late};
use super::guard::{Caller, MayMakeVoices, MaySpeak};
use super::settings::stock_voices;
use crate::config::http::Scope;
use crate::control::protocol::{Request, Response};
use crate::voice::card::{Visibility, VoiceCard};
use crate::voice::request::{AddVoice, VoiceRequest};

/// An upload that is not there by then is given up, however steadily it comes: it keeps a place.
const UPLOAD_LIMIT: Duration = Duration::from_secs(300);

/// How many recordings one upload may have: more are no half minute of voice.
const MAX_RECORDINGS: usize = 32;

/// The longest value of a field that is no recording: a note of who agreed to what.
const MAX_VALUE_BYTES: usize = 4_096;

/// A voice by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedVoice)]
pub struct VoiceName {
    /// What a request calls it.
    id: String,
    /// The same, for people.
    name: String,
}

/// `GET /v1/audio/voices`
#[derive(Debug, Serialize, ToSchema)]
pub struct VoiceNames {
    /// The names.
    voices: Vec<VoiceName>,
}

/// Lists the names of the voices: the stock names to everyone, all of them to those with a key.
#[utoipa::path(
    get, path = "/audio/voices", operation_id = "list_voice_names", tag = VOICES,
    responses((status = 200, description = "The names.", body = VoiceNames)),
)]
pub async fn names(State(http): State<Arc<Http>>, caller: Caller) -> Json<VoiceNames> {
    let mut names: Vec<String> = stock_voices().map(str::to_owned).collect();
    if caller.may(Scope::Speak) {
        let settings = http.settings();
        let more = settings.http.voices.keys().cloned().chain(settings.registry.voices());
        for name in more {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let voices = names.into_iter().map(|name| VoiceName { id: name.clone(), name }).collect();
    Json(VoiceNames { voices })
}

/// A voice and all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Voice {
    /// What a request calls it.
    id: String,
    /// As everywhere in this API.
    object: &'static str,
    #[serde(flatten)]
    card: VoiceCard,
    /// It came with the program or with a model, and cannot be removed here.
    predefined: bool,
}

impl Voice {
    fn new(card: VoiceCard, predefined: bool) -> Self {
        Self { id: card.name.clone(), object: "audio.voice", card, predefined }
    }
}

/// `GET /v1/voices`
#[derive(Debug, Serialize, ToSchema)]
pub struct Voices {
    /// The voices.
    voices: Vec<Voice>,
}

/// Lists the voices with all that is known of them.
///
/// # Errors
/// Where the daemon cannot answer.
#[utoipa::path(
    get, path = "/voices", operation_id = "list_voices", tag = VOICES, security(("key" = ["speak"])),
    responses((status = 200, description = "The voices.", body = Voices), NotDone),
)]
pub async fn cards(State(http): State<Arc<Http>>, _: MaySpeak) -> Result<Json<Voices>, ApiError> {
    let cards = http.voice_cards().await?;
    let registry = &http.settings().registry;
    let mut voices: Vec<_> = cards
        .into_iter()
        .map(|card| {
            let is_own = registry.is_own(&card.name);
            Voice::new(card, !is_own)
        })
        .collect();
    let builtin = registry.builtin_voices().iter().map(|name| VoiceCard {
        name: (*name).to_owned(),
        languages: vec!["en".to_owned()],
        visibility: Visibility::Public,
        ..VoiceCard::default()
    });
    voices.extend(builtin.map(|card| Voice::new(card, true)));
    Ok(Json(Voices { voices }))
}

/// Makes a voice of the recordings in an upload; answered when it can speak.
///
/// # Errors
/// What is wrong with the upload or with the recordings, and what to do about it.
#[utoipa::path(
    post, path = "/audio/voices", operation_id = "add_voice", tag = VOICES, security(("key" = ["voices"])),
    request_body(content = VoiceUpload, content_type = "multipart/form-data"),
    responses((status = 200, description = "The voice.", body = Voice), NotMade),
)]
pub async fn add(
    State(http): State<Arc<Http>>,
    _: MayMakeVoices,
    Multipart(upload): Multipart,
) -> Result<Json<Voice>, ApiError> {
    Ok(Json(http.add_voice(upload).await?))
}

/// `DELETE /v1/audio/voices/{name}`
#[derive(Debug, Serialize, ToSchema)]
pub struct Removed {
    /// Which.
    id: String,
    /// `audio.voice.deleted`.
    object: &'static str,
    /// `true`.
    deleted: bool,
}

/// Removes a voice.
///
/// # Errors
/// Where there is none of that name that could be removed.
#[utoipa::path(
    delete, path = "/audio/voices/{name}", operation_id = "remove_voice", tag = VOICES, security(("key" = ["voices"])), params(("name" = String, Path, description = "The voice.")),
    responses((status = 200, description = "It is gone.", body = Removed), NotMade),
)]
pub async fn remove(
    State(http): State<Arc<Http>>,
    _: MayMakeVoices,
    Path(name): Path<String>,
) -> Result<Json<Removed>, ApiError> {
    http.ask_voices(VoiceRequest::Remove { name: name.clone() }).await?;
    Ok(Json(Removed { id: name, object: "audio.voice.deleted", deleted: true }))
}

impl Http {
    pub(super) async fn ask_voices(&self, request: VoiceRequest) -> Result<Response, ApiError> {
        if !self.settings().registry.makes_voices() {
            let why = "this build makes no voices: it was made without the feature `pocket`";
            return Err(ApiError::not_in_this_build(why));
        }
        self.door.ask(Request::Voice(request)).await
    }

    /// The cards of all voices of the library and the models; none in a build that makes no voices.
    pub(super) async fn voice_cards(&self) -> Result<Vec<VoiceCard>, ApiError> {
        if !self.settings().registry.makes_voices() {
            return Ok(Vec::new());
        }
        match self.ask_voices(VoiceRequest::List).await? {
            Response::Voices(cards) => Ok(cards),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a voice of an upload.
    pub(super) async fn add_voice(
        self: &Arc<Self>,
        upload: axum::extract::Multipart,
    ) -> Result<Voice, ApiError> {
        // A few large uploads at the same time would fill the disk of the temporary files.
        let busy =
            || ApiError::unavailable("busy", "other recordings are being uploaded; try again");
        let permit = Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| busy())?;
        let Upload { voice, recordings } = timeout(UPLOAD_LIMIT, Upload::read(upload))
            .await
            .map_err(|_| ApiError::too_slow())??;
        let files = recordings.iter().map(path_of).collect();
        let request = VoiceRequest::Add(Box::new(AddVoice { files, ..voice }));
        // On a task of its own: they stay open until they were read, also where the client leaves before.
        let http = Arc::clone(self);
        let asked = tokio::spawn(async move {
            let answer = http.ask_voices(request).await;
            drop((recordings, permit));
            answer
        });
        let gone =
            |_| ApiError::internal("unexpected", "making the voice panicked, which is a bug");
        match asked.await.map_err(gone)?? {
            Response::Voice(card) => Ok(Voice::new(*card, false)),
            other => Err(unexpected(&other)),
        }
    }
}

/// An answer to something else, which is a bug.
pub(super) fn unexpected(response: &Response) -> ApiError {
    tracing::error!(?response, "the daemon answered something else than was asked");
    ApiError::internal("unexpected", "the daemon answered something else, which is a bug")
}

/// What may be uploaded; in `Upload::read` the same fields are read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the description alone: an upload is read field by field")]
pub(super) struct VoiceUpload {
    /// What the voice is called: lower-case letters, digits, `-` and `_`.
    #[schema(min_length = 1)]
    name: String,
    /// 10 to 30 s of one person, in up to 32 recordings, as WAV, FLAC, MP3, Ogg Vorbis or M4A.
    #[schema(min_items = 1, max_items = 32)]
    audio_sample: Vec<FileBytes>,
    /// Who agreed to what.
    consent: Option<String>,
    /// Languages that it is for, as `en,de`.
    language: Option<String>,
    /// For whom it is.
    #[schema(inline)]
    visibility: Option<Visibility>,
    /// Takes the place of a voice of that name.
    #[schema(default = false)]
    replace: Option<bool>,
    /// Keeps no recording once the voice is made.
    #[schema(default = false)]
    forget_recording: Option<bool>,
}

/// What was uploaded.
struct Upload {
    voice: AddVoice,
    /// Files without a name: whatever becomes of this process, nothing of them stays.
    recordings: Vec<std::fs::File>,
}

/// A path by which this process can open such a file once more.
fn path_of(recording: &std::fs::File) -> PathBuf {
    PathBuf::from(format!("/dev/fd/{}", recording.as_raw_fd()))
}

impl Upload {
    /// Reads it field by field: the recordings go to disk as they come.
    async fn read(mut upload: axum::extract::Multipart) -> Result<Self, ApiError> {
        let (mut voice, mut recordings) = (AddVoice::default(), Vec::new());
        while let Some(field) = upload.next_field().await.map_err(|error| bad_upload(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() || is_recording(&name) {
                if recordings.len() >= MAX_RECORDINGS {
                    let why = format!("{MAX_RECORDINGS} recordings are enough");
                    return Err(ApiError::bad_value("audio_sample", why));
                }
                recordings.push(store(field).await?);
                continue;
            }
            let value = read_value(field).await?;
            match name.as_str() {
                "name" | "voice_name" | "voice" => voice.name = value,
                "consent" => voice.consent = value,
                "language" | "languages" | "lang_code" => {
                    let languages = value.split(',').map(|it| it.trim().to_owned());
                    voice.languages = languages.filter(|it| !it.is_empty()).collect();
                }
                "visibility" => voice.visibility = visibility(&value)?,
                "replace" => voice.replace = is_true("replace", &value)?,
                "forget_recording" => {
                    voice.forget_recording = is_true("forget_recording", &value)?;
                }
                // A transcript, a description: nothing here needs them.
                _ => {}
            }
        }
        if voice.name.is_empty() {
            return Err(ApiError::bad_value("name", "`name` is missing: what the voice is called"));
        }
        if recordings.is_empty() {
            let why = "`audio_sample` is missing: 10 to 30 s of one person, as WAV, FLAC, MP3, Ogg Vorbis or M4A";
            return Err(ApiError::bad_value("audio_sample", why));
        }
        Ok(Self { voice, recordings })
    }
}

/// The names that recordings have in the uploads of several servers.
fn is_recording(name: &str) -> bool {
    matches!(
        name.trim_end_matches("[]"),
        "audio_sample" | "audio_samples" | "file" | "files" | "audio" | "wav" | "wavs"
    )
}

async fn store(mut field: Field<'_>) -> Result<std::fs::File, ApiError> {
    let failed = |error: std::io::Error| {
        ApiError::internal("disk", format!("the recording cannot be kept: {error}"))
    };
    let file = tempfile::tempfile().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file.try_clone().map_err(failed)?);
    while let Some(bytes) = field.chunk().await.map_err(|error| bad_upload(&error))? {
        writer.write_all(&bytes).await.map_err(failed)?;
    }
    writer.flush().await.map_err(failed)?;
    Ok(file)
}

async fn read_value(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut value = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(|error| bad_upload(&error))? {
        value.extend_from_slice(&bytes);
        if value.len() > MAX_VALUE_BYTES {
            let why = format!("a field that is no recording may have {MAX_VALUE_BYTES} bytes");
            return Err(ApiError::too_large(why));
        }
    }
    String::from_utf8(value)
        .map_err(|_| ApiError::bad_request("invalid_multipart", "a field is no text in UTF-8"))
}

fn bad_upload(error: &MultipartError) -> ApiError {
    let why = error.body_text();
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large("the upload is larger than http.max_upload_mb allows");
    }
    if is_late(error) {
        return ApiError::too_slow();
    }
    ApiError::bad_request("invalid_multipart", format!("the upload cannot be read: {why}"))
}

fn visibility(value: &str) -> Result<Visibility, ApiError> {
    [Visibility::Private, Visibility::Public, Visibility::Default]
        .into_iter()
        .find(|visibility| visibility.as_str() == value)
        .ok_or_else(|| {
            let why = format!("`{value}` is not \"private\", \"public\" or \"default\"");
            ApiError::bad_value("visibility", why)
        })
}

fn is_true(field: &'static str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" | "" => Ok(false),
        other => {
            let why = format!("`{field}` is `{other}`, not \"true\" or \"false\"");
            Err(ApiError::bad_value(field, why))
        }
    }
}
