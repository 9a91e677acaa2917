//! Dates and times of day.

use super::numbers::{Number, cardinal, digits, ordinal, pair, year};
use super::words::{Said, Word};
use super::years::{self, year_of};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What the next words say as a date or a time; `before` are some of the words in front of them.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    date_and_time(word.core)
        .map(|said| (1, said))
        .or_else(|| named_month(words))
        .or_else(|| weekdays(word))
        .or_else(|| times(before, word))
        .or_else(|| length(before, words))
        .or_else(|| time(words))
        .or_else(|| years::say(before, words))
}

/// `2026-11-25`, `2026-11-25T12:03:44Z`, `25.11.2026`, `11/25/2026`.
fn date_and_time(core: &str) -> Option<String> {
    let (date, clock) = match core.split_once(['T', '_']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (core, None),
    };
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "-/.".contains(*c))?;
    let parts: Vec<_> = date.splitn(4, separator).collect();
    let is_digits =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(is_digits) {
        return None;
    }
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let number = |idx: usize| parts[idx].parse::<u64>().ok();
    let (year, month, day) = match (lengths.as_slice(), separator) {
        ([4, 1..=2, 1..=2], _) => (number(0)?, number(1)?, number(2)?),
        ([1..=2, 1..=2, 4], '/') if number(0)? <= 12 => (number(2)?, number(0)?, number(1)?),
        ([1..=2, 1..=2, 4], _) => (number(2)?, number(1)?, number(0)?),
        _ => return None,
    };
    let date = full_date(month, day, Some(year))?;
    match clock {
        Some(clock) => {
            let clock = clock.trim_end_matches('Z');
            let clock = clock.split(['+', '-', '.']).next().unwrap_or(clock);
            Some(format!("{date}, {}", clock_time(clock)?))
        }
        None => Some(date),
    }
}

fn full_date(month: u64, day: u64, its_year: Option<u64>) -> Option<String> {
    let month = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !(1..=31).contains(&day) {
        return None;
    }
    let year = its_year.map(|it| format!(", {}", year(it))).unwrap_or_default();
    Some(format!("{month} {}{year}", ordinal(day)))
}

/// `Nov 25`, `November 25th, 2026`, `25 Nov 2026`.
fn named_month(words: &[Word<'_>]) -> Said {
    let (first, second) = (words.first()?, words.get(1)?);
    if !(first.goes_on() || first.trail == ".") || !second.lead.is_empty() {
        return None;
    }
    let (month, day) = match (month_of(first.core), month_of(second.core)) {
        (Some(month), None) => (month, day_of(second.core)?),
        (None, Some(month)) => (month, day_of(first.core)?),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let third = words.get(2).filter(|_| ["", ",", "."].contains(&second.trail));
    match third.and_then(|word| year_of(word.core)) {
        Some(its_year) => Some((3, full_date(month, day, Some(its_year))?)),
        None => Some((2, full_date(month, day, None)?)),
    }
}

/// Its number, from 1, by its name or how that is shortened.
pub fn month_of(word: &str) -> Option<u64> {
    let is_it = |name: &str| {
        *name == *word
            || (word.len() >= 3 && name.get(..3) == Some(word))
            || (word == "Sept" && name == "September")
    };
    MONTHS.iter().position(|name| is_it(name)).map(|idx| idx as u64 + 1)
}

fn day_of(word: &str) -> Option<u64> {
    let digits =
        ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    let is_day = digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|day| is_day && (1..=31).contains(day))
}

/// `14:30`, `9:05`, `10:00`, `12:03:44`, `3pm`, `3:30 p.m.`, and `16:9` as "sixteen to nine".
fn time(words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    let lower = word.core.to_ascii_lowercase();
    let glued = ["am", "pm"].iter().find_map(|half| Some((lower.strip_suffix(half)?, *half)));
    if let Some((clock, half)) = glued {
        return Some((1, format!("{} {}", twelve_hours(clock)?, letters(half))));
    }
    let next = words.get(1).filter(|_| word.goes_on()).map(|next| {
        let core = next.core.to_ascii_lowercase();
        core.replace('.', "")
    });
    if let Some(half) = next.filter(|half| half == "am" || half == "pm")
        && let Some(clock) = twelve_hours(word.core)
    {
        return Some((2, format!("{clock} {}", letters(&half))));
    }
    if let Some(said) = clock_time(word.core) {
        return Some((1, said));
    }
    let (one, other) = word.core.split_once(':')?;
    let whole = |text| Some(cardinal(Number::of(text)?.plain_digits()?));
    Some((1, format!("{} to {}", whole(one)?, whole(other)?)))
}

/// `00:05:00` is "five minutes", and so is `0:05 left`; `in 2:01:39` is how long it took.
fn length(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    const AFTER: [&str; 4] = ["left", "remaining", "elapsed", "ago"];
    const BEFORE: [&str; 5] = ["in", "took", "after", "for", "timer"];
    let word = words.first()?;
    let parts: Vec<_> = word.core.split(':').collect();
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let has_form = parts.iter().skip(1).all(|part| part.len() == 2);
    let is_told = words.get(1).is_some_and(|next| word.goes_on() && AFTER.contains(&next.core))
        || before.last().is_some_and(|it| BEFORE.contains(&it.core.to_ascii_lowercase().as_str()));
    let (hours, minutes, seconds) = match numbers.filter(|_| has_form)?.as_slice() {
        [0, minutes, seconds] => (0, *minutes, *seconds),
        [hours, minutes, seconds] if is_told && *hours < 10 && parts[0].len() == 1 => {
            (*hours, *minutes, *seconds)
        }
        [0, minutes] if is_told => (0, *minutes, 0),
        _ => return None,
    };
    let units = [(hours, "hour"), (minutes, "minute"), (seconds, "second")];
    let said: Vec<_> = units
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| {
            format!("{} {unit}{}", cardinal(&n.to_string()), if n == 1 { "" } else { "s" })
        })
        .collect();
    (!said.is_empty()).then(|| (1, said.join(" ")))
}

