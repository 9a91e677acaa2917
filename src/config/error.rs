//! What is wrong with a configuration: which file, which key, and why.

use std::fmt;
use std::path::PathBuf;

/// A configuration that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where the value stands; `None` for the embedded defaults.
    pub origin: Option<Origin>,
    /// The key, as in `audio.volume`; `None` where the file as a whole is at fault.
    pub key: Option<String>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl ConfigError {
    /// A wrong value, before it is known where it stands.
    pub fn of(key: &str, reason: impl Into<String>) -> Self {
        Self { origin: None, key: Some(key.to_owned()), reason: reason.into() }
    }

    /// The same error with its key inside a section.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        let key = self.key.map_or_else(|| section.to_owned(), |key| format!("{section}.{key}"));
        Self { key: Some(key), ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::File(file)) => write!(f, "{}: ", file.display())?,
            Some(Origin::Variable(name)) => write!(f, "environment variable {name}: ")?,
            None => {}
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigError {}
