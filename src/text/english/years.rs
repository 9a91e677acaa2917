//! Years and decades: numbers of four digits that are no quantities.

use super::dates::month_of;
use super::numbers::{cardinal, pair, year};
use super::units;
use super::words::{Said, Word};

/// Words behind which a number of four digits is a year.
const BEFORE_YEARS: [&str; 24] = [
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
    "©",
    "spring",
    "summer",
    "autumn",
    "fall",
    "winter",
    "circa",
    "fiscal",
    "during",
];

/// What happens in a year, or comes out once in each.
const YEARLY: [&str; 46] = [
    "album",
    "annual",
    "budget",
    "calendar",
    "campaign",
    "census",
    "championship",
    "conference",
    "constitution",
    "crisis",
    "earthquake",
    "edition",
    "election",
    "elections",
    "exhibition",
    "festival",
    "film",
    "financial",
    "figures",
    "finals",
    "game",
    "games",
    "general",
    "model",
    "movie",
    "novel",
    "pandemic",
    "paper",
    "presidential",
    "prices",
    "protests",
    "recession",
    "remake",
    "report",
    "results",
    "revolution",
    "riots",
    "sales",
    "season",
    "seasons",
    "song",
    "study",
    "summer",
    "survey",
    "tax",
    "vintage",
];

/// What is counted, in the singular, as in "the 1500 line file"; plurals are told by their ending.
const COUNTED: [&str; 24] = [
    "bit",
    "byte",
    "calorie",
    "character",
    "children",
    "day",
    "dollar",
    "euro",
    "hour",
    "line",
    "man",
    "men",
    "or",
    "page",
    "people",
    "person",
    "point",
    "query",
    "seat",
    "strong",
    "token",
    "user",
    "women",
    "word",
];

/// Small words that end as plurals do.
const NO_PLURALS: [&str; 9] =
    ["always", "besides", "does", "others", "perhaps", "sometimes", "towards", "was", "whereas"];

/// Behind these, "of", "from" and "by" tell how many.
const BEFORE_AMOUNTS: [&str; 28] = [
    "average",
    "capacity",
    "cost",
    "count",
    "decreased",
    "down",
    "dropped",
    "fell",
    "fee",
    "grew",
    "grown",
    "increased",
    "length",
    "limit",
    "maximum",
    "minimum",
    "out",
    "population",
    "price",
    "reduced",
    "rose",
    "score",
    "size",
    "speed",
    "sum",
    "total",
    "up",
    "value",
];

/// What a year does in front of a sentence: "2023 was a good one".
const BEHIND_FIRST: [&str; 8] = ["was", "is", "has", "had", "will", "saw", "brought", "marked"];

/// Words behind which `90s` is a decade and no time.
const BEFORE_DECADES: [&str; 9] =
    ["the", "early", "late", "mid", "his", "her", "my", "their", "your"];

/// What the next word says as a year or several; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    span(words.first()?).or_else(|| bare_year(before, words))
}

/// `1914–1918`, `2023-24`.
fn span(word: &Word<'_>) -> Said {
    let (from, to) = word.core.split_once(['-', '–'])?;
    let first = year_of(from)?;
    if let Some(last) = year_of(to) {
        return Some((1, format!("{} to {}", year(first), year(last))));
    }
    let is_next = first >= 1_900 && to == format!("{:02}", (first + 1) % 100);
    is_next.then(|| (1, format!("{} to {}", year(first), pair(to))))
}

/// A number of four digits that may be a year.
pub fn year_of(word: &str) -> Option<u64> {
    let is_year = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|year| is_year && (1_100..2_100).contains(year))
}

/// `in 1984`, `the 2024 election`, `2023 was`; alone, a number of four digits is a quantity.
fn bare_year(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    // What is counted is no year.
    if words.get(1).is_some_and(|next| word.goes_on() && units::of_word(next.core).is_some()) {
        return None;
    }
    if let Some(decade) = short_decade(before.last(), word) {
        return Some((1, decade));
    }
    if let Some(number) = word.core.strip_suffix('s').and_then(year_of) {
        return Some((1, plural(&year(number))));
    }
    if let Some(said) = marked(word.core) {
        return Some((1, said));
    }
    let number = year_of(word.core)?;
    let is_bracketed = word.lead.ends_with('(') && word.trail.starts_with(')');
    (is_bracketed || is_year(before, words)).then(|| (1, year(number)))
}

/// `2024's`, `mid-2024`, `©2024`.
fn marked(core: &str) -> Option<String> {
    let modern = |digits| year_of(digits).filter(|year| *year >= 1_900).map(year);
    if let Some(said) = core.strip_suffix("'s").or_else(|| core.strip_suffix("’s")).and_then(modern)
    {
        return Some(format!("{said}'s"));
    }
    if let Some(said) = core.strip_prefix('©').and_then(modern) {
        return Some(format!("copyright {said}"));
    }
    let (part, digits) = core.split_once('-')?;
    let (digits, is_decade) = digits.strip_suffix('s').map_or((digits, false), |it| (it, true));
    let said = modern(digits)?;
    let said = if is_decade { plural(&said) } else { said };
    ["early", "mid", "late", "pre", "post"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(part))
        .then(|| format!("{part} {said}"))
}

