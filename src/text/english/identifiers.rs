//! Names as programs write them, taken apart into words: `parse_json` and `parseJson` are "parse json", `error.log` is
//! "error dot log", `std::io` "std io".

use super::abbreviations::readable;
use super::amounts::ordinal_of;
use super::numbers::quantity;

/// The words in a name.
pub fn words(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let is_file = is_file_name(&chars);
    let mut said = String::with_capacity(name.len() + 8);
    let mut idx = 0;
    while let Some(at) = chars.get(idx).copied() {
        let before = idx.checked_sub(1).and_then(|idx| chars.get(idx).copied());
        let after = chars.get(idx + 1).copied();
        if at.is_alphanumeric() && is_boundary(&chars, idx) {
            said.push(' ');
        }
        if before == Some('^') && matches!(at, '2' | '3') {
            idx += 1; // said with its sign
            continue;
        }
        if at.is_ascii_digit() {
            let (number, n_chars) = number_at(&chars, idx);
            said.push_str(&number);
            idx += n_chars;
            continue;
        }
        if at.is_alphanumeric() {
            said.push(at);
        } else {
            said.push_str(Sign { before, at, after }.said(is_file, chars.len()));
        }
        idx += 1;
    }
    let words = said.split(' ').filter(|word| !word.is_empty());
    words
        .map(|word| readable(word).unwrap_or_else(|| word.to_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A sign and its neighbours.
struct Sign {
    before: Option<char>,
    at: char,
    after: Option<char>,
}

impl Sign {
    /// What it says in a name of so many characters.
    fn said(&self, is_file: bool, n_chars: usize) -> &'static str {
        let before = |test: fn(char) -> bool| self.before.is_some_and(test);
        let after = |test: fn(char) -> bool| self.after.is_some_and(test);
        let is_digit = |c: char| c.is_ascii_digit();
        match self.at {
            '.' if before(is_digit) && after(is_digit) => " point ",
            '.' if before(char::is_alphanumeric) && (is_file || after(char::is_lowercase)) => {
                " dot "
            }
            // A sentence whose writer was in a hurry.
            '.' if before(char::is_lowercase) && after(char::is_uppercase) => ". ",
            '.' if self.before.is_none() && after(char::is_alphabetic) => "dot ",
            '.' if self.before.is_some() => ".",
            '-' if self.after == Some('>') => " to ",
            '>' if self.before == Some('-') => "",
            '-' if n_chars == 3 && before(char::is_lowercase) && after(is_digit) => " minus ",
            '-' if before(char::is_alphabetic) && after(is_digit) => " ",
            '^' if self.after == Some('2') => " squared ",
            '^' if self.after == Some('3') => " cubed ",
            '^' if before(char::is_alphanumeric) => " to the ",
            '-' if self.before.is_some() => "-",
            '\'' if self.before.is_some() => "'",
            ',' if self.before.is_some() => ",",
            ';' if self.before.is_some() => ";",
            '!' if self.before.is_some() => "!",
            '?' if self.before.is_some() => "?",
            '+' if before(char::is_alphanumeric)
                && (self.after.is_none()
                    || self.after == Some('+')
                    || after(char::is_alphanumeric)) =>
            {
                " plus "
            }
            '+' if self.before == Some('+') && self.after.is_none() => " plus ",
            '&' => " and ",
            '%' => " percent ",
            '@' if self.before.is_some() => " at ",
            '→' if self.before.is_some() => " to ",
            '…' => "...",
            '—' | '–' => ", ",
            _ => " ",
        }
    }
}

/// The number that begins at a digit, in words, and its length: `59th` is an ordinal.
fn number_at(chars: &[char], idx: usize) -> (String, usize) {
    let rest = chars.get(idx..).unwrap_or_default();
    let digits: String = rest.iter().take_while(|c| c.is_ascii_digit()).collect();
    let ending: String =
        rest.iter().skip(digits.len()).take(3).take_while(|c| c.is_alphabetic()).collect();
    match ordinal_of(&format!("{digits}{ending}")) {
        Some(ordinal) => (ordinal, digits.len() + ending.len()),
        None => (quantity(&digits), digits.len()),
    }
}

/// Whether a new word begins at a letter or digit: behind small letters a capital, and where digits and letters meet.
fn is_boundary(chars: &[char], idx: usize) -> bool {
    let Some(before) = idx.checked_sub(1).and_then(|idx| chars.get(idx)) else { return false };
    let at = chars[idx];
    let is_small = |idx: usize| chars.get(idx).is_some_and(|c| c.is_lowercase());
    let is_camel = before.is_lowercase() && at.is_uppercase();
    let is_end_of_capitals =
        before.is_uppercase() && at.is_uppercase() && is_small(idx + 1) && is_small(idx + 2);
    let is_edge_of_digits = (before.is_alphabetic() && at.is_ascii_digit())
        || (before.is_ascii_digit() && at.is_alphabetic());
    is_camel || is_end_of_capitals || is_edge_of_digits
}

/// Whether it is the name of a file: letters, a point, and a short ending in small letters or digits.
fn is_file_name(chars: &[char]) -> bool {
    let Some(point) = chars.iter().rposition(|c| *c == '.') else { return false };
    let (stem, ending) = (&chars[..point], &chars[point + 1..]);
    (1..=10).contains(&ending.len())
        && ending.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
        && ending.iter().any(char::is_ascii_lowercase)
        && stem.len() >= 2
        && stem.iter().all(|c| c.is_alphanumeric() || "._-".contains(*c))
}
