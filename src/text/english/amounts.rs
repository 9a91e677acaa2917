//! Numbers and what they count: money, percent, units, durations, ranges, fractions, sizes, ordinals.

use super::numbers::{Number, cardinal, digits, ordinal};
use super::streets::compass;
use super::units;
use super::words::{Said, Word};

/// What the next words say as an amount; `before` are some of the words in front of them.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    phone(words)
        .or_else(|| about(words))
        .or_else(|| secret(before, word))
        .or_else(|| prices(before, word))
        .or_else(|| money(words))
        .or_else(|| ordinal_number(word))
        .or_else(|| feet(word))
        .or_else(|| duration(word))
        .or_else(|| size(word))
        .or_else(|| range(before, words))
        .or_else(|| fraction(before, word))
        .or_else(|| counted(words))
}

/// `+1 555 123 4567`, `555-1234`, `555-123-4567`: told digit by digit, group by group.
fn phone(words: &[Word<'_>]) -> Said {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let core = words.first()?.core;
    let groups: Vec<_> = core.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    // "500-1000" is no telephone.
    let is_round = groups.last().is_some_and(|group| group.ends_with("00"));
    if matches!(lengths.as_slice(), [3, 4] | [3, 3, 4] | [1, 3, 3, 4])
        && !is_round
        && groups.iter().all(|group| is_digits(group))
    {
        let groups: Vec<_> = groups.into_iter().map(digits).collect();
        return Some((1, groups.join(", ")));
    }
    let country = core.strip_prefix('+').filter(|digits| is_digits(digits) && digits.len() <= 3)?;
    let mut groups = vec![format!("plus {}", digits(country))];
    let mut goes_on = words.first()?.goes_on();
    for word in words.iter().skip(1) {
        let group = word.core.replace('-', "");
        if !goes_on || !is_digits(&group) || !(2..=8).contains(&group.len()) {
            break;
        }
        groups.push(digits(&group));
        goes_on = word.goes_on();
    }
    (groups.len() > 2).then(|| (groups.len(), groups.join(", ")))
}

/// `6'2"` is "six foot two".
fn feet(word: &Word<'_>) -> Said {
    let (feet, inches) = word.core.split_once('\'')?;
    let is_inches = (1..=2).contains(&inches.len()) && word.trail.starts_with('"');
    let (feet, inches) = (Number::of(feet)?, Number::of(inches).filter(|_| is_inches)?);
    Some((1, format!("{} foot {}", feet.words(), inches.words())))
}

/// `~5` is "about five", `<5` "less than five".
fn about(words: &[Word<'_>]) -> Said {
    const SIGNS: [(&str, &str); 9] = [
        ("~", "about"),
        ("≈", "about"),
        ("±", "plus or minus"),
        (">=", "at least"),
        ("≥", "at least"),
        ("<=", "at most"),
        ("≤", "at most"),
        (">", "more than"),
        ("<", "less than"),
    ];
    let word = words.first()?;
    let (name, rest) =
        SIGNS.iter().find_map(|(sign, name)| Some((name, word.core.strip_prefix(sign)?)))?;
    if rest.is_empty() {
        return None;
    }
    let mut words = words.to_vec();
    words[0].core = rest;
    let (n_words, said) = say_unmarked(&words)?;
    Some((n_words, format!("{name} {said}")))
}

fn say_unmarked(words: &[Word<'_>]) -> Said {
    money(words).or_else(|| range(&[], words)).or_else(|| counted(words))
}

/// `$12.50`, `€1.2M`, `5 €`, `100 USD`, `$3 million`.
fn money(words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    let (minus, core) = match word.core.strip_prefix('-') {
        Some(rest) => ("minus ", rest),
        None => ("", word.core),
    };
    let next = words.get(1).filter(|_| word.goes_on());
    if let Some((names, rest)) = units::currency_before(core) {
        let (number, rest) = Number::at_start_of(rest).filter(|(number, _)| !number.is_signed())?;
        if let Some(magnitude) = units::magnitude(rest) {
            return Some((1, format!("{minus}{} {magnitude} {}", number.words(), names[1])));
        }
        if let Some(next) = next.filter(|next| rest.is_empty() && units::is_magnitude(next.core)) {
            return Some((2, format!("{minus}{} {} {}", number.words(), next.core, names[1])));
        }
        let per = match rest {
            "" => String::new(),
            "+" => " plus".to_owned(),
            _ => format!(" {}", per(rest)?),
        };
        return Some((1, format!("{minus}{}{per}", sum(&number, names))));
    }
    let (number, rest) = Number::at_start_of(word.core)?;
    if let Some(names) = units::currency(rest) {
        return Some((1, sum(&number, names)));
    }
    let names = next.filter(|_| rest.is_empty()).and_then(|next| units::currency(next.core))?;
    Some((2, sum(&number, names)))
}

/// `/month` is "per month".
fn per(rest: &str) -> Option<String> {
    let what = rest.strip_prefix('/')?;
    let what = match what {
        "h" | "hr" => "hour",
        "mo" => "month",
        "yr" => "year",
        _ if what.chars().all(|c| c.is_ascii_alphabetic()) && !what.is_empty() => what,
        _ => return None,
    };
    Some(format!("per {what}"))
}

fn sum(number: &Number<'_>, names: &[&str; 4]) -> String {
    let [one, several, hundredth, hundredths] = names;
    let (whole, fraction) = number.parts();
    let Some(fraction) = fraction else {
        return format!("{} {}", number.words(), if number.is_one() { one } else { several });
    };
    if fraction.len() != 2 {
        return format!("{} {several}", number.words());
    }
    let cents = fraction.trim_start_matches('0');
    let cents_name = if cents == "1" { hundredth } else { hundredths };
    let main_name = if whole == "1" { one } else { several };
    match (whole.trim_start_matches('0').is_empty(), cents.is_empty()) {
        (_, true) => format!("{} {main_name}", cardinal(whole)),
        (true, false) => format!("{} {cents_name}", cardinal(cents)),
        (false, false) => {
            format!("{} {main_name} and {} {cents_name}", cardinal(whole), cardinal(cents))
        }
    }
}

/// `1st`, `22nd`, `3rd`, `100th`.
fn ordinal_number(word: &Word<'_>) -> Said {
    Some((1, ordinal_of(word.core)?))
}

/// "twenty-second" for `22nd`.
pub fn ordinal_of(word: &str) -> Option<String> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end))?;
    let number = Number::of(digits)?.plain_digits()?.parse().ok()?;
    Some(ordinal(number))
}

