//! What older speech servers were asked, for the programs that still do: one text, many texts, a voice of recordings, all
//! voices made ready. Everything is done as elsewhere in this room; only the shapes differ.

pub mod precompute;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::Http;
use super::described::{FileBytes, NotDone, NotMade, NotSpoken, OLDER, SPEECH};
use super::error::{ApiError, ErrorDetails};
use super::extract::{Json, Multipart};
use super::guard::{Caller, MayMakeVoices, MaySpeak};
use super::speech::request::{SpeechRequest, VoiceName, Wish, whole};
use super::speech::{answer, may_keep};
use super::voices::{Voice, VoiceUpload};
use crate::encode::Format;

/// The most texts in one batch: more can be asked for in the next one.
const MAX_ITEMS: usize = 64;

/// The most audio in the answer to a batch, before it is written in base64: it is one answer, in memory.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// How much of such an answer is handed to the connection at once.
const PART_BYTES: usize = 64 << 10;

/// A text to speak, by the names that the fields have in several servers.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"text": "Tea is ready.", "voice": "nova"}))]
pub struct SynthesizeRequest {
    /// What to say; at most `http.max_text_chars` characters.
    #[serde(alias = "input")]
    #[schema(required = true, value_type = String, min_length = 1, pattern = r"\S")]
    text: Option<String>,
    /// Whose voice.
    #[serde(alias = "speaker", alias = "speaker_id", alias = "voice_id", alias = "voice_name")]
    voice: Option<VoiceName>,
    /// Speed, as a factor, 0.25 to 4.
    #[schema(minimum = 0.25, maximum = 4, default = 1)]
    speed: Option<f32>,
    /// As what: `wav` where nothing is said.
    #[serde(alias = "output_format", alias = "response_format")]
    #[schema(value_type = Option<Format>)]
    format: Option<String>,
    /// Samples per second.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 8_000, maximum = 48_000, default = 24_000)]
    sample_rate: Option<u32>,
    /// Loudness, as a factor, 0 to 2.
    #[serde(alias = "volume_multiplier")]
    #[schema(minimum = 0, maximum = 2, default = 1)]
    volume: Option<f32>,
}

impl SynthesizeRequest {
    fn check(self, max_text_chars: usize) -> Result<Wish, ApiError> {
        let Self { text, voice, speed, format, sample_rate, volume } = self;
        let usual = || Format::Wav.as_str().to_owned();
        let request = SpeechRequest {
            input: text,
            voice,
            speed,
            response_format: Some(format.unwrap_or_else(usual)),
            sample_rate,
            volume_multiplier: volume,
            ..SpeechRequest::default()
        };
        request.check(max_text_chars)
    }
}

/// Answers with speech, as WAV where nothing else is said.
///
/// # Errors
/// What is wrong with the request, or why nothing was spoken.
#[utoipa::path(
    post, path = "/synthesize", tag = OLDER, security(("key" = ["speak"])),
    responses(
        (
            status = 200, description = "The audio.",
            content(
                (FileBytes = "audio/wav"), (FileBytes = "audio/mpeg"), (FileBytes = "audio/ogg"),
                (FileBytes = "audio/flac"), (FileBytes = "audio/pcm"),
            ),
        ),
        NotSpoken,
    ),
)]
pub async fn synthesize(
    State(http): State<Arc<Http>>,
    MaySpeak(caller): MaySpeak,
    headers: HeaderMap,
    Json(request): Json<SynthesizeRequest>,
) -> Result<Response, ApiError> {
    let wish = request.check(http.settings().http.max_text_chars)?;
    let spoken = http.begin(&caller, &wish, may_keep(&headers)).await?;
    Ok(answer(spoken, &wish))
}

/// A text of a batch: by itself, or with what is said of it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BatchItem {
    /// Only the text.
    Text(String),
    /// The text, and how.
    Item {
        /// A name for it in the answer.
        #[serde(default)]
        id: Option<String>,
        /// The text, and how.
        #[serde(flatten)]
        request: SynthesizeRequest,
    },
}

