//! Who may come in: the host that was asked for, the page that asks, the key, what the key is good for, and how often.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::Http;
use super::error::ApiError;
use crate::config::http::Scope;
use crate::telemetry;

/// What the API's answers may do in a browser: nothing. The page has a policy of its own.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's name; `None` without a key.
    pub name: Option<Arc<str>>,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Whether it may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    fn need(self, scope: Scope) -> Result<Self, ApiError> {
        if self.may(scope) {
            return Ok(self);
        }
        let word = scope.as_str();
        Err(match &self.name {
            None => ApiError::no_key(
                "a key is needed: `Authorization: Bearer …`; `speakerd key add NAME` makes one",
            ),
            Some(name) => {
                let why = format!("the key `{name}` is not good for this: it needs `{word}`");
                ApiError::not_allowed("missing_scope", why)
            }
        })
    }
}

/// How often each key may ask.
#[derive(Debug)]
pub struct Rates(Option<DefaultKeyedRateLimiter<Arc<str>>>);

impl Rates {
    /// So many requests in a minute, and as many at once.
    pub fn new(requests_per_minute: Option<u32>) -> Self {
        let quota = requests_per_minute.and_then(std::num::NonZeroU32::new).map(Quota::per_minute);
        Self(quota.map(RateLimiter::keyed))
    }

    /// Counts one request.
    ///
    /// # Errors
    /// Where that is one too many.
    pub fn check(&self, caller: &Caller) -> Result<(), ApiError> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        // The names are those of the keys, and one more: no more entries than that.
        let name = caller.name.clone().unwrap_or_else(|| "".into());
        let now = DefaultClock::default().now();
        limiter.check_key(&name).map_err(|early| ApiError::rate_limited(early.wait_time_from(now)))
    }
}

/// Lets a request in, or not, and says who asks.
pub async fn guard(State(http): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let mut response = match admit(&http, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    };
    telemetry::request_answered(status_word(response.status()));
    let headers = response.headers_mut();
    let n = http.n_requests.fetch_add(1, Ordering::Relaxed) + 1;
    if let Ok(id) = HeaderValue::from_str(&format!("req_{n}")) {
        headers.insert("x-request-id", id);
    }
    let usual: [(HeaderName, &'static str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, API_POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The statuses that there are, as labels: a closed set.
fn status_word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        101 => "101",
        200 => "200",
        202 => "202",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        426 => "426",
        429 => "429",
        500 => "500",
        501 => "501",
        503 => "503",
        504 => "504",
        _ => "other",
    }
}

fn admit(http: &Http, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let settings = http.settings();
    let allowed = &settings.http;
    check_host(headers, &allowed.hosts)?;
    let key = bearer(headers);
    let caller = match key.and_then(|key| http.keys.find(key)) {
        // A key does not do less than none.
        Some(key) => {
            let scopes = [key.scopes, allowed.without_key.clone()].concat();
            Caller { name: Some(key.name), scopes }
        }
        // A wrong key is no key: what is open stays open to those who send one that was removed.
        None => Caller { name: None, scopes: allowed.without_key.clone() },
    };
    // A page from elsewhere has no key, but it has this machine's address.
    if caller.name.is_none() && is_foreign(headers, &allowed.cors_origins) {
        return Err(ApiError::not_allowed(
            "origin_not_allowed",
            "pages from elsewhere may not ask (http.cors_origins)",
        ));
    }
    if caller.name.is_some() {
        http.rates.check(&caller)?;
    }
    Ok(caller)
}

/// The key of a request: in the header that everyone uses, or, for browsers' WebSockets, which cannot send it, as a protocol.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    if let Some((scheme, key)) = authorization.and_then(|value| value.split_once(' ')) {
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    let protocols = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix(KEY_PROTOCOL))
}

/// What stands in front of a key that is sent as a WebSocket's protocol.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// Against DNS rebinding: a page elsewhere can have its own name point to this machine, and its browser then believes that
/// it talks to its own server. It cannot have an address or `localhost` as its name.
fn check_host(headers: &HeaderMap, known: &[String]) -> Result<(), ApiError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = without_port(host).to_ascii_lowercase();
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    if is_address || is_local || known.contains(&name) {
        return Ok(());
    }
    Err(ApiError::not_allowed(
        "host_not_allowed",
        format!("this machine is not asked as `{name}`; if it should be, put that into http.hosts"),
    ))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a page asks that neither we have served nor the configuration knows.
fn is_foreign(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return headers.contains_key(header::ORIGIN);
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host));
    !own && !allowed.iter().any(|known| known == origin)
}

macro_rules! scoped {
    ($($(#[$doc:meta])* $name:ident => $scope:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub Caller);

        impl FromRequestParts<Arc<Http>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                http: &Arc<Http>,
            ) -> Result<Self, ApiError> {
                let caller = caller(parts)?.need($scope)?;
                // Of those without a key only what needs one is counted: they would use up for each other what is open.
                if caller.name.is_none() {
                    http.rates.check(&caller)?;
                }
                Ok(Self(caller))
            }
        }
    )*};
}

scoped! {
    /// Someone who may have texts spoken.
    MaySpeak => Scope::Speak;
    /// Someone who may make and remove voices.
    MayMakeVoices => Scope::Voices;
    /// Someone who may see and steer everything.
    MayAdminister => Scope::Admin;
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        caller(parts)
    }
}

fn caller(parts: &Parts) -> Result<Caller, ApiError> {
    let unguarded = || ApiError::internal("unguarded", "nobody looked who asks, which is a bug");
    parts.extensions.get::<Caller>().cloned().ok_or_else(unguarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_addresses_localhost_and_known_names_are_hosts() {
        let known = ["speaker.example.org".to_owned()];
        for (host, is_allowed) in [
            ("127.0.0.1:8765", true),
            ("[::1]:8765", true),
            ("192.168.1.5", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("speaker.example.org:443", true),
            ("evil.example.org", false),
            ("127.0.0.1.evil.example.org", false),
            ("localhost.evil.example.org:8765", false),
            ("", false),
        ] {
            let headers = headers(&[(header::HOST, host)]);
            assert_eq!(check_host(&headers, &known).is_ok(), is_allowed, "{host}");
        }
        assert!(check_host(&HeaderMap::new(), &known).is_err());
    }

    #[test]
    fn a_key_is_found_where_clients_put_it() {
        for (name, value, key) in [
            (header::AUTHORIZATION, "Bearer spk_a", Some("spk_a")),
            (header::AUTHORIZATION, "bearer  spk_a ", Some("spk_a")),
            (header::AUTHORIZATION, "Basic c3A=", None),
            (header::AUTHORIZATION, "spk_a", None),
            (
                header::SEC_WEBSOCKET_PROTOCOL,
                "realtime, openai-insecure-api-key.spk_a",
                Some("spk_a"),
            ),
        ] {
            assert_eq!(bearer(&headers(&[(name, value)])), key, "{value}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_is_known_by_its_origin() {
        let allowed = ["https://chat.example.org".to_owned()];
        for (origin, is_foreign_one) in [
            (None, false),
            (Some("http://localhost:8765"), false),
            (Some("https://chat.example.org"), false),
            (Some("http://localhost:3000"), true),
            (Some("null"), true),
        ] {
            let mut all = headers(&[(header::HOST, "localhost:8765")]);
            all.extend(origin.map(|it| (header::ORIGIN, HeaderValue::from_str(it).unwrap())));
            assert_eq!(is_foreign(&all, &allowed), is_foreign_one, "{origin:?}");
        }
    }
}
