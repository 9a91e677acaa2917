//! `POST /v1/audio/speech`: text in, audio out while it is made.

pub mod audio;
pub mod request;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Http;
use super::cache::{Kept, Key};
use super::described::{EventLine, FileBytes, NotSpoken, SPEECH};
use super::error::{ApiError, ErrorDetails};
use super::extract::Json;
use super::guard::{Caller, MaySpeak};
use crate::clock;
use crate::encode::Format;
use crate::queue::Order;
use crate::speech::stream::{Destination, SpokenBy, source_of, stream as audio_stream};
use crate::speech::{Lane, Manner, Report, Source};
use audio::{Audio, Keeping, Making, Shape};
use request::{Delivery, SpeechRequest, Wish};

/// One codec frame, the unit in which audio is counted for `usage`.
const CODEC_FRAME_SECS: f64 = 0.08;

/// Answers with speech, while it is made.
///
/// As events, `data` is JSON: `speech.audio.delta` has a piece of the `audio` in base64, `speech.audio.done` the `usage`, and
/// `speech.audio.error` the `error`. What was spoken before may come from the cache; with `Cache-Control: no-store` it is made anew, and not kept.
///
/// # Errors
/// What is wrong with the request, or why nothing was spoken.
#[utoipa::path(
    post, path = "/audio/speech", tag = SPEECH, security(("key" = ["speak"])),
    responses(
        (
            status = 200, description = "The audio, or events with the audio.",
            content(
                (FileBytes = "audio/mpeg"), (FileBytes = "audio/ogg"), (FileBytes = "audio/flac"),
                (FileBytes = "audio/wav"), (FileBytes = "audio/pcm"), (EventLine = "text/event-stream"),
            ),
            headers(
                ("x-speakerd-voice" = String, description = "The voice that really speaks."),
                ("x-speakerd-cache" = String, description = "`hit` where it was made before, else `miss`."),
                ("x-sample-rate" = u32, description = "Samples per second, where it is `pcm`."),
            ),
        ),
        NotSpoken,
    ),
)]
pub async fn speak(
    State(http): State<Arc<Http>>,
    MaySpeak(caller): MaySpeak,
    headers: HeaderMap,
    Json(request): Json<SpeechRequest>,
) -> Result<Response, ApiError> {
    let wish = request.check(http.settings().http.max_text_chars)?;
    let spoken = http.begin(&caller, &wish, may_keep(&headers)).await?;
    Ok(answer(spoken, &wish))
}

/// Speech for a request.
#[derive(Debug)]
pub enum Spoken {
    /// It is being made.
    Live(Audio, SpokenBy),
    /// It was made before.
    Kept(Kept),
}

impl Spoken {
    /// The voice that really speaks.
    pub fn voice(&self) -> &str {
        match self {
            Self::Live(_, by) => &by.voice,
            Self::Kept(kept) => &kept.voice,
        }
    }

    /// All of it, and how much audio that is.
    ///
    /// # Errors
    /// Where it is not complete, or larger than that.
    pub async fn whole(self, max_bytes: usize) -> Result<(Bytes, Duration), ApiError> {
        let too_large = || {
            let why = format!("the answer would have more than {} MB", max_bytes.div_ceil(1 << 20));
            ApiError::too_large(format!("{why}; ask for fewer texts at once"))
        };
        match self {
            Self::Kept(kept) if kept.bytes.len() > max_bytes => Err(too_large()),
            Self::Kept(kept) => Ok((kept.bytes, Duration::from_millis(kept.audio_ms))),
            Self::Live(mut audio, _) => {
                let mut all = Vec::new();
                while let Some(bytes) = audio.next().await {
                    if all.len() + bytes.len() > max_bytes {
                        return Err(too_large());
                    }
                    all.extend_from_slice(&bytes);
                }
                let report = audio.end().await?;
                Ok((all.into(), report.audio))
            }
        }
    }
}