/// Texts to speak, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"items": ["Tea.", {"id": "b", "text": "Milk."}], "voice": "nova", "format": "mp3"}))]
pub struct BatchRequest {
    /// The texts.
    #[schema(min_items = 1, max_items = 64)]
    #[serde(alias = "texts", alias = "inputs", deserialize_with = "few")]
    items: Vec<BatchItem>,
    /// Whose voice, where an item says nothing else.
    #[serde(default)]
    voice: Option<VoiceName>,
    /// The same for the speed.
    #[serde(default)]
    #[schema(minimum = 0.25, maximum = 4, default = 1)]
    speed: Option<f32>,
    /// The same for the format.
    #[serde(default, alias = "output_format", alias = "response_format")]
    #[schema(value_type = Option<Format>)]
    format: Option<String>,
    /// The same for the rate.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 8_000, maximum = 48_000, default = 24_000)]
    sample_rate: Option<u32>,
    /// The same for the loudness.
    #[serde(default, alias = "volume_multiplier")]
    #[schema(minimum = 0, maximum = 2, default = 1)]
    volume: Option<f32>,
}

/// Reads a list that is no longer than it may be, and nothing behind that.
fn few<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<BatchItem>, D::Error> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = Vec<BatchItem>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of 1 to {MAX_ITEMS} texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MAX_ITEMS {
                    return Err(A::Error::custom(format!("more than {MAX_ITEMS} texts")));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    list.deserialize_seq(Few)
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct Batch {
    /// How many were spoken.
    n_completed: usize,
    /// How many were not.
    n_failed: usize,
    /// What became of each, in the order of the texts.
    results: Vec<BatchResult>,
}

/// What became of one text of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// Its place among the texts, from 0.
    index: usize,
    /// The name that it was given.
    id: Option<String>,
    /// `completed` or `failed`.
    #[schema(pattern = "^(completed|failed)$")]
    status: &'static str,
    /// The audio in base64.
    audio: Option<String>,
    /// As what.
    format: Option<&'static str>,
    /// How much that is, in seconds.
    audio_secs: Option<f64>,
    /// Why there is none.
    error: Option<ErrorDetails>,
}

/// Speaks several texts, one after the other; each has a status of its own.
///
/// # Errors
/// Where the request as a whole is wrong.
#[utoipa::path(
    post, path = "/audio/speech/batch", operation_id = "speak_batch", tag = SPEECH,
    security(("key" = ["speak"])),
    responses((status = 200, description = "What became of each.", body = Batch), NotDone),
)]
pub async fn batch(
    State(http): State<Arc<Http>>,
    MaySpeak(caller): MaySpeak,
    headers: HeaderMap,
    Json(request): Json<BatchRequest>,
) -> Result<Response, ApiError> {
    let BatchRequest { items, voice, speed, format, sample_rate, volume } = request;
    let usual = SynthesizeRequest { text: None, voice, speed, format, sample_rate, volume };
    if items.is_empty() {
        return Err(ApiError::bad_value("items", "`items` is empty: the texts to speak"));
    }
    let busy = || ApiError::unavailable("busy", "other batches are being spoken; try again");
    let permit = Arc::clone(&http.batches).try_acquire_owned().map_err(|_| busy())?;
    let (mut results, mut n_bytes) = (Vec::new(), 0);
    for (index, item) in items.into_iter().enumerate() {
        let (id, request) = match item {
            BatchItem::Text(text) => {
                (None, SynthesizeRequest { text: Some(text), ..usual.clone() })
            }
            BatchItem::Item { id, request } => (id, request.or(&usual)),
        };
        let spoken = http.speak_item(&caller, request, may_keep(&headers), n_bytes).await;
        results.push(match spoken {
            Ok((bytes, format, audio_secs)) => {
                n_bytes += bytes.len();
                let audio = Some(STANDARD.encode(&bytes));
                let (status, format) = ("completed", Some(format.as_str()));
                let audio_secs = Some(audio_secs);
                BatchResult { index, id, status, audio, format, audio_secs, error: None }
            }
            Err(error) => {
                let (status, error) = ("failed", Some(error.body().error));
                BatchResult {
                    index,
                    id,
                    status,
                    audio: None,
                    format: None,
                    audio_secs: None,
                    error,
                }
            }
        });
    }
    let n_failed = results.iter().filter(|result| result.error.is_some()).count();
    let batch = Batch { n_completed: results.len() - n_failed, n_failed, results };
    // Some 20 MB: others are answered meanwhile.
    let written = tokio::task::spawn_blocking(move || serde_json::to_vec(&batch)).await;
    let Ok(Ok(written)) = written else {
        return Err(ApiError::internal("not_written", "the answer cannot be written"));
    };
    Ok(in_parts(written.into(), permit))
}

