//! Every path of the speech server, and what stands in front of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::described::{self, Description};
use super::error::ApiError;
use super::{Http, admin, docs, guard, models, monitor, older, page, socket, speech, voices};

/// The largest body that is no upload: the longest text there may be, in JSON, each character of it written as `\uXXXX` twice.
const MAX_BODY_BYTES: usize = 2 << 20;

/// A client that sends nothing more of its body for so long is given up.
const BODY_PAUSE: Duration = Duration::from_secs(10);

/// Every path there is, and their description. A version of the interface is a router of its own, under its prefix.
pub(super) fn routes(max_upload_bytes: usize) -> (Router<Arc<Http>>, Description) {
    let (routes, api) = OpenApiRouter::with_openapi(described::opening())
        .routes(routes!(page::root))
        .routes(routes!(page::asset))
        .routes(routes!(docs::page))
        .routes(routes!(docs::asset))
        .routes(routes!(docs::description))
        .routes(routes!(models::health))
        .routes(routes!(admin::metrics))
        .nest("/v1", version_1(max_upload_bytes))
        .nest("/admin", administration())
        .split_for_parts();
    (routes, Description::of(api))
}

fn version_1(max_upload_bytes: usize) -> OpenApiRouter<Arc<Http>> {
    let upload = || DefaultBodyLimit::max(max_upload_bytes);
    OpenApiRouter::new()
        .routes(routes!(models::models))
        .routes(routes!(models::model))
        .routes(routes!(models::audio_models))
        .routes(routes!(speech::speak))
        .routes(routes!(voices::names))
        .routes(routes!(voices::add).layer(upload()))
        .routes(routes!(voices::remove))
        .routes(routes!(older::batch))
        .routes(routes!(socket::stream))
        .routes(routes!(voices::cards))
        .routes(routes!(older::synthesize))
        .routes(routes!(older::batch_synthesize))
        .routes(routes!(older::clone_voice).layer(upload()))
        .routes(routes!(older::precompute::progress, older::precompute::start))
        .routes(routes!(models::info))
}

fn administration() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::new()
        .routes(routes!(admin::config))
        .routes(routes!(admin::cleanup))
        .routes(routes!(admin::load))
        .routes(routes!(admin::unload))
        .routes(routes!(admin::stats))
        .routes(routes!(monitor::events::events))
        .routes(routes!(monitor::queue))
        .routes(routes!(monitor::history))
        .routes(routes!(monitor::skip))
        .routes(routes!(monitor::clear))
        .routes(routes!(monitor::pause))
        .routes(routes!(monitor::resume))
        .routes(routes!(monitor::mute))
        .routes(routes!(monitor::unmute))
        .routes(routes!(monitor::replay))
        .routes(routes!(monitor::volume))
        .routes(routes!(monitor::say))
}

/// The paths, and what stands in front of them.
pub(super) fn router(
    routes: Router<Arc<Http>>,
    http: &Arc<Http>,
    cors: Option<CorsLayer>,
) -> Router {
    let router = routes
        .fallback(not_found)
        .method_not_allowed_fallback(bad_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(middleware::from_fn_with_state(Arc::clone(http), guard::guard));
    // Outside of the guard: a browser asks whether it may ask without a key.
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.with_state(Arc::clone(http))
}

/// Lets pages from those origins ask, where there are any.
pub(super) fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|it| it.parse().ok()).collect();
    let allowed = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::RETRY_AFTER,
            HeaderName::from_static("x-speakerd-voice"),
            HeaderName::from_static("x-speakerd-cache"),
            HeaderName::from_static("x-sample-rate"),
        ])
        .max_age(Duration::from_secs(600));
    (!origins.is_empty()).then(|| allowed.allow_origin(origins))
}

async fn not_found() -> ApiError {
    ApiError::not_found("not_found", "there is nothing here; `/docs` shows what there is")
}

async fn bad_method() -> ApiError {
    ApiError::bad_method()
}