/// `9am-5pm`, `10:00–12:30`.
fn times(before: &[Word<'_>], word: &Word<'_>) -> Said {
    let (from, to) = word.core.split_once(['-', '–'])?;
    let one = |core| {
        let (n_words, said) = time(&[Word { lead: "", core, trail: "" }])?;
        (n_words == 1 && core.contains([':', 'm', 'M'])).then_some(said)
    };
    Some((1, format!("{} {} {}", one(from)?, joiner(before), one(to)?)))
}

/// "from nine to five", but "between nine and five".
pub fn joiner(before: &[Word<'_>]) -> &'static str {
    let is_between = before.last().is_some_and(|it| it.core.eq_ignore_ascii_case("between"));
    if is_between { "and" } else { "to" }
}

/// `Mon-Fri`.
fn weekdays(word: &Word<'_>) -> Said {
    const DAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let (from, to) = word.core.split_once(['-', '–'])?;
    let day = |short: &str| DAYS.iter().find(|day| short.len() >= 3 && day.starts_with(short));
    Some((1, format!("{} to {}", day(from)?, day(to)?)))
}

fn letters(half: &str) -> String {
    if half == "am" { "A M".to_owned() } else { "P M".to_owned() }
}

/// `3`, `3:30`, `11:05`, before am and pm.
fn twelve_hours(clock: &str) -> Option<String> {
    let (hour, minute) = clock.split_once(':').unwrap_or((clock, "00"));
    let is_clock = (1..=2).contains(&hour.len()) && minute.len() == 2;
    let (number, minutes) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    if !is_clock || !(1..=12).contains(&number) || minutes > 59 {
        return None;
    }
    let hour = cardinal(&number.to_string());
    Some(if minutes == 0 { hour } else { format!("{hour} {}", pair(minute)) })
}

/// `14:30`, `12:03:44`, `12:03:44.5`.
fn clock_time(clock: &str) -> Option<String> {
    let parts: Vec<_> = clock.splitn(4, ':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, None),
        [hour, minute, second] => (*hour, *minute, Some(second.split(['.', ',']).next()?)),
        _ => return None,
    };
    let in_range = |text: &str, max: u8| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number <= max)
    };
    let is_clock = (1..=2).contains(&hour.len())
        && in_range(hour, 24)
        && minute.len() == 2
        && in_range(minute, 59)
        && second.is_none_or(|second| second.len() == 2 && in_range(second, 60));
    if !is_clock {
        return None;
    }
    let number = hour.parse::<u8>().ok()?;
    let said = match (number, minute) {
        (0, "00") => "midnight".to_owned(),
        (1..=12, "00") => format!("{} o'clock", cardinal(&number.to_string())),
        (0, _) => format!("zero {}", pair(minute)),
        _ => format!("{} {}", cardinal(&number.to_string()), pair(minute)),
    };
    Some(match second.map(|second| second.trim_start_matches('0')) {
        None | Some("") => said,
        Some("1") => format!("{said} and one second"),
        Some(second) => format!("{said} and {} seconds", cardinal(second)),
    })
}

/// Four digits as two pairs: "eighty eighty", "nineteen twenty".
pub fn two_pairs(four: &str) -> String {
    match (four.get(..2), four.get(2..)) {
        (Some(first), Some(last)) if !first.starts_with('0') => {
            format!("{} {}", cardinal(first), pair(last))
        }
        _ => digits(four),
    }
}
