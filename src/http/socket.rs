//! `/v1/audio/speech/stream`: a WebSocket that takes text in pieces, as a language model writes it, and answers with the
//! audio of each sentence as soon as that is whole.
//!
//! Messages are JSON in text frames; audio comes in binary frames between `audio.start` and `audio.done`, each sentence a
//! file of its own in the format that was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::Http;
use super::described::{NoUpgrade, SPEECH};
use super::error::{ApiError, ErrorDetails};
use super::extract::Upgrade;
use super::guard::{Caller, MaySpeak};
use super::speech::request::{SpeechRequest, VoiceName, Wish, whole};
use super::speech::{Spoken, Usage};
use crate::clock;
use crate::encode::Format;
use crate::text::split::take_sentences;

/// Sentences that wait for the one that is being spoken; behind them the client is not read further.
const MAX_WAITING: usize = 16;

/// The longest message: some ten pages.
const MAX_MESSAGE_BYTES: usize = 32 << 10;

/// The longest sentence: whatever has no end by then has none.
const MAX_SENTENCE_CHARS: usize = 4_096;

/// A client that says nothing for so long, while nothing is being said to it, is told good-bye.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// How often that is looked at.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// How long a client may take to hear the good-bye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// What a client may offer. A browser that brings its key as a protocol and offers nothing else is answered with none.
const PROTOCOLS: [&str; 2] = ["realtime", "speech"];

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum FromClient {
    /// How to speak what comes from now on.
    #[serde(rename = "session.config")]
    Config(SessionConfig),
    /// More text.
    #[serde(rename = "input.text")]
    Text { text: String },
    /// No more: what has no end yet is spoken as it is.
    #[serde(rename = "input.done")]
    Done,
}

/// How to speak; the fields are those of `/v1/audio/speech`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SessionConfig {
    voice: Option<VoiceName>,
    response_format: Option<String>,
    speed: Option<f32>,
    #[serde(deserialize_with = "whole")]
    sample_rate: Option<u32>,
    volume_multiplier: Option<f32>,
}

impl SessionConfig {
    /// As what one sentence is wished.
    fn wish(&self, sentence: &str, max_text_chars: usize) -> Result<Wish, ApiError> {
        let usual = || Format::Pcm.as_str().to_owned();
        let request = SpeechRequest {
            input: Some(sentence.to_owned()),
            voice: self.voice.clone(),
            response_format: Some(self.response_format.clone().unwrap_or_else(usual)),
            speed: self.speed,
            sample_rate: self.sample_rate,
            volume_multiplier: self.volume_multiplier,
            ..SpeechRequest::default()
        };
        request.check(max_text_chars)
    }
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum ToClient<'a> {
    #[serde(rename = "audio.start")]
    Start {
        sentence_index: usize,
        sentence_text: &'a str,
        format: &'static str,
        sample_rate: u32,
        voice: &'a str,
    },
    #[serde(rename = "audio.done")]
    AudioDone { sentence_index: usize, usage: Usage },
    #[serde(rename = "session.done")]
    Done { total_sentences: usize },
    #[serde(rename = "error")]
    Error { sentence_index: Option<usize>, error: ErrorDetails },
}

/// What is to be done for a client, in order.
#[derive(Debug)]
enum Job {
    Speak(String, SessionConfig),
    Done,
    Complain(ApiError),
}

