//! What cannot be seen or is only another shape of the same letter.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// No script puts more marks on one letter; whoever does, does it to annoy.
const MAX_MARKS: usize = 3;

/// Leaves letters, signs and single spaces; line feeds stay.
pub fn strip(text: &str) -> String {
    // Escape sequences are known by their first sign; BEL ends some of them.
    let is_blank = |c: char| c.is_control() && !matches!(c, '\n' | '\u{1b}' | '\u{7}' | '\u{9b}');
    let visible = anstream::adapter::strip_str(&text.replace(is_blank, " ")).to_string();
    let mut stripped = String::with_capacity(visible.len());
    let (mut n_marks, mut owes_space) = (0, false);
    // Wide, bold and ligature letters are letters.
    for c in apart(&visible).nfkc() {
        if is_combining_mark(c) {
            n_marks += 1;
            if n_marks > MAX_MARKS {
                continue;
            }
        } else {
            n_marks = 0;
        }
        match c {
            '\n' => {
                stripped.push('\n');
                owes_space = false;
            }
            _ if c.is_whitespace() || (c.is_control() && c != '\u{7f}') => {
                owes_space = !stripped.is_empty() && !stripped.ends_with('\n');
            }
            _ if is_silent(c) => {}
            _ => {
                if std::mem::take(&mut owes_space) {
                    stripped.push(' ');
                }
                stripped.push(plain(c));
            }
        }
    }
    stripped
}

/// `1½` is no eleven halves, and `10⁶` no hundred and six.
fn apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    let mut was_digit = false;
    for c in text.chars() {
        match c {
            '¼'..='¾' | '⅐'..='⅞' if was_digit => apart.push(' '),
            '²' | '³' | '¹' | '⁰'..='⁹' if was_digit => apart.push('^'),
            _ => {}
        }
        was_digit = c.is_ascii_digit();
        apart.push(c);
    }
    apart
}

/// The quotation marks and hyphens of a keyboard for those of a book.
fn plain(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => '"',
        '\u{2010}' | '\u{2011}' | '\u{2212}' => '-',
        '\u{2044}' => '/',
        _ => c,
    }
}

/// Marks of direction, joiners, tags and what stands for bytes that are no text. Joiners and selectors within an emoji
/// stay, for those who name it.
fn is_silent(c: char) -> bool {
    matches!(c,
        '\u{7f}' | '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_seen_is_left() {
        for (text, expected) in [
            ("  two\t words\u{0}here ", "two words here"),
            ("\u{1b}[1;31mERROR\u{1b}[0m: disk", "ERROR: disk"),
            ("it\u{2019}s \u{201c}fine\u{201d}", "it's \"fine\""),
            ("\u{ff28}\u{ff49} \u{1d407}\u{1d408} \u{fb01}ne", "Hi HI fine"),
            ("\u{fffd}\u{202e}abc\u{200b}", "abc"),
            ("one\r\ntwo", "one\ntwo"),
            ("z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}a", "z\u{300}\u{301}\u{302}a"),
            ("5\u{a0}km", "5 km"),
            ("", ""),
        ] {
            assert_eq!(strip(text), expected, "{text:?}");
        }
    }
}
