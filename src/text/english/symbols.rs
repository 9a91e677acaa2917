//! Signs, and names as programs write them.

use super::abbreviations;
use super::identifiers;
use super::numbers::Number;
use super::words::Word;

/// What stands alone between words.
const OPERATORS: [(&str, &str); 26] = [
    ("+", "plus"),
    ("=", "equals"),
    ("==", "equals"),
    ("===", "equals"),
    ("!=", "is not"),
    ("≠", "is not"),
    ("<", "is less than"),
    (">", "is greater than"),
    ("<=", "is at most"),
    ("≤", "is at most"),
    (">=", "is at least"),
    ("≥", "is at least"),
    ("->", "to"),
    ("→", "to"),
    ("=>", "to"),
    ("⇒", "to"),
    ("<-", "from"),
    ("←", "from"),
    ("×", "times"),
    ("÷", "divided by"),
    ("±", "plus or minus"),
    ("≈", "about"),
    ("~", "about"),
    ("&&", "and"),
    ("||", "or"),
    ("°", "degrees"),
];

/// What an operator between two words says; `*` only multiplies numbers.
pub fn operator(
    before: Option<&Word<'_>>,
    word: &str,
    after: Option<&Word<'_>>,
) -> Option<&'static str> {
    let (before, after) = (before?, after?);
    if word == "*" || word == "x" {
        let are_numbers = Number::of(before.core).is_some() && Number::of(after.core).is_some();
        return match (word, are_numbers) {
            ("x", true) => Some("by"),
            (_, true) => Some("times"),
            // "2 x eggs"
            ("x", false) if Number::of(before.core).is_some() => Some(""),
            _ => None,
        };
    }
    if word == "-" {
        let are_numbers = Number::of(before.core).is_some() && Number::of(after.core).is_some();
        return are_numbers.then_some("minus");
    }
    OPERATORS.iter().find(|(sign, _)| *sign == word).map(|(_, name)| *name)
}

/// So many signs in front of a name are said; a row of them is noise.
const MAX_PREFIXES: usize = 3;

/// One word without what cannot be said, and names taken apart into words.
pub fn name(word: &str) -> String {
    name_behind(word, MAX_PREFIXES)
}

/// The same, of which so many more signs in front may be said.
fn name_behind(word: &str, n_prefixes: usize) -> String {
    let Some(n_prefixes) = n_prefixes.checked_sub(1) else { return identifiers::words(word) };
    let name = |rest: &str| name_behind(rest, n_prefixes);
    if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let long = abbreviations::long(word).map(str::to_owned);
        return long.or_else(|| abbreviations::readable(word)).unwrap_or_else(|| word.to_owned());
    }
    if let Some(long) = abbreviations::long(word) {
        return long.to_owned();
    }
    if let Some(tag) = word.strip_prefix('#').filter(|tag| !tag.is_empty()) {
        return format!("hashtag {}", name(tag));
    }
    if let Some(user) = word.strip_prefix('@').filter(|user| !user.is_empty()) {
        return format!("at {}", name(user));
    }
    if let Some(command) = word.strip_prefix('/').filter(|rest| is_word(rest)) {
        return format!("slash {command}");
    }
    if let Some(flag) = word.strip_prefix('-').filter(|flag| is_flag(flag)) {
        return format!("dash {flag}");
    }
    if let Some(said) = abbreviations::keys(word).or_else(|| initials(word)) {
        return said;
    }
    if let Some(rest) = word.strip_prefix("O(") {
        return format!("O of {}", name(rest));
    }
    if let Some(option) =
        word.strip_prefix("--").filter(|rest| rest.starts_with(char::is_alphanumeric))
    {
        return name(&option.replace('=', " "));
    }
    if word.contains('_')
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    {
        return identifiers::words(&word.to_ascii_lowercase()); // a constant
    }
    // `file(s)` is any number of them.
    if let Some(one) = word.strip_suffix("(s").or_else(|| word.strip_suffix("(s)")) {
        return format!("{}s", identifiers::words(one));
    }
    identifiers::words(word)
}

/// `-la` of `ls -la`.
fn is_flag(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `U.S` and `N.Y`, whose last point is punctuation already.
pub fn initials(word: &str) -> Option<String> {
    let mut letters = Vec::new();
    for part in word.split('.') {
        let is_letter = part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_uppercase());
        letters.push(Some(part).filter(|_| is_letter)?);
    }
    (letters.len() > 1).then(|| letters.join(" "))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