/// Takes text in pieces over a WebSocket, and answers with the audio of each sentence.
///
/// The client sends JSON in text frames: `{"type":"session.config"}` with the fields of a request for speech,
/// `{"type":"input.text","text":"…"}` as often as it likes, `{"type":"input.done"}` at the end. It is sent `audio.start`, the
/// audio in binary frames and `audio.done` for each sentence, `session.done`, and `error` with what went wrong. A browser,
/// which cannot send a header, puts its key into the protocols: `openai-insecure-api-key.KEY`, and `realtime`.
///
/// # Errors
/// Where too many are held already.
#[utoipa::path(
    get, path = "/audio/speech/stream", operation_id = "speak_stream", tag = SPEECH,
    security(("key" = ["speak"])),
    responses((status = 101, description = "The conversation begins."), NoUpgrade),
)]
pub async fn stream(
    State(http): State<Arc<Http>>,
    MaySpeak(caller): MaySpeak,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, ApiError> {
    // They are no connections of the listener's any more, and have limits of their own.
    let busy = || ApiError::unavailable("busy", "too many WebSockets are open; close one of them");
    let permit = Arc::clone(&http.sessions).try_acquire_owned().map_err(|_| busy())?;
    let share = http.sessions_each.take(&caller).ok_or_else(busy)?;
    Ok(upgrade
        .protocols(PROTOCOLS)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| async move {
            converse(http, caller, socket).await;
            drop((permit, share));
        }))
}

async fn converse(http: Arc<Http>, caller: Caller, socket: WebSocket) {
    let (sink, messages) = socket.split();
    let (to_do, jobs) = mpsc::channel(MAX_WAITING);
    let max_chars = http.settings().http.max_text_chars.min(MAX_SENTENCE_CHARS);
    let is_speaking = Arc::new(AtomicBool::new(false));
    let reader = Reader {
        to_do,
        config: SessionConfig::default(),
        text: String::new(),
        max_chars,
        is_speaking: Arc::clone(&is_speaking),
    };
    let stopping = http.stopping.clone();
    let mut speaker = Speaker { http, caller, sink, n_sentences: 0, is_speaking };
    // Whoever ends first ends the other: a client that leaves stops the engine with what it was saying.
    tokio::select! {
        () = reader.read(messages) => {}
        () = speaker.work(jobs, stopping) => {}
    }
    // Told properly, a browser knows that this was no accident. Where the client is gone, nobody is told.
    drop(tokio::time::timeout(CLOSE_LIMIT, speaker.sink.close()).await);
}

/// Takes what a client says apart into sentences.
struct Reader {
    to_do: mpsc::Sender<Job>,
    config: SessionConfig,
    text: String,
    max_chars: usize,
    is_speaking: Arc<AtomicBool>,
}

impl Reader {
    /// Reads until the client leaves, or has said nothing for long and waits for nothing.
    async fn read(mut self, mut messages: SplitStream<WebSocket>) {
        let mut heard_at = clock::now();
        loop {
            let message = match tokio::time::timeout(IDLE_LOOK, messages.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(_)) | None) => return,
                Err(_) if self.is_speaking.load(Ordering::Relaxed) => {
                    heard_at = clock::now();
                    continue;
                }
                Err(_) if clock::now().duration_since(heard_at) > IDLE_LIMIT => return,
                Err(_) => continue,
            };
            let text = match message {
                Message::Text(text) => text,
                Message::Close(_) => return,
                Message::Binary(_) => {
                    self.complain("messages are JSON, in text frames").await;
                    continue;
                }
                // Whoever only pings wants nothing.
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            heard_at = clock::now();
            match serde_json::from_str(&text) {
                Ok(message) => self.take(message).await,
                Err(error) => self.complain(&error.to_string()).await,
            }
        }
    }

    async fn take(&mut self, message: FromClient) {
        match message {
            FromClient::Config(config) => self.config = config,
            FromClient::Text { text } => {
                self.text.push_str(&text);
                let sentences = take_sentences(&mut self.text);
                self.speak(sentences).await;
                let n_chars = self.text.chars().count();
                if n_chars > self.max_chars {
                    self.text.clear();
                    let max_chars = self.max_chars;
                    let why =
                        format!("a sentence of {n_chars} characters; it may have {max_chars}");
                    self.push(Job::Complain(ApiError::bad_value("input", why))).await;
                }
            }
            FromClient::Done => {
                let rest = std::mem::take(&mut self.text);
                let is_speech = rest.chars().any(char::is_alphanumeric);
                self.speak(is_speech.then_some(rest)).await;
                self.push(Job::Done).await;
            }
        }
    }

    async fn speak(&self, sentences: impl IntoIterator<Item = String>) {
        for sentence in sentences {
            self.push(Job::Speak(sentence, self.config.clone())).await;
        }
    }

    async fn complain(&self, why: &str) {
        self.push(Job::Complain(ApiError::bad_request("invalid_message", why))).await;
    }

    async fn push(&self, job: Job) {
        // Where nobody takes it, the conversation has ended.
        drop(self.to_do.send(job).await);
    }
}