/// An answer in parts; the permit is held until it was taken, or is no longer wanted.
fn in_parts(written: Bytes, permit: OwnedSemaphorePermit) -> Response {
    let parts = stream::unfold((written, permit), async |(mut rest, permit)| {
        let part = rest.split_to(rest.len().min(PART_BYTES));
        (!part.is_empty()).then(|| (Ok::<_, Infallible>(part), (rest, permit)))
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, Body::from_stream(parts)).into_response()
}

/// Speaks several texts, by the path that this has elsewhere.
///
/// # Errors
/// Where the request as a whole is wrong.
#[utoipa::path(
    post, path = "/batch-synthesize", tag = OLDER, security(("key" = ["speak"])),
    responses((status = 200, description = "What became of each.", body = Batch), NotDone),
)]
pub async fn batch_synthesize(
    http: State<Arc<Http>>,
    caller: MaySpeak,
    headers: HeaderMap,
    request: Json<BatchRequest>,
) -> Result<Response, ApiError> {
    batch(http, caller, headers, request).await
}

impl SynthesizeRequest {
    /// With what is usual where it says nothing.
    fn or(self, usual: &Self) -> Self {
        Self {
            text: self.text,
            voice: self.voice.or_else(|| usual.voice.clone()),
            speed: self.speed.or(usual.speed),
            format: self.format.or_else(|| usual.format.clone()),
            sample_rate: self.sample_rate.or(usual.sample_rate),
            volume: self.volume.or(usual.volume),
        }
    }
}

impl Http {
    async fn speak_item(
        &self,
        caller: &Caller,
        request: SynthesizeRequest,
        may_keep: bool,
        n_bytes: usize,
    ) -> Result<(Bytes, Format, f64), ApiError> {
        self.rates.check(caller)?;
        let wish = request.check(self.settings().http.max_text_chars)?;
        let spoken = self.begin(caller, &wish, may_keep).await?;
        let (bytes, audio) = spoken.whole(MAX_BATCH_BYTES.saturating_sub(n_bytes)).await?;
        Ok((bytes, wish.format, audio.as_secs_f64()))
    }
}

/// `POST /v1/clone-voice`
#[derive(Debug, Serialize, ToSchema)]
pub struct Cloned {
    /// `completed`.
    status: &'static str,
    /// The voice.
    voice: Voice,
}

/// Makes a voice of one or several recordings.
///
/// # Errors
/// What is wrong with the upload or with the recordings, and what to do about it.
#[utoipa::path(
    post, path = "/clone-voice", tag = OLDER, security(("key" = ["voices"])),
    request_body(content = VoiceUpload, content_type = "multipart/form-data"),
    responses((status = 200, description = "The voice.", body = Cloned), NotMade),
)]
pub async fn clone_voice(
    State(http): State<Arc<Http>>,
    _: MayMakeVoices,
    Multipart(upload): Multipart,
) -> Result<Json<Cloned>, ApiError> {
    Ok(Json(Cloned { status: "completed", voice: http.add_voice(upload).await? }))
}
