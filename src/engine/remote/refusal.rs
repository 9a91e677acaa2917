//! What a server says when it does not speak, and what that means for us. Pure.

use std::time::Duration;

use serde_json::Value;

use crate::engine::EngineError;
use crate::engine::speech_server::{Key, Secret, SpeechServer};

/// What a server says is shown up to here.
const MAX_CHARS: usize = 300;

/// A server that is waited for longer is given up: another voice speaks meanwhile.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why nothing is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server answered with a status that is no success.
    Status {
        /// Which.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// What it says.
        said: Said,
    },
    /// The connection could not be had, or broke; whether it may do better at once.
    Connection { reason: String, passes: bool },
    /// It answered with something else than sound.
    NoSound(String),
    /// A header or an address cannot be made of the settings.
    BadSetting(String),
}

/// What is in the body of an answer that is no sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// A sentence for people; empty where there is none.
    pub(super) message: String,
    /// It is about the voice.
    pub(super) names_voice: bool,
}

impl Said {
    /// Reads a body: that of `OpenAI` has an `error`, those of `FastAPI` and `ElevenLabs` a `detail`. The key is taken out, should
    /// the server repeat it.
    pub(super) fn read(content_type: Option<&str>, body: &[u8], key: Option<&Secret>) -> Self {
        let text = String::from_utf8_lossy(body);
        let (message, about) = match serde_json::from_str::<Value>(&text) {
            Ok(body) => said_in(&body),
            // A page is for browsers.
            Err(_) if content_type.is_some_and(|it| it.starts_with("text/plain")) => {
                (text.into_owned(), String::new())
            }
            Err(_) => (String::new(), String::new()),
        };
        let names_voice = [&message, &about].iter().any(|it| it.to_lowercase().contains("voice"));
        Self { message: shown(&message, key), names_voice }
    }
}

/// The message, and which part of the request it is about.
fn said_in(body: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let error = [&body["error"], &body["detail"], body];
    for said in error {
        // FastAPI lists each field that it does not like: `{"loc": ["body", "voice"], "msg": "…"}`.
        let said = said.get(0).unwrap_or(said);
        let message = ["message", "msg", "error"].iter().find_map(|name| text(&said[*name]));
        let Some(message) = message.or_else(|| text(said)) else { continue };
        let about = [&said["param"], &said["status"], &said["code"], &said["loc"]];
        let about = about.map(|it| text(it).unwrap_or_else(|| it.to_string()));
        return (message, about.join(" "));
    }
    (String::new(), String::new())
}

/// One line, without the key, and not too long.
fn shown(message: &str, key: Option<&Secret>) -> String {
    let message = match key.map(Secret::reveal).filter(|key| !key.is_empty()) {
        Some(key) => message.replace(key, "…"),
        None => message.to_owned(),
    };
    let is_shown = |c: &char| !c.is_control();
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(is_shown).take(MAX_CHARS).collect()
}

impl Refusal {
    /// Whether another attempt may do better.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Status { status, retry_after, .. } => {
                let is_soon = retry_after.is_none_or(|pause| pause <= MAX_RETRY_AFTER);
                matches!(status, 408 | 409 | 429 | 500..) && is_soon
            }
            Self::Connection { passes, .. } => *passes,
            Self::NoSound(_) | Self::BadSetting(_) => false,
        }
    }

    /// How long it wants to be left alone, where it says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Connection { .. } | Self::NoSound(_) | Self::BadSetting(_) => None,
        }
    }

    /// What it means for a speech in that voice.
    pub(super) fn into_error(self, server: &SpeechServer, voice: &str) -> EngineError {
        let url = server.url.clone();
        let (status, said) = match self {
            Self::Connection { reason, .. } => {
                return EngineError::Unreachable { server: url, reason };
            }
            Self::NoSound(reason) | Self::BadSetting(reason) => {
                return EngineError::Declined { server: url, reason };
            }
            Self::Status { status, said, .. } => (status, said),
        };
        let told = match said.message.as_str() {
            "" => format!("HTTP {status}"),
            message => format!("HTTP {status}: {message}"),
        };
        match status {
            400 | 404 | 422 if said.names_voice => {
                EngineError::UnknownVoice { name: voice.to_owned(), known: server.known_voices() }
            }
            401 | 403 => {
                let reason = format!("it does not accept {}: {told}", key_setting(server));
                EngineError::Unreachable { server: url, reason }
            }
            404 => {
                let reason = format!("{told}; look at remote.url, which ends in /v1 most often");
                EngineError::Declined { server: url, reason }
            }
            300..400 => {
                let reason =
                    format!("{told}: it sends us elsewhere; name that place in remote.url");
                EngineError::Declined { server: url, reason }
            }
            408 | 409 | 429 | 500.. => EngineError::Unreachable { server: url, reason: told },
            _ => EngineError::Declined { server: url, reason: told },
        }
    }
}