/// Whether the answer may be kept, and may be one that was: not where the request says `Cache-Control: no-store`.
pub fn may_keep(headers: &HeaderMap) -> bool {
    let wishes = headers.get_all(header::CACHE_CONTROL).iter();
    !wishes.filter_map(|it| it.to_str().ok()).any(|it| it.to_ascii_lowercase().contains("no-store"))
}

impl Http {
    /// Has a text spoken; returns once there is sound.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn begin(
        &self,
        caller: &Caller,
        wish: &Wish,
        may_keep: bool,
    ) -> Result<Spoken, ApiError> {
        let settings = self.settings();
        let voice = settings.voice(wish.voice.as_deref())?;
        let usual = settings.manner.clone();
        let manner = Manner { voice, rate: usual.rate * wish.speed, ..usual };
        let key = if may_keep { Key::of(wish, &manner, &settings) } else { None };
        if let Some(key) = key
            && let Some(kept) = self.cache.get(key).await
        {
            return Ok(Spoken::Kept(kept));
        }
        let began = clock::now();
        let answer = self.room.answer()?;
        let permit = self.admit(caller, settings.http.pending_wait).await?;
        let deadline = settings.http.deadline;
        let making = self.submit(caller, &wish.text, manner, deadline, permit)?;
        let (making, first) = making.begin(deadline).await?;
        self.latencies.note(clock::now().duration_since(began));
        let by = making.chunks.spoken_by();
        let shape = Shape {
            format: wish.format,
            sample_rate_hz: wish.sample_rate_hz,
            volume: wish.volume,
            deadline: settings.http.encode_deadline,
        };
        let keeping =
            key.map(|key| Keeping::new(Arc::clone(&self.cache), key, by.voice.as_str().into()));
        Ok(Spoken::Live(making.encode(first, shape, &self.room, answer)?.kept_in(keeping), by))
    }

    /// A place among those who wait for the engine.
    async fn admit(
        &self,
        caller: &Caller,
        wait: Duration,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        let pending = Arc::clone(&self.pending);
        // Whoever asks for very much at once does not wait in front of all others.
        let _waiting = self.waiting.take(caller).ok_or_else(ApiError::queue_full)?;
        if wait.is_zero() {
            return pending.try_acquire_owned().map_err(|_| ApiError::queue_full());
        }
        match tokio::time::timeout(wait, pending.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ApiError::queue_full()),
        }
    }

    /// Puts a text into the queue. The place is given back with its outcome, whatever that is.
    fn submit(
        &self,
        caller: &Caller,
        text: &str,
        manner: Manner,
        deadline: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Result<Making, ApiError> {
        let (sender, chunks, listener) = audio_stream();
        let (tell, told) = oneshot::channel();
        let history = self.history.clone();
        let deliver = Box::new(move |report: Report| {
            history.publish(&report);
            drop(permit);
            let _nobody_waits = tell.send(report);
        });
        let now = clock::now();
        let order = Order {
            source: Source::new(source_of(caller.name.as_deref())),
            text: text.into(),
            words: None,
            manner,
            lane: Lane::Ordinary,
            expires_at: Some(now + deadline),
            destination: Destination::Stream(sender),
        };
        let intake = self.intake.lock();
        let stopping = || ApiError::unavailable("stopping", "the daemon is stopping");
        let intake = intake.as_ref().ok_or_else(stopping)?;
        let utterance = intake.utterance(order, now, deliver);
        intake.try_send(utterance).map_err(|full| {
            intake.withdraw(*full);
            ApiError::queue_full()
        })?;
        Ok(Making { chunks, told, listener })
    }
}