/// `1h30m`, `2m13s`, `3d4h`.
fn duration(word: &Word<'_>) -> Said {
    let (mut said, mut rest) = (Vec::new(), word.core);
    while !rest.is_empty() {
        let (number, after) =
            Number::at_start_of(rest).filter(|(number, _)| !number.is_signed())?;
        let unit = ["ms", "d", "h", "m", "s"].iter().find(|unit| after.starts_with(**unit))?;
        let (one, several) = units::of_glued(unit)?;
        said.push(format!("{} {}", number.words(), if number.is_one() { one } else { several }));
        rest = after.get(unit.len()..)?;
    }
    (said.len() > 1).then(|| (1, said.join(" ")))
}

/// `1920x1080` is "nineteen twenty by ten eighty".
fn size(word: &Word<'_>) -> Said {
    let (width, height) = word.core.split_once(['x', '×'])?;
    let side = |text: &str| {
        let digits = Number::of(text)?.plain_digits()?.to_owned();
        Some(match digits.len() {
            4 if !digits.ends_with("00") => super::dates::two_pairs(&digits),
            _ => cardinal(&digits),
        })
    };
    Some((1, format!("{} by {}", side(width)?, side(height)?)))
}

/// `3-5`, `10–20%`, `5-10 km`, `1..10`.
fn range(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let core = words.first()?.core;
    let (from, rest) = Number::at_start_of(core).filter(|(number, _)| !number.is_signed())?;
    let to = ["..=", "...", "..", "-", "–", "—"].iter().find_map(|sign| rest.strip_prefix(sign))?;
    if to.starts_with(['-', '+']) {
        return None;
    }
    let mut after = words.to_vec();
    after[0].core = to;
    let (n_words, to) = counted(&after)?;
    if core == "50-50" {
        return Some((n_words, "fifty fifty".to_owned()));
    }
    Some((n_words, format!("{} {} {to}", from.words(), super::dates::joiner(before))))
}

/// Fractions that have a name.
fn named_fraction(core: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 5] = [
        ("1/2", "one half"),
        ("1/3", "one third"),
        ("2/3", "two thirds"),
        ("1/4", "one quarter"),
        ("3/4", "three quarters"),
    ];
    NAMES.iter().find(|(it, _)| *it == core).map(|(_, name)| *name)
}