/// Where the key stands.
fn key_setting(server: &SpeechServer) -> &'static str {
    match server.key {
        Key::None => "a request without a key; set remote.key_file",
        Key::Text(_) => "the key in remote.key",
        Key::File(_) => "the key in the file that remote.key_file names",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::speech_server::Api;

    fn server() -> SpeechServer {
        SpeechServer { key: Key::File("/k".into()), ..SpeechServer::example(Api::OpenAi) }
    }

    fn error(status: u16, content_type: &str, body: &str) -> EngineError {
        let key = Secret::new("sk-secret");
        let said = Said::read(Some(content_type), body.as_bytes(), Some(&key));
        Refusal::Status { status, retry_after: None, said }.into_error(&server(), "nova")
    }

    #[test]
    fn what_a_server_says_is_told_without_the_key() {
        let long = format!(r#"{{"detail":"{}"}}"#, "x".repeat(900));
        for (status, content_type, body, told) in [
            (
                400,
                "application/json",
                r#"{"error":{"message":"no such\nmodel","param":"model"}}"#,
                "HTTP 400: no such model",
            ),
            (500, "application/json", r#"{"detail":"out of memory"}"#, "HTTP 500: out of memory"),
            (
                422,
                "application/json",
                r#"{"detail":[{"loc":["body","speed"],"msg":"too fast"}]}"#,
                "HTTP 422: too fast",
            ),
            (
                401,
                "application/json",
                r#"{"detail":{"status":"quota_exceeded","message":"no credits"}}"#,
                "remote.key_file names: HTTP 401: no credits",
            ),
            (403, "application/json", r#"{"error":{"message":"bad key sk-secret"}}"#, "bad key …"),
            (502, "text/html", "<html>sk-secret</html>", "HTTP 502"),
            (503, "text/plain", "come back\tlater, sk-secret", "come back later, …"),
            (404, "application/json", r#"{"detail":"Not Found"}"#, "look at remote.url"),
            (307, "", "", "elsewhere"),
            (400, "application/json", r#"{"error":"plain"}"#, "HTTP 400: plain"),
            (400, "application/json", "[]", "HTTP 400"),
            (500, "application/json", &long, "HTTP 500: xxxx"),
        ] {
            let error = error(status, content_type, body).to_string();
            assert!(error.contains(told), "{body}: {error}");
            assert!(!error.contains("secret") && error.chars().count() < 450, "{error}");
        }
    }

    #[test]
    fn a_voice_that_the_server_lacks_is_told_from_other_refusals() {
        for (status, body) in [
            (400, r#"{"error":{"message":"invalid value","param":"voice"}}"#),
            (404, r#"{"detail":{"status":"voice_not_found","message":"not found"}}"#),
            (400, r#"{"detail":{"error":"validation_error","message":"Voice 'x' not found"}}"#),
            (422, r#"{"detail":[{"loc":["body","voice"],"msg":"unexpected value"}]}"#),
        ] {
            let error = error(status, "application/json", body);
            assert!(matches!(error, EngineError::UnknownVoice { .. }), "{body}: {error}");
        }
        let error = error(400, "application/json", r#"{"error":{"message":"no model"}}"#);
        assert!(matches!(error, EngineError::Declined { .. }), "{error}");
    }

    #[test]
    fn only_what_may_pass_soon_is_tried_again() {
        for (status, secs, passes) in [
            (429, Some(2), true),
            (429, None, true),
            (429, Some(60), false),
            (503, None, true),
            (408, None, true),
            (409, None, true),
            (400, None, false),
            (401, None, false),
        ] {
            let retry_after = secs.map(Duration::from_secs);
            let refusal = Refusal::Status { status, retry_after, said: Said::default() };
            assert_eq!(refusal.passes(), passes, "{status} {secs:?}");
        }
    }
}