/// Speaks sentence by sentence.
struct Speaker {
    http: Arc<Http>,
    caller: Caller,
    sink: SplitSink<WebSocket, Message>,
    n_sentences: usize,
    is_speaking: Arc<AtomicBool>,
}

impl Speaker {
    /// Works until the client takes nothing more, its key is removed, or the daemon stops: what is being said is finished.
    async fn work(&mut self, mut jobs: mpsc::Receiver<Job>, mut stopping: watch::Receiver<bool>) {
        loop {
            let job = tokio::select! {
                job = jobs.recv() => job,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            let Some(job) = job else { return };
            let told = match job {
                Job::Speak(..) if !self.http.is_known(&self.caller) => return,
                Job::Speak(sentence, config) => {
                    self.is_speaking.store(true, Ordering::Relaxed);
                    let told = self.speak(&sentence, &config).await;
                    self.is_speaking.store(false, Ordering::Relaxed);
                    told
                }
                Job::Done => {
                    let total_sentences = std::mem::take(&mut self.n_sentences);
                    self.tell(&ToClient::Done { total_sentences }).await
                }
                Job::Complain(error) => self.complain(None, &error).await,
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Speaks one sentence. That it cannot be spoken costs this sentence only.
    async fn speak(&mut self, sentence: &str, config: &SessionConfig) -> Result<(), axum::Error> {
        let sentence_index = self.n_sentences;
        self.n_sentences += 1;
        let max_text_chars = self.http.settings().http.max_text_chars;
        let wish = match config.wish(sentence, max_text_chars) {
            Ok(wish) => wish,
            Err(error) => return self.complain(Some(sentence_index), &error).await,
        };
        let counted = self.http.rates.check(&self.caller);
        let begun = match counted {
            Ok(()) => self.http.begin(&self.caller, &wish, true).await,
            Err(error) => Err(error),
        };
        let spoken = match begun {
            Ok(spoken) => spoken,
            Err(error) => return self.complain(Some(sentence_index), &error).await,
        };
        let voice = spoken.voice().to_owned();
        self.tell(&ToClient::Start {
            sentence_index,
            sentence_text: sentence,
            format: wish.format.as_str(),
            sample_rate: wish.format.sample_rate_hz(wish.sample_rate_hz),
            voice: &voice,
        })
        .await?;
        let audio = match spoken {
            Spoken::Kept(kept) => {
                self.sink.send(Message::Binary(kept.bytes)).await?;
                Ok(Duration::from_millis(kept.audio_ms))
            }
            Spoken::Live(mut audio, _) => {
                while let Some(bytes) = audio.next().await {
                    self.sink.send(Message::Binary(bytes)).await?;
                }
                audio.end().await.map(|report| report.audio)
            }
        };
        match audio {
            Ok(audio) => {
                let usage = Usage::of(sentence, audio);
                self.tell(&ToClient::AudioDone { sentence_index, usage }).await
            }
            Err(error) => self.complain(Some(sentence_index), &error).await,
        }
    }

    async fn complain(
        &mut self,
        sentence_index: Option<usize>,
        error: &ApiError,
    ) -> Result<(), axum::Error> {
        self.tell(&ToClient::Error { sentence_index, error: error.body().error }).await
    }

    async fn tell(&mut self, message: &ToClient<'_>) -> Result<(), axum::Error> {
        let text = serde_json::to_string(message).map_err(axum::Error::new)?;
        self.sink.send(Message::Text(text.into())).await
    }
}
