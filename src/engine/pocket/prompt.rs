//! Text as the model wants it: prepared, and cut into chunks that it can speak in one go.
//!
//! Reference: the package `pocket-tts` 4.0.1 of Kyutai, `pocket_tts/models/tts_model.py` (`prepare_text_prompt`,
//! `split_into_best_sentences`). Whitespace is Python's there.

use super::tokenizer::{Tokenizer, TokenizerError};

/// How many text tokens a chunk has at most, unless one sentence part alone has more.
pub const MAX_TOKENS: usize = 50;

/// What may follow the mark at the end of a sentence.
const CLOSERS: &[char] = &['"', '\'', '”', '’', ')', ']', '»', ' '];

/// What ends a sentence.
const ENDS: &[char] = &['.', '!', '?', '…'];

/// What stands within a sentence, and not at its end.
const INNER: &[char] = &[',', ';', ':', '-', '–', '—'];

/// How text is prepared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the model's configuration")]
pub struct TextRules {
    /// Eight spaces stand before a text of fewer than five words.
    pub pads_short_texts: bool,
    /// Semicolons become commas.
    pub removes_semicolons: bool,
    /// Each text ends in a full stop, if it ends in nothing else.
    pub appends_punctuation: bool,
    /// The first letter is a capital.
    pub capitalizes: bool,
    /// What stands for single characters.
    pub replacements: Vec<(char, String)>,
}

/// Text that is ready to be tokenised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The text.
    pub text: String,
    /// How many codec frames are likely to be wanted after the end: short texts are cut too early otherwise.
    pub frames_after_eos: usize,
}

/// A text that the model speaks in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its tokens, not empty.
    pub ids: Vec<u32>,
    /// Codec frames after the end, as guessed from the text.
    pub frames_after_eos: usize,
}

impl TextRules {
    /// Prepares a text; `None` where nothing is left of it.
    pub fn prepare(&self, text: &str) -> Option<Prepared> {
        let mut text = strip(text).to_owned();
        if !self.replacements.is_empty() {
            text = self.replaced(&text);
        }
        if text.is_empty() {
            return None;
        }
        text = text.replace(['\n', '\r'], " ").replace("  ", " ");
        if self.removes_semicolons {
            text = text.replace(';', ",");
        }
        let n_words = words(&text).count();
        let frames_after_eos = if n_words <= 4 { 3 } else { 1 };
        if self.capitalizes {
            text = capitalized(&text);
        }
        if self.appends_punctuation {
            text = punctuated(text);
        }
        if self.pads_short_texts && n_words < 5 {
            text.insert_str(0, "        ");
        }
        Some(Prepared { text, frames_after_eos })
    }

    fn replaced(&self, text: &str) -> String {
        let mut mapped = String::with_capacity(text.len());
        for c in text.chars() {
            match self.replacements.iter().find(|(from, _)| *from == c) {
                Some((_, to)) => mapped.push_str(to),
                None => mapped.push(c),
            }
        }
        let joined = words(&mapped).collect::<Vec<_>>().join(" ");
        without_doubled_marks(&joined)
    }

    /// Cuts a text into chunks of at most `max_tokens` tokens, at the ends of sentences where that is possible.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn chunks(
        &self,
        text: &str,
        tokenizer: &Tokenizer,
        max_tokens: usize,
    ) -> Result<Vec<String>, TokenizerError> {
        let Some(prepared) = self.prepare(text) else { return Ok(Vec::new()) };
        let text = strip(&prepared.text);
        let ends = boundary(tokenizer, ".!...?")?;
        let inner = boundary(tokenizer, ",;:")?;
        let mut parts: Vec<(usize, String)> = Vec::new();
        for sentence in segments(tokenizer, text, &ends, Decimals::AreKept)? {
            if sentence.0 <= max_tokens {
                parts.push(sentence);
                continue;
            }
            let smaller = segments(tokenizer, strip(&sentence.1), &inner, Decimals::AreCut)?;
            if smaller.len() > 1 {
                parts.extend(smaller);
            } else {
                parts.push(sentence);
            }
        }
        let mut chunks: Vec<(usize, String)> = Vec::new();
        for (n_tokens, part) in parts {
            match chunks.last_mut() {
                Some((n_before, chunk)) if *n_before + n_tokens <= max_tokens => {
                    *n_before += n_tokens;
                    chunk.push(' ');
                    chunk.push_str(&part);
                }
                _ => chunks.push((n_tokens, part)),
            }
        }
        let chunks = chunks.into_iter().map(|(_, chunk)| strip(&chunk).to_owned());
        Ok(chunks.filter(|chunk| !chunk.is_empty()).collect())
    }
}

