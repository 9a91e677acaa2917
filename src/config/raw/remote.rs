//! `[remote]` as it is typed, and the checks that make a [`SpeechServer`] of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::ConfigError;
use super::super::address::Address;
use super::super::check::{secs, within};
use crate::engine::registry::Kind;
use crate::engine::speech_server::{Api, Key, Secret, SpeechServer};
use crate::paths::Paths;

/// Where `ElevenLabs` is; there is but one.
const ELEVENLABS: &str = "https://api.elevenlabs.io";

/// Who asks for too much of it is refused by the servers.
const MAX_INSTRUCTIONS_BYTES: usize = 4_096;

/// `[remote]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawRemote {
    pub url: String,
    pub api: Api,
    pub key_file: PathBuf,
    pub key: Secret,
    pub model: String,
    pub voice: String,
    pub language: String,
    pub instructions: String,
    pub connect_secs: f64,
    pub deadline_secs: f64,
    pub retries: usize,
    pub allow_http: bool,
}

impl Default for RawRemote {
    fn default() -> Self {
        Self {
            url: String::new(),
            api: Api::default(),
            key_file: PathBuf::new(),
            key: Secret::default(),
            model: String::new(),
            voice: String::new(),
            language: "en".to_owned(),
            instructions: String::new(),
            connect_secs: 5.0,
            deadline_secs: 20.0,
            retries: 2,
            allow_http: false,
        }
    }
}

impl RawRemote {
    /// Checks every value; `None` where no server is named.
    ///
    /// # Errors
    /// Names the key and what would be right.
    pub fn check(
        self,
        kind: Kind,
        paths: &Paths,
        base: &Path,
    ) -> Result<Option<SpeechServer>, ConfigError> {
        let key = self.key(paths, base)?;
        let url = match (self.url.as_str(), self.api, kind) {
            ("", Api::ElevenLabs, _) => ELEVENLABS,
            ("", Api::OpenAi, Kind::Remote) => {
                let reason = "is empty, and engine.kind is \"remote\"; name a server, such as http://localhost:8880/v1";
                return Err(ConfigError::of("remote.url", reason));
            }
            (url, _, _) => url,
        };
        let connect = secs("remote.connect_secs", self.connect_secs, 0.1..=60.0)?;
        let deadline = secs("remote.deadline_secs", self.deadline_secs, 0.1..=600.0)?;
        let n_retries = within("remote.retries", self.retries, 0..=10)?;
        let language = language(self.language)?;
        if self.instructions.len() > MAX_INSTRUCTIONS_BYTES {
            let reason = format!("is longer than {MAX_INSTRUCTIONS_BYTES} bytes");
            return Err(ConfigError::of("remote.instructions", reason));
        }
        if url.is_empty() {
            return Ok(None);
        }
        let address = Address::parse(url, "http://localhost:8880/v1")
            .map_err(|reason| ConfigError::of("remote.url", reason))?;
        if key != Key::None && !address.is_private && !self.allow_http {
            let reason = "is not encrypted, and everyone on the way could read the key; use https://, or say allow_http = true";
            return Err(ConfigError::of("remote.url", reason));
        }
        let (model, voice) = match self.api {
            Api::OpenAi => ("tts-1", "alloy"),
            Api::ElevenLabs => ("eleven_flash_v2_5", "JBFqnCBsd6RMkjVDRZzb"),
        };
        let server = SpeechServer {
            url: address.text,
            api: self.api,
            key,
            model: or(self.model, model),
            voice: or(self.voice, voice),
            language,
            instructions: Some(self.instructions).filter(|it| !it.trim().is_empty()),
            connect,
            deadline,
            n_retries,
        };
        if server.voice_named(&server.voice).is_none() {
            let reason =
                "is no name of a voice: it is a word, and with \"elevenlabs\" the voice's ID";
            return Err(ConfigError::of("remote.voice", reason));
        }
        Ok(Some(server))
    }

    fn key(&self, paths: &Paths, base: &Path) -> Result<Key, ConfigError> {
        match (self.key.reveal(), self.key_file.as_os_str().is_empty()) {
            ("", true) => Ok(Key::None),
            ("", false) => Ok(Key::File(paths.absolute(&self.key_file, base))),
            (_, true) => Ok(Key::Text(self.key.clone())),
            (_, false) => {
                let reason = "is there, and so is remote.key_file; keep one of them";
                Err(ConfigError::of("remote.key", reason))
            }
        }
    }
}

fn or(text: String, usual: &str) -> String {
    if text.trim().is_empty() { usual.to_owned() } else { text }
}

/// A language as the steps of the text know it: `en`, `de`, `pt-br`.
fn language(language: String) -> Result<String, ConfigError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (2..=16).contains(&language.len()) && language.bytes().all(is_plain) {
        return Ok(language);
    }
    let reason = "is no language, such as \"en\" or \"de\"";
    Err(ConfigError::of("remote.language", reason))
}

/// A message about a file, without what stands there behind a key's name.
pub(super) fn without_keys(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(without_key).collect();
    lines.join("\n")
}

fn without_key(line: &str) -> String {
    let mut begin = 0;
    while let Some(at) = line.get(begin..).and_then(|rest| rest.find('=')) {
        let (before, _) = line.split_at(begin + at);
        let name = before.trim_end().trim_end_matches(['"', '\'']);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = name.rsplit(|c| !is_word(c)).next().unwrap_or_default().to_lowercase();
        let is_secret = ["key", "token", "secret"].iter().any(|it| name.contains(it));
        if is_secret && name != "key_file" {
            return format!("{before}= …");
        }
        begin += at + 1;
    }
    line.to_owned()
}