/// The answer to a request.
pub fn answer(spoken: Spoken, wish: &Wish) -> Response {
    let (voice, is_kept) = (spoken.voice().to_owned(), matches!(spoken, Spoken::Kept(_)));
    let (body, kind) = match (wish.delivery, spoken) {
        (Delivery::Audio, Spoken::Live(audio, _)) => (as_audio(audio), wish.format.content_type()),
        (Delivery::Audio, Spoken::Kept(kept)) => (kept.bytes.into(), wish.format.content_type()),
        (Delivery::Events, Spoken::Live(audio, _)) => (as_events(audio, wish), EVENTS),
        (Delivery::Events, Spoken::Kept(kept)) => (kept_as_events(kept, wish), EVENTS),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(voice) = HeaderValue::from_str(&voice) {
        headers.insert("x-speakerd-voice", voice);
    }
    let cache = HeaderValue::from_static(if is_kept { "hit" } else { "miss" });
    headers.insert("x-speakerd-cache", cache);
    if wish.format == Format::Pcm {
        headers.insert("x-sample-rate", HeaderValue::from(wish.sample_rate_hz));
    }
    response
}

/// What events are sent as.
const EVENTS: &str = "text/event-stream";

/// The audio itself; where it is not complete, the connection ends in the middle of it, which is all that can be told then.
fn as_audio(audio: Audio) -> Body {
    Body::from_stream(stream::unfold(Some(audio), async |audio| {
        let mut audio = audio?;
        if let Some(bytes) = audio.next().await {
            return Some((Ok(bytes), Some(audio)));
        }
        let error = audio.end().await.err()?;
        Some((Err(io::Error::other(error.message().to_owned())), None))
    }))
}

/// What is sent as an event.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "speech.audio.delta")]
    Delta { audio: String },
    #[serde(rename = "speech.audio.done")]
    Done { usage: Usage },
    #[serde(rename = "speech.audio.error")]
    Error { error: ErrorDetails },
}

/// What it took. speakerd has no price; these are the numbers that can be compared: characters of text, and codec frames
/// of 80 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the wire has those names")]
pub struct Usage {
    input_tokens: usize,
    output_tokens: usize,
    total_tokens: usize,
}

impl Usage {
    /// Of a text that became so much audio.
    pub fn of(text: &str, audio: Duration) -> Self {
        let input_tokens = text.chars().count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand"
        )]
        let output_tokens = (audio.as_secs_f64() / CODEC_FRAME_SECS).ceil() as usize;
        Self { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens }
    }
}

impl Event {
    fn bytes(&self) -> Bytes {
        let name = match self {
            Self::Delta { .. } => "speech.audio.delta",
            Self::Done { .. } => "speech.audio.done",
            Self::Error { .. } => "speech.audio.error",
        };
        let data = serde_json::to_string(self).unwrap_or_default();
        format!("event: {name}\ndata: {data}\n\n").into()
    }
}

/// How much audio that was kept is in one event.
const DELTA_BYTES: usize = 24 << 10;

/// Audio that was kept, in events, each of which is written when the one before was taken.
fn kept_as_events(kept: Kept, wish: &Wish) -> Body {
    let usage = Usage::of(&wish.text, Duration::from_millis(kept.audio_ms));
    let n_deltas = kept.bytes.len().div_ceil(DELTA_BYTES);
    let deltas = (0..n_deltas).map(move |n| {
        let end = kept.bytes.len().min((n + 1) * DELTA_BYTES);
        Event::Delta { audio: STANDARD.encode(kept.bytes.slice(n * DELTA_BYTES..end)) }
    });
    let events = deltas.chain([Event::Done { usage }]);
    Body::from_stream(stream::iter(events.map(|event| Ok::<_, io::Error>(event.bytes()))))
}

/// The audio in events; the last one tells that it is complete, or why not.
fn as_events(audio: Audio, wish: &Wish) -> Body {
    let text: Arc<str> = wish.text.as_str().into();
    Body::from_stream(stream::unfold(Some(audio), move |audio| {
        let text = Arc::clone(&text);
        async move {
            let mut audio = audio?;
            if let Some(bytes) = audio.next().await {
                let event = Event::Delta { audio: STANDARD.encode(&bytes) };
                return Some((Ok::<_, io::Error>(event.bytes()), Some(audio)));
            }
            let event = match audio.end().await {
                Ok(report) => Event::Done { usage: Usage::of(&text, report.audio) },
                Err(error) => Event::Error { error: error.body().error },
            };
            Some((Ok(event.bytes()), None))
        }
    }))
}
