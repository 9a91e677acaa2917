//! The token of the hub's account, where Hugging Face's own tools keep it. Never shown, never logged.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};

/// A token is shorter.
const MAX_BYTES: usize = 4_096;

/// A token.
#[derive(Clone)]
pub struct Token {
    secret: String,
    /// Where it was found, for messages.
    pub found: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.found)
    }
}

impl Token {
    /// A token that was found somewhere; `None` where there is nothing in it.
    ///
    /// # Errors
    /// Where it cannot be one.
    pub fn new(text: &str, found: String) -> anyhow::Result<Option<Self>> {
        let secret = text.trim();
        if secret.len() > MAX_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("what is in {found} is no token");
        }
        Ok((!secret.is_empty()).then(|| Self { secret: secret.to_owned(), found }))
    }

    /// This user's: `HF_TOKEN`, or the file that `hf auth login` writes.
    ///
    /// # Errors
    /// Where there is one that cannot be read, or is none.
    pub fn of_this_user() -> anyhow::Result<Option<Self>> {
        if let Some(value) = std::env::var_os("HF_TOKEN").filter(|value| !value.is_empty()) {
            return Self::new(&value.to_string_lossy(), "HF_TOKEN".to_owned());
        }
        let from =
            |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let home = || from("HF_HOME").map(|home| home.join("token"));
        let cache = || from("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/token"));
        let usual = || from("HOME").map(|home| home.join(".cache/huggingface/token"));
        let named = from("HF_TOKEN_PATH").or_else(home);
        let files: Vec<_> = match named {
            Some(file) => vec![file],
            None => [cache(), usual()].into_iter().flatten().collect(),
        };
        let Some(file) = files.iter().find(|file| file.is_file()) else { return Ok(None) };
        let found = format!("`{}`", file.display());
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {found}"))?;
        Self::new(&text, found)
    }

    /// The value of the header that carries it.
    pub(super) fn header(&self) -> Option<ureq::http::HeaderValue> {
        let mut value =
            ureq::http::HeaderValue::from_str(&format!("Bearer {}", self.secret)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_one_word_and_never_shown() {
        let token = Token::new(" hf_abc\n", "HF_TOKEN".to_owned()).unwrap().unwrap();
        assert_eq!(token.header().unwrap().to_str().unwrap(), "Bearer hf_abc");
        assert!(!format!("{token:?} {:?}", token.header()).contains("hf_abc"));
        assert!(Token::new("\n", String::new()).unwrap().is_none());
        for text in ["two words", "a\r\nb: c", "ä"] {
            assert!(Token::new(text, String::new()).is_err(), "{text}");
        }
    }
}