/// `1/2` is "one half", `3/10` "three of ten", `24/7` "twenty-four seven".
fn fraction(before: &[Word<'_>], word: &Word<'_>) -> Said {
    if let Some(named) = named_fraction(word.core) {
        return Some((1, named.to_owned()));
    }
    let (part, whole) = word.core.split_once('/')?;
    let amount = |core| counted(&[Word { lead: "", core, trail: "" }]).map(|(_, said)| said);
    let plain = |text| Number::of(text).and_then(|it| it.plain_digits().map(str::to_owned));
    let (Some(part), Some(whole)) = (plain(part), plain(whole)) else {
        return Some((1, format!("{} of {}", amount(part)?, amount(whole)?)));
    };
    let (part, whole) = (part.as_str(), whole.as_str());
    let said = match (part, whole) {
        ("24", "7") => "twenty-four seven".to_owned(),
        ("50", "50") => "fifty fifty".to_owned(),
        (_, "5" | "10" | "100") if !is_place(before) => {
            format!("{} out of {}", cardinal(part), cardinal(whole))
        }
        _ if part == whole => format!("{} out of {}", cardinal(part), cardinal(whole)),
        _ => format!("{} of {}", cardinal(part), cardinal(whole)),
    };
    Some((1, said))
}

/// Whether what is told is a place in a row, and no rating.
fn is_place(before: &[Word<'_>]) -> bool {
    const ROWS: [&str; 8] = ["step", "page", "attempt", "part", "try", "chunk", "epoch", "test"];
    before.last().is_some_and(|it| ROWS.contains(&it.core.to_ascii_lowercase().as_str()))
}

/// `code is 482913`: told digit by digit.
fn secret(before: &[Word<'_>], word: &Word<'_>) -> Said {
    const NAMES: [&str; 5] = ["code", "pin", "otp", "passcode", "password"];
    let is_secret = before
        .iter()
        .rev()
        .take(2)
        .any(|it| NAMES.contains(&it.core.to_ascii_lowercase().as_str()));
    let is_code =
        (4..=8).contains(&word.core.len()) && word.core.bytes().all(|byte| byte.is_ascii_digit());
    (is_secret && is_code).then(|| (1, digits(word.core)))
}

/// `$10-$20`, `$10-20`.
fn prices(before: &[Word<'_>], word: &Word<'_>) -> Said {
    let (names, rest) = units::currency_before(word.core)?;
    let (from, to) = rest.split_once(['-', '–'])?;
    let to = units::currency_before(to).map_or(to, |(_, rest)| rest);
    let (from, to) = (Number::of(from)?, Number::of(to)?);
    Some((1, format!("{} {} {}", from.words(), super::dates::joiner(before), sum(&to, names))))
}

/// A number, alone or with what it counts: `5`, `5km`, `5 km`, `80%`, `3 million`, `10k`.
fn counted(words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    let (number, rest) = Number::at_start_of(word.core)?;
    let of = |(one, several): (String, String)| if number.is_one() { one } else { several };
    if !rest.is_empty() {
        if let Some(unit) = units::of_glued(rest) {
            return Some((1, format!("{} {}", number.words(), of(unit))));
        }
        return match rest {
            // What a disk has, as `df -h` tells it; 5G is a network.
            "G" | "T" if number.parts().1.is_some() || number.parts().0.len() > 1 => {
                let unit = if rest == "G" { "gigabytes" } else { "terabytes" };
                Some((1, format!("{} {unit}", number.words())))
            }
            "k" | "M" | "bn" | "mn" => {
                Some((1, format!("{} {}", number.words(), units::magnitude(rest)?)))
            }
            "+" => Some((1, format!("{} plus", number.words()))),
            // `45°N`
            _ => {
                let direction = compass(rest.strip_prefix('°')?)?;
                Some((1, format!("{} degrees {direction}", number.words())))
            }
        };
    }
    if let Some(next) = words.get(1).filter(|next| word.goes_on() && next.lead.is_empty())
        && let Some(unit) = units::of_word(next.core)
    {
        return Some((2, format!("{} {}", number.words(), of(unit))));
    }
    if let Some(part) = words.get(1).filter(|_| word.goes_on() && number.plain_digits().is_some())
        && let Some(half) = named_fraction(part.core)
    {
        return Some((2, format!("{} and {half}", number.words())));
    }
    Some((1, number.words()))
}
