//! A daemon that listens for HTTP, and how it is asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::program::{Daemon, Home};

/// A daemon with a speech server, and a key that is good for everything.
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) daemon: Daemon,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    agent: Agent,
}

/// An answer, as far as tests look at it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
    /// From asked until the head was there.
    pub(crate) first_byte: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Server {
    /// With these keys in `[http]`, and whatever sections follow.
    pub(crate) fn start(http: &str) -> Self {
        Self::start_in(Home::new(&format!(
            "[audio]\noutput = \"null\"\nnull_speed = 0\n[http]\nlisten = \"127.0.0.1:0\"\n{http}"
        )))
    }

    pub(crate) fn start_in(home: Home) -> Self {
        let scopes = ["--scope", "speak", "--scope", "voices", "--scope", "admin"];
        let key = home.ok(&[&["key", "add", "all"], scopes.as_slice()].concat()).trim().to_owned();
        let daemon = home.start();
        let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
        let address = status["daemon"]["http"].as_str().unwrap();
        let address = address.strip_prefix("http://").unwrap().parse().unwrap();
        Self { home, daemon, address, key, agent: agent() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let asked = self.agent.get(self.url(path));
        told(|| asked.header("authorization", format!("Bearer {}", self.key)).call())
    }

    /// Without a key.
    pub(crate) fn get_openly(&self, path: &str) -> Answer {
        told(|| self.agent.get(self.url(path)).call())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(&self.key, path, body)
    }

    pub(crate) fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        let asked = self.agent.post(self.url(path)).header("content-type", "application/json");
        let asked = asked.header("authorization", format!("Bearer {key}"));
        told(|| asked.send(body.to_string()))
    }

    #[cfg(feature = "pocket")]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        let asked = self.agent.delete(self.url(path));
        told(|| asked.header("authorization", format!("Bearer {}", self.key)).call())
    }

    /// Any method, with nothing in the request.
    pub(crate) fn ask(&self, method: &str, path: &str, key: Option<&str>) -> Answer {
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let request = format!("{} {path} HTTP/1.1\r\n{key}", method.to_uppercase());
        self.answer_to(&request, b"")
    }

    /// The first lines of a request, written by hand, with a body and the key.
    pub(crate) fn ask_by_hand(&self, request: &str, body: &[u8]) -> Answer {
        self.answer_to(&format!("{request}Authorization: Bearer {}\r\n", self.key), body)
    }

    fn answer_to(&self, request: &str, body: &[u8]) -> Answer {
        let begun = Instant::now();
        let mut stream = self.raw(&format!(
            "{request}Host: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        // It may be refused before all of it was sent.
        let _refused = stream.write_all(body);
        let mut answer = Vec::new();
        let _cut_off = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("0");
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.parse::<ureq::http::HeaderName>().ok()?, value.parse().ok()?))
        });
        Answer {
            status: status.parse().unwrap_or(0),
            headers: headers.collect(),
            body: answer.get(end + 4..).unwrap_or_default().to_vec(),
            first_byte: begun.elapsed(),
        }
    }

    /// Speech in PCM.
    pub(crate) fn speak(&self, text: &str) -> Answer {
        self.post("/v1/audio/speech", &speech(text, "pcm"))
    }

    /// A request written by hand, on a connection that is left open.
    pub(crate) fn raw(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// A request for speech, written by hand.
    pub(crate) fn ask_raw(&self, text: &str) -> TcpStream {
        let body = speech(text, "pcm").to_string();
        self.raw(&format!(
            "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        ))
    }

    /// What a browser would upload.
    pub(crate) fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
    ) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            write!(
                body,
                "--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .unwrap();
        }
        for (name, bytes) in files {
            write!(
                body,
                "--xx\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.wav\"\r\n\r\n"
            )
            .unwrap();
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--xx--\r\n");
        let asked = self.agent.post(self.url(path));
        let asked = asked.header("content-type", "multipart/form-data; boundary=xx");
        let asked = asked.header("authorization", format!("Bearer {}", self.key));
        told(|| asked.send(&body))
    }
}

/// The body of a request for speech.
pub(crate) fn speech(text: &str, format: &str) -> Value {
    serde_json::json!({"model": "tts-1", "input": text, "voice": "rms", "response_format": format})
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(120))).build().into()
}

fn told(ask: impl FnOnce() -> Result<Response<ureq::Body>, ureq::Error>) -> Answer {
    let begun = Instant::now();
    let mut response = ask().unwrap();
    let first_byte = begun.elapsed();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    // What was sent of an answer that broke off counts as well.
    let _broken_off = response.body_mut().as_reader().read_to_end(&mut body);
    Answer { status, headers, body, first_byte }
}
