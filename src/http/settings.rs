//! What the server goes by, all of it exchanged at once when the configuration is another one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{AlertsConfig, Config, HttpConfig};
use crate::engine::registry::Registry;
use crate::http::error::ApiError;
use crate::paths::Paths;
use crate::speech::Manner;

/// The thirteen names that every client of OpenAI's knows, and who speaks for each: the predefined voice of a model where
/// that is installed, else one of the two in the binary. The genders are those that OpenAI's own voices are heard as.
const STOCK: [(&str, &str, &str); 13] = [
    ("alloy", "alba", "slt"),
    ("ash", "marius", "rms"),
    ("ballad", "jean", "rms"),
    ("coral", "fantine", "slt"),
    ("echo", "javert", "rms"),
    ("fable", "cosette", "rms"),
    ("onyx", "jean", "rms"),
    ("nova", "eponine", "slt"),
    ("sage", "azelma", "slt"),
    ("shimmer", "cosette", "slt"),
    ("verse", "marius", "rms"),
    ("marin", "alba", "slt"),
    ("cedar", "javert", "rms"),
];

/// What a request may have as its model: those of OpenAI, so that clients with a fixed list find theirs.
pub const MODELS: [&str; 4] = ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "speakerd"];

/// The stock names.
pub fn stock_voices() -> impl Iterator<Item = &'static str> {
    STOCK.iter().map(|(name, ..)| *name)
}

/// The server's settings.
#[derive(Debug)]
pub struct Settings {
    /// `[http]`.
    pub http: HttpConfig,
    /// Who speaks which voice.
    pub registry: Registry,
    /// How things are said where a request says nothing else.
    pub manner: Manner,
    /// Longer texts are spoken in pieces.
    pub max_piece_chars: usize,
    /// The user's own words for words.
    pub dictionary: PathBuf,
    /// What is too much to go on without a word.
    pub alerts: AlertsConfig,
    /// The whole configuration, as it can be shown.
    pub shown: serde_json::Value,
}

impl Settings {
    /// As they are configured.
    pub fn of(config: &Config, paths: &Paths) -> Arc<Self> {
        Arc::new(Self {
            http: config.http.clone(),
            registry: config.registry(paths),
            manner: config.manner(),
            max_piece_chars: config.text.max_piece_chars,
            dictionary: config.text.dictionary.clone(),
            alerts: config.alerts,
            shown: config.shown(),
        })
    }

    /// The voice that speaks for a name: a voice of that name, what the configuration says, or who speaks for a stock name.
    ///
    /// # Errors
    /// Where nobody is called so, or that voice cannot speak here.
    pub fn voice(&self, name: Option<&str>) -> Result<Arc<str>, ApiError> {
        let Some(name) = name else { return Ok(Arc::clone(&self.manner.voice)) };
        let named = self.registry.check_installed(name);
        if named.is_ok() {
            return Ok(name.into());
        }
        if let Some(voice) = self.http.voices.get(name) {
            return Ok(voice.as_str().into());
        }
        let stock = STOCK.iter().find(|(stock, ..)| *stock == name);
        let speaker = stock.and_then(|(_, predefined, builtin)| {
            [predefined, builtin].into_iter().find(|it| self.registry.check_installed(it).is_ok())
        });
        match (speaker, stock) {
            (Some(speaker), _) => Ok((*speaker).into()),
            // A build without any of them.
            (None, Some(_)) => Ok(Arc::clone(&self.manner.voice)),
            (None, None) => {
                let why = format!("there is no voice `{name}`; GET /v1/audio/voices lists them");
                Err(ApiError::not_found("voice_not_found", why).about("voice"))
            }
        }
    }
}
