//! Years and decades: numbers of four digits that are no quantities.

use super::dates::month_of;
use super::numbers::{cardinal, year};
use super::units;
use super::words::{Said, Word};

/// Words behind which a number of four digits is a year.
const BEFORE_YEARS: [&str; 15] = [
    "between",
    "in",
    "since",
    "of",
    "year",
    "from",
    "until",
    "till",
    "by",
    "before",
    "after",
    "early",
    "late",
    "mid",
    "copyright",
];

/// Words behind which `90s` is a decade and no time.
const BEFORE_DECADES: [&str; 9] =
    ["the", "early", "late", "mid", "his", "her", "my", "their", "your"];

/// What the next word says as a year or several; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    span(words.first()?).or_else(|| bare_year(before, words))
}

/// `1914–1918`.
fn span(word: &Word<'_>) -> Said {
    let (from, to) = word.core.split_once(['-', '–'])?;
    Some((1, format!("{} to {}", year(year_of(from)?), year(year_of(to)?))))
}

/// A number of four digits that may be a year.
pub fn year_of(word: &str) -> Option<u64> {
    let is_year = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|year| is_year && (1_100..2_100).contains(year))
}

/// `in 1984`; alone, a number of four digits is a quantity.
fn bare_year(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    // What is counted is no year.
    if words.get(1).is_some_and(|next| word.goes_on() && units::of_word(next.core).is_some()) {
        return None;
    }
    if let Some(decade) = short_decade(before.last(), word) {
        return Some((1, decade));
    }
    let decade = word.core.strip_suffix('s');
    let number = year_of(decade.unwrap_or(word.core))?;
    if decade.is_some() {
        return Some((1, plural(&year(number))));
    }
    if word.lead.ends_with('(') && word.trail.starts_with(')') {
        return Some((1, year(number)));
    }
    // "between 1914 and 1918"
    if let [.., between, year_before, and] = before
        && between.core.eq_ignore_ascii_case("between")
        && and.core == "and"
        && year_of(year_before.core).is_some()
    {
        return Some((1, year(number)));
    }
    let before = before.last().map(|before| before.core.to_ascii_lowercase())?;
    let is_quarter = before.len() == 2 && before.starts_with('q');
    let is_year = is_quarter
        || BEFORE_YEARS.contains(&before.as_str())
        || month_of(&capitalised(&before)).is_some();
    is_year.then(|| (1, year(number)))
}

/// `'90s`, `the 90s`.
fn short_decade(before: Option<&Word<'_>>, word: &Word<'_>) -> Option<String> {
    let digits =
        word.core.strip_suffix('s').filter(|digits| digits.len() == 2 && digits.ends_with('0'))?;
    let is_marked = word.lead.ends_with('\'')
        || before.is_some_and(|it| BEFORE_DECADES.contains(&it.core.to_ascii_lowercase().as_str()));
    let is_decade = is_marked && digits != "00" && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_decade.then(|| plural(&cardinal(digits)))
}

fn plural(words: &str) -> String {
    words.strip_suffix('y').map_or(format!("{words}s"), |stem| format!("{stem}ies"))
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
