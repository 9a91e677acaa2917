//! What is answered where something cannot be done: OpenAI's shape, so that its clients show the message and know what to do.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::protocol::{Refusal, RefusalCode};
use crate::speech::{FailureClass, Outcome, Report};

/// How long whoever finds no place is told to wait: a short text is over by then.
const COME_BACK: Duration = Duration::from_secs(1);

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<&'static str>,
    retry_after: Option<Duration>,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetails,
}

/// What is wrong, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetails {
    /// For people.
    pub message: String,
    /// The kind of error, as OpenAI calls it: `invalid_request_error` and the like.
    pub r#type: String,
    /// The field that is wrong.
    pub param: Option<String>,
    /// For programs.
    pub code: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, retry_after: None }
    }

    /// Something in the request is wrong.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The value of a field is wrong.
    pub fn bad_value(param: &'static str, message: impl Into<String>) -> Self {
        Self::bad_request("invalid_value", message).about(param)
    }

    /// No key, or none that is known.
    pub fn no_key(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    /// The key is good for other things.
    pub fn not_allowed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// There is no such thing.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// There is, but it cannot be asked in that way.
    pub fn bad_method() -> Self {
        let why = "this cannot be asked in that way; `/docs` shows how";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", why)
    }

    /// More than may be sent.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The body is of another kind.
    pub fn bad_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// It ended before it was whole.
    pub fn broken_off() -> Self {
        Self::bad_request("broken_off", "the request ended before all of it had arrived")
    }

    /// Only a WebSocket is good for it.
    pub fn no_upgrade(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message)
    }

    /// It took too long to arrive.
    pub fn too_slow() -> Self {
        let why = "the request did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", why)
    }

    /// No place.
    pub fn queue_full() -> Self {
        let why = "too many requests are waiting to be spoken; try again in a moment";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", why).retry(COME_BACK)
    }

    /// Too many requests of one key.
    pub fn rate_limited(retry_after: Duration) -> Self {
        let why = "this key asks more often than http.requests_per_minute allows";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", why).retry(retry_after)
    }

    /// It cannot speak now.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry(COME_BACK)
    }

    /// No sound in time.
    pub fn late(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", message)
    }

    /// Another build could do it.
    pub fn not_in_this_build(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_in_this_build", message)
    }

    /// What should not happen.
    pub fn internal(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }

    /// The same error, about that field.
    #[must_use]
    pub fn about(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    fn retry(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// What became of an utterance that made no sound.
    pub fn of(report: &Report) -> Self {
        let why = |otherwise: &str| report.reason.clone().unwrap_or_else(|| otherwise.to_owned());
        match (report.outcome, report.failure) {
            (Outcome::Failed | Outcome::TimedOut, Some(class)) => {
                Self::of_failure(class, why("it could not be spoken"))
            }
            (Outcome::Expired | Outcome::TimedOut, _) => {
                Self::late(why("it was not its turn in time (http.deadline_secs)"))
            }
            (Outcome::Dropped, _) => Self::bad_value("input", why("nothing in it can be spoken")),
            (Outcome::Abandoned, _) => {
                Self::unavailable("stopping", "the daemon is stopping; try again later")
            }
            (
                Outcome::Spoken
                | Outcome::Failed
                | Outcome::Skipped
                | Outcome::Cleared
                | Outcome::Folded,
                _,
            ) => Self::internal("not_spoken", why("it could not be spoken")),
        }
    }

    fn of_failure(class: FailureClass, why: String) -> Self {
        match class {
            FailureClass::Deadline | FailureClass::Budget | FailureClass::Hang => Self::late(why),
            FailureClass::Voice => Self::bad_request("voice_unavailable", why).about("voice"),
            FailureClass::Text => Self::bad_value("input", why),
            FailureClass::Engine => Self::unavailable("engine_unavailable", why),
            FailureClass::Panic
            | FailureClass::Crash
            | FailureClass::Memory
            | FailureClass::Nonsense => Self::internal("engine_failed", why),
        }
    }

    /// The error as it goes over the wire.
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetails {
                message: self.message.clone(),
                r#type: kind_of(self.status).to_owned(),
                param: self.param.map(str::to_owned),
                code: self.code.to_owned(),
            },
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// What OpenAI calls errors of that status.
fn kind_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    }
}

impl From<Refusal> for ApiError {
    fn from(Refusal { code, message }: Refusal) -> Self {
        match code {
            RefusalCode::BadRequest
            | RefusalCode::BadConfig
            | RefusalCode::CannotWatch
            | RefusalCode::UnknownSource => Self::bad_request("invalid_value", message),
            RefusalCode::BadVoice => Self::bad_request("bad_voice", message),
            RefusalCode::UnknownVoice => Self::not_found("voice_not_found", message).about("voice"),
            RefusalCode::NothingToSkip => {
                Self::new(StatusCode::CONFLICT, "nothing_to_skip", message)
            }
            RefusalCode::NothingToReplay => {
                Self::new(StatusCode::CONFLICT, "nothing_to_replay", message)
            }
            RefusalCode::QueueFull => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message).retry(COME_BACK)
            }
            RefusalCode::Busy | RefusalCode::TooManyClients => Self::unavailable("busy", message),
            RefusalCode::Stopping => Self::unavailable("stopping", message),
            RefusalCode::TimedOut | RefusalCode::TooSlow => Self::late(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        if let Some(after) = self.retry_after {
            let secs = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs.max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_type_that_openai_gives_their_status() {
        let cases = [
            (ApiError::bad_value("voice", "x"), 400, "invalid_request_error"),
            (ApiError::not_found("a", "x"), 404, "invalid_request_error"),
            (ApiError::too_large("x"), 413, "invalid_request_error"),
            (ApiError::no_key("x"), 401, "authentication_error"),
            (ApiError::not_allowed("a", "x"), 403, "permission_error"),
            (ApiError::queue_full(), 429, "rate_limit_error"),
            (ApiError::unavailable("a", "x"), 503, "server_error"),
            (ApiError::late("x"), 504, "server_error"),
        ];
        for (error, status, kind) in cases {
            assert_eq!(error.status().as_u16(), status);
            assert_eq!(error.body().error.r#type, kind);
        }
    }

    #[test]
    fn whoever_has_to_come_back_is_told_when() {
        let headers = |error: ApiError| error.into_response().headers().clone();
        assert_eq!(headers(ApiError::queue_full())["retry-after"], "1");
        let late = ApiError::rate_limited(Duration::from_millis(2_300));
        assert_eq!(headers(late)["retry-after"], "3");
        assert_eq!(headers(ApiError::no_key("x"))["www-authenticate"], "Bearer");
    }
}
