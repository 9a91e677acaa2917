//! Addresses: house numbers, streets, saints, and points of the compass.

use super::amounts::ordinal_of;
use super::dates::two_pairs;
use super::numbers::{cardinal, digits};
use super::versions::{is_counted, spoken_code};
use super::words::Word;

/// What is said of a word in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The word.
    pub said: String,
    /// Whether its point may be the end of a sentence.
    pub may_end: bool,
}

/// Kinds of street as they are shortened behind a name.
const STREETS: [(&str, &str); 7] = [
    ("St", "Street"),
    ("Ave", "Avenue"),
    ("Blvd", "Boulevard"),
    ("Rd", "Road"),
    ("Ln", "Lane"),
    ("Pkwy", "Parkway"),
    ("Hwy", "Highway"),
];

/// The same, for what is something else where no house number stands in front of the name.
const ONLY_BEHIND_NUMBERS: [(&str, &str); 5] =
    [("Dr", "Drive"), ("Ct", "Court"), ("Pl", "Place"), ("Sq", "Square"), ("Ter", "Terrace")];

/// Kinds of street in full.
const WHOLE: [&str; 14] = [
    "Street",
    "Avenue",
    "Boulevard",
    "Road",
    "Lane",
    "Parkway",
    "Highway",
    "Drive",
    "Court",
    "Place",
    "Square",
    "Terrace",
    "Way",
    "Crescent",
];

/// Points of the compass.
const COMPASS: [(&str, &str); 8] = [
    ("N", "north"),
    ("S", "south"),
    ("E", "east"),
    ("W", "west"),
    ("NE", "northeast"),
    ("NW", "northwest"),
    ("SE", "southeast"),
    ("SW", "southwest"),
];

/// Saints whom places are named for; behind another name, any other "St." is a street.
const SAINTS: [&str; 33] = [
    "Albans",
    "Andrew",
    "Andrews",
    "Anthony",
    "Augustine",
    "Bernard",
    "Catharines",
    "Catherine",
    "Charles",
    "Clair",
    "Cloud",
    "Croix",
    "Francis",
    "George",
    "Germain",
    "Helens",
    "James",
    "John",
    "Joseph",
    "Kitts",
    "Lawrence",
    "Louis",
    "Lucia",
    "Martin",
    "Mary",
    "Michael",
    "Moritz",
    "Nicholas",
    "Patrick",
    "Paul",
    "Peter",
    "Petersburg",
    "Vincent",
];

/// A street is at most so many words long, with its number.
const MAX_WORDS: usize = 5;

/// What the next word says in an address; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Option<Place> {
    let word = words.first()?;
    if let Some(said) = house(before, words) {
        return Some(Place { said, may_end: false });
    }
    if let Some((direction, may_end)) = direction(before, words) {
        return Some(Place { said: direction.to_owned(), may_end });
    }
    if word.core == "St" && is_saint(before, words) {
        return Some(Place { said: "Saint".to_owned(), may_end: false });
    }
    let street = street(before, word)?;
    let goes_on = words.get(1).is_some_and(|next| compass(next.core).is_some());
    Some(Place { said: street.to_owned(), may_end: !goes_on })
}

/// `221B` of `221B Baker Street`.
fn house(before: &[Word<'_>], words: &[Word<'_>]) -> Option<String> {
    let word = words.first()?;
    let (number, letter) = house_number(word)?;
    let is_told_how_many = before.last().is_some_and(|it| it.core.eq_ignore_ascii_case("the"));
    let next = words.get(1)?;
    // "500 GB Flash Drive"; but W is a watt only where nothing says that it is west.
    let is_amount = is_counted(words) && compass(next.core).is_none();
    if is_told_how_many || is_amount || !leads_to_street(words.get(1..)?) {
        return None;
    }
    let said = match number.len() {
        3 => spoken_code(number),
        4 if !number.ends_with("000") => two_pairs(number),
        5 => digits(number),
        _ => cardinal(number),
    };
    Some(format!("{said} {letter}").trim_end().to_owned())
}

