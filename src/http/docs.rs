//! `/docs`: the description for people, from the binary; and `/openapi.json`: the same for programs. Both are open to
//! everyone: they tell what can be asked, and nothing of whoever is asked.
//!
//! Knows nothing of what is described: the page reads the description.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::Http;
use super::described::{NotThere, SERVER};
use super::error::ApiError;
use super::extract::Path;
use super::page::{Files, file};

/// Every file of the page; the look is that of the page at `/`.
const FILES: &Files = &[
    ("index.html", "text/html; charset=utf-8", include_bytes!("docs/index.html")),
    ("docs.css", "text/css; charset=utf-8", include_bytes!("docs/docs.css")),
    ("docs.js", "text/javascript; charset=utf-8", include_bytes!("docs/docs.js")),
    ("schema.js", "text/javascript; charset=utf-8", include_bytes!("docs/schema.js")),
];

/// Answers with the description for people.
///
/// # Errors
/// None: the page is there.
#[utoipa::path(
    get, path = "/docs", operation_id = "docs", tag = SERVER,
    responses(
        (status = 200, description = "A page.", body = String, content_type = "text/html"),
        (status = 304, description = "It is as it was."),
    ),
)]
pub async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    file(FILES, "index.html", &headers)
}

/// Answers with a file of that page.
///
/// # Errors
/// Where there is none of that name.
#[utoipa::path(
    get, path = "/docs/{name}", operation_id = "docs_asset", tag = SERVER,
    params(("name" = String, Path, description = "The file.")),
    responses(
        (
            status = 200, description = "The file.",
            content((String = "text/javascript"), (String = "text/css"), (String = "text/html")),
        ),
        (status = 304, description = "It is as it was."),
        NotThere,
    ),
)]
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    file(FILES, &name, &headers)
}

/// Answers with this description.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = SERVER,
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json")),
)]
pub async fn description(State(http): State<Arc<Http>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], http.description.json.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_nothing_comes_from_elsewhere() {
        let on_disk = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/docs");
        for entry in on_disk.read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(FILES.iter().any(|(known, ..)| *known == name), "{name} is not served");
        }
        for (name, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(!text.contains("://"), "{name} names another server");
            assert!(!text.contains("style=") && !text.contains("onclick"), "{name} is inline");
        }
    }
}