/// What Python takes for whitespace.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Takes out commas, semicolons and colons, and the space before them, behind what ends a sentence.
fn without_doubled_marks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        kept.push(c);
        rest = after;
        if ENDS.contains(&c) {
            let mark = after.trim_start_matches(is_space);
            if let Some(behind) = mark.strip_prefix([',', ';', ':']) {
                rest = behind;
            }
        }
    }
    kept
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !first.is_uppercase() => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

fn punctuated(mut text: String) -> String {
    let core = text.trim_end_matches(CLOSERS);
    match core.chars().next_back() {
        None => text,
        Some(last) if ENDS.contains(&last) => text,
        Some(last) if INNER.contains(&last) => {
            let closers = text.get(core.len()..).unwrap_or_default().to_owned();
            let kept = core.trim_end_matches(|c: char| INNER.contains(&c) || is_space(c)).len();
            text.truncate(kept);
            text.push('.');
            text.push_str(&closers);
            text
        }
        Some(_) => {
            text.push('.');
            text
        }
    }
}

/// The tokens of these marks. The first token is the sign for the start of a word.
fn boundary(tokenizer: &Tokenizer, marks: &str) -> Result<Vec<u32>, TokenizerError> {
    Ok(tokenizer.encode(marks)?.into_iter().skip(1).collect())
}

/// Whether a point between two digits is a boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decimals {
    AreKept,
    AreCut,
}

/// Cuts a text behind each run of boundary tokens. Returns how many tokens each piece has, and the piece.
fn segments(
    tokenizer: &Tokenizer,
    text: &str,
    boundary: &[u32],
    decimals: Decimals,
) -> Result<Vec<(usize, String)>, TokenizerError> {
    let ids = tokenizer.encode(text)?;
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut was_boundary = false;
    for (idx, id) in ids.iter().enumerate() {
        if boundary.contains(id) {
            was_boundary = true;
            continue;
        }
        if std::mem::take(&mut was_boundary) {
            if decimals == Decimals::AreKept && is_decimal(tokenizer, &ids, begin, idx)? {
                continue;
            }
            pieces.push((idx - begin, tokenizer.decode(&ids[begin..idx])?));
            begin = idx;
        }
    }
    if begin < ids.len() {
        pieces.push((ids.len() - begin, tokenizer.decode(&ids[begin..])?));
    }
    Ok(pieces)
}

/// Whether the text so far ends in a digit and a point and the rest begins with a digit.
fn is_decimal(
    tokenizer: &Tokenizer,
    ids: &[u32],
    begin: usize,
    idx: usize,
) -> Result<bool, TokenizerError> {
    // A digit and a point are a few tokens at most, so a long text costs no more for each.
    const N_NEAR: usize = 8;
    let before = tokenizer.decode(&ids[begin.max(idx.saturating_sub(N_NEAR))..idx])?;
    let Some(before) = before.strip_suffix('.') else { return Ok(false) };
    let after = tokenizer.decode(&ids[idx..ids.len().min(idx + N_NEAR)])?;
    Ok(before.ends_with(char::is_numeric) && after.starts_with(char::is_numeric))
}