/// The digits of a house number, and the letter behind them.
fn house_number<'a>(word: &Word<'a>) -> Option<(&'a str, &'a str)> {
    let n_digits = word.core.bytes().take_while(u8::is_ascii_digit).count();
    let (number, letter) = word.core.split_at_checked(n_digits)?;
    let has_letter = letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_uppercase());
    let is_number = (1..=5).contains(&n_digits) && !number.starts_with('0');
    (word.goes_on() && is_number && (letter.is_empty() || has_letter)).then_some((number, letter))
}

/// Whether names follow, and a kind of street behind them.
fn leads_to_street(words: &[Word<'_>]) -> bool {
    for (idx, word) in words.iter().take(MAX_WORDS - 1).enumerate() {
        let is_kind = WHOLE.contains(&word.core) || long(&STREETS, word.core).is_some();
        if idx > 0 && (is_kind || long(&ONLY_BEHIND_NUMBERS, word.core).is_some()) {
            // "500 Wall Street bankers" are no address.
            let next = words.get(idx + 1).filter(|_| word.goes_on());
            return next.is_none_or(|next| !is_many(next.core));
        }
        if !is_in_name(word) {
            return false;
        }
    }
    false
}

fn is_many(word: &str) -> bool {
    word.len() > 3 && word.ends_with('s') && word.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether a word can stand between a house number and the kind of street.
fn is_in_name(word: &Word<'_>) -> bool {
    let is_short = word.core.len() <= 2 && word.trail == ".";
    (word.goes_on() || is_short) && word.lead.is_empty() && is_name(word.core)
}

/// `Baker`, `5th`.
fn is_name(core: &str) -> bool {
    core.starts_with(|c: char| c.is_uppercase()) || ordinal_of(core).is_some()
}

/// `N` of `123 N Main St`, `NW` of `Pennsylvania Ave NW`, `W` of `74° W`, and whether a sentence may end behind it.
fn direction(before: &[Word<'_>], words: &[Word<'_>]) -> Option<(&'static str, bool)> {
    const BEFORE: [&str; 7] = ["on", "at", "to", "near", "from", "off", "and"];
    let word = words.first()?;
    let name = compass(word.core)?;
    let (last, earlier) = before.split_last()?;
    let is_behind_degrees = last.goes_on() && last.core.ends_with(['°', '′', '″']);
    let is_behind_short = (last.goes_on() || last.trail == ".") && street(earlier, last).is_some();
    if is_behind_degrees || is_behind_short || (last.goes_on() && WHOLE.contains(&last.core)) {
        return Some((name, true));
    }
    // "N Street" is one of those that have a letter.
    let is_in_front = (house_number(last).is_some() || BEFORE.contains(&last.core))
        && is_in_name(word)
        && leads_to_street(words.get(1..)?);
    is_in_front.then_some((name, false))
}

/// The street that a short word means behind a name.
fn street(before: &[Word<'_>], word: &Word<'_>) -> Option<&'static str> {
    let is_in_address = || before.iter().rev().skip(1).any(|it| house_number(it).is_some());
    let street = long(&STREETS, word.core)
        .or_else(|| long(&ONLY_BEHIND_NUMBERS, word.core).filter(|_| is_in_address()))?;
    let name = before.last()?;
    // Of "Avenue/59th" the last counts, and "King Jr." goes on.
    let goes_on = name.goes_on() || (name.core == "Jr" && name.trail == ".");
    (goes_on && is_name(name.core.rsplit('/').next()?)).then_some(street)
}

/// `St. Louis`, and no `Main St.`
fn is_saint(before: &[Word<'_>], words: &[Word<'_>]) -> bool {
    let [word, next, ..] = words else { return false };
    let name = next.core.trim_end_matches("'s").trim_end_matches("’s");
    if !["", "."].contains(&word.trail) || !next.core.starts_with(|c: char| c.is_uppercase()) {
        return false;
    }
    let last = before.last().filter(|last| last.goes_on()).map_or("", |last| last.core);
    if ordinal_of(last).is_some() || compass(name).is_some() {
        return false;
    }
    SAINTS.contains(&name) || !is_name(last)
}

fn long(table: &[(&str, &'static str)], short: &str) -> Option<&'static str> {
    table.iter().find(|(it, _)| *it == short).map(|(_, long)| *long)
}

/// "north" for `N`.
pub fn compass(word: &str) -> Option<&'static str> {
    long(&COMPASS, word)
}
