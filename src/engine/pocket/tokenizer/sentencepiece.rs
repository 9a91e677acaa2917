//! `SentencePiece`'s `.model` files: a protocol buffer of pieces with scores, and how text is normalised.
//!
//! Where the pieces are looked up is the `tokenizers` crate's; what it cannot do is done here: pieces that text must not
//! match, bytes for what no piece knows, and `SentencePiece`'s rules for spaces.
//! Reference: google/sentencepiece v0.2, `src/normalizer.cc`, `src/sentencepiece_processor.cc`.

use std::collections::HashMap;

use prost::Message;
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;
use tokenizers::{Model, NormalizedString, Normalizer};

/// Stands for a space within pieces.
const SPACE: char = '▁';

/// Begins the names of pieces that text must not match: no character, so no text has it.
const UNMATCHED: char = '\u{10ffff}';

/// `sentencepiece.ModelProto`, as far as it is used.
#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerSpec>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct Piece {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(enumeration = "PieceType", optional, tag = "3", default = "Normal")]
    kind: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum PieceType {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

#[derive(Clone, PartialEq, Message)]
struct TrainerSpec {
    /// 1 is Unigram, 2 is BPE.
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
    #[prost(string, optional, tag = "44", default = " \u{2047} ")]
    unk_surface: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerSpec {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5", default = "true")]
    escape_whitespaces: Option<bool>,
}

/// What a token stands for.
#[derive(Debug)]
enum Meaning {
    Text(String),
    Byte(u8),
    Unknown,
    Control,
}

#[derive(Debug)]
enum Lookup {
    Unigram(Box<Unigram>),
    Bpe(Box<BPE>),
}

/// A tokenizer of `SentencePiece`'s.
#[derive(Debug)]
pub(super) struct SentencePiece {
    lookup: Lookup,
    meanings: Vec<Meaning>,
    unknown: u32,
    unk_surface: String,
    /// The tokens of the 256 bytes, where there are such.
    bytes: Option<Box<[u32; 256]>>,
    charsmap: Option<Precompiled>,
    begins_with_space: bool,
    joins_spaces: bool,
}

impl SentencePiece {
    /// Reads a `.model` file.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let model = ModelProto::decode(bytes)
            .map_err(|error| format!("it is no model of SentencePiece: {error}"))?;
        let (trainer, normalizer) =
            (model.trainer.unwrap_or_default(), model.normalizer.unwrap_or_default());
        if trainer.treat_whitespace_as_suffix() || !normalizer.escape_whitespaces() {
            return Err("its handling of whitespace is not supported".to_owned());
        }
        if model.pieces.iter().any(|piece| piece.kind() == PieceType::UserDefined) {
            return Err("it has symbols defined by its user, which are not supported".to_owned());
        }
        let meanings = model.pieces.iter().map(meaning).collect::<Result<Vec<_>, _>>()?;
        let unknown = meanings.iter().position(|it| matches!(it, Meaning::Unknown));
        let unknown = unknown.ok_or("it has no token for what is unknown")?;
        let bytes = trainer.byte_fallback().then(|| byte_tokens(&meanings)).transpose()?;
        let names: Vec<String> = model.pieces.iter().map(name).collect();
        let lookup = match trainer.model_type() {
            1 => {
                unigram(&model.pieces, names, unknown).map(|model| Lookup::Unigram(Box::new(model)))
            }
            2 => bpe(&model.pieces, &names, unknown).map(|bpe| Lookup::Bpe(Box::new(bpe))),
            other => return Err(format!("its kind, {other}, is not supported")),
        }
        .map_err(|error| error.to_string())?;
        let charsmap = normalizer.precompiled_charsmap().to_owned();
        let charsmap = (!charsmap.is_empty()).then(|| Precompiled::from(&charsmap)).transpose();
        Ok(Self {
            lookup,
            meanings,
            unknown: u32::try_from(unknown).map_err(|error| error.to_string())?,
            unk_surface: trainer.unk_surface().to_owned(),
            bytes,
            charsmap: charsmap.map_err(|error| format!("its normalisation is damaged: {error}"))?,
            begins_with_space: normalizer.add_dummy_prefix(),
            joins_spaces: normalizer.remove_extra_whitespaces(),
        })
    }

    /// How many tokens there are.
    pub(super) fn n_tokens(&self) -> usize {
        self.meanings.len()
    }

    /// The tokens of a text.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let text = self.normalized(text)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = match &self.lookup {
            Lookup::Unigram(model) => model.tokenize(&text),
            Lookup::Bpe(model) => model.tokenize(&text),
        };
        let mut ids = Vec::new();
        for token in tokens.map_err(|error| error.to_string())? {
            match &self.bytes {
                Some(bytes) if token.id == self.unknown => {
                    let (begin, end) = token.offsets;
                    let unknown = text.as_bytes().get(begin..end).unwrap_or_default();
                    ids.extend(unknown.iter().map(|byte| bytes[usize::from(*byte)]));
                }
                _ => ids.push(token.id),
            }
        }
        Ok(ids)
    }

    /// The text of these tokens.
    pub(super) fn decode(&self, ids: &[u32]) -> String {
        let mut text = Vec::new();
        for id in ids {
            match self.meanings.get(*id as usize) {
                Some(Meaning::Text(piece)) => {
                    text.extend_from_slice(piece.replace(SPACE, " ").as_bytes());
                }
                Some(Meaning::Byte(byte)) => text.push(*byte),
                Some(Meaning::Unknown) => text.extend_from_slice(self.unk_surface.as_bytes()),
                Some(Meaning::Control) | None => {}
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match text.strip_prefix(' ') {
            Some(rest) if self.begins_with_space => rest.to_owned(),
            _ => text,
        }
    }

    fn normalized(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        if let Some(charsmap) = &self.charsmap {
            let mut normalized = NormalizedString::from(text.as_str());
            charsmap.normalize(&mut normalized).map_err(|error| error.to_string())?;
            normalized.get().clone_into(&mut text);
        }
        if self.joins_spaces {
            text = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        }
        if self.begins_with_space && !text.is_empty() {
            text.insert(0, ' ');
        }
        Ok(text.replace(' ', &SPACE.to_string()))
    }
}

fn meaning(piece: &Piece) -> Result<Meaning, String> {
    Ok(match piece.kind() {
        PieceType::Normal | PieceType::UserDefined | PieceType::Unused => {
            Meaning::Text(piece.text().to_owned())
        }
        PieceType::Unknown => Meaning::Unknown,
        PieceType::Control => Meaning::Control,
        PieceType::Byte => {
            let name = piece.text();
            let hex = name.strip_prefix("<0x").and_then(|name| name.strip_suffix('>'));
            let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            Meaning::Byte(byte.ok_or_else(|| format!("its token `{name}` is no byte"))?)
        }
    })
}

/// What a piece is looked up by.
fn name(piece: &Piece) -> String {
    match piece.kind() {
        PieceType::Normal => piece.text().to_owned(),
        _ => format!("{UNMATCHED}{}", piece.text()),
    }
}

fn byte_tokens(meanings: &[Meaning]) -> Result<Box<[u32; 256]>, String> {
    let mut tokens = Box::new([u32::MAX; 256]);
    for (id, meaning) in (0..).zip(meanings) {
        if let Meaning::Byte(byte) = meaning {
            tokens[usize::from(*byte)] = id;
        }
    }
    if tokens.contains(&u32::MAX) {
        return Err("it does not have a token for each byte".to_owned());
    }
    Ok(tokens)
}

fn unigram(pieces: &[Piece], names: Vec<String>, unknown: usize) -> tokenizers::Result<Unigram> {
    let scores = pieces.iter().map(|piece| f64::from(piece.score()));
    let mut model = Unigram::from(names.into_iter().zip(scores).collect(), Some(unknown), false)?;
    model.resize_cache(0); // it would keep what was spoken
    Ok(model)
}

/// `SentencePiece` merges the neighbours whose union has the best score. The `tokenizers` crate wants the merges in order.
fn bpe(pieces: &[Piece], names: &[String], unknown: usize) -> tokenizers::Result<BPE> {
    let ids: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let mut merges = Vec::new();
    for (piece, name) in pieces.iter().zip(names) {
        for (at, _) in name.char_indices().skip(1) {
            let (left, right) = name.split_at(at);
            if ids.contains_key(left) && ids.contains_key(right) {
                merges.push((piece.score(), left.to_owned(), right.to_owned()));
            }
        }
    }
    merges.sort_by(|one, other| other.0.total_cmp(&one.0));
    BPE::builder()
        .vocab_and_merges(
            ids.iter()
                .map(|(name, id)| ((*name).to_owned(), *id))
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<ahash::AHashMap<_, _>>(),
            merges.into_iter().map(|(_, left, right)| (left, right)).collect(),
        )
        .unk_token(names[unknown].clone())
        .fuse_unk(true)
        .cache_capacity(0)
        .build()
}
