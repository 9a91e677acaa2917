//! One request for a file and what the servers say, over all redirects: who is asked, who gets the token, what is believed.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri, header};

use super::checksum::Checksum;
use super::error::DownloadError;
use super::place::{Place, is_commit};
use super::token::Token;
use crate::config::address::is_loopback;

/// The hub sends one on once or twice.
const MAX_REDIRECTS: usize = 5;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub stall: Duration,
    /// After the first connection that broke; each further one doubles it.
    pub pause: Duration,
    /// How often a file is gone on with.
    pub n_retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            n_retries: 5,
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    hub: String,
    token: Option<Token>,
}

/// What is said of a file, whoever sends its bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Said {
    /// Changes when the file does.
    pub identity: Option<String>,
    /// What it should add up to.
    pub checksum: Option<Checksum>,
    /// How long it is.
    pub n_bytes: Option<u64>,
    /// The commit that it was taken from.
    pub commit: Option<String>,
}

/// What came back.
pub struct Answer {
    /// The last status.
    pub status: u16,
    /// What was said of the file.
    pub said: Said,
    /// With status 206, the first byte that is sent.
    pub begin: Option<u64>,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl Client {
    /// Asks this hub, with this token.
    pub fn new(hub: String, token: Option<Token>, patience: Patience) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Each redirect is looked at here: the first answer says what the file should add up to, and the token
            // must not go along.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .user_agent(concat!("speakerd/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        Self { agent: config.new_agent(), hub, token }
    }

    /// The hub's address.
    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// Where the token was found; `None` where there is none.
    pub fn token_found(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.found.as_str())
    }

    /// Asks for a file, from one of its bytes on.
    ///
    /// # Errors
    /// Where nobody answers, or one is sent where one must not go.
    pub fn get(&self, place: &Place, from: u64) -> Result<Answer, DownloadError> {
        let address = place.address(&self.hub).unwrap_or_default();
        let is_hubs = matches!(place, Place::Hub { .. });
        let broken = |reason: String| DownloadError::Malformed { place: place.to_string(), reason };
        let parse = |address: &str| {
            address.parse::<Uri>().map_err(|_| broken(format!("`{address}` is no address")))
        };
        let (mut uri, hub) = (parse(&address)?, parse(&self.hub)?);
        let mut said = Said::default();
        for _ in 0..=MAX_REDIRECTS {
            let is_hub = same_origin(&uri, &hub);
            let mut request = self.agent.get(uri.clone());
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            if is_hub && let Some(header) = self.token.as_ref().and_then(Token::header) {
                request = request.header(header::AUTHORIZATION, header);
            }
            let response = request.call().map_err(|error| DownloadError::of(place, &uri, error))?;
            let (parts, body) = response.into_parts();
            let (status, headers) = (parts.status.as_u16(), &parts.headers);
            let speaker = match (is_hubs, is_hub) {
                (true, true) => Speaker::Hub,
                (true, false) => Speaker::SentOnTo,
                (false, _) => Speaker::Another,
            };
            said.listen(headers, speaker);
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                let (begin, n_whole) = range(headers);
                let n_sent = text(headers, "content-length").and_then(|it| it.parse().ok());
                let n_bytes = if status == 200 { n_sent } else { n_whole };
                said.n_bytes = said.n_bytes.or(n_bytes);
                return Ok(Answer { status, said, begin, body: Box::new(body.into_reader()) });
            }
            let location = text(headers, "location").unwrap_or_default();
            let next = if location.starts_with('/') && !location.starts_with("//") {
                let scheme = uri.scheme_str().unwrap_or_default();
                let authority = uri.authority().map_or("", |it| it.as_str());
                parse(&format!("{scheme}://{authority}{location}"))?
            } else {
                // What is in it may be a key to the file: it is not shown.
                location
                    .parse::<Uri>()
                    .map_err(|_| broken("one is sent to no address".to_owned()))?
            };
            if !may_follow(&uri, &next) {
                let host = next.host().unwrap_or("nowhere");
                return Err(broken(format!("one is sent on to {host} without encryption")));
            }
            uri = next;
        }
        Err(broken("one is sent on and on".to_owned()))
    }
}

