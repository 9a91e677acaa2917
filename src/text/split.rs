//! Splits a text into pieces that an engine can speak at once: at sentences, and where those are too long, at clauses,
//! at words, and at last anywhere between two characters.

use unicode_segmentation::UnicodeSegmentation;

/// The pieces of a text, in order, none longer than `max_chars` characters and none without a letter or a digit.
pub fn pieces(text: &str, max_chars: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    for window in windows(text) {
        for sentence in window.split_sentence_bounds() {
            split_into(&mut pieces, sentence, max_chars, Boundary::Clause);
        }
    }
    pieces.retain(|piece| piece.chars().any(char::is_alphanumeric));
    pieces
}

/// Takes the sentences out of a text that is still being written: all but the last, which may go on. A line feed ends one.
pub fn take_sentences(text: &mut String) -> Vec<String> {
    let (mut sentences, mut rest) = (Vec::new(), String::new());
    for window in windows(text) {
        for (idx, sentence) in window.split_sentence_bounds().enumerate() {
            // What stands at the end of a window may go on in the next one.
            if rest.is_empty() || (idx == 0 && !ends(&rest)) {
                rest += sentence;
            } else {
                sentences.push(std::mem::replace(&mut rest, sentence.to_owned()));
            }
        }
    }
    if rest.ends_with('\n') {
        sentences.push(std::mem::take(&mut rest));
    }
    *text = rest;
    let trimmed = sentences.iter().map(|sentence: &String| sentence.trim().to_owned());
    trimmed.filter(|sentence| sentence.chars().any(char::is_alphanumeric)).collect()
}

/// Whether a part of a text is a sentence that has its end.
fn ends(text: &str) -> bool {
    text.ends_with('\n') || text.trim_end().ends_with(['.', '!', '?', '…', '。', '！', '？'])
}

/// Sentences are looked for in so many bytes at once: for some rows of punctuation the search takes the square of them.
const WINDOW: usize = 2_048;

/// The text in parts that end at spaces where there are any.
fn windows(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let limit = (0..=WINDOW.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let limit = limit.unwrap_or(text.len());
        let end = match text.get(..limit).and_then(|head| head.rfind(' ')) {
            Some(space) if text.len() > WINDOW => space + 1,
            Some(_) | None => limit,
        };
        let (window, rest) = text.split_at(if end == 0 { text.len() } else { end });
        text = rest;
        Some(window)
    })
}

#[derive(Debug, Clone, Copy)]
enum Boundary {
    Clause,
    Word,
    Character,
}

impl Boundary {
    fn parts(self, text: &str) -> Vec<&str> {
        match self {
            Self::Clause => text.split_inclusive([',', ';', ':', '—', '–', '(', ')']).collect(),
            Self::Word => text.split_inclusive(' ').collect(),
            Self::Character => text.graphemes(true).collect(),
        }
    }

    fn finer(self) -> Self {
        match self {
            Self::Clause => Self::Word,
            Self::Word | Self::Character => Self::Character,
        }
    }
}

/// Packs the parts of a text into as few pieces as possible; a part that is too long itself is split more finely.
fn split_into(pieces: &mut Vec<String>, text: &str, max_chars: usize, boundary: Boundary) {
    if text.chars().count() <= max_chars {
        pieces.extend(Some(text.trim().to_owned()).filter(|piece| !piece.is_empty()));
        return;
    }
    let (mut piece, mut n_chars) = (String::new(), 0);
    for part in boundary.parts(text) {
        let n_part = part.chars().count();
        // a space at the end of a piece is trimmed and does not count
        if n_chars + part.trim_end().chars().count() > max_chars && !piece.trim().is_empty() {
            pieces.push(piece.trim().to_owned());
            (piece, n_chars) = (String::new(), 0);
        }
        if n_part <= max_chars {
            piece.push_str(part);
            n_chars += n_part;
        } else if let Boundary::Character = boundary {
            // One visible character made of more code points than a whole piece may have: not text, but it must end.
            pieces.push(part.chars().take(max_chars).collect());
        } else {
            split_into(pieces, part, max_chars, boundary.finer());
        }
    }
    pieces.extend(Some(piece.trim().to_owned()).filter(|piece| !piece.is_empty()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_taken_out_of_a_growing_text_once_they_are_whole() {
        let (mut text, mut taken) = (String::new(), Vec::new());
        for part in ["Tea is", " rea", "dy. ", "It", " is hot!", " Drink", "\nNow", ""] {
            text.push_str(part);
            taken.push(take_sentences(&mut text).join("|"));
        }
        assert_eq!(taken, ["", "", "", "Tea is ready.", "", "It is hot!", "Drink", ""]);
        assert_eq!(text, "Now");
    }
    use proptest::prelude::*;

    #[test]
    fn sentences_are_pieces_and_long_ones_break_at_the_best_place() {
        for (text, max_chars, expected) in [
            ("One. Two! Three?", 40, &["One.", "Two!", "Three?"][..]),
            ("no full stop", 40, &["no full stop"]),
            (
                "first clause here, second clause there",
                20,
                &["first clause here,", "second clause there"],
            ),
            (
                "eleven words without any comma at all",
                12,
                &["eleven words", "without any", "comma at all"],
            ),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("... !!! ???", 40, &[]),
            ("Hello. ... Bye.", 40, &["Hello. ...", "Bye."]),
        ] {
            assert_eq!(pieces(text, max_chars), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_piece_is_too_long_and_no_letter_is_lost(text in "\\PC{0,400}", max_chars in 4_usize..80) {
            let pieces = pieces(&text, max_chars);
            for piece in &pieces {
                prop_assert!(piece.chars().count() <= max_chars);
            }
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
            let kept: usize = pieces.iter().map(|piece| letters(piece)).sum();
            prop_assert!(kept == letters(&text) || text.graphemes(true).any(|g| g.chars().count() > max_chars));
        }
    }
}
