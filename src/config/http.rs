//! `[http]`: the speech server's settings, and their checks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::check::{secs, within};
use super::raw::RawHttp;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Have texts spoken, and see all voices.
    Speak,
    /// Make voices and remove them.
    Voices,
    /// See what is spoken, steer it, and look after the engines.
    Admin,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Speak, Self::Voices, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Speak => "speak",
            Self::Voices => "voices",
            Self::Admin => "admin",
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    /// Where programs ask for speech; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// How many requests are waiting for the engine, or being spoken, at the same time.
    pub max_pending: usize,
    /// How long one more waits for its place.
    pub pending_wait: Duration,
    /// How long a request may be without its first sound.
    pub deadline: Duration,
    /// Computing time for turning the audio of one request into the format that was asked for.
    pub encode_deadline: Duration,
    /// The longest text of one request.
    pub max_text_chars: usize,
    /// The most that one upload may have.
    pub max_upload_bytes: usize,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Requests of one key in a minute; `None` for any number.
    pub requests_per_minute: Option<u32>,
    /// Finished audio that is kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Finished audio that is kept on disk, in bytes.
    pub cache_disk_bytes: u64,
    /// What may be done without a key.
    pub without_key: Vec<Scope>,
    /// Names by which this machine is asked, besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
    /// Other names for voices.
    pub voices: BTreeMap<String, String>,
}

impl HttpConfig {
    /// Whether others than this machine can reach it.
    pub fn is_public(&self) -> bool {
        self.listen.is_some_and(|address| !address.ip().is_loopback())
    }
}

impl RawHttp {
    pub(super) fn check(
        self,
        known: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<HttpConfig, ConfigError> {
        let listen = listen(&self.listen)?;
        for (name, voice) in &self.voices {
            known(voice)
                .map_err(|reason| ConfigError::of(&format!("http.voices.{name}"), reason))?;
        }
        for origin in &self.cors_origins {
            check_origin(origin).map_err(|why| ConfigError::of("http.cors_origins", why))?;
        }
        let http = HttpConfig {
            listen,
            max_pending: within("http.max_pending", self.max_pending, 1..=64)?,
            pending_wait: Duration::from_millis(within(
                "http.pending_wait_ms",
                self.pending_wait_ms,
                0..=60_000,
            )?),
            deadline: secs("http.deadline_secs", self.deadline_secs, 0.1..=3_600.0)?,
            encode_deadline: secs(
                "http.encode_deadline_secs",
                self.encode_deadline_secs,
                0.1..=3_600.0,
            )?,
            max_text_chars: within("http.max_text_chars", self.max_text_chars, 1..=100_000)?,
            max_upload_bytes: usize::try_from(
                within("http.max_upload_mb", self.max_upload_mb, 1..=1_024)? << 20,
            )
            .unwrap_or(usize::MAX),
            max_connections: within("http.max_connections", self.max_connections, 1..=10_000)?,
            requests_per_minute: Some(self.requests_per_minute).filter(|n| *n > 0),
            cache_bytes: within("http.cache_mb", self.cache_mb, 0..=65_536)? << 20,
            cache_disk_bytes: within("http.cache_disk_mb", self.cache_disk_mb, 0..=1 << 20)? << 20,
            without_key: self.without_key,
            hosts: self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            cors_origins: self.cors_origins,
            voices: self.voices,
        };
        if http.without_key.contains(&Scope::Admin) {
            let why = "may have \"speak\" and \"voices\"; \"admin\" always needs a key";
            return Err(ConfigError::of("http.without_key", why));
        }
        if http.is_public() && !http.without_key.is_empty() {
            let why = "is for 127.0.0.1 only: whoever can reach this machine would be let in";
            return Err(ConfigError::of("http.without_key", why));
        }
        Ok(http)
    }
}

fn listen(typed: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if typed.is_empty() {
        return Ok(None);
    }
    let address = match typed.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse(),
        None => typed.parse(),
    };
    let why = "is not an address with a port, such as \"127.0.0.1:8765\"";
    address.map(Some).map_err(|_| ConfigError::of("http.listen", why))
}

fn check_origin(origin: &str) -> Result<(), String> {
    let is_origin = ["http://", "https://"].iter().any(|scheme| {
        origin.strip_prefix(scheme).is_some_and(|host| !host.is_empty() && !host.contains('/'))
    });
    if is_origin {
        return Ok(());
    }
    Err(format!("`{origin}` is no origin, such as \"https://chat.example.org\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(raw: RawHttp) -> Result<HttpConfig, ConfigError> {
        raw.check(&|voice| if voice == "rms" { Ok(()) } else { Err("unknown".to_owned()) })
    }

    #[test]
    fn what_is_wrong_is_named() {
        let default = RawHttp::default;
        let cases = [
            (RawHttp { listen: "8765".into(), ..default() }, "http.listen"),
            (RawHttp { max_pending: 0, ..default() }, "http.max_pending"),
            (RawHttp { without_key: vec![Scope::Admin], ..default() }, "http.without_key"),
            (
                RawHttp {
                    listen: "0.0.0.0:1".into(),
                    without_key: vec![Scope::Speak],
                    ..default()
                },
                "http.without_key",
            ),
            (RawHttp { cors_origins: vec!["*".into()], ..default() }, "http.cors_origins"),
            (
                RawHttp { voices: [("a".to_owned(), "b".to_owned())].into(), ..default() },
                "http.voices.a",
            ),
        ];
        for (raw, key) in cases {
            let error = checked(raw).unwrap_err();
            assert_eq!(error.key.as_deref(), Some(key));
        }
    }

    #[test]
    fn nobody_listens_unless_told_to_and_localhost_is_this_machine() {
        assert_eq!(checked(RawHttp::default()).unwrap().listen, None);
        let raw = RawHttp { listen: "localhost:80".into(), ..RawHttp::default() };
        let http = checked(raw).unwrap();
        assert_eq!(http.listen, Some("127.0.0.1:80".parse().unwrap()));
        assert!(!http.is_public());
    }
}
