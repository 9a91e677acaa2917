//! `/`: the page for a person's browser, from the binary; and for programs, what this server is and what it can be asked.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

use super::Http;
use super::described::{NotThere, SERVER};
use super::error::ApiError;
use super::extract::{Json, Path};

/// The page may load what this server has, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; media-src 'self' blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Files from the binary: the name of each, its kind, and what is in it.
pub(super) type Files = [(&'static str, &'static str, &'static [u8])];

macro_rules! files {
    ($($name:literal => $kind:literal,)*) => {
        /// Every file of the page.
        const FILES: &Files =
            &[$(($name, $kind, include_bytes!(concat!("page/", $name))),)*];
    };
}

files! {
    "index.html" => "text/html; charset=utf-8",
    "style.css" => "text/css; charset=utf-8",
    "icon.svg" => "image/svg+xml",
    "announce.js" => "text/javascript; charset=utf-8",
    "api.js" => "text/javascript; charset=utf-8",
    "app.js" => "text/javascript; charset=utf-8",
    "confirm.js" => "text/javascript; charset=utf-8",
    "dom.js" => "text/javascript; charset=utf-8",
    "events.js" => "text/javascript; charset=utf-8",
    "format.js" => "text/javascript; charset=utf-8",
    "health.js" => "text/javascript; charset=utf-8",
    "history.js" => "text/javascript; charset=utf-8",
    "key.js" => "text/javascript; charset=utf-8",
    "monitor.js" => "text/javascript; charset=utf-8",
    "newvoice.js" => "text/javascript; charset=utf-8",
    "player.js" => "text/javascript; charset=utf-8",
    "plot.js" => "text/javascript; charset=utf-8",
    "quality.js" => "text/javascript; charset=utf-8",
    "queue.js" => "text/javascript; charset=utf-8",
    "recorder-worklet.js" => "text/javascript; charset=utf-8",
    "recorder.js" => "text/javascript; charset=utf-8",
    "say.js" => "text/javascript; charset=utf-8",
    "try.js" => "text/javascript; charset=utf-8",
    "voicebook.js" => "text/javascript; charset=utf-8",
    "voices.js" => "text/javascript; charset=utf-8",
    "wave.js" => "text/javascript; charset=utf-8",
}

/// What this server is, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Root {
    /// `speakerd`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// `ok` or `stopping`.
    status: &'static str,
    /// What can be asked, and where.
    endpoints: Vec<String>,
}

/// Answers a browser with the page, and a program with what can be asked.
#[utoipa::path(
    get, path = "/", tag = SERVER,
    responses(
        (
            status = 200, description = "The page, or what can be asked.",
            content((Root = "application/json"), (String = "text/html")),
        ),
        (status = 304, description = "The page is as it was."),
    ),
)]
pub async fn root(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let wants_json = accepted.contains("application/json") && !accepted.contains("text/html");
    if !wants_json {
        return file(FILES, "index.html", &headers).unwrap_or_else(IntoResponse::into_response);
    }
    let endpoints = http.description.endpoints.clone();
    Json(Root {
        name: "speakerd",
        version: env!("CARGO_PKG_VERSION"),
        status: http.state_word(),
        endpoints,
    })
    .into_response()
}

/// Answers with a file of the page.
///
/// # Errors
/// Where there is none of that name.
#[utoipa::path(
    get, path = "/assets/{name}", tag = SERVER,
    params(("name" = String, Path, description = "The file.")),
    responses(
        (
            status = 200, description = "The file.",
            content((String = "text/javascript"), (String = "text/css"), (String = "image/svg+xml"), (String = "text/html")),
        ),
        (status = 304, description = "It is as it was."),
        NotThere,
    ),
)]
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    file(FILES, &name, &headers)
}

/// Answers with one of these files.
pub(super) fn file(files: &Files, name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let Some((_, kind, bytes)) = files.iter().find(|(known, ..)| *known == name) else {
        return Err(ApiError::not_found("not_found", "the page has no such file"));
    };
    // Asked for again after an update, and otherwise not sent twice.
    let tag = format!("\"{:016x}\"", xxh3_64(bytes));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    let mut response = if known == Some(tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new((*bytes).into())
    };
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    own.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        own.insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let text = |name: &str| {
            let file = FILES.iter().find(|(known, ..)| *known == name).unwrap();
            String::from_utf8(file.2.to_vec()).unwrap()
        };
        let all: Vec<_> = FILES.iter().map(|(name, ..)| *name).collect();
        let is_script =
            |it: &str| std::path::Path::new(it).extension().is_some_and(|it| it == "js");
        for name in all.iter().filter(|name| is_script(name) || **name == "index.html") {
            for quoted in text(name).split(['"', '\'']).filter(|it| is_script(it)) {
                let named = quoted.rsplit('/').next().unwrap();
                assert!(all.contains(&named), "{name} names {quoted}");
            }
        }
        let on_disk = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
        for entry in on_disk.read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(all.contains(&name.as_str()), "{name} is not served");
        }
    }
}
