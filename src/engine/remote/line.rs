//! One connection to a server: kept between the requests, and cut from another thread.
//!
//! The only file of the engines that goes out to the network. Knows nothing of sound.

use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue, Uri, header};
use ureq::{Agent, Error};

use super::refusal::{Refusal, Said};
use super::request::Request;
use crate::engine::speech_server::{Secret, SpeechServer};

/// A connection that nobody used for so long is not trusted any more: whatever is between may have forgotten it.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Of what a server says instead of speaking, so much is read.
const MAX_SAID_BYTES: u64 = 16 * 1_024;

/// A connection. Its clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Line {
    agent: Agent,
}

/// An answer that may be sound.
pub(super) struct Answer {
    /// What it is said to be.
    pub(super) content_type: Option<String>,
    /// What it is.
    pub(super) body: Box<dyn Read + Send>,
}

impl Line {
    /// A connection to that server, which is made by the first request.
    pub(super) fn to(server: &SpeechServer) -> Self {
        // An agent keeps connections in a pool; with room for one it is a connection. It has no other limits of time: who
        // waits for the sound has them, and cuts the line.
        let config = Agent::config_builder();
        // The environment names a proxy for what is elsewhere.
        let config = if is_here(&server.url) { config.proxy(None) } else { config };
        let config = config
            .http_status_as_error(false)
            // The key must not go elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(server.connect))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(MAX_IDLE)
            .user_agent(concat!("speakerd/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        Self { agent: config.new_agent() }
    }

    /// Ends whatever goes on over it, at once, so that the server stops as well. Does not block.
    pub(super) fn cut(self) {
        self.agent.shutdown();
    }

    /// Asks for speech, and waits for the head of the answer.
    ///
    /// # Errors
    /// Where there is none, or it has no sound behind it.
    pub(super) fn post(&self, request: &Request, key: Option<&Secret>) -> Result<Answer, Refusal> {
        let post =
            self.agent.post(&request.address).header(header::CONTENT_TYPE, "application/json");
        let post = match &request.key {
            None => post,
            Some((name, key)) => post.header(*name, sensitive(key)?),
        };
        let response = post.send(&request.body).map_err(|error| refusal_of(&error))?;
        let (parts, body) = response.into_parts();
        let content_type = text(&parts.headers, "content-type").map(str::to_owned);
        let answer = Answer { content_type, body: Box::new(body.into_reader()) };
        let status = parts.status.as_u16();
        if parts.status.is_success() {
            return Ok(answer);
        }
        let retry_after = text(&parts.headers, "retry-after").and_then(|it| it.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        Err(Refusal::Status { status, retry_after, said: answer.said(key) })
    }
}

impl Answer {
    /// What it says, where it is no sound.
    pub(super) fn said(self, key: Option<&Secret>) -> Said {
        let mut said = Vec::new();
        // What came before it broke may do.
        let _broken = self.body.take(MAX_SAID_BYTES).read_to_end(&mut said);
        Said::read(self.content_type.as_deref(), &said, key)
    }
}

/// The key as a header that nobody logs.
fn sensitive(key: &Secret) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(key.reveal())
        .map_err(|_| Refusal::BadSetting("the key cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether an address is one of this machine.
fn is_here(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::Io(error) => broken(error),
        Error::Timeout(_) => {
            let reason = "no connection within remote.connect_secs".to_owned();
            Refusal::Connection { reason, passes: false }
        }
        Error::BadUri(_) | Error::Http(_) => Refusal::BadSetting(error.to_string()),
        error => Refusal::Connection { reason: error.to_string(), passes: false },
    }
}

/// A connection that was refused, or broke: a server that is being started again does so.
pub(super) fn broken(error: &io::Error) -> Refusal {
    let passes = matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    );
    Refusal::Connection { reason: error.to_string(), passes }
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn this_machine_is_asked_without_a_proxy() {
        for (url, here) in [
            ("http://localhost:8880/v1", true),
            ("http://127.0.0.1/v1", true),
            ("http://[::1]:80/v1", true),
            ("http://127.0.0.1.example.com/v1", false),
            ("https://api.example.com/v1", false),
        ] {
            assert_eq!(is_here(url), here, "{url}");
        }
    }
}