/// Whether what stands around a number of four digits makes it a year.
fn is_year(before: &[Word<'_>], words: &[Word<'_>]) -> bool {
    let last = before.last();
    let last_lower = last.map(|last| last.core.to_ascii_lowercase()).unwrap_or_default();
    let is_modern = ("1900".."2050").contains(&words[0].core);
    let is_month = month_of(&capitalised(&last_lower)).is_some();
    let is_behind = BEFORE_YEARS.contains(&last_lower.as_str())
        || last.is_some_and(|last| last.core == "c" && last.lead.ends_with('('));
    // "In 2019 users found": nobody begins a sentence with how many there are in something.
    let begins = is_modern && is_behind && last.is_some_and(|it| it.core.starts_with(is_capital));
    if is_amount(before) || (!begins && !is_month && is_counted(&last_lower, words)) {
        return false;
    }
    let is_quarter = last_lower.len() == 2 && last_lower.starts_with('q');
    is_behind || is_month || is_quarter || continues(before) || is_described(last, words)
}

/// `the 2024 election`, `2008 financial crisis`, `2018 World Cup`, `2023 was`.
fn is_described(last: Option<&Word<'_>>, words: &[Word<'_>]) -> bool {
    const DETERMINERS: [&str; 8] = ["the", "a", "this", "its", "our", "their", "his", "her"];
    let [number, next, ..] = words else { return false };
    if !number.goes_on() || !next.lead.is_empty() {
        return false;
    }
    let is_first = last.is_none_or(|last| last.trail.ends_with(['.', '!', '?']));
    let determiner = last.filter(|last| last.goes_on()).map(|last| last.core.to_ascii_lowercase());
    let determiner = determiner.filter(|it| DETERMINERS.contains(&it.as_str()));
    if determiner.as_deref() == Some("the") && next.core.starts_with(char::is_alphabetic) {
        return true;
    }
    let is_name = next.core.starts_with(is_capital)
        && next.core.ends_with(|c: char| c.is_ascii_lowercase())
        && !is_plural(&next.core.to_ascii_lowercase());
    let is_told = is_first && BEHIND_FIRST.contains(&next.core);
    let is_in_place = is_first || determiner.is_some();
    let is_modern = ("1900".."2050").contains(&number.core);
    is_modern && (is_told || (is_in_place && (is_name || YEARLY.contains(&next.core))))
}

/// Whether an amount is told of: "a maximum of 2000", "rose from 1500".
fn is_amount(before: &[Word<'_>]) -> bool {
    let [.., what, small] = before else { return false };
    ["of", "from", "by"].contains(&small.core)
        && (BEFORE_AMOUNTS.contains(&what.core.to_ascii_lowercase().as_str())
            || what.core.ends_with(|c: char| c.is_ascii_digit()))
}

/// `between 1914 and 1918`, `in 2023 and 2024`: whether the number in front of this one is a year.
fn continues(before: &[Word<'_>]) -> bool {
    let [earlier @ .., year_before, joint] = before else { return false };
    ["and", "or", "to"].contains(&joint.core)
        && year_of(year_before.core).is_some()
        && is_year(earlier, &[*year_before, *joint])
}

/// Whether the noun behind a number, behind `last`, is what it counts.
fn is_counted(last: &str, words: &[Word<'_>]) -> bool {
    let [number, next, rest @ ..] = words else { return false };
    if !number.goes_on() || !next.lead.is_empty() {
        return false;
    }
    let lower = next.core.to_ascii_lowercase();
    if YEARLY.contains(&lower.as_str()) {
        return false;
    }
    // "from 1500 to 2000 users"
    if let ("and" | "or" | "to", true, Some(second)) = (next.core, next.goes_on(), rest.first())
        && year_of(second.core).is_some()
    {
        return is_counted(last, rest);
    }
    let is_small = next.core.bytes().all(|byte| byte.is_ascii_lowercase());
    // "the 1500 active users"
    let are_described = last == "the"
        && is_small
        && next.goes_on()
        && rest.first().is_some_and(|it| {
            is_plural(it.core) && !YEARLY.contains(&it.core) && !BEFORE_YEARS.contains(&next.core)
        });
    COUNTED.contains(&lower.as_str())
        || units::is_name(&lower)
        || (is_small && is_plural(next.core))
        || are_described
}

fn is_plural(word: &str) -> bool {
    word.len() > 3
        && word.ends_with('s')
        && !["ss", "us", "is"].iter().any(|end| word.ends_with(end))
        && word.bytes().all(|byte| byte.is_ascii_lowercase())
        && !NO_PLURALS.contains(&word)
}

fn is_capital(c: char) -> bool {
    c.is_ascii_uppercase()
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
