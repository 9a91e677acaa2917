//! Emoji: named, or passed over.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

/// What becomes of emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Emoji {
    /// They are passed over.
    #[default]
    Drop,
    /// Their English name is said; several equal ones in a row once.
    Name,
}

/// Faces made of signs, which stand as words of their own.
const FACES: [(&str, &str); 12] = [
    (":)", "smiling face"),
    (":-)", "smiling face"),
    (":D", "grinning face"),
    (":-D", "grinning face"),
    ("xD", "laughing face"),
    (";)", "winking face"),
    (";-)", "winking face"),
    (":(", "sad face"),
    (":-(", "sad face"),
    (":P", "face with tongue"),
    (":-P", "face with tongue"),
    (":'(", "crying face"),
];

/// The text with its emoji read as they are to be.
pub fn read(text: &str, emoji: Emoji, is_english: bool) -> String {
    let mut row = Row { read: String::with_capacity(text.len()), emoji, is_english, last: None };
    for word in text.split(' ') {
        row.read.push(' ');
        let name = FACES.iter().find(|(face, _)| *face == word).map(|(_, name)| *name);
        match name.or_else(|| named_by_code(word)) {
            Some(name) => row.say(name),
            // It stands for a word, and is no decoration.
            None if word == "<3" && is_english => row.write("heart"),
            None if word.is_ascii() => row.write(word),
            None => word.graphemes(true).for_each(|grapheme| row.take(grapheme)),
        }
    }
    let words: Vec<_> = row.read.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// `:rocket:`
fn named_by_code(word: &str) -> Option<&'static str> {
    let code = word.strip_prefix(':')?.strip_suffix(':')?;
    emojis::get_by_shortcode(code).map(emojis::Emoji::name)
}

struct Row {
    read: String,
    emoji: Emoji,
    is_english: bool,
    /// The emoji that was named last, while nothing else came.
    last: Option<&'static str>,
}

impl Row {
    fn take(&mut self, grapheme: &str) {
        match emojis::get(grapheme) {
            // Digits and signs can be emoji, too, but only with a mark behind them.
            Some(emoji) if !grapheme.is_ascii() && grapheme != "©" => self.say(emoji.name()),
            None if grapheme.chars().all(is_picture) => self.read.push(' '),
            Some(_) | None => {
                self.last = None;
                self.read.extend(grapheme.chars().filter(|c| !is_picture(*c)));
            }
        }
    }

    fn write(&mut self, word: &str) {
        if !word.is_empty() {
            self.last = None;
        }
        self.read.push_str(word);
    }

    fn say(&mut self, name: &'static str) {
        self.read.push(' ');
        if self.emoji == Emoji::Name && self.is_english && self.last != Some(name) {
            self.read.push_str(&name.replace(':', ","));
            self.read.push(' ');
            self.last = Some(name);
        }
    }
}

/// Pictures that have no name, and the marks that change one. The ranges are the blocks of Unicode's emoji data (UTS 51).
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{2600}'..='\u{2775}' | '\u{2794}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_dropped_or_named() {
        for (text, dropped, named) in [
            (
                "Done 🎉🎉 well 👩‍💻 done",
                "Done well done",
                "Done party popper well woman technologist done",
            ),
            ("nice :) :D", "nice", "nice smiling face grinning face"),
            ("ship it :rocket:", "ship it", "ship it rocket"),
            ("🎉", "", "party popper"),
            ("no #1 :x y 5* é", "no #1 :x y 5* é", "no #1 :x y 5* é"),
            ("👍🏽 ok", "ok", "thumbs up, medium skin tone ok"),
            ("© 2024 ©️", "© 2024", "© 2024 copyright"),
        ] {
            assert_eq!(read(text, Emoji::Drop, true), dropped, "{text}");
            assert_eq!(read(text, Emoji::Name, true), named, "{text}");
        }
    }
}
