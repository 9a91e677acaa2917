//! What handlers take out of a request: JSON, a query, a path, an upload, a WebSocket. Where it is not there as it should
//! be, the answer is an error of ours, never axum's plain text.
//!
//! Knows nothing of what is asked. The names are axum's, so that handlers read as everywhere, and are described by them.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_http::timeout::TimeoutError;

use super::error::ApiError;

/// A body in JSON, asked or answered.
#[derive(Debug, Clone, Default)]
pub struct Json<T>(pub T);

/// What stands behind the question mark.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What stands in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// An upload.
#[derive(Debug)]
pub struct Multipart(pub axum::extract::Multipart);

/// A request for a WebSocket.
#[derive(Debug)]
pub struct Upgrade(pub WebSocketUpgrade);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        need_json(request.headers())?;
        let body = Bytes::from_request(request, state).await.map_err(|why| bad_body(&why))?;
        parse(&body).map(Self)
    }
}

/// A body that may be left out, or be `null`: then there is none, whatever the head says of it.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let is_json = need_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(|why| bad_body(&why))?;
        if body.is_empty() {
            return Ok(None);
        }
        is_json?;
        parse::<Option<T>>(&body).map(|body| body.map(Self))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|why| {
            let why = why.body_text();
            ApiError::bad_request("invalid_query", format!("what follows the `?` is wrong: {why}"))
        })
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|why| {
            let why = why.body_text();
            ApiError::bad_request("invalid_path", format!("the path cannot be read: {why}"))
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_kind(request.headers(), "multipart/form-data") {
            let why = "the body has to be an upload: send it as `multipart/form-data`";
            return Err(ApiError::bad_type(why));
        }
        // It has two of that name; the other takes something else for no upload.
        let upload =
            <axum::extract::Multipart as FromRequest<S>>::from_request(request, state).await;
        upload.map(Self).map_err(|why| {
            let why = format!("the upload cannot be read: {}", why.body_text());
            ApiError::bad_request("invalid_multipart", why)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        upgrade.map(Self).map_err(|why| bad_upgrade(&why))
    }
}

fn bad_upgrade(why: &WebSocketUpgradeRejection) -> ApiError {
    ApiError::no_upgrade(format!("this is for WebSockets alone: {}", why.body_text()))
}

fn bad_body(why: &BytesRejection) -> ApiError {
    if let BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) = why {
        return ApiError::too_large("the body is larger than any text may be");
    }
    if is_late(why) { ApiError::too_slow() } else { ApiError::broken_off() }
}

/// Whether nothing came for too long, somewhere behind what failed.
pub fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(<dyn std::error::Error>::is::<TimeoutError>)
}

/// A body that is not said to be JSON could come from a page that may not ask: browsers let pages send everything else.
fn need_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_kind(headers, "application/json") {
        return Ok(());
    }
    Err(ApiError::bad_type("the body has to be JSON: send `Content-Type: application/json`"))
}

fn is_kind(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
}

/// Reads a body.
///
/// # Errors
/// Names the field that is wrong.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let wrong = |field: &str, why: serde_json::Error| {
        let message = match field {
            "." => format!("the body is no request in JSON: {why}"),
            field => format!("`{field}` is wrong: {why}"),
        };
        let error = ApiError::bad_request("invalid_json", message);
        match FIELDS.iter().find(|known| field.split(['.', '[']).next() == Some(**known)) {
            Some(field) => error.about(field),
            None => error,
        }
    };
    let request = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        wrong(&field, error.into_inner())
    })?;
    json.end().map_err(|error| wrong(".", error))?;
    Ok(request)
}

/// The fields that an error can be about.
const FIELDS: [&str; 13] = [
    "text",
    "items",
    "format",
    "input",
    "voice",
    "model",
    "instructions",
    "response_format",
    "speed",
    "stream_format",
    "sample_rate",
    "volume",
    "volume_multiplier",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_follows_a_body_is_no_part_of_it() {
        assert!(parse::<Value>(b" {\"input\": \"a\"} \n").is_ok());
        for body in ["{} {}", "{}x", "", "{", "\u{feff}{}"] {
            let error = parse::<Value>(body.as_bytes()).unwrap_err();
            assert_eq!(error.body().error.code, "invalid_json", "{body}");
        }
    }

    #[test]
    fn what_is_said_of_a_body_is_compared_as_it_is_meant() {
        for (kind, is_json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let headers = [(header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
            assert_eq!(need_json(&headers).is_ok(), is_json, "{kind}");
        }
    }
}
