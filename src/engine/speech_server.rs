//! Which speech server speaks in the engine's place, and how it is asked. Types only.
//!
//! Known also to builds that cannot ask one: they refuse it by name. The key is never shown: not by `Debug`, not in an error.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::EngineError;

/// What every voice of a speech server begins with, where it is named explicitly.
pub const PREFIX: &str = "remote:";

/// A name of a voice is a word, or a mixture of some; none is as long as this.
const MAX_NAME_BYTES: usize = 128;

/// How a server wants to be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// As `OpenAI`'s: another speakerd, Kokoro-FastAPI, and most others.
    #[default]
    OpenAi,
    /// As `ElevenLabs`'.
    ElevenLabs,
}

/// A speech server, as the user has chosen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechServer {
    /// Where it is, without a slash at the end.
    pub url: String,
    /// How it wants to be asked.
    pub api: Api,
    /// What it is shown, so that it answers.
    pub key: Key,
    /// The model that is to speak there.
    pub model: String,
    /// The voice where none is named.
    pub voice: String,
    /// The language that it is made to speak, as `en`.
    pub language: String,
    /// How it is to speak, in words, for models that listen to that.
    pub instructions: Option<String>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long it may be silent: before its first sound, all further attempts included, and between two.
    pub deadline: Duration,
    /// How often a request is made again before the first sound.
    pub n_retries: usize,
}

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// The server asks for none.
    None,
    /// The configuration, or the environment.
    Text(Secret),
    /// A file that has nothing else in it; read each time the engine is loaded.
    File(PathBuf),
}

/// A text that is not shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What must not be shown.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for those who send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(none)" } else { "Secret(…)" })
    }
}

impl Key {
    /// The key itself; `None` where the server asks for none.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no key.
    pub fn read(&self) -> Result<Option<Secret>, EngineError> {
        let (text, setting) = match self {
            Self::None => return Ok(None),
            Self::Text(secret) => (secret.0.clone(), "remote.key".to_owned()),
            Self::File(path) => {
                let setting = format!("remote.key_file `{}`", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| {
                    EngineError::Failed(format!("cannot read {setting}: {error}"))
                })?;
                (text, setting)
            }
        };
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EngineError::Failed(format!(
                "{setting} is no key: it is one word of plain letters, digits and signs"
            )));
        }
        Ok(Some(Secret::new(text)))
    }
}

impl SpeechServer {
    /// What its voice of that name is called there; `None` where none can have such a name.
    pub fn voice_named<'a>(&self, voice: &'a str) -> Option<&'a str> {
        let name = voice.strip_prefix(PREFIX).unwrap_or(voice);
        let is_fit = match self.api {
            Api::OpenAi => !name.chars().any(char::is_control),
            // It becomes part of an address.
            Api::ElevenLabs => {
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }
        };
        (is_fit && !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES).then_some(name)
    }

    /// The voices to name in an error.
    pub fn known_voices(&self) -> Vec<String> {
        let those = format!("{PREFIX}NAME (whatever {} has)", self.url);
        vec![format!("{PREFIX}{}", self.voice), those]
    }
}

#[cfg(test)]
impl SpeechServer {
    /// One for the tests, with everything at its default.
    pub(crate) fn example(api: Api) -> Self {
        Self {
            url: "https://speech.example/v1".to_owned(),
            api,
            key: Key::None,
            model: "tts-1".to_owned(),
            voice: "alloy".to_owned(),
            language: "en".to_owned(),
            instructions: None,
            connect: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            n_retries: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_has_a_name_that_can_be_sent() {
        for (voice, openai, elevenlabs) in [
            ("alloy", Some("alloy"), Some("alloy")),
            ("remote:alloy", Some("alloy"), Some("alloy")),
            ("af_bella(2)+af_sky", Some("af_bella(2)+af_sky"), None),
            ("../../v1/voices", Some("../../v1/voices"), None),
            ("", None, None),
            ("remote:", None, None),
            (" ", None, None),
            ("rms\0", None, None),
        ] {
            assert_eq!(SpeechServer::example(Api::OpenAi).voice_named(voice), openai, "{voice:?}");
            assert_eq!(
                SpeechServer::example(Api::ElevenLabs).voice_named(voice),
                elevenlabs,
                "{voice:?}"
            );
        }
        assert_eq!(SpeechServer::example(Api::OpenAi).voice_named(&"x".repeat(200)), None);
    }

    #[test]
    fn a_key_is_one_word_and_is_never_shown() {
        let key = Key::Text(Secret::new(" sk-secret\n"));
        assert_eq!(key.read().unwrap().unwrap().reveal(), "sk-secret");
        let shown = format!(
            "{:?} {:?}",
            key,
            SpeechServer { key: key.clone(), ..SpeechServer::example(Api::OpenAi) }
        );
        assert!(!shown.contains("secret"), "{shown}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "two secret words").unwrap();
        for key in [Key::File(file), Key::Text(Secret::new("sécret")), Key::Text(Secret::default())]
        {
            let error = key.read().unwrap_err().to_string();
            assert!(error.contains("is no key") && !error.contains("cret"), "{error}");
        }
        let error = Key::File(directory.path().join("none")).read().unwrap_err();
        assert!(error.to_string().contains("remote.key_file"), "{error}");
    }
}
