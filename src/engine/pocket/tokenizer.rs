//! Text to text tokens and back: Hugging Face's `tokenizer.json`, or `SentencePiece`'s `.model`.

mod sentencepiece;

use std::path::{Path, PathBuf};

use super::config::TokenizerKind;
use sentencepiece::SentencePiece;

/// A tokenizer that could not be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file cannot be used.
    #[error("the tokenizer `{}` cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It has another number of tokens than the model.
    #[error("the tokenizer `{}` has {found} tokens and the model {expected}; it belongs to another model", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// How many it has.
        found: usize,
        /// How many the model has.
        expected: usize,
    },
    /// A text could not be taken apart, or put together.
    #[error("the tokenizer failed: {0}")]
    Failed(String),
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer(Kind);

#[derive(Debug)]
enum Kind {
    Json(Box<tokenizers::Tokenizer>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// Reads a tokenizer that has `n_bins` tokens.
    ///
    /// # Errors
    /// Where it cannot be read, is of another kind, or has another number of tokens.
    pub fn read(path: &Path, kind: TokenizerKind, n_bins: usize) -> Result<Self, TokenizerError> {
        let tokenizer = Self::of_any_size(path, kind)?;
        let found = match &tokenizer.0 {
            Kind::Json(json) => json.get_vocab_size(true),
            Kind::SentencePiece(pieces) => pieces.n_tokens(),
        };
        if found != n_bins {
            return Err(TokenizerError::Size { path: path.to_owned(), found, expected: n_bins });
        }
        Ok(tokenizer)
    }

    /// Reads a tokenizer.
    ///
    /// # Errors
    /// Where it cannot be read, or is of another kind.
    pub fn of_any_size(path: &Path, kind: TokenizerKind) -> Result<Self, TokenizerError> {
        let unusable = |reason| TokenizerError::Unusable { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        match kind {
            TokenizerKind::Json => {
                let mut json = tokenizers::Tokenizer::from_bytes(&bytes)
                    .map_err(|error| unusable(error.to_string()))?;
                let mut model = json.get_model().clone();
                model.resize_cache(0); // it would keep what was spoken
                json.with_model(model);
                Ok(Self(Kind::Json(Box::new(json))))
            }
            TokenizerKind::SentencePiece => {
                let pieces = SentencePiece::from_bytes(&bytes).map_err(unusable)?;
                Ok(Self(Kind::SentencePiece(Box::new(pieces))))
            }
        }
    }

    /// The tokens of a text, with nothing before or behind them.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match &self.0 {
            Kind::Json(json) => {
                let encoding = json.encode_fast(text, false);
                let encoding =
                    encoding.map_err(|error| TokenizerError::Failed(error.to_string()))?;
                Ok(encoding.get_ids().to_vec())
            }
            Kind::SentencePiece(pieces) => pieces.encode(text).map_err(TokenizerError::Failed),
        }
    }

    /// The text of these tokens, without the space in front.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        match &self.0 {
            Kind::Json(json) => {
                json.decode(ids, false).map_err(|error| TokenizerError::Failed(error.to_string()))
            }
            Kind::SentencePiece(pieces) => Ok(pieces.decode(ids)),
        }
    }
}
