//! The description of the interface, OpenAPI 3.1: made of the list that the router is made of, so that what is served is
//! described, and nothing else.
//!
//! Knows no handler. A handler says what is special about it; what holds for all of a kind (who needs a key, how a body can
//! be wrong) is put in here, where it follows from the rest.

use std::collections::BTreeMap;

use axum::body::Bytes;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{IntoResponses, OpenApi, PartialSchema, ToSchema};

use super::error::ErrorBody;
use super::monitor::events::Vitals;
use crate::history::Entry;
use crate::status::Status;

/// What the description begins with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "speakerd",
        description = "Text in, speech out: OpenAI's speech API and what older servers were asked, voices made of \
            recordings, and a look at the daemon. A method that a path does not know is answered with 405."
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = SPEECH, description = "Text in, audio out."),
        (name = VOICES, description = "Who can speak."),
        (name = MODELS, description = "What clients call the models."),
        (name = OLDER, description = "What older speech servers were asked, for the programs that still do."),
        (name = MONITOR, description = "What waits, what sounds, what was said; and steering it."),
        (name = ADMINISTRATION, description = "What is configured, what it costs, and looking after the engines."),
        (name = SERVER, description = "The server itself, and its pages."),
    ),
    // Not named by any operation, since they are in events.
    components(schemas(Status, Entry, Vitals)),
)]
struct Opening;

/// Text in, audio out.
pub const SPEECH: &str = "Speech";
/// Who can speak.
pub const VOICES: &str = "Voices";
/// What clients call the models.
pub const MODELS: &str = "Models";
/// For programs that were made for other servers.
pub const OLDER: &str = "Older servers";
/// What happens, and steering it.
pub const MONITOR: &str = "Monitor";
/// Looking after the daemon.
pub const ADMINISTRATION: &str = "Administration";
/// The server itself.
pub const SERVER: &str = "Server";

/// What the way of showing a key is called.
const KEY: &str = "key";

/// Each way of being refused: its status, what it is called, and what it means.
const REFUSALS: [(u16, &str, &str); 14] = [
    (
        400,
        "BadRequest",
        "Something in the request is wrong; `param` names the field, where it is one.",
    ),
    (401, "NoKey", "A key is needed, and there was none that is known."),
    (403, "NotAllowed", "The key is not good for this, or a page or a host asks that may not."),
    (404, "NotFound", "There is no such thing."),
    (408, "TooSlow", "The request did not arrive in time."),
    (409, "NothingThere", "There is nothing to which this could be done just now."),
    (413, "TooLarge", "More than may be sent."),
    (415, "WrongKind", "The body is of another kind."),
    (426, "NoUpgrade", "This is for WebSockets alone."),
    (429, "ComeBack", "No place in the queue, or more requests of one key than allowed."),
    (500, "Broken", "Something failed that should not."),
    (501, "NotInThisBuild", "This build cannot, and another could."),
    (
        503,
        "NotNow",
        "It cannot be done now, but later: what is needed is busy, or stopping, or broke down.",
    ),
    (504, "Late", "It took longer than it may."),
];

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident => [$($status:literal),*];)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($status),*].into_iter().filter_map(refusal).collect()
            }
        }
    )*};
}

refused! {
    /// How it can end where something is to be spoken.
    NotSpoken => [400, 404, 429, 500, 503, 504];
    /// How it can end where the daemon is asked.
    NotDone => [500, 503];
    /// How it can end where voices are made and removed.
    NotMade => [400, 404, 500, 501, 503, 504];
    /// How it can end where it may not be there.
    NotThere => [404];
    /// How it can end where there may be nothing to do.
    NothingThere => [409];
    /// How it can end where not everything that can be written has a meaning.
    NotMeant => [400];
    /// How it can end where only a WebSocket is taken.
    NoUpgrade => [426, 503];
}

/// A reference to what such a refusal is like.
fn refusal(status: u16) -> Option<(String, RefOr<Response>)> {
    let (_, name, _) = REFUSALS.into_iter().find(|(known, ..)| *known == status)?;
    Some((status.to_string(), RefOr::Ref(Ref::from_response_name(name))))
}

/// Bytes of a file.
#[derive(Debug)]
pub struct FileBytes;

impl ToSchema for FileBytes {
    fn name() -> std::borrow::Cow<'static, str> {
        "FileBytes".into()
    }
}

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The bytes of a file."));
        bytes.build().into()
    }
}

/// One of many events.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "for the description alone: events are written as they come")]
pub struct EventLine {
    /// What happened.
    event: String,
    /// More of it, in JSON.
    data: String,
}

/// What a router begins with, so that it is described.
pub fn opening() -> utoipa::openapi::OpenApi {
    Opening::openapi()
}

/// The description, as it is served.
#[derive(Debug, Clone)]
pub struct Description {
    /// In JSON.
    pub json: Bytes,
    /// What can be asked, as `GET /health`.
    pub endpoints: Vec<String>,
}

impl Description {
    /// Of what a router has collected, with what holds for all.
    pub fn of(collected: utoipa::openapi::OpenApi) -> Self {
        let mut api = collected;
        let components = api.components.get_or_insert_default();
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("spk_…")
            .description(Some("`speakerd key add NAME` makes one."))
            .build();
        components.security_schemes.insert(KEY.to_owned(), SecurityScheme::Http(key).into());
        components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
        let mut schemas = Vec::new();
        ErrorBody::schemas(&mut schemas);
        components.schemas.extend(schemas);
        for (status, name, meaning) in REFUSALS {
            components.responses.insert(name.to_owned(), refused(status, meaning).into());
        }
        let mut endpoints = Vec::new();
        for (path, item) in &mut api.paths.paths {
            let operations =
                [("GET", &mut item.get), ("POST", &mut item.post), ("DELETE", &mut item.delete)];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                endpoints.push(format!("{method} {path}"));
                complete(operation);
            }
        }
        // Links of the code's own documentation lead nowhere here.
        let json = serde_json::to_string(&api).unwrap_or_default();
        let json = json.replace("[`", "`").replace("`]", "`").into();
        Self { json, endpoints }
    }
}

/// What a refusal is like.
fn refused(status: u16, meaning: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
    let response = ResponseBuilder::new().description(meaning).content("application/json", body);
    let header = |kind, why: &str| {
        let value = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new().schema(Some(value)).description(Some(why)).build()
    };
    match status {
        401 => response.header("WWW-Authenticate", header(Type::String, "`Bearer`.")),
        426 => response.header("Upgrade", header(Type::String, "`websocket`.")),
        429 | 503 => {
            response.header("Retry-After", header(Type::Integer, "When to try again, in seconds."))
        }
        _ => response,
    }
    .build()
}

/// Adds what follows from the rest of an operation, and leaves out what is for readers of the code.
fn complete(operation: &mut Operation) {
    let mut more = vec![403, 429];
    if operation.security.is_some() {
        more.push(401);
    }
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        more.push(400);
    }
    if operation.request_body.is_some() {
        more.extend([400, 408, 413, 415]);
    }
    for (status, response) in more.into_iter().filter_map(refusal) {
        operation.responses.responses.entry(status).or_insert(response);
    }
    if let Some(text) = &operation.description {
        let text = text.split("# Errors").next().unwrap_or_default().trim();
        operation.description = (!text.is_empty()).then(|| text.to_owned());
    }
}