/// Who says something of a file.
#[derive(Debug, Clone, Copy)]
enum Speaker {
    /// The hub, of a file of its own.
    Hub,
    /// Whom the hub sent us to for the bytes.
    SentOnTo,
    /// Somebody who has to do with no hub.
    Another,
}

impl Said {
    /// Takes in the headers of one answer. Of a hub's file only the hub is believed what it should add up to: who
    /// sends the bytes has other marks for them.
    fn listen(&mut self, headers: &HeaderMap, speaker: Speaker) {
        let etag = |name| {
            let etag = text(headers, name)?.trim_start_matches("W/").trim_matches('"');
            (!etag.is_empty()).then(|| etag.to_owned())
        };
        match speaker {
            Speaker::SentOnTo => {}
            Speaker::Another => {
                let date = || text(headers, "last-modified").map(Into::into);
                self.identity = etag("etag").or_else(date);
            }
            Speaker::Hub => {
                if let Some(linked) = etag("x-linked-etag") {
                    self.checksum = Checksum::of_etag(&linked);
                    self.identity = Some(linked);
                } else if let (Some(etag), None) = (etag("etag"), &self.checksum) {
                    let checksum = Checksum::of_etag(&etag);
                    self.checksum = checksum.filter(|it| matches!(it, Checksum::GitBlob(_)));
                    self.identity = Some(etag);
                }
                let n_bytes = text(headers, "x-linked-size").and_then(|it| it.parse().ok());
                self.n_bytes = self.n_bytes.or(n_bytes);
                let commit = text(headers, "x-repo-commit").filter(|it| is_commit(it));
                self.commit = self.commit.take().or_else(|| commit.map(Into::into));
            }
        }
    }
}

/// The first byte that is sent, and how many there are: `bytes 100-199/200`.
fn range(headers: &HeaderMap) -> (Option<u64>, Option<u64>) {
    let range = text(headers, "content-range").and_then(|it| it.strip_prefix("bytes "));
    let Some((part, whole)) = range.and_then(|range| range.split_once('/')) else {
        return (None, None);
    };
    let begin = part.split_once('-').and_then(|(begin, _)| begin.parse().ok());
    (begin, whole.parse().ok())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether both are the same server, port and all.
fn same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some((scheme, uri.host()?.to_ascii_lowercase(), port))
    };
    origin(one).is_some() && origin(one) == origin(other)
}

/// Whether one may be sent on: never from encrypted to plain, and plain only within this machine.
fn may_follow(from: &Uri, to: &Uri) -> bool {
    let has_user = to.authority().is_none_or(|it| it.as_str().contains('@'));
    let is_here = |uri: &Uri| {
        uri.scheme_str() == Some("http")
            && uri.authority().is_some_and(|it| is_loopback(it.as_str()))
    };
    !has_user && (to.scheme_str() == Some("https") || is_here(from) && is_here(to))
}

#[cfg(test)]
mod tests {
    use ureq::http::Uri;

    use super::{may_follow, same_origin};

    #[test]
    fn redirects_lead_only_where_they_may_and_the_token_stays() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        for (from, to, follows, is_same) in [
            ("https://hub.example/a", "https://hub.example/b", true, true),
            ("https://hub.example/a", "https://HUB.example:443/b", true, true),
            ("https://hub.example/a", "https://cdn.example/b", true, false),
            ("https://hub.example/a", "https://hub.example.evil/b", true, false),
            ("https://hub.example/a", "https://hub.example:8443/b", true, false),
            ("https://hub.example/a", "http://hub.example/b", false, false),
            ("https://hub.example/a", "http://127.0.0.1/b", false, false),
            ("https://hub.example/a", "https://ann@hub.example/b", false, true),
            ("https://hub.example/a", "/b", false, false),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:2/b", true, false),
            ("http://127.0.0.1:1/a", "http://example.com/b", false, false),
        ] {
            let (one, other) = (uri(from), uri(to));
            assert_eq!(may_follow(&one, &other), follows, "{from} {to}");
            assert_eq!(same_origin(&one, &other), is_same, "{from} {to}");
        }
    }
}
